"""Blend: smooth fills, weighed and corrected by a small U-Net; the project's own network.

What two cores can train in an hour is not enough for a network to paint structures; it is enough
to learn which of several smooth fills to believe where. At half the image's size, where nearly all
of a smooth fill's error can be seen::

    fill = u + up(sum_k w_k (u_k - down(u)) + d)                                            (1)

    u    `coherent_fill`, at full size: edges go on
    u_k  `down(u)` itself, `thin_plate` and `membrane`: slopes go on, nothing goes on
    w    softmax over k of the U-Net's answer, d the rest of its answer

The U-Net's blocks are a 7 x 7 depthwise convolution, layer norm, and two 1 x 1 convolutions with
GELU between them, beside the identity.

Training: the PSNR in the hole, negated (`decibels`), alone; crops of 64, then 128, then 256 px,
irregular holes; AdamW with a decay of 0.01, gradients clipped to a norm of 1, averaged weights
(0.998). An hour on one core.

Sources: Wolpert, "Stacked generalization", 1992, for learning from several answers; Liu et al., "A
ConvNet for the 2020s", 2022, for the blocks; Ronneberger et al., "U-Net: Convolutional Networks
for Biomedical Image Segmentation", 2015.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_inpaint.weightless.membrane import halve_known, membrane
from napari_inpaint.weightless.plate import thin_plate
from training.networks.layers import Network, blank_and_pad, zero_


class Block(nn.Module):
    """Depthwise convolution and a perceptron for each pixel, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Conv2d(channels, 3 * channels, 1)
        self.narrow = nn.Conv2d(3 * channels, channels, 1)
        zero_(self.narrow)  # start from the identity

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.narrow(F.gelu(self.widen(y)))
        out: Tensor = x + y
        return out


def blocks(channels: int, count: int) -> nn.Sequential:
    """Make ``count`` blocks in a row."""
    return nn.Sequential(*(Block(channels) for _ in range(count)))


class UNet(nn.Module):
    """A U-Net over blocks of 2 x 2 px as channels; its answer is zero at first.

    Parameters
    ----------
    channels, out_channels : int
        Channels of what comes in and of what goes out, at the same size.
    base : int
        Channels at the first size, doubled at each of two halvings.
    depth : int
        Blocks at each size, on the way down and on the way up.
    """

    def __init__(self, channels: int, out_channels: int, base: int, depth: int) -> None:
        super().__init__()
        widths = (base, 2 * base, 4 * base)
        self.first = nn.Conv2d(4 * channels, base, 3, padding=1)
        self.top = blocks(widths[0], depth)
        self.to_middle = nn.Conv2d(widths[0], widths[1], 2, stride=2)
        self.middle = blocks(widths[1], depth)
        self.to_bottom = nn.Conv2d(widths[1], widths[2], 2, stride=2)
        self.bottom = blocks(widths[2], depth)
        self.from_bottom = nn.Conv2d(widths[2], widths[1], 1)
        self.middle_again = blocks(widths[1], depth)
        self.from_middle = nn.Conv2d(widths[1], widths[0], 1)
        self.top_again = blocks(widths[0], depth)
        self.last = nn.Conv2d(base, 4 * out_channels, 3, padding=1)
        zero_(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, channels, H, W), H and W multiples of 8."""
        top = self.top(self.first(F.pixel_unshuffle(x, 2)))
        middle = self.middle(self.to_middle(top))
        bottom = self.from_bottom(self.bottom(self.to_bottom(middle)))
        middle = self.middle_again(middle + F.interpolate(bottom, scale_factor=2.0))
        middle = self.from_middle(middle)
        top = self.top_again(top + F.interpolate(middle, scale_factor=2.0))
        return F.pixel_shuffle(self.last(top), 2)


class Blend(Network):
    """The network of equation 1.

    Parameters
    ----------
    base : int
        Channels of the U-Net at a quarter of the image's size.
    depth : int
        Blocks at each size.
    """

    def __init__(self, base: int = 48, depth: int = 2) -> None:
        super().__init__()
        self.fills = 3
        self.net = UNet(3 * (self.fills + 1) + 1, self.fills + 3, base, depth)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`, unclamped."""
        height, width = image.shape[2], image.shape[3]
        start, hole = blank_and_pad(image, hole, 16, smooth=True)
        fill = start + self.correction(start, hole)
        return fill[:, :, :height, :width]

    def correction(self, start: Tensor, hole: Tensor) -> Tensor:
        """Return up(...) of equation 1 for a fill (N, C, H, W) with sides of multiples of 16."""
        known, seen = halve_known(start, 1 - hole)
        small = F.avg_pool2d(start, 2)
        others = [small, thin_plate(known, seen), membrane(known, seen, sweeps=20)]
        apart = torch.stack(others, 1) - small[:, None]  # (N, K, C, H / 2, W / 2)
        # Fills differ by little; both kinds of channels should come in about as strong.
        x = torch.cat([small - 0.5, 4 * apart.flatten(1, 2), F.avg_pool2d(hole, 2)], 1)
        answer = self.net(x)
        weights = torch.softmax(answer[:, : self.fills], 1)[:, :, None]
        change = (weights * apart).sum(1) + answer[:, self.fills :]
        return F.interpolate(change, scale_factor=2.0, mode="bilinear", align_corners=False)
