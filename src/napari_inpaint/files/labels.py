"""Files of class maps and what goes with them: ids are kept as numbers, never as colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats
from napari_inpaint.files.picture import BROKEN, Picture

REFUSED = {"jpg": "blurs numbers", "webp": "blurs numbers", "gif": "reorders numbers"}
"""Formats that cannot be trusted with numbers, and why."""
NAMES = {"jpg": "JPEG", "webp": "WebP", "gif": "GIF", "bmp": "BMP"}


def read(path: Path, picture: Picture) -> NDArray[Any]:
    """Read the labels of a picture, (Y, X) or (..., Y, X): the numbers that the file holds.

    Of an indexed PNG or TIFF these are the indices. Labels drawn on the pixels as they are stored
    are turned together with a picture that its EXIF data turns.

    Raises
    ------
    FileError
        If the file is broken, holds colours, or is of a lossy format.
    """
    kind = formats.format_of(path)
    if kind not in READERS:
        raise FileError(
            f"{path} is a {NAMES[kind]} file, which {REFUSED[kind]}. Save the labels as PNG, TIFF "
            "or NPY."
        )
    try:
        values = READERS[kind](path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    return formats.upright(values, picture)


def check_holds(out: Path, shape: tuple[int, ...]) -> None:
    """Check that `out`'s format can hold numbers of this shape, one a pixel.

    Raises
    ------
    FileError
        If it cannot; the text names a format that can.
    """
    kind = formats.format_of(out)
    if kind not in ("png", "tif", "npy"):
        reason = REFUSED.get(kind, "is not for them")
        raise FileError(
            f"{out} cannot hold labels: {NAMES[kind]} {reason}. Choose PNG, TIFF or NPY."
        )
    if kind == "png" and len(shape) != 2:
        raise FileError(
            f"{out} cannot hold an array of shape {shape}: a PNG file has a single picture. Choose "
            "TIFF or NPY."
        )


def write(
    out: Path,
    values: NDArray[Any],
    like: Picture,
    axes: str,
    classes: Sequence[ClassInfo] = (),
) -> None:
    """Write one number a pixel: class ids, ids of objects, or shares from 0 to 1.

    TIFF files get the axes and the sizes that the picture's file says; PNG files of ids the
    colours of the classes as palette, in which id k has index k. Shares become 0 to 255 in PNG.

    Parameters
    ----------
    out : Path
        Its suffix chooses the format; what is there already is replaced.
    values : uint8, uint16, int32 or float32 array
        (Y, X) or (..., Y, X).
    like : Picture
        Whose metadata the file gets.
    axes : str
        One letter an axis.
    classes : sequence of ClassInfo, optional
        For class ids.

    Raises
    ------
    FileError
        If the format cannot hold it, or the file cannot be written.
    """
    check_holds(out, values.shape)
    with formats.replacing(out) as temporary:
        kind = formats.format_of(out)
        if kind == "npy":
            with temporary.open("wb") as file:
                np.save(file, values)
        elif kind == "tif":
            _write_tiff(temporary, values, like, axes)
        else:
            _write_png(temporary, values, like, classes)


def _read_npy(path: Path) -> NDArray[Any]:
    return formats.read(path).array


def _read_bitmap(path: Path) -> NDArray[Any]:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "BMP")) as opened:
            mode, values = opened.mode, np.asarray(opened)
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise FileError(f"{path} cannot be read as PNG or BMP: {error}.") from error
    if values.ndim != 2:
        raise _colours(path, mode)
    return values.view(np.uint8) if values.dtype == np.bool_ else values


def _read_tiff(path: Path) -> NDArray[Any]:
    from tifffile import TiffFile

    try:
        with TiffFile(path) as tif:
            series = tif.series[0]
            values, axes = series.asarray(), series.axes
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise FileError(f"{path} cannot be read as TIFF: {error}.") from error
    if "S" in axes:
        raise _colours(path, axes)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


READERS = {"png": _read_bitmap, "bmp": _read_bitmap, "tif": _read_tiff, "npy": _read_npy}


def _colours(path: Path, what: str) -> FileError:
    return FileError(
        f"{path} holds colours ({what}); expected labels, one number a pixel. Save them as indexed "
        "or grey PNG, TIFF or NPY."
    )


def _write_png(
    path: Path, values: NDArray[Any], like: Picture, classes: Sequence[ClassInfo]
) -> None:
    from PIL import Image

    if values.dtype.kind == "f":
        values = np.rint(values * 255).astype(np.uint8)
    if values.dtype.itemsize > 2:
        raise ValueError("PNG holds ids up to 65535 only; choose TIFF or NPY")
    image = Image.fromarray(np.ascontiguousarray(values))
    if classes and values.dtype == np.uint8:
        image.putpalette(b"\0\0\0" + b"".join(bytes.fromhex(each.colour[1:]) for each in classes))
    image.save(path, "PNG", **({"dpi": like.dpi} if like.dpi else {}))


def _write_tiff(path: Path, values: NDArray[Any], like: Picture, axes: str) -> None:
    from tifffile import COMPRESSION, PHOTOMETRIC, RESUNIT, imwrite

    from napari_inpaint.files.tiff_new import described

    kind, about, resolution = described(like)
    standard = axes == "".join(each for each in "TZCYX" if each in axes)
    fitting = values.dtype.name in ("uint8", "uint16", "float32")
    settings: dict[str, Any] = {
        "metadata": {"axes": axes},
        "compression": COMPRESSION.ADOBE_DEFLATE,
    }
    if kind == "imagej" and standard and fitting:
        shown = {"min": 0.0, "max": float(max(values.max(), 1))}
        settings = {"imagej": True, "metadata": {"axes": axes, **about, **shown}}
    elif kind == "ome" and standard:
        settings |= {"ome": True, "metadata": {"axes": axes, **about}}
    if like.dpi and not resolution:
        resolution = {"resolution": like.dpi, "resolutionunit": RESUNIT.INCH}
    imwrite(
        path,
        np.ascontiguousarray(values),
        photometric=PHOTOMETRIC.MINISBLACK,
        software=False,
        **resolution,
        **settings,
    )
