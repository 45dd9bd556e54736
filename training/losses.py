"""Losses; each returns a scalar, and their weights live in the recipes.

Shapes: images (N, 3, H, W) in [0, 1], holes (N, 1, H, W) with 1 = hole.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import Outputs
from training.weights import read_saved, take


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
    flat = features.reshape(n, c, h * w)
    return flat @ flat.transpose(1, 2) / (c * h * w)


def perceptual(features: list[Tensor], target: list[Tensor]) -> Tensor:
    """Sum over the layers of the mean absolute difference of features. Source: PConv, L_perc."""
    return torch.stack([F.l1_loss(f, t) for f, t in zip(features, target, strict=True)]).sum()


def style(features: list[Tensor], target: list[Tensor]) -> Tensor:
    """Sum over layers of the Gram matrices' mean absolute difference. Source: PConv, L_style."""
    return torch.stack(
        [F.l1_loss(gram(f), gram(t)) for f, t in zip(features, target, strict=True)]
    ).sum()


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


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator's scores. Source: Lim and Ye, "Geometric GAN", 2017."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Hinge loss of a generator: the mean score of its fakes, negated."""
    return -fake.mean()


def non_saturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of scores: ``-log sigmoid(real) - log(1 - sigmoid(fake))``."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """Non-saturating loss: ``-log sigmoid(fake)``. Source: Goodfellow et al., 2014."""
    return F.softplus(-fake).mean()


#: A GAN's two losses by name: of the discriminator (real, fake) and of the generator (fake).
GANS = {
    "hinge": (hinge_discriminator, hinge_generator),
    "non-saturating": (non_saturating_discriminator, non_saturating_generator),
}


def feature_matching(fake: list[list[Tensor]], real: list[list[Tensor]]) -> Tensor:
    """Mean over scales and layers of the features' mean absolute difference, scores left out.

    Source: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with
    Conditional GANs", 2018.
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
    """Mean over the pictures of ``10 log10`` of the mean square inside the hole.

    The PSNR inside the hole, negated: a picture that is easy to fill counts as much as a hard one.
    Errors below 1 % of the range hardly count.
    """
    count = hole.sum((1, 2, 3)) * target.shape[1]
    squares = (hole * (prediction - target)).square().sum((1, 2, 3)) / count.clamp(min=1)
    return 10 * torch.log10(squares + 1e-4).mean()


def pixel_terms(prediction: Tensor, target: Tensor, hole: Tensor) -> dict[str, Tensor]:
    """Compute the terms that compare pixels, not yet weighted.

    All look at the raw prediction but ``total_variation``, which looks at the composite.
    """
    return {
        "known": hole_l1(prediction, target, 1 - hole),
        "hole": hole_l1(prediction, target, hole),
        "square": (hole * (prediction - target)).square().mean(),
        "decibels": decibels(prediction, target, hole),
        "total_variation": total_variation(torch.where(hole > 0, prediction, target), hole),
    }


def feature_terms(
    extract: Callable[[Tensor], list[Tensor]], images: list[Tensor], target: Tensor
) -> dict[str, Tensor]:
    """Compute ``perceptual`` and ``style``, each summed over the given images.

    Parameters
    ----------
    extract : callable
        Image to feature tensors: `VGG16` as published, or `FilterBank`.
    images : list of Tensor
        PConv looks at the prediction and at the composite; the composite alone costs half as much.
    target : Tensor
        The truth.
    """
    with torch.no_grad():
        truth = extract(target)
    features = [extract(image) for image in images]
    return {
        "perceptual": torch.stack([perceptual(f, truth) for f in features]).sum(),
        "style": torch.stack([style(f, truth) for f in features]).sum(),
    }


def segmentation_loss(outputs: Outputs, labels: Tensor, hole: Tensor) -> Tensor:
    """Sum of the cross-entropies of all scales. Source: SGE-Net, equation 10.

    Scores in ``known_logits`` answer for known pixels alone.
    """
    known = torch.where(hole[:, 0] > 0, 255, labels)
    terms = [cross_entropy(logits, labels) for logits in outputs.logits]
    terms += [cross_entropy(logits, known) for logits in outputs.known_logits]
    return torch.stack(terms).sum()


class FilterBank(nn.Module):
    """Features without learned weights: random band-pass filters on a pyramid.

    Gram matrices of one layer of random filters at several scales describe a texture nearly as
    well as those of a trained network (Ustyuzhaninov et al., "What does it take to generate natural
    textures?", ICLR 2017), and cost little.

    Parameters
    ----------
    filters : int
        Filters per scale.
    scales : int
        Pyramid levels, each half as large as the one before.
    seed : int
        The filters are drawn from it, so the bank is the same everywhere.
    """

    weight: Tensor

    def __init__(self, filters: int = 32, scales: int = 3, kernel: int = 7, seed: int = 0) -> None:
        super().__init__()
        self.scales, self.kernel = scales, kernel
        generator = torch.Generator().manual_seed(seed)
        weight = torch.randn(filters, 3, kernel, kernel, generator=generator)
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        weight = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return one feature tensor (N, filters, H / 2^s, W / 2^s) per scale s."""
        features = []
        for scale in range(self.scales):
            if scale:
                image = F.avg_pool2d(image, 2, ceil_mode=True)
            features.append(F.relu(F.conv2d(image, self.weight, padding=self.kernel // 2)))
        return features


class VGG16(nn.Module):
    """VGG-16 after pool1, pool2 and pool3, from a file of torchvision's weights.

    Parameters
    ----------
    weights : Path
        A state dict with the keys ``features.<i>.weight`` and ``features.<i>.bias``, as
        torchvision's ``vgg16`` has them.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it holds anything else.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, weights: Path) -> None:
        super().__init__()
        plan: list[list[int]] = [[64, 64], [128, 128], [256, 256, 256]]
        state = read_saved(weights, "torchvision's weights of VGG-16")
        blocks, channels, index = [], 3, 0
        for widths in plan:
            layers: list[nn.Module] = []
            for width in widths:
                conv = nn.Conv2d(channels, width, 3, padding=1)
                take(state, f"features.{index}", conv, weights)
                layers += [conv, nn.ReLU()]
                channels, index = width, index + 2
            blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
            index += 1
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the three feature tensors, finest first."""
        x = (image - self.mean) / self.std
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features
