from napari_inpaint import BackendInfo, hookimpl


class RaisesAtLoad:
    info = BackendInfo(name="raises-at-load", title="Raises at load", provides={"inpaint"})

    def load(self, device):
        raise RuntimeError("weights are gone on purpose")

    def inpaint(self, image, mask):
        return image


@hookimpl
def napari_inpaint_backends():
    return [RaisesAtLoad()]
