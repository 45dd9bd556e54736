"""What the commands do with each of their pictures: one with a bar, many one behind the other."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from napari_inpaint.cli import jobs
from napari_inpaint.cli.console import FAILURES, complain
from napari_inpaint.cli.jobs import Job
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats
from napari_inpaint.files.picture import Picture
from napari_inpaint.fill.progress import Progress

Work = Callable[[Job, argparse.Namespace, Progress | None], str]
"""What is done for one picture; returns that in one line."""


def do(found: Sequence[Job], args: argparse.Namespace, work: Work, done: str) -> int:
    """Do the work for each picture, and print what was done; return the exit status.

    Parameters
    ----------
    found : sequence of Job
    args : Namespace
        With images and overwrite.
    work : Work
    done : str
        What then has been done, as in "filled".
    """
    if jobs.is_many(args.images):
        return _do_many(found, args, work, done)
    refuse_existing(found[0].out, args)
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


def refuse_existing(path: Path, args: argparse.Namespace) -> None:
    """Refuse to write over a file, unless that is asked for.

    Raises
    ------
    FileError
        If it is there.
    """
    if path.exists() and not args.overwrite:
        raise FileError(f"{path} exists. Add --overwrite to replace it, or choose another name.")


def check_format(found: Sequence[Job], args: argparse.Namespace) -> None:
    """End with how the command is used, if a format is asked for that the output does not have."""
    if args.format not in (None, formats.format_of(found[0].out)):
        args.usage_error("--format goes with a folder as OUT; a file's suffix says its format")


def read(job: Job) -> Picture:
    """Read a job's picture, and say what of its file is left out.

    Raises
    ------
    FileError
        If it cannot be read, or what goes with it was not found.
    """
    if job.missing:
        raise FileError(job.missing)
    picture = formats.read(job.image)
    for note in picture.notes:
        complain(f"note: {job.image}: {note}.")
    if picture.missing:
        values = ", ".join(f"{each:g}" for each in picture.missing)
        complain(f"note: {job.image}: pixels of {values} are missing, as the file says.")
    return picture
