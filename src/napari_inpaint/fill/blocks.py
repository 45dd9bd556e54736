"""Blocks of slices, filled by several candidates and a jury: the way of "auto" in stacks.

A block is a few slices along each neighbour axis, the core, with a halo of slices that they see.
What a block gives depends on its own slices alone, so that it is the same in memory and in a task
of a lazy array. In the plane, holes near each other go in windows with context.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity, masks
from napari_inpaint.arrays.boxes import bounds, crop_slices
from napari_inpaint.arrays.intensity import Limits
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.arrays.regions import Region
from napari_inpaint.fill.candidates import Found, Others, Pixels, find_candidates
from napari_inpaint.fill.jury import judge
from napari_inpaint.fill.missing_slices import fill_missing_slices
from napari_inpaint.fill.pseudo_holes import (
    any_slice,
    independent_pixels,
    pseudo_holes,
    regions_through,
)

if TYPE_CHECKING:
    import torch

CORE = 8  # slices of a block along a neighbour axis
CONTEXT = 32  # px around a hole
MANY, SPARSE = 1 << 20, 500  # voxels, at all and for each pixel of a hole: some seconds

Slices = tuple[slice, ...]
"""Of each neighbour axis."""


@dataclass(frozen=True)
class Block:
    """Slices to fill and what they see.

    Attributes
    ----------
    pixels : (*N, Y, X, C) array
        Of the image's own type; N are the neighbour axes.
    fill, unknown : (*N, Y, X) bool arrays
    axes : str
        The letters of N.
    photo : bool
        Whether the channels are those of a photograph.
    halo : int
        Slices that are seen on either side.
    context : int
        Known margin around a hole that is looked at, px.
    feather : int
        Over so many px a fill is blended into its surroundings.
    """

    pixels: npt.NDArray[Any]
    fill: Hole
    unknown: Hole
    axes: str
    photo: bool
    halo: int
    context: int = CONTEXT
    feather: int = 0

    @property
    def count(self) -> int:
        """How many neighbour axes there are."""
        return len(self.axes)

    @property
    def nothing_known(self) -> npt.NDArray[np.bool_]:
        """Which slices have no known pixel, (*N, 1, 1)."""
        return np.asarray(self.unknown.all(axis=(-2, -1), keepdims=True))

    def limits(self) -> Limits:
        """Return what becomes 0 and 1: robust limits of the known pixels near the holes."""
        near, known = self._near()
        sample = np.flatnonzero(known.ravel())
        at = np.unravel_index(sample[:: len(sample) // intensity.SAMPLE + 1 | 1], known.shape)
        values = near[at][:, np.newaxis]
        return intensity.limits_of(values, np.zeros(values.shape[:2], bool), photo=self.photo)

    def known_range(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the least and the greatest known value near the holes, (C,)."""
        near, known = self._near()
        values = near[known]
        return values.min(axis=0), values.max(axis=0)

    def _near(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Return the pixels around the holes, (*N, h, w, C), and which are known: some."""
        rows, columns = _grown(self.fill, self.context)
        if self.unknown[..., rows, columns].all():
            rows = columns = slice(None)
        return self.pixels[..., rows, columns, :], ~self.unknown[..., rows, columns]


@dataclass(frozen=True)
class Mixed:
    """What a block was filled with, in the order of ``np.nonzero`` of its hole.

    Attributes
    ----------
    values, errors : (N, C) float64 arrays
        The fill and its expected error, in the image's units.
    shares : dict of str to float
        How many pixels each candidate counts for.
    """

    values: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    shares: dict[str, float]

    @classmethod
    def of(
        cls, block: Block, limits: Limits, values: Pixels, errors: Pixels, shares: dict[str, float]
    ) -> Mixed:
        """Return what was found on the scale of these limits: no more than the block knows."""
        span, (low, high) = limits.high - limits.low, block.known_range()
        filled = limits.low + values.astype(np.float64) * span
        return cls(filled.clip(low, high), errors.astype(np.float64) * span, shares)


def blocks_along(lengths: Sequence[int], halo: int) -> list[list[tuple[slice, slice]]]:
    """Return for each neighbour axis the cores, and the slices that each sees.

    Parameters
    ----------
    lengths : sequence of int
        Of the neighbour axes.
    halo : int
        Slices that are seen on either side.
    """
    cores = ([slice(at, min(at + CORE, n)) for at in range(0, n, CORE)] for n in lengths)
    return [
        [(core, _grown_by(halo, core, length)) for core in along]
        for along, length in zip(cores, lengths, strict=True)
    ]


def is_sparse(block: Block) -> bool:
    """Return whether so much would be looked at for so few pixels that it is not worth it."""
    if not block.fill.any():
        return False
    windows = _windows(block.fill, block.unknown, block)
    voxels = 0
    for slices, region in windows:
        voxels += region.hole.size * math.prod(each.stop - each.start for each in slices)
    return voxels > max(MANY, SPARSE * int(np.count_nonzero(block.fill)))


def _grown_by(halo: int, core: slice, length: int) -> slice:
    """Return slices with those that they see."""
    return slice(max(core.start - halo, 0), min(core.stop + halo, length))


def fill_block(
    block: Block,
    others: Others,
    device: torch.device,
    report: Callable[[float], None],
) -> Mixed:
    """Fill what is hole in a block, in slices of which something is known.

    Parameters
    ----------
    block : Block
    others : Others
        Other candidates; those in the plane for single images alone.
    device : torch.device
    report : callable
        Called with the share that is done; what it raises ends the work.
    """
    limits = block.limits()
    if block.count:  # a network on every slice costs more than all that neighbours say
        others = replace(others, plane={})
    part = _Part(block, limits, others, device, report)
    values, errors, shares = part.filled()
    if block.feather:
        values = _feathered(block, limits, values)
    return Mixed.of(block, limits, values, errors, shares)


def fill_gaps(block: Block, report: Callable[[float], None]) -> Mixed:
    """Fill slices of a block of which nothing is known.

    Parameters
    ----------
    block : Block
        Its ``fill`` are such slices; all others have pixels that are known, or filled.
    report : callable
        As in `fill_block`.
    """
    limits = block.limits()
    whole = block.nothing_known
    nothing = np.broadcast_to(whole, block.fill.shape)
    scaled = _scaled(block.pixels, nothing, limits)
    found = fill_missing_slices(
        scaled, block.unknown, whole[..., 0, 0], block.fill, block.axes, report
    )
    filled = found.values[block.fill], found.errors[block.fill]
    return Mixed.of(block, limits, *filled, found.shares)


def _feathered(block: Block, limits: Limits, values: Pixels) -> Pixels:
    """Blend a fill (N, C) into its surroundings in each slice."""
    filled = np.zeros((*block.fill.shape, values.shape[1]), np.float32)
    filled[block.fill] = values
    for index in np.ndindex(block.fill.shape[:-2]):
        hole = block.unknown[index]
        if block.fill[index].any():
            slice_ = _scaled(block.pixels[index], hole, limits)
            filled[index] = masks.feather(filled[index], slice_, hole, block.feather)
    return filled[block.fill]


@dataclass(frozen=True)
class _Part:
    """The holes of a block in slices of which something is known."""

    block: Block
    limits: Limits
    others: Others
    device: torch.device
    report: Callable[[float], None]

    def filled(self) -> tuple[Pixels, Pixels, dict[str, float]]:
        """Return the fill, its expected error, both (N, C), and how much candidates count."""
        block, share = self.block, 0.5
        only = self.others.only(block.axes)
        pseudo = pseudo_holes(block.fill, block.unknown, block.context)
        heard = [
            (found, truth)
            for found, truth, _ in self._asked(pseudo, block.unknown | pseudo, only, 0.0, share)
        ]
        verdict = None
        if heard:
            names = [name for name in heard[0][0].values if only is None or name in only]
            said, truth = ([each[i] for each in heard] for i in (0, 1))
            verdict = judge(said, truth, names, independent_pixels(pseudo))  # type: ignore[arg-type]
        shape = (*block.fill.shape, block.pixels.shape[-1])
        values, errors = (np.zeros(shape, np.float32) for _ in range(2))
        shares: dict[str, float] = {}
        needed = only if verdict is None else verdict.used
        for found, _, at in self._asked(block.fill, block.unknown, needed, share, 1.0):
            verdict = verdict or judge([], [], sorted(only or found.values))
            values[at], errors[at] = verdict.mixed(found)
            for name, counted in verdict.shares(found).items():
                shares[name] = shares.get(name, 0.0) + counted
        return values[block.fill], errors[block.fill], shares

    def _asked(
        self,
        wanted: Hole,
        unknown: Hole,
        only: frozenset[str] | None,
        begin: float,
        end: float,
    ) -> Iterator[tuple[Found, Pixels, tuple[npt.NDArray[np.intp], ...]]]:
        """Ask candidates window by window; return what they say, what is there, and where."""
        windows = _windows(wanted, unknown, self.block)
        for number, (slices, region) in enumerate(windows):
            share = begin + (end - begin) * number / len(windows)
            pixels, dark, hole, own = (
                crop_slices(each[slices], region.box, self.block.count)
                for each in (self.block.pixels, self.block.unknown, unknown, wanted)
            )
            own = own & region.own
            scaled = _scaled(pixels, dark, self.limits)
            found = find_candidates(
                np.where(hole[..., None], np.float32(0), scaled),
                hole,
                own,
                self.block.axes,
                self.others,
                self.device,
                lambda share=share: self.report(share),  # type: ignore[misc]
                only,
            )
            at = np.nonzero(own)
            where = tuple(
                each + start
                for each, start in zip(
                    at,
                    (*(each.start for each in slices), region.box.top, region.box.left),
                    strict=True,
                )
            )
            yield found, scaled[at], where
        self.report(end)


def _windows(wanted: Hole, unknown: Hole, block: Block) -> list[tuple[Slices, Region]]:
    """Return which slices to look at, and where."""
    found = []
    count = block.count
    for region in regions_through(wanted, unknown, block.context):
        own = crop_slices(wanted, region.box, count) & region.own
        slices = []
        for axis in range(count):
            others = tuple(each for each in range(own.ndim) if each != axis)
            used = np.flatnonzero(own.any(axis=others))
            core = slice(int(used[0]), int(used[-1]) + 1)
            slices.append(_grown_by(block.halo, core, own.shape[axis]))
        if crop_slices(unknown[tuple(slices)], region.box, count).all():
            slices = [slice(0, length) for length in own.shape[:count]]
        found.append((tuple(slices), region))
    return found


def _grown(fill: Hole, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of what is filled, and some more."""
    box = bounds(any_slice(fill))
    return (
        slice(max(box.top - margin, 0), box.bottom + margin),
        slice(max(box.left - margin, 0), box.right + margin),
    )


def _scaled(pixels: npt.NDArray[Any], unknown: Hole, limits: Limits) -> Pixels:
    """Return pixels with the limits as 0 and 1, and 0 where they are not known."""
    safe = np.where(unknown[..., None], pixels.dtype.type(0), pixels).astype(np.float64)
    span = np.where(limits.high > limits.low, limits.high - limits.low, 1)
    scaled = ((safe - limits.low) / span).astype(np.float32)
    scaled[unknown] = 0
    return scaled
