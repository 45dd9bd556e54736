"""ConvNeXt U-Net: the most picture for the least arithmetic; made for training on a CPU.

Papers: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022, for the
block; Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, for the shape.

A block, on features x of c channels::

    y = x + conv1x1(GELU(conv1x1(BN(depthwise7x7(x)))))     c -> c -> 2 c -> c    (1)

The network works on blocks of 4 x 4 px folded into channels, goes down by 2 x 2 convolutions with
stride 2 and up by 1 x 1 convolutions and nearest enlargement, adds the features of the way down,
and adds what comes out to a smooth fill of the hole.

Differences from ConvNeXt, and why:

- Batch norm in the place of layer norm: it costs nothing in the artifact, and layer norm over the
  channels of (N, C, H, W) is slow on a CPU.
- Twice the channels inside a block instead of four times: more steps in the same time.
- Every block starts as the identity (zeros in its last convolution) in the place of a layer scale.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import Network, blank_and_pad


class Block(nn.Module):
    """Equation 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1),
        )
        zero_(self.layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        y: Tensor = self.layers(x)
        return x + y


def zero_(layer: nn.Module) -> None:
    """Let a layer give zeros at the start, in place."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ConvNeXtUNet(Network):
    """The network.

    Parameters
    ----------
    widths : tuple of int
        Channels at each size, the largest size first; each next one is half the size before.
    blocks : tuple of int
        Blocks at each size; as many on the way up as on the way down.
    fold : int
        Side of the blocks of pixels that are folded into channels, px.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 192, 256),
        blocks: tuple[int, ...] = (1, 2, 2, 2),
        fold: int = 4,
    ) -> None:
        super().__init__()
        self.stride = fold * 2 ** (len(widths) - 1)
        self.fold, self.unfold = nn.PixelUnshuffle(fold), nn.PixelShuffle(fold)
        self.entry = nn.Conv2d(4 * fold**2, widths[0], 3, padding=1)
        stages = [
            nn.Sequential(*(Block(width) for _ in range(count)))
            for width, count in zip(widths * 2, blocks * 2, strict=True)
        ]
        self.down = nn.ModuleList(stages[: len(widths) - 1])
        self.bottom = stages[len(widths) - 1]
        self.up = nn.ModuleList(reversed(stages[len(widths) : -1]))
        steps = list(pairwise(widths))
        self.halve = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(wide), nn.Conv2d(wide, deep, 2, 2)) for wide, deep in steps
        )
        self.rise = nn.ModuleList(nn.Conv2d(deep, wide, 1) for wide, deep in reversed(steps))
        self.norm = nn.BatchNorm2d(widths[0])
        self.last = nn.Conv2d(widths[0], 3 * fold**2, 3, padding=1)
        zero_(self.last)  # start from the smooth fill

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`, unclamped."""
        height, width = image.shape[2], image.shape[3]
        smooth, hole = blank_and_pad(image, hole, self.stride, self.stride, smooth=True)
        x = self.entry(self.fold(torch.cat([smooth * 2 - 1, hole], 1)))
        seen: list[Tensor] = []
        for stage, halve in zip(self.down, self.halve, strict=False):
            x = stage(x)
            seen.append(x)
            x = halve(x)
        x = self.bottom(x)
        for rise, stage in zip(self.rise, self.up, strict=False):
            x = stage(F.interpolate(rise(x), scale_factor=2.0) + seen.pop())
        prediction: Tensor = smooth + self.unfold(self.last(self.norm(x))) / 2
        return prediction[:, :, :height, :width]
