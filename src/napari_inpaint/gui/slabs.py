"""Planes filled from their neighbours: slices that lie side by side are read and filled together.

A slab has as many slices as a block of `fill.stacks`, so that a stack is filled as it would be as a
whole, but no more of it is read than is needed, and never much at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.arrays.axes import Axes
from napari_inpaint.errors import ShapeError
from napari_inpaint.fill.blocks import CORE
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.jury import summary
from napari_inpaint.fill.progress import share_of
from napari_inpaint.gui.planes import within

if TYPE_CHECKING:
    from napari_inpaint.fill.plan import Plan
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.gui.image_layers import Index
    from napari_inpaint.gui.planes import Planes, Slices

PLACE = re.compile(r"\b([A-Z])=(\d+)")  # how an error says where a slice lies


@dataclass(frozen=True)
class Slab:
    """Slices that are filled together, and what they see; both along all axes but a plane's.

    Attributes
    ----------
    core : tuple of slice
        Where they lie.
    seen : tuple of slice
        The same with the slices on either side.
    """

    core: Slices
    seen: Slices

    @classmethod
    def of(cls, plan: Plan, index: Index, *, alone: bool) -> Slab:
        """Return the slab in which a plane lies, or that in which it is filled alone."""
        core, seen = [], []
        lengths = plan.axes.shape[: len(index)]
        for letter, length, at in zip(plan.axes.leading, lengths, index, strict=True):
            near = letter in plan.neighbours
            first, last = at, at + 1
            if near and not alone:
                first = at - at % CORE
                last = min(first + CORE, length)
            reach = plan.halo if near else 0
            core.append(slice(first, last))
            seen.append(slice(max(first - reach, 0), min(last + reach, length)))
        return cls(tuple(core), tuple(seen))

    def inner(self, plan: Plan) -> Slices:
        """Return where its core lies in what it sees, along the plan's neighbour axes."""
        return tuple(
            slice(own.start - all_.start, own.stop - all_.start)
            for letter, own, all_ in zip(plan.axes.leading, self.core, self.seen, strict=True)
            if letter in plan.neighbours
        )


def fill_planes(planes: Planes, progress: Progress, *, error: bool = False) -> Filled:
    """Fill planes as their plan says.

    Returns
    -------
    Filled
        Of the planes, (N, h, w) or (N, h, w, 3), and what made them.
    """
    if planes.plan is None:
        raise ValueError("These planes were chosen without a plan.")
    if planes.near is None:
        return _fill_each(planes, planes.plan, progress, error=error)
    return _fill_slabs(planes, planes.plan, progress, error=error)


def _fill_each(planes: Planes, plan: Plan, progress: Progress, *, error: bool) -> Filled:
    """Fill each plane by itself, whatever lies beside it."""
    read = planes.read()
    alone = replace(plan, axes=Axes(_letters(plan), read.shape), neighbours="")
    try:
        return fill_image(alone, read, planes.hole, progress=progress, error=error)
    except ShapeError as problem:
        raise _told(problem, lambda _, at: _named(plan, planes.indices[at])) from None


def _fill_slabs(planes: Planes, plan: Plan, progress: Progress, *, error: bool) -> Filled:
    """Fill planes with their neighbours in view, slab by slab."""
    started = time.perf_counter()
    hole = np.zeros_like(planes.hole)
    shape = (*hole.shape, *planes.source.shape[len(plan.axes.leading) + 2 :])
    image = np.empty(shape, planes.source.dtype)
    errors = np.zeros(shape, np.float32) if error else None
    sizes = np.count_nonzero(planes.hole, axis=(1, 2)) + 1  # what is missing is not counted yet
    done, total, records = 0, int(sizes.sum()), []
    for slab, numbers in _slabs(planes, plan):
        size = int(sizes[numbers].sum())
        report = share_of(progress, done, size, total)
        filled = _fill_slab(planes, plan, slab, report, error=error)
        at = [within(slab.seen, planes.indices[number]) for number in numbers]
        for number, place in zip(numbers, at, strict=True):
            image[number], hole[number] = filled.image[place], filled.hole[place]
            if errors is not None and filled.error is not None:
                errors[number] = filled.error[place]
        records.append((filled.record, int(np.count_nonzero(hole[numbers]))))
        done += size
        progress(done, total)
    record = _joined(records, plan, time.perf_counter() - started)
    return Filled(image, hole, record, errors)


def _slabs(planes: Planes, plan: Plan) -> Iterable[tuple[Slab, list[int]]]:
    """Return the slabs in which planes lie, each with their numbers."""
    found: dict[Any, tuple[Slab, list[int]]] = {}
    for number, index in enumerate(planes.indices):
        slab = Slab.of(plan, index, alone=planes.only)
        key = tuple(each.start for each in slab.core)
        found.setdefault(key, (slab, []))[1].append(number)
    return found.values()


def _fill_slab(
    planes: Planes, plan: Plan, slab: Slab, report: Callable[[float], None], *, error: bool
) -> Filled:
    pixels = planes.read_slices(slab.seen, lambda: report(0))

    def progress(done: int, total: int) -> None:
        report(done / total if total else 0)

    try:
        return fill_image(
            plan.of_block(pixels.shape),
            *(pixels, planes.marks_on(slab.seen), None, progress),
            error=error,
            core=slab.inner(plan),
        )
    except ShapeError as problem:
        first = dict(zip(plan.axes.leading, slab.seen, strict=True))
        raise _told(problem, lambda letter, at: f"{letter}={first[letter].start + at}") from None


def _letters(plan: Plan) -> str:
    """Return what the axes of planes are that stand in a row."""
    return "ZYX" + "C" * ("C" in plan.axes.letters)


def _joined(
    records: list[tuple[dict[str, Any], int]], plan: Plan, seconds: float
) -> dict[str, Any]:
    """Return one record of slabs, each with its count of filled pixels."""
    every = [record for record, _ in records]
    shares: dict[str, float] = {}
    for record, size in records:
        for name, share in record.get("shares", {}).items():
            shares[name] = shares.get(name, 0.0) + share * size
    return every[-1] | {
        "artifact": next((each["artifact"] for each in every if each["artifact"]), None),
        "options": every[-1]["options"] | {"axes": _letters(plan)},
        "thin": sum(each["thin"] for each in every),
        "shares": summary(shares),
        "seconds": round(seconds, 3),
    }


def _named(plan: Plan, index: Index) -> str:
    """Say where a plane lies: "T=1 Z=3"."""
    return " ".join(f"{letter}={at}" for letter, at in zip(plan.axes.leading, index, strict=True))


def _told(error: ShapeError, place: Callable[[str, int], str]) -> ShapeError:
    """Return an error that says where slices lie in the image, not in the part that was filled."""
    text = PLACE.sub(lambda said: place(said[1], int(said[2])), str(error))
    return ShapeError(text.replace("max_gap", "max gap"))  # as the form calls it
