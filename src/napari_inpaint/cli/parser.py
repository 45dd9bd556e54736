"""The command ``napari-inpaint``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from napari_inpaint.cli.console import FAILURES, PROG, complain, make_folder

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
        complain("interrupted; finished files are kept, no unfinished one is left.")
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FAILURES as error:
        complain(f"error: {error or 'not enough memory'}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Fill holes in pictures and stacks; every other pixel stays as it is.",
    )
    parser.add_argument("--version", action="version", version=f"{PROG} {version(PROG)}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="fill the holes of one or many pictures"))
    _add_segment(commands.add_parser("segment", help="say which class each pixel has"))
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
    _add_files(run, ("png", "tif", "npy", "jpg"), mask_required=True)
    add = run.add_argument
    add(
        "--labels",
        metavar="LABELS",
        help="fill according to these classes, as `segment` writes them; 0 and 255 = you decide",
    )
    _add_model(run)
    add("--dilate", metavar="PX", type=_count, help="grow the holes")
    add("--feather", metavar="PX", type=_count, help="blend over so many pixels inside the holes")
    add("--strategy", choices=("auto", "crop", "resize"), help="how to fill large holes")
    run.set_defaults(command=_run, usage_error=run.error)


def _add_segment(segment: argparse.ArgumentParser) -> None:
    segment.description = (
        "Write which class each pixel has, the hole included: k = the k-th class of the backend. "
        "PNG files have the classes' colours as palette; TIFF files keep axes and sizes. Folders "
        "and several pictures go to a folder; results that exist are skipped."
    )
    _add_files(segment, ("png", "tif", "npy"), mask_required=False)
    add = segment.add_argument
    add("--instances", action="store_true", help="number the objects instead (nuclei, say)")
    add("--confidence", metavar="FILE", help="also write the largest probability, from 0 to 1")
    add("--reliability", metavar="FILE", help="also write how far a fill can be relied upon")
    _add_model(segment)
    segment.set_defaults(command=_segment, usage_error=segment.error)


def _add_files(
    parser: argparse.ArgumentParser, formats: Sequence[str], *, mask_required: bool
) -> None:
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="files, folders or glob patterns")
    add(
        *("--mask", "-m"),
        metavar="MASK",
        required=mask_required,
        help="non-zero = hole: a file for all, or a folder or pattern with files named alike",
    )
    add("--out", "-o", metavar="OUT", required=True, help="a file; a folder for several pictures")
    add("--format", choices=formats, help="format of the files in a folder")
    add("--overwrite", action="store_true", help="replace results that exist")


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--backend", metavar="NAME|FILE.pt", default="auto", help="default: what suits the picture")
    add("--trust", action="store_true", help="consent, once, to running the code in FILE.pt")
    add("--device", default="auto", help="auto (the default), cpu, cuda, cuda:1, mps")
    add("--axes", metavar="ZYX", help="what the axes are, one letter each; Y, X, C for channels")
    add("--context", metavar="PX", type=_positive, help="how far around a hole the model looks")
    add("--batch-size", metavar="N", type=_positive, help="regions or tiles at once")
    add("--seed", metavar="N", type=_count, help="for backends that draw random numbers")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    from napari_inpaint.cli import commands

    return commands.run(args)


def _segment(args: argparse.Namespace) -> int:
    from napari_inpaint.cli import commands

    return commands.segment(args)


def _backends(args: argparse.Namespace) -> int:
    from napari_inpaint.cli import describe

    print(describe.backends(as_json=args.json))
    return 0


def _info(args: argparse.Namespace) -> int:
    from napari_inpaint.backends import artifacts
    from napari_inpaint.cli import describe

    shipped = {path.stem: path for path in artifacts.shipped()}
    print(describe.artifact(shipped.get(args.file, Path(args.file)), as_json=args.json))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from napari_inpaint.cli import demo

    make_folder(args.out)
    demo.run(args.out)
    return 0
