"""The planes of an image that are worked on, and how what is made of them goes back.

A plane is what the viewer shows: Y and X, unless the person rolled the axes. There is one for
every position of the sliders.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.layers import Shapes

from napari_inpaint.errors import InpaintError, ShapeError
from napari_inpaint.gui.image_layers import hole_of, mask_problem, pixels, spatial_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.components import Dims
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.gui.image_layers import MaskLayer

    Index = tuple[int, ...]
    Box = tuple[slice, slice]

MARGIN = 512  # px around the holes that are read of an image that is not in memory


def shown_plane(dims: Dims, image: Image) -> tuple[tuple[int, int], Index | None]:
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


def is_empty(mask: MaskLayer, axes: tuple[int, int], only: Index | None = None) -> bool:
    """Whether the mask marks nothing; with `only`, whether it marks nothing on that plane.

    Shapes count wherever they lie: drawing them into pixels takes longer than a look.
    """
    if isinstance(mask, Shapes):
        return bool(mask.nshapes == 0)
    holes = pixels(mask)
    if only is not None and mask.ndim == len(only) + 2:
        return not np.asarray(_planes_last(holes, axes, mask.ndim)[only]).any()
    return not any(np.asarray(part).any() for part in holes)


@dataclass(frozen=True, slots=True)
class Planes:
    """The planes of an image that are worked on.

    Attributes
    ----------
    source : array
        The image with the two axes of a plane behind the sliders' axes: (..., H, W) or
        (..., H, W, C). NumPy, or dask if the image is not in memory.
    axes : tuple of int
        Which two spatial axes of the image the planes lie in.
    indices : sequence of tuple of int
        The planes' positions along the other axes.
    box : tuple of slice
        The part of each plane that is read.
    hole : (N, h, w) bool array
        True = hole, a copy: painting on meanwhile changes nothing.
    """

    source: Any
    axes: tuple[int, int]
    indices: Sequence[Index]
    box: Box
    hole: NDArray[np.bool_]

    def read(self) -> NDArray[Any]:
        """Return the planes, (N, h, w) or (N, h, w, C); slow for an image not in memory."""
        return np.stack([np.asarray(self.source[index][self.box]) for index in self.indices])

    def cut(self, array: Any) -> NDArray[Any]:
        """Return a copy of the same planes, (N, h, w), of an array that lies on the image."""
        view = _planes_last(array, self.axes, self._ndim)
        return np.stack([np.asarray(view[index][self.box]) for index in self.indices])

    def write(self, values: NDArray[Any], array: NDArray[Any]) -> None:
        """Write planes, (N, h, w), into an array that lies on the image."""
        view = _planes_last(array, self.axes, self._ndim)
        for index, plane in zip(self.indices, values, strict=True):
            view[index][self.box] = plane

    @property
    def axes_letters(self) -> str:
        """What the axes of `read` are, "ZYX" or "ZYXC"."""
        return "ZYXC" if self.source.ndim > self._ndim else "ZYX"

    @property
    def _ndim(self) -> int:
        return len(self.indices[0]) + 2

    def paste(self, filled: NDArray[Any], onto: Any) -> Any:
        """Return a copy of the array `onto`, which lies on the image, with the filled planes."""
        if isinstance(self.source, np.ndarray):
            result = np.array(onto)
            self.write(filled, result)
            return result
        at = dict(zip(self.indices, filled, strict=True))
        ndim = self._ndim
        pasted = _planes_last(_lazy(onto), self.axes, ndim).map_blocks(
            _paste_block, at, self.box, dtype=onto.dtype, name=f"inpainted-{uuid4().hex}"
        )
        return np.moveaxis(pasted, (ndim - 2, ndim - 1), self.axes)


def select_planes(
    image: Image, mask: MaskLayer | None, axes: tuple[int, int], only: Index | None = None
) -> Planes:
    """Choose the planes to work on: the one at `only`, or all that have a hole.

    Parameters
    ----------
    image, mask : layer
        The mask fits the image (see `mask_problem`). None: nothing is hole, and every plane is
        worked on.
    axes : tuple of int
        The image's two axes in which a plane lies.
    only : tuple of int, optional
        Position along the other axes. By default every plane with a hole.

    Raises
    ------
    InpaintError
        If the mask does not fit, or marks nothing there.
    """
    if mask is not None and (problem := mask_problem(mask, image)):
        raise InpaintError(problem)
    array = pixels(image)
    in_memory = isinstance(array, np.ndarray)
    source = _planes_last(array if in_memory else _lazy(array), axes, image.ndim)
    nothing = np.broadcast_to(False, spatial_shape(image))
    holes = _planes_last(nothing if mask is None else hole_of(mask, image), axes, image.ndim)
    positions = product(*map(range, holes.shape[:-2])) if only is None else [only]
    indices, hole = [], []
    for index in positions:
        plane = np.asarray(holes[index]) != 0
        if mask is None or plane.any() or (in_memory and not _all_finite(source[index])):
            indices.append(index)
            hole.append(plane)
        if mask is not None and plane.all():
            raise ShapeError(_covered(mask, index))
    if mask is not None and not indices:
        where = "" if only is None or image.ndim == 2 else " on this slice"
        raise InpaintError(
            f"The mask “{mask.name}” is empty{where}. Paint over what should be filled."
        )
    whole = in_memory or mask is None
    box = (slice(None), slice(None)) if whole else _around(np.logical_or.reduce(hole))
    return Planes(source, axes, indices, box, np.stack([plane[box] for plane in hole]))


def _covered(mask: MaskLayer, index: Index) -> str:
    where = f" at slice {', '.join(map(str, index))}" if index else ""
    return (
        f"The mask “{mask.name}” covers the whole image{where}: nothing known is left to fill it "
        "from. Mask less of it."
    )


def _all_finite(plane: NDArray[Any]) -> bool:
    return plane.dtype.kind != "f" or bool(np.isfinite(plane).all())


def _around(hole: NDArray[np.bool_]) -> Box:
    """Return the box around a plane's holes, with what a model may look at."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    return (
        slice(max(rows[0] - MARGIN, 0), rows[-1] + 1 + MARGIN),
        slice(max(columns[0] - MARGIN, 0), columns[-1] + 1 + MARGIN),
    )


def _planes_last(array: Any, axes: tuple[int, int], ndim: int) -> Any:
    """Return a view with the two axes of a plane last of the `ndim` spatial axes."""
    return np.moveaxis(array, axes, (ndim - 2, ndim - 1))


def _lazy(array: Any) -> Any:
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
        for axis, extent in enumerate(box):
            first = int(extent.start) - origin[sliders + axis]
            last = min(first + plane.shape[axis], block.shape[sliders + axis])
            target.append(slice(max(first, 0), max(last, 0)))
            cut.append(slice(max(-first, 0), max(last - first, 0)))
        result[local][tuple(target)] = plane[tuple(cut)]
    return result
