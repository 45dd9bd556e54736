"""The command ``napari-inpaint``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FileError, InpaintError

if TYPE_CHECKING:
    from .batch import Job

Progress = Callable[[int, int], None]

PROG = "napari-inpaint"
FAILURES = (InpaintError, OSError, MemoryError)
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 0 done, 1 something failed, 130 interrupted.

    Wrong usage exits with 2 through argparse.
    """
    args = _parser().parse_args(argv)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its remarks are for developers
    try:
        status: int = args.command(args)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _complain("interrupted; finished files are kept, no unfinished one is left.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FAILURES as error:
        _complain(f"error: {error or 'not enough memory'}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Fill holes in pictures and stacks; every other pixel stays as it is.",
    )
    parser.add_argument("--version", action="version", version=f"{PROG} {version(PROG)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="fill the holes of one or many pictures"))
    backends = commands.add_parser("backends", help="list what can fill holes here")
    backends.add_argument("--json", action="store_true", help="print JSON")
    backends.set_defaults(command=_backends)
    info = commands.add_parser("info", help="describe an artifact without running it")
    info.add_argument("file", metavar="FILE.pt", help="an artifact, or a shipped one's name")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(command=_info)
    demo = commands.add_parser("demo", help="fill the bundled photo and stack, show before/after")
    demo.add_argument("-o", dest="out", metavar="DIR", type=Path, default=Path("demo"))
    demo.set_defaults(command=_demo)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.description = (
        "Fill the holes of pictures: PNG, JPEG, TIFF (ImageJ and OME too) and NPY. Folders and "
        "several pictures go to a folder; results that exist are skipped."
    )
    add = run.add_argument
    add("images", metavar="IMAGE", nargs="+", help="files, folders or glob patterns")
    add(
        *("--mask", "-m"),
        metavar="MASK",
        required=True,
        help="non-zero = hole: a file for all, or a folder or pattern with files named alike",
    )
    add("--out", "-o", metavar="OUT", required=True, help="a file; a folder for several pictures")
    add("--format", choices=("png", "tif", "npy", "jpg"), help="format of the files in a folder")
    add("--overwrite", action="store_true", help="replace results that exist")
    add("--backend", metavar="NAME|FILE.pt", default="auto", help="default: what suits the picture")
    add("--trust", action="store_true", help="consent, once, to running the code in FILE.pt")
    add("--device", default="auto", help="auto (the default), cpu, cuda, cuda:1, mps")
    add("--axes", metavar="ZYX", help="what the axes are, one letter each; Y, X, C for channels")
    add("--dilate", metavar="PX", type=_count, help="grow the holes")
    add("--feather", metavar="PX", type=_count, help="blend over so many pixels inside the holes")
    add("--context", metavar="PX", type=_positive, help="how far around a hole the model looks")
    add("--strategy", choices=("auto", "crop", "resize"), help="how to fill large holes")
    add("--batch-size", metavar="N", type=_positive, help="regions that are filled at once")
    add("--seed", metavar="N", type=_count, help="for backends that draw random numbers")
    run.set_defaults(command=_run, usage_error=run.error)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    from . import batch, files

    if args.trust and not args.backend.endswith(".pt"):
        args.usage_error("--trust goes with --backend FILE.pt")
    jobs = batch.plan(args.images, args.mask, args.out, kind=args.format, overwrite=args.overwrite)
    if args.format not in (None, files.format_of(jobs[0].out)):
        args.usage_error("--format goes with a folder as OUT; a file's suffix says its format")
    _check_backend(args)
    many = batch.is_many(args.images)
    status = _run_many(jobs, args) if many else _run_one(jobs[0], args)
    if any(files.format_of(job.out) == "jpg" for job in jobs):
        _complain(
            "note: JPEG compresses every pixel anew, so pixels outside the hole change slightly; "
            "with PNG or TIFF as output they stay identical."
        )
    return status


def _check_backend(args: argparse.Namespace) -> None:
    from . import artifacts, device, registry

    if args.backend.endswith(".pt"):
        artifacts.read_manifest(args.backend)
        if args.trust:
            artifacts.trust(args.backend)
        artifacts.verify(args.backend)
    elif args.backend != "auto":
        registry.get_backend(args.backend)
    device.resolve(args.device)


def _run_one(job: Job, args: argparse.Namespace) -> int:
    if job.out.exists() and not args.overwrite:
        raise FileError(f"{job.out} exists. Add --overwrite to replace it, or choose another name.")
    from tqdm import tqdm

    with tqdm(unit="px", unit_scale=True, leave=False, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        message = _fill(job, args, progress)
    print(message)
    return 0


def _run_many(jobs: Sequence[Job], args: argparse.Namespace) -> int:
    from tqdm import tqdm

    waiting = [job for job in jobs if args.overwrite or not job.out.exists()]
    failed = []
    for job in tqdm(waiting, unit="picture"):
        try:
            _fill(job, args)
        except FAILURES as error:
            text = str(error) or "not enough memory"
            failed.append(text if str(job.image) in text else f"{job.image}: {text}")
    print(f"{len(waiting) - len(failed)} filled in {jobs[0].out.parent}", end="")
    if skipped := len(jobs) - len(waiting):
        print(f", {skipped} skipped (exist already; --overwrite redoes them)", end="")
    print(f", {len(failed)} failed" if failed else "")
    for each in failed:
        _complain(f"failed: {each}")
    return 1 if failed else 0


def _fill(job: Job, args: argparse.Namespace, progress: Progress | None = None) -> str:
    """Fill one picture, and return what was done in one line."""
    from . import files, planning, stacks

    if job.mask is None:
        raise FileError(
            f"{job.image} has no mask in {args.mask}; expected {files.stem(job.image)} or "
            f"{files.stem(job.image)}_mask with any suffix."
        )
    start = time.perf_counter()
    picture = files.read(job.image)
    files.check_holds(picture, job.out)
    hole = files.read_mask(job.mask, picture)
    for note in picture.notes:
        _complain(f"note: {job.image}: {note}.")
    settings: dict[str, Any] = {
        "backend": args.backend,
        "device": args.device,
        "axes": args.axes or picture.axes,
    }
    for name in ("dilate", "feather", "context", "strategy", "batch_size", "seed"):
        if getattr(args, name) is not None:
            settings[name] = getattr(args, name)
    settled = planning.plan(picture.array.shape, picture.array.dtype, **settings)
    filled = stacks.inpaint(picture.array, hole, progress=progress, **settings)
    _make_folder(job.out.parent)
    files.write(job.out, filled, picture)
    seconds = time.perf_counter() - start
    if not hole.any():
        return f"{job.out}: the mask is empty; only NaN and infinite pixels, if any, were filled"
    return (
        f"{job.out}: {hole.sum():,} px ({hole.mean():.1%}) filled by {settled.backend.info.name} "
        f"on {settled.device.device} in {seconds:.1f} s"
    )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {path} cannot be made: {error.strerror or error}.") from error


def _backends(args: argparse.Namespace) -> int:
    from . import listing

    print(listing.backends(as_json=args.json))
    return 0


def _info(args: argparse.Namespace) -> int:
    from . import artifacts, listing

    shipped = {path.stem: path for path in artifacts.shipped()}
    print(listing.artifact(shipped.get(args.file, Path(args.file)), as_json=args.json))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from . import demo

    _make_folder(args.out)
    demo.run(args.out)
    return 0


def _complain(message: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"{PROG}: {message}", file=sys.stderr)  # above a progress bar, not into it
