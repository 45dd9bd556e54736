"""Score artifacts beside classical fills: ``python -m training.evaluate exported/*.pt --data DIR``.

``training/scoring.py`` says what is measured, and on what. ``--upscale`` scores enlarging instead.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_inpaint import registry
from napari_inpaint.artifacts import read_manifest
from training import sheet, upscaling
from training.command import at_least, command, new_file
from training.data import Picture, load_pictures
from training.drawn import SCENES, validation_scenes
from training.export import channels_of, load_artifact, record_scores
from training.fid_lpips import FID, LPIPS
from training.masks import AREA_BINS
from training.pictures import highest_class, in_8_bits, load_planes
from training.report import tables
from training.scoring import (
    Case,
    Fill,
    Row,
    make_cases,
    run,
    score_maps,
    score_reliability,
    summarise,
)

CLASSICAL = ("telea", "navier-stokes", "biharmonic")
BESIDE = (*CLASSICAL, "bicubic")
"""Methods whose scores stand beside an artifact's own in its manifest."""
SHEET_LINES = 12
HOLE_COLOUR = np.array([214, 39, 110], np.uint8)  # no photograph has it, nor has the page


def fill_mean(image: Tensor, mask: Tensor) -> Tensor:
    """Fill with the mean of the known pixels: the floor of every table."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, mean, image)


class Channelwise(nn.Module):
    """An artifact of one channel, on RGB: each channel by itself, as the plugin does.

    Grey pictures, of three equal channels, are asked about once; maps are the channels' mean.
    """

    def __init__(self, artifact: nn.Module) -> None:
        super().__init__()
        self.artifact = artifact
        for method in ("segment", "reliability"):
            if hasattr(artifact, method):
                setattr(self, method, partial(self._mean, getattr(artifact, method)))

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill image (1, 3, H, W) where mask (1, 1, H, W) is 1."""
        planes = self._planes(image)
        fills: Tensor = self.artifact(planes, mask.expand_as(planes))
        return fills.transpose(0, 1).expand_as(image)

    def _mean(self, method: Fill, image: Tensor, mask: Tensor) -> Tensor:
        planes = self._planes(image)
        return method(planes, mask.expand_as(planes)).mean(0, keepdim=True)

    @staticmethod
    def _planes(image: Tensor) -> Tensor:
        """Return the different channels as a batch, (1, 1, H, W) or (3, 1, H, W)."""
        grey = bool((image == image[:, :1]).all())
        return image[:, :1] if grey else image.transpose(0, 1)


def draw_sheet(rows: dict[str, Row], notes: dict[str, str], cases: list[Case], path: Path) -> None:
    """Draw input, truth and the methods in the order of the notes below their names.

    Each line shows another picture, if there are so many; the lines go through the shares of
    holes, so that no line is like another.
    """
    shares = len(AREA_BINS)
    pictures = len(cases) // shares
    lines = min(SHEET_LINES, len(cases))
    shown = [line * pictures // lines * shares + line % shares for line in range(lines)]
    columns = {
        "input": [np.where(cases[i].mask[..., None], HOLE_COLOUR, cases[i].image) for i in shown],
        "truth": [cases[i].image for i in shown],
        **{name: [rows[name].fills[i] for i in shown] for name in notes},
    }
    sheet.draw(columns, notes, path)


def open_artifacts(args: argparse.Namespace, cases: list[Case]) -> dict[str, nn.Module]:
    """Load artifacts by the names of their files.

    Raises
    ------
    ArtifactError, ValueError
        If a file is no artifact, its name is taken, or its classes are not those of the labels.
    """
    highest = highest_class(case.labels for case in cases if case.labels is not None)
    artifacts: dict[str, nn.Module] = {}
    for path in args.artifacts:
        manifest = read_manifest(path)
        if path.stem in ("mean", *BESIDE, *artifacts):
            raise ValueError(f"Two rows would be named {path.stem}. Rename {path}.")
        if args.record and manifest is None:
            raise ValueError(f"{path} has no manifest to record scores in. Leave --record out.")
        if manifest is not None and 0 < len(manifest.classes) <= highest:
            raise ValueError(
                f"{path} has {len(manifest.classes)} classes, the labels hold the id {highest}. "
                "Score it on pictures of its own kind, or with --instances if these are instances."
            )
        channels, artifact = channels_of(path), load_artifact(path)
        if channels not in (1, 3):
            raise ValueError(f"{path} takes {channels} channels; pictures have one or three.")
        artifacts[path.stem] = Channelwise(artifact) if channels == 1 else artifact
    return artifacts


def score_fills(args: argparse.Namespace, pictures: list[Picture]) -> dict[str, dict[str, Any]]:
    """Score all methods on the protocol's holes, print the tables, draw the sheet."""
    cases = make_cases(pictures, args.size)
    artifacts = open_artifacts(args, cases)
    fid = FID(args.fid) if args.fid else None
    lpips = LPIPS(*args.lpips) if args.lpips else None
    device = torch.device("cpu")
    methods: dict[str, Fill] = {"mean": fill_mean}
    methods |= {name: registry.get_backend(name).load(device).inpaint for name in CLASSICAL}
    rows = {name: run(fill, cases, name) for name, fill in (methods | artifacts).items()}
    scores = {name: summarise(row, cases, fid, lpips) for name, row in rows.items()}
    for name, artifact in artifacts.items():
        if hasattr(artifact, "segment") and cases[0].labels is not None:
            scores[name] |= score_maps(artifact, cases)
        if hasattr(artifact, "reliability"):
            scores[name]["reliability"] = score_reliability(artifact, rows[name].fills, cases)
    print(tables(scores))
    if args.sheet:
        notes = {
            name: f"{scores[name]['hole dB']:.1f} dB, texture {scores[name]['texture']:.0f}"
            for name in (*artifacts, *CLASSICAL)
        }
        draw_sheet(rows, notes, cases, args.sheet)
    return scores


def score_enlarging(args: argparse.Namespace, pictures: list[Picture]) -> dict[str, dict[str, Any]]:
    """Score enlarging by artifacts beside bicubic interpolation, and print the table."""
    methods: dict[str, upscaling.Enlarge] = {"bicubic": upscaling.bicubic}
    artifacts = open_artifacts(args, [])
    methods |= {name: upscaling.by_filling(each) for name, each in artifacts.items()}
    scores = {
        name: upscaling.score(enlarge, pictures, args.size) for name, enlarge in methods.items()
    }
    print(upscaling.table(scores))
    return scores


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artifacts", type=Path, nargs="*")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of pictures, or a stack of planes")
    source.add_argument("--drawn", choices=SCENES, help="scenes drawn by a program, without data")
    parser.add_argument("--split", default="", help="name of a list in training/splits")
    parser.add_argument("--all", action="store_true", help="all pictures, not the validation side")
    parser.add_argument("--instances", action="store_true", help="the labels are instances")
    parser.add_argument("--pictures", type=at_least(1), default=48, help="at most this many")
    parser.add_argument("--size", type=at_least(32), default=256, help="side of the squares, px")
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
    parser.add_argument("--record", action="store_true", help="write scores into the manifests")
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


@command
def main() -> None:
    """Read the command line and score."""
    args = read_arguments()
    if args.all and args.record:
        raise ValueError("--record is for pictures that no training saw. Leave --all out.")
    pictures = read_pictures(args)
    data = f"drawn scenes ({args.drawn})" if args.drawn else args.data.resolve().name
    scores = (score_enlarging if args.upscale else score_fills)(args, pictures)
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")
    if args.record:
        protocol = f"{data}, {args.size} px" + ", enlarging" * args.upscale
        for path in args.artifacts:
            record(path, protocol, scores)


def record(path: Path, protocol: str, scores: dict[str, dict[str, Any]]) -> None:
    """Write an artifact's scores, and those beside it, into its manifest, under its own name."""
    manifest = read_manifest(path)
    name = path.stem if manifest is None else manifest.name
    beside = {method: row for method, row in scores.items() if method in BESIDE}
    record_scores(path, {protocol: beside | {name: scores[path.stem]}})


if __name__ == "__main__":
    main()
