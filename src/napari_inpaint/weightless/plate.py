"""Thin plates: a fill that bends as little as it can, without weights.

With the five-point Laplacian L, mirrored at the image's border, the hole's pixels u minimise::

    E(u) = |L u|^2 / 2,    so that   L L u = r   in the hole, with r = 0                    (1)

A membrane meets the rim at any angle; a plate goes on as steeply as the known pixels arrive there,
so that what is round stays round. One cycle of `v_cycle` smooths (1) at ever coarser sizes, each
with the rest r that the finer one leaves, and adds what it finds on the way back::

    v = u + 0.7 (u - u'),   u <- v - (L L v - r) / 64    u' the one before                  (2)
    u <- u + a c,   a = <r - L L u, c> / |L c|^2         c the coarser correction           (3)

64 is the greatest eigenvalue of L L. Equation 3 takes the best multiple of a correction that the
coarse size, which knows the rim only roughly, has misjudged. Two cycles leave an error that is
smaller than what the plate itself is wrong by.

Sources: Bornemann, Deuflhard, "The cascadic multigrid method for elliptic problems", 1996, for the
start from coarse to fine; Brandt, "Multi-level adaptive solutions to boundary-value problems",
1977; Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)",
1983, for (2); Damelin, Hoang, "On surface completion and image inpainting by biharmonic functions:
numerical aspects", 2018.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_inpaint.weightless.membrane import enlarge, mean_of_known, pyramid


def laplacian(u: Tensor) -> Tensor:
    """Return L u, the sum of the differences from the four neighbours, mirrored at the border."""
    x = F.pad(u, [1, 1, 1, 1], mode="replicate")
    beside = x[:, :, 1:-1, 2:] + x[:, :, 1:-1, :-2] + x[:, :, 2:, 1:-1] + x[:, :, :-2, 1:-1]
    return beside - 4 * u


def bent(u: Tensor, rest: Tensor, hole: Tensor, steps: int) -> Tensor:
    """Take equation 2 ``steps`` times in the hole (N, 1, H, W), 1 = hole."""
    before = u
    for _ in range(steps):
        ahead = u + 0.7 * (u - before)
        before = u
        u = ahead - hole * (laplacian(laplacian(ahead)) - rest) / 64
    return u


def holes_of(hole: Tensor, levels: int) -> list[Tensor]:
    """Halve a hole ``levels`` times; a coarse pixel is hole where all of it is."""
    holes = [hole]
    for _ in range(levels):
        whole = F.avg_pool2d(holes[-1], 2, ceil_mode=True, count_include_pad=False) > 0.999
        holes.append(whole.to(hole.dtype))
    return holes


def v_cycle(u: Tensor, holes: list[Tensor], steps: int) -> Tensor:
    """Bring (1) nearer at all sizes; ``holes`` are `holes_of` the mask, the full size first."""
    rest = torch.zeros_like(u)
    found: list[Tensor] = []
    rests: list[Tensor] = []
    for i, hole in enumerate(holes):
        u = bent(u, rest, hole, steps)
        found.append(u)
        rests.append(rest)
        if i + 1 < len(holes):
            left = (rest - laplacian(laplacian(u))) * hole
            left = F.avg_pool2d(left, 2, ceil_mode=True, count_include_pad=False)
            rest = 16 * left * holes[i + 1]  # L L has 1 / length^4 in it
            u = torch.zeros_like(rest)
    for i in range(len(holes) - 2, -1, -1):
        size = [found[i].shape[2], found[i].shape[3]]
        more = F.interpolate(u, size=size, mode="bilinear", align_corners=False) * holes[i]
        left = (rests[i] - laplacian(laplacian(found[i]))) * holes[i]
        gain = (left * more).sum((1, 2, 3), keepdim=True)
        energy = laplacian(more).square().sum((1, 2, 3), keepdim=True)
        u = found[i] + gain / energy.clamp(min=1e-12) * more
        u = bent(u, rests[i], holes[i], steps)
    return u


def thin_plate(image: Tensor, known: Tensor, levels: int = 5, cycles: int = 2) -> Tensor:
    """Fill holes with as little bending as possible.

    Parameters
    ----------
    image, known : Tensor
        (N, C, H, W) and its mask (N, 1, H, W), 1 = known.
    levels : int
        Halvings; what is still unknown then becomes the mean of the known pixels.
    cycles : int
        Of equations 2 and 3 over all sizes.

    Returns
    -------
    Tensor
        (N, C, H, W), equal to ``image`` where it is known, and between the least and the greatest
        known value of each channel.
    """
    images, masks = pyramid(image, known, levels)
    u = mean_of_known(images[-1], masks[-1])
    for i in range(levels, -1, -1):
        u = enlarge(u, images[i], masks[i])
        u = bent(u, torch.zeros_like(u), 1 - masks[i], 10)
    holes = holes_of(1 - known, levels)
    for _ in range(cycles):
        u = v_cycle(u, holes, 6)
    seen = known > 0
    # A plate overshoots where steep slopes meet a wide hole.
    least = torch.where(seen, image, torch.inf).amin((2, 3), keepdim=True)
    most = torch.where(seen, image, -torch.inf).amax((2, 3), keepdim=True)
    u = torch.minimum(torch.maximum(u, least), most)
    none = known.amax((2, 3), keepdim=True) == 0
    return torch.where(seen, image, torch.where(none, 0.5, u))
