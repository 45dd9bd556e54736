"""Stacks whose slices see their neighbours: cut into blocks, filled, and put together again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.fill.blocks import (
    CONTEXT,
    Block,
    Mixed,
    Slices,
    blocks_along,
    fill_block,
    fill_gaps,
    is_sparse,
)
from napari_inpaint.fill.candidates import Others
from napari_inpaint.fill.holes import Holes
from napari_inpaint.fill.jury import summary
from napari_inpaint.fill.measured import measure_errors
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.progress import Progress, share_of
from napari_inpaint.fill.thin import fill_thin_holes

LARGEST = float(np.finfo(np.float32).max)  # that an expected error can be


def fill_stacks(
    plan: Plan,
    target: npt.NDArray[Any],
    fill: Hole,
    unknown: Hole,
    others: Others,
    errors: npt.NDArray[np.float32] | None,
    progress: Progress,
    core: Slices | None = None,
) -> dict[str, float]:
    """Fill holes in place; return how much each candidate counted.

    Parameters
    ----------
    plan : Plan
        If a backend was named, the holes are filled already, and only slices of which nothing was
        known are filled here.
    target : (leading…, Y, X, C) array
        What is not known is never read.
    fill, unknown : (leading…, Y, X) bool arrays
        What is filled, some pixels, and what is not known.
    others : Others
        Candidates beside those without weights.
    errors : (leading…, Y, X, C) float32 array or None
        Where expected errors are written to, in the image's units.
    progress : callable
        Called with (done, total) px.
    core : tuple of slice, optional
        The slices along the neighbour axes that make one block; by default there are as many
        blocks as it takes.
    """
    total, done = int(np.count_nonzero(fill)), 0
    shares: dict[str, float] = {}
    for block, error in _blocks(plan, target, fill, unknown, errors, core):
        size = int(np.count_nonzero(block.fill))
        report = share_of(progress, done, size, total)
        for name, share in _fill(plan, block, others, error, report).items():
            shares[name] = shares.get(name, 0.0) + share
        done += size
        progress(done, total)
    return summary(shares)


def _fill(
    plan: Plan,
    block: Block,
    others: Others,
    error: npt.NDArray[np.float32] | None,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Fill a block in place, and its expected error; return how much each candidate counted."""
    shares: dict[str, float] = {}
    nothing = np.broadcast_to(block.nothing_known, block.fill.shape)
    gaps, pixels = block.fill & nothing, block.pixels
    # what lies between gaps has to be filled first, seen slices too, and what stays missing
    holes = (block.unknown if gaps.any() else block.fill) & ~nothing
    if gaps.any():
        block = replace(block, pixels=pixels.copy())

    def put(part: Block, mixed: Mixed) -> None:
        part.pixels[part.fill] = intensity.as_type(mixed.values, pixels.dtype)
        own = block.fill & part.fill
        if error is not None:
            error[own] = mixed.errors[own[part.fill]].clip(max=LARGEST)
        counted = np.count_nonzero(own) / np.count_nonzero(part.fill)
        for name, share in mixed.shares.items():
            shares[name] = shares.get(name, 0.0) + share * counted

    part = replace(block, fill=holes)
    if plan.weighs and block.count and is_sparse(part):
        part = _without_thin(part, error)
    if (plan.weighs or gaps.any()) and part.fill.any():
        put(part, fill_block(part, others, plan.device.device, report))
    if gaps.any():
        part = replace(block, fill=gaps)
        put(part, fill_gaps(part, report))
        pixels[block.fill] = block.pixels[block.fill]
    return shares


def _without_thin(block: Block, error: npt.NDArray[np.float32] | None) -> Block:
    """Fill thin holes in the plane, in place, and their expected error; return what is left."""
    left, unknown, _ = fill_thin_holes(block.pixels, block.fill, block.unknown)
    if error is not None:
        thin = Holes(block.fill & ~left, block.unknown)
        measure_errors(fill_thin_holes, block.pixels, thin, block.context, error)
    return replace(block, fill=left, unknown=unknown)


def _blocks(
    plan: Plan,
    target: npt.NDArray[Any],
    fill: Hole,
    unknown: Hole,
    errors: npt.NDArray[np.float32] | None,
    core: Slices | None,
) -> Iterator[tuple[Block, npt.NDArray[np.float32] | None]]:
    """Return blocks, views of the stack, and where their expected errors belong."""
    leading, axes = plan.axes.leading, plan.neighbours
    # what is no neighbour axis comes first: each of its slices is a stack of its own
    order = [leading.index(each) for each in leading if each not in axes]
    order += [leading.index(each) for each in axes]

    def stacks(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return array.transpose([*order, *range(len(order), array.ndim)])

    target, fill, unknown = stacks(target), stacks(fill), stacks(unknown)
    errors = None if errors is None else stacks(errors)
    options = plan.options
    seeing: dict[str, Any] = {"photo": plan.axes.is_photo, "halo": plan.halo}
    seeing |= {"context": options.context or CONTEXT, "feather": options.feather}
    for index in np.ndindex(fill.shape[: len(leading) - len(axes)]):
        stack = fill[index]
        lengths = stack.shape[:-2]
        along = blocks_along(lengths, plan.halo)
        if core is not None:
            along = [[(own, slice(0, n))] for own, n in zip(core, lengths, strict=True)]
        for block in itertools.product(*along):
            own, seen = (tuple(each[i] for each in block) for i in (0, 1))
            wanted = np.zeros(stack[seen].shape, bool)
            inner = tuple(
                slice(mine.start - all_.start, mine.stop - all_.start)
                for mine, all_ in zip(own, seen, strict=True)
            )
            wanted[inner] = stack[own]
            if wanted.any():
                parts = (target[index][seen], wanted, unknown[index][seen])
                yield Block(*parts, axes, **seeing), None if errors is None else errors[index][seen]
