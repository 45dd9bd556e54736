"""Arrays that need not fit into memory: dask and zarr, one task for each slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.arrays.labels import as_labels, dtype_for
from napari_inpaint.fill.inpaint import fill_image
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.segment import Segmentation, segment_image

if TYPE_CHECKING:
    import dask.array

MAPS = "m"  # the axis of what is found for a pixel; images name theirs by capital letters


def is_lazy(image: Any) -> bool:
    """Whether an array is dask's or zarr's."""
    return type(image).__module__.partition(".")[0] in ("dask", "zarr")


def fill_lazily(plan: Plan, image: Any, mask: Any, labels: Any = None) -> dask.array.Array:
    """Fill holes as `fill_image` does, when the result is computed.

    Raises
    ------
    InpaintError
        At once, if something does not fit; when computed, if the backend fails.
    """
    if mask is None:  # nothing is marked; missing pixels are hole in any case
        mask = np.zeros((1,) * len(plan.axes.leading) + plan.axes.plane, bool)
    layers = [mask]
    if labels is not None:
        info = plan.backend.info
        if not is_lazy(labels):
            labels = as_labels(np.asarray(labels), info.classes, info.name)
        layers.append(labels)

    def work(pixels: Any, hole: Any, ids: Any = None) -> Any:
        return fill_image(plan.of_block(pixels.shape), pixels, hole, ids).image

    return _by_slices("inpaint", work, plan, [image, *layers], plan.axes.letters, image.dtype)


def segment_lazily(plan: Plan, image: Any, mask: Any, *, probabilities: bool) -> Segmentation:
    """Segment as `segment_image` does, when the result's arrays are computed.

    A task finds all of a slice: it stands on one last axis, of which the arrays are parts.

    Raises
    ------
    InpaintError
        At once, if something does not fit; when computed, if the backend fails.
    """
    info = plan.backend.info
    reliable = mask is not None and "reliability" in info.provides

    def work(pixels: Any, hole: Any = None) -> Any:
        block = plan.of_block(pixels.shape)
        found = segment_image(block, pixels, hole, probabilities=probabilities)
        maps = (found.labels, found.confidence, found.reliability)
        stacked = np.stack([each for each in maps if each is not None], -1, dtype=np.float32)
        if found.probabilities is None:
            return stacked
        return np.concatenate([stacked, found.probabilities], axis=-1)

    classes = 2 + reliable
    found = _by_slices(
        f"segment-{probabilities:d}",
        work,
        plan,
        [image] if mask is None else [image, mask],
        plan.axes.letters.replace("C", "") + MAPS,
        np.dtype(np.float32),
        classes + probabilities * len(info.classes),
    )
    return Segmentation(
        found[..., 0].astype(dtype_for(len(info.classes))),
        found[..., 1],
        info.classes,
        found[..., 2] if reliable else None,
        found[..., classes:].astype(np.float16) if probabilities else None,
    )


def _by_slices(
    name: str,
    work: Callable[..., Any],
    plan: Plan,
    layers: list[Any],
    letters: str,
    dtype: np.dtype[Any],
    maps: int = 0,
) -> dask.array.Array:
    """Return a function of each slice of an image, the first layer, and of what lies over it.

    The tasks' names hold all that a result depends on, so that no two of them share one.
    """
    import dask.array

    pairs: list[Any] = []
    for number, layer in enumerate(map(dask.array.asarray, layers)):
        named = plan.axes.mask_letters(layer.shape) if number else plan.axes.letters
        plane = {axis: -1 if letter in "YXC" else 1 for axis, letter in enumerate(named)}
        pairs += [layer.rechunk(plane), named]
    token = dask.base.tokenize(pairs, letters, plan.backend.info, plan.options, str(plan.device))
    result: dask.array.Array = dask.array.blockwise(
        work,
        letters,
        *pairs,
        dtype=dtype,
        meta=np.empty((0,) * len(letters), dtype),
        concatenate=True,
        new_axes={MAPS: maps} if maps else None,
        name=f"{name}-{token}",
    )
    return result
