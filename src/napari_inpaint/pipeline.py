"""Fill holes in arrays: scale → regions → tiles → predict → blend → composite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import classmap, intensity, masks
from .axes import Axes
from .classmap import Labels
from .errors import Cancelled, ShapeError
from .masks import Region
from .multiscale import Scale, fill
from .planning import Options, Plan, plan
from .predictor import Predictor
from .relay import relay

__all__ = ["Options", "Plan", "Step", "inpaint", "inpaint_steps", "plan"]

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """How far a run is: ``done`` of ``total`` pixels, and what happens, in words."""

    done: int
    total: int
    message: str


def inpaint(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **settings: Any,
) -> npt.NDArray[Any]:
    """Fill the holes of an array; ``napari_inpaint.inpaint`` says how.

    Raises
    ------
    Cancelled
        Soon after ``cancelled()`` returns True.
    InpaintError
        Of other kinds, before any work begins, or if the backend fails.
    """
    return finish(inpaint_steps(image, mask, **settings), progress, cancelled)


def finish(
    steps: Generator[Step, None, T],
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> T:
    """Go through all steps of a run, and return its result.

    Raises
    ------
    Cancelled
        Soon after ``cancelled()`` returns True.
    """
    while True:
        if cancelled is not None and cancelled():
            steps.close()
            raise Cancelled("The run was cancelled; nothing was changed.")
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if progress is not None:
            progress(step.done, step.total)


def inpaint_steps(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    labels: npt.ArrayLike | None = None,
    **settings: Any,
) -> Generator[Step, None, npt.NDArray[Any]]:
    """Fill the holes of an array, and come back between batches.

    Parameters
    ----------
    image, mask, labels, **settings
        As ``napari_inpaint.inpaint`` takes them, without ``progress`` and ``cancelled``.

    Returns
    -------
    generator
        Yields ``Step``; its return value is the filled array. Closing it ends the run.

    Raises
    ------
    InpaintError
        All checks happen in the call itself, not at the first ``next()``.
    """
    pixels = np.asarray(image)
    if labels is not None:
        labels = np.asarray(labels)
    settled = plan(pixels.shape, pixels.dtype, labels=labels, **settings)
    guiding = None
    if labels is not None:
        info = settled.backend.info
        ids = classmap.as_labels(labels, info.classes, info.name)
        guiding = settled.axes.mask_view(ids, "label map")
    scale = settled.scale
    jobs = [
        (index, region)
        for index, hole in holes(settled, pixels, mask)
        if hole.any()
        for region in masks.regions(hole, scale.context, scale.working_size, scale.step)
    ]
    return _run(settled, pixels, jobs, guiding)


def holes(
    settled: Plan, pixels: npt.NDArray[Any], mask: npt.ArrayLike
) -> Iterator[tuple[tuple[int, ...], masks.Hole]]:
    """Yield what is hole in each (Y, X) slice: mask, NaN and infinite pixels, and dilation.

    Raises
    ------
    ShapeError
        If the mask does not fit; at the end, if slices have nothing known. The text says which.
    DtypeError
        If the mask is of a type that says nothing of holes.
    """
    view = settled.axes.image_view(pixels)
    hole = settled.axes.mask_view(masks.as_hole(np.asarray(mask)))
    full = []
    for index in np.ndindex(view.shape[:-3]):
        bad = masks.not_finite(view[index])
        here = masks.dilate(
            hole[index] if bad is None else hole[index] | bad, settled.options.dilate
        )
        if here.all():
            full.append(index)
        else:
            yield index, here
    if full:
        raise ShapeError(_nothing_known(full, settled.axes))


Job = tuple[tuple[int, ...], Region]


def _nothing_known(full: list[tuple[int, ...]], axes: Axes) -> str:
    cause = "The mask (with NaN and infinite pixels, which are always hole) covers"
    if not axes.leading:
        return f"{cause} the whole image: nothing known is left to go by. Mask less of it."
    names = [
        " ".join(f"{letter}={at}" for letter, at in zip(axes.leading, index, strict=True))
        for index in full
    ]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{cause} these slices wholly: {shown}. Each slice is seen by itself, so nothing known "
        "is left to go by. Mask less of them, or leave them out."
    )


def _run(
    settled: Plan, pixels: npt.NDArray[Any], jobs: list[Job], labels: npt.NDArray[Any] | None
) -> Generator[Step, None, npt.NDArray[Any]]:
    result = np.array(pixels, order="K", copy=True, subok=False)
    if not jobs:
        return result
    options, info = settled.options, settled.backend.info
    source, target = settled.axes.image_view(pixels), settled.axes.image_view(result)
    scale = settled.scale
    predictor = predictor_of(settled)
    total = sum(int(region.own.sum()) for _, region in jobs)
    done = 0
    yield Step(0, total, f"{info.title} on {settled.device.device}")
    for batch in _batches(jobs, scale, options):
        scaled = [
            _Scaled.of(source[index], region, None if labels is None else labels[index])
            for index, region in batch
        ]
        size = sum(int(region.own.sum()) for _, region in batch)
        if _is_large(batch[0][1], scale, options):
            (only,) = scaled
            steps = fill(
                *(only.image, only.region.hole, predictor, scale),
                refine=options.strategy == "auto",
                labels=only.labels,
            )
            predictions = [(yield from relay(steps, _share_of(done, size, total, info.title)))]
        else:
            predictions = list(
                predictor(
                    np.stack([each.image for each in scaled]),
                    np.stack([each.region.hole for each in scaled]),
                    classmap.stack([each.labels for each in scaled]),
                )
            )
        for (index, _), each, prediction in zip(batch, scaled, predictions, strict=True):
            each.composite(prediction, target[index], options.feather)
        done += size
        yield Step(done, total, info.title)
    return result


@dataclass(frozen=True)
class _Scaled:
    """A region's pixels in [0, 1], and the labels that guide its fill."""

    region: Region
    image: npt.NDArray[np.float32]
    limits: intensity.Limits
    labels: Labels | None

    @classmethod
    def of(cls, pixels: npt.NDArray[Any], region: Region, labels: Labels | None) -> _Scaled:
        seen = masks.crop(pixels, region.box)
        limits = intensity.limits_of(seen, region.hole)
        unit = intensity.to_unit(seen, region.hole, limits)
        return cls(region, unit, limits, None if labels is None else masks.crop(labels, region.box))

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
    area = masks.bounds(region.hole)
    return max(area.bottom - area.top, area.right - area.left) > scale.working_size


def _batches(jobs: list[Job], scale: Scale, options: Options) -> Iterator[list[Job]]:
    """Put regions of one size together; large ones stay alone."""
    by_size = sorted(jobs, key=lambda job: job[1].hole.shape)
    for (height, width), same in groupby(by_size, key=lambda job: job[1].hole.shape):
        waiting: list[Job] = []
        for job in same:
            if _is_large(job[1], scale, options):
                yield [job]
                continue
            waiting.append(job)
            if len(waiting) == scale.batch(height, width):
                yield waiting
                waiting = []
        if waiting:
            yield waiting


def _share_of(done: int, size: int, total: int, message: str) -> Callable[[float], Step]:
    """Say a share of a region as the pixels done of all."""
    return lambda share: Step(done + int(share * size), total, message)


def predictor_of(settled: Plan) -> Predictor:
    """Return what runs the backend of a plan, and warns when memory runs out."""
    options = settled.options
    return Predictor(
        settled.backend, settled.device.device, options.batch_size, options.seed, _warn
    )


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
