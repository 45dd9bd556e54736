"""What is hole in an array, and what is not known: mask, missing pixels, and dilation of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import ShapeError
from napari_inpaint.fill.blocks import Slices
from napari_inpaint.fill.plan import Plan


@dataclass(frozen=True)
class Holes:
    """What is hole; both arrays are (leading…, Y, X), and may be read-only views of the mask.

    Attributes
    ----------
    fill : bool array
        What is filled.
    unknown : bool array
        What is not known: the same, and missing pixels that are left as they are.
    """

    fill: Hole
    unknown: Hole


def find_holes(
    plan: Plan, image: npt.ArrayLike, mask: npt.ArrayLike | None, core: Slices | None = None
) -> Holes:
    """Tell what is hole: the mask, missing pixels, and dilation of both.

    Missing is what `missing_pixels` says, and what a masked array masks, in any channel. With a
    core, nothing outside of it is to be filled.

    Raises
    ------
    ShapeError
        If the mask does not fit, or slices have nothing known; the text says which.
    DtypeError
        If the mask is of a type that says nothing of holes.
    """
    options, axes = plan.options, plan.axes
    view = axes.image_view(np.asarray(image))
    absent: Hole | None = None
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        absent = np.asarray(axes.image_view(np.ma.getmaskarray(image)).any(axis=-1))
    marked = np.broadcast_to(np.False_, view.shape[:-1])
    if mask is not None:
        marked = axes.mask_view(masks.as_hole(np.asarray(mask)))
    fill: Hole = marked
    unknown: Hole = marked
    full = []
    keeps = options.fill_missing == "masked"
    for index in np.ndindex(view.shape[:-3]):
        here, missing = marked[index], masks.missing_pixels(view[index], options.missing)
        if absent is not None and absent[index].any():
            missing = absent[index] if missing is None else missing | absent[index]
        every = here if missing is None else here | missing
        chosen = masks.dilate(here if keeps else every, options.dilate)
        lost = chosen | missing if keeps and missing is not None else chosen
        if chosen is not here:
            fill = marked.copy() if fill is marked else fill
            fill[index] = chosen
        if keeps and lost is not here:
            unknown = marked.copy() if unknown is marked else unknown
            unknown[index] = lost
        if chosen.any() and lost.all():
            full.append(index)
    unknown = unknown if keeps else fill
    if core is not None:
        inside = _inside(plan, core, fill.shape)
        full = [index for index in full if inside[index].any()]
        fill = fill & inside
    if full := [index for index in full if not _has_neighbours(plan, unknown, index)]:
        raise ShapeError(_nothing_known(full, plan))
    return Holes(fill, unknown)


def _inside(plan: Plan, core: Slices, shape: tuple[int, ...]) -> Hole:
    """Return which pixels (leading…, Y, X) lie in a core."""
    at: list[slice] = [slice(None)] * len(shape)
    for letter, part in zip(plan.neighbours, core, strict=True):
        at[plan.axes.leading.index(letter)] = part
    inside = np.zeros(shape, bool)
    inside[tuple(at)] = True
    return inside


def _has_neighbours(plan: Plan, unknown: Hole, index: tuple[int, ...]) -> bool:
    """Return whether a slice of which nothing is known can be filled from its neighbours."""
    for letter in plan.neighbours:
        axis = plan.axes.leading.index(letter)
        line = tuple(slice(None) if each == axis else at for each, at in enumerate(index))
        known = np.flatnonzero(~unknown[line].all(axis=(-2, -1)))
        before, after = known[known < index[axis]], known[known > index[axis]]
        first = before[-1] if len(before) else -1
        last = after[0] if len(after) else unknown.shape[axis]
        if len(known) and last - first - 1 <= plan.options.max_gap:
            return True
    return False


def _nothing_known(full: list[tuple[int, ...]], plan: Plan) -> str:
    axes = plan.axes
    cause = "The mask (with NaN and infinite pixels, which are always hole) covers"
    if not axes.leading:
        return f"{cause} the whole image: nothing known is left to go by. Mask less of it."
    names = [
        " ".join(f"{letter}={at}" for letter, at in zip(axes.leading, index, strict=True))
        for index in full
    ]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if plan.neighbours:
        gap = plan.options.max_gap
        return (
            f"{cause} these slices wholly: {shown}, and nothing known is near enough: only up to "
            f"{gap} missing slices in a row are filled from their neighbours. Mask less of them, "
            "leave them out, or raise max_gap."
        )
    return (
        f"{cause} these slices wholly: {shown}. Each slice is seen by itself, so nothing known "
        "is left to go by. Mask less of them, or leave them out."
    )
