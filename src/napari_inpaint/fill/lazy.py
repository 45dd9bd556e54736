"""Arrays that need not fit into memory: dask and zarr, one task for each slice.

Where slices see their neighbours, a task has a block of slices, and reads those beside it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.arrays.labels import as_labels, dtype_for
from napari_inpaint.fill.blocks import Slices, blocks_along
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
    if plan.weighs and plan.neighbours:
        return _by_blocks(plan, image, mask)
    plan = replace(plan, neighbours="")  # of what is missing wholly, a task sees too little
    layers = [mask]
    if labels is not None:
        info = plan.backend.info
        if not is_lazy(labels):
            labels = as_labels(np.asarray(labels), info.classes, info.name)
        layers.append(labels)

    def work(pixels: Any, hole: Any, ids: Any = None) -> Any:
        return fill_image(plan.of_block(pixels.shape), pixels, hole, ids).image

    return _by_slices("inpaint", work, plan, [image, *layers], plan.axes.letters, image.dtype)


def _by_blocks(plan: Plan, image: Any, mask: Any) -> dask.array.Array:
    """Fill blocks of slices along the neighbour axes."""
    import dask.array

    image, mask = dask.array.asarray(image), dask.array.asarray(mask)
    letters = plan.axes.letters
    blocks = blocks_along([image.shape[letters.index(each)] for each in plan.neighbours], plan.halo)
    axes = [letters.index(each) for each in plan.neighbours]

    def joined(chosen: tuple[tuple[slice, slice], ...]) -> dask.array.Array:
        """Return the blocks that lie where cores, with what they see, are chosen for some axes."""
        if len(chosen) == len(blocks):
            return _one_block(plan, image, mask, *zip(*chosen, strict=True))
        parts = [joined((*chosen, each)) for each in blocks[len(chosen)]]
        whole: dask.array.Array = dask.array.concatenate(parts, axis=axes[len(chosen)])
        return whole

    return joined(())


def _one_block(plan: Plan, image: Any, mask: Any, core: Slices, seen: Slices) -> dask.array.Array:
    """Fill a core of slices (of each neighbour axis), of which these are seen."""
    import dask.array

    letters, names = plan.axes.letters, plan.axes.mask_letters(mask.shape)
    window = dict(zip(plan.neighbours, seen, strict=True))
    inner = tuple(
        slice(own.start - all_.start, own.stop - all_.start)
        for own, all_ in zip(core, seen, strict=True)
    )
    own = dict(zip(plan.neighbours, inner, strict=True))
    pairs: list[Any] = []
    for array, named in ((image, letters), (mask, names)):
        lengths = dict(zip(named, array.shape, strict=True))
        at = [window[x] if x in window and lengths[x] > 1 else slice(None) for x in named]
        whole = {i: -1 if x in window or x in "YXC" else 1 for i, x in enumerate(named)}
        pairs += [array[tuple(at)].rechunk(whole), named]

    def work(pixels: Any, hole: Any) -> Any:
        filled = fill_image(plan.of_block(pixels.shape), pixels, hole, core=inner).image
        return filled[tuple(own.get(each, slice(None)) for each in letters)]

    token = dask.base.tokenize(pairs, inner, plan.backend.info, plan.options, str(plan.device))
    result: dask.array.Array = dask.array.blockwise(
        work,
        letters,
        *pairs,
        dtype=image.dtype,
        meta=np.empty((0,) * len(letters), image.dtype),
        concatenate=True,
        adjust_chunks={x: part.stop - part.start for x, part in own.items()},
        name=f"inpaint-{token}",
    )
    return result


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
