"""Fill holes in arrays: regions → [0, 1] → batches → the backend → composite."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import boxes, intensity, masks
from napari_inpaint.arrays.axes import Axes
from napari_inpaint.arrays.labels import Labels, stack_labels
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.arrays.regions import Region, count_holes, regions
from napari_inpaint.errors import ShapeError
from napari_inpaint.fill.blocks import Slices
from napari_inpaint.fill.candidates import Fill
from napari_inpaint.fill.multiscale import Scale, fill_large
from napari_inpaint.fill.plan import Options, Plan
from napari_inpaint.fill.predictor import Predictor
from napari_inpaint.fill.progress import Progress, ignore, share_of
from napari_inpaint.fill.stacks import fill_stacks
from napari_inpaint.fill.thin import fill_thin, thin_holes

THIN, JURY = "thin plate", "jury"
"""What a record names as backend where no single one was asked: all holes were thin; candidates
were weighed."""

Piece = tuple[tuple[int, ...], Region]
"""Where a slice lies along the leading axes, and a region of it."""


@dataclass(frozen=True)
class Filled:
    """What a fill gave.

    Attributes
    ----------
    image : array
        The filled image, new; of the image's shape and element type.
    hole : bool array
        All that was filled, of the image's spatial axes: the mask, NaN and infinite pixels, both
        grown as the options say. May be a read-only view of the mask.
    record : dict
        What made it; see `Plan.record`. Besides, thin: how many pixels of thin holes were filled
        without the backend; and where candidates were weighed, shares: by their names, how much
        each counted.
    error : float32 array or None
        The expected error of each filled pixel, in the image's units and of its shape, 0 where
        nothing was filled; None, unless it was asked for and can be told.
    """

    image: npt.NDArray[Any]
    hole: Hole
    record: dict[str, Any]
    error: npt.NDArray[np.float32] | None = None

    @property
    def shares(self) -> dict[str, float]:
        """How much each candidate counted; they sum to 1, or there are none."""
        shares: dict[str, float] = self.record.get("shares", {})
        return shares

    @functools.cached_property
    def pixels(self) -> int:
        """How many pixels were filled, colours counted once."""
        return int(np.count_nonzero(self.hole))

    @functools.cached_property
    def holes(self) -> int:
        """How many holes they make up, counted in each slice."""
        letters = self.record["options"]["axes"]
        return count_holes(Axes(letters, self.image.shape).spatial_view(self.hole))

    def counted(self) -> Filled:
        """Return itself, counted: where counting large arrays must not be waited for later."""
        _ = self.pixels, self.holes
        return self


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


def fill_image(
    plan: Plan,
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None,
    labels: npt.ArrayLike | None = None,
    progress: Progress | None = None,
    *,
    error: bool = False,
    core: Slices | None = None,
) -> Filled:
    """Fill the holes of an array.

    Parameters
    ----------
    plan : Plan
        Made for this image.
    image, mask, labels
        As ``napari_inpaint.inpaint`` takes them; without a mask only missing pixels are hole.
    progress : callable, optional
        Called with (done, total) hole pixels; see `Progress`.
    error : bool
        Whether to tell the expected error, too.
    core : tuple of slice, optional
        Which slices along the plan's neighbour axes are filled; the others are only seen.

    Raises
    ------
    InpaintError
        Before the backend is loaded, if something does not fit; while it runs, if it fails.
    """
    holes = find_holes(plan, image, mask, core)
    guiding = plan.guiding(None if labels is None else np.asarray(labels))
    filled = fill_holes(plan, np.asarray(image), holes, guiding, progress, error=error, core=core)
    if not isinstance(image, np.ma.MaskedArray):
        return filled
    still = np.ma.getmaskarray(image).copy()
    plan.axes.image_view(still)[holes.fill] = False
    return replace(filled, image=np.ma.MaskedArray(filled.image, still))


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


def fill_holes(
    plan: Plan,
    pixels: npt.NDArray[Any],
    holes: Holes,
    labels: Labels | None = None,
    progress: Progress | None = None,
    *,
    error: bool = False,
    core: Slices | None = None,
) -> Filled:
    """Fill what is hole, as it is: nothing is added to it.

    Parameters
    ----------
    labels : (leading…, Y, X) uint16 array, optional
        Classes to be guided by, counted from 1; 0 leaves a pixel to the backend.
    error, core
        As in `fill_image`.
    """
    start, progress = time.perf_counter(), progress or ignore
    predictor = plan.predictor()
    result = np.array(pixels, order="K", copy=True, subok=False)
    target = plan.axes.image_view(result)
    more: dict[str, Any] = {}
    total, thin = int(np.count_nonzero(holes.fill)), 0
    if total:
        progress(0, total)
    errors = np.zeros(result.shape, np.float32) if error and plan.neighbours else None
    rest = holes
    if plan.neighbours:
        gaps = holes.unknown.all(axis=(-2, -1), keepdims=True)
        rest = Holes(holes.fill & ~gaps, holes.unknown)
    if not plan.weighs:
        if plan.fills_thin and labels is None:
            rest, thin = _fill_thin_holes(target, rest)
        if thin:
            progress(thin, total)
        asked = _fill_regions(plan, predictor, target, rest, labels, progress, thin, total)
        if total and not asked:
            more = {"backend": THIN, "device": "cpu"}
    if total and (plan.weighs or (plan.neighbours and gaps.any())):
        view = None if errors is None else plan.axes.image_view(errors)
        also = _by_slices(plan, predictor)
        shares = fill_stacks(plan, target, holes.fill, holes.unknown, also, view, progress, core)
        more = {"shares": shares} | ({"backend": JURY} if plan.weighs else {})
    record = plan.record(predictor, time.perf_counter() - start) | {"thin": thin} | more
    return Filled(result, plan.axes.image_order(holes.fill), record, errors)


def _by_slices(plan: Plan, predictor: Predictor) -> dict[str, Fill]:
    """Return the plan's backend as a fill of slices in [0, 1], by its name."""

    def fill(slices: npt.NDArray[np.float32], hole: Hole) -> npt.NDArray[np.float32]:
        filled = slices.copy()
        total = int(np.count_nonzero(hole))
        _fill_regions(plan, predictor, filled, Holes(hole, hole), None, ignore, 0, total)
        return filled

    return {plan.backend.info.name: fill}


def _fill_regions(
    plan: Plan,
    predictor: Predictor,
    target: npt.NDArray[Any],
    holes: Holes,
    labels: Labels | None,
    progress: Progress,
    done: int,
    total: int,
) -> bool:
    """Fill holes in place with the backend, slice by slice; return whether there were any."""
    options, scale, photo = plan.options, plan.scale, plan.axes.is_photo
    pieces = _pieces(holes, scale)
    sizes = [int(np.count_nonzero(region.own)) for _, region in pieces]
    for batch in _batches(pieces, sizes, scale, options):
        size = sum(own for _, own in batch)
        scaled = [
            _Scaled.of(
                target[index], region, None if labels is None else labels[index], photo=photo
            )
            for (index, region), _ in batch
        ]
        if _is_large(scaled[0].region, scale, options):
            (only,) = scaled
            report = share_of(progress, done, size, total)
            large = (only.image, only.region.hole, predictor, scale)
            refine = options.strategy == "auto"
            predictions = [fill_large(*large, refine=refine, labels=only.labels, report=report)]
        else:
            predictions = list(
                predictor(
                    np.stack([each.image for each in scaled]),
                    np.stack([each.region.hole for each in scaled]),
                    stack_labels([each.labels for each in scaled]),
                )
            )
        for ((index, _), _), each, prediction in zip(batch, scaled, predictions, strict=True):
            each.composite(prediction, target[index], options.feather)
        done += size
        progress(done, total)
    return bool(pieces)


def _fill_thin_holes(target: npt.NDArray[Any], holes: Holes) -> tuple[Holes, int]:
    """Fill the thin holes of all slices, in place; return what is left, and how many pixels."""
    fill, unknown, count = holes.fill, holes.unknown, 0
    for index in np.ndindex(fill.shape[:-2]):
        thin = thin_holes(unknown[index])
        chosen = thin & fill[index]
        if not chosen.any():
            continue
        if fill is holes.fill:
            fill = holes.fill.copy()
            unknown = fill if holes.unknown is holes.fill else holes.unknown.copy()
        # with what is missing beside it: a hole's rim has to be known all around
        values = fill_thin(target[index], unknown[index], thin)
        target[index][chosen] = values[chosen[thin]]
        fill[index][chosen] = unknown[index][chosen] = False
        count += int(np.count_nonzero(chosen))
    return Holes(fill, unknown), count


def _pieces(holes: Holes, scale: Scale) -> list[Piece]:
    around = (scale.context, scale.working_size, scale.step)
    return [
        (index, region)
        for index in np.ndindex(holes.fill.shape[:-2])
        if holes.fill[index].any()
        for region in regions(holes.fill[index], holes.unknown[index], *around)
    ]


@dataclass(frozen=True)
class _Scaled:
    """A region's pixels in [0, 1], and the labels that guide its fill."""

    region: Region
    image: npt.NDArray[np.float32]
    limits: intensity.Limits
    labels: Labels | None

    @classmethod
    def of(
        cls, pixels: npt.NDArray[Any], region: Region, labels: Labels | None, *, photo: bool
    ) -> _Scaled:
        seen = boxes.crop(pixels, region.box)
        limits = intensity.limits_of(seen, region.hole, region.own, photo=photo)
        unit = intensity.to_unit(seen, region.hole, limits)
        return cls(region, unit, limits, None if labels is None else boxes.crop(labels, region.box))

    def composite(
        self, prediction: npt.NDArray[np.float32], target: npt.NDArray[Any], feather: int
    ) -> None:
        """Write a prediction into a (Y, X, C) slice, and only where this region's hole is."""
        if feather:
            prediction = masks.feather(prediction, self.image, self.region.hole, feather)
        rows, columns = np.nonzero(self.region.own)
        values = intensity.from_unit(prediction[rows, columns], self.limits, target.dtype)
        target[rows + self.region.box.top, columns + self.region.box.left] = values


def _is_large(region: Region, scale: Scale, options: Options) -> bool:
    if options.strategy == "crop":
        return False
    area = boxes.bounds(region.hole)
    return max(area.bottom - area.top, area.right - area.left) > scale.working_size


def _batches(
    pieces: list[Piece], sizes: list[int], scale: Scale, options: Options
) -> Iterator[list[tuple[Piece, int]]]:
    """Put pieces, with the pixels that they fill, together by the size of their regions.

    Large regions stay alone.
    """

    def shape(sized: tuple[Piece, int]) -> tuple[int, ...]:
        return sized[0][1].hole.shape

    for (height, width), same in groupby(
        sorted(zip(pieces, sizes, strict=True), key=shape), key=shape
    ):
        waiting: list[tuple[Piece, int]] = []
        for sized in same:
            if _is_large(sized[0][1], scale, options):
                yield [sized]
                continue
            waiting.append(sized)
            if len(waiting) == scale.batch(height, width):
                yield waiting
                waiting = []
        if waiting:
            yield waiting
