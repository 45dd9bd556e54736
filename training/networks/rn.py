"""RN: region normalisation, and the network that is built on it.

Paper: Yu, Guo, Jin, Wu, Chen, Li, Zhang, Liu, "Region Normalization for Image Inpainting", AAAI
2020.

Equations, for one channel x and its pixels divided into regions R_k (hole and known)::

    mu_k = sum_{R_k} x / |R_k|,   var_k = sum_{R_k} (x - mu_k)^2 / |R_k|         (1)
    xhat = (x - mu_k) / sqrt(var_k + eps)   in R_k                               (2)

    RN-B   y = xhat (1 + gamma_k) + beta_k   in R_k; the regions are the given mask's    (3)

    RN-L   r = sigmoid(conv7x7([mean_c x, max_c x]))                             (4)
           the regions are r >= 0.8 and r < 0.8                                  (5)
           y = xhat (1 + conv7x7(r)) + conv7x7(r)                                (6)

RN-B stands in the encoder, where the mask is known; RN-L everywhere behind it. ``norm="instance"``
and ``norm="batch"`` put what the paper compares with in the place of both. The prediction is
(tanh(out) + 1) / 2, or with statistics per sample, for each colour::

    prediction = mu + sigma out   with mean and deviation of the known pixels    (7)

Deviations from the published network, and why:

- Statistics are per sample, so a fill does not depend on its neighbours in the batch;
  ``style="batch"`` computes them over the batch as published. Train in the style that ships.
- Equation 7: statistics per sample take brightness and contrast out of a picture, and nothing in
  the published network puts them back. On drawn waves of random brightness and contrast, after 400
  steps, holes had 13.8 dB without it and 16.8 dB with it; the batch style 16.1 dB in a batch but
  10.8 dB on single pictures.
- Initial weights are Kaiming's, only the last layer's are a tenth of them as published. With a
  tenth everywhere the same run gave 16.5 dB after 300 steps, so 18.2 dB (mean of two seeds).
- RN-B adds each region's beta in its own region, as (3) says; the published code adds both
  everywhere, where their sum is one shift.
- The hole enters as 0.5, not as white: the middle of the range, as in every network here.
- Images are padded to multiples of 4 px, and to 12 px at least, which the reflecting convolutions
  of the bottom need.
- For short trainings (not in the paper): with ``space_to_depth=2`` it works on blocks of 2 x 2 px
  as channels; with ``residual=True`` the hole enters as a smooth fill, to which the
  network adds: in equation 7, that fill stands in the place of mu.

Training:

- Published (loss and schedule as in the authors' code): the L1 in the hole, divided by the hole's
  share, and 0.1 times a non-saturating adversarial term. The discriminator, a PatchGAN of 70 px
  with spectral norms, sees the raw prediction and no mask. Adam with betas of 0 and 0.9, at 1e-4,
  the discriminator at 1e-5; ten epochs of Places2 or CelebA in batches of 14, the rate times 0.8
  after every epoch but the first; statistics over the batch; masks from occlusions in videos.
- ``rn-paper`` does so, but: statistics are per sample, with equation 7; initial weights are not
  scaled down; masks are strokes, ellipses and boxes over 10 % to 50 % of a crop.
- ``rn-photo`` is slim and residual, and learns as ``pconv-photo`` does (``pconv.py``).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import Network, at_least_float32, blank_and_pad, zero_

Style = Literal["sample", "batch"]
Norm = Literal["region", "instance", "batch"]


def normalize_regions(x: Tensor, region: Tensor, over_batch: bool) -> Tensor:
    """Normalise a region and the rest, each by its own mean and variance (equations 1 and 2).

    Parameters
    ----------
    x : Tensor
        (N, C, H, W). Half-precision features are summed in float32.
    region : Tensor
        (N, 1, H, W), 1 in one region and 0 in the other; either may be empty.
    over_batch : bool
        Whether the batch shares its statistics; else every sample has its own.

    Returns
    -------
    Tensor
        (N, C, H, W).
    """
    over = [0, 2, 3] if over_batch else [2, 3]
    wide = at_least_float32(x)
    region = region.to(wide.dtype)
    normalized = torch.zeros_like(wide)
    for inside in (region, 1 - region):
        count = inside.sum(over, keepdim=True).clamp(min=1)
        mean = (wide * inside).sum(over, keepdim=True) / count
        centred = (wide - mean) * inside
        variance = centred.square().sum(over, keepdim=True) / count
        normalized = normalized + centred * torch.rsqrt(variance + 1e-5)
    return normalized.to(x.dtype)


class RegionNormB(nn.Module):
    """RN-B: the regions are the mask's, each with an affine of its own (equation 3).

    Parameters
    ----------
    channels : int
        Channels C of the features.
    style : {"sample", "batch"}
        Whether every sample has statistics of its own.
    """

    def __init__(self, channels: int, style: Style = "sample") -> None:
        super().__init__()
        self.over_batch = style == "batch"
        self.gamma_hole = nn.Parameter(torch.zeros(channels, 1, 1))
        self.gamma_known = nn.Parameter(torch.zeros(channels, 1, 1))
        self.beta_hole = nn.Parameter(torch.zeros(channels, 1, 1))
        self.beta_known = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        """Normalise features (N, C, H, W); ``hole`` (N, 1, H', W') is resized to them."""
        hole = F.interpolate(hole, size=[x.shape[2], x.shape[3]], mode="nearest")
        gamma = torch.lerp(self.gamma_known, self.gamma_hole, hole)  # (N, C, H, W)
        beta = torch.lerp(self.beta_known, self.beta_hole, hole)
        return normalize_regions(x, hole, self.over_batch) * (1 + gamma) + beta


class RegionNormL(nn.Module):
    """RN-L: finds the regions by itself; one affine map for all channels (equations 4 to 6).

    The threshold passes no gradient: the response is learned through the affine alone.

    Parameters
    ----------
    style : {"sample", "batch"}
        Whether every sample has statistics of its own.
    threshold : float
        Response from which on a pixel belongs to the first region.
    """

    def __init__(self, style: Style = "sample", threshold: float = 0.8) -> None:
        super().__init__()
        self.over_batch = style == "batch"
        self.threshold = threshold
        self.response = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.gamma = nn.Conv2d(1, 1, 7, padding=3)
        self.beta = nn.Conv2d(1, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise features (N, C, H, W)."""
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)  # (N, 2, H, W)
        response = torch.sigmoid(self.response(pooled))  # (N, 1, H, W)
        region = (response.detach() >= self.threshold).to(x.dtype)
        normalized = normalize_regions(x, region, self.over_batch)
        gamma: Tensor = self.gamma(response)  # (N, 1, H, W)
        beta: Tensor = self.beta(response)
        return normalized * (1 + gamma) + beta


class FullNorm(nn.Module):
    """Normalisation over hole and known pixels alike: what the paper compares RN with.

    Parameters
    ----------
    channels : int
        Channels C of the features.
    norm : {"instance", "batch"}
        PyTorch's instance norm, or its batch norm with running averages; affine per channel.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        kind = nn.BatchNorm2d if norm == "batch" else nn.InstanceNorm2d
        self.norm = kind(channels, affine=True)

    def forward(self, x: Tensor, hole: Tensor | None = None) -> Tensor:
        """Normalise features (N, C, H, W); ``hole``, which `RegionNormB` needs, is ignored."""
        normalized: Tensor = self.norm(x)
        return normalized


def encoder_norm(channels: int, style: Style, norm: Norm) -> nn.Module:
    """Make RN-B, or what stands in its place."""
    return RegionNormB(channels, style) if norm == "region" else FullNorm(channels, norm)


def later_norm(channels: int, style: Style, norm: Norm) -> nn.Module:
    """Make RN-L, or what stands in its place."""
    return RegionNormL(style) if norm == "region" else FullNorm(channels, norm)


def reflecting(channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the size and reflects the image at its border."""
    reach = dilation * (kernel // 2)
    return nn.Conv2d(
        channels, out_channels, kernel, padding=reach, dilation=dilation, padding_mode="reflect"
    )


class EncoderBlock(nn.Module):
    """Convolution, RN-B, ReLU."""

    def __init__(self, conv: nn.Conv2d, style: Style, norm: Norm = "region") -> None:
        super().__init__()
        self.conv = conv
        self.norm = encoder_norm(conv.out_channels, style, norm)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        """Transform features (N, C, H, W), ``hole`` (N, 1, H', W') of any size."""
        return F.relu(self.norm(self.conv(x), hole))


class ResidualBlock(nn.Module):
    """Two convolutions, the first with dilation 2, with RN-L; no activation after the sum."""

    def __init__(self, channels: int, style: Style, norm: Norm = "region") -> None:
        super().__init__()
        self.layers = nn.Sequential(
            reflecting(channels, channels, 3, dilation=2),
            later_norm(channels, style, norm),
            nn.ReLU(),
            reflecting(channels, channels, 3),
            later_norm(channels, style, norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        residual: Tensor = self.layers(x)
        return x + residual


def decoder_block(
    channels: int, out_channels: int, style: Style, norm: Norm = "region"
) -> nn.Sequential:
    """Make a sub-pixel convolution to twice the size, RN-L, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, 4 * out_channels, 3, padding=1),
        nn.PixelShuffle(2),
        later_norm(out_channels, style, norm),
        nn.ReLU(),
    )


def known_colours(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (N, 3, 1, 1) of the known pixels; 0.5 where none is."""
    known = 1 - hole
    count = known.sum([2, 3], keepdim=True).clamp(min=1)
    mean = 0.5 + ((image - 0.5) * known).sum([2, 3], keepdim=True) / count
    variance = ((image - mean) * known).square().sum([2, 3], keepdim=True) / count
    return mean, torch.sqrt(variance + 1e-5)


class RN(Network):
    """The paper's network: EdgeConnect's generator with sub-pixel upsampling and RN.

    Parameters
    ----------
    base : int
        Channels at full resolution; 64 in the paper.
    blocks : int
        Residual blocks at a quarter of the resolution; 8 in the paper.
    style : {"sample", "batch"}
        Statistics of every region; "batch" in the paper. "sample" ends with equation 7.
    norm : {"region", "instance", "batch"}
        The rivals of the paper's ablation normalise hole and known pixels together; ``style`` then
        decides the end alone.
    use_mask : bool
        Whether the mask is a fourth input channel; not in the paper. RN-B knows it anyway.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; 1 in the paper.
    residual : bool
        Whether the output is added to a `coherent_fill`.
    """

    def __init__(
        self,
        base: int = 64,
        blocks: int = 8,
        style: Style = "sample",
        norm: Norm = "region",
        *,
        use_mask: bool = False,
        space_to_depth: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.residual, self.use_mask = space_to_depth, residual, use_mask
        self.pixel_unshuffle = nn.PixelUnshuffle(space_to_depth)
        self.pixel_shuffle = nn.PixelShuffle(space_to_depth)
        inputs = (4 if use_mask else 3) * space_to_depth**2
        self.encoder = nn.ModuleList(
            [
                EncoderBlock(reflecting(inputs, base, 7), style, norm),
                EncoderBlock(nn.Conv2d(base, 2 * base, 4, stride=2, padding=1), style, norm),
                EncoderBlock(nn.Conv2d(2 * base, 4 * base, 4, stride=2, padding=1), style, norm),
            ]
        )
        self.middle = nn.Sequential(*(ResidualBlock(4 * base, style, norm) for _ in range(blocks)))
        last = reflecting(base, 3 * space_to_depth**2, 7)
        self.decoder = nn.Sequential(
            decoder_block(4 * base, 2 * base, style, norm),
            decoder_block(2 * base, base, style, norm),
            last,
        )
        self.restore_colours = style == "sample"
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        last.weight.data *= 0.1
        if residual:
            zero_(last)  # start from the smooth fill

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`: within [0, 1] or, with equation 7, unclamped."""
        height, width = image.shape[2], image.shape[3]
        image, hole = blank_and_pad(
            image, hole, 4 * self.stride, 12 * self.stride, smooth=self.residual
        )
        x = self.pixel_unshuffle(torch.cat([image, hole], 1) if self.use_mask else image)
        for block in self.encoder:
            x = block(x, hole)
        x = self.pixel_shuffle(self.decoder(self.middle(x)))  # (N, 3, H', W')
        mean, deviation = known_colours(image, hole)
        if self.residual:
            x = image + deviation * x
        elif self.restore_colours:
            x = mean + deviation * x
        else:
            x = (torch.tanh(x) + 1) / 2
        prediction: Tensor = x[:, :, :height, :width]
        return prediction
