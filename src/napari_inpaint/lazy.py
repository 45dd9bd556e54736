"""Arrays that need not fit into memory: dask and zarr, one task for each slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import classmap, pipeline, segmentation
from .axes import Axes
from .planning import plan
from .segmentation import SEGMENTS, Segmentation

if TYPE_CHECKING:
    import dask.array

MAPS = "m"  # the axis of what is found for a pixel; images name theirs by capital letters


def is_lazy(image: Any) -> bool:
    """Whether an array is dask's or zarr's."""
    return type(image).__module__.partition(".")[0] in ("dask", "zarr")


def fill(image: Any, mask: Any, labels: Any, settings: dict[str, Any]) -> dask.array.Array:
    """Fill holes as ``pipeline.inpaint`` does, when the result is computed.

    Raises
    ------
    InpaintError
        At once, if something does not fit; when computed, if the backend fails.
    """
    settled = plan(image.shape, image.dtype, labels=labels, **settings)
    layers = [mask]
    if labels is not None:
        if not is_lazy(labels):
            info = settled.backend.info
            labels = classmap.as_labels(np.asarray(labels), info.classes, info.name)
        layers.append(labels)
    letters = settled.axes.letters
    settings = settings | {"axes": letters}

    def work(pixels: Any, hole: Any, ids: Any = None) -> Any:
        return pipeline.inpaint(pixels, hole, labels=ids, **settings)

    token = ("inpaint", settings)
    return _by_slices(work, settled.axes, [image, *layers], letters, image.dtype, token)


def segment(
    image: Any, mask: Any, settings: dict[str, Any], *, probabilities: bool
) -> Segmentation:
    """Segment as ``segmentation.segment`` does, when the result's arrays are computed.

    A task finds all of a slice: it stands on one last axis, of which the arrays are parts.

    Raises
    ------
    InpaintError
        At once, if something does not fit; when computed, if the backend fails.
    """
    settled = plan(image.shape, image.dtype, needs=SEGMENTS, **settings)
    info, letters = settled.backend.info, settled.axes.letters
    reliable = mask is not None and "reliability" in info.provides
    settings = settings | {"axes": letters, "probabilities": probabilities}

    def work(pixels: Any, hole: Any = None) -> Any:
        found = segmentation.segment(pixels, hole, **settings)
        maps = (found.labels, found.confidence, found.reliability)
        stacked = np.stack([each for each in maps if each is not None], -1, dtype=np.float32)
        if found.probabilities is None:
            return stacked
        return np.concatenate([stacked, found.probabilities], axis=-1)

    classes = 2 + reliable
    found = _by_slices(
        work,
        settled.axes,
        [image] if mask is None else [image, mask],
        letters.replace("C", "") + MAPS,
        np.dtype(np.float32),
        ("segment", settings),
        classes + probabilities * len(info.classes),
    )
    return Segmentation(
        found[..., 0].astype(classmap.dtype_for(len(info.classes))),
        found[..., 1],
        info.classes,
        found[..., 2] if reliable else None,
        found[..., classes:].astype(np.float16) if probabilities else None,
    )


def _by_slices(
    work: Callable[..., Any],
    axes: Axes,
    layers: list[Any],
    letters: str,
    dtype: np.dtype[Any],
    token: tuple[Any, ...],
    maps: int = 0,
) -> dask.array.Array:
    """Return a function of each slice of an image, the first layer, and of what lies over it."""
    import dask.array

    pairs: list[Any] = []
    for number, layer in enumerate(map(dask.array.asarray, layers)):
        named = axes.mask_letters(layer.shape) if number else axes.letters
        plane = {axis: -1 if letter in "YXC" else 1 for axis, letter in enumerate(named)}
        pairs += [layer.rechunk(plane), named]
    result: dask.array.Array = dask.array.blockwise(
        work,
        letters,
        *pairs,
        dtype=dtype,
        meta=np.empty((0,) * len(letters), dtype),
        concatenate=True,
        new_axes={MAPS: maps} if maps else None,
        name=f"{token[0]}-{dask.base.tokenize(pairs, token)}",
    )
    return result
