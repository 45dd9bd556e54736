"""The commands that work on pictures: ``run`` fills holes, ``segment`` writes class maps."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays import instances
from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends import artifacts
from napari_inpaint.backends.auto import FILLS
from napari_inpaint.cli import describe, jobs
from napari_inpaint.cli.console import FAILURES, complain, make_folder
from napari_inpaint.cli.jobs import Job
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats
from napari_inpaint.files import labels as label_files
from napari_inpaint.files.picture import Picture
from napari_inpaint.fill import device
from napari_inpaint.fill.inpaint import fill_image
from napari_inpaint.fill.plan import GUIDED_FILLS, Options, Plan, capable, plan
from napari_inpaint.fill.progress import Progress
from napari_inpaint.fill.segment import SEGMENTS, Segmentation, segment_image

# what is done for one picture; returns that in one line
Work = Callable[[Job, argparse.Namespace, Progress | None], str]


def run(args: argparse.Namespace) -> int:
    """Fill the holes of pictures; return the exit status."""
    found = jobs.match(
        args.images,
        args.out,
        mask=args.mask,
        labels=args.labels,
        kind=args.format,
        overwrite=args.overwrite,
    )
    _check(args, found, FILLS if args.labels is None else GUIDED_FILLS)
    status = _do(found, args, _fill, "filled")
    if any(formats.format_of(job.out) == "jpg" for job in found):
        complain(
            "note: JPEG compresses every pixel anew, so pixels outside the hole change slightly; "
            "with PNG or TIFF as output they stay identical."
        )
    return status


def segment(args: argparse.Namespace) -> int:
    """Write which class each pixel of pictures has; return the exit status."""
    if args.reliability and not args.mask:
        args.usage_error("--reliability is about holes: it goes with --mask MASK")
    found = jobs.match(args.images, args.out, mask=args.mask, kind=args.format, lossless=True)
    _check(args, found, _needs(args))
    tally = _Tally()
    try:
        return _do(found, args, tally.segment, "segmented")
    finally:
        tally.show()


def _check(args: argparse.Namespace, found: Sequence[Job], needs: frozenset[str]) -> None:
    """Refuse, before any picture is read, what cannot work for any of them."""
    if args.trust and not args.backend.endswith(".pt"):
        args.usage_error("--trust goes with --backend FILE.pt")
    if args.format not in (None, formats.format_of(found[0].out)):
        args.usage_error("--format goes with a folder as OUT; a file's suffix says its format")
    if args.backend != "auto":
        info = capable(args.backend, needs).info
        if getattr(args, "instances", False):
            instances.inside_class(info.classes)
    if args.backend.endswith(".pt"):
        if args.trust:
            artifacts.trust(args.backend)
        artifacts.verify(args.backend)
    device.resolve(args.device)


def _do(found: Sequence[Job], args: argparse.Namespace, work: Work, done: str) -> int:
    if jobs.is_many(args.images):
        return _do_many(found, args, work, done)
    _refuse_existing(found[0].out, args)
    from tqdm import tqdm

    with tqdm(unit="px", unit_scale=True, leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        message = work(found[0], args, progress)
    print(message)
    return 0


def _do_many(found: Sequence[Job], args: argparse.Namespace, work: Work, done: str) -> int:
    from tqdm import tqdm

    waiting = [job for job in found if args.overwrite or not job.out.exists()]
    failed = []
    for job in tqdm(waiting, unit="picture"):
        try:
            work(job, args, None)
        except FAILURES as error:
            text = str(error) or "not enough memory"
            failed.append(text if str(job.image) in text else f"{job.image}: {text}")
    print(f"{len(waiting) - len(failed)} {done} in {found[0].out.parent}", end="")
    if skipped := len(found) - len(waiting):
        print(f", {skipped} skipped (exist already; --overwrite redoes them)", end="")
    print(f", {len(failed)} failed" if failed else "")
    for each in failed:
        complain(f"failed: {each}")
    return 1 if failed else 0


def _refuse_existing(path: Path, args: argparse.Namespace) -> None:
    if path.exists() and not args.overwrite:
        raise FileError(f"{path} exists. Add --overwrite to replace it, or choose another name.")


def _fill(job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
    """Fill one picture."""
    picture = _read(job)
    formats.check_holds(picture, job.out)
    hole = formats.read_mask(job.mask, picture) if job.mask else None
    labels = label_files.read(job.labels, picture) if job.labels else None
    pixels = picture.array
    settled = plan(pixels.shape, pixels.dtype, _options(args, picture), labels=labels)
    filled = fill_image(settled, pixels, hole, labels, progress)
    make_folder(job.out.parent)
    formats.write(job.out, filled.image, picture)
    if not filled.pixels:
        return f"{job.out}: the mask is empty and no pixel is NaN or infinite; nothing was filled"
    share = filled.pixels / filled.hole.size
    return f"{job.out}: {filled.pixels:,} px ({share:.1%}) filled {_how(settled, filled.record)}"


class _Tally:
    """Segments pictures, and counts the pixels of each class over all of them."""

    def __init__(self) -> None:
        self.counts: dict[tuple[ClassInfo, ...], NDArray[np.int_]] = {}

    def segment(self, job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
        """Segment one picture."""
        picture = _read(job)
        pixels = picture.array
        options = _options(args, picture)
        settled = plan(pixels.shape, pixels.dtype, options, needs=_needs(args))
        if args.instances:
            instances.inside_class(settled.backend.info.classes)
        beside = {name: _beside(job, args, name) for name in ("confidence", "reliability")}
        for path in (job.out, *filter(None, beside.values())):
            label_files.check_holds(path, settled.axes.spatial_shape)
        hole = formats.read_mask(job.mask, picture) if job.mask else None
        found = segment_image(settled, pixels, hole, progress=progress)
        axes = settled.axes.letters.replace("C", "")
        for name, extra in beside.items():
            if extra is not None:
                make_folder(extra.parent)
                label_files.write(extra, getattr(found, name), picture, axes)
        make_folder(job.out.parent)
        what = f"{found.labels.size:,} px"
        if args.instances:
            objects = _instances(found, settled)
            label_files.write(job.out, objects, picture, axes)
            what = f"{objects.max():,} objects"
        else:
            label_files.write(job.out, found.labels, picture, axes, found.classes)
        self._count(found)
        return f"{job.out}: {what} segmented {_how(settled, found.record)}"

    def show(self) -> None:
        """Print a table for each set of classes."""
        for classes, counts in self.counts.items():
            rows = [("ID", "CLASS", "COLOUR", "SHARE")]
            for number, each in enumerate(classes, start=1):
                share = f"{counts[number] / counts.sum():.1%}"
                rows.append((str(number), each.name, each.colour, share))
            print(describe.table(rows))

    def _count(self, found: Segmentation) -> None:
        counts = np.bincount(found.labels.ravel(), minlength=len(found.classes) + 1)
        self.counts[found.classes] = self.counts.get(found.classes, 0) + counts


def _needs(args: argparse.Namespace) -> frozenset[str]:
    return SEGMENTS | ({"reliability"} if args.reliability else frozenset())


def _instances(found: Segmentation, settled: Plan) -> NDArray[Any]:
    objects = np.zeros(found.labels.shape, np.int32)
    view = settled.axes.spatial_view(objects)
    view[...] = instances.split_instances(settled.axes.spatial_view(found.labels), found.classes)
    return objects.astype(np.uint16) if objects.max() <= np.iinfo(np.uint16).max else objects


def _beside(job: Job, args: argparse.Namespace, name: str) -> Path | None:
    """Return the file for a picture's confidence or reliability, if that is asked for."""
    where = getattr(args, name)
    if where is None:
        return None
    many = jobs.is_many(args.images)
    if many and Path(where).suffix.lower() in formats.FORMATS:
        raise FileError(f"{where} is a file name, but --{name} gets several files; name a folder.")
    folder = many or where.endswith(("/", "\\")) or Path(where).is_dir()
    path = Path(where) / job.out.name if folder else Path(where)
    taken = {each.resolve() for each in (job.image, job.mask, job.out) if each}
    if path.resolve() in taken:
        raise FileError(f"{path} would be overwritten by --{name}; choose another name.")
    _refuse_existing(path, args)
    return path


def _read(job: Job) -> Picture:
    if job.missing:
        raise FileError(job.missing)
    picture = formats.read(job.image)
    for note in picture.notes:
        complain(f"note: {job.image}: {note}.")
    return picture


def _options(args: argparse.Namespace, picture: Picture) -> Options:
    """Return the options that were given; the axes, if they were not, as the file has them."""
    given = {each.name: getattr(args, each.name, None) for each in fields(Options)}
    given["axes"] = given["axes"] or picture.axes
    return Options(**{name: value for name, value in given.items() if value is not None})


def _how(settled: Plan, record: dict[str, Any]) -> str:
    """Say how something was made: "by telea on cpu in 0.2 s"."""
    name = settled.backend.info.name
    return f"by {name} on {record['device']} in {record['seconds']:.1f} s"
