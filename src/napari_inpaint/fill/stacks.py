"""Stacks whose slices see their neighbours: cut into blocks, filled, and put together again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
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
)
from napari_inpaint.fill.candidates import Fill
from napari_inpaint.fill.jury import summary
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.progress import Progress, share_of


def fill_stacks(
    plan: Plan,
    target: npt.NDArray[Any],
    fill: Hole,
    unknown: Hole,
    more: Mapping[str, Fill],
    errors: npt.NDArray[np.float32] | None,
    progress: Progress,
    core: Slices | None = None,
) -> dict[str, float]:
    """Fill holes in place; return how much each candidate counted.

    Parameters
    ----------
    plan : Plan
        With neighbours. If a backend was named, the holes are filled already, and only slices of
        which nothing was known are filled here.
    target : (leading…, Y, X, C) array
        What is not known is never read.
    fill, unknown : (leading…, Y, X) bool arrays
        What is filled, some pixels, and what is not known.
    more : mapping
        Other candidates in the plane, by their names.
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
        for name, share in _fill(plan, block, more, error, report).items():
            shares[name] = shares.get(name, 0.0) + share
        done += size
        progress(done, total)
    return summary(shares)


def _fill(
    plan: Plan,
    block: Block,
    more: Mapping[str, Fill],
    error: npt.NDArray[np.float32] | None,
    report: Callable[[float], None],
) -> dict[str, float]:
    """Fill a block in place, and its expected error; return how much each candidate counted."""
    shares: dict[str, float] = {}
    nothing = np.broadcast_to(block.nothing_known, block.fill.shape)
    gaps, pixels = block.fill & nothing, block.pixels
    # what lies between gaps has to be filled first, seen slices too
    holes = (block.unknown if gaps.any() else block.fill) & ~nothing
    if gaps.any():
        block = replace(block, pixels=pixels.copy())

    def put(part: Block, mixed: Mixed) -> None:
        part.pixels[part.fill] = intensity.as_type(mixed.values, pixels.dtype)
        if error is not None:
            own = block.fill & part.fill
            error[own] = mixed.errors[own[part.fill]]
        for name, share in mixed.shares.items():
            shares[name] = shares.get(name, 0.0) + share

    if plan.weighs and holes.any():
        part = replace(block, fill=holes)
        put(part, fill_block(part, more, plan.device.device, report))
    if gaps.any():
        part = replace(block, fill=gaps)
        put(part, fill_gaps(part, report))
        pixels[block.fill] = block.pixels[block.fill]
    return shares


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
            own, seen = zip(*block, strict=True)
            wanted = np.zeros(stack[seen].shape, bool)
            inner = tuple(
                slice(mine.start - all_.start, mine.stop - all_.start)
                for mine, all_ in zip(own, seen, strict=True)
            )
            wanted[inner] = stack[own]
            if wanted.any():
                parts = (target[index][seen], wanted, unknown[index][seen])
                yield Block(*parts, axes, **seeing), None if errors is None else errors[index][seen]
