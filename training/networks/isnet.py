"""ISNet: two interacting branches, one at full resolution and one that descends.

Paper: Li, Lu, Zhang, Cheng, Xu, Yu, He, Zhou, Yang, "Interactive Separation Network for Image
Inpainting", ICIP 2020.

Stage n = 1..4 takes the high branch H (c channels, full size) and the low branch L (c 2^(n-1)
channels, 1 / 2^(n-1) of the size; the first stage has H alone)::

    Inpainting    H, L <- residual blocks x <- tanh(x + F(x)); dilation 1 in H, 2 in L   (a)
    Interaction   H' = [H, up^(n-1)(L)],   L' = [down^n(H), down(L)]                     (b)
    Aggregation   H <- tanh(conv(H')),     L <- tanh(conv(L')), c and c 2^n channels     (c)

    I_pred = (tanh(fuse([H, up^4(L)])) + 1) / 2     the final fusion                     (1)

``down`` is a 3 x 3 convolution with stride 2 that doubles the channels; ``up`` is the sub-pixel
convolution that halves them: 3 x 3 to twice the channels, then a pixel shuffle. Convolutions carry
a spectral norm and no bias, but at three places: the head's 1 x 1 shortcut has neither, the two of
the final fusion have both, the 1 x 1 that ends the base model has a bias and no norm. Every
activation is tanh, nothing else is normalised.

The paper's table 1: ``ISNet(final_fusion=False, sub_pixel=False)``, ``ISNet(sub_pixel=False)``,
``ISNet()``, ``UNetLike()``; table 2: ``ISNet(blocks=1..4)``; all with ``use_mask=False``. Its "M"
is 2^20 parameters.

Deviations from the published network, and why:

- ``use_mask`` adds the mask as a fourth input channel: the published network cannot tell a hole
  from a patch of the same colour.
- The hole enters as 0.5, not as black: the middle of the range, as in every network here.
- A spectral norm cancels the scale of the weights, and with it the published N(0, 0.001), which
  starts the residual blocks near the identity. So F(x) is scaled by 0.1, and initial weights are
  orthogonal: all their singular values are equal, so that the norm lets every direction pass. On
  drawn waves, after 300 steps, holes had 15 dB so and 13.3 dB from N(0, 0.02) (two seeds).
- Images are padded to multiples of 16 px, the depth of the low branch.
- For short trainings (not in the paper): with ``space_to_depth=2`` it works on blocks of 2 x 2 px
  as channels; with ``residual=True`` the hole enters as a smooth fill, to which the
  network adds.

Training:

- Published (equation 2; what it leaves open as in the authors' code): the L1, there divided by the
  hole's share, plus 0.1 times the hinge term, 0.1 perceptual, 250 style and 10 feature matching,
  summed over the layers; features are VGG-19's, relu1_1 to relu5_1 and, for style, relu2_2,
  relu3_4, relu4_4 and relu5_2, of the raw prediction. The discriminator is like EdgeConnect's, a
  PatchGAN of 70 px with spectral norms, without the mask; equation 3 shows it whole truths and the
  prediction inside the hole, ``I_pred . (1 - M)``, the code the raw prediction. Adam with betas of
  0 and 0.9, at 1e-4, the discriminator at 1e-5; 500,000 steps of 6 pictures; masks from occlusions
  in videos.
- ``isnet-paper`` does so, after equation 3, but: features are VGG-16's relu1_1 to relu5_1 for both
  terms, or a bank of fixed random filters; feature matching leaves the scores themselves out;
  masks are strokes, ellipses and boxes over 10 % to 50 % of a crop.
- ``isnet-photo`` is slim and residual, sees the mask, and learns as ``pconv-photo`` does
  (``pconv.py``).
"""

import torch
from torch import Tensor, nn

from training.networks.layers import Network, blank_and_pad, spectral_norm

STAGES = 4


def spectral_conv(
    channels: int,
    out_channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Make a zero-padded convolution with spectral norm."""
    layer = nn.Conv2d(
        channels, out_channels, kernel, stride, dilation * (kernel // 2), dilation, bias=bias
    )
    nn.init.orthogonal_(layer.weight)
    return spectral_norm(layer)


def down(channels: int, steps: int) -> nn.Sequential:
    """Make ``steps`` convolutions that halve the size and double the channels."""
    layers: list[nn.Module] = []
    for i in range(steps):
        layers += [spectral_conv(channels * 2**i, channels * 2 ** (i + 1), stride=2), nn.Tanh()]
    return nn.Sequential(*layers)


def up(channels: int, steps: int, *, sub_pixel: bool) -> nn.Sequential:
    """Make ``steps`` doublings of the size.

    Sub-pixel convolutions halve the channels each; without them, one bilinear interpolation keeps
    them.
    """
    if not sub_pixel:
        return nn.Sequential(nn.Upsample(scale_factor=2**steps, mode="bilinear"))
    layers: list[nn.Module] = []
    for i in range(steps):
        layers += [
            spectral_conv(channels // 2**i, 2 * channels // 2**i),
            nn.PixelShuffle(2),
            nn.Tanh(),
        ]
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity (a)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_conv(channels, channels, dilation=dilation),
            nn.Tanh(),
            spectral_conv(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        return torch.tanh(x + 0.1 * self.layers(x))


class Head(nn.Module):
    """Input to ``channels`` features: two convolutions beside a 1 x 1 projection."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_conv(in_channels, 2 * channels),
            nn.Tanh(),
            spectral_conv(2 * channels, channels),
        )
        self.shortcut = nn.Conv2d(in_channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the input (N, C, H, W)."""
        return torch.tanh(self.shortcut(x) + self.layers(x))


class FirstStage(nn.Module):
    """Splits the low branch off (a to c with n = 1); its output is ``(high, low)``."""

    def __init__(self, base: int, blocks: int) -> None:
        super().__init__()
        self.high_blocks = nn.Sequential(*(ResidualBlock(base, 1) for _ in range(blocks)))
        self.high_to_low = down(base, 1)
        self.high = nn.Sequential(spectral_conv(base, base), nn.Tanh())
        self.low = nn.Sequential(spectral_conv(2 * base, 2 * base), nn.Tanh())

    def forward(self, high: Tensor) -> tuple[Tensor, Tensor]:
        """Take (N, c, H, W); return it and (N, 2c, H/2, W/2)."""
        high = self.high_blocks(high)
        return self.high(high), self.low(self.high_to_low(high))


class Stage(nn.Module):
    """Stage n = 2..4 (a to c).

    Parameters
    ----------
    base : int
        Channels c of the high branch.
    n : int
        The stage's number, from 1.
    low_out : int
        Channels of the low branch behind the stage.
    blocks : int
        Residual blocks per branch.
    sub_pixel : bool
        Whether the low branch rises through sub-pixel convolutions.
    """

    def __init__(self, base: int, n: int, low_out: int, blocks: int, *, sub_pixel: bool) -> None:
        super().__init__()
        low_in = base * 2 ** (n - 1)
        self.high_blocks = nn.Sequential(*(ResidualBlock(base, 1) for _ in range(blocks)))
        self.low_blocks = nn.Sequential(*(ResidualBlock(low_in, 2) for _ in range(blocks)))
        self.low_to_high = up(low_in, n - 1, sub_pixel=sub_pixel)
        self.high_to_low = down(base, n)
        self.low_to_low = down(low_in, 1)
        risen = base if sub_pixel else low_in
        self.high = nn.Sequential(spectral_conv(base + risen, base), nn.Tanh())
        self.low = nn.Sequential(spectral_conv(4 * low_in, low_out), nn.Tanh())

    def forward(self, high: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Take (N, c, H, W) and (N, c 2^(n-1), h, w); return (N, c, H, W), (N, c 2^n, h/2, w/2)."""
        high, low = self.high_blocks(high), self.low_blocks(low)
        to_high = torch.cat([high, self.low_to_high(low)], 1)
        to_low = torch.cat([self.high_to_low(high), self.low_to_low(low)], 1)
        return self.high(to_high), self.low(to_low)


class FinalFusion(nn.Module):
    """Brings the low branch up to the high one and decodes both (equation 1)."""

    def __init__(self, base: int, low: int, out_channels: int, *, sub_pixel: bool) -> None:
        super().__init__()
        self.low_to_high = up(low, STAGES, sub_pixel=sub_pixel)
        risen = base if sub_pixel else low
        self.layers = nn.Sequential(
            spectral_conv(base + risen, base, 7, bias=True),
            nn.Tanh(),
            spectral_conv(base, out_channels, bias=True),
        )

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Take (N, c, H, W) and (N, 16 c, H/16, W/16); return (N, out_channels, H, W)."""
        out: Tensor = self.layers(torch.cat([high, self.low_to_high(low)], 1))
        return out


class HighAlone(nn.Module):
    """The end of the paper's base model: a projection of the high branch."""

    def __init__(self, base: int, out_channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(base, out_channels, 1)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Take (N, c, H, W) and the unused low branch; return (N, out_channels, H, W)."""
        out: Tensor = self.layer(high)
        return out


class ISNet(Network):
    """The paper's network.

    Parameters
    ----------
    base : int
        Channels c of the high branch; 32 in the paper.
    blocks : int
        Residual blocks per branch and stage; 4 in the paper.
    final_fusion : bool
        Whether the low branch of the last stage reaches the output.
    sub_pixel : bool
        Whether upsampling is learned; else bilinear. As in the paper's table 1, a final fusion
        without it halves the width of the last low branch.
    use_mask : bool
        Whether the mask is a fourth input channel; not in the paper.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; 1 in the paper.
    residual : bool
        Whether the output is added to a `coherent_fill`.
    """

    def __init__(
        self,
        base: int = 32,
        blocks: int = 4,
        *,
        final_fusion: bool = True,
        sub_pixel: bool = True,
        use_mask: bool = True,
        space_to_depth: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.use_mask = use_mask
        self.stride = 2**STAGES * space_to_depth
        self.pixel_unshuffle = nn.PixelUnshuffle(space_to_depth)
        self.pixel_shuffle = nn.PixelShuffle(space_to_depth)
        # Under a spectral norm, a start from the smooth fill takes a factor of its own.
        self.gain = nn.Parameter(torch.zeros(1)) if residual else None
        self.head = Head((4 if use_mask else 3) * space_to_depth**2, base)
        self.first = FirstStage(base, blocks)
        widths = [base * 2**n for n in range(STAGES + 1)]
        if final_fusion and not sub_pixel:
            widths[STAGES] //= 2
        self.stages = nn.ModuleList(
            Stage(base, n, widths[n], blocks, sub_pixel=sub_pixel) for n in range(2, STAGES + 1)
        )
        self.end = (
            FinalFusion(base, widths[STAGES], 3 * space_to_depth**2, sub_pixel=sub_pixel)
            if final_fusion
            else HighAlone(base, 3 * space_to_depth**2)
        )

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`: within [0, 1] or, with ``residual``, unclamped."""
        height, width = image.shape[2], image.shape[3]
        gain = self.gain
        image, hole = blank_and_pad(image, hole, self.stride, self.stride, gain is not None)
        x = torch.cat([image, hole], 1) if self.use_mask else image
        high, low = self.first(self.head(self.pixel_unshuffle(x)))
        for stage in self.stages:
            high, low = stage(high, low)
        out = torch.tanh(self.pixel_shuffle(self.end(high, low)))
        out = (out + 1) / 2 if gain is None else image + gain * out
        return out[:, :, :height, :width]


class UNetLikeBlock(nn.Module):
    """Two convolutions, the first with dilation 2, beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=2, dilation=2),
            nn.Tanh(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        return torch.tanh(x + self.layers(x))


class UNetLike(Network):
    """The rival of the paper's table 1: EdgeConnect's generator with one level more.

    Parameters
    ----------
    base : int
        Channels at full resolution; 64 in the paper.
    blocks : int
        Residual blocks at an eighth of the resolution; 4 in the paper.
    """

    def __init__(self, base: int = 64, blocks: int = 4) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, base, 7, padding=3, padding_mode="reflect"),
            nn.InstanceNorm2d(base),
            nn.ReLU(),
        ]
        for width in (base, 2 * base, 4 * base):
            layers += [
                nn.Conv2d(width, 2 * width, 4, 2, 1),
                nn.InstanceNorm2d(2 * width),
                nn.ReLU(),
            ]
        layers += [UNetLikeBlock(8 * base) for _ in range(blocks)]
        for width in (4 * base, 2 * base, base):
            layers += [
                nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
                nn.InstanceNorm2d(width),
                nn.ReLU(),
            ]
        layers.append(nn.Conv2d(base, 3, 7, padding=3, padding_mode="reflect"))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`, within [0, 1]."""
        height, width = image.shape[2], image.shape[3]
        x = self.layers(blank_and_pad(image, hole, stride=8, minimum=16)[0])
        return (torch.tanh(x[:, :, :height, :width]) + 1) / 2
