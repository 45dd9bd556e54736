"""Read and write pictures by their suffix; a file is whole or it is not there."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import Picture

FORMATS = {
    ".png": "png",
    ".jpg": "jpg",
    ".jpeg": "jpg",
    ".tif": "tif",
    ".tiff": "tif",
    ".npy": "npy",
}
"""Suffixes in lower case, and the format that each stands for."""

T = TypeVar("T", bound=np.generic)

UNWRITABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, struct.error)
"""What the libraries raise when a file cannot be written, or not in this way."""


def format_of(path: Path) -> str:
    """Return "png", "jpg", "tif" or "npy".

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
    kind = format_of(path)
    try:
        if kind == "npy":
            return _read_npy(path)
        if kind == "tif":
            from napari_inpaint.files import tiff

            return tiff.read(path)
        from napari_inpaint.files import raster

        return raster.read(path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_mask(path: Path, picture: Picture) -> NDArray[np.bool_]:
    """Read the hole of a picture, (Y, X) or (..., Y, X): True where the file is not zero.

    Colours are holes where any channel is not zero. Where a file has transparent pixels, they are
    no hole, unless it is drawn in black, when the drawn pixels are. Of a file with lossy
    compression, which blurs edges, pixels count from half of full brightness up. A mask drawn on
    the pixels as they are stored is turned together with a picture that its EXIF data turns.

    Raises
    ------
    FileError
        As `read` does.
    """
    source = read(path)
    values = source.array
    half = np.iinfo(values.dtype).max // 2 if source.lossy else 0
    hole: NDArray[np.bool_] = values > half if source.lossy else values != 0
    if source.axes and "C" in source.axes:
        hole = np.asarray(hole.any(axis=source.axes.index("C")))
    if source.alpha is not None:
        visible = source.alpha > half
        drawn_in_black = not (hole & visible).any() and not visible.all()
        hole = visible if drawn_in_black else hole & visible
    return upright(hole, picture)


def upright(drawn: NDArray[T], picture: Picture) -> NDArray[T]:
    """Turn what was drawn on a picture's pixels as they are stored as EXIF data turns these."""
    shape = picture.array.shape[:2]
    if picture.orientation < 5 or drawn.shape != shape[::-1] or drawn.shape == shape:
        return drawn
    from napari_inpaint.files import raster

    return raster.turn_upright(drawn, picture.orientation)


def check_holds(picture: Picture, out: Path) -> None:
    """Check that `out`'s format can hold the picture with its dtype and axes.

    Raises
    ------
    FileError
        If it cannot; the text names a format that can.
    """
    kind = format_of(out)
    if kind in ("tif", "npy"):
        return
    array = picture.array
    allowed = ("bool", "uint8", "uint16") if kind == "png" else ("uint8",)
    colour = array.ndim == 3 and array.shape[-1] == 3 and picture.axes in ("YXC", None)
    problem = ""
    if array.dtype.name not in allowed:
        problem = f"{array.dtype.name} pixels (only {', '.join(allowed)})"
    elif array.ndim != 2 and not colour:
        axes = f" ({picture.axes})" if picture.axes else ""
        problem = f"an array of shape {array.shape}{axes} (only one grey or RGB picture)"
    elif colour and array.dtype == bool:
        problem = "bool pixels in colour"
    elif picture.alpha is not None and (kind == "jpg" or array.dtype == bool):
        problem = "an alpha channel" if kind == "jpg" else "bool pixels with an alpha channel"
    if problem:
        better = "PNG or TIFF" if kind == "jpg" and array.dtype.name != "float32" else "TIFF or NPY"
        raise FileError(
            f"{out} cannot hold {picture.path.name}: a {kind.upper()} file has no place for "
            f"{problem}. Choose {better}."
        )


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

        return tiff.write_like if format_of(like.path) == "tif" else tiff.write_new
    from napari_inpaint.files import raster

    return raster.write_png if kind == "png" else raster.write_jpeg


def _read_npy(path: Path) -> Picture:
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FileError(
            f"{path} cannot be read: it is no NPY file, is truncated, or holds objects instead of "
            "numbers. Save one array of numbers with numpy.save."
        ) from error
    return Picture(path=path, array=array)


def _write_npy(path: Path, array: NDArray[Any], like: Picture) -> None:
    from napari_inpaint.files.picture import join_alpha

    with path.open("wb") as file:
        np.save(file, join_alpha(array, like.alpha))
