"""LaMa: fast Fourier convolutions, which see the whole image from the first block on.

Papers: Suvorov, Logacheva, Mashikhin, Remizova, Ashukha, Silvestrov, Kong, Goka, Park, Lempitsky,
"Resolution-robust Large Mask Inpainting with Fourier Convolutions", WACV 2022; the convolution:
Chi, Jiang, Mu, "Fast Fourier Convolution", NeurIPS 2020.

Equations, for features split into a local part x_l and a global part x_g::

    y_l = ReLU(BN(conv3x3(x_l) + conv3x3(x_g)))                                  (1)
    y_g = ReLU(BN(conv3x3(x_l) + spectral(x_g)))                                 (2)

    spectral(x) = conv1x1(u + fourier(u)),   u = ReLU(BN(conv1x1(x)))            (3)
    fourier(u)  = irfft2(a + i b),           [a, b] = ReLU(BN(conv1x1([Re z, Im z])))
                                             z = rfft2(u), orthonormal           (4)

Deviations from the published network (LaMa-Fourier), and why:

- The hole enters as 0.5, not as black: the middle of the range, as in every network here.
- Images are padded to multiples of 8 px, and to 16 px at least, which the reflecting convolutions
  of the bottom need.
- ``base`` may be smaller than 64: the networks that ship have to fit into 16 MiB.
- For short trainings (none of it in the paper): with ``space_to_depth=2`` it works on blocks of
  2 x 2 px as channels; with ``halvings=2`` its blocks are then still at an eighth of the
  image's resolution; with ``residual=True`` the hole enters as a smooth fill, to which the network
  adds, and features of the way down are added on the way up.

Training:

- Published: 10 times the L1 of the known pixels and nothing in the hole; 10 times the adversarial
  term, 100 times feature matching (mean squares), 30 times a perceptual loss with a high receptive
  field (squares of the features of a dilated ResNet-50 that was trained to segment), all of the raw
  prediction. The discriminator has pix2pixHD's four strided layers with batch norm and sees no
  mask; its loss is non-saturating, with 0.001 R1, and it learns that known pixels of fills are
  real. Adam at 1e-3, the discriminator at 1e-4, gradients clipped to a norm of 1; a million steps
  of 30 pictures; 1 to 5 wide strokes or 1 to 4 boxes; perspective, scale, turns and colours vary.
- ``lama-paper`` does so, but: for want of that ResNet, the perceptual term is the L1 of VGG-16's
  pool1 to pool3, or of a bank of fixed random filters; feature matching is an L1 too; strokes or
  boxes are drawn until they cover 10 % to 50 %; crops, their scale and their sides vary, nothing
  else; network and discriminator learn from the same batch.
- ``lama-photo`` has the published width and number of blocks, works on blocks of 2 x 2 px, is
  residual, and learns as ``pconv-photo`` does (``pconv.py``).

The transform is computed in float32 whatever the precision of the training: half precision has no
FFT on CPUs, and on GPUs only for sides that are powers of two.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import Network, at_least_float32, blank_and_pad, zero_


def reflect_conv(channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution without bias that reflects the image at its border."""
    return nn.Conv2d(
        channels,
        out_channels,
        kernel,
        stride,
        kernel // 2,
        bias=False,
        padding_mode="reflect" if kernel > 1 else "zeros",
    )


def conv_block(channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Make a convolution, batch norm, ReLU."""
    return nn.Sequential(
        reflect_conv(channels, out_channels, kernel, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class FourierUnit(nn.Module):
    """Convolution, batch norm and ReLU on the image's spectrum (equation 4).

    Every value of the spectrum belongs to the whole image, so its 1 x 1 convolution sees it all.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = conv_block(2 * channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        height, width = x.shape[2], x.shape[3]
        z = torch.fft.rfft2(at_least_float32(x), norm="ortho")  # (N, C, H, W // 2 + 1), complex
        y = self.layers(torch.cat([z.real, z.imag], 1).to(x.dtype))  # (N, 2C, H, W // 2 + 1)
        real, imaginary = at_least_float32(y).chunk(2, 1)
        z = torch.complex(real, imaginary)
        filtered: Tensor = torch.fft.irfft2(z, s=[height, width], norm="ortho")
        return filtered.to(x.dtype)


class SpectralTransform(nn.Module):
    """The path from global to global features (equation 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = conv_block(channels, channels // 2, 1)
        self.fourier = FourierUnit(channels // 2)
        self.expand = reflect_conv(channels // 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform features (N, C, H, W)."""
        u = self.reduce(x)
        out: Tensor = self.expand(u + self.fourier(u))
        return out


class FastFourierConv(nn.Module):
    """Convolution over local and global features (equations 1 and 2)."""

    def __init__(self, local: int, wide: int) -> None:
        super().__init__()
        self.local_to_local = reflect_conv(local, local, 3)
        self.local_to_global = reflect_conv(local, wide, 3)
        self.global_to_local = reflect_conv(wide, local, 3)
        self.global_to_global = SpectralTransform(wide)
        self.local_norm = nn.BatchNorm2d(local)
        self.global_norm = nn.BatchNorm2d(wide)

    def forward(self, x_local: Tensor, x_global: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (N, local, H, W) and (N, wide, H, W)."""
        y_local = self.local_to_local(x_local) + self.global_to_local(x_global)
        y_global = self.local_to_global(x_local) + self.global_to_global(x_global)
        return F.relu(self.local_norm(y_local)), F.relu(self.global_norm(y_global))


class ResidualBlock(nn.Module):
    """Two fast Fourier convolutions beside the identity."""

    def __init__(self, local: int, wide: int) -> None:
        super().__init__()
        self.first = FastFourierConv(local, wide)
        self.second = FastFourierConv(local, wide)

    def forward(self, x_local: Tensor, x_global: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (N, local, H, W) and (N, wide, H, W)."""
        y_local, y_global = self.first(x_local, x_global)
        y_local, y_global = self.second(y_local, y_global)
        return x_local + y_local, x_global + y_global


def upsample(channels: int, out_channels: int) -> nn.Sequential:
    """Make a transposed convolution to twice the size, batch norm, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, out_channels, 3, 2, 1, output_padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class LaMa(Network):
    """LaMa-Fourier.

    Parameters
    ----------
    base : int
        Channels at the first resolution, doubled at each halving; 64 in the paper.
    blocks : int
        Residual blocks at the lowest resolution; 9 in the paper, 18 in its large network.
    global_ratio : float
        Share of the blocks' channels that are global, between 0 and 1; 0.75 in the paper.
    halvings : int
        How often the resolution is halved, at least once; 3 in the paper.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; 1 in the paper.
    residual : bool
        Whether the output is added to a `coherent_fill`.
    """

    def __init__(
        self,
        base: int = 64,
        blocks: int = 9,
        global_ratio: float = 0.75,
        *,
        halvings: int = 3,
        space_to_depth: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.stride = space_to_depth * 2**halvings
        widths = [base * 2**i for i in range(halvings + 1)]
        wide = int(widths[-1] * global_ratio)
        local = widths[-1] - wide
        self.pixel_unshuffle = nn.PixelUnshuffle(space_to_depth)
        self.encoder = nn.ModuleList([conv_block(4 * space_to_depth**2, base, 7)])
        for i in range(halvings - 1):
            self.encoder.append(conv_block(widths[i], widths[i + 1], 3, stride=2))
        self.to_local = conv_block(widths[-2], local, 3, stride=2)
        self.to_global = conv_block(widths[-2], wide, 3, stride=2)
        self.blocks = nn.ModuleList(ResidualBlock(local, wide) for _ in range(blocks))
        self.decoder = nn.ModuleList(
            upsample(widths[i + 1], widths[i]) for i in reversed(range(halvings))
        )
        self.last = nn.Conv2d(base, 3 * space_to_depth**2, 7, padding=3, padding_mode="reflect")
        self.pixel_shuffle = nn.PixelShuffle(space_to_depth)
        if residual:
            zero_(self.last)  # start from the smooth fill

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`: within [0, 1] or, with ``residual``, unclamped."""
        height, width = image.shape[2], image.shape[3]
        image, hole = blank_and_pad(image, hole, self.stride, 2 * self.stride, self.residual)
        x = self.pixel_unshuffle(torch.cat([image, hole], 1))
        seen: list[Tensor] = []
        for down in self.encoder:
            x = down(x)
            seen.append(x)
        x_local, x_global = self.to_local(x), self.to_global(x)
        for block in self.blocks:
            x_local, x_global = block(x_local, x_global)
        x = torch.cat([x_local, x_global], 1)
        for up in self.decoder:
            x, beside = up(x), seen.pop()
            if self.residual:
                x = x + beside
        x = self.pixel_shuffle(self.last(x))
        x = image + x if self.residual else torch.sigmoid(x)
        return x[:, :, :height, :width]
