from napari_inpaint import BackendInfo, hookimpl


class ReturnsNan:
    info = BackendInfo(name="returns-nan", title="Returns nan", provides={"inpaint"})

    def load(self, device):
        return self

    def inpaint(self, image, mask):
        return image * float("nan")


@hookimpl
def napari_inpaint_backends():
    return [ReturnsNan()]
