"""What three or more networks share: their contract, their padding, spectral norm, discriminators.

Papers: spectral norm: Miyato et al., "Spectral Normalization for Generative Adversarial Networks",
2018. PatchGAN: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
2017; several scales: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with
Conditional GANs", 2018.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from napari_inpaint.weightless.coherence import coherent_fill


class Outputs(NamedTuple):
    """All that a network predicts in training; `forward` returns the finest image alone."""

    images: list[Tensor]
    """Predictions (N, 3, h, w) on the scale [0, 1], the finest (full size) first."""
    logits: list[Tensor]
    """Class scores (N, K, h, w) before the softmax, the finest first; empty without classes."""
    known_logits: list[Tensor] = []  # noqa: RUF012
    """Class scores (N, K, h, w) that answer for known pixels alone: a segmenter's."""


class Network(nn.Module):
    """What every network is: ``forward(image, hole)`` predicts the whole image.

    ``image`` is (N, 3, H, W) in [0, 1] of any size from 1 x 1, and what stands in the hole has no
    influence; ``hole`` is (N, 1, H, W), 1 = hole. The prediction (N, 3, H, W) is on the scale
    [0, 1] and covers the known pixels as well.
    """

    def outputs(self, image: Tensor, hole: Tensor, labels: Tensor | None = None) -> Outputs:
        """Predict everything that a loss looks at; networks with one output keep this."""
        return Outputs([self(image, hole)], [])


def blank_and_pad(
    image: Tensor, hole: Tensor, stride: int, minimum: int = 1, smooth: bool = False
) -> tuple[Tensor, Tensor]:
    """Set the hole to 0.5 and pad right and bottom, so that a network can take any image.

    Padded pixels are hole and look like it: a network meets nothing there that it has not met in
    training.

    Parameters
    ----------
    image : Tensor
        (N, C, H, W) in [0, 1]; the hole's own content has no influence, NaN included.
    hole : Tensor
        (N, 1, H, W), 1 = hole.
    stride : int
        Height and width are padded to a multiple of this, px.
    minimum : int
        Smallest padded side, px; a multiple of ``stride``.
    smooth : bool
        Whether the hole gets a `coherent_fill` instead, for a network that adds to it.

    Returns
    -------
    tuple of Tensor
        The image and the hole, (N, C, H', W') and (N, 1, H', W'); crop the prediction to H, W.
    """
    height, width = hole.shape[2], hole.shape[3]
    down = max(minimum - height, -height % stride)
    right = max(minimum - width, -width % stride)
    image = image.masked_fill(hole > 0.5, 0.5)
    image = F.pad(image, [0, right, 0, down], value=0.5)
    hole = F.pad(hole, [0, right, 0, down], value=1.0)
    if smooth:
        image = coherent_fill(image, 1 - hole)
    return image, hole


def zero_(layer: nn.Module) -> None:
    """Let a layer give zeros at the start, in place."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def at_least_float32(x: Tensor) -> Tensor:
    """Widen half-precision features for arithmetic that needs more."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class SpectralNorm(nn.Module):
    """Weight divided by its largest singular value, which one power iteration per step follows.

    Of the two singular vectors only ``u`` is kept, and the value is ``|W^T u| / |u|``. PyTorch's
    own keeps both and relies on their length of 1, which is lost in a network averaged over its
    steps: after 500 steps weights had norms of 1.16 on average and 2.07 at most. This one: 1.02
    and 1.12.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", torch.randn_like(weight[:, 0, 0, 0]))

    @torch.no_grad()
    def iterate(self, matrix: Tensor) -> None:
        """Turn ``u`` towards the first left singular vector of ``matrix`` (out, in * k * k)."""
        v = F.normalize((matrix * self.u[:, None]).sum(0), dim=0)
        self.u.copy_(F.normalize((matrix * v).sum(1), dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """Normalise a convolution's weight (out, in, k, k)."""
        # Products and sums instead of matmul, which mixed precision would round.
        matrix = weight.flatten(1)
        if self.training:
            self.iterate(matrix)
        u = F.normalize(self.u, dim=0)
        largest: Tensor = torch.linalg.vector_norm((matrix * u[:, None]).sum(0))
        return weight / largest.clamp(min=1e-12)


def spectral_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Put a spectral norm on a convolution's weight, in place."""
    parametrize.register_parametrization(conv, "weight", SpectralNorm(conv.weight))
    return conv


def remove_spectral_norm_(network: nn.Module) -> nn.Module:
    """Bake spectral norms into the weights, in place; a scripted network cannot hold them.

    The network is put into evaluation mode, in which removal changes no output.
    """
    network.eval()
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return network


def with_spectral_norm(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Undo `remove_spectral_norm_` in a state dict, as far as the network has such norms.

    Returns
    -------
    dict of Tensor
        By the network's own names; the norms divide these weights by 1, but for rounding.
    """
    own, restored = network.state_dict(), {}
    for name, weight in weights.items():
        parts = f"{name.removesuffix('weight')}parametrizations.weight"
        if name not in own and f"{parts}.original" in own:
            matrix = weight.flatten(1)
            restored[f"{parts}.original"] = weight
            restored[f"{parts}.0.u"] = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -1]
        else:
            restored[name] = weight
    return restored


class PatchGAN(nn.Module):
    """Discriminator that judges overlapping patches: 70 x 70 px with three strided layers.

    Layers: ``strided`` 4 x 4 convolutions with stride 2, one with stride 1, one to a single score;
    LeakyReLU 0.2 between them.

    Parameters
    ----------
    channels : int
        Channels of the input: 3 for an image, 1 more for its hole, K more for class maps.
    base : int
        Channels of the first layer; they double with each, up to ``8 * base``.
    strided : int
        Halvings of the resolution: 2, 3 or 4 see patches of 34, 70 or 142 px.
    norm : {"spectral", "batch", "instance"}
        Spectral norm on every convolution, or a norm after all but the first and the last.
    """

    def __init__(
        self,
        channels: int = 3,
        base: int = 64,
        strided: int = 3,
        norm: Literal["spectral", "batch", "instance"] = "spectral",
    ) -> None:
        super().__init__()
        widths = [channels, *(base * min(2**i, 8) for i in range(strided + 1)), 1]
        self.layers = nn.ModuleList()
        for i in range(strided + 2):
            between = 0 < i < strided + 1
            bias = norm != "spectral" and not between
            conv = nn.Conv2d(widths[i], widths[i + 1], 4, 2 if i < strided else 1, 1, bias=bias)
            nn.init.normal_(conv.weight, 0, 0.02)
            layer = nn.Sequential(spectral_norm(conv) if norm == "spectral" else conv)
            if between and norm == "batch":
                layer.append(nn.BatchNorm2d(widths[i + 1]))
            elif between and norm == "instance":
                layer.append(nn.InstanceNorm2d(widths[i + 1]))
            if i < strided + 1:
                layer.append(nn.LeakyReLU(0.2))
            self.layers.append(layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return every layer's output; the last one, (N, 1, h, w), is the score, unbounded."""
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


class MultiScalePatchGAN(nn.Module):
    """One PatchGAN per scale; each scale has half the resolution of the one before.

    Parameters
    ----------
    scales : int
        Number of scales; 1 is a plain PatchGAN with this class's return type.
    channels, base, strided, norm
        As every `PatchGAN` takes them.
    """

    def __init__(
        self,
        scales: int = 3,
        channels: int = 3,
        base: int = 64,
        strided: int = 3,
        norm: Literal["spectral", "batch", "instance"] = "spectral",
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchGAN(channels, base, strided, norm) for _ in range(scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Return the layers' outputs per scale, the finest scale first."""
        results = []
        for index, discriminator in enumerate(self.scales):
            if index > 0:
                x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            results.append(discriminator(x))
        return results
