"""Scores of fills of stacks: holes that move, holes that stay, missing slices; beside simple fills.

Every row sees the same holes of the same stacks. A stack is read with slices first, (Z or T, Y, X),
and cropped around its middle. dB are over hole pixels, with the truth's 0.5 to 99.8 percentiles as
peak. Rows:

- ``in the plane``: the plugin, each slice by itself (``along="none"``);
- ``line``: straight between the nearest known slices; where there are none, as biharmonic 2-D;
- ``flow``: the mean of both neighbours along optical flow, found on fills in the plane;
- ``biharmonic 2-D``, ``biharmonic 3-D``: scikit-image's;
- ``auto``: the plugin.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import inpaint_biharmonic
from tqdm import tqdm

from napari_inpaint.api import inpaint
from napari_inpaint.files import formats
from training.data.holes import irregular
from training.scores.tables import markdown

Floats = NDArray[np.floating]
Holes = NDArray[np.bool_]
Fill = Callable[[NDArray[Any], Holes], Floats]

SUFFIXES = (".tif", ".tiff", ".npy")
KINDS = ("moving", "fixed", "missing")
SHARE = (0.1, 0.2)  # of each slice
EVERY = 5  # slices: one of so many is missing
PERCENTILES = (0.5, 99.8)
WITHIN = 1.645  # expected errors
AUTO, PLANE = "auto", "in the plane"


@dataclass(frozen=True)
class Score:
    """One fill of one stack: dB over hole pixels, and seconds."""

    decibels: float
    seconds: float


@dataclass(frozen=True)
class StackScores:
    """What was measured on one stack with one kind of hole.

    Attributes
    ----------
    name, kind : str
    rows : dict of str to Score
    within : float or None
        Share of hole pixels whose truth lies within 1.645 expected errors, where these are told;
        None where none is.
    flicker : float or None
        Mean change from slice to slice in holes that stay, over that of known pixels beside them.
    """

    name: str
    kind: str
    rows: dict[str, Score]
    within: float | None
    flicker: float | None


def read_stacks(folder: Path, slices: int, side: int) -> Iterator[tuple[str, NDArray[Any]]]:
    """Return the middles of the stacks in a folder, (D, Y, X).

    Raises
    ------
    ValueError
        If there is none.
    """
    paths = sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} has no stack in it; expected TIFF or NPY files.")
    for path in paths:
        array = formats.read(path).array
        if array.ndim != 3 or len(array) < 3:
            raise ValueError(
                f"{path} has the shape {array.shape}; expected 3 slices or more, first."
            )
        parts = (
            slice((length - part) // 2, (length - part) // 2 + part)
            for length, part in zip(
                array.shape, np.minimum(array.shape, (slices, side, side)), strict=True
            )
        )
        yield path.stem, array[tuple(parts)]


def draw_holes(kind: str, shape: tuple[int, ...], seed: int) -> Holes:
    """Return holes of a kind in a stack (D, Y, X)."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    depth, height, width = shape
    if kind == "fixed":
        return np.broadcast_to(irregular(rng, height, width, *SHARE), shape).copy()
    if kind == "moving":
        return np.stack([irregular(rng, height, width, *SHARE) for _ in range(depth)])
    hole = np.zeros(shape, bool)
    hole[min(2, depth // 2) : depth - 1 : EVERY] = True
    return hole


def biharmonic_2d(stack: NDArray[Any], hole: Holes) -> Floats:
    """Fill each slice by itself."""
    pairs = zip(stack.astype(np.float64), hole, strict=True)
    return np.stack([inpaint_biharmonic(each, where) for each, where in pairs])


def biharmonic_3d(stack: NDArray[Any], hole: Holes) -> Floats:
    """Fill the stack as a volume."""
    filled: Floats = inpaint_biharmonic(stack.astype(np.float64), hole)
    return filled


def line(stack: NDArray[Any], hole: Holes) -> Floats:
    """Fill straight between the nearest known slices; where there are none, in the plane."""
    filled = stack.astype(np.float64)
    depth = np.arange(len(stack))
    for y, x in np.argwhere(hole.any(axis=0) & ~hole.all(axis=0)):
        known = ~hole[:, y, x]
        filled[:, y, x] = np.interp(depth, depth[known], filled[known, y, x])
    always = np.broadcast_to(hole.all(axis=0), hole.shape).copy()
    return biharmonic_2d(filled, always) if always.any() else filled


def flow(stack: NDArray[Any], hole: Holes) -> Floats:
    """Fill with the mean of both neighbours along the flow, or else in the plane."""
    whole = hole.all(axis=(1, 2), keepdims=True)
    start = line(stack, hole & whole) if whole.any() else stack
    base = biharmonic_2d(start, hole & ~whole)
    low, high = np.percentile(stack[~hole], PERCENTILES)
    grey = (np.clip((base - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    rows, columns = np.indices(stack.shape[1:], np.float32)
    filled = base.copy()
    for here in np.flatnonzero(hole.any(axis=(1, 2))):
        total, count = np.zeros(stack.shape[1:]), np.zeros(stack.shape[1:])
        for there in (here - 1, here + 1):
            if not 0 <= there < len(stack) or hole[there].all():
                continue
            moved = search.calc(grey[here], grey[there], np.zeros((*rows.shape, 2), np.float32))
            at = columns + moved[..., 0], rows + moved[..., 1]
            known = cv2.remap((~hole[there]).astype(np.float32), *at, cv2.INTER_LINEAR) > 0.99
            value = cv2.remap(base[there].astype(np.float32), *at, cv2.INTER_LINEAR)
            total[known] += value[known]
            count += known
        told = hole[here] & (count > 0)
        filled[here][told] = total[told] / count[told]
    return filled


def in_the_plane(stack: NDArray[Any], hole: Holes) -> Floats:
    """Fill as the plugin does, each slice by itself."""
    filled: Floats = inpaint(stack, hole, axes="ZYX", along="none")
    return filled


RIVALS: dict[str, Fill] = {
    PLANE: in_the_plane,
    "line": line,
    "flow": flow,
    "biharmonic 2-D": biharmonic_2d,
    "biharmonic 3-D": biharmonic_3d,
}
ALONG = frozenset({"line", "flow", "biharmonic 3-D"})
"""What can fill missing slices."""


def score_stack(name: str, stack: NDArray[Any], kind: str, seed: int) -> StackScores:
    """Fill a stack in all ways; what is in the holes is hidden from all of them."""
    hole = draw_holes(kind, stack.shape, seed)
    damaged = np.where(hole, stack.dtype.type(0), stack)
    low, high = np.percentile(stack, PERCENTILES)
    truth = stack[hole].astype(np.float64)

    def decibels(filled: Floats) -> float:
        error = np.mean((filled[hole].astype(np.float64) - truth) ** 2)
        return float(10 * np.log10((high - low) ** 2 / max(error, 1e-30)))

    rows = {}
    for rival, fill in RIVALS.items():
        if kind != "missing" or rival in ALONG:
            start = time.perf_counter()
            filled = fill(damaged, hole)
            rows[rival] = Score(decibels(filled), time.perf_counter() - start)
    start = time.perf_counter()
    result = inpaint(damaged, hole, axes="ZYX", report=True)
    rows[AUTO] = Score(decibels(result.image), time.perf_counter() - start)
    off = np.abs(result.image[hole].astype(np.float64) - truth)
    error = result.error[hole]
    told = np.isfinite(error)
    within = float(np.mean(off[told] <= WITHIN * error[told])) if told.any() else None
    changes = flicker(result.image, hole) if kind == "fixed" else None
    return StackScores(name, kind, rows, within, changes)


def flicker(filled: NDArray[Any], hole: Holes) -> float:
    """Return the mean change from slice to slice in the holes, over that of known pixels beside."""
    near = cv2.dilate(hole[0].astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    change = np.abs(np.diff(filled.astype(np.float64), axis=0))
    beside = change[:, near & ~hole[0]].mean()
    return float(change[:, hole[0]].mean() / max(beside, 1e-30))


def score_stacks(folder: Path, slices: int, side: int) -> list[StackScores]:
    """Score all stacks in a folder with all kinds of holes."""
    stacks = list(read_stacks(folder, slices, side))
    todo = [(name, stack, kind) for kind in KINDS for name, stack in stacks]
    return [
        score_stack(name, stack, kind, seed % len(stacks))
        for seed, (name, stack, kind) in enumerate(tqdm(todo, unit="stack"))
    ]


def stack_tables(scores: list[StackScores]) -> str:
    """Draw the scores as Markdown, a table for each kind of hole, and what they come to."""
    parts = []
    for kind in dict.fromkeys(each.kind for each in scores):
        mine = [each for each in scores if each.kind == kind]
        names = list(mine[0].rows)
        head = [f"{kind} holes, dB", *names, "gain", "within", "time"]
        head += ["flicker"] if kind == "fixed" else []
        lines = [_line(each, names) for each in mine]
        means = [f"{np.mean([each.rows[n].decibels for each in mine]):.2f}" for n in names]
        gains = np.array([_gain(each) for each in mine])
        told = [each.within for each in mine if each.within is not None]
        within = f"{np.mean(told):.2f}" if told else ""
        total = ["*mean*", *means, f"{gains.mean():+.2f}", within, ""]
        total += [f"{np.mean([each.flicker or 0 for each in mine]):.2f}"] if kind == "fixed" else []
        good = np.mean(gains >= -0.1)
        note = f"At least as good as the best other row, but for 0.1 dB: {good:.0%} of the stacks."
        parts += [markdown(head, [*lines, total]), note]
    return "\n\n".join(parts)


def _gain(scores: StackScores) -> float:
    others = (row.decibels for name, row in scores.rows.items() if name != AUTO)
    return scores.rows[AUTO].decibels - max(others)


def _line(scores: StackScores, names: list[str]) -> list[str]:
    cells = [f"{scores.rows[name].decibels:.2f}" for name in names]
    ratio = scores.rows[AUTO].seconds / scores.rows["biharmonic 3-D"].seconds
    within = "" if scores.within is None else f"{scores.within:.2f}"
    more = [f"{_gain(scores):+.2f}", within, f"{ratio:.1f}"]
    more += [] if scores.flicker is None else [f"{scores.flicker:.2f}"]
    return [scores.name, *cells, *more]
