"""What the neighbouring slices, along z or t, know of a hole: lines, optical flow, regression.

A stack is a (D, H, W, C) float32 array of D slices, with the scale of its values about 1; ``known``
is (D, H, W) bool. What is not known is never read, but for the fill of it that is given as such.
Every function returns candidates for all pixels, the known ones too, so that the difference there
says how far off a candidate is: `corrected` carries that difference into the hole.

- `between`: the nearest known values before and after, straight or along the flow, weighed by how
  near they are;
- `predicted`: a slice as a linear function of the slices beside it, fitted to its known pixels. It
  finds by itself what tells neighbours apart: another brightness, a shift below a pixel, blur, and
  noise, which several pixels together have less of;
- `missing_slice`, `predicted_slice`: for slices of which nothing is known.

Sources: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016; Xu et al., "Deep
Flow-Guided Video Inpainting", 2019, for carrying known pixels along the flow from slice to slice;
Jiang et al., "Super SloMo", 2018, equation 4, for the flow to a slice between two.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Stack = npt.NDArray[np.float32]
"""(D, H, W, C)."""
Known = npt.NDArray[np.bool_]
"""(D, H, W), True = known."""
Flow = npt.NDArray[np.float32]
"""(D, H, W, 2): where a pixel of each slice lies in the slice beside it, less where it lies here;
px, x first."""

REACH = 4
"""Slices on either side that are looked at."""
LEAST_SIDE = 64  # px: optical flow fails on narrow slices
SAMPLE = 20_000  # known pixels that suffice to fit some twenty weights
RIDGE = 1e-4  # of the mean variance of what a slice is predicted from
PERCENTILES = (0.5, 99.8)


def flows(fills: Stack) -> tuple[Flow, Flow]:
    """Return the optical flow from each slice to the one before it, and to the one after it.

    Where there is no such slice, nothing moves.

    Parameters
    ----------
    fills : (D, H, W, C) float32 array
        Filled, for flow needs all pixels.
    """
    grey = _in_8_bits(fills)
    back, ahead = (np.zeros((*fills.shape[:3], 2), np.float32) for _ in range(2))
    for here in range(1, len(grey)):
        back[here] = _flow(grey[here], grey[here - 1])
        ahead[here - 1] = _flow(grey[here - 1], grey[here])
    return back, ahead


def completed(flow: Flow, known: Known) -> Flow:
    """Return a flow that is as it was where slices are known, and smooth in their holes."""
    import torch

    from napari_inpaint.weightless.membrane import membrane

    vectors = torch.from_numpy(np.ascontiguousarray(np.moveaxis(flow, -1, 1)))
    smooth = membrane(vectors, torch.from_numpy(known[:, np.newaxis].astype(np.float32)))
    return np.ascontiguousarray(np.moveaxis(smooth.numpy(), 1, -1))


def between(
    values: Stack, known: Known, back: Flow | None = None, ahead: Flow | None = None
) -> tuple[Stack, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return each pixel as the nearest known ones before and after have it, the nearer the more.

    Parameters
    ----------
    values, known
        The stack.
    back, ahead : (D, H, W, 2) float32 arrays, optional
        Flow to the slice before and after; None: straight along the axis.

    Returns
    -------
    tuple of arrays
        The stack's values, NaN where nothing is known within `REACH` slices on either side; and
        how many slices away what was taken is, before and after, (D, H, W), infinite where there
        is none.
    """
    before, far_before = _carried(values, known, back)
    flipped = None if ahead is None else ahead[::-1]
    after, far_after = (each[::-1] for each in _carried(values[::-1], known[::-1], flipped))
    near_before, near_after = 1 / far_before, 1 / far_after  # 0 where there is none
    total = near_before + near_after
    with np.errstate(invalid="ignore"):
        mixed = near_before[..., None] * before + near_after[..., None] * after
        mixed /= total[..., None]
    return mixed.astype(np.float32), far_before, far_after


def _carried(
    values: Stack, known: Known, flow: Flow | None
) -> tuple[Stack, npt.NDArray[np.float32]]:
    """Carry known pixels from slice to slice; return them, 0 for none, and from how far they are.

    What is known in a slice replaces what was carried to it, for the slices behind it.
    """
    carried = np.zeros_like(values)
    distance = np.full(known.shape, np.inf, np.float32)
    for here in range(1, len(values)):
        last = here - 1
        seen = np.where(known[last][..., None], values[last], carried[last])
        far = np.where(known[last], np.float32(0), distance[last])
        if flow is not None:
            there = np.isfinite(far)
            # what has no value may lend none to a pixel between
            share = warped(there.astype(np.float32), flow[here], outside=0)
            nearest = warped(np.where(there, far, 0), flow[here], cv2.INTER_NEAREST)
            seen, far = warped(seen, flow[here]), np.where(share > 0.99, nearest, np.inf)
        far = far + 1
        far[far > REACH] = np.inf
        carried[here] = np.where(np.isfinite(far)[..., None], seen, 0)
        distance[here] = far
    return carried, distance


def warped(
    plane: npt.NDArray[np.float32],
    flow: Flow,
    interpolation: int = cv2.INTER_LINEAR,
    outside: float | None = None,
) -> npt.NDArray[np.float32]:
    """Return what a plane (H, W) or (H, W, C) has where a flow (H, W, 2) points to.

    Beyond the border it is as at the border, or has the value ``outside``.
    """
    rows, columns = np.indices(flow.shape[:2], np.float32)
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    moved = cv2.remap(
        np.ascontiguousarray(plane, np.float32),
        columns + flow[..., 0],
        rows + flow[..., 1],
        interpolation,
        borderMode=border,
        borderValue=(outside or 0,) * 4,
    )
    return np.asarray(moved, np.float32).reshape(plane.shape)


def corrected(candidate: Stack, values: Stack, known: Known) -> Stack:
    """Carry the difference between known pixels and a candidate smoothly into the hole.

    A candidate that is too bright, or misses a slope, meets the hole's rim then.

    Parameters
    ----------
    candidate : (D, H, W, C) float32 array
        May be NaN, and remains so.
    """
    import torch

    from napari_inpaint.weightless.membrane import membrane

    there = known & np.isfinite(candidate).all(axis=-1)
    difference = np.where(there[..., None], values - candidate, 0).astype(np.float32)
    smooth = membrane(
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(difference, -1, 1))),
        torch.from_numpy(there[:, np.newaxis].astype(np.float32)),
    )
    result: Stack = candidate + np.moveaxis(smooth.numpy(), 1, -1)
    return result


def predicted(
    values: Stack, known: Known, fills: Stack, back: Flow | None = None, ahead: Flow | None = None
) -> Stack:
    """Predict each slice from the slices beside it, as its own known pixels say how.

    A pixel is a weighted sum of the 3 x 3 pixels around it in the slice before and in the one
    after, and of those at its place two slices away; the weights have least squares.

    Parameters
    ----------
    values, known
        The stack.
    fills : (D, H, W, C) float32 array
        The stack with its holes filled in some way: what is predicted from.
    back, ahead : (D, H, W, 2) float32 arrays, optional
        Flow to the slice before and after, along which they are looked at.

    Returns
    -------
    (D, H, W, C) float32 array
        NaN in slices that nothing is known of, and where there is but one slice.
    """
    result = np.full_like(values, np.nan)
    for here in range(len(values)):
        beside = [
            fills[there] if flow is None else warped(fills[there], flow[here])
            for there, flow in ((here - 1, back), (here + 1, ahead))
            if 0 <= there < len(values)
        ]
        far = [fills[there] for there in (here - 2, here + 2) if 0 <= there < len(values)]
        if not beside or not known[here].any():
            continue
        at = _sample(known[here])
        for channel in range(values.shape[-1]):
            taps = _taps([each[..., channel] for each in beside], [x[..., channel] for x in far])
            weights, more = _fitted(
                taps[:, at[0], at[1]], values[here, ..., channel][at], len(beside)
            )
            result[here, ..., channel] = np.tensordot(weights, taps, axes=1) + more
    return result


def _sample(known: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the places of known pixels of a slice, some of them where there are many."""
    rows, columns = np.nonzero(known)
    stride = len(rows) // SAMPLE + 1
    return rows[::stride], columns[::stride]


def _taps(
    beside: Sequence[npt.NDArray[np.float32]], far: Sequence[npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Return what a pixel is predicted from, (taps, H, W): 3 x 3 of each near slice, then others.

    The middle ones come first.
    """
    height, width = beside[0].shape
    padded = [np.pad(each, 1, "edge") for each in beside]
    moved = [
        each[down : down + height, right : right + width]
        for down in range(3)
        for right in range(3)
        if (down, right) != (1, 1)
        for each in padded
    ]
    return np.stack([*beside, *moved, *far])


def _fitted(
    taps: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32], middles: int
) -> tuple[npt.NDArray[np.float32], np.float32]:
    """Return the weights of taps (taps, N), and what to add, that come nearest to N values.

    They stay near the mean of the first ``middles`` taps, where the values do not say otherwise.
    """
    rows = taps.astype(np.float64)
    means, mean = rows.mean(axis=1), float(wanted.mean(dtype=np.float64))
    rows -= means[:, None]
    start = np.zeros(len(rows))
    start[:middles] = 1 / middles
    products = rows @ rows.T
    ridge = RIDGE * max(np.trace(products) / len(rows), 1e-12)
    left = rows @ (wanted - mean - start @ rows)
    weights = start + np.linalg.solve(products + ridge * np.eye(len(rows)), left)
    return weights.astype(np.float32), np.float32(mean - weights @ means)


def missing_slice(before: Stack, after: Stack, share: float) -> npt.NDArray[np.float32]:
    """Return a slice between two, each moved along the flow between them.

    Parameters
    ----------
    before, after : (H, W, C) float32 arrays
        The nearest known slices.
    share : float
        How far it lies on the way from one to the other, from 0 to 1.
    """
    first, second = _in_8_bits(np.stack([before, after]))
    there, back = _flow(first, second), _flow(second, first)
    to_before = -(1 - share) * share * there + share**2 * back
    to_after = (1 - share) ** 2 * there - share * (1 - share) * back
    result: npt.NDArray[np.float32] = (1 - share) * warped(before, to_before)
    result += share * warped(after, to_after)
    return result


def predicted_slice(
    stack: Stack, whole: Sequence[int], at: int, before: int, after: int, *, wide: bool = False
) -> npt.NDArray[np.float32] | None:
    """Predict a slice that is missing in the way in which others are best predicted.

    Parameters
    ----------
    stack : (D, H, W, C) float32 array
    whole : sequence of int
        Slices that can be learned from, and be predicted from.
    at : int
        The slice that is missing; never read.
    before, after : int
        How many slices away the nearest known ones are; 0: there is none on this side.
    wide : bool
        Whether the slices behind these are looked at, too.

    Returns
    -------
    (H, W, C) float32 array or None
        None where it, or no other slice, has such neighbours.
    """
    usable = {*whole} - {at}
    near = [-before] * (before > 0) + [after] * (after > 0)
    far = [step + (1 if step > 0 else -1) for step in near]
    far = far if wide else []
    steps = [*near, *far]
    examples = [x for x in usable if usable.issuperset(x + step for step in steps)]
    if not near or not examples or not usable.issuperset(at + step for step in steps):
        return None
    examples = sorted(examples, key=lambda x: abs(x - at))[:REACH]
    stride = stack[0, ..., 0].size * len(examples) // SAMPLE + 1
    result: npt.NDArray[np.float32] = np.empty_like(stack[at])

    def taps(here: int, channel: int) -> npt.NDArray[np.float32]:
        beside, beyond = ([stack[here + x, ..., channel] for x in each] for each in (near, far))
        return _taps(beside, beyond)

    for channel in range(stack.shape[-1]):
        seen = [taps(x, channel) for x in examples]
        rows = np.concatenate([each.reshape(len(each), -1)[:, ::stride] for each in seen], axis=1)
        wanted = np.concatenate([stack[x, ..., channel].ravel()[::stride] for x in examples])
        weights, more = _fitted(rows, wanted, len(near))
        result[..., channel] = np.tensordot(weights, taps(at, channel), axes=1) + more
    return result


def _in_8_bits(fills: Stack) -> npt.NDArray[np.uint8]:
    """Return slices as flow wants them: (D, H, W), the mean of the channels."""
    grey = fills.mean(axis=-1)
    low, high = np.percentile(grey, PERCENTILES)
    unit = (grey - low) / (float(high - low) or 1.0)
    bytes_: npt.NDArray[np.uint8] = (255 * unit.clip(0, 1)).astype(np.uint8)
    return bytes_


def _flow(here: npt.NDArray[np.uint8], there: npt.NDArray[np.uint8]) -> Flow:
    """Return the optical flow (H, W, 2) from one slice to another."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = here.shape
    more = [(0, max(0, LEAST_SIDE - side)) for side in (height, width)]
    first, second = (np.pad(each, more, "edge") for each in (here, there))
    start = np.zeros((*first.shape, 2), np.float32)
    return np.asarray(search.calc(first, second, start), np.float32)[:height, :width]
