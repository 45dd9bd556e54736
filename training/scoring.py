"""Cases, what methods fill them with, and how good that is.

Every method sees the same pictures and the same holes. Composites are rounded to 8 bits before they
are measured, as a person would save them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from training import metrics
from training.data import Picture, centre_crop, to_tensor
from training.fid_lpips import FID, LPIPS
from training.masks import AREA_BINS, Mask, irregular
from training.report import SHARES

Image = NDArray[np.uint8]
Fill = Callable[[Tensor, Tensor], Tensor]


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
