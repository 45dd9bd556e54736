from napari_inpaint import BackendInfo, hookimpl


class WrongShape:
    info = BackendInfo(name="wrong-shape", title="Wrong shape", provides={"inpaint"})

    def load(self, device):
        return self

    def inpaint(self, image, mask):
        return image[..., :-1]


@hookimpl
def napari_inpaint_backends():
    return [WrongShape()]
