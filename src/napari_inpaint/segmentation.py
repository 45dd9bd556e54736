"""Which class each pixel has, the hole included."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from . import classmap, masks, tiling
from .backend import ClassInfo
from .instances import split_instances
from .masks import Box, Hole
from .mosaic import Mosaic
from .pipeline import Step, finish, holes, predictor_of
from .planning import Plan, plan
from .predictor import Predictor
from .sampling import sample_labels
from .tiling import Tile

__all__ = ["Segmentation", "sample_labels", "segment", "segment_steps", "split_instances"]

Pixels = npt.NDArray[np.float32]

SEGMENTS = frozenset({"segment"})


@dataclass(frozen=True)
class Segmentation:
    """Which class each pixel has, and how sure the backend is; dask arrays for a lazy image.

    Attributes
    ----------
    labels : uint8 or uint16 array
        Of the image's spatial axes; k = the k-th of ``classes``, from 1 up.
    confidence : float32 array
        The largest probability, in [0, 1]; of the same shape.
    classes : tuple of ClassInfo
        Names and colours.
    reliability : float32 array or None
        How far a fill of the hole can be relied upon, in [0, 1]; 1 where known. None without a
        mask, or if the backend does not provide it.
    probabilities : float16 array or None
        Of the spatial axes and K classes, (..., Y, X, K); only if asked for.
    """

    labels: npt.NDArray[Any]
    confidence: Pixels
    classes: tuple[ClassInfo, ...]
    reliability: Pixels | None = None
    probabilities: npt.NDArray[np.float16] | None = None


def segment(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **settings: Any,
) -> Segmentation:
    """Segment an array; ``napari_inpaint.segment`` says how."""
    return finish(segment_steps(image, mask, **settings), progress, cancelled)


def segment_steps(
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    *,
    probabilities: bool = False,
    **settings: Any,
) -> Generator[Step, None, Segmentation]:
    """Segment an array, and come back between batches.

    Parameters
    ----------
    image, mask, probabilities, **settings
        As ``napari_inpaint.segment`` takes them, without ``progress`` and ``cancelled``.

    Returns
    -------
    generator
        Yields ``Step``; its return value is the ``Segmentation``. Closing it ends the run.

    Raises
    ------
    InpaintError
        All checks happen in the call itself, not at the first ``next()``.
    """
    pixels = np.asarray(image)
    settled = plan(pixels.shape, pixels.dtype, needs=SEGMENTS, **settings)
    info, shape = settled.backend.info, settled.axes.spatial_shape
    hole = np.broadcast_to(np.False_, shape) if mask is None else mask
    found = list(holes(settled, pixels, hole))
    reliable = mask is not None and "reliability" in info.provides
    result = Segmentation(
        np.empty(shape, classmap.dtype_for(len(info.classes))),
        np.empty(shape, np.float32),
        info.classes,
        np.empty(shape, np.float32) if reliable else None,
        np.empty((*shape, len(info.classes)), np.float16) if probabilities else None,
    )
    return _run(settled, pixels, found, result)


def _run(
    settled: Plan,
    pixels: npt.NDArray[Any],
    found: list[tuple[tuple[int, ...], Hole]],
    result: Segmentation,
) -> Generator[Step, None, Segmentation]:
    scale, title = settled.scale, settled.backend.info.title
    shape = settled.axes.image_view(pixels).shape[-3:-1]
    box = masks.grow(Box(0, 0, *shape), 0, scale.step, shape)
    tiles = tiling.plan((box.bottom - box.top, box.right - box.left), scale.tile, 2 * scale.context)
    predictor = predictor_of(settled)
    work = _work(settled, pixels, found, box, tiles, result)
    size = scale.batch(*tiles[0].weights.shape)
    done, total = 0, len(found) * len(tiles)
    area = len(found) * shape[0] * shape[1]
    yield Step(0, area, f"{title} on {settled.device.device}")
    while batch := list(islice(work, size)):
        answers = _answers(predictor, batch, result.reliability is not None)
        for (here, tile), answer in zip(batch, answers, strict=True):
            here.add(tile, answer)
        done += len(batch)
        yield Step(done * area // total, area, title)
    return result


def _work(
    settled: Plan,
    pixels: npt.NDArray[Any],
    found: list[tuple[tuple[int, ...], Hole]],
    box: Box,
    tiles: list[Tile],
    result: Segmentation,
) -> Iterator[tuple[Mosaic, Tile]]:
    view = settled.axes.image_view(pixels)
    arrays = (result.labels, result.confidence, result.reliability, result.probabilities)
    views = [None if each is None else settled.axes.spatial_view(each) for each in arrays]
    for index, hole in found:
        part = [None if each is None else each[index] for each in views]
        here = Mosaic(view[index], hole, box, tiles, len(result.classes), part)
        for tile in tiles:
            yield here, tile


def _answers(predictor: Predictor, batch: list[tuple[Mosaic, Tile]], reliable: bool) -> Pixels:
    """Return (N, H, W, K) probabilities, with reliability behind them if that is asked for."""
    seen = [here.look(tile) for here, tile in batch]
    images, hole = (np.stack(each) for each in zip(*seen, strict=True))
    answers = predictor.segment(images, hole)
    if not reliable:
        return answers
    last = np.ones((*hole.shape, 1), np.float32)
    some = hole.any(axis=(1, 2))
    if some.any():
        last[some, ..., 0] = predictor.reliability(images[some], hole[some])
    return np.concatenate([answers, last], axis=-1)
