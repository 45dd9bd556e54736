from napari_inpaint import BackendInfo, hookimpl


class RaisesAtListing:
    info = BackendInfo(name="raises-at-listing", title="Raises at listing", provides={"inpaint"})

    def load(self, device):
        return self

    def inpaint(self, image, mask):
        return image


@hookimpl
def napari_inpaint_backends():
    raise RuntimeError("listing failed on purpose")
