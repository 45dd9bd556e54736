"""Several fills of the same holes: in the plane, and along z or t where there are neighbours.

A block is a (*N, H, W, C) float32 array: slices along one or two neighbour axes N, or none, with
the scale of its values about 1. Candidates are asked for at some pixels and are given there alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.masks import Hole

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.float32]
Fill = Callable[[Pixels, Hole], Pixels]
"""Slices (N, H, W, C) and their holes (N, H, W) to the filled slices."""


@dataclass(frozen=True)
class Others:
    """Candidates beside those without weights.

    Attributes
    ----------
    plane : mapping of str to Fill
        Fills of slices, by their names.
    stack : mapping of str to Fill
        Fills of stacks (D, H, W, C) with their holes (D, H, W).
    alone : bool
        Whether those of stacks are the only candidates.
    """

    plane: Mapping[str, Fill] = field(default_factory=dict)
    stack: Mapping[str, Fill] = field(default_factory=dict)
    alone: bool = False

    def only(self, axes: str) -> frozenset[str] | None:
        """Return the names of the only candidates there are; None: there is no such limit."""
        if not self.alone:
            return None
        return frozenset(f"{name} {axis.lower()}" for name in self.stack for axis in axes)


COHERENCE, PLATE = "coherence", "thin plate"
CORRECTED = ", corrected"
ON_FLOW = ("flow", "regression along flow")
ON_PLATE = ("thin plate", "regression", *ON_FLOW)  # what is made from a thin plate in 3-D
BATCH = 8  # slices at once
NONE, SOME, NEAR = 0, 1, 2
"""What neighbours know of a pixel: nothing; something; all, right beside it on both sides."""


@dataclass(frozen=True)
class Found:
    """What candidates say of N pixels, in the order of ``np.nonzero``.

    Attributes
    ----------
    values : dict of str to (N, C) float32 array
        By the candidates' names.
    depth : (N,) float32 array
        Distance to the nearest known pixel of the slice, px.
    gap : (N,) int array
        `NONE`, `SOME` or `NEAR`.
    """

    values: dict[str, Pixels]
    depth: npt.NDArray[np.float32]
    gap: npt.NDArray[np.int8]


def find_candidates(
    block: Pixels,
    unknown: Hole,
    wanted: Hole,
    axes: str,
    others: Others,
    device: torch.device,
    check: Callable[[], None],
    only: frozenset[str] | None = None,
) -> Found:
    """Ask all candidates for pixels.

    Parameters
    ----------
    block : (*N, H, W, C) float32 array
        What is not known is never read.
    unknown, wanted : (*N, H, W) bool arrays
        What is not known, and what of it is asked for.
    axes : str
        The letters of the neighbour axes N.
    others : Others
        Candidates of other rooms.
    device : torch.device
        Where candidates are computed that can be anywhere.
    check : callable
        Called again and again; what it raises ends the work.
    only : set of str, optional
        The names of those that are needed; `COHERENCE` is in any case.
    """
    at = np.nonzero(wanted)
    needed = _Needed(None if only is None else only | {COHERENCE})
    values = _in_plane(block, unknown, at, others.plane, device, check, needed)
    gap = np.full(len(at[0]), NONE, np.int8)
    for axis, letter in enumerate(axes):
        if block.shape[axis] == 1:
            continue
        along: dict[str, Pixels] = {}
        for other, mine in _stacks(at, axis, len(axes)):
            stack, hole = (_stack(each, axis, other) for each in (block, unknown))
            here = (at[axis][mine], at[-2][mine], at[-1][mine])
            told = _along(stack, hole, here, letter, others.stack, device, check, needed)
            for name, found, known in told:
                if name not in along:
                    along[name] = np.full((len(gap), block.shape[-1]), np.nan, np.float32)
                along[name][mine] = found
                gap[mine] = np.maximum(gap[mine], known)
        values |= along
    for found in values.values():  # where a candidate has nothing to say, it says what is near
        silent = ~np.isfinite(found).all(axis=1)
        found[silent] = values[COHERENCE][silent]
    return Found(values, _depth(unknown, at), gap)


class _Needed:
    """Which candidates are needed: those that were named, or all."""

    def __init__(self, names: frozenset[str] | None) -> None:
        self.names = names

    def __contains__(self, name: str) -> bool:
        return self.names is None or name in self.names


def _stack(array: npt.NDArray[Any], axis: int, other: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the slices along one axis, where the other neighbour axes are at an index."""
    stack: npt.NDArray[Any] = np.moveaxis(array, axis, len(other))[other]
    return stack


def _stacks(
    at: tuple[npt.NDArray[np.intp], ...], axis: int, count: int
) -> Iterator[tuple[tuple[int, ...], npt.NDArray[np.intp]]]:
    """Return where the other neighbour axes are, with the pixels that lie there."""
    others = [at[each] for each in range(count) if each != axis]
    if not others:
        yield (), np.arange(len(at[0]))
        return
    (other,) = others
    for index in np.unique(other):
        yield (int(index),), np.flatnonzero(other == index)


def _in_plane(
    block: Pixels,
    unknown: Hole,
    at: tuple[npt.NDArray[np.intp], ...],
    more: Mapping[str, Fill],
    device: torch.device,
    check: Callable[[], None],
    needed: _Needed,
) -> dict[str, Pixels]:
    """Fill slices by themselves."""
    shape = block.shape[-3:]
    slices, holes = block.reshape(-1, *shape), unknown.reshape(-1, *shape[:2])
    place = (
        np.ravel_multi_index(at[:-2], block.shape[:-3])
        if block.ndim > 3
        else np.zeros(len(at[0]), int)
    )
    from napari_inpaint.weightless.coherence import coherent_fill
    from napari_inpaint.weightless.plate import thin_plate

    own = {COHERENCE: coherent_fill, PLATE: thin_plate}
    fills = {name: _on_slices(function, device) for name, function in own.items()} | {**more}
    values = {
        name: np.empty((len(place), shape[-1]), np.float32) for name in fills if name in needed
    }
    used = np.unique(place)
    for start in range(0, len(used), BATCH):
        some = used[start : start + BATCH]
        mine = np.flatnonzero((place >= some[0]) & (place <= some[-1]))
        inside = (np.searchsorted(some, place[mine]), at[-2][mine], at[-1][mine])
        for name, found in values.items():
            check()
            found[mine] = fills[name](slices[some], holes[some])[inside]
    return values


def _on_slices(function: Callable[..., torch.Tensor], device: torch.device) -> Fill:
    """Return a function of tensors, image and known (N, C, H, W), as one of arrays."""
    import torch

    def fill(slices: Pixels, holes: Hole) -> Pixels:
        image = np.moveaxis(np.where(holes[..., None], np.float32(0), slices), -1, 1)
        known = (~holes[:, None]).astype(np.float32)
        with torch.inference_mode():
            tensors = (
                torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (image, known)
            )
            filled: Pixels = function(*tensors).cpu().numpy()
        return np.moveaxis(filled, 1, -1)

    return fill


def _along(
    stack: Pixels,
    hole: Hole,
    at: tuple[npt.NDArray[np.intp], ...],
    letter: str,
    others: Mapping[str, Fill],
    device: torch.device,
    check: Callable[[], None],
    needed: _Needed,
) -> Iterator[tuple[str, Pixels, npt.NDArray[np.int8]]]:
    """Fill one stack (D, H, W, C) from the slices beside each; see `weightless.neighbours`."""
    from napari_inpaint.weightless import neighbours

    known, axis = ~hole, letter.lower()
    values = np.where(hole[..., None], np.float32(0), stack)
    line, before, after = neighbours.between(values, known)
    far = np.maximum(before, after)[at]
    there = np.where(np.isfinite(far), np.where(far <= 1, NEAR, SOME), SOME)
    gap = np.where(np.isfinite(np.minimum(before, after)[at]), there, NONE).astype(np.int8)

    def named(name: str, candidate: Pixels) -> Iterator[tuple[str, Pixels, npt.NDArray[np.int8]]]:
        check()
        if f"{name} {axis}" in needed:
            yield f"{name} {axis}", candidate[at], gap
        if f"{name} {axis}{CORRECTED}" in needed:
            better = neighbours.corrected(candidate, values, known)
            yield f"{name} {axis}{CORRECTED}", better[at], gap

    for name, fill in others.items():
        if f"{name} {axis}" in needed:
            check()
            yield f"{name} {axis}", fill(values.clip(0, 1), hole)[at], gap
    yield from named("line", line)
    if not any(f"{name} {axis}{more}" in needed for name in ON_PLATE for more in ("", CORRECTED)):
        return
    check()
    plate = plate_3d(values, known, device)
    yield f"thin plate {axis}", plate[at], gap
    yield from named("regression", neighbours.predicted(values, known, plate))
    if not any(f"{name} {axis}{more}" in needed for name in ON_FLOW for more in ("", CORRECTED)):
        return
    check()
    back, ahead = neighbours.flows(plate)
    smooth = (neighbours.completed(flow, known) for flow in (back, ahead))
    yield from named("flow", neighbours.between(values, known, *smooth)[0])
    yield from named(
        "regression along flow", neighbours.predicted(values, known, plate, back, ahead)
    )


def plate_3d(
    values: Pixels, known: Hole, device: torch.device | str, s: float | None = None
) -> Pixels:
    """Fill a stack (D, H, W, C), zero in its hole, as a thin plate; s as `thin_plate_3d` has it."""
    import torch

    from napari_inpaint.weightless.plate_3d import thin_plate_3d

    with torch.inference_mode():
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0))).to(device)
        seen = torch.from_numpy(known.astype(np.float32)).to(device)
        plate = thin_plate_3d(image[None], seen[None, None], s)[0]
        return np.ascontiguousarray(np.moveaxis(plate.cpu().numpy(), 0, -1))


def _depth(unknown: Hole, at: tuple[npt.NDArray[np.intp], ...]) -> npt.NDArray[np.float32]:
    """Return how deep in the hole of its slice each pixel lies, px."""
    holes = unknown.reshape(-1, *unknown.shape[-2:])
    place = np.ravel_multi_index(at[:-2], unknown.shape[:-2]) if unknown.ndim > 2 else 0
    places = np.broadcast_to(place, at[0].shape)
    depth = np.empty(len(at[0]), np.float32)
    for each in np.unique(places):
        mine = np.flatnonzero(places == each)
        depth[mine] = masks.depth(holes[each])[at[-2][mine], at[-1][mine]]
    return depth
