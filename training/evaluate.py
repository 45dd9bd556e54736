"""Score artifacts beside classical fills: ``python -m training.evaluate exported/*.pt --data DIR``.

Every row of the tables sees the same pictures and the same holes. Composites are rounded to 8 bits
before they are measured, as a person would save them. ``--upscale`` scores enlarging instead.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from napari_inpaint import registry
from napari_inpaint.artifacts import read_manifest
from training import metrics, upscaling
from training.command import at_least, command, new_file
from training.data import Picture, centre_crop, load_pictures, to_tensor
from training.drawn import SCENES, validation_scenes
from training.export import load_artifact, record_scores
from training.fid_lpips import FID, LPIPS
from training.masks import AREA_BINS, Mask, irregular
from training.pictures import highest_class
from training.report import SHARES, tables

Image = NDArray[np.uint8]
Fill = Callable[[Tensor, Tensor], Tensor]

CLASSICAL = ("telea", "navier-stokes", "biharmonic")
BESIDE = (*CLASSICAL, "bicubic")
"""Methods whose scores stand beside an artifact's own in its manifest."""


class Case(NamedTuple):
    """One picture with one hole."""

    image: Image
    mask: Mask
    share: int
    """Index into `AREA_BINS`."""
    labels: NDArray[np.uint8] | None


@dataclass
class Row:
    """One method's fills and scores, in the order of the cases."""

    fills: list[Image] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


def fill_mean(image: Tensor, mask: Tensor) -> Tensor:
    """Fill with the mean of the known pixels: the floor of every table."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, mean, image)


def make_cases(pictures: list[Picture], size: int) -> list[Case]:
    """Give every picture one hole of every area bin."""
    cases = []
    for number, picture in enumerate(pictures):
        square = centre_crop(picture.image, size)
        labels = None if picture.labels is None else centre_crop(picture.labels, size)
        for index, (low, high) in enumerate(AREA_BINS):
            rng = np.random.default_rng([number, index])
            mask = irregular(rng, size, size, low, high)
            cases.append(Case(square, mask, index, labels))
    return cases


def tensors(case: Case) -> tuple[Tensor, Tensor]:
    """Return a case's image, 0.5 in the hole, and its hole, as batches of one."""
    image, hole = to_tensor(case.image)[None], torch.from_numpy(case.mask).float()[None, None]
    return torch.where(hole > 0, 0.5, image), hole


@torch.inference_mode()
def run(fill: Fill, cases: list[Case], name: str) -> Row:
    """Fill and score every case with one method."""
    row = Row(scores={key: [] for key in ("hole dB", "dB", "SSIM", "L1 %")})
    for case in tqdm(cases, desc=name, leave=False):
        image, hole = tensors(case)
        start = time.perf_counter()
        prediction = fill(image, hole)
        row.milliseconds.append(1000 * (time.perf_counter() - start))
        drawn = (prediction.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
        composite = np.where(case.mask[..., None], drawn, case.image)
        row.fills.append(composite)
        row.scores["hole dB"].append(metrics.hole_psnr(composite, case.image, case.mask))
        row.scores["dB"].append(metrics.image_psnr(composite, case.image))
        row.scores["SSIM"].append(metrics.ssim(composite, case.image))
        row.scores["L1 %"].append(metrics.l1_percent(composite, case.image))
    return row


@torch.inference_mode()
def score_maps(artifact: nn.Module, cases: list[Case]) -> dict[str, float]:
    """Score an artifact's class maps: mIoU outside and inside the hole, over all cases."""
    counts: dict[str, Any] = {"mIoU known": 0, "mIoU hole": 0}
    for case in tqdm(cases, desc="class maps", leave=False):
        if case.labels is None:
            continue
        probabilities = artifact.segment(*tensors(case))[0]  # type: ignore[operator]
        predicted = probabilities.argmax(0).numpy()
        for name, where in (("mIoU known", ~case.mask), ("mIoU hole", case.mask)):
            classes = len(probabilities)
            counts[name] = counts[name] + metrics.class_counts(
                predicted, case.labels, where, classes
            )
    return {name: round(metrics.mean_iou(count), 3) for name, count in counts.items()}


@torch.inference_mode()
def score_reliability(artifact: nn.Module, fills: list[Image], cases: list[Case]) -> dict[str, Any]:
    """Return the fills' L1 error and the share of the hole's pixels, by reliability.

    Errors should fall from the first row to the last: SGE-Net's figure 8, measured.
    """
    errors, reliable = [], []
    for fill, case in zip(tqdm(fills, desc="reliability", leave=False), cases, strict=True):
        certain = artifact.reliability(*tensors(case))[0, 0].numpy()  # type: ignore[operator]
        error = np.abs(fill.astype(np.float32) - case.image).mean(-1) / 255
        errors.append(error[case.mask])
        reliable.append(certain[case.mask])
    return metrics.error_by_reliability(np.concatenate(errors), np.concatenate(reliable))


def by_share(values: list[float], cases: list[Case]) -> dict[str, float]:
    """Return the mean of the values for each hole share."""
    return {
        name: round(
            float(np.mean([v for v, c in zip(values, cases, strict=True) if c.share == i])), 2
        )
        for i, name in enumerate(SHARES)
    }


def summarise(
    row: Row, cases: list[Case], fid: FID | None = None, lpips: LPIPS | None = None
) -> dict[str, Any]:
    """Return a row's scores: means with intervals, PSNR by share, texture, milliseconds.

    FID and LPIPS are among them if their networks are given.
    """
    truths = [case.image for case in cases]
    learned = {}
    if lpips is not None:
        pairs = zip(row.fills, truths, strict=True)
        learned["LPIPS"] = round(float(np.mean([lpips(*pair) for pair in pairs])), 4)
    if fid is not None:
        learned["FID"] = round(fid(row.fills, truths), 2)
    means = {key: float(np.mean(values)) for key, values in row.scores.items()}
    texture = metrics.texture_distance(row.fills, truths, [case.mask for case in cases])
    return {
        "hole dB": round(means["hole dB"], 2),
        "hole dB, 95 % interval": [round(x, 2) for x in metrics.interval(row.scores["hole dB"])],
        "hole dB by share": by_share(row.scores["hole dB"], cases),
        "dB by share": by_share(row.scores["dB"], cases),
        "SSIM": round(means["SSIM"], 4),
        "SSIM, 95 % interval": [round(x, 4) for x in metrics.interval(row.scores["SSIM"])],
        "L1 %": round(means["L1 %"], 2),
        "texture": round(texture, 1),
        **learned,
        "ms": round(float(np.median(row.milliseconds))),
        "fills": len(cases),
    }


def draw_sheet(rows: dict[str, Row], cases: list[Case], path: Path, count: int = 12) -> None:
    """Draw a contact sheet: input, every method, truth; one line for each of ``count`` cases."""
    titles = ["input", *rows, "truth"]
    width = cases[0].image.shape[1]
    head = np.full((24, width * len(titles), 3), 255, np.uint8)
    for i, title in enumerate(titles):
        cv2.putText(head, title, (i * width + 6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    lines = [head]
    # one more than a multiple of the shares, so that the lines go through all of them
    stride = max(1, len(cases) // count // len(AREA_BINS) * len(AREA_BINS) + 1)
    for number in list(range(0, len(cases), stride))[:count]:
        case = cases[number]
        damaged = np.where(case.mask[..., None], np.uint8(255), case.image)
        fills = [row.fills[number] for row in rows.values()]
        lines.append(np.hstack([damaged, *fills, case.image]))
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR))


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
        artifacts[path.stem] = load_artifact(path)
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
        draw_sheet(rows, cases, args.sheet)
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
    source.add_argument("--data", type=Path, help="folder of pictures")
    source.add_argument("--drawn", choices=SCENES, help="scenes drawn by a program, without data")
    parser.add_argument("--split", default="", help="name of a list in training/splits")
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
        "--sheet", type=new_file(".png", ".jpg"), help="draw 12 cases into this picture"
    )
    parser.add_argument("--json", type=new_file(".json"), help="write all scores to this file")
    parser.add_argument("--record", action="store_true", help="write scores into the manifests")
    return parser.parse_args()


@command
def main() -> None:
    """Read the command line and score."""
    args = read_arguments()
    if args.drawn:
        pictures = validation_scenes(args.drawn, args.pictures, args.size)
        data = f"drawn scenes ({args.drawn})"
    else:
        pictures = load_pictures(args.data, args.split, validation=True, instances=args.instances)
        pictures = pictures[:: -(-len(pictures) // args.pictures)]
        data = args.data.resolve().name
    scores = (score_enlarging if args.upscale else score_fills)(args, pictures)
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")
    if args.record:
        for path in args.artifacts:
            beside = {
                name: row for name, row in scores.items() if name in BESIDE or name == path.stem
            }
            protocol = f"{data}, {args.size} px" + ", enlarging" * args.upscale
            record_scores(path, {protocol: beside})


if __name__ == "__main__":
    main()
