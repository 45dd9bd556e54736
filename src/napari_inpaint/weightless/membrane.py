"""Membranes: a fill that changes as little from pixel to pixel as it can, and pyramids of holes.

Source: Bornemann, Deuflhard, "The cascadic multigrid method for elliptic problems", 1996.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def halve_known(image: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of known pixels over 2 x 2 blocks, and which blocks have one.

    ``image`` is (N, C, H, W), ``known`` (N, 1, H, W) with 1 = known; odd sides are rounded up.
    """
    seen = F.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    image = F.avg_pool2d(image * known, 2, ceil_mode=True, count_include_pad=False)
    return image / seen.clamp(min=1e-6), (seen > 0).to(seen.dtype)


def pyramid(image: Tensor, known: Tensor, levels: int) -> tuple[list[Tensor], list[Tensor]]:
    """Halve an image and its mask ``levels`` times; the full size comes first."""
    images, masks = [image], [known]
    for _ in range(levels):
        image, known = halve_known(image, known)
        images.append(image)
        masks.append(known)
    return images, masks


def enlarge(coarse: Tensor, image: Tensor, known: Tensor) -> Tensor:
    """Enlarge a fill to the size of ``image``, which stays as it is where it is known."""
    size = [image.shape[2], image.shape[3]]
    fill = F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return torch.where(known > 0, image, fill)


def mean_of_known(image: Tensor, known: Tensor) -> Tensor:
    """Return the mean (N, C, 1, 1) of the known pixels, 0 where there is none."""
    count = known.sum((2, 3), keepdim=True).clamp(min=1)
    return (image * known).sum((2, 3), keepdim=True) / count


def relaxed(fill: Tensor, image: Tensor, known: Tensor, sweeps: int) -> Tensor:
    """Let every hole pixel become the mean of its four neighbours, ``sweeps`` times."""
    for _ in range(sweeps):
        x = F.pad(fill, [1, 1, 1, 1], mode="replicate")
        beside = x[:, :, 1:-1, 2:] + x[:, :, 1:-1, :-2] + x[:, :, 2:, 1:-1] + x[:, :, :-2, 1:-1]
        fill = torch.where(known > 0, image, beside / 4)
    return fill


def membranes(images: list[Tensor], masks: list[Tensor], sweeps: int) -> list[Tensor]:
    """Fill every size of a pyramid, from the coarsest up; the full size comes first."""
    fill = mean_of_known(images[-1], masks[-1])
    fills: list[Tensor] = []
    for i in range(len(images) - 1, -1, -1):
        fill = relaxed(enlarge(fill, images[i], masks[i]), images[i], masks[i], sweeps)
        fills.insert(0, fill)
    return fills


def membrane(image: Tensor, known: Tensor, levels: int = 8, sweeps: int = 4) -> Tensor:
    """Fill holes with as little change from pixel to pixel as possible.

    Means of known pixels go down a pyramid and up again; on the way up, every hole pixel becomes
    the mean of its four neighbours (Laplace's equation).

    Parameters
    ----------
    image, known : Tensor
        (N, C, H, W) and its mask (N, 1, H, W), 1 = known.
    levels : int
        Halvings; what is still unknown then becomes the mean of the known pixels.
    sweeps : int
        Means of neighbours taken at each size. Without any, the fill is blockwise, and farther
        from most pictures.

    Returns
    -------
    Tensor
        (N, C, H, W), equal to ``image`` where it is known.
    """
    images, masks = pyramid(image, known, levels)
    return membranes(images, masks, sweeps)[0]
