"""The commands that work on pictures: ``run`` fills holes, ``segment`` writes class maps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays import instances
from napari_inpaint.arrays.axes import parse
from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends import artifacts
from napari_inpaint.backends.auto import FILLS
from napari_inpaint.cli import batch, describe, jobs
from napari_inpaint.cli.console import complain, make_folder
from napari_inpaint.cli.jobs import Job
from napari_inpaint.cli.report import Report, typical_error
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats, masks, padding
from napari_inpaint.files import labels as label_files
from napari_inpaint.files.masks import Reading
from napari_inpaint.files.picture import Picture
from napari_inpaint.fill import device
from napari_inpaint.fill.inpaint import JURY, THIN, fill_image
from napari_inpaint.fill.plan import GUIDED_FILLS, Options, Plan, capable, plan
from napari_inpaint.fill.progress import Progress
from napari_inpaint.fill.segment import SEGMENTS, Segmentation, segment_image


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
    status = batch.do(found, args, _fill, "filled")
    if args.format is None and any(_is_gif(job) and job.out != Path(args.out) for job in found):
        complain(
            "note: GIF holds 256 colours, so pictures from GIF files are written as PNG; "
            "animations need --format tif."
        )
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
        return batch.do(found, args, tally.segment, "segmented")
    finally:
        tally.show()


def _check(args: argparse.Namespace, found: Sequence[Job], needs: frozenset[str]) -> None:
    """Refuse, before any picture is read, what cannot work for any of them."""
    if args.trust and not args.backend.endswith(".pt"):
        args.usage_error("--trust goes with --backend FILE.pt")
    batch.check_format(found, args)
    if args.mask is None and (_reading(args) != Reading() or _leaves_missing(args)):
        args.usage_error(
            "--mask-threshold, --invert-mask, --mask-axes and --fill-missing masked go with --mask"
        )
    if args.backend != "auto":
        info = capable(args.backend, needs).info
        if getattr(args, "instances", False):
            instances.inside_class(info.classes)
    if args.backend.endswith(".pt"):
        if args.trust:
            artifacts.trust(args.backend)
        artifacts.verify(args.backend)
    device.resolve(args.device)


def _fill(job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
    """Fill one picture."""
    picture = batch.read(job)
    formats.check_holds(picture, job.out)
    given = _given(job, args, picture)
    picture, pixels = given.picture, given.picture.array
    settled = plan(pixels.shape, pixels.dtype, _options(args, picture, given), labels=given.labels)
    report = Report.of(job, args) if args.report else None
    filled = fill_image(
        settled, pixels, given.hole, given.labels, progress, error=report is not None
    )
    if not filled.pixels and given.hole is None:
        raise FileError(
            f"{job.image} has no hole: no mask was given, and no pixel is NaN, infinite or of a "
            "value that says it is missing. Add --mask MASK, or --missing VALUE."
        )
    make_folder(job.out.parent)
    formats.write(job.out, filled.image, picture)
    if report is not None:
        report.write(job, picture, filled)
    _warn(job.out, picture, filled.hole)
    if not filled.pixels:
        return f"{job.out}: the mask is empty and no pixel is missing; nothing was filled"
    share = filled.pixels / filled.hole.size
    text = f"{job.out}: {filled.pixels:,} px ({share:.1%}) filled {_how(settled, filled.record)}"
    error = typical_error(filled)
    return text if error is None else f"{text}; expected error {error:.3g}"


def _warn(out: Path, picture: Picture, hole: NDArray[np.bool_]) -> None:
    """Say what of a result may surprise."""
    if picture.alpha is not None and picture.alpha.shape == hole.shape:
        unseen = np.count_nonzero(hole & (picture.alpha == 0))
        if unseen:
            complain(f"note: {out}: {unseen:,} filled px stay transparent, for alpha is kept.")
    if picture.lossy and formats.format_of(out) == "webp":
        complain(f"note: {out} is a WebP without loss, so that known pixels stay as they are.")


@dataclass(frozen=True)
class _Given:
    """What a job's files hold: the picture, with margins if they are asked for.

    Attributes
    ----------
    picture : Picture
    hole : bool array or None
        Of the picture's spatial axes, in its order; None where no mask and no margin is.
    labels : array of integers or None
    by_channel : bool
        Whether the hole has the picture's C, too.
    """

    picture: Picture
    hole: NDArray[np.bool_] | None
    labels: NDArray[Any] | None = None
    by_channel: bool = False


def _given(job: Job, args: argparse.Namespace, picture: Picture) -> _Given:
    """Read what goes with a picture, and add the margins."""
    labels = label_files.read(job.labels, picture) if job.labels else None
    hole, by_channel = None, False
    if job.mask:
        mask = _mask(job.mask, args, picture)
        hole, by_channel = mask.hole, mask.by_channel
    if by_channel and labels is not None:
        raise FileError(
            f"{job.mask} has other holes in each channel, which a fill by --labels sees together. "
            "Give a mask without channels."
        )
    if args.pad is None:
        return _Given(picture, hole, labels, by_channel)
    axes = parse(args.axes or picture.axes, picture.array.shape)
    letters = axes.letters if by_channel else axes.letters.replace("C", "")
    if hole is None:
        hole = np.zeros(axes.spatial_shape, bool)
    hole = padding.surround(hole, letters, args.pad, value=True)
    if labels is not None:
        labels = padding.surround(labels, axes.mask_letters(labels.shape), args.pad, value=0)
    return _Given(padding.enlarge(picture, axes, args.pad), hole, labels, by_channel)


def _mask(path: Path, args: argparse.Namespace, picture: Picture) -> masks.Mask:
    """Read a picture's mask, and say what was guessed."""
    mask = masks.read(path, picture, _reading(args), axes=args.axes)
    for note in mask.notes:
        complain(f"note: {path}: {note}.")
    return mask


class _Tally:
    """Segments pictures, and counts the pixels of each class over all of them."""

    def __init__(self) -> None:
        self.counts: dict[tuple[ClassInfo, ...], NDArray[np.int_]] = {}

    def segment(self, job: Job, args: argparse.Namespace, progress: Progress | None) -> str:
        """Segment one picture."""
        picture = batch.read(job)
        pixels = picture.array
        options = _options(args, picture)
        settled = plan(pixels.shape, pixels.dtype, options, needs=_needs(args))
        if args.instances:
            instances.inside_class(settled.backend.info.classes)
        beside = {name: _beside(job, args, name) for name in ("confidence", "reliability")}
        for path in (job.out, *filter(None, beside.values())):
            label_files.check_holds(path, settled.axes.spatial_shape)
        hole = None
        if job.mask:
            mask = _mask(job.mask, args, picture)
            hole = mask.hole
            if mask.by_channel:  # which are seen together here
                hole = np.asarray(hole.any(axis=settled.axes.letters.index("C")))
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
    batch.refuse_existing(path, args)
    return path


def _options(args: argparse.Namespace, picture: Picture, given: _Given | None = None) -> Options:
    """Return the options that were given, and what the picture's file says beside them.

    These are the axes, if they were not given, and values that say that pixels are missing. Where
    each channel has its own holes, C becomes an axis without a name, along which slices are filled
    one by one, and see each other: where one channel is hole, others know something of it. A
    channel that is masked as a whole stays refused.
    """
    options = {each.name: getattr(args, each.name, None) for each in fields(Options)}
    options["axes"] = options["axes"] or picture.axes
    options["missing"] = tuple(dict.fromkeys((*(args.missing or ()), *picture.missing)))
    if given and given.by_channel:
        letters = parse(options["axes"], picture.array.shape).letters
        free = next(each for each in "QIKLMNOPRSUVW" if each not in letters)
        options["axes"] = letters.replace("C", free)
        options["max_gap"] = options["max_gap"] or 0
    return Options(**{name: value for name, value in options.items() if value is not None})


def _reading(args: argparse.Namespace) -> Reading:
    return Reading(threshold=args.mask_threshold, invert=args.invert_mask, axes=args.mask_axes)


def _leaves_missing(args: argparse.Namespace) -> bool:
    return getattr(args, "fill_missing", None) == "masked" and args.pad is None


def _is_gif(job: Job) -> bool:
    return formats.format_of(job.image) == "gif"


def _how(settled: Plan, record: dict[str, Any]) -> str:
    """Say how something was made: "by telea on cpu in 0.2 s"."""
    named = record["backend"] in (THIN, JURY)
    name = record["backend"] if named else settled.backend.info.name
    if record["backend"] == JURY:
        name += f" ({', '.join(list(record['shares'])[:2])}, …)"
    return f"by {name} on {record['device']} in {record['seconds']:.1f} s"
