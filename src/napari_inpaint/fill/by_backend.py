"""Holes filled by one backend: regions → [0, 1] → batches → the backend → composite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import boxes, intensity, masks
from napari_inpaint.arrays.labels import Labels, stack_labels
from napari_inpaint.arrays.regions import Region, regions
from napari_inpaint.fill.holes import Holes
from napari_inpaint.fill.multiscale import Scale, fill_large
from napari_inpaint.fill.plan import Options, Plan
from napari_inpaint.fill.predictor import Predictor
from napari_inpaint.fill.progress import Progress, share_of

Piece = tuple[tuple[int, ...], Region]
"""Where a slice lies along the leading axes, and a region of it."""


def fill_regions(
    plan: Plan,
    predictor: Predictor,
    target: npt.NDArray[Any],
    holes: Holes,
    labels: Labels | None,
    progress: Progress,
    done: int,
    total: int,
) -> bool:
    """Fill holes in place with the backend, slice by slice; return whether there were any.

    Parameters
    ----------
    target : (leading…, Y, X, C) array
    labels : (leading…, Y, X) uint16 array or None
        Classes to be guided by, counted from 1; 0 leaves a pixel to the backend.
    done, total : int
        How many pixels were filled before, and how many there are in all.
    """
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
