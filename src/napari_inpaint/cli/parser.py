"""The command ``napari-inpaint``."""

from __future__ import annotations

import argparse
import logging
import math
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from napari_inpaint.cli.console import FAILURES, PROG, complain, make_folder

AXES_HELP = "what the axes are, one letter each; Y, X, C for channels"
NUMBERED = ("--missing", "--threshold", "--mask-threshold")
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 0 done, 1 something failed, 130 interrupted.

    Wrong usage exits with 2 through argparse.
    """
    args = _parser().parse_args(_with_numbers(sys.argv[1:] if argv is None else argv))
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
    _add_mask(commands.add_parser("mask", help="find what is to be filled, and write masks"))
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
        "Fill the holes of pictures: PNG, JPEG, WebP, BMP, GIF, TIFF (ImageJ, OME and GeoTIFF too) "
        "and NPY. A hole is what the mask marks, NaN and infinite pixels, and values that mean no "
        "data, by --missing or by the file's own word (GDAL's no-data). Folders and several "
        "pictures go to a folder; results that exist are skipped."
    )
    _add_files(run, ("png", "tif", "npy", "jpg", "webp", "bmp"))
    _add_masks(run)
    add = run.add_argument
    add(
        "--pad",
        metavar="PX",
        type=_margins,
        help="enlarge the picture by so much and fill what is new; TOP,RIGHT,BOTTOM,LEFT for each "
        "side its own",
    )
    add(
        "--labels",
        metavar="LABELS",
        help="fill according to these classes, as `segment` writes them; 0 and 255 = you decide",
    )
    _add_missing(run)
    add(
        "--fill-missing",
        choices=("all", "masked"),
        help="fill all missing pixels (the default), or those in the mask alone; the others are "
        "then not read either",
    )
    _add_model(run)
    add(
        "--along",
        metavar="auto|none|ZT",
        help="the axes along which the slices of a stack see their neighbours; auto: T and Z",
    )
    add(
        "--max-gap",
        metavar="N",
        type=_count,
        help="fill up to so many missing slices in a row from those beside them (2)",
    )
    add(
        "--texture",
        metavar="auto|0..1",
        type=_share,
        help="from 0, nearest to the truth, to 1, with all the texture that the surroundings have: "
        "pieces of them in photographs, noise elsewhere; auto: 1 for photographs, else 0",
    )
    add(
        "--report",
        action="store_true",
        help="also write what was filled (OUT_hole), the expected error of each pixel (OUT_error) "
        "and what made it (OUT_record.json)",
    )
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
    _add_files(segment, ("png", "tif", "npy"))
    _add_masks(segment)
    add = segment.add_argument
    add("--instances", action="store_true", help="number the objects instead (nuclei, say)")
    add("--confidence", metavar="FILE", help="also write the largest probability, from 0 to 1")
    add("--reliability", metavar="FILE", help="also write how far a fill can be relied upon")
    _add_missing(segment)
    _add_model(segment)
    segment.set_defaults(command=_segment, usage_error=segment.error, pad=None)


def _add_mask(mask: argparse.ArgumentParser) -> None:
    mask.description = (
        "Find pixels that are to be filled and write a mask: 255 = hole in PNG and TIFF, True in "
        "NPY. TIFF files keep axes and sizes. Where a TIFF or NPY file has channels, each has its "
        "own holes, and `run` fills them one by one; in PNG, and for colours, a pixel is hole if "
        "it is in any channel. Folders and several pictures go to a folder; results that exist are "
        "skipped."
    )
    _add_files(mask, ("png", "tif", "npy"))
    what = mask.add_mutually_exclusive_group(required=True)
    add = what.add_argument
    add(
        "--hot",
        action="store_true",
        help="single pixels far off all around them; in stacks along T or Z, those that are so in "
        "most slices",
    )
    add("--saturated", action="store_true", help="pixels at the end of the camera's range")
    add(
        "--missing",
        metavar="V[,V]",
        nargs="?",
        type=_values,
        const=(),
        help="pixels that are NaN, infinite, of these values, or of those that the file says are "
        "missing",
    )
    add("--threshold", metavar="T", type=_number, help="pixels above T")
    mask.add_argument("--axes", metavar="ZYX", help=AXES_HELP)
    mask.set_defaults(command=_mask, usage_error=mask.error)


def _add_files(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="files, folders or glob patterns")
    add("--out", "-o", metavar="OUT", required=True, help="a file; a folder for several pictures")
    add("--format", choices=formats, help="format of the files in a folder")
    add("--overwrite", action="store_true", help="replace results that exist")


def _add_masks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        *("--mask", "-m"),
        metavar="MASK",
        help="non-zero = hole: a file for all, or a folder or pattern with files named alike "
        "(NAME, NAME_mask, mask_NAME, NAME_mask001, NAME_cp_masks). Of a file with transparency, "
        "the strokes, or what was erased from a picture",
    )
    add(
        "--mask-threshold",
        metavar="T",
        type=_number,
        help="hole is what is above T in the mask, on its file's own scale",
    )
    add(
        "--invert-mask",
        action=argparse.BooleanOptionalAction,
        help="exchange hole and known; with --no-invert-mask, a mask that marks more than half of "
        "its pixels is taken as it is",
    )
    add(
        "--mask-axes",
        metavar="TYX",
        help="what the mask's axes are, in the picture's letters; by default as its file says",
    )


def _add_missing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--missing",
        metavar="V[,V]",
        type=_values,
        help="values that say that a pixel is missing, beside NaN, infinity and the file's own",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--backend", metavar="NAME|FILE.pt", default="auto", help="default: what suits the picture")
    add("--trust", action="store_true", help="consent, once, to running the code in FILE.pt")
    add("--device", default="auto", help="auto (the default), cpu, cuda, cuda:1, mps")
    add("--axes", metavar="ZYX", help=AXES_HELP)
    add("--context", metavar="PX", type=_positive, help="how far around a hole the model looks")
    add("--batch-size", metavar="N", type=_positive, help="regions or tiles at once")
    add("--seed", metavar="N", type=_count, help="for backends that draw random numbers")


def _with_numbers(words: Sequence[str]) -> list[str]:
    """Join options with negative numbers, which argparse would take for options of their own."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in NUMBERED and re.match(r"-[\d.]|-inf", word):
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined


def _share(text: str) -> float | str:
    try:
        return text if text == "auto" else _number(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected auto or a number from 0 to 1, got {text!r}"
        ) from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return number


def _values(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number, or several with commas, got {text!r}"
        ) from None


def _margins(text: str) -> tuple[int, int, int, int]:
    sides = tuple(_count(each) for each in text.split(","))
    if len(sides) == 1:
        sides *= 4
    if len(sides) != 4 or not any(sides):
        raise argparse.ArgumentTypeError(
            f"expected PX or TOP,RIGHT,BOTTOM,LEFT, some of them from 1 up, got {text!r}"
        )
    return sides


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


def _mask(args: argparse.Namespace) -> int:
    from napari_inpaint.cli import marking

    return marking.mask(args)


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
