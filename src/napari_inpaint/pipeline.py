"""Fill holes in arrays: scale → regions → tiles → predict → blend → composite."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from . import intensity, masks
from .axes import Axes
from .errors import Cancelled, ShapeError
from .masks import Region
from .multiscale import Scale, fill
from .planning import Options, Plan, choose_backend, plan
from .predictor import Predictor

__all__ = ["Options", "Plan", "Step", "choose_backend", "inpaint", "inpaint_steps", "plan"]


@dataclass(frozen=True)
class Step:
    """How far a run is: ``done`` of ``total`` hole pixels, and what happens, in words."""

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
    steps = inpaint_steps(image, mask, **settings)
    while True:
        if cancelled is not None and cancelled():
            steps.close()
            raise Cancelled("The run was cancelled; nothing was changed.")
        try:
            step = next(steps)
        except StopIteration as end:
            filled: npt.NDArray[Any] = end.value
            return filled
        if progress is not None:
            progress(step.done, step.total)


def inpaint_steps(
    image: npt.ArrayLike, mask: npt.ArrayLike, **settings: Any
) -> Generator[Step, None, npt.NDArray[Any]]:
    """Fill the holes of an array, and come back between batches.

    Parameters
    ----------
    image, mask, **settings
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
    settled = plan(pixels.shape, pixels.dtype, **settings)
    hole = settled.axes.mask_view(masks.as_hole(np.asarray(mask)))
    work = _regions(settled, settled.axes.image_view(pixels), hole)
    return _run(settled, pixels, work)


Job = tuple[tuple[int, ...], Region]


def _regions(settled: Plan, view: npt.NDArray[Any], hole: masks.Hole) -> list[Job]:
    """Find the regions of all slices, or say which slices have nothing known."""
    scale = settled.scale
    jobs: list[Job] = []
    full: list[tuple[int, ...]] = []
    for index in np.ndindex(view.shape[:-3]):
        bad = masks.not_finite(view[index])
        here = hole[index] if bad is None else hole[index] | bad
        if not here.any():
            continue
        here = masks.dilate(here, settled.options.dilate)
        if here.all():
            full.append(index)
            continue
        found = masks.regions(here, scale.context, scale.working_size, scale.step)
        jobs += [(index, region) for region in found]
    if full:
        raise ShapeError(_nothing_known(full, settled.axes))
    return jobs


def _nothing_known(full: list[tuple[int, ...]], axes: Axes) -> str:
    cause = "The mask (with NaN and infinite pixels, which are always hole) covers"
    if not axes.leading:
        return f"{cause} the whole image: nothing known is left to fill it from. Mask less of it."
    names = [
        " ".join(f"{letter}={at}" for letter, at in zip(axes.leading, index, strict=True))
        for index in full
    ]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{cause} these slices wholly: {shown}. Each slice is filled by itself, so nothing known "
        "is left to fill them from. Mask less of them, or leave them out."
    )


def _run(
    settled: Plan, pixels: npt.NDArray[Any], jobs: list[Job]
) -> Generator[Step, None, npt.NDArray[Any]]:
    result = np.array(pixels, order="K", copy=True, subok=False)
    if not jobs:
        return result
    options, info = settled.options, settled.backend.info
    source, target = settled.axes.image_view(pixels), settled.axes.image_view(result)
    scale = settled.scale
    predictor = Predictor(
        settled.backend, settled.device.device, options.batch_size, options.seed, _warn
    )
    total = sum(int(region.own.sum()) for _, region in jobs)
    done = 0
    yield Step(0, total, f"{info.title} on {settled.device.device}")
    for batch in _batches(jobs, scale, options):
        scaled = [_Scaled.of(source[index], region) for index, region in batch]
        size = sum(int(region.own.sum()) for _, region in batch)
        if _is_large(batch[0][1], scale, options):
            (only,) = scaled
            steps = fill(only.image, only.region.hole, predictor, scale, options.strategy == "auto")
            predictions = [(yield from _pixels_done(steps, done, size, total, info.title))]
        else:
            predictions = list(
                predictor(
                    np.stack([each.image for each in scaled]),
                    np.stack([each.region.hole for each in scaled]),
                )
            )
        for (index, _), each, prediction in zip(batch, scaled, predictions, strict=True):
            each.composite(prediction, target[index], options.feather)
        done += size
        yield Step(done, total, info.title)
    return result


@dataclass(frozen=True)
class _Scaled:
    """A region's pixels in [0, 1]."""

    region: Region
    image: npt.NDArray[np.float32]
    limits: intensity.Limits

    @classmethod
    def of(cls, pixels: npt.NDArray[Any], region: Region) -> _Scaled:
        seen = masks.crop(pixels, region.box)
        limits = intensity.limits_of(seen, region.hole)
        return cls(region, intensity.to_unit(seen, region.hole, limits), limits)

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


def _pixels_done(
    steps: Generator[float, None, npt.NDArray[np.float32]],
    done: int,
    size: int,
    total: int,
    message: str,
) -> Generator[Step, None, npt.NDArray[np.float32]]:
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            filled: npt.NDArray[np.float32] = end.value
            return filled
        yield Step(done + int(share * size), total, message)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
