"""Which class each pixel has, the hole included."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity, tiling
from napari_inpaint.arrays.boxes import Box, crop, grow
from napari_inpaint.arrays.labels import ClassInfo, dtype_for
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.arrays.tiling import Tile
from napari_inpaint.fill.holes import find_holes
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.predictor import Predictor
from napari_inpaint.fill.progress import Progress, ignore

Pixels = npt.NDArray[np.float32]

SEGMENTS = frozenset({"segment"})


@dataclass(frozen=True)
class Segmentation:
    """Which class each pixel has, and how sure the backend is; dask arrays for a lazy image.

    Attributes
    ----------
    labels : uint8 or uint16 array
        The image's spatial axes in their order; k = the k-th of ``classes``, from 1 up.
    confidence : float32 array
        The largest probability, in [0, 1]; of the same shape.
    classes : tuple of ClassInfo
        Names and colours.
    reliability : float32 array or None
        How far a fill of the hole can be relied upon, in [0, 1]; 1 where known. None without a
        mask, or if the backend does not provide it.
    probabilities : float16 array or None
        (..., Y, X, K) for K classes, from 0 to 1; only if asked for.
    hole : bool array or None
        All that counted as hole, of the image's spatial axes; may be a read-only view of the mask.
        None for a lazy image.
    record : dict
        What made it; see `Plan.record`. Empty for a lazy image: it is not made yet.
    """

    labels: npt.NDArray[Any]
    confidence: Pixels
    classes: tuple[ClassInfo, ...]
    reliability: Pixels | None = None
    probabilities: npt.NDArray[np.float16] | None = None
    hole: Hole | None = None
    record: dict[str, Any] = field(default_factory=dict)


def segment_image(
    plan: Plan,
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    probabilities: bool = False,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment an array.

    Parameters
    ----------
    plan : Plan
        Made for this image, and for a backend that provides "segment".
    image, mask, probabilities
        As ``napari_inpaint.segment`` takes them.
    progress : callable, optional
        Called with (done, total) pixels; see `Progress`.

    Raises
    ------
    InpaintError
        Before the backend is loaded, if something does not fit; while it runs, if it fails.
    """
    unknown = find_holes(plan, image, mask).unknown
    wanted = {"probabilities": probabilities, "reliability": mask is not None}
    return segment_holes(plan, np.asarray(image), unknown, **wanted, progress=progress)


def segment_holes(
    plan: Plan,
    pixels: npt.NDArray[Any],
    hole: Hole,
    *,
    probabilities: bool,
    reliability: bool,
    progress: Progress | None = None,
) -> Segmentation:
    """Segment an array in which ``hole``, (leading…, Y, X), is hole and nothing else.

    Parameters
    ----------
    probabilities, reliability : bool
        Whether to return them, the latter if the backend provides it.
    """
    start, progress = time.perf_counter(), progress or ignore
    info, shape = plan.backend.info, plan.axes.spatial_shape
    reliable = reliability and "reliability" in info.provides
    labels = np.empty(shape, dtype_for(len(info.classes)))
    confidence = np.empty(shape, np.float32)
    trust = np.empty(shape, np.float32) if reliable else None
    shares = np.empty((*shape, len(info.classes)), np.float16) if probabilities else None
    predictor = plan.predictor()
    _segment_slices(plan, predictor, pixels, hole, (labels, confidence, trust, shares), progress)
    return Segmentation(
        labels,
        confidence,
        info.classes,
        trust,
        shares,
        plan.axes.image_order(hole),
        plan.record(predictor, time.perf_counter() - start),
    )


def _segment_slices(
    plan: Plan,
    predictor: Predictor,
    pixels: npt.NDArray[Any],
    hole: Hole,
    results: tuple[npt.NDArray[Any] | None, ...],
    progress: Progress,
) -> None:
    """Write labels, confidence, reliability and probabilities, as far as they are wanted."""
    scale, view = plan.scale, plan.axes.image_view(pixels)
    shape = view.shape[-3:-1]
    box = grow(Box(0, 0, *shape), 0, scale.step, shape)
    size = (box.bottom - box.top, box.right - box.left)
    tiles = tiling.cover(size, scale.tile, 2 * scale.context)
    views = [None if each is None else plan.axes.spatial_view(each) for each in results]
    classes, photo = len(plan.backend.info.classes), plan.axes.is_photo

    def work() -> Iterator[tuple[_Mosaic, Tile]]:
        for index in np.ndindex(view.shape[:-3]):
            parts = [None if each is None else each[index] for each in views]
            mosaic = _Mosaic(view[index], hole[index], box, tiles, classes, parts, photo)
            for tile in tiles:
                yield mosaic, tile

    waiting, batch_size = work(), scale.batch(*tiles[0].weights.shape)
    slices = int(np.prod(view.shape[:-3]))
    done, total = 0, slices * len(tiles)
    area = slices * shape[0] * shape[1]
    progress(0, area)
    while batch := list(islice(waiting, batch_size)):
        answers = _answers(predictor, batch, views[2] is not None)
        for (mosaic, tile), answer in zip(batch, answers, strict=True):
            mosaic.add(tile, answer)
        done += len(batch)
        progress(done * area // total, area)


def _answers(predictor: Predictor, batch: list[tuple[_Mosaic, Tile]], reliable: bool) -> Pixels:
    """Return (N, H, W, K) probabilities, with reliability behind them if that is asked for."""
    seen = [mosaic.look(tile) for mosaic, tile in batch]
    images, hole = (np.stack(each) for each in zip(*seen, strict=True))
    answers = predictor.segment(images, hole)
    if not reliable:
        return answers
    last = np.ones((*hole.shape, 1), np.float32)
    some = hole.any(axis=(1, 2))
    if some.any():
        last[some, ..., 0] = predictor.reliability(images[some], hole[some])
    return np.concatenate([answers, last], axis=-1)


class _Mosaic:
    """A (Y, X) slice while its tiles come in; only the rows that more are to come for are kept."""

    def __init__(
        self,
        pixels: npt.NDArray[Any],
        hole: Hole,
        box: Box,
        tiles: list[Tile],
        classes: int,
        targets: Sequence[Any],
        photo: bool,
    ) -> None:
        self.pixels, self.hole, self.box = pixels, hole, box
        self.limits = intensity.limits_of(pixels, hole, photo=photo)
        self.last = tiles[-1]
        self.classes = classes
        self.labels, self.confidence, self.reliability, self.probabilities = targets
        depth = classes + (self.reliability is not None)
        height = tiles[0].weights.shape[0]
        self.band = np.zeros((height, box.right - box.left, depth), np.float32)
        self.top = 0  # of the band, in the box

    def look(self, tile: Tile) -> tuple[Pixels, Hole]:
        """Return what the model sees of a tile."""
        window = Box(
            tile.rows.start + self.box.top,
            tile.columns.start + self.box.left,
            tile.rows.stop + self.box.top,
            tile.columns.stop + self.box.left,
        )
        hole = crop(self.hole, window)
        return intensity.to_unit(crop(self.pixels, window), hole, self.limits), hole

    def add(self, tile: Tile, answer: Pixels) -> None:
        """Blend in what the model said of a tile; tiles come row by row, from the top."""
        self._settle(tile.rows.start - self.top)
        self.band[:, tile.columns] += tile.weights[..., np.newaxis] * answer
        if tile is self.last:
            self._settle(len(self.band))

    def _settle(self, count: int) -> None:
        """Write so many rows out, and move the band down by them."""
        start = self.top + self.box.top
        height, width = self.hole.shape
        rows = slice(max(start, 0), max(min(start + count, height), 0))
        left = -self.box.left
        ready = self.band[rows.start - start : rows.stop - start, left : left + width]
        probabilities = ready[..., : self.classes]
        self.labels[rows] = probabilities.argmax(axis=-1) + 1
        self.confidence[rows] = np.minimum(probabilities.max(axis=-1), 1)
        if self.reliability is not None:
            self.reliability[rows] = np.where(self.hole[rows], ready[..., -1], 1).clip(0, 1)
        if self.probabilities is not None:
            self.probabilities[rows] = probabilities
        self.band = np.concatenate([self.band[count:], np.zeros_like(self.band[:count])])
        self.top += count
