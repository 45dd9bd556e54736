import torch

from napari_inpaint import BackendInfo, hookimpl


class MeanFill:
    info = BackendInfo(name="mean-fill", title="Mean of the known pixels", provides={"inpaint"})

    def load(self, device: torch.device) -> "MeanFill":
        return self

    def inpaint(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        known = 1 - mask
        count = known.sum((2, 3), keepdim=True).clamp(min=1)
        mean = (image * known).sum((2, 3), keepdim=True) / count
        return image * known + mean * mask


@hookimpl
def napari_inpaint_backends():
    return [MeanFill()]
