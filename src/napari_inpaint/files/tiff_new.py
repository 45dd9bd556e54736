"""TIFF written anew, with what stays true of the file that the picture came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from tifffile import (
    EXTRASAMPLE,
    PHOTOMETRIC,
    PLANARCONFIG,
    RESUNIT,
    TiffFile,
    TiffPage,
    imwrite,
)

from napari_inpaint.files import formats
from napari_inpaint.files.picture import Picture, join_alpha
from napari_inpaint.files.tiff import GDAL_NODATA, resolution

IMAGEJ_KEPT = {"unit", "yunit", "zunit", "tunit", "spacing", "finterval", "fps"}
IMAGEJ_SHOWN = {"mode", "loop", "min", "max", "Info", "Labels", "Ranges", "LUTs"}
OME_KEPT = ("PhysicalSize", "TimeIncrement")
DESCRIPTION, SCALE, TIE_POINTS, TRANSFORMATION = 270, 33550, 33922, 34264
# Names, dates, people, XMP; the scale and the keys of GeoTIFF; what GDAL says of values.
KEPT = {
    *(269, 271, 272, 285, 305, 306, 315, 316, 700, 33432),
    *(SCALE, 34735, 34736, 34737, 42112, GDAL_NODATA),
}

Tag = tuple[int, int, int, Any, bool]


def write_new(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write a picture of another format, or one that is larger than its file's, as TIFF.

    It gets the picture's axes, resolution and profile, and of a TIFF that it comes from the sizes
    and names that ImageJ and OME give, dates and people, and its place on the earth.

    Parameters
    ----------
    path : Path
    array : (..., Y, X) or (..., Y, X, C) array
        Of `like.array`'s shape.
    like : Picture
    """
    axes, samples = like.axes, like.samples
    if axes is None and formats.looks_coloured(array):
        axes, samples = "YXC", "C"
    pixels = join_alpha(array, like.alpha)
    if axes and samples:
        axes = axes.replace(samples, "")
    with_samples = bool(samples) or like.alpha is not None
    if axes and with_samples:
        axes += "S"
    kind, about, size = described(like, with_channels=True)
    settings: dict[str, Any] = {"metadata": {"axes": axes, **about} if axes else {}}
    if kind in ("imagej", "ome") and not like.made_up:
        settings[kind] = True
    tags = list(_tags(like))
    if any(code == DESCRIPTION for code, *_ in tags) and axes in ("YX", "YXS"):
        settings["metadata"] = None  # which would be a description of its own
    else:
        tags = [each for each in tags if each[0] != DESCRIPTION]
    if like.dpi and not size:
        size = {"resolution": like.dpi, "resolutionunit": RESUNIT.INCH}
    imwrite(
        path,
        pixels,
        photometric=PHOTOMETRIC.RGB if samples and array.shape[-1] == 3 else PHOTOMETRIC.MINISBLACK,
        planarconfig=PLANARCONFIG.CONTIG if with_samples else None,
        extrasamples=None if like.alpha is None else [EXTRASAMPLE.UNASSALPHA],
        iccprofile=like.icc,
        software=False,
        extratags=tags,
        **size,
        **settings,
    )


def described(
    like: Picture, *, with_channels: bool = False
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return what a picture's TIFF file says of sizes and times, as tifffile's `imwrite` takes it.

    Parameters
    ----------
    like : Picture
    with_channels : bool
        Whether what is said of channels, and of how they are shown, is wanted too: it is true of
        a file with the same channels alone.

    Returns
    -------
    str
        Who made the file: "imagej", "ome", "plain"; "" if it is no TIFF.
    dict
        Metadata.
    dict
        Arguments for the resolution; empty where there is none.
    """
    if formats.format_of(like.path) != "tif":
        return "", {}, {}
    with TiffFile(like.path) as tif:
        page = tif.pages.first
        size: dict[str, Any] = {}
        if 282 in page.tags and 283 in page.tags:
            size = {"resolution": resolution(page), "resolutionunit": page.resolutionunit}
        if tif.imagej_metadata:
            wanted = IMAGEJ_KEPT | (IMAGEJ_SHOWN if with_channels else set())
            said = tif.imagej_metadata
            return "imagej", {name: said[name] for name in said if name in wanted}, size
        if tif.ome_metadata:
            return "ome", _of_ome(tif.ome_metadata, with_channels), size
        return "plain", {}, size


def _of_ome(xml: str, with_channels: bool) -> dict[str, Any]:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return {}
    kept: dict[str, Any] = {
        name: value for name, value in pixels.attrib.items() if name.startswith(OME_KEPT)
    }
    names = [each.get("Name") for each in pixels.findall("{*}Channel")]
    if with_channels and names and all(names):
        kept["Channel"] = {"Name": names}
    return kept


def _tags(like: Picture) -> Iterator[Tag]:
    """Yield the tags of a picture's TIFF file that are true wherever its pixels have moved to."""
    if formats.format_of(like.path) != "tif":
        return
    with TiffFile(like.path) as tif:
        page, file = tif.pages.first, tif.filehandle
        plain = not (tif.is_imagej or tif.is_ome or tif.is_shaped)
        for tag in page.tags:
            if tag.code in KEPT or (tag.code == DESCRIPTION and plain):
                file.seek(tag.valueoffset)
                value = file.read(tag.valuebytecount)
                yield tag.code, int(tag.dtype), tag.count, value, True
        yield from _moved(page, like.added)


def _moved(page: TiffPage, added: tuple[int, int, int, int]) -> Iterator[Tag]:
    """Yield what ties pixels to the earth, for a picture with rows and columns added to it."""
    top, _, _, left = added
    if TIE_POINTS in page.tags:  # (I, J, K, X, Y, Z) each: column, row, plane, and where they lie
        points = np.array(page.tags[TIE_POINTS].value, float).reshape(-1, 6)
        points[:, :2] += left, top
        yield TIE_POINTS, 12, points.size, tuple(points.ravel()), True
    if TRANSFORMATION in page.tags:  # (X, Y, Z, 1) = matrix · (I, J, K, 1)
        matrix = np.array(page.tags[TRANSFORMATION].value, float).reshape(4, 4)
        matrix[:, 3] -= matrix[:, 0] * left + matrix[:, 1] * top
        yield TRANSFORMATION, 12, 16, tuple(matrix.ravel()), True
