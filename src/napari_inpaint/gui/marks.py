"""What a mask layer marks: taken down when a button is pressed, drawn plane by plane later.

Nothing here keeps hold of a layer, so that a thread can draw while the person goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui.image_layers import pixels, plane_of, spatial_shape, to_pixels

if TYPE_CHECKING:
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.gui.image_layers import Axes, Index, MaskLayer

SMALL = 1 << 24  # bytes: what is copied or looked through while the person waits (some ms)
BAND = 64  # rows that are looked at together


@dataclass(frozen=True)
class Spot:
    """What is hole on a plane: as much of it as is needed, and where its corner lies."""

    top: int
    left: int
    hole: NDArray[np.bool_]

    @classmethod
    def of(cls, plane: NDArray[np.bool_], top: int = 0) -> Spot:
        """Cut out what is True, and something is, of the rows of a plane from `top` on."""
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        hole = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
        return cls(top + int(rows[0]), int(columns[0]), hole)

    @property
    def bottom(self) -> int:
        """The row behind it."""
        return self.top + len(self.hole)

    @property
    def right(self) -> int:
        """The column behind it."""
        return self.left + int(self.hole.shape[1])

    def draw(self, plane: NDArray[np.bool_], corner: tuple[int, int] = (0, 0)) -> None:
        """Draw it into a plane, or the part of one that begins at a corner."""
        down, right = corner
        plane[self.top - down : self.bottom - down, self.left - right : self.right - right] = (
            self.hole
        )


@dataclass(frozen=True)
class Held:
    """An array of a Labels layer, on the image's pixels or on one (Y, X) slice for all.

    Attributes
    ----------
    array : array
        A copy if that takes no time; else the layer's own.
    shape : tuple of int
        The image's spatial shape.
    shared : bool
        Whether painting changes the array: it must not go on until all is read.
    """

    array: Any
    shape: tuple[int, ...]
    shared: bool

    @classmethod
    def of(cls, labels: Labels, image: Image) -> Held:
        """Take down what a Labels layer holds now."""
        array = pixels(labels)
        copied = array.nbytes <= SMALL if isinstance(array, np.ndarray) else is_dask(array)
        return cls(array.copy() if copied else array, spatial_shape(image), not copied)

    def plane(self, axes: Axes, index: Index) -> NDArray[Any]:
        """Return a plane, (H, W); a view where it can be."""
        if len(self.array.shape) == len(self.shape):
            return np.asarray(plane_of(self.array, axes, index))
        if axes == last_two(self.shape):
            return np.asarray(self.array)
        whole = np.broadcast_to(np.asarray(self.array), self.shape)
        return np.asarray(plane_of(whole, axes, index))


@dataclass(frozen=True)
class Marks(ABC):
    """What a mask marks on an image.

    Attributes
    ----------
    name : str
        The layer's.
    shape : tuple of int
        The image's spatial shape.
    """

    name: str
    shape: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether what the person paints now would be read, too."""
        return False

    def positions(self, axes: Axes) -> Iterable[Index]:
        """Return the positions of all planes that may have a mark."""
        return all_positions(self.shape, axes)

    @abstractmethod
    def spot(self, axes: Axes, index: Index) -> Spot | None:
        """Return what is marked on a plane, a copy; None: nothing."""


@dataclass(frozen=True)
class Painted(Marks):
    """What is painted in a Labels layer, any label."""

    held: Held

    @property
    def shared(self) -> bool:
        """Whether what the person paints now would be read, too."""
        return self.held.shared

    def spot(self, axes: Axes, index: Index) -> Spot | None:
        """Return what is painted on a plane."""
        plane = self.held.plane(axes, index)
        if not any_label(plane):
            return None
        starts = range(0, len(plane), BAND)
        bands = [start for start in starts if any_label(plane[start : start + BAND])]
        return Spot.of(plane[bands[0] : bands[-1] + BAND] != 0, top=bands[0])


@dataclass(frozen=True)
class _Drawn(Marks):
    """Figures of a layer whose axes are the last of the image's, or all of them.

    A figure of a layer that lacks an axis is drawn on every slice along it.
    """

    ndim: int  # of the layer

    def positions(self, axes: Axes) -> Iterable[Index]:
        """Return the positions of the planes with a figure, and no others."""
        if not self._draws(axes):
            return super().positions(axes)
        lengths = [n for axis, n in enumerate(self.shape) if axis not in axes]
        lacking = lengths[: len(self.shape) - self.ndim]
        starts = [*product(*map(range, lacking))]
        ends = [
            end
            for end in self._places(axes)
            if all(0 <= i < n for i, n in zip(end, lengths[len(lacking) :], strict=True))
        ]
        return [start + end for start in starts for end in sorted(ends)]

    def spot(self, axes: Axes, index: Index) -> Spot | None:
        """Return what is drawn on a plane."""
        if self._draws(axes):
            plane = self._draw(axes, index[len(self.shape) - self.ndim :])
        else:
            plane = plane_of(self._whole, axes, index)
        return Spot.of(plane) if plane.any() else None

    @cached_property
    def _whole(self) -> NDArray[np.bool_]:
        """What the figures cover in the last two axes, on all slices."""
        whole, axes = np.zeros(self.shape, bool), last_two(self.shape)
        for index in self.positions(axes):
            if (spot := self.spot(axes, index)) is not None:
                spot.draw(whole[index])
        return whole

    def _size(self, axes: Axes) -> tuple[int, int]:
        return self.shape[axes[0]], self.shape[axes[1]]

    @abstractmethod
    def _draws(self, axes: Axes) -> bool:
        """Whether figures can be drawn in such planes."""

    @abstractmethod
    def _places(self, axes: Axes) -> Iterable[Index]:
        """Return where figures are, along those axes of the layer that are not the plane's."""

    @abstractmethod
    def _draw(self, axes: Axes, place: Index) -> NDArray[np.bool_]:
        """Return what the figures at a place cover, (H, W)."""


@dataclass(frozen=True)
class Outlines(_Drawn):
    """What shapes cover; each lies within one slice of the last two axes."""

    figures: Mapping[Index, Sequence[tuple[NDArray[np.float64], str]]]  # vertices (M, 2), kind

    @classmethod
    def of(cls, shapes: Shapes, image: Image) -> Outlines:
        """Take down shapes as they are now.

        Raises
        ------
        InpaintError
            If one does not lie within a slice.
        """
        matrix, offset = to_pixels(shapes, image)
        figures: dict[Index, list[tuple[NDArray[np.float64], str]]] = {}
        for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
            points = vertices @ matrix.T + offset
            where = np.round(points[:, max(image.ndim - shapes.ndim, 0) : -2]).astype(int)
            if (where != where[:1]).any():
                raise InpaintError(
                    f"A shape of “{shapes.name}” does not lie within one slice of “{image.name}”. "
                    "Draw it with the last two axes shown, or use a Labels layer as mask."
                )
            place = tuple(int(i) for i in where[0])
            figures.setdefault(place, []).append((points[:, -2:], kind))
        return cls(shapes.name, spatial_shape(image), min(shapes.ndim, image.ndim), figures)

    def _draws(self, axes: Axes) -> bool:
        return axes == last_two(self.shape)

    def _places(self, axes: Axes) -> Iterable[Index]:
        return self.figures

    def _draw(self, axes: Axes, place: Index) -> NDArray[np.bool_]:
        plane = np.zeros(self._size(axes), bool)
        for vertices, kind in self.figures.get(place, []):
            box = _box(vertices.min(axis=0), vertices.max(axis=0), plane.shape)
            part = plane[box]
            if part.size:  # napari draws each shape into an array of its own
                corner = [each.start for each in box]
                figure = Shapes([vertices - corner], shape_type=[kind])
                part |= figure.to_labels(part.shape) > 0
        return plane


@dataclass(frozen=True)
class Discs(_Drawn):
    """Points, each a disc of its own size in the plane that is shown."""

    centres: NDArray[np.float64]  # (N, image.ndim), px
    radii: NDArray[np.float64]  # (N,), in units of the layer's data
    matrix: NDArray[np.float64]  # (image.ndim, layer.ndim), from the layer's data to px

    @classmethod
    def of(cls, points: Points, image: Image) -> Discs:
        """Take down the points that are shown, as they are now."""
        matrix, offset = to_pixels(points, image)
        data = np.asarray(points.data, float)
        sizes = np.asarray(points.size, float)
        there = np.asarray(points.shown, bool) & (sizes > 0) & np.isfinite(data).all(axis=1)
        centres, radii = data[there] @ matrix.T + offset, sizes[there] / 2
        ndim = min(points.ndim, image.ndim)
        return cls(points.name, spatial_shape(image), ndim, centres, radii, matrix)

    def _draws(self, axes: Axes) -> bool:
        return min(axes) >= len(self.shape) - self.ndim

    def _places(self, axes: Axes) -> Iterable[Index]:
        if axes not in self._at:
            first = len(self.shape) - self.ndim
            others = [axis for axis in range(first, len(self.shape)) if axis not in axes]
            places: dict[Index, list[int]] = {}
            for number, place in enumerate(np.round(self.centres[:, others]).astype(int).tolist()):
                places.setdefault(tuple(place), []).append(number)
            self._at[axes] = places
        return self._at[axes]

    @cached_property
    def _at(self) -> dict[Axes, dict[Index, list[int]]]:
        """Which points lie at which place, for the planes that were asked for."""
        return {}

    def _draw(self, axes: Axes, place: Index) -> NDArray[np.bool_]:
        self._places(axes)
        plane = np.zeros(self._size(axes), bool)
        own = np.add(axes, self.matrix.shape[1] - len(self.shape))  # these axes of the layer
        stretch = self.matrix[np.ix_(axes, own)]
        reach, back = np.linalg.norm(stretch, axis=1), np.linalg.pinv(stretch)
        for number in self._at[axes].get(place, []):
            centre, radius = self.centres[number, list(axes)], self.radii[number]
            nearest = np.round(centre).astype(int)
            if (nearest >= 0).all() and (nearest < plane.shape).all():
                plane[tuple(nearest)] = True  # however small
            box = _box(centre - radius * reach, centre + radius * reach, plane.shape)
            rows, columns = np.ogrid[box]
            down, right = rows - centre[0], columns - centre[1]
            squares = [(row[0] * down + row[1] * right) ** 2 for row in back]
            plane[box] |= squares[0] + squares[1] <= radius**2
        return plane


def marks_of(mask: MaskLayer, image: Image) -> Marks:
    """Take down what a mask marks now; a mask that fits the image (see `mask_problem`)."""
    if isinstance(mask, Shapes):
        return Outlines.of(mask, image)
    if isinstance(mask, Points):
        return Discs.of(mask, image)
    return Painted(mask.name, spatial_shape(image), Held.of(mask, image))


def any_label(labels: NDArray[Any]) -> bool:
    """Whether some label, bool or of integers, is not 0."""
    # as unsigned: their maximum is found three times as fast as `any`
    return bool(labels.view(f"u{labels.itemsize}").max(initial=0))


def all_positions(shape: Sequence[int], axes: Axes) -> Iterable[Index]:
    """Return the positions of all planes of an image with this spatial shape."""
    return product(*(range(length) for axis, length in enumerate(shape) if axis not in axes))


def last_two(shape: Sequence[int]) -> Axes:
    """Return the last two axes."""
    return len(shape) - 2, len(shape) - 1


def is_dask(array: Any) -> bool:
    """Whether an array is dask's; a copy of it takes no time, and outlives writing to it."""
    return type(array).__module__.partition(".")[0] == "dask"


def _box(
    least: NDArray[np.float64], most: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return the pixels from one corner to another as far as they lie in a plane."""
    starts = np.clip(np.floor(least), 0, shape).astype(int)
    stops = np.clip(np.ceil(most) + 1, starts, shape).astype(int)
    return tuple(slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True))
