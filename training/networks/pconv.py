"""PConv: the U-Net of partial convolutions for irregular holes.

Paper: Liu, Reda, Shih, Wang, Tao, Catanzaro, "Image Inpainting for Irregular Holes Using Partial
Convolutions", ECCV 2018.

Equations, for features X, a mask M (1 = known) and one k x k window::

    x' = W^T (X . M) * sum(1) / sum(M) + b    where sum(M) > 0, else 0          (1)
    m' = 1 where sum(M) > 0, else 0                                             (2)

``sum(1)`` and ``sum(M)`` run over the window and over the input channels. Zero padding counts as
hole, so outputs at the border are renormalised as well.

Deviations from the paper, and why:

- All channels of one feature tensor share a mask (the mask kernels are all ones), so masks are kept
  as (N, 1, H, W); where a skip is concatenated, each part is counted as often as it has channels.
  This equals the multi-channel form exactly and halves the multiply-adds.
- Upsampling goes to the skip's size instead of twice the size, so every input size works.
- Where no level has reached, in holes wider than about ``4 * 2**levels`` px, the published network
  leaves zeros; here a `membrane` stands there.
- Images enter in [0, 1] and are taken to [-1, 1] inside; the last layer is linear, as published.
- With ``residual=True`` (not in the paper) the network adds detail to a smooth fill instead of
  painting from nothing: in short trainings it keeps the surroundings' colour from the first step.

Training:

- Published: ``L_valid + 6 L_hole + 0.05 L_perceptual + 120 L_style + 0.1 L_tv``, the features being
  VGG-16's after pool1, pool2 and pool3, of prediction and composite; L_tv in the hole grown by one
  pixel. Adam at 2e-4, then at 5e-5 with the encoder's batch norms frozen; batches of 6, for days on
  ImageNet, Places2 and CelebA-HQ; masks from occlusions in videos. No discriminator.
- ``pconv-paper`` does so, but: 500,000 steps for either part, with batches of 16, as a public
  re-implementation has them; masks are strokes, ellipses and boxes over 10 % to 50 % of a crop;
  without a file of VGG-16's weights, a bank of fixed random filters gives the features.
- ``pconv-photo`` is slim and residual. It learns as all networks for photographs do here
  (``_ON_PHOTOS``): crops of 128 px with strokes, blobs and boxes over 5 % to 60 %; 1 and 3 times
  the L1 of known pixels and hole, 0.1 times the PSNR in the hole, negated, and 3 times the distance
  of composite and truth in the features of EfficientNet-Lite0. After steps without it, a
  `ProjectedGAN` on the same features at half the rate: 0.15 times its hinge term, 0.5 times feature
  matching; it learns that known pixels of fills are real. AdamW with betas of 0.5 and 0.99 and a
  decay of 0.01, gradients clipped to a norm of 1, averaged weights (0.998).
- ``pconv-upscale`` is slim and residual, and learns by the L1 in gaps alone; AdamW with a decay of
  0.01, gradients clipped to a norm of 1, averaged weights (0.999).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_inpaint.weightless.coherence import coherent_fill
from napari_inpaint.weightless.membrane import membrane
from training.networks.layers import Network


class PartialConv2d(nn.Module):
    """Convolution over known pixels only (equations 1 and 2).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the concatenated input parts, and of the output.
    kernel, stride : int
        Window side and step in px; the padding is ``kernel // 2``.
    bias : bool
        Whether a bias is added to known outputs.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        *,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1)) if bias else None

    def forward(self, parts: list[Tensor], known: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Convolve the concatenation of ``parts``.

        Parameters
        ----------
        parts : list of Tensor
            Feature tensors (N, C_i, H, W).
        known : list of Tensor
            For each part its mask (N, 1, H, W), 1 = known, 0 = hole.

        Returns
        -------
        tuple of Tensor
            The features (N, out_channels, H', W'), zero where nothing is known, and their mask.
        """
        channels = 0
        masked: list[Tensor] = []
        count = torch.zeros_like(known[0])
        for part, mask in zip(parts, known, strict=False):
            masked.append(part * mask)
            count = count + part.shape[1] * mask
            channels += part.shape[1]
        # The mean over the window, its zero padding included, is sum(M) / sum(1) of equation 1.
        seen = F.avg_pool2d(count / channels, self.kernel, self.stride, self.kernel // 2)
        new_known = (seen > 0).to(seen.dtype)
        out = self.conv(torch.cat(masked, 1)) * (new_known / seen.clamp(min=1e-6))
        bias = self.bias
        if bias is not None:
            out = out + bias * new_known
        return out, new_known


class EncoderBlock(nn.Module):
    """Partial convolution with stride 2, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, norm: bool) -> None:
        super().__init__()
        self.conv = PartialConv2d(in_channels, out_channels, kernel, stride=2)
        self.norm = nn.BatchNorm2d(out_channels) if norm else nn.Identity()

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features and their mask, at half the size."""
        x, known = self.conv([x], [known])
        return F.relu(self.norm(x)), known


class DecoderBlock(nn.Module):
    """Nearest upsampling to the skip's size, partial convolution of both, batch norm, LeakyReLU."""

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, *, last: bool
    ) -> None:
        super().__init__()
        self.conv = PartialConv2d(in_channels + skip_channels, out_channels, 3, bias=last)
        self.norm = nn.Identity() if last else nn.BatchNorm2d(out_channels)
        self.act = nn.Identity() if last else nn.LeakyReLU(0.2)

    def forward(
        self, x: Tensor, known: Tensor, skip: Tensor, skip_known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the features and their mask, at the skip's size."""
        size = [skip.shape[2], skip.shape[3]]
        x = F.interpolate(x, size=size, mode="nearest")
        known = F.interpolate(known, size=size, mode="nearest")
        x, known = self.conv([x, skip], [known, skip_known])
        return self.act(self.norm(x)), known


class PConvUNet(Network):
    """The paper's U-Net.

    Parameters
    ----------
    base : int
        Channels of the first layer; they double per level up to ``8 * base``. 64 in the paper.
    levels : int
        Halvings of the resolution: 7 for 256 px, 8 for 512 px.
    residual : bool
        Whether the output is added to a `coherent_fill`.
    partial : bool
        Whether convolutions look at known pixels alone. Else, as in the paper's comparison with
        ordinary ones, at all: the hole enters as 0.5, and the mask as a fourth channel.
    """

    def __init__(
        self, base: int = 64, levels: int = 7, *, residual: bool = False, partial: bool = True
    ) -> None:
        super().__init__()
        self.residual, self.partial = residual, partial
        widths = [3 if partial else 4] + [min(base * 2**i, 8 * base) for i in range(levels)]
        kernels = [7, 5, 5] + [3] * (levels - 3)
        self.encoder = nn.ModuleList(
            EncoderBlock(widths[i], widths[i + 1], kernels[i], norm=i > 0) for i in range(levels)
        )
        self.decoder = nn.ModuleList(
            DecoderBlock(widths[i + 1], widths[i], widths[i] if i else 3, last=i == 0)
            for i in reversed(range(levels))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
        last = self.decoder[-1]
        if residual and isinstance(last, DecoderBlock):  # start from the smooth fill
            nn.init.zeros_(last.conv.conv.weight)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict as a `Network`, unclamped; what no level reaches is a smooth fill."""
        known = 1 - hole
        image = image * known
        x = (image * 2 - 1) * known
        if not self.partial:
            x, known = torch.cat([x, known], 1), torch.ones_like(known)
        features, masks = [x], [known]
        for down in self.encoder:
            x, known = down(x, known)
            features.append(x)
            masks.append(known)
        features.pop()
        masks.pop()
        for up in self.decoder:
            x, known = up(x, known, features.pop(), masks.pop())
        if self.residual:
            return coherent_fill(image, 1 - hole) + x / 2
        return torch.where(known > 0, (x + 1) / 2, membrane(image, 1 - hole))

    def freeze_encoder_norm(self) -> None:
        """Keep the encoder's batch norms in evaluation mode, as the paper's fine-tuning does.

        Zeros of the holes bias the batch statistics; the second phase trains without them.
        """
        for block in self.encoder:
            for module in block.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
                    module.requires_grad_(False)
