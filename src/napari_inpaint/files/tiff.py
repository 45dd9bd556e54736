"""TIFF: read with axes; write with every tag that the source file has.

The result has the shape and dtype of the source, so whatever the source says of itself (ImageJ's
and OME's descriptions, ranges, colour tables, resolution, private tags) stays true and is copied
as it is; only the pixels and what says how they are stored are written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    RESUNIT,
    TIFF,
    TiffFile,
    TiffPage,
    TiffPageSeries,
    TiffWriter,
)

from napari_inpaint.errors import FileError
from napari_inpaint.files import missing
from napari_inpaint.files.picture import BROKEN, Picture, join_alpha

LOSSLESS = {
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.DEFLATE,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.PACKBITS,
    COMPRESSION.LZMA,
    COMPRESSION.ZSTD,
}
LOSSY = {COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.WEBP, COMPRESSION.ALT_JPEG}
GDAL_NODATA = 42113
COLOURS = {
    *(PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB),
    *(PHOTOMETRIC.PALETTE, PHOTOMETRIC.MASK, PHOTOMETRIC.YCBCR),
}
# Written by tifffile from the pixels, or passed as arguments: subfile type, resolution and its
# unit, colour map, JPEG tables and positions, and YCbCr's parameters.
NOT_COPIED = {
    *TIFF.TAG_FILTERED,
    *(254, 282, 283, 296, 320, 347, *range(512, 522), 529, 530, 531, 532),
}


def read(path: Path) -> Picture:
    """Read the first series of a TIFF file.

    Raises
    ------
    FileError
        If it is no TIFF, is broken, spread over several files, or neither grey nor RGB.
    OSError
        If it cannot be opened.
    """
    try:
        with TiffFile(path) as tif:
            series = _first_series(path, tif)
            return _read(path, tif, series)
    except FileNotFoundError:
        raise
    except BROKEN as error:
        raise FileError(f"{path} cannot be read as TIFF: {str(error) or repr(error)}.") from error


def write_like(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write `array` in the place of the pixels of the TIFF file `like.path`, all else kept."""
    with TiffFile(like.path) as tif:
        series = _first_series(like.path, tif)
        planes = _to_stored(tif, series, array, like)
        with TiffWriter(
            path, bigtiff=tif.is_bigtiff, byteorder=tif.byteorder, ome=False, shaped=False
        ) as writer:
            # ImageJ reads the planes one behind the other from the first one's place.
            if tif.is_imagej or len(tif.pages) == 1:
                page = series.keyframe
                compression = {"compression": COMPRESSION.NONE} if tif.is_imagej else {}
                writer.write(planes, **_layout(tif, page, planes) | compression)
            else:
                for page, pixels in _pages(tif, series, planes):
                    writer.write(pixels, **_layout(tif, page, pixels))


def _first_series(path: Path, tif: TiffFile) -> TiffPageSeries:
    if not tif.series:
        raise FileError(f"{path} has no picture in it.")
    series = tif.series[0]
    if series.is_multifile:
        raise FileError(
            f"{path} is one of several files that make up one OME-TIFF. Save it as a single file."
        )
    page = series.keyframe
    if page.photometric not in COLOURS:
        raise FileError(
            f"{path} is {PHOTOMETRIC(page.photometric).name}; expected grey or RGB. "
            "Convert it to RGB first."
        )
    return series


def _read(path: Path, tif: TiffFile, series: TiffPageSeries) -> Picture:
    page = series.keyframe
    array, axes = series.asarray(), series.axes
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    no_data, problem = _missing(tif, page, array)
    indices = None
    expected = (tif.imagej_metadata or {}).get("images", 1)
    if array.size < expected * page.size:
        raise FileError(
            f"{path} is truncated: {expected} planes were expected, {array.size // page.size} "
            "came. Copy or save it again."
        )
    if _is_cut(tif):
        raise FileError(f"{path} is truncated behind its first planes. Copy or save it again.")
    if _is_palette(tif, page) and page.colormap is not None:
        indices = array
        array, axes = (page.colormap.T[array] >> 8).astype(np.uint8), axes + "S"
    elif page.bitspersample in (2, 4):
        array = array * np.uint8(255 // (2**page.bitspersample - 1))  # written with 8 bits
    if _is_inverted(tif, page, array):
        array = _invert(array)
    alpha = None
    if "S" in axes:
        array = np.moveaxis(array, axes.index("S"), -1)
        axes = axes.replace("S", "") + "S"
        if _has_alpha(page):
            array, alpha = array[..., :-1], array[..., -1]
            if array.shape[-1] == 1:
                array, axes = array[..., 0], axes[:-1]
    return Picture(
        path=path,
        array=array,
        axes=_named(axes),
        made_up=_made_up(axes),
        samples="" if "S" not in axes else "S" if "C" in axes else "C",
        indices=indices,
        missing=no_data,
        alpha=alpha,
        dpi=_dpi(page),
        icc=page.iccprofile,
        lossy=page.compression in LOSSY,
        notes=_notes(tif, series) + ((problem,) if problem else ()),
    )


def _is_cut(tif: TiffFile) -> bool:
    """Say whether the last page names a next one beyond the file's end."""
    page, layout, file = tif.pages[-1], tif.tiff, tif.filehandle
    file.seek(page.offset)
    try:
        (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
        file.seek(page.offset + layout.tagnosize + tags * layout.tagsize)
        (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    except struct.error:  # it ends there, or the page has no place of its own
        return False
    return bool(following >= file.size)


def _to_stored(
    tif: TiffFile, series: TiffPageSeries, array: NDArray[Any], like: Picture
) -> NDArray[Any]:
    """Undo what `_read` did to the pixels; a palette stays RGB. Returns (planes, *page shape)."""
    page = series.keyframe
    shape = page.shape
    if _is_palette(tif, page):
        shape = (*shape, 3)
    elif "S" in page.axes:
        letter = "S" if "S" in (like.axes or "") else "C"
        if like.axes and letter in like.axes:
            array = np.moveaxis(array, like.axes.index(letter), -1)
        array = join_alpha(array, like.alpha)
        array = np.moveaxis(array, -1, array.ndim - page.ndim + page.axes.index("S"))
    if _is_inverted(tif, page, array):
        array = _invert(array)
    return np.ascontiguousarray(array).reshape(-1, *shape)


def _pages(
    tif: TiffFile, series: TiffPageSeries, planes: NDArray[Any]
) -> Iterator[tuple[TiffPage, NDArray[Any]]]:
    """Yield the pages in the file's order, those of the series with their new pixels.

    Smaller copies of the series would show what is no longer there and are left out.
    """
    places = [None if each is None else each.index for each in series.pages]
    new = {index: plane for index, plane in zip(places, planes, strict=True) if index is not None}
    copies = {each.index for level in series.levels[1:] for each in level.pages if each}
    for each in tif.pages:
        page = each.aspage()
        if page.index in new:
            yield page, new[page.index]
        elif page.index not in copies:
            yield page, page.asarray()


def _layout(tif: TiffFile, page: TiffPage, pixels: NDArray[Any]) -> dict[str, Any]:
    """Return tifffile's arguments for storing pixels as this page stores them, with its tags."""
    photometric = page.photometric
    tags = list(_tags(tif, page))
    recoloured = pixels.shape[-page.ndim :] != page.shape  # a palette became RGB
    if recoloured or photometric == PHOTOMETRIC.YCBCR:  # which tifffile decodes to RGB
        photometric = PHOTOMETRIC.RGB
    if tif.is_shaped and recoloured:
        tags = [each for each in tags if each[0] != 270]  # it names the shape without colours
    layout: dict[str, Any] = {
        "photometric": photometric,
        "subfiletype": page.subfiletype or None,
        "metadata": None,
        "software": False,
        "resolution": resolution(page),
        "resolutionunit": page.resolutionunit,
        "extratags": tags,
    }
    compression = COMPRESSION(page.compression)
    layout["compression"] = compression if compression in LOSSLESS else COMPRESSION.ADOBE_DEFLATE
    predictable = {*LOSSLESS} - {COMPRESSION.NONE, COMPRESSION.PACKBITS}
    if compression in predictable and pixels.dtype != bool:
        layout["predictor"] = page.predictor
    if page.is_tiled:
        layout["tile"] = (page.tilelength, page.tilewidth)
    elif compression != COMPRESSION.NONE:
        layout["rowsperstrip"] = min(page.rowsperstrip, page.imagelength)
    if page.samplesperpixel > 1:
        layout["planarconfig"] = page.planarconfig
        layout["extrasamples"] = page.extrasamples or None
    if photometric == PHOTOMETRIC.PALETTE:
        layout["colormap"] = page.colormap
    return layout


def resolution(page: TiffPage) -> tuple[Any, Any]:
    """Return pixels per unit along x and y as the file has them; 0 where it has no number."""
    across, down = (page.tags[code].value if code in page.tags else (1, 1) for code in (282, 283))
    return across if across[1] else (0, 1), down if down[1] else (0, 1)


def _tags(tif: TiffFile, page: TiffPage) -> Iterator[tuple[int, int, int, bytes, bool]]:
    file = tif.filehandle
    for tag in page.tags:
        if tag.code not in NOT_COPIED:
            file.seek(tag.valueoffset)
            yield tag.code, int(tag.dtype), tag.count, file.read(tag.valuebytecount), True


def _is_palette(tif: TiffFile, page: TiffPage) -> bool:
    # In ImageJ's and OME's files the values are intensities, and the palette a way to show them.
    return page.photometric == PHOTOMETRIC.PALETTE and not (tif.is_imagej or tif.is_ome)


def _is_inverted(tif: TiffFile, page: TiffPage, array: NDArray[Any]) -> bool:
    # ImageJ's inverting LUT, again, is a way to show the values.
    return (
        page.photometric == PHOTOMETRIC.MINISWHITE
        and not (tif.is_imagej or tif.is_ome)
        and array.dtype.kind in "bu"
    )


def _invert(array: NDArray[Any]) -> NDArray[Any]:
    inverted: NDArray[Any] = np.invert(array)
    return inverted


def _has_alpha(page: TiffPage) -> bool:
    kinds = {EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA}
    return page.samplesperpixel in (2, 4) and bool(kinds & {*page.extrasamples[-1:]})


def _named(axes: str) -> str:
    """Return tifffile's axes with samples as channels and each letter once."""
    if "C" not in axes:
        axes = axes.replace("S", "C")
    named = ""
    for letter in axes:
        free = (each for each in "QIPRABDEFGHJKLMNOUVWTZ" if each not in axes + named)
        named += next(free) if letter in named else letter
    return named


def _made_up(axes: str) -> str:
    """Return those letters of `_named(axes)` that tifffile gives to axes without a name."""
    pairs = zip(axes, _named(axes), strict=True)
    return "".join(named for own, named in pairs if own in "QI" or own not in (named, "S"))


def _missing(tif: TiffFile, page: TiffPage, array: NDArray[Any]) -> tuple[tuple[float, ...], str]:
    """Return what GDAL's tag declares to be no data, as `missing.declared` does."""
    if GDAL_NODATA not in page.tags:
        return (), ""
    text = str(page.tags[GDAL_NODATA].value)
    if _is_palette(tif, page) or page.bitspersample in (2, 4) or _is_inverted(tif, page, array):
        return (), f"its no-data value {text!r} is none of the values shown, and is not heeded"
    return missing.declared(text, array.dtype)


def _dpi(page: TiffPage) -> tuple[float, float] | None:
    per_inch = {int(RESUNIT.INCH): 1.0, int(RESUNIT.CENTIMETER): 2.54}.get(page.resolutionunit)
    across, down = page.resolution
    if per_inch is None or min(across, down) <= 0:
        return None
    return across * per_inch, down * per_inch


def _notes(tif: TiffFile, series: TiffPageSeries) -> tuple[str, ...]:
    notes = []
    if missing := sum(each is None for each in series.pages):
        notes.append(f"{missing} of the {len(series.pages)} planes are missing from the file")
    if len(series.levels) > 1:
        notes.append("the file's smaller copies of the picture (its pyramid) are left out")
    if len(tif.series) > 1:
        notes.append(f"only the first of the {len(tif.series)} pictures in the file is read")
    return tuple(notes)
