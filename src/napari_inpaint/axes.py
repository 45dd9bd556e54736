"""Which axis of an array is what: "ZYX", "YXC", "TCZYX" → one layout for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import ShapeError


@dataclass(frozen=True)
class Axes:
    """An image's axes, each a letter; Y and X are there, C may be, all others are leading.

    Attributes
    ----------
    letters : str
        One letter an axis, as in "TCZYX".
    """

    letters: str

    @property
    def leading(self) -> str:
        """The letters of the axes along which slices are filled one by one."""
        return "".join(each for each in self.letters if each not in "YXC")

    @property
    def has_channels(self) -> bool:
        """Whether there is a channel axis."""
        return "C" in self.letters

    def channels(self, shape: tuple[int, ...]) -> int | None:
        """Return how many channels an image of this shape has; None without a channel axis."""
        return shape[self.letters.index("C")] if self.has_channels else None

    def has_alpha(self, shape: tuple[int, ...]) -> bool:
        """Return whether the last channel is alpha: four channels on the last axis, as in RGBA."""
        return self.letters.endswith("C") and shape[-1] == 4

    def spatial_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape without channels, in the image's own order: that of its mask."""
        return tuple(n for n, letter in zip(shape, self.letters, strict=True) if letter != "C")

    def to_slices(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Return a view (leading…, Y, X, C) of an image, or (leading…, Y, X) of a mask.

        Writing to the view writes to the array. A mask is told by having no channel axis.
        """
        letters = self.letters
        if array.ndim < len(letters):
            letters = letters.replace("C", "")
        order = self.leading + "YX" + ("C" if "C" in letters else "")
        return array.transpose([letters.index(each) for each in order])


def parse(axes: str | None, shape: tuple[int, ...]) -> Axes:
    """Name the axes of an image.

    Parameters
    ----------
    axes : str or None
        One letter an axis: Y and X, at most one C, anything else leading, each letter once.
        None: a last axis of 3 or 4 behind a (Y, X) at least 16 wide each is C, everything in
        front is leading.
    shape : tuple of int
        Of the image.

    Raises
    ------
    ShapeError
        If the axes do not fit the shape, or the image has fewer than two axes or no pixels.
    """
    if len(shape) < 2:
        raise ShapeError(f"An image has at least the axes Y and X; got the shape {shape}.")
    if axes is None:
        coloured = len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16
        ending = "YXC" if coloured else "YX"
        letters = _leading_names(len(shape) - len(ending)) + ending
    else:
        letters = axes.upper() if isinstance(axes, str) else ""
        if not letters.isalpha() or len(set(letters)) != len(letters) or not {"Y", "X"} <= {*letters}:
            raise ShapeError(
                'axes must be a different letter for each axis, Y and X among them, as in "YX", '
                f'"YXC", "ZYX" or "TCZYX"; got {axes!r}.'
            )
        if len(letters) != len(shape):
            raise ShapeError(
                f"axes {letters!r} name {len(letters)} axes, but the image has {len(shape)}: "
                f"its shape is {shape}. Give one letter for each axis."
            )
    if 0 in shape:
        raise ShapeError(f"The image has no pixels: its shape is {shape}.")
    return Axes(letters)


def _leading_names(count: int) -> str:
    # the usual names from the right (…TZ), then whatever letters are left
    names = "ABDEFGHIJKLMNOPQRSUVWTZ"
    if count > len(names):
        raise ShapeError(f"An image has at most {len(names) + 2} axes; got {count + 2}.")
    return names[len(names) - count :]
