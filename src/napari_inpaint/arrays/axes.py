"""Which axis of an array is what: "ZYX", "YXC", "TCZYX" → one layout for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.errors import ShapeError

# leading axes that nobody named: the usual names from the right (…TZ), then what is left
_LEADING = "ABDEFGHIJKLMNOPQRSUVWTZ"


@dataclass(frozen=True)
class Axes:
    """An image's axes: Y and X are among them, C may be, all others are leading.

    Attributes
    ----------
    letters : str
        One letter an axis, as in "TCZYX".
    shape : tuple of int
        Lengths of these axes, px along Y and X.
    """

    letters: str
    shape: tuple[int, ...]

    @property
    def leading(self) -> str:
        """The letters of the axes along which slices are filled one by one."""
        return "".join(each for each in self.letters if each not in "YXC")

    @property
    def channels(self) -> int | None:
        """How many channels there are; None without a channel axis. All are data: alpha is none."""
        return self.shape[self.letters.index("C")] if "C" in self.letters else None

    @property
    def colours(self) -> int:
        """How many channels there are to fill; 1 without a channel axis."""
        return self.channels or 1

    @property
    def is_photo(self) -> bool:
        """Whether the channels are red, green and blue: three on the last axis."""
        return self.letters[-1] == "C" and self.colours == 3

    @property
    def plane(self) -> tuple[int, ...]:
        """The lengths of Y and X, in the image's own order, px."""
        return tuple(self.shape[self.letters.index(each)] for each in self.letters if each in "YX")

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """The shape without channels, in the image's own order: that of its mask."""
        pairs = zip(self.letters, self.shape, strict=True)
        return tuple(length for letter, length in pairs if letter != "C")

    def image_view(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view (leading…, Y, X, C) of an image; writing to it writes the image."""
        order = self.leading + "YX" + ("C" if "C" in self.letters else "")
        view = image.transpose([self.letters.index(each) for each in order])
        return view if "C" in self.letters else view[..., np.newaxis]

    def spatial_view(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view (leading…, Y, X, …) of an array that begins with the spatial axes."""
        letters = self.letters.replace("C", "")
        order = [letters.index(each) for each in self.leading + "YX"]
        return array.transpose([*order, *range(len(order), array.ndim)])

    def image_order(self, view: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of a (leading…, Y, X) array with its axes in the image's own order."""
        letters, order = self.letters.replace("C", ""), self.leading + "YX"
        return view.transpose([order.index(each) for each in letters])

    def mask_letters(self, shape: tuple[int, ...], what: str = "mask") -> str:
        """Name the axes of a mask, or of `what` else lies over the image.

        It has all spatial axes in the image's order, or the last of them, as in (Y, X) for
        a whole stack; a leading axis of length 1 stands for all slices.

        Raises
        ------
        ShapeError
            If it does not fit the image.
        """
        full = self.letters.replace("C", "")
        plane = "".join(each for each in full if each in "YX")
        letters = full if len(shape) == len(full) else (self.leading + plane)[-len(shape) :]
        lengths = dict(zip(self.letters, self.shape, strict=True))
        fits = 2 <= len(shape) <= len(full) and all(
            length == lengths[letter] or (length == 1 and letter not in "YX")
            for letter, length in zip(letters, shape, strict=True)
        )
        if not fits:
            raise ShapeError(self._mask_mismatch(shape, what))
        return letters

    def mask_view(self, mask: npt.NDArray[Any], what: str = "mask") -> npt.NDArray[Any]:
        """Return a read-only view (leading…, Y, X) of a mask, repeated for all slices.

        Raises
        ------
        ShapeError
            If the mask does not fit the image.
        """
        letters = self.mask_letters(mask.shape, what)
        order = self.leading + "YX"
        view = mask.transpose([letters.index(each) for each in order if each in letters])
        lengths = [self.shape[self.letters.index(each)] for each in order]
        return np.broadcast_to(view, lengths)

    def _mask_mismatch(self, shape: tuple[int, ...], what: str) -> str:
        text = (
            f"The {what} has the shape {shape}, but the image's axes {self.letters!r} with shape "
            f"{self.shape} need a {what} of shape {self.spatial_shape}"
        )
        if self.leading:
            text += " or of a single (Y, X) slice"
        if shape == self.shape and self.channels:
            hint = " Combine them first: mask.any(axis=…)." if what == "mask" else ""
            return text + f": a {what} has no channels.{hint}"
        if "C" not in self.letters and shape == self.shape[:-1]:
            return text + ". If the image's last axis holds channels, say so: axes='…YXC'."
        return text + f". Draw the {what} on the same image."


def parse(axes: str | None, shape: tuple[int, ...]) -> Axes:
    """Name the axes of an image.

    Parameters
    ----------
    axes : str or None
        One letter an axis: Y and X, at most one C, anything else leading, each letter once.
        None: a last axis of 3 or 4 behind a (Y, X) at least 16 wide each is C, everything in
        front is leading.
    shape : tuple of int
        The image's, all its axes.

    Raises
    ------
    ShapeError
        If the axes do not fit the shape, or the image has fewer than two axes or no pixels.
    """
    if len(shape) < 2:
        raise ShapeError(f"An image has at least the axes Y and X; got the shape {shape}.")
    if 0 in shape:
        raise ShapeError(f"The image has no pixels: its shape is {shape}.")
    if axes is None:
        coloured = len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 16
        plane = "YXC" if coloured else "YX"
        count = len(shape) - len(plane)
        if count > len(_LEADING):
            raise ShapeError(f"An image has at most {len(_LEADING)} leading axes; got {count}.")
        return Axes(_LEADING[len(_LEADING) - count :] + plane, shape)
    letters = axes.upper() if isinstance(axes, str) else ""
    if not letters.isalpha() or len({*letters}) < len(letters) or not {"Y", "X"} <= {*letters}:
        raise ShapeError(
            'axes must be a different letter for each axis, Y and X among them, as in "YX", '
            f'"YXC", "ZYX" or "TCZYX"; got {axes!r}.'
        )
    if len(letters) != len(shape):
        raise ShapeError(
            f"The axes {letters!r} are {len(letters)}, but the image has {len(shape)}: its shape "
            f"is {shape}. Give one letter for each axis."
        )
    return Axes(letters, shape)
