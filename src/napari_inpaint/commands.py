"""The commands that work on pictures: ``run`` fills holes, ``segment`` writes class maps."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import (
    artifacts,
    batch,
    device,
    files,
    instances,
    labelfiles,
    listing,
    planning,
    stacks,
)
from .backend import ClassInfo
from .batch import Job
from .console import FAILURES, complain, make_folder
from .errors import FileError
from .picture import Picture
from .planning import Plan
from .segmentation import SEGMENTS, Segmentation
from .selection import FILLS

Progress = Callable[[int, int], None]
# what is done for one picture; returns that in one line
Work = Callable[[Job, argparse.Namespace, Progress | None], str]

RUN_OPTIONS = ("dilate", "feather", "context", "strategy", "batch_size", "seed")
SEGMENT_OPTIONS = ("context", "batch_size", "seed")


def run(args: argparse.Namespace) -> int:
    """Fill the holes of pictures; return the exit status."""
    jobs = batch.plan(
        args.images,
        args.out,
        mask=args.mask,
        labels=args.labels,
        kind=args.format,
        overwrite=args.overwrite,
    )
    _check(args, jobs, FILLS if args.labels is None else planning.GUIDED_FILLS)
    status = _do(jobs, args, _fill, "filled")
    if any(files.format_of(job.out) == "jpg" for job in jobs):
        complain(
            "note: JPEG compresses every pixel anew, so pixels outside the hole change slightly; "
            "with PNG or TIFF as output they stay identical."
        )
    return status


def segment(args: argparse.Namespace) -> int:
    """Write which class each pixel of pictures has; return the exit status."""
    if args.reliability and not args.mask:
        args.usage_error("--reliability is about holes: it goes with --mask MASK")
    jobs = batch.plan(args.images, args.out, mask=args.mask, kind=args.format, lossless=True)
    _check(args, jobs, _needs(args))
    tally = _Tally()
    try:
        return _do(jobs, args, tally.segment, "segmented")
    finally:
        tally.show()


def _check(args: argparse.Namespace, jobs: Sequence[Job], needs: frozenset[str]) -> None:
    """Refuse, before any picture is read, what cannot work for any of them."""
    if args.trust and not args.backend.endswith(".pt"):
        args.usage_error("--trust goes with --backend FILE.pt")
    if args.format not in (None, files.format_of(jobs[0].out)):
        args.usage_error("--format goes with a folder as OUT; a file's suffix says its format")
    if args.backend != "auto":
        info = planning.capable(args.backend, needs).info
        if getattr(args, "instances", False):
            instances.inside_class(info.classes)
    if args.backend.endswith(".pt"):
        if args.trust:
            artifacts.trust(args.backend)
        artifacts.verify(args.backend)
    device.resolve(args.device)


def _do(jobs: Sequence[Job], args: argparse.Namespace, work: Work, done: str) -> int:
    if batch.is_many(args.images):
        return _do_many(jobs, args, work, done)
    _refuse_existing(jobs[0].out, args)
    from tqdm import tqdm

    with tqdm(unit="px", unit_scale=True, leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        message = work(jobs[0], args, progress)
    print(message)
    return 0


def _do_many(jobs: Sequence[Job], args: argparse.Namespace, work: Work, done: str) -> int:
    from tqdm import tqdm

    waiting = [job for job in jobs if args.overwrite or not job.out.exists()]
    failed = []
    for job in tqdm(waiting, unit="picture"):
        try:
            work(job, args, None)
        except FAILURES as error:
            text = str(error) or "not enough memory"
            failed.append(text if str(job.image) in text else f"{job.image}: {text}")
    print(f"{len(waiting) - len(failed)} {done} in {jobs[0].out.parent}", end="")
    if skipped := len(jobs) - len(waiting):
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
    start = time.perf_counter()
    picture = _read(job)
    files.check_holds(picture, job.out)
    hole = files.read_mask(job.mask, picture) if job.mask else None
    settings = _settings(args, picture, RUN_OPTIONS)
    if job.labels:
        settings["labels"] = labelfiles.read(job.labels, picture)
    settled = planning.plan(picture.array.shape, picture.array.dtype, **settings)
    filled = stacks.inpaint(picture.array, hole, progress=progress, **settings)
    make_folder(job.out.parent)
    files.write(job.out, filled, picture)
    seconds = time.perf_counter() - start
    if hole is None or not hole.any():
        return f"{job.out}: the mask is empty; only NaN and infinite pixels, if any, were filled"
    return (
        f"{job.out}: {hole.sum():,} px ({hole.mean():.1%}) filled by {settled.backend.info.name} "
        f"on {settled.device.device} in {seconds:.1f} s"
    )


class _Tally:
    """Segments pictures, and counts the pixels of each class over all of them."""

    def __init__(self) -> None:
        self.counts: dict[tuple[ClassInfo, ...], NDArray[np.int_]] = {}

    def segment(self, job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
        """Segment one picture."""
        start = time.perf_counter()
        picture = _read(job)
        settings = _settings(args, picture, SEGMENT_OPTIONS)
        needs = _needs(args)
        settled = planning.plan(picture.array.shape, picture.array.dtype, needs=needs, **settings)
        if args.instances:
            instances.inside_class(settled.backend.info.classes)
        beside = {name: _beside(job, args, name) for name in ("confidence", "reliability")}
        for path in (job.out, *filter(None, beside.values())):
            labelfiles.check_holds(path, settled.axes.spatial_shape)
        hole = files.read_mask(job.mask, picture) if job.mask else None
        if args.backend == "auto":
            settings["backend"] = settled.backend.info.name
        found = stacks.segment(picture.array, hole, progress=progress, **settings)
        axes = settled.axes.letters.replace("C", "")
        for name, extra in beside.items():
            if extra is not None:
                make_folder(extra.parent)
                labelfiles.write(extra, getattr(found, name), picture, axes)
        make_folder(job.out.parent)
        what = f"{found.labels.size:,} px"
        if args.instances:
            objects = _instances(found, settled)
            labelfiles.write(job.out, objects, picture, axes)
            what = f"{objects.max():,} objects"
        else:
            labelfiles.write(job.out, found.labels, picture, axes, found.classes)
        self._count(found)
        seconds = time.perf_counter() - start
        return (
            f"{job.out}: {what} segmented by {settled.backend.info.name} on "
            f"{settled.device.device} in {seconds:.1f} s"
        )

    def show(self) -> None:
        """Print a table for each set of classes."""
        for classes, counts in self.counts.items():
            rows = [("ID", "CLASS", "COLOUR", "SHARE")]
            for number, each in enumerate(classes, start=1):
                share = f"{counts[number] / counts.sum():.1%}"
                rows.append((str(number), each.name, each.colour, share))
            print(listing.table(rows))

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
    many = batch.is_many(args.images)
    if many and Path(where).suffix.lower() in files.FORMATS:
        raise FileError(f"{where} is a file name, but --{name} gets several files; name a folder.")
    folder = many or where.endswith(("/", "\\")) or Path(where).is_dir()
    path = Path(where) / job.out.name if folder else Path(where)
    taken = {each.resolve() for each in (job.image, job.mask, job.out) if each}
    if path.resolve() in taken:
        raise FileError(f"{path} would be overwritten by --{name}; choose another name.")
    _refuse_existing(path, args)
    return path


def _read(job: Job) -> Picture:
    if job.lacks:
        raise FileError(job.lacks)
    picture = files.read(job.image)
    for note in picture.notes:
        complain(f"note: {job.image}: {note}.")
    return picture


def _settings(args: argparse.Namespace, picture: Picture, options: Sequence[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "backend": args.backend,
        "device": args.device,
        "axes": args.axes or picture.axes,
    }
    for name in options:
        if getattr(args, name) is not None:
            settings[name] = getattr(args, name)
    return settings
