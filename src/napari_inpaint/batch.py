"""Which picture is filled with which mask, and which file the result goes to."""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files
from .errors import FileError

MASK_ENDINGS = ("_mask", "-mask", "")
"""What may follow a picture's stem in the name of its mask, in the order of trying."""


@dataclass(frozen=True)
class Job:
    """One picture to fill; `mask` is None where none was found for it in a folder."""

    image: Path
    mask: Path | None
    out: Path


def plan(
    images: Sequence[str], mask: str, out: str, *, kind: str | None = None, overwrite: bool = False
) -> list[Job]:
    """Match pictures with masks and outputs.

    Parameters
    ----------
    images : sequence of str
        Files, folders and glob patterns.
    mask : str
        A file for all pictures; or a folder or glob pattern, of which each picture gets the file
        with its stem, or with its stem and "_mask" or "-mask".
    out : str
        A file for a single picture; a folder for several.
    kind : str, optional
        Format of all outputs, "png", "jpg", "tif" or "npy"; without it each keeps its own.
    overwrite : bool
        Whether an output may be one of the pictures.

    Raises
    ------
    FileError
        If nothing is found, two pictures would be written to one file, or one would be written
        over a mask or, without `overwrite`, over itself.
    """
    masks = _find([mask])
    pictures = _find(images)
    pictures = _without_masks(pictures, masks)
    several = is_many(images)
    folder = several or out.endswith(("/", "\\")) or Path(out).is_dir()
    if several and Path(out).suffix.lower() in files.FORMATS:
        raise FileError(f"{out} is a file name, but the result is several files; name a folder.")
    if folder and Path(out).exists() and not Path(out).is_dir():
        raise FileError(f"{out} is a file; expected a folder for the results.")
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for each in masks:
        by_stem[files.stem(each)].append(each)
    jobs = [
        Job(
            image=picture,
            mask=_mask_of(picture, by_stem) if is_many([mask]) else masks[0],
            out=Path(out) / _name(picture, kind) if folder else Path(out),
        )
        for picture in pictures
    ]
    _check(jobs, overwrite)
    return jobs


def is_many(arguments: Sequence[str]) -> bool:
    """Return whether these files, folders and patterns may stand for more than one file."""
    return len(arguments) > 1 or not Path(arguments[0]).is_file()


def _find(arguments: Sequence[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_file():
            found[path] = None
            continue
        inside = path.iterdir() if path.is_dir() else map(Path, glob.glob(argument, recursive=True))
        usable = sorted(
            each
            for each in inside
            if each.suffix.lower() in files.FORMATS and each.is_file() and each.name[0] != "."
        )
        if not usable:
            there = path.is_dir() or glob.has_magic(argument)
            raise FileError(
                f"{argument} has no picture in it; expected files ending in "
                f"{', '.join(files.FORMATS)}."
                if there
                else f"{argument} does not exist; expected a file, a folder or a glob pattern."
            )
        found.update(dict.fromkeys(usable))
    return list(found)


def _without_masks(pictures: list[Path], masks: Sequence[Path]) -> list[Path]:
    """Return the pictures less those masks that lie among them."""
    resolved = {
        each.resolve()
        for each in masks
        if len(masks) == 1 or files.stem(each).lower().endswith(MASK_ENDINGS[:-1])
    }
    return [each for each in pictures if each.resolve() not in resolved] or pictures


def _mask_of(picture: Path, by_stem: Mapping[str, list[Path]]) -> Path | None:
    for ending in MASK_ENDINGS:
        named_so = by_stem.get(files.stem(picture) + ending, [])
        fitting = [each for each in named_so if not each.samefile(picture)]
        if len(fitting) > 1:
            names = " and ".join(map(str, fitting))
            raise FileError(f"{picture} has several masks, {names}; leave one of them.")
        if fitting:
            return fitting[0]
    return None


def _name(picture: Path, kind: str | None) -> str:
    if kind is None or kind == files.format_of(picture):
        return picture.name
    return f"{files.stem(picture)}.{kind}"


def _check(jobs: Sequence[Job], overwrite: bool) -> None:
    sources = {job.image.resolve() for job in jobs}
    kept = {job.mask.resolve() for job in jobs if job.mask}
    taken: dict[Path, Path] = {}
    for job in jobs:
        files.format_of(job.out)
        out = job.out.resolve()
        if out in taken:
            raise FileError(
                f"{taken[out]} and {job.image} would both be written to {job.out}; "
                "run them separately, to different folders."
            )
        taken[out] = job.image
        if out in kept:
            raise FileError(f"{job.out} is a mask and would be overwritten; choose another name.")
        if out in sources and not overwrite:
            raise FileError(
                f"{job.out} is the picture itself. Choose another name or folder, or add "
                "--overwrite to replace it."
            )
