"""Cases, what the plugin fills them with, and how good that is.

Every backend sees the same pictures and the same holes, and fills them as it does in the plugin:
region by region, on the CPU, from 8 bits to 8 bits, as a person would save them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_inpaint.arrays import axes
from napari_inpaint.backends.contract import Backend
from napari_inpaint.fill import device
from napari_inpaint.fill.inpaint import fill_image
from napari_inpaint.fill.plan import AUTO, Options, Plan
from napari_inpaint.fill.segment import segment_image
from training.data.dataset import centre_crop
from training.data.holes import AREA_BINS, Mask, irregular
from training.data.pictures import Picture
from training.scores import metrics, objects
from training.scores.fid_lpips import FID, LPIPS
from training.scores.metrics import Image
from training.scores.perceptual import PerceptualDistance
from training.scores.tables import SHARES

HOLES = ("strokes", "objects")
"""Sets of holes: strokes, ellipses and boxes by their share; compact ones by what was there."""

Fill = Callable[[Image, Mask], Image]
"""Picture (H, W, 3) uint8 and its hole (H, W), True = hole, to the filled picture."""


class Case(NamedTuple):
    """One picture with one hole."""

    image: Image
    """(H, W, 3) uint8: the truth."""
    mask: Mask
    """(H, W), True = hole."""
    group: str
    """What it is counted with: one of `SHARES`, or the truth's content, as `objects` tells it."""
    labels: NDArray[np.uint8] | None
    """(H, W) class ids from 0, 255 = unlabelled."""


@dataclass
class Row:
    """One method's fills and scores, in the order of the cases."""

    fills: list[Image] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


def make_cases(pictures: list[Picture], size: int, holes: str = "strokes") -> list[Case]:
    """Give every picture its holes: a case each, one picture after the other.

    Parameters
    ----------
    pictures : list of Picture
        8-bit ones; their central squares are taken.
    size : int
        Side of the squares, px.
    holes : str
        "strokes": one hole of every area bin. "objects": two compact ones.
    """
    cases = []
    for number, picture in enumerate(pictures):
        square = centre_crop(picture.image, size)
        labels = None if picture.labels is None else centre_crop(picture.labels, size)
        if holes == "strokes":
            found = stroke_holes(number, size)
        else:
            masks = objects.two_holes(np.random.default_rng(number), size)
            found = [(mask, objects.content(square, mask)) for mask in masks]
        cases += [Case(square, mask, group, labels) for mask, group in found]
    return cases


def stroke_holes(number: int, size: int) -> list[tuple[Mask, str]]:
    """Draw the holes of a picture, by its number, (size, size), with the names of their bins."""
    return [
        (irregular(np.random.default_rng([number, index]), size, size, *share), name)
        for index, (share, name) in enumerate(zip(AREA_BINS, SHARES, strict=True))
    ]


def plan_for(backend: Backend, image: Image, texture: float | str = AUTO) -> Plan:
    """Settle how the plugin handles a picture (H, W, 3) with this very backend, on the CPU."""
    name = backend.info.name  # thin holes too are its own
    options = Options(name, device="cpu", axes="YXC", texture=texture)
    return Plan(axes.parse("YXC", image.shape), backend, device.resolve("cpu"), options)


def fill_with(backend: Backend, texture: float | str = AUTO) -> Fill:
    """Return how the plugin fills with a backend, with so much texture."""

    def fill(image: Image, mask: Mask) -> Image:
        return fill_image(plan_for(backend, image, texture), image, mask).image

    return fill


def without_truth(case: Case) -> Image:
    """Return a case's picture, (H, W, 3) uint8, black in the hole: nobody can look."""
    return np.where(case.mask[..., None], np.uint8(0), case.image)


def fill_cases(fill: Fill, cases: list[Case], name: str) -> Row:
    """Fill and score every case with one method, whose name the progress bar shows."""
    row = Row(scores={key: [] for key in ("hole dB", "dB", "SSIM", "L1 %")})
    for case in tqdm(cases, desc=name, leave=False):
        image = without_truth(case)
        start = time.perf_counter()
        filled = fill(image, case.mask)
        row.milliseconds.append(1000 * (time.perf_counter() - start))
        composite = np.where(case.mask[..., None], filled, case.image)
        row.fills.append(composite)
        row.scores["hole dB"].append(metrics.hole_psnr(composite, case.image, case.mask))
        row.scores["dB"].append(metrics.image_psnr(composite, case.image))
        row.scores["SSIM"].append(metrics.ssim(composite, case.image))
        row.scores["L1 %"].append(metrics.l1_percent(composite, case.image))
    return row


def score_segmentation(backend: Backend, fills: list[Image], cases: list[Case]) -> dict[str, Any]:
    """Score what a backend says besides its fills: class maps, and where it is reliable.

    Parameters
    ----------
    backend : Backend
        Provides "segment".
    fills : list of Image
        Its fills of the cases.
    cases : list of Case
        Those without labels do not count for class maps.

    Returns
    -------
    dict
        "mIoU known" and "mIoU hole" over all cases, where there are labels. "reliability": the
        fills' L1 error and the share of the hole's pixels by reliability, where the backend
        provides that; errors should fall from its first row to its last: SGE-Net's figure 8,
        measured.
    """
    classes = len(backend.info.classes)
    counts: dict[str, list[NDArray[np.int64]]] = {"mIoU known": [], "mIoU hole": []}
    errors, reliable = [], []
    for fill, case in zip(tqdm(fills, desc="class maps", leave=False), cases, strict=True):
        found = segment_image(plan_for(backend, case.image), without_truth(case), case.mask)
        if case.labels is not None:
            ids = found.labels.astype(int) - 1  # the plugin counts from 1
            for name, where in (("mIoU known", ~case.mask), ("mIoU hole", case.mask)):
                counts[name].append(metrics.class_counts(ids, case.labels, where, classes))
        if found.reliability is not None:
            error = np.abs(fill.astype(np.float32) - case.image).mean(-1) / 255
            errors.append(error[case.mask])
            reliable.append(found.reliability[case.mask])
    scores: dict[str, Any] = {
        name: round(metrics.mean_iou(np.sum(each, 0)), 3) for name, each in counts.items() if each
    }
    if errors:
        scores["reliability"] = metrics.error_by_reliability(
            np.concatenate(errors), np.concatenate(reliable)
        )
    return scores


def groups_of(cases: list[Case]) -> list[str]:
    """Return the groups that there are, in the order of tables."""
    return sorted({case.group for case in cases})


def by_group(values: list[float], cases: list[Case]) -> dict[str, float]:
    """Return the mean of the values for each group of cases."""
    return {
        group: round(
            float(np.mean([v for v, c in zip(values, cases, strict=True) if c.group == group])), 2
        )
        for group in groups_of(cases)
    }


@dataclass(frozen=True)
class Learned:
    """Distances in the features of trained networks; those that are None are not measured."""

    perceptual: PerceptualDistance | None = None
    lpips: LPIPS | None = None
    fid: FID | None = None

    def __call__(self, fills: list[Image], cases: list[Case]) -> dict[str, float]:
        """Measure fills of the cases: means over them, and their FID."""
        found = {}
        pairs = list(zip(fills, cases, strict=True))
        if self.perceptual is not None:
            distances = [self.perceptual(fill, case.image, case.mask) for fill, case in pairs]
            found["perceptual"] = round(float(np.mean(distances)), 1)
        if self.lpips is not None:
            distances = [self.lpips(fill, case.image) for fill, case in pairs]
            found["LPIPS"] = round(float(np.mean(distances)), 4)
        if self.fid is not None:
            found["FID"] = round(self.fid(fills, [case.image for case in cases]), 2)
        return found


def summarise(row: Row, cases: list[Case], learned: Learned | None = None) -> dict[str, Any]:
    """Return a row's scores: means with intervals, PSNR by group, texture, milliseconds.

    Parameters
    ----------
    row : Row
        What was filled, and its scores case by case.
    cases : list of Case
        As it was filled.
    learned : Learned, optional
        Measures that need trained networks.
    """
    averages = {key: float(np.mean(values)) for key, values in row.scores.items()}
    truths, masks = [case.image for case in cases], [case.mask for case in cases]
    texture = metrics.texture_distance(row.fills, truths, masks)
    return {
        "hole dB": round(averages["hole dB"], 2),
        "hole dB, 95 % interval": [round(x, 2) for x in metrics.interval(row.scores["hole dB"])],
        "hole dB by group": by_group(row.scores["hole dB"], cases),
        "dB by group": by_group(row.scores["dB"], cases),
        "SSIM": round(averages["SSIM"], 4),
        "SSIM, 95 % interval": [round(x, 4) for x in metrics.interval(row.scores["SSIM"])],
        "L1 %": round(averages["L1 %"], 2),
        "texture": round(texture, 1),
        **(learned(row.fills, cases) if learned else {}),
        "ms": round(float(np.median(row.milliseconds))),
        "fills": len(cases),
    }
