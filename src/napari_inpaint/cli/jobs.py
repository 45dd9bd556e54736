"""Which picture goes with which mask and labels, and which file the result goes to."""

from __future__ import annotations

import functools
import glob
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
        with its stem, or with its stem and "_mask" or "-mask", "_labels" or "-labels".
    kind : str, optional
        Format of all outputs, "png", "jpg", "tif" or "npy"; without it each keeps its own.
    lossless : bool
        Whether pictures in a folder whose own format is lossy get a PNG.
    overwrite : bool
        Whether an output may be one of the pictures.

    Raises
    ------
    FileError
        If nothing is found, two pictures would be written to one file, or one would be written
        over a mask, over labels or, without `overwrite`, over itself.
    """
    masks, maps = _Companions.find("mask", mask), _Companions.find("labels", labels)
    pictures = maps.removed_from(masks.removed_from(_find(images)))
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
            mask=masks.of(picture),
            labels=maps.of(picture),
            missing=masks.missing(picture) or maps.missing(picture),
        )
        for picture in pictures
    ]
    _check(jobs, overwrite)
    return jobs


def is_many(arguments: Sequence[str]) -> bool:
    """Return whether these files, folders and patterns may stand for more than one file."""
    return len(arguments) > 1 or not Path(arguments[0]).is_file()


@dataclass(frozen=True)
class _Companions:
    """The masks, or the labels, that were asked for.

    Attributes
    ----------
    what : str
        "mask" or "labels": what their names may end in, too.
    where : str or None
        The file, folder or pattern; None: nothing was asked for.
    found : list of Path
    """

    what: str
    where: str | None
    found: list[Path]

    @classmethod
    def find(cls, what: str, where: str | None) -> _Companions:
        return cls(what, where, [] if where is None else _find([where]))

    def removed_from(self, pictures: list[Path]) -> list[Path]:
        """Return the pictures less those companions that lie among them."""
        resolved = {
            each.resolve()
            for each in self.found
            if len(self.found) == 1
            or formats.stem(each).lower().endswith((f"_{self.what}", f"-{self.what}"))
        }
        return [each for each in pictures if each.resolve() not in resolved] or pictures

    def of(self, picture: Path) -> Path | None:
        """Return the file that belongs to a picture, if there is one.

        Raises
        ------
        FileError
            If there are several.
        """
        if self.where is None or not is_many([self.where]):
            return next(iter(self.found), None)
        for ending in (f"_{self.what}", f"-{self.what}", ""):
            named_so = self._by_stem.get(formats.stem(picture) + ending, [])
            fitting = [each for each in named_so if not each.samefile(picture)]
            if len(fitting) > 1:
                names = " and ".join(map(str, fitting))
                kinds = "masks" if self.what == "mask" else "files of labels"
                raise FileError(f"{picture} has several {kinds}, {names}; leave one of them.")
            if fitting:
                return fitting[0]
        return None

    @functools.cached_property
    def _by_stem(self) -> Mapping[str, list[Path]]:
        by_stem: dict[str, list[Path]] = defaultdict(list)
        for each in self.found:
            by_stem[formats.stem(each)].append(each)
        return by_stem

    def missing(self, picture: Path) -> str:
        """Say, if nothing belongs to a picture though it was asked for, what was expected."""
        if self.where is None or self.of(picture) is not None:
            return ""
        return (
            f"{picture} has no {self.what} in {self.where}; expected {formats.stem(picture)} or "
            f"{formats.stem(picture)}_{self.what} with any suffix."
        )


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
    kind = kind or ("png" if lossless and own == "jpg" else own)
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
        formats.format_of(job.out)
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
