"""Enlarge a picture on its sides, for a fill that goes on beyond them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays.axes import Axes
from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import BROKEN, Picture

T = TypeVar("T", bound=np.generic)

Margins = tuple[int, int, int, int]
"""Rows and columns to add, px: at the top, right, bottom and left, as CSS has them."""

EXIF_IFD, EXIF_WIDTH, EXIF_HEIGHT = 0x8769, 0xA002, 0xA003


def enlarge(picture: Picture, axes: Axes, margins: Margins) -> Picture:
    """Return a picture with margins, in which it is reflected at its sides.

    Parameters
    ----------
    picture : Picture
    axes : Axes
        The picture's.
    margins : Margins

    Raises
    ------
    FileError
        If a margin is as large as the picture: a reflection has all but the row at the side.
    """
    top, right, bottom, left = margins
    height, width = (axes.shape[axes.letters.index(each)] for each in "YX")
    for side, length, name in (
        *((top, height, "height"), (bottom, height, "height")),
        *((left, width, "width"), (right, width, "width")),
    ):
        if side >= length:
            raise FileError(
                f"{picture.path} has a {name} of {length} px, of which a margin can reflect "
                f"{length - 1}; --pad asks for {side}. Add less."
            )
    sides = _sides(axes.letters, margins)
    alpha = picture.alpha
    if alpha is not None:
        alpha = np.pad(alpha, _sides("." * (alpha.ndim - 2) + "YX", margins), mode="reflect")
    size = (width + left + right, height + top + bottom)
    return replace(
        picture,
        array=np.pad(picture.array, sides, mode="reflect"),
        alpha=alpha,
        indices=None,
        exif=None if picture.exif is None else _resized(picture.exif, size),
        added=margins,
    )


def surround(values: NDArray[T], letters: str, margins: Margins, value: Any) -> NDArray[T]:
    """Return values over a picture, a hole or labels, with one value in its margins.

    Parameters
    ----------
    values : array
    letters : str
        Their axes, Y and X among them.
    margins : Margins
    value
        True for a hole, 0 for labels.
    """
    return np.pad(values, _sides(letters, margins), constant_values=value)


def _sides(letters: str, margins: Margins) -> list[tuple[int, int]]:
    top, right, bottom, left = margins
    return [{"Y": (top, bottom), "X": (left, right)}.get(each, (0, 0)) for each in letters]


def _resized(content: bytes, size: tuple[int, int]) -> bytes | None:
    """Return EXIF data that says this (width, height), where it says one; None if it is broken."""
    from PIL import Image

    try:
        exif = Image.Exif()
        exif.load(content)
        about = exif.get_ifd(EXIF_IFD)
        about.update(
            (tag, length)
            for tag, length in zip((EXIF_WIDTH, EXIF_HEIGHT), size, strict=True)
            if tag in about
        )
        return exif.tobytes()
    except BROKEN:
        return None
