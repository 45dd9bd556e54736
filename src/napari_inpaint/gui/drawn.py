"""Shapes and points as masks: taken down in the image's pixels, filled plane by plane later."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Points, Shapes

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui.image_layers import plane_of, spatial_shape, to_pixels
from napari_inpaint.gui.marks import Marks, Spot, last_two

if TYPE_CHECKING:
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint.gui.image_layers import Axes, Index


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


def _box(
    least: NDArray[np.float64], most: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return the pixels from one corner to another as far as they lie in a plane."""
    starts = np.clip(np.floor(least), 0, shape).astype(int)
    stops = np.clip(np.ceil(most) + 1, starts, shape).astype(int)
    return tuple(slice(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True))
