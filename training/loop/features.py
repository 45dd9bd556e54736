"""What perceptual losses and style losses look through.

Each is a module that takes an image (N, 3, H, W) in [0, 1] and returns feature tensors.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.weights import read_saved, take


class FilterBank(nn.Module):
    """Features without learned weights: random band-pass filters on a pyramid.

    Gram matrices of one layer of random filters at several scales describe a texture nearly as
    well as those of a trained network (Ustyuzhaninov et al., "What does it take to generate natural
    textures?", ICLR 2017), and cost little.

    Parameters
    ----------
    filters : int
        Filters per scale.
    scales : int
        Pyramid levels, each half as large as the one before.
    kernel : int
        Side of the filters, px; odd.
    seed : int
        The filters are drawn from it, so the bank is the same everywhere.
    """

    weight: Tensor

    def __init__(self, filters: int = 32, scales: int = 3, kernel: int = 7, seed: int = 0) -> None:
        super().__init__()
        self.scales, self.kernel = scales, kernel
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(filters, 3, kernel, kernel, generator=generator)
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        weight = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return one feature tensor (N, filters, H / 2^s, W / 2^s) per scale s."""
        features = []
        for scale in range(self.scales):
            if scale:
                image = F.avg_pool2d(image, 2, ceil_mode=True)
            features.append(F.relu(F.conv2d(image, self.weight, padding=self.kernel // 2)))
        return features


#: VGG-16's convolutions in its five blocks, by their channels.
VGG16_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """Layers of VGG-16, from a file of torchvision's weights.

    Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", 2015. Images are normalised as torchvision's weights want them.

    Parameters
    ----------
    weights : Path
        A state dict with the keys ``features.<i>.weight`` and ``features.<i>.bias``, as
        torchvision's ``vgg16`` has them.
    layers : tuple of str
        What is looked through: "relu<block>_<number>" and "pool<block>", counted from 1.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it holds anything else, or there is no such layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, weights: Path, layers: tuple[str, ...] = ("pool1", "pool2", "pool3")
    ) -> None:
        super().__init__()
        state = read_saved(weights, "torchvision's weights of VGG-16")
        named = vgg16_layers()
        unknown = sorted(set(layers) - set(named))
        if unknown:
            raise ValueError(f"VGG-16 has no {', '.join(unknown)}; it has {', '.join(named)}.")
        parts = [nn.Sequential()]
        for place, (name, layer) in enumerate(named.items()):
            if len(parts) > len(layers):
                break
            if isinstance(layer, nn.Conv2d):
                take(state, f"features.{place}", layer, weights)
            parts[-1].append(layer)
            if name in layers:
                parts.append(nn.Sequential())
        self.parts = nn.ModuleList(parts[:-1])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return a feature tensor (N, C, h, w) for each asked layer, in the network's order."""
        x = (image - self.mean) / self.std
        features = []
        for part in self.parts:
            x = part(x)
            features.append(x)
        return features


def vgg16_layers() -> dict[str, nn.Module]:
    """Make VGG-16's layers up to the last pooling, untrained, by their names, in their order."""
    layers: dict[str, nn.Module] = {}
    channels = 3
    for block, widths in enumerate(VGG16_WIDTHS, start=1):
        for number, width in enumerate(widths, start=1):
            layers[f"conv{block}_{number}"] = nn.Conv2d(channels, width, 3, padding=1)
            layers[f"relu{block}_{number}"] = nn.ReLU()
            channels = width
        layers[f"pool{block}"] = nn.MaxPool2d(2)
    return layers
