"""SGE-Net: segmentation and inpainting guide each other, from coarse to fine.

Paper: Liao, Xiao, Wang, Lin, Satoh, "Guidance and Evaluation: Semantic-Aware Image Inpainting for
Mixed Scenes", ECCV 2020. One family: Base-Net, SG-Net (adds SGIM), SGE-Net (adds SCEM and SGIM+).

Equations. phi^l are features of the encoder, varphi^l of the decoder, at 1 / 2^l of the size; l = 4
is the coarsest scale, l = 0 the finest::

    Y^l = h(varphi^l),  S^l = g(varphi^l)                                           (1)
    varphi^(l-1) = infer(varphi^l, phi^(l-1), S^l)                       SGIM       (2)
    f_s = gamma(S^l) . (f_c - mu) / sigma + beta(S^l)                    SPADE      (3)
    M^l = 1 where max_k S^l > tau^l, else 0                              SCEM       (4)
    varphi^(l-1) = infer(varphi^l, phi^(l-1), S^l, M^l)                  SGIM+      (5)
    varphi^(l-1) = F_ba(f_s) + F_bi(f_s (+) F(M^l))                                 (6)

f_c is a convolution of varphi^l (upsampled) and phi^(l-1), concatenated; mu and sigma are the mean
and the standard deviation of each of its channels over the image; (+) is concatenation. In SGIM,
varphi^(l-1) = F_ba(f_s). The losses are equations 7 to 10; see below.

Where the paper is silent (no widths, kernels or thresholds are published), and deviations:

- Widths, kernels and norms are ours: base, 2, 4, 8, 8 times base channels, instance norm, F_ba and
  F_bi of two convolutions. The weights keep PyTorch's initialisation.
- Equation 1 prints phi^l for varphi^l (figure 2 shows the decoder). Equation 3 uses
  ``1 + gamma``, as in SPADE (Park et al., 2019), which the paper follows.
- CIM: the paper follows Context Encoders, whose channel-wise fully connected layer would need 33
  million weights and fix the input's size. Here: four residual blocks with dilations 1, 2, 4, 8.
- tau^l is "decided by the proportion of the maximum one from the sorted probability values".
  ``tau_mode="max"``: tau^l is that proportion of the largest confidence in the hole, so that the
  unreliable area shrinks when confidence grows, as in figures 6 and 7. ``tau_mode="quantile"``:
  the least confident share of the hole is unreliable. Both per image.
- M^l is 0 only in the hole and one cell around it: low confidence at borders of classes elsewhere
  says nothing about the fill. M^4 is the known area itself (figure 7). M^l carries no gradient.
- `guide`: a painted cell's S^l is what was painted, in proportion to its painted pixels; M^l still
  judges the network's own S^l. So whatever is not exactly one-hot is left to the network, at every
  scale, and `forward` equals `guide` with the map of `segment`, which is never exactly one-hot.
- `outputs` lets true labels guide, as paint would, where a phase of a recipe passes them. The paper
  never does; in a trial on drawn scenes of three classes (base 8, 400 steps) a network guided by
  its own S^l alone obeyed paint as well: true labels in the hole took its L1 there from 0.066 to
  0.043, and every repainted hole took the painted class.
- Base-Net has the segmentation branches (table 3 removes SGIM and SCEM only); nothing guides it,
  and its `guide` does what `forward` does.
- Images are taken to [-1, 1] inside, the hole to 0; the mask is a fourth channel. Sides are padded,
  as hole, to multiples of 16 px, at least 32, so that the coarsest map has 2 x 2 cells.
- With ``space_to_depth=2`` (not in the paper) features are at half the resolution that the
  equations say, on blocks of 2 x 2 px as channels; h and g shuffle theirs back, so that Y^l and S^l
  have their sizes. A quarter of the time. The padding doubles.
- With ``residual=True`` (not in the paper) the hole enters as a smooth fill and every Y^l is added
  to it: in short trainings it keeps the surroundings' colour from the first step.

Training:

- Published: equation 10, the sum over the five scales of the L1 of ``up(Y^l)``, lambda_p times the
  L1 of VGG-16's relu2_2, relu3_3 and relu4_3 of it (7) and lambda_s times the cross-entropy of
  ``up(S^l)`` (9), and lambda_a times the adversarial loss of a PatchGAN at three scales (8); 7, 8
  and 10 write X for the target Y, and 8 prints ``1 - log D`` for ``log(1 - D)``. No lambda, no
  optimizer and no schedule are told. Crops of 256 px of Outdoor Scenes (short side 256) and
  Cityscapes (512); holes are squares of 128 and 96 px in the middle, or irregular as PConv's.
- ``sgenet-paper`` does so; ours are lambda_p = 0.1, lambda_s = 1, lambda_a = 1 / 60 (0.05 for the
  mean over the three scales), Adam with betas of 0.5 and 0.999 at 2e-4, 300,000 steps of 8 crops,
  masks of strokes, ellipses and boxes over 10 % to 50 %. Norms are means over the elements; scores
  are enlarged, not probabilities, and only labelled pixels count. Equation 8 is taken as it stands,
  a minimax: the network lowers ``log(1 - D)``, D being the sigmoid of a score; the discriminator
  sees Y^0 whole. Without a file of VGG-16's weights, a bank of fixed random filters gives the
  features.
- ``sgenet-street`` and ``sgenet-drawn`` are slim and residual, trained for an hour or two on a CPU,
  without discriminator and features: 1 and 6 times the L1 of known pixels and hole, 0.05 times the
  decibels in the hole, half of the coarser L1s and a fifth of the cross-entropies; true labels
  guide in 30 % of the steps; AdamW with a decay of 0.01, gradients clipped to a norm of 1,
  averaged weights (0.999).
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.layers import Network, Outputs, blank_and_pad


class ContextBlock(nn.Module):
    """Residual block whose first convolution is dilated, at most by half of the map's side."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.first = nn.Conv2d(channels, channels, 3, bias=False)
        self.second = nn.Conv2d(
            channels, channels, 3, padding=1, padding_mode="reflect", bias=False
        )
        self.norm = nn.InstanceNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape (N, C, H, W)."""
        step = max(1, min(self.dilation, min(x.shape[2], x.shape[3]) // 2))
        y = F.pad(x, [step, step, step, step], mode="reflect")
        y = F.conv2d(y, self.first.weight, dilation=step)
        y = F.relu(self.norm(y))
        residual: Tensor = self.norm(self.second(y))
        return x + residual


class SPADE(nn.Module):
    """Normalisation, then scale and shift computed from a class map, per pixel (equation 3)."""

    def __init__(self, channels: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels)
        self.shared = nn.Sequential(nn.Conv2d(classes, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:
        """Modulate (N, C, H, W) by a class map (N, K, h, w), which is enlarged by nearest."""
        semantics = F.interpolate(semantics, size=[x.shape[2], x.shape[3]], mode="nearest")
        shared = self.shared(semantics)
        modulated: Tensor = (1 + self.gamma(shared)) * self.norm(x) + self.beta(shared)
        return modulated


class SCEM(nn.Module):
    """Segmentation Confidence Evaluation Module (equation 4).

    Parameters
    ----------
    tau : float
        The proportion that decides tau^l, between 0 and 1.
    mode : str
        ``"max"``: of the largest confidence in the hole; ``"quantile"``: of the hole's cells.
    """

    def __init__(self, tau: float, mode: str) -> None:
        super().__init__()
        if mode not in ("max", "quantile"):
            raise ValueError(f'tau_mode is "max" or "quantile", not {mode!r}.')
        self.tau, self.mode = tau, mode

    def forward(self, probabilities: Tensor, hole: Tensor) -> Tensor:
        """Mark the cells whose meaning is clear.

        Parameters
        ----------
        probabilities : Tensor
            S^l, (N, K, h, w).
        hole : Tensor
            (N, 1, h, w), 1 = hole.

        Returns
        -------
        Tensor
            M^l, (N, 1, h, w), 1 = reliable, without gradient; 1 farther than a cell from the hole.
        """
        confidence = probabilities.detach().amax(1, keepdim=True)
        reliable = (confidence > self.threshold(confidence, hole)).to(hole.dtype)
        return 1 - F.max_pool2d(hole, 3, 1, 1) * (1 - reliable)

    def threshold(self, confidence: Tensor, hole: Tensor) -> Tensor:
        """Return tau^l of each image, (N, 1, 1, 1); 0 where an image has no hole."""
        if self.mode == "max":
            return self.tau * (confidence * hole).amax((1, 2, 3), keepdim=True)
        outside = torch.full_like(confidence, 2.0)  # sorted behind every probability
        ranked = torch.where(hole > 0, confidence, outside).flatten(1).sort(1)[0]
        count = (self.tau * hole.flatten(1).sum(1, keepdim=True)).long()
        value = ranked.gather(1, (count - 1).clamp(min=0))
        return torch.where(count > 0, value, torch.zeros_like(value))[:, :, None, None]


class KnownArea(nn.Module):
    """M^4, and the map that Base-Net and SG-Net do not look at: what was known is reliable."""

    def forward(self, probabilities: Tensor, hole: Tensor) -> Tensor:
        """Return ``1 - hole``; the signature is SCEM's."""
        return 1 - hole


def two_convolutions(in_channels: int, channels: int) -> nn.Sequential:
    """Make F_ba or F_bi: from (N, in_channels, H, W) to (N, channels, H, W)."""
    return nn.Sequential(
        nn.LeakyReLU(0.2),
        nn.Conv2d(in_channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


class Fusion(nn.Module):
    """From varphi^l (``coarse`` channels) and phi^(l-1) (``skip`` channels) to f_c."""

    def __init__(self, coarse: int, skip: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(coarse + skip, skip, 3, padding=1, bias=False)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """Return f_c, of the skip's shape."""
        enlarged = F.interpolate(features, size=[skip.shape[2], skip.shape[3]], mode="nearest")
        fused: Tensor = self.conv(torch.cat([enlarged, skip], 1))
        return fused


class Inference(nn.Module):
    """Base-Net's step to the next finer scale: equation 2 without S^l.

    Parameters
    ----------
    coarse, skip : int
        Channels of varphi^l and of phi^(l-1); the latter are also the output's.
    """

    def __init__(self, coarse: int, skip: int) -> None:
        super().__init__()
        self.fuse = Fusion(coarse, skip)
        self.norm = nn.InstanceNorm2d(skip, affine=True)
        self.base_net = two_convolutions(skip, skip)

    def forward(
        self, features: Tensor, skip: Tensor, semantics: Tensor, reliable: Tensor
    ) -> Tensor:
        """Compute varphi^(l-1).

        Parameters
        ----------
        features, skip : Tensor
            varphi^l (N, C, h, w) and phi^(l-1) (N, C', 2h, 2w).
        semantics, reliable : Tensor
            S^l (N, K, h, w) and M^l (N, 1, h, w), as far as the module looks at them.

        Returns
        -------
        Tensor
            (N, C', 2h, 2w).
        """
        finer: Tensor = self.base_net(self.norm(self.fuse(features, skip)))
        return finer


class SGIM(nn.Module):
    """Semantic-Guided Inference Module (equations 2 and 3)."""

    def __init__(self, coarse: int, skip: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.fuse = Fusion(coarse, skip)
        self.modulate = SPADE(skip, classes, hidden)
        self.base_net = two_convolutions(skip, skip)

    def forward(
        self, features: Tensor, skip: Tensor, semantics: Tensor, reliable: Tensor
    ) -> Tensor:
        """Compute varphi^(l-1) = F_ba(f_s); shapes as in `Inference.forward`."""
        finer: Tensor = self.base_net(self.modulate(self.fuse(features, skip), semantics))
        return finer


class SGIMPlus(SGIM):
    """Enhanced SGIM (equations 5 and 6): a second net rectifies what M^l calls unreliable."""

    def __init__(self, coarse: int, skip: int, classes: int, hidden: int) -> None:
        super().__init__(coarse, skip, classes, hidden)
        self.lift = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU())
        self.bias_net = two_convolutions(skip + 16, skip)

    def forward(
        self, features: Tensor, skip: Tensor, semantics: Tensor, reliable: Tensor
    ) -> Tensor:
        """Compute varphi^(l-1) = F_ba(f_s) + F_bi(f_s (+) F(M^l))."""
        modulated = self.modulate(self.fuse(features, skip), semantics)
        size = [skip.shape[2], skip.shape[3]]
        lifted = self.lift(F.interpolate(reliable, size=size, mode="nearest"))
        finer: Tensor = self.base_net(modulated) + self.bias_net(torch.cat([modulated, lifted], 1))
        return finer


class Heads(nn.Module):
    """The branches h and g of one scale (equation 1).

    Parameters
    ----------
    channels, classes : int
        Channels of varphi^l, and the number of classes K.
    space_to_depth : int
        Side of the blocks of pixels that one cell of varphi^l answers for, px.
    residual : bool
        Whether Y^l is added to a smooth fill.
    """

    def __init__(
        self, channels: int, classes: int, space_to_depth: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        self.h = nn.Conv2d(channels, 3 * space_to_depth**2, 3, padding=1)
        self.g = nn.Conv2d(channels, classes * space_to_depth**2, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(space_to_depth)
        if residual:
            for start in self.h.parameters():
                nn.init.zeros_(start)  # start from the smooth fill

    def forward(self, features: Tensor, smooth: Tensor) -> tuple[Tensor, Tensor]:
        """Return Y^l (N, 3, h, w) and the class scores of S^l (N, K, h, w).

        ``smooth`` (N, 3, H, W) is the fill that Y^l is added to, h and w dividing H and W.
        """
        y = torch.tanh(self.pixel_shuffle(self.h(features)))
        if self.residual:
            y = F.avg_pool2d(smooth, smooth.shape[2] // y.shape[2]) + y
        else:
            y = (y + 1) / 2
        return y, self.pixel_shuffle(self.g(features))


class SGENet(Network):
    """The family of networks.

    Parameters
    ----------
    classes : int
        Number of classes K, at least 2.
    base : int
        Channels of the first layer. 64 at paper size.
    variant : str
        ``"base"``, ``"sg"`` or ``"sge"``.
    hidden : int
        Channels between a class map and its scale and shift. 128 at paper size.
    tau_mode : str
        How tau^l is read, see `SCEM`.
    tau : tuple of float, optional
        The proportions for l = 3, 2, 1; 0.8 each for ``"max"``, 0.3, 0.2, 0.1 for ``"quantile"``.
    space_to_depth : int
        Side of the blocks of pixels that become channels, px; 1 in the paper.
    residual : bool
        Whether Y^l is added to a `coherent_fill`.
    """

    # Share of the uniform distribution in the map of `segment`, so that one-hot means painted.
    soft: Final = 1e-3

    def __init__(
        self,
        classes: int,
        base: int = 64,
        variant: str = "sge",
        hidden: int = 128,
        tau_mode: str = "max",
        tau: tuple[float, float, float] | None = None,
        space_to_depth: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"A class map has at least 2 classes, not {classes}.")
        if tau is None:
            tau = (0.8, 0.8, 0.8) if tau_mode == "max" else (0.3, 0.2, 0.1)
        self.classes, self.residual = classes, residual
        self.space_to_depth = space_to_depth
        widths = [base, 2 * base, 4 * base, 8 * base, 8 * base]
        entry = nn.Conv2d(
            4 * space_to_depth**2, base, 7, padding=3, padding_mode="reflect", bias=False
        )
        convolutions = [entry] + [
            nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1, bias=False) for i in range(4)
        ]
        self.encoder = nn.ModuleList(
            nn.Sequential(conv, nn.InstanceNorm2d(width, affine=True), nn.ReLU())
            for conv, width in zip(convolutions, widths, strict=True)
        )
        self.pixel_unshuffle = nn.PixelUnshuffle(space_to_depth)
        self.cim = nn.Sequential(*(ContextBlock(widths[4], d) for d in (1, 2, 4, 8)))
        self.coarsest = Heads(widths[4], classes, space_to_depth, residual)
        # One entry per step of the decoder, to the scales 3, 2, 1 and 0.
        steps = [(widths[level], widths[level - 1]) for level in (4, 3, 2, 1)]
        sgims: list[nn.Module]
        if variant == "base":
            sgims = [Inference(*step) for step in steps]
        elif variant == "sg":
            sgims = [SGIM(*step, classes, hidden) for step in steps]
        elif variant == "sge":
            sgims = [SGIMPlus(*step, classes, hidden) for step in steps]
        else:
            raise ValueError(f'variant is "base", "sg" or "sge", not {variant!r}.')
        self.sgims = nn.ModuleList(sgims)
        self.heads = nn.ModuleList(
            Heads(width, classes, space_to_depth, residual) for _, width in steps
        )
        evaluated = [SCEM(t, tau_mode) if variant == "sge" else KnownArea() for t in tau]
        self.scems = nn.ModuleList([KnownArea(), *evaluated])

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict Y^0 as a `Network`."""
        return self.scales(image, hole, None)[0][0]

    @torch.jit.export
    def segment(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return S^0: probabilities (N, K, H, W), the hole included; never exactly one-hot."""
        probabilities = self.scales(image, hole, None)[1][0].softmax(1)
        return (1 - self.soft) * probabilities + self.soft / self.classes

    @torch.jit.export
    def guide(self, image: Tensor, hole: Tensor, probabilities: Tensor) -> Tensor:
        """Predict the whole image as `forward` does, following a class map.

        Parameters
        ----------
        probabilities : Tensor
            (N, K, H, W); one-hot where a person painted. Other pixels are left to the network.
        """
        certain = probabilities.amax(1, keepdim=True) > 1 - self.soft / 4
        painted = torch.where(certain, probabilities, torch.zeros_like(probabilities))
        return self.scales(image, hole, painted)[0][0]

    @torch.jit.export
    def reliability(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return how sure the network is of what it filled in, (N, 1, H, W) in [0, 1].

        It is the confidence max_k S^0 that SCEM judges by (equation 4; figures 7 and 8), not cut
        at a threshold, and stretched so that 0 is a uniform guess and 1 is certainty, whatever the
        number of classes. Known pixels are 1.
        """
        confidence = self.scales(image, hole, None)[1][0].softmax(1).amax(1, keepdim=True)
        chance = 1 / self.classes
        stretched = ((confidence - chance) / (1 - chance)).clamp(0, 1)
        return torch.where(hole > 0.5, stretched, torch.ones_like(stretched))

    def outputs(self, image: Tensor, hole: Tensor, labels: Tensor | None = None) -> Outputs:
        """Return all five scales for the losses.

        Parameters
        ----------
        image, hole : Tensor
            As a `Network` takes them.
        labels : Tensor, optional
            True classes (N, H, W), 255 = unlabelled. If given, they guide as if a person had
            painted them; without them the network's own S^l guides, as in the paper.

        Returns
        -------
        Outputs
            Y^0 to Y^4 and the class scores of S^0 to S^4, each at its own size (rounded up).
        """
        painted = None
        if labels is not None:
            ids = torch.arange(self.classes, device=labels.device)
            painted = (labels[:, None] == ids[:, None, None]).to(image.dtype)
        return Outputs(*self.scales(image, hole, painted))

    def scales(
        self, image: Tensor, hole: Tensor, painted: Tensor | None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Run the network.

        Parameters
        ----------
        image, hole : Tensor
            As a `Network` takes them.
        painted : Tensor, optional
            (N, K, H, W), one-hot where a person painted, zero elsewhere.

        Returns
        -------
        tuple of list of Tensor
            Y^l on the scale [0, 1] and the class scores of S^l, l = 0 to 4.
        """
        size = [image.shape[2], image.shape[3]]
        stride = 16 * self.space_to_depth
        image, hole = blank_and_pad(image, hole, stride, 2 * stride, self.residual)
        if painted is not None:
            padding = [0, image.shape[3] - size[1], 0, image.shape[2] - size[0]]
            painted = F.pad(painted, padding)
        features = self.pixel_unshuffle(torch.cat([image * 2 - 1, hole], 1))
        skips: list[Tensor] = []
        for down in self.encoder:
            features = down(features)
            skips.append(features)
        skips.pop()
        features = self.cim(features)
        image_now, scores = self.coarsest(features, image)
        images, logits = [image_now], [scores]
        cell = 16
        for scem, sgim, heads in zip(self.scems, self.sgims, self.heads, strict=False):
            semantics = scores.softmax(1)
            reliable = scem(semantics, F.max_pool2d(hole, cell))
            if painted is not None:
                part = F.avg_pool2d(painted, cell)
                semantics = part + (1 - part.sum(1, keepdim=True)) * semantics
            features = sgim(features, skips.pop(), semantics, reliable)
            image_now, scores = heads(features, image)
            images.insert(0, image_now)
            logits.insert(0, scores)
            cell = cell // 2
        return crop(images, size), crop(logits, size)


def crop(scales: list[Tensor], size: list[int]) -> list[Tensor]:
    """Cut the padding off tensors of 1, 1/2, 1/4, ... of the padded size."""
    out: list[Tensor] = []
    for tensor in scales:
        out.append(tensor[:, :, : size[0], : size[1]])
        size = [(size[0] + 1) // 2, (size[1] + 1) // 2]
    return out
