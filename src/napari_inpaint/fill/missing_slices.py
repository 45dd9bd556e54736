"""Slices of which nothing is known: filled along the axis, from the slices before and after.

Known slices nearby are taken for missing too (pseudo-missing slices), and a jury weighs what the
candidates say of them, as it does in `blocks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays.masks import Hole
from napari_inpaint.fill.candidates import NEAR, Found, Pixels, plate_3d
from napari_inpaint.fill.jury import judge

PSEUDO = 4  # slices
BEYOND = 2  # slices behind the nearest known ones
SAMPLE = 10_000  # pixels of each
NEW = 1_500  # of which tell something new: slices are each of one kind


@dataclass(frozen=True)
class FilledSlices:
    """Missing slices and their expected errors, (*N, Y, X, C), and how much candidates count."""

    values: Pixels
    errors: Pixels
    shares: dict[str, float]


def fill_missing_slices(
    pixels: Pixels,
    unknown: Hole,
    whole: npt.NDArray[np.bool_],
    missing: Hole,
    axes: str,
    report: Callable[[float], None],
) -> FilledSlices:
    """Fill slices of which nothing is known.

    Parameters
    ----------
    pixels : (*N, Y, X, C) float32 array
        Filled, where a slice is not missing.
    unknown : (*N, Y, X) bool array
        What was not known; a jury believes the rest alone.
    whole : (*N) bool array
        Which slices are missing.
    missing : (*N, Y, X) bool array
        What to fill of them.
    axes : str
        The letters of the neighbour axes N.
    report : callable
        Called again and again; what it raises ends the work.
    """
    values, errors = np.zeros_like(pixels), np.zeros_like(pixels)
    shares: dict[str, float] = {}
    for index in map(tuple, np.argwhere(missing.any(axis=(-2, -1)))):
        stacks = {
            letter.lower(): _Stack.through(pixels, unknown, whole, index, axis)
            for axis, letter in enumerate(axes)
        }
        found = []
        for (name, stack), at in zip(stacks.items(), index, strict=True):
            report(1.0)
            if any(stack.sides(at)):
                found.append(_judged(stack, at, name))
        # of two axes, that which is expected to err less
        mix, error, counted = min(found, key=lambda each: np.nan_to_num(each[1].mean(), nan=np.inf))
        values[index], errors[index] = (x.reshape(values[index].shape) for x in (mix, error))
        for name, share in counted.items():
            shares[name] = shares.get(name, 0.0) + share
    return FilledSlices(values, errors, shares)


def _judged(stack: _Stack, at: int, name: str) -> tuple[Pixels, Pixels, dict[str, float]]:
    """Return a missing slice and its expected error, (N, C), and how much candidates count."""
    sides = stack.sides(at)
    found = {f"{kind} {name}": each for kind, each in stack.candidates(at, *sides)}
    heard = list(stack.pseudo(at, *sides, name))
    # here or there, there may be too few slices for some of them
    heard = [each for each in heard if found.keys() <= each[0].values.keys()] or heard
    names = [each for each in found if all(each in said.values for said, _ in heard)]
    said, truth = [each for each, _ in heard], [each for _, each in heard]
    verdict = judge(said, truth, names, NEW * len(heard), evenly=True)
    every = _found({each: found[each].reshape(-1, found[each].shape[-1]) for each in names})
    return *verdict.mixed(every), verdict.shares(every)


def _found(values: dict[str, Pixels]) -> Found:
    count = len(next(iter(values.values())))
    return Found(values, np.zeros(count, np.float32), np.full(count, NEAR, np.int8))


@dataclass(frozen=True)
class _Stack:
    """The slices along one axis: (D, Y, X, C), (D, Y, X) and which are missing, (D,)."""

    pixels: Pixels
    unknown: Hole
    whole: npt.NDArray[np.bool_]

    @classmethod
    def through(
        cls,
        pixels: Pixels,
        unknown: Hole,
        whole: npt.NDArray[np.bool_],
        index: tuple[int, ...],
        axis: int,
    ) -> _Stack:
        """Return the stack along an axis in which a slice lies."""
        others = index[:axis] + index[axis + 1 :]
        return cls(
            *(np.moveaxis(each, axis, len(others))[others] for each in (pixels, unknown, whole))
        )

    def sides(self, at: int) -> tuple[int, int]:
        """Return how far the nearest known slices before and after are; 0: there is none."""
        known = np.flatnonzero(~self.whole) - at
        before, after = known[known < 0], known[known > 0]
        return (-int(before[-1]) if len(before) else 0, int(after[0]) if len(after) else 0)

    def candidates(self, at: int, before: int, after: int) -> Iterator[tuple[str, Pixels]]:
        """Return what a slice may be, from those so far before and after."""
        from napari_inpaint.weightless import neighbours

        first, last = (self.pixels[each] for each in (at - before, at + after))
        if before and after:
            share = before / (before + after)
            yield "line", (1 - share) * first + share * last
            yield "flow", neighbours.missing_slice(first, last, share)
        else:
            yield "line", first if before else last
        yield "thin plate", self._plate(at, before, after)
        whole = np.flatnonzero(~self.whole).tolist()
        for kind, wide in (("regression", False), ("wide regression", True)):
            found = neighbours.predicted_slice(self.pixels, whole, at, before, after, wide=wide)
            if found is not None:
                yield kind, found

    def _plate(self, at: int, before: int, after: int) -> Pixels:
        """Return a slice of the thin plate over those around it, all as far apart as pixels are.

        As far as is measured on the image, slices would say too little of the plane.
        """
        start = max(at - before - BEYOND, 0)
        near = slice(start, at + after + BEYOND + 1)
        known = ~self.whole[near]
        known[at - start] = False
        seen = known[:, np.newaxis, np.newaxis] & np.ones(self.pixels.shape[1:3], bool)
        values = np.where(seen[..., np.newaxis], self.pixels[near], np.float32(0))
        plate: Pixels = plate_3d(values, seen, "cpu", s=1.0)[at - start]
        return plate

    def pseudo(self, at: int, before: int, after: int, name: str) -> Iterator[tuple[Found, Pixels]]:
        """Return what is said of known slices nearby as if they were missing, and the truth."""
        known = ~self.whole
        length = len(known)
        usable = [
            each
            for each in np.flatnonzero(known).tolist()
            if each - before >= 0
            and each + after < length
            and known[each - before]
            and known[each + after]
        ]
        for each in sorted(usable, key=lambda other: abs(other - at))[:PSEUDO]:
            seen = np.flatnonzero(~self.unknown[each])
            seen = seen[:: len(seen) // SAMPLE + 1]
            said = {
                f"{kind} {name}": candidate.reshape(-1, candidate.shape[-1])[seen]
                for kind, candidate in self.candidates(each, before, after)
            }
            truth = self.pixels[each].reshape(-1, self.pixels.shape[-1])[seen]
            if len(seen):
                yield _found(said), truth
