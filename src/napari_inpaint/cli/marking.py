"""The command ``mask``: find what is to be filled, and write it as masks."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays import intensity, masks
from napari_inpaint.arrays.axes import Axes, parse
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.cli import batch, jobs
from napari_inpaint.cli.console import make_folder
from napari_inpaint.cli.jobs import Job
from napari_inpaint.files import formats
from napari_inpaint.files import labels as label_files
from napari_inpaint.files.picture import Picture
from napari_inpaint.fill.progress import Progress


def mask(args: argparse.Namespace) -> int:
    """Write masks of what is found in pictures; return the exit status."""
    found = jobs.match(args.images, args.out, kind=args.format, lossless=True)
    batch.check_format(found, args)
    return batch.do(found, args, _write_mask, "masks written")


def _write_mask(job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
    """Write the mask of one picture."""
    picture = batch.read(job)
    intensity.check_dtype(picture.array.dtype)
    axes = parse(args.axes or picture.axes, picture.array.shape)
    kind = formats.format_of(job.out)
    letters = axes.letters
    if kind == "png" or _is_colour(picture, axes):
        letters = letters.replace("C", "")
    lengths = dict(zip(axes.letters, axes.shape, strict=True))
    label_files.check_holds(job.out, tuple(lengths[each] for each in letters))
    hole = find(picture, axes, args)
    if letters != axes.letters:
        hole = np.asarray(hole.any(axis=axes.letters.index("C")))
    make_folder(job.out.parent)
    values = hole if kind == "npy" else hole * np.uint8(255)
    label_files.write(job.out, values, picture, letters)
    return f"{job.out}: {np.count_nonzero(hole):,} px ({hole.mean():.1%}) are hole"


def find(picture: Picture, axes: Axes, args: argparse.Namespace) -> Hole:
    """Return what the arguments call hole, of the picture's axes; colours have it together.

    Parameters
    ----------
    picture : Picture
    axes : Axes
        Its axes.
    args : Namespace
        With one of hot (bool), saturated (bool), threshold (float) and missing (floats, to which
        those of the file are added); and with axes, as they were given.
    """
    if args.missing is not None:
        values = tuple(dict.fromkeys((*args.missing, *picture.missing)))
        intensity.check_holds(picture.array.dtype, values)
        args = argparse.Namespace(**{**vars(args), "missing": values})
    view = axes.image_view(picture.array)  # (leading…, Y, X, C)
    named = args.axes or (picture.axes and not picture.made_up)
    one_sensor = bool(named and axes.leading) and {*axes.leading} <= {*"TZ"}
    if _is_colour(picture, axes):
        view_of_hole = np.repeat(_found(view, args, one_sensor)[..., np.newaxis], axes.colours, -1)
    else:
        each = [_found(view[..., [k]], args, one_sensor) for k in range(axes.colours)]
        view_of_hole = np.stack(each, axis=-1)
    hole = np.zeros(axes.shape, bool)
    axes.image_view(hole)[...] = view_of_hole
    return hole


def _found(pixels: NDArray[Any], args: argparse.Namespace, one_sensor: bool) -> Hole:
    """Return what is hole in any channel of (..., Y, X, C) pixels, (..., Y, X)."""
    if args.hot:
        channels = np.moveaxis(pixels, -1, 0)
        hot: Hole = np.any([masks.hot_pixels(each, stack=one_sensor) for each in channels], axis=0)
        return hot
    if args.saturated:
        return masks.saturated_pixels(pixels)
    if args.threshold is not None:
        above: Hole = (pixels > args.threshold).any(axis=-1)
        return above
    missing = masks.missing_pixels(pixels, args.missing)
    return np.zeros(pixels.shape[:-1], bool) if missing is None else missing


def _is_colour(picture: Picture, axes: Axes) -> bool:
    """Say whether channels are the colours of a pixel, which are hole together."""
    return picture.samples == "C" or axes.is_photo
