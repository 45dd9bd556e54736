"""What a mask layer marks: taken down when a button is pressed, drawn plane by plane later.

Nothing here keeps hold of a layer, so that a thread can draw while the person goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.gui.image_layers import pixels, plane_of, spatial_shape

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_inpaint.gui.image_layers import Axes, Index

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
        """Draw it into a plane, or what lies in it into the part of one that begins at a corner."""
        top, left = self.top - corner[0], self.left - corner[1]
        part = self.hole[max(-top, 0) :, max(-left, 0) :]
        target = plane[max(top, 0) :, max(left, 0) :][: part.shape[0], : part.shape[1]]
        target |= part[: target.shape[0], : target.shape[1]]


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
