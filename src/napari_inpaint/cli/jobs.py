"""Which picture goes with which mask and labels, and which file the result goes to."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_inpaint.cli.names import Companions, without_companions
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats


@dataclass(frozen=True)
class Job:
    """One picture to work on.

    Attributes
    ----------
    image, out : Path
        Where it comes from, and where the result goes.
    mask, labels : Path or None
        None where none was asked for, or none was found for it in a folder.
    missing : str
        What was asked for and not found, in words.
    """

    image: Path
    out: Path
    mask: Path | None = None
    labels: Path | None = None
    missing: str = ""


def match(
    images: Sequence[str],
    out: str,
    *,
    mask: str | None = None,
    labels: str | None = None,
    kind: str | None = None,
    lossless: bool = False,
    overwrite: bool = False,
) -> list[Job]:
    """Match pictures with masks, labels and outputs.

    Parameters
    ----------
    images : sequence of str
        Files, folders and glob patterns.
    out : str
        A file for a single picture; a folder for several.
    mask, labels : str, optional
        A file for all pictures; or a folder or glob pattern, of which each picture gets the file
        that goes with it by name, see `names.Companions`.
    kind : str, optional
        Format of all outputs, one of `formats.FORMATS`; without it each keeps its own, if files
        in it can be written.
    lossless : bool
        Whether pictures in a folder whose own format is not for masks and labels get a PNG.
    overwrite : bool
        Whether an output may be one of the pictures.

    Raises
    ------
    FileError
        If nothing is found, two pictures would be written to one file, or one would be written
        over a mask, over labels or, without `overwrite`, over itself.
    """
    mask_files = [] if mask is None else _find([mask])
    label_files = [] if labels is None else _find([labels])
    pictures = without_companions(_find(images), mask_files, "mask")
    pictures = without_companions(pictures, label_files, "labels")
    masks = _matched("mask", mask, mask_files, pictures)
    maps = _matched("labels", labels, label_files, pictures)
    several = is_many(images)
    folder = several or out.endswith(("/", "\\")) or Path(out).is_dir()
    if several and Path(out).suffix.lower() in formats.FORMATS:
        raise FileError(f"{out} is a file name, but the result is several files; name a folder.")
    if folder and Path(out).exists() and not Path(out).is_dir():
        raise FileError(f"{out} is a file; expected a folder for the results.")
    jobs = [
        Job(
            image=picture,
            out=Path(out) / _name(picture, kind, lossless) if folder else Path(out),
            mask=masks[picture][0],
            labels=maps[picture][0],
            missing=masks[picture][1] or maps[picture][1],
        )
        for picture in pictures
    ]
    _check(jobs, overwrite)
    return jobs


def is_many(arguments: Sequence[str]) -> bool:
    """Return whether these files, folders and patterns may stand for more than one file."""
    return len(arguments) > 1 or not Path(arguments[0]).is_file()


def _matched(
    what: str, where: str | None, files: Sequence[Path], pictures: Sequence[Path]
) -> dict[Path, tuple[Path | None, str]]:
    """Return for each picture its mask or labels; or, if it has none, what was expected."""
    if where is None or not is_many([where]):
        return dict.fromkeys(pictures, (next(iter(files), None), ""))
    companions, matched = Companions(what, files, pictures), {}
    for picture in pictures:
        found = companions.of(picture)
        matched[picture] = found, "" if found else companions.missing(picture, where)
    return matched


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
            if each.suffix.lower() in formats.FORMATS and each.is_file() and each.name[0] != "."
        )
        if not usable:
            there = path.is_dir() or glob.has_magic(argument)
            raise FileError(
                f"{argument} has no picture in it; expected files ending in "
                f"{', '.join(formats.FORMATS)}."
                if there
                else f"{argument} does not exist; expected a file, a folder or a glob pattern."
            )
        found.update(dict.fromkeys(usable))
    return list(found)


def _name(picture: Path, kind: str | None, lossless: bool) -> str:
    own = formats.format_of(picture)
    plain = "png" if lossless and own not in ("tif", "npy") else own
    kind = kind or formats.INSTEAD.get(plain, plain)
    return picture.name if kind == own else f"{formats.stem(picture)}.{kind}"


def _check(jobs: Sequence[Job], overwrite: bool) -> None:
    sources = {job.image.resolve() for job in jobs}
    kept = {
        path.resolve(): what
        for job in jobs
        for what, path in (("a mask", job.mask), ("a file of labels", job.labels))
        if path
    }
    taken: dict[Path, Path] = {}
    for job in jobs:
        formats.check_writable(job.out)
        out = job.out.resolve()
        if out in taken:
            raise FileError(
                f"{taken[out]} and {job.image} would both be written to {job.out}; "
                "run them separately, to different folders."
            )
        taken[out] = job.image
        if out in kept:
            raise FileError(
                f"{job.out} is {kept[out]} and would be overwritten; choose another name."
            )
        if out in sources and not overwrite:
            raise FileError(
                f"{job.out} is the picture itself. Choose another name or folder, or add "
                "--overwrite to replace it."
            )
