"""A picture as it lies in a file: pixels, what its axes are, and what else the file says."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BROKEN = (
    *(OSError, SyntaxError, EOFError, ArithmeticError, LookupError, TypeError, ValueError),
    *(AttributeError, AssertionError, RuntimeError, struct.error, zlib.error),
)
"""What libraries raise when a file's content is not what its format allows."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Pixels and metadata of one file.

    Attributes
    ----------
    path : Path
        The file that it was read from.
    array : ndarray
        The pixels in the file's dtype, without alpha, upright.
    axes : str or None
        One letter per axis of `array`; None where the file does not say.
    made_up : str
        Letters of `axes` that stand for an axis that the file does not name.
    samples : str
        The letter of `axes` along which the colours of a pixel lie; "" where there are none, and
        where C counts channels that were taken one by one.
    indices : ndarray or None
        (..., Y, X), of a file with a palette: what it holds in place of colours.
    missing : tuple of float
        Values that the file declares to be no data, each one that the pixels' dtype holds.
    alpha : ndarray or None
        (..., Y, X), in the pixels' dtype.
    dpi : (float, float) or None
        Pixels per inch along x and y.
    icc, exif : bytes or None
        Colour profile; EXIF data without thumbnail and orientation.
    orientation : int
        EXIF orientation of the pixels in the file: 1 unless they were turned upright.
    chunks : tuple of bytes
        PNG chunks that stay true when pixels change (colour space, resolution, texts).
    jpeg : dict or None
        How a JPEG was compressed, as Pillow's `save` takes it.
    lossy : bool
        Whether its compression changed pixels.
    notes : tuple of str
        What of the file is not taken over, each a sentence.
    added : (int, int, int, int)
        Rows and columns, px, by which the picture is larger than the one in the file: at its top,
        right, bottom and left.
    """

    path: Path
    array: NDArray[Any]
    axes: str | None = None
    made_up: str = ""
    samples: str = ""
    indices: NDArray[Any] | None = None
    missing: tuple[float, ...] = ()
    alpha: NDArray[Any] | None = None
    dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    orientation: int = 1
    chunks: tuple[bytes, ...] = ()
    jpeg: dict[str, Any] | None = None
    lossy: bool = False
    notes: tuple[str, ...] = ()
    added: tuple[int, int, int, int] = (0, 0, 0, 0)


def join_alpha(array: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[Any]:
    """Return the pixels with alpha as the last channel, (..., Y, X[, C]) → (..., Y, X, C + 1)."""
    if alpha is None:
        return array
    colour = array if array.ndim > alpha.ndim else array[..., np.newaxis]
    return np.concatenate([colour, alpha[..., np.newaxis]], axis=-1)
