"""The planes of an image that are worked on, and how what is made of them goes back.

A plane is what the viewer shows: Y and X, unless the person rolled the axes. There is one for
every position of the sliders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from napari_inpaint.gui.image_layers import pixels, plane_of, spatial_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari.components import Dims
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.fill.plan import Plan
    from napari_inpaint.gui.image_layers import Axes, Index
    from napari_inpaint.gui.marks import Spot

    Box = tuple[slice, slice]
    Slices = tuple[slice, ...]  # along the other axes than a plane's


def shown_plane(dims: Dims, image: Image) -> tuple[Axes, Index | None]:
    """Return the image's two axes that are shown, and where the sliders stand on the others.

    The position is None when no slice is shown, in the 3D view of a stack.
    """
    axes = (image.ndim - 2, image.ndim - 1)
    if image.ndim == 2:
        return axes, ()
    if dims.ndisplay != 2:
        return axes, None
    shown = sorted(axis - dims.ndim + image.ndim for axis in dims.displayed)
    if shown[0] >= 0:
        axes = (shown[0], shown[1])
    position = np.round(image.world_to_data(dims.point)).astype(int)
    position = np.clip(position, 0, np.subtract(spatial_shape(image), 1))
    return axes, tuple(int(position[axis]) for axis in range(image.ndim) if axis not in axes)


@dataclass(frozen=True, slots=True)
class Planes:
    """The planes of an image that are worked on.

    Attributes
    ----------
    source : array
        The image with the two axes of a plane behind the sliders' axes: (..., H, W) or
        (..., H, W, 3), without alpha. NumPy, or dask if the image is not in memory.
    axes : tuple of int
        Which two spatial axes of the image the planes lie in.
    indices : sequence of tuple of int
        The planes' positions along the other axes.
    box : tuple of slice
        The part of each plane that is read.
    hole : (N, h, w) bool array
        True = hole, a copy: painting on meanwhile changes nothing.
    marked : bool
        Whether the mask marks something there.
    labels : (N, h, w) array, optional
        What guides the fill there, a copy.
    only : bool
        Whether the person chose this one plane.
    plan : Plan or None
        How they are filled, if that was settled before they were chosen: with the axes of `source`.
    near : mapping or None
        What the mask marks on these planes and on those that they see, copies; None: each plane
        is worked on by itself.
    """

    source: Any
    axes: Axes
    indices: Sequence[Index]
    box: Box
    hole: NDArray[np.bool_]
    marked: bool
    labels: NDArray[Any] | None = None
    only: bool = False
    plan: Plan | None = None
    near: Mapping[Index, Spot] | None = None

    def read(self) -> NDArray[Any]:
        """Return the planes, (N, h, w) or (N, h, w, 3); slow for an image not in memory."""
        return np.stack([np.asarray(self.source[index][self.box]) for index in self.indices])

    def read_slices(self, seen: Slices, check: Callable[[], None]) -> NDArray[Any]:
        """Return slices, (..., h, w) or (..., h, w, 3); of an image in memory this is a view.

        Of any other each chunk is read once, and before each `check` is called: what that raises
        ends the reading.
        """
        part = self.source[(*seen, *self.box)]
        if isinstance(part, np.ndarray):
            return part
        from dask.array.core import slices_from_chunks

        read = np.empty(part.shape, part.dtype)
        for at in slices_from_chunks(part.chunks[: len(seen)]):
            check()
            read[at] = part[at]
        return read

    def marks_on(self, seen: Slices) -> NDArray[np.bool_]:
        """Return what the mask marks on slices, (..., h, w), True = hole."""
        lengths = [each.stop - each.start for each in (*seen, *self.box)]
        hole, corner = np.zeros(lengths, bool), (self.box[0].start, self.box[1].start)
        for index, spot in (self.near or {}).items():
            if all(each.start <= at < each.stop for at, each in zip(index, seen, strict=True)):
                spot.draw(hole[within(seen, index)], corner)
        return hole

    def cut(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a copy of the same planes, (N, h, w), of an array that lies on the image."""
        return np.stack([plane_of(array, self.axes, at)[self.box] for at in self.indices])

    def write(self, values: NDArray[Any], array: NDArray[Any]) -> None:
        """Write planes, (N, h, w) or (N, h, w, 3), into an array that lies on the image.

        Of an array with alpha that is left as it is.
        """
        for index, plane in zip(self.indices, values, strict=True):
            target = plane_of(array, self.axes, index)[self.box]
            target[tuple(slice(length) for length in plane.shape)] = plane

    def paste(self, filled: NDArray[Any], onto: Any) -> Any:
        """Return a copy of the array `onto`, which lies on the image, with the filled planes."""
        if isinstance(self.source, np.ndarray):
            result = np.array(onto)
            self.write(filled, result)
            return result
        at = dict(zip(self.indices, filled, strict=True))
        ndim = len(self.indices[0]) + 2
        pasted = planes_last(lazy(onto), self.axes, ndim).map_blocks(
            _paste_block, at, self.box, dtype=onto.dtype, name=f"inpainted-{uuid4().hex}"
        )
        return np.moveaxis(pasted, (ndim - 2, ndim - 1), self.axes)


def within(seen: Slices, index: Index) -> Index:
    """Return the position of a plane among slices."""
    return tuple(at - each.start for at, each in zip(index, seen, strict=True))


def uniform(image: Image, value: float) -> Any:
    """Return one float32 value on the image's pixels: lazily, where the image is not in memory.

    Zeros take no time.
    """
    shape = spatial_shape(image)
    if isinstance(pixels(image), np.ndarray):
        return np.full(shape, value, np.float32) if value else np.zeros(shape, np.float32)
    import dask.array as da

    return da.full(shape, value, dtype=np.float32)


def planes_last(array: Any, axes: Axes, ndim: int) -> Any:
    """Return a view with the two axes of a plane last of the `ndim` spatial axes."""
    return np.moveaxis(array, axes, (ndim - 2, ndim - 1))


def lazy(array: Any) -> Any:
    """Return the array as a dask array."""
    import dask.array as da

    return array if isinstance(array, da.Array) else da.from_array(array)


def _paste_block(
    block: NDArray[Any], at: Mapping[Index, NDArray[Any]], box: Box, block_info: Any = None
) -> NDArray[Any]:
    """Return one block of a dask array with those parts of the planes that fall into it."""
    origin = [start for start, _ in block_info[0]["array-location"]]
    result = block.copy()
    for index, plane in at.items():
        sliders = len(index)
        local = tuple(np.subtract(index, origin[:sliders]).astype(int))
        if any(not 0 <= i < n for i, n in zip(local, block.shape, strict=False)):
            continue
        target, cut = [], []
        for axis, start in enumerate([*(each.start for each in box), 0][: plane.ndim]):
            first = start - origin[sliders + axis]
            last = min(first + plane.shape[axis], block.shape[sliders + axis])
            target.append(slice(max(first, 0), max(last, 0)))
            cut.append(slice(max(-first, 0), max(last - first, 0)))
        result[local][tuple(target)] = plane[tuple(cut)]
    return result
