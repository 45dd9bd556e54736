"""Discriminators that look through the features of a network trained to classify.

Paper: Sauer, Chitta, Müller, Geiger, "Projected GANs Converge Faster", NeurIPS 2021. Features
f_l of four resolutions, from a frozen network, are mixed at random, by layers that never learn::

    g_l = W_l * f_l                           1 x 1: across channels                          (1)
    p_L = V_L * g_L,   p_l = V_l * (g_l + up(p_{l+1}))    3 x 3: across scales                (2)

and each p_l has a small discriminator of its own.

Deviations, and why:

- A score belongs to a place, not to the image: what has to be judged is a hole in it.
- Spectral norm alone: batch norm would let a picture's score depend on the others'.
- The features are those that the perceptual terms look at, computed once.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import spectral_norm


class RandomConv(nn.Module):
    """A convolution that keeps the weights it was born with, and the features' variance."""

    weight: Tensor

    def __init__(self, channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        deviation = 1 / math.sqrt(channels * kernel**2)
        weight = torch.randn(out_channels, channels, kernel, kernel) * deviation
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        return F.conv2d(x, self.weight, padding=self.weight.shape[2] // 2)


class ScaleDiscriminator(nn.Module):
    """Scores for the features of one scale, at half their resolution.

    Parameters
    ----------
    channels : int
        Those of the features.
    base : int
        Channels of the first layer; the second has twice as many.
    """

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        convs = [
            nn.Conv2d(channels, base, 3, padding=1),
            nn.Conv2d(base, 2 * base, 4, stride=2, padding=1),
            nn.Conv2d(2 * base, 1, 3, padding=1),
        ]
        self.layers = nn.ModuleList(spectral_norm(conv) for conv in convs)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return every layer's output; the last one, (N, 1, h, w), is the score, unbounded."""
        features: list[Tensor] = []
        for layer in self.layers:
            x = layer(F.leaky_relu(features[-1], 0.2) if features else x)
            features.append(x)
        return features


class ProjectedGAN(nn.Module):
    """One discriminator for each of the last four of a network's five features.

    Parameters
    ----------
    channels : tuple of int
        Channels of these features: EfficientNet-Lite0's.
    base : int
        Channels of the mixed features, and of each discriminator's first layer.
    """

    def __init__(self, channels: tuple[int, ...] = (24, 40, 112, 320), base: int = 64) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(RandomConv(each, base, 1) for each in channels)
        self.across_scales = nn.ModuleList(RandomConv(base, base, 3) for _ in channels)
        self.scales = nn.ModuleList(ScaleDiscriminator(base, base) for _ in channels)

    def forward(self, features: list[Tensor]) -> list[list[Tensor]]:
        """Return the layers' outputs per scale, the finest scale first."""
        mixed: list[Tensor] = []
        for place in reversed(range(len(self.scales))):
            x = self.across_channels[place](features[place - len(self.scales)])
            if mixed:
                size = [x.shape[2], x.shape[3]]
                coarser = F.interpolate(mixed[0], size=size, mode="bilinear", align_corners=False)
                x = (x + coarser) * math.sqrt(0.5)
            mixed.insert(0, self.across_scales[place](x))
        return [scale(x) for scale, x in zip(self.scales, mixed, strict=True)]
