"""Read and write pictures by their suffix; a file is whole or it is not there."""

from __future__ import annotations

import os
import struct
import tokenize
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import BROKEN, Picture

FORMATS = {
    ".png": "png",
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpg"),
    **dict.fromkeys((".tif", ".tiff"), "tif"),
    ".npy": "npy",
    ".webp": "webp",
    ".bmp": "bmp",
    ".gif": "gif",
}
"""Suffixes in lower case, and the format that each stands for."""

INSTEAD = {"gif": "png"}
"""Formats that are read only, and in which what comes from them is written."""

# the dtypes that each format's pixels may have; TIFF and NPY hold all
HOLDS = {
    "png": ("bool", "uint8", "uint16"),
    "jpg": ("uint8",),
    "webp": ("uint8",),
    "bmp": ("bool", "uint8"),
}
WEBP_LIMIT = 16383  # px: the largest height and width

T = TypeVar("T", bound=np.generic)

UNWRITABLE = (
    *(OSError, ValueError, TypeError, KeyError, RuntimeError, ArithmeticError, struct.error),
)
"""What the libraries raise when a file cannot be written, or not in this way."""


def format_of(path: Path) -> str:
    """Return "png", "jpg", "tif", "npy", "webp", "bmp" or "gif".

    Raises
    ------
    FileError
        If the suffix is none of `FORMATS`.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise FileError(
            f"{path} has {f'the suffix {path.suffix!r}' if path.suffix else 'no suffix'}; "
            f"expected one of {', '.join(FORMATS)}."
        ) from None


def check_writable(out: Path) -> None:
    """Check that a file with this suffix can be written at all.

    Raises
    ------
    FileError
        If not; the text names suffixes that can.
    """
    kind = format_of(out)
    if kind in INSTEAD:
        written = ", ".join(each for each, format_ in FORMATS.items() if format_ not in INSTEAD)
        raise FileError(
            f"{out} cannot be written: {kind.upper()} files hold 256 colours and are read only. "
            f"Choose one of {written}."
        )


def stem(path: Path) -> str:
    """Return the file's name without suffix, `cells` for `cells.ome.tif`."""
    name = path.stem
    return name[:-4] if name.lower().endswith(".ome") else name


def read(path: Path) -> Picture:
    """Read a picture with its metadata.

    Raises
    ------
    FileError
        If the file is not there, broken, or of a kind that is not supported.
    """
    reader = _reader(format_of(path))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            picture = reader(path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    remarks = dict.fromkeys(str(each.message).strip(" .") for each in caught)
    return replace(picture, notes=(*picture.notes, *remarks))


def _reader(kind: str) -> Callable[[Path], Picture]:
    if kind == "npy":
        return _read_npy
    if kind == "tif":
        from napari_inpaint.files import tiff

        return tiff.read
    from napari_inpaint.files import raster

    return raster.read


def upright(drawn: NDArray[T], picture: Picture) -> NDArray[T]:
    """Turn what was drawn on a picture's pixels as they are stored as EXIF data turns these."""
    shape = picture.array.shape[:2]
    if picture.orientation < 5 or drawn.shape != shape[::-1] or drawn.shape == shape:
        return drawn
    from napari_inpaint.files import raster

    return raster.turn_upright(drawn, picture.orientation)


def looks_coloured(array: NDArray[Any]) -> bool:
    """Say whether an array whose axes nobody names is taken for one RGB picture, (Y, X, 3)."""
    return array.ndim == 3 and array.shape[-1] == 3 and min(array.shape[:2]) >= 16


def check_holds(picture: Picture, out: Path) -> None:
    """Check that `out`'s format can hold the picture with its dtype and axes.

    Raises
    ------
    FileError
        If it cannot; the text names a format that can.
    """
    check_writable(out)
    kind = format_of(out)
    if problem := _problem(kind, picture):
        better = "TIFF or NPY" if _problem("png", picture) else "PNG or TIFF"
        raise FileError(
            f"{out} cannot hold {picture.path.name}: a {kind.upper()} file has no place for "
            f"{problem}. Choose {better}."
        )


def _problem(kind: str, picture: Picture) -> str:
    """Say what of a picture a format has no place for; nothing if it holds it all."""
    array = picture.array
    allowed = HOLDS.get(kind)
    if allowed is None:
        return ""
    colour = array.ndim == 3 and array.shape[-1] == 3 and picture.axes in ("YXC", None)
    if array.dtype.name not in allowed:
        return f"{array.dtype.name} pixels (only {', '.join(allowed)})"
    if array.ndim != 2 and not colour:
        axes = f" ({picture.axes})" if picture.axes else ""
        return f"an array of shape {array.shape}{axes} (only one grey or RGB picture)"
    if colour and array.dtype == bool:
        return "bool pixels in colour"
    if kind == "webp" and not colour:
        return "grey pixels (only RGB)"
    if kind == "webp" and max(array.shape) > WEBP_LIMIT:
        return f"{array.shape[0]} x {array.shape[1]} pixels (at most {WEBP_LIMIT} each way)"
    if picture.alpha is not None and kind in ("jpg", "bmp"):
        return "an alpha channel"
    if picture.alpha is not None and array.dtype == bool:
        return "bool pixels with an alpha channel"
    return ""


def write(out: Path, array: NDArray[Any], like: Picture) -> None:
    """Write pixels under a temporary name beside `out`, then give the file its name.

    Parameters
    ----------
    out : Path
        Its suffix chooses the format; what is there already is replaced.
    array : ndarray
        `like.array`'s shape and dtype.
    like : Picture
        Whose metadata the file gets, as far as its format has them.

    Raises
    ------
    FileError
        If the format cannot hold it, or the file cannot be written.
    """
    check_holds(like, out)
    with replacing(out) as temporary:
        _writer(out, like)(temporary, array, like)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a temporary name beside `out`; what is written to it becomes `out`, whole or not at all.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, out)
    except UNWRITABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{out} cannot be written: {reason}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _writer(out: Path, like: Picture) -> Callable[[Path, NDArray[Any], Picture], None]:
    kind = format_of(out)
    if kind == "npy":
        return _write_npy
    if kind == "tif":
        from napari_inpaint.files import tiff

        same = format_of(like.path) == "tif" and not any(like.added)
        if same:
            return tiff.write_like
        from napari_inpaint.files import tiff_new

        return tiff_new.write_new
    from napari_inpaint.files import raster

    return {
        "png": raster.write_png,
        "jpg": raster.write_jpeg,
        "webp": raster.write_webp,
        "bmp": raster.write_bmp,
    }[kind]


def _read_npy(path: Path) -> Picture:
    with path.open("rb") as file:
        try:
            array = np.lib.format.read_array(file, allow_pickle=False)
        except (*BROKEN, tokenize.TokenError) as error:
            raise FileError(
                f"{path} cannot be read: it is no NPY file, is truncated, or holds objects "
                "instead of numbers. Save one array of numbers with numpy.save."
            ) from error
    if array.dtype.kind not in "buif":
        raise FileError(
            f"{path} holds {array.dtype}; expected bool, integers or real numbers. Save one array "
            "of numbers with numpy.save."
        )
    return Picture(path=path, array=array.astype(array.dtype.newbyteorder("="), copy=False))


def _write_npy(path: Path, array: NDArray[Any], like: Picture) -> None:
    from napari_inpaint.files.picture import join_alpha

    with path.open("wb") as file:
        np.save(file, join_alpha(array, like.alpha))
