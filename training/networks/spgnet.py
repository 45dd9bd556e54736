"""SPG-Net: complete the class map, then fill the image from it.

Paper: Song, Yang, Shen, Wang, Huang, Kuo, "SPG-Net: Segmentation Prediction and Guidance Network
for Image Inpainting", 2018.

Three networks, for an image X, its hole H (1 = hole) and K classes, . per pixel::

    S_0 = softmax(segmenter(X, H))                        classes of the known pixels
    S_1 = softmax(SP-Net(X, H, S_0 . (1 - H)))            segmentation prediction
    S   = onehot(argmax S_0) . (1 - H) + S_1 . H          the map that guides
    Y   = SG-Net(X, H, S)                                 segmentation guidance

A person may edit S before Y is made from it. The paper's text does not give a layer table; the
nets here follow the one public re-implementation: strided convolutions to 1/16 of the size, nine
residual blocks, upsampling, batch norm.

Deviations, and why:

- The paper takes S_0 from a segmentation network of somebody else's. Here a small U-Net learns it
  from the labels of the known pixels and from nothing else: SP-Net gets its map without gradient,
  so it never learns from its own output. The artifact needs no second file.
- S_0 enters SP-Net soft, so that doubt is visible, and zero (no class) in the hole.
- SG-Net is trained on the kind of map that it meets later, hard where known and soft in the hole;
  it passes no gradient to the map. True labels, where `outputs` is given them, guide instead.
- The mask is an input channel of all three; images are taken to [-1, 1] inside, the hole to 0.
- Residual blocks begin with a dilation of 2: at 1/16 of the size, nine blocks then see 864 px.
- Nearest upsampling and a 3 x 3 convolution stand for the transposed ones, which leave
  checkerboards.
- Sides are padded, as hole with the nearest pixel's class, to multiples of 16 px, at least 48: the
  coarsest map has 3 x 3 cells, the least that a reflection by two cells needs.
- With ``space_to_depth=2`` (not in the paper) all three work at half the resolution, on blocks of
  2 x 2 px as channels, which are shuffled back at the end: a quarter of the time. The padding
  doubles.
- With ``skips=True`` (not in the paper) SP-Net and SG-Net are U-Nets: where base is small, 8 * base
  channels at 1/16 of the size are too few to carry the map's outlines through.
- With ``residual=True`` (not in the paper) the hole enters as a smooth fill, and SG-Net adds to it:
  in short trainings it keeps the surroundings' colour from the first step.
- With ``with_plate=True`` (not in the paper) Y is the mean of what SG-Net says and of a thin plate.
  Their errors are unlike: after 3,500 steps on nuclei the mean was 0.4 dB nearer than either.

Training:

- Published (as in the re-implementation): two discriminators, each a PatchGAN at three scales with
  batch norm, one of class maps and one of images, both of raw predictions. SP-Net learns by the
  hinge term and 10 times feature matching of the one; SG-Net by those of the other and 10 times
  VGG-19's relu1_1 to relu5_1, weighted by 1/32, 1/16, 1/8, 1/4 and 1. Adam with betas of 0 and 0.9
  at 1e-4, the discriminators at 4e-4; 100 epochs in batches of 4. The paper itself: adversarial and
  perceptual losses, the latter 10 times. Cityscapes and Helen; square and irregular holes.
- ``spgnet-paper`` does so, but: the PatchGANs have spectral norms and a layer more; features are
  VGG-16's of the same names, not weighted by layer, or those of a bank of fixed random filters;
  the L1 of known pixels and 6 times that of the hole are added, and the cross-entropies of S_0
  (known pixels) and S_1 (all), since the segmenter has to learn, too; masks are strokes, ellipses
  and boxes over 10 % to 50 %; in the first fifth of 75,000 steps true labels guide SG-Net.
- ``spgnet-street`` and ``spgnet-fluorescence`` are slim and residual U-Nets, trained for minutes
  and for hours on a CPU, without discriminators and features: L1 of known pixels (1 and 0.2) and of
  the hole (6), a fifth of the cross-entropies, for nuclei also 20 times the mean square and 0.05
  times the decibels in the hole; true labels guide all of the first steps, then 30 %; AdamW with a
  decay of 0.01, gradients clipped to a norm of 1, averaged weights (0.99 and 0.995).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_inpaint.weightless.plate import thin_plate
from training.networks.layers import MultiScalePatchGAN, Network, Outputs, blank_and_pad, zero_


def convolution(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Make a 3 x 3 convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with reflect padding, the first one dilated."""

    def __init__(self, channels: int, dilation: int = 2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(dilation),
            nn.Conv2d(channels, channels, 3, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape (N, C, H, W)."""
        residual: Tensor = self.layers(x)
        return x + residual


class Hourglass(nn.Module):
    """SP-Net or SG-Net, without its last activation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of what comes in and of what goes out.
    base : int
        Channels of the first layer; they double per level up to ``8 * base``.
    blocks : int
        Residual blocks at 1/16 of the size.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; with 1 none do.
    skips : bool
        Whether each size on the way up also sees its features of the way down, and the full size
        the input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        base: int,
        blocks: int,
        space_to_depth: int = 1,
        skips: bool = False,
    ) -> None:
        super().__init__()
        self.skips = skips
        inputs = in_channels * space_to_depth**2
        down = [base, 2 * base, 4 * base, 8 * base]
        up = [8 * base, 8 * base, 4 * base, 2 * base, base]
        beside = [4 * base, 2 * base, base, inputs] if skips else [0, 0, 0, 0]
        self.pixel_unshuffle = nn.PixelUnshuffle(space_to_depth)
        entry = nn.Sequential(
            nn.Conv2d(inputs, base, 7, 2, 3, padding_mode="reflect", bias=False),
            nn.BatchNorm2d(base),
            nn.ReLU(),
        )
        self.down = nn.ModuleList(
            [entry, *(convolution(down[i], down[i + 1], stride=2) for i in range(3))]
        )
        self.blocks = nn.Sequential(*(ResidualBlock(8 * base) for _ in range(blocks)))
        self.up = nn.ModuleList(convolution(up[i] + beside[i], up[i + 1]) for i in range(4))
        self.last = nn.Conv2d(
            base, out_channels * space_to_depth**2, 7, padding=3, padding_mode="reflect"
        )
        self.pixel_shuffle = nn.PixelShuffle(space_to_depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, K, H, W); the sides are multiples of ``16 * space_to_depth``."""
        x = self.pixel_unshuffle(x)
        seen: list[Tensor] = []
        for down in self.down:
            seen.append(x)
            x = down(x)
        x = self.blocks(x)
        for up in self.up:
            x, beside = F.interpolate(x, scale_factor=2.0), seen.pop()
            x = up(torch.cat([x, beside], 1) if self.skips else x)
        out: Tensor = self.pixel_shuffle(self.last(x))
        return out


class Segmenter(nn.Module):
    """A small U-Net for the classes of the known pixels."""

    def __init__(self, in_channels: int, classes: int, width: int, space_to_depth: int = 1) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.entry = nn.Sequential(
            nn.PixelUnshuffle(space_to_depth), convolution(in_channels * space_to_depth**2, width)
        )
        self.down = nn.ModuleList(convolution(widths[i], widths[i + 1], stride=2) for i in range(3))
        self.middle = nn.Sequential(ResidualBlock(widths[3]), ResidualBlock(widths[3]))
        self.up = nn.ModuleList(
            convolution(widths[i + 1] + widths[i], widths[i]) for i in (2, 1, 0)
        )
        self.head = nn.Sequential(
            nn.Conv2d(width, classes * space_to_depth**2, 1), nn.PixelShuffle(space_to_depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores (N, K, H, W) for an input (N, C, H, W)."""
        x = self.entry(x)
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up in self.up:
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], 1))
        scores: Tensor = self.head(x)
        return scores


def known_map(probabilities: Tensor, hole: Tensor) -> Tensor:
    """Keep a class map where it is known: SP-Net's input, soft, and zero in the hole.

    Parameters
    ----------
    probabilities : Tensor
        (N, K, H, W).
    hole : Tensor
        (N, 1, H, W), 1 = hole.
    """
    return probabilities.masked_fill(hole > 0.5, 0.0)


def guiding_map(probabilities: Tensor, hole: Tensor) -> Tensor:
    """Make SG-Net's input S from a class map: one-hot where known, as it is in the hole.

    Parameters
    ----------
    probabilities : Tensor
        (N, K, H, W).
    hole : Tensor
        (N, 1, H, W), 1 = hole.
    """
    hard = F.one_hot(probabilities.argmax(1), probabilities.shape[1]).permute(0, 3, 1, 2)
    return torch.where(hole > 0.5, probabilities, hard.to(probabilities.dtype))


def plate_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Return a `thin_plate` (N, 3, H, W) over the hole; three equal channels are solved as one."""
    if bool((image == image[:, :1]).all()):
        return thin_plate(image[:, :1], 1 - hole, cycles=4).expand_as(image)
    return thin_plate(image, 1 - hole, cycles=4)


class SPGNet(Network):
    """The three networks.

    Parameters
    ----------
    classes : int
        Number of classes K, at least 2.
    base : int
        Channels of the first layer of SP-Net and SG-Net. 64 at paper size.
    blocks : int
        Residual blocks of SP-Net and SG-Net. 9 at paper size.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; 1 in the paper.
    skips : bool
        Whether SP-Net and SG-Net are U-Nets.
    residual : bool
        Whether the output is added to a `coherent_fill`.
    with_plate : bool
        Whether the output is the mean of this and of a `thin_plate`.
    """

    def __init__(
        self,
        classes: int,
        base: int = 64,
        blocks: int = 9,
        *,
        space_to_depth: int = 1,
        skips: bool = False,
        residual: bool = False,
        with_plate: bool = False,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"A class map has at least 2 classes, not {classes}.")
        self.classes, self.space_to_depth = classes, space_to_depth
        self.residual, self.with_plate = residual, with_plate
        self.segmenter = Segmenter(4, classes, max(16, base // 2), space_to_depth)
        self.sp_net = Hourglass(4 + classes, classes, base, blocks, space_to_depth, skips)
        self.sg_net = Hourglass(4 + classes, 3, base, blocks, space_to_depth, skips)
        if residual:
            zero_(self.sg_net.last)  # start from the smooth fill

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict Y as a `Network`."""
        start, padded = self.prepared(image, hole)
        known, completed = self.maps(start, padded)
        return self.fill(start, padded, guiding_map(self.mixed(known, completed, hole), hole))

    @torch.jit.export
    def segment(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return class probabilities (N, K, H, W): S_0 where known, S_1 in the hole."""
        start, padded = self.prepared(image, hole)
        known, completed = self.maps(start, padded)
        return self.mixed(known, completed, hole)

    @torch.jit.export
    def guide(self, image: Tensor, hole: Tensor, probabilities: Tensor) -> Tensor:
        """Predict the whole image from a class map.

        Parameters
        ----------
        probabilities : Tensor
            (N, K, H, W): the map of `segment`, one-hot where a person painted. Outside the hole
            its most probable class counts.
        """
        start, padded = self.prepared(image, hole)
        return self.fill(start, padded, guiding_map(probabilities, hole))

    def outputs(self, image: Tensor, hole: Tensor, labels: Tensor | None = None) -> Outputs:
        """Return what the losses look at.

        Parameters
        ----------
        image, hole : Tensor
            As a `Network` takes them.
        labels : Tensor, optional
            True classes (N, H, W), 255 = unlabelled. If given, they guide SG-Net where they are
            known (teacher forcing); without them S does.

        Returns
        -------
        Outputs
            Y, the class scores of S_1 (``logits``) and those of S_0 (``known_logits``: the
            segmenter is not asked to guess).
        """
        height, width = hole.shape[2], hole.shape[3]
        start, padded = self.prepared(image, hole)
        known, completed = self.maps(start, padded)
        semantics = guiding_map(self.mixed(known, completed, hole).detach(), hole)
        if labels is not None:
            ids = torch.arange(self.classes, device=labels.device)
            true = (labels[:, None] == ids[:, None, None]).to(image.dtype)
            semantics = torch.where(true.sum(1, keepdim=True) > 0, true, semantics)
        filled = self.fill(start, padded, semantics)
        completed, known = (scores[:, :, :height, :width] for scores in (completed, known))
        return Outputs([filled], [completed], [known])

    def maps(self, start: Tensor, padded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class scores of S_0 and S_1, (N, K, H', W'), of what `prepared` gave."""
        x = torch.cat([start * 2 - 1, padded], 1)
        known = self.segmenter(x)
        completed = self.sp_net(torch.cat([x, known_map(known.softmax(1).detach(), padded)], 1))
        return known, completed

    def mixed(self, known: Tensor, completed: Tensor, hole: Tensor) -> Tensor:
        """Return the probabilities S (N, K, H, W): of S_0 where known, of S_1 in the hole."""
        height, width = hole.shape[2], hole.shape[3]
        known, completed = known[:, :, :height, :width], completed[:, :, :height, :width]
        return torch.where(hole > 0.5, completed.softmax(1), known.softmax(1))

    def fill(self, start: Tensor, padded: Tensor, semantics: Tensor) -> Tensor:
        """Return Y, from what `prepared` gave and the map S (N, K, H, W) that SG-Net is to see."""
        height, width = semantics.shape[2], semantics.shape[3]
        padding = [0, start.shape[3] - width, 0, start.shape[2] - height]
        semantics = F.pad(semantics, padding, "replicate")
        y = torch.tanh(self.sg_net(torch.cat([start * 2 - 1, padded, semantics], 1)))
        filled = start + y if self.residual else (y + 1) / 2
        if self.with_plate:
            filled = (filled + plate_fill(start, padded)) / 2
        return filled[:, :, :height, :width]

    def prepared(self, image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """Pad, and put into the hole what the nets are to see there: grey or a smooth fill."""
        stride = 16 * self.space_to_depth
        return blank_and_pad(image, hole, stride, 3 * stride, self.residual)


class ImageAndMapGAN(nn.Module):
    """The two discriminators: one judges the image, the other the class map.

    Parameters
    ----------
    classes : int
        Number of classes K.
    scales, base : int
        Scales, and channels of the first layer, of either `MultiScalePatchGAN`.
    """

    def __init__(self, classes: int, scales: int = 3, base: int = 64) -> None:
        super().__init__()
        self.of_image = MultiScalePatchGAN(scales, 3, base)
        self.of_map = MultiScalePatchGAN(scales, classes, base)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Judge (N, 3 + K, H, W): the layers' outputs for the image's scales, then the map's."""
        judged: list[list[Tensor]] = self.of_image(x[:, :3]) + self.of_map(x[:, 3:])
        return judged
