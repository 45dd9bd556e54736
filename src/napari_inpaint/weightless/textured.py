"""Texture stage: fill holes with large pieces of their surroundings, as a guess leads.

``leading.py`` says where a guess leads and where it is overruled, ``growth.py`` what the hole may
look like at small sizes, ``copies.py`` from where it is copied, and ``seams.py`` hides the seams.

Where a hole is wide, the copies Q take the place of the guess P; where it is narrow, the guess
knows the colours, and near the rim the detail, too:

    fill = P + s w B + min(1, 2 s) (w + 1.2 (1 - w) f) (Q - P - B),   B = blur(Q - P)          (1)

with s the strength, w from 0 where the hole is 28 px wide to 1 where it is 72, the blur one of 4 px
in the hole alone, and f = (1 - n)^2, n the share of known pixels around, a Gaussian of 6 px. Up to
a strength of 0.5 the guess's detail is exchanged for the copies'; the colours follow all the way,
so that no strength shows both pictures' details at once.

Holes that are narrow everywhere, long strokes, and holes too large for what may be copied get the
detail of patches alone (``patches.py``). Holes far from each other are filled one after another,
each with what is in a window around it.
"""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_inpaint.weightless.copies import copied
from napari_inpaint.weightless.growth import Size
from napari_inpaint.weightless.leading import depth_in, lead_of_guess, roughness
from napari_inpaint.weightless.matching import blur
from napari_inpaint.weightless.patches import PatchMatch

Mask = npt.NDArray[np.bool_]

APART = 32
"""Holes that are farther from each other than this, px, are filled one after another."""
GROUPS, CELL = 1000, 256
"""With more groups of holes than this, those that lie in the same cell, px, are filled at once."""
NARROW, WIDE = 14, 36
"""Half widths of holes, px, up to which the guess gives the colours, and from which the copies."""
COMPACT = 4
"""Holes are compact that have less than so many times the area of a disc of their width."""
NARROW_DETAIL = 1.2
BLUR, RIM = 4, 6  # deviations of equation 1's Gaussians, px
DETAIL = PatchMatch(blur=3, strength=1.35)
AROUND = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * WIDE + 1,) * 2)
MARGIN = 40
"""A window reaches so far beyond the hole, px, or 1.5 times as far as the hole is wide."""


def windows(hole: Mask, source: Mask) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Part a hole into holes far from each other, each in a window that has enough to copy from.

    Parameters
    ----------
    hole, source : (H, W) bool arrays
        What is filled, and what may be copied from.

    Yields
    ------
    tuple of slice
        Rows and columns of the window; all, where a smaller one has too little to copy from.
    bool array
        The hole's pixels in the window.
    """
    near = cv2.dilate(hole.astype(np.uint8), np.ones((APART + 1, APART + 1), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(near)
    together: dict[object, list[int]] = {}
    for part, (left, top, width, height, _) in enumerate(stats[1:].tolist(), start=1):
        cell = ((top + height // 2) // CELL, (left + width // 2) // CELL)
        together.setdefault(part if count - 1 <= GROUPS else cell, []).append(part)
    for members in together.values():
        left, top = stats[members, :2].min(0) + APART // 2
        right, bottom = (stats[members, :2] + stats[members, 2:4]).max(0) - APART // 2
        wide = max(right - left, bottom - top) if len(members) == 1 else 0
        margin = max(MARGIN, wide * 3 // 2)
        rows = slice(max(top - margin, 0), bottom + margin)
        place = rows, slice(max(left - margin, 0), right + margin)
        own = np.isin(parts[place], members) & hole[place]
        if np.count_nonzero(source[place]) < 2 * np.count_nonzero(own):
            place = slice(None), slice(None)
            own = np.isin(parts, members) & hole
        yield place, own


def one_textured(
    image: Tensor,
    hole: Tensor,
    classes: Tensor,
    source: Tensor,
    strength: float,
    seed: int,
) -> Tensor:
    """Fill a picture (C, H, W) whose hole holds the guess; the rest as in `textured`."""
    filled = image.clone()
    for window, part in windows(hole[0].numpy() > 0, source[0].numpy() > 0):
        place = (slice(None), *window)
        known, guess = 1 - torch.from_numpy(part)[None].to(image.dtype), filled[place]
        picture, kinds = guess * known, classes[window]
        copies = None
        if is_wide(known):
            lead, rough = lead_of_guess(picture, known), roughness(picture, known)
            copies = copied(Size(picture, known, source[place], kinds, guess, lead, rough), seed)
        if copies is None:
            detailed = detail_of_patches(picture, known, source[place], guess, kinds)
            filled[place] = guess + strength * (detailed - guess)
        else:
            filled[place] = mixed(guess, copies, 1 - known, strength)
    return filled


def is_wide(known: Tensor) -> bool:
    """Tell whether a hole, where (1, H, W) is 0, is wide and compact: an object, not strokes."""
    half_width = float(depth_in(known).max())
    return half_width > NARROW and float((1 - known).sum()) < COMPACT * math.pi * half_width**2


def detail_of_patches(
    picture: Tensor, known: Tensor, source: Tensor, guess: Tensor, classes: Tensor
) -> Tensor:
    """Give a guess (C, H, W) the detail of patches of the source."""
    free = torch.where(source > 0, known, 0)
    filled: Tensor = DETAIL(picture[None], 1 - free[None], guess[None], classes[None])[0]
    return torch.where(known > 0, picture, filled)


def mixed(guess: Tensor, copies: Tensor, hole: Tensor, strength: float) -> Tensor:
    """Return equation 1 for a guess and copies (C, H, W) in a hole (1, H, W) of 0 and 1."""
    apart = copies - guess
    colours = hole * blur(apart, BLUR) / blur(hole, BLUR).clamp(min=1e-2)
    half_width = torch.from_numpy(cv2.dilate(depth_in(1 - hole)[0].numpy(), AROUND))[None]
    wide = ((half_width - NARROW) / (WIDE - NARROW)).clamp(0, 1)
    inside = (1 - blur(1 - hole, RIM)).square()
    detail = (wide + NARROW_DETAIL * (1 - wide) * inside) * (apart - colours)
    return (guess + strength * wide * colours + min(1, 2 * strength) * detail).clamp(0, 1)


def textured(
    image: Tensor,
    hole: Tensor,
    guess: Tensor,
    strength: float = 1.0,
    classes: Tensor | None = None,
    source: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Fill holes with pieces of their surroundings, as a guess leads.

    Parameters
    ----------
    image : Tensor
        (N, C, H, W) float32 in [0, 1]; the hole's values do not count.
    hole : Tensor
        (N, 1, H, W), 1 = hole.
    guess : Tensor
        (N, C, H, W) in [0, 1], what the hole may look like: right in structure, blurred or not.
    strength : float
        0 leaves the guess as it is; 1 is what a person would take for a photograph. Equation 1.
    classes : Tensor or None
        (N, H, W) int64, any number of classes from 0, the hole included; below 0: undecided.
        Hole pixels are copied from pixels of their class, if the surroundings have any.
    source : Tensor or None
        (N, 1, H, W), 1 = may be copied from; all known pixels if None.
    seed : int
        Of the search at small sizes: another one may give another fill.

    Returns
    -------
    Tensor
        (N, C, H, W), equal to ``image`` outside the hole.
    """
    filled = torch.where(hole > 0, guess, image)
    if strength <= 0:
        return filled
    for i in range(image.shape[0]):
        unknown = (hole[i] > 0).float().cpu()
        free = 1 - unknown
        if source is not None:
            free = free * (source[i] > 0).cpu()
        kinds = torch.full(hole.shape[2:], -1) if classes is None else classes[i].cpu()
        shown = one_textured(filled[i].cpu(), unknown, kinds, free, strength, seed)
        filled[i] = torch.where(hole[i] > 0, shown.to(image.device), image[i])
    return filled
