"""Losses; each returns a scalar, and their weights live in the recipes.

Shapes: images (N, 3, H, W) in [0, 1], holes (N, 1, H, W) with 1 = hole.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from training.networks.layers import Outputs, at_least_float32
from training.recipe import LossWeights


def hole_l1(prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean over all elements of ``|prediction - target|`` inside the hole.

    Source: PConv, L_hole. Pass ``1 - hole`` for L_valid.
    """
    return (hole * (prediction - target)).abs().mean()


def total_variation(composite: Tensor, hole: Tensor) -> Tensor:
    """Mean absolute difference of neighbours that both lie in the hole dilated by one pixel.

    Source: PConv, L_tv. Pairs with one pixel outside are left out, so that a constant picture
    costs nothing and the known pixels' own edges are not punished.
    """
    region = F.max_pool2d(hole, 3, 1, 1)
    across = region[..., :, 1:] * region[..., :, :-1]
    down = region[..., 1:, :] * region[..., :-1, :]
    return (across * (composite[..., :, 1:] - composite[..., :, :-1])).abs().mean() + (
        down * (composite[..., 1:, :] - composite[..., :-1, :])
    ).abs().mean()


def gram(features: Tensor) -> Tensor:
    """Gram matrix (N, C, C) of features (N, C, H, W), divided by C * H * W."""
    n, c, h, w = features.shape
    flat = at_least_float32(features).reshape(n, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def perceptual(features: list[Tensor], target: list[Tensor]) -> Tensor:
    """Sum over the layers of the mean absolute difference of features. Source: PConv, L_perc."""
    differences = [
        at_least_float32(f - t).abs().mean() for f, t in zip(features, target, strict=True)
    ]
    return torch.stack(differences).sum()


def style(features: list[Tensor], target: list[Tensor]) -> Tensor:
    """Sum over layers of the Gram matrices' mean absolute difference. Source: PConv, L_style."""
    return torch.stack(
        [F.l1_loss(gram(f), gram(t)) for f, t in zip(features, target, strict=True)]
    ).sum()


def perceptual_distance(features: list[Tensor], target: list[Tensor], hole: Tensor) -> Tensor:
    """Mean over layers and pictures of half the squared distance of unit features in the hole.

    Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
    2018, without its learned weights. 0 = alike, 1 = at right angles.

    Parameters
    ----------
    features, target : list of Tensor
        (N, C, h, w), layer by layer.
    hole : Tensor
        (N, 1, H, W), 1 = hole; features count by the share of hole beneath them.
    """
    distances = []
    for ours, theirs in zip(features, target, strict=True):
        weight = F.adaptive_avg_pool2d(hole, (ours.shape[2], ours.shape[3]))
        unit, true_unit = (F.normalize(x.float(), dim=1, eps=1e-6) for x in (ours, theirs))
        squares = (unit - true_unit).square().sum(1, keepdim=True) / 2
        total = (squares * weight).sum((1, 2, 3))
        distances.append(total / weight.sum((1, 2, 3)).clamp(min=1e-6))
    return torch.stack(distances).mean()


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the labelled pixels of the cross-entropy; 0 if no pixel is labelled.

    Parameters
    ----------
    logits : Tensor
        Class scores (N, K, h, w); enlarged bilinearly to the labels' size.
    labels : Tensor
        (N, H, W) int64 class ids, 255 = unlabelled.
    """
    size = [labels.shape[1], labels.shape[2]]
    logits = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    total = F.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    return total / (labels != 255).sum().clamp(min=1)


class GAN(NamedTuple):
    """What scores (N, 1, h, w) cost, element by element."""

    real: Callable[[Tensor], Tensor]
    """The discriminator, for what it should call real."""
    fake: Callable[[Tensor], Tensor]
    """The discriminator, for what it should call fake."""
    network: Callable[[Tensor], Tensor]
    """The network, for its fills."""


#: GANs by name; D is the sigmoid of a score s. ``softplus(-s)`` is ``-log D``, ``softplus(s)`` is
#: ``-log(1 - D)``.
GANS = {
    # Lim and Ye, "Geometric GAN", 2017
    "hinge": GAN(
        real=lambda s: F.relu(1 - s),
        fake=lambda s: F.relu(1 + s),
        network=lambda s: -s,
    ),
    # Goodfellow et al., "Generative Adversarial Nets", 2014: section 3, what works better
    "non-saturating": GAN(
        real=lambda s: F.softplus(-s),
        fake=F.softplus,
        network=lambda s: F.softplus(-s),
    ),
    # its equation 1, and SGE-Net's equation 8
    "minimax": GAN(
        real=lambda s: F.softplus(-s),
        fake=F.softplus,
        network=lambda s: -F.softplus(s),
    ),
}


def discriminator_loss(gan: GAN, real: Tensor, fake: Tensor, hole: Tensor | None) -> Tensor:
    """Mean cost of one scale's scores of truths and of fills.

    Parameters
    ----------
    gan : GAN
        One of `GANS`.
    real, fake : Tensor
        Scores (N, 1, h, w).
    hole : Tensor or None
        (N, 1, H, W). If given, a fill's scores count as fake in the hole alone, and as real
        elsewhere; source: LaMa, whose scores are matched to the nearest pixel of the mask.
    """
    costs = gan.fake(fake)
    if hole is not None:
        at_scores = F.interpolate(hole, size=fake.shape[2:], mode="nearest")
        costs = torch.where(at_scores > 0, costs, gan.real(fake))
    return gan.real(real).mean() + costs.mean()


def gradient_penalty(scores: list[Tensor], real: list[Tensor]) -> Tensor:
    """R1: mean over the samples of the squared norm of the scores' gradient at truths.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018.

    Parameters
    ----------
    scores : list of Tensor
        Those of every scale, (N, 1, h, w), computed from ``real``.
    real : list of Tensor
        What the discriminator was given, (N, C, H, W) each, with ``requires_grad``.
    """
    total = torch.stack([scale.sum() for scale in scores]).sum()
    slopes = torch.autograd.grad(total, real, create_graph=True, materialize_grads=True)
    return torch.stack([slope.square().sum((1, 2, 3)).mean() for slope in slopes]).sum()


def feature_matching(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Mean over scales and layers of the features' mean absolute difference, scores left out.

    Source: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with
    Conditional GANs", 2018. Takes what `MultiScalePatchGAN` returns for fills and for truths.
    """
    differences = [
        F.l1_loss(f, r)
        for fake_scale, real_scale in zip(fake, real, strict=True)
        for f, r in zip(fake_scale[:-1], real_scale[:-1], strict=True)
    ]
    return torch.stack(differences).mean()


def coarse_l1(images: list[Tensor], target: Tensor) -> Tensor:
    """Sum over the coarse scales of ``|target - up(image)|``, mean over the elements.

    Source: SGE-Net, equation 7; the finest scale has its own terms and is not given here.
    """
    size = [target.shape[2], target.shape[3]]
    total = torch.zeros((), device=target.device)
    for image in images:
        enlarged = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        total = total + (enlarged - target).abs().mean()
    return total


def decibels(prediction: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean over the pictures of ``10 log10`` of the mean square inside the hole, dB.

    The PSNR inside the hole, negated: a picture that is easy to fill counts as much as a hard one.
    Errors below 1 % of the range hardly count.
    """
    count = hole.sum((1, 2, 3)) * target.shape[1]
    squares = (hole * (prediction - target)).square().sum((1, 2, 3)) / count.clamp(min=1)
    return 10 * torch.log10(squares + 1e-4).mean()


def pixel_terms(
    weights: LossWeights, prediction: Tensor, target: Tensor, hole: Tensor
) -> dict[str, Tensor]:
    """Compute the terms that compare pixels and count something, not yet weighted.

    All look at the raw prediction but ``total_variation``, which looks at the composite.
    """
    terms: dict[str, Callable[[], Tensor]] = {
        "known": lambda: hole_l1(prediction, target, 1 - hole),
        "hole": lambda: hole_l1(prediction, target, hole),
        "square": lambda: (hole * (prediction - target)).square().mean(),
        "decibels": lambda: decibels(prediction, target, hole),
        "total_variation": lambda: total_variation(torch.where(hole > 0, prediction, target), hole),
    }
    computed = {name: term() for name, term in terms.items() if getattr(weights, name)}
    if weights.per_hole_pixel:
        share = hole.mean().clamp(min=1e-3)
        computed |= {name: computed[name] / share for name in ("known", "hole") if name in computed}
    return computed


def looked_at(
    weights: LossWeights, images: list[Tensor], target: Tensor, hole: Tensor
) -> list[Tensor]:
    """Return what the feature terms look at, each (N, 3, H, W).

    Parameters
    ----------
    weights : LossWeights
        Its ``features_of`` says it.
    images : list of Tensor
        Predictions, the finest first; coarser ones are enlarged bilinearly.
    target, hole : Tensor
        The truth, and where it is hole.
    """
    size = [target.shape[2], target.shape[3]]
    kinds = {
        "composite": lambda: [torch.where(hole > 0, images[0], target)],
        "prediction": lambda: images[:1],
        "coarse": lambda: [
            F.interpolate(image, size=size, mode="bilinear", align_corners=False)
            for image in images[1:]
        ],
    }
    return [image for kind in weights.features_of for image in kinds[kind]()]


class Features(NamedTuple):
    """What a feature network makes of a batch, layer by layer: tensors (N, C, h, w)."""

    truth: list[Tensor]
    """Of the truth; nothing is learned through it."""
    fills: list[list[Tensor]]
    """Of each image that `looked_at` returns."""
    hole: Tensor
    """(N, 1, H, W), where these images have their hole."""


def feature_terms(weights: LossWeights, features: Features) -> dict[str, Tensor]:
    """Compute the terms that compare features and count, each summed over the images."""
    named: dict[str, Callable[[list[Tensor]], Tensor]] = {
        "perceptual": lambda fill: perceptual(fill, features.truth),
        "style": lambda fill: style(fill, features.truth),
        "perceptual_distance": lambda fill: perceptual_distance(
            fill, features.truth, features.hole
        ),
    }
    return {
        name: torch.stack([term(fill) for fill in features.fills]).sum()
        for name, term in named.items()
        if getattr(weights, name)
    }


def segmentation_loss(outputs: Outputs, labels: Tensor, hole: Tensor) -> Tensor:
    """Sum of the cross-entropies of all scales. Source: SGE-Net, equations 9 and 10.

    Scores in ``known_logits`` answer for known pixels alone; ``labels`` are (N, H, W) class ids,
    255 = unlabelled.
    """
    known = torch.where(hole[:, 0] > 0, 255, labels)
    terms = [cross_entropy(logits, labels) for logits in outputs.logits]
    terms += [cross_entropy(logits, known) for logits in outputs.known_logits]
    return torch.stack(terms).sum()
