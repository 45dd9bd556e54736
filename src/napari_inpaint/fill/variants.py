"""Several fills of the same hole, each from another plausible label map.

Maps are drawn from class probabilities: regions change from map to map, not single pixels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.boxes import bounds, grow
from napari_inpaint.arrays.labels import UNDECIDED, dtype_for
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import OptionError, ShapeError
from napari_inpaint.fill.holes import find_holes
from napari_inpaint.fill.inpaint import fill_holes
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.progress import Progress, ignore, part_of
from napari_inpaint.fill.segment import segment_holes

Pixels = npt.NDArray[np.float32]

VARIES = frozenset({"segment", "guide"})
TEMPERATURES = (1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0)
"""Of the attempts to draw a map that differs from all before it."""
DIFFERENT = 0.1  # of the hole's pixels: maps that differ in fewer look the same
LIKELY = 0.03  # classes with a smaller share in and around a hole are not drawn
LEAST = 1e-4  # probability that counts as this, so that a draw can overrule certainty

_NORMAL = np.linspace(-5, 5, 1001)
# the quantiles of the Gumbel distribution at those of the normal distribution
_GUMBEL = -np.log(-np.log([NormalDist().cdf(each) for each in _NORMAL]))


@dataclass(frozen=True)
class Variant:
    """One way to fill a hole.

    Attributes
    ----------
    labels : uint8 or uint16 array
        The image's spatial axes in their order; in the hole what the fill was guided by, elsewhere
        the most probable classes. k = the k-th of the backend's classes, from 1 up.
    filled : array
        The filled image: the image's shape and element type.
    hole : bool array
        All that was filled, of the image's spatial axes; may be a read-only view of the mask.
    record : dict
        What made it; see `Plan.record`. Its seconds are those of all variants together.
    """

    labels: npt.NDArray[Any]
    filled: npt.NDArray[Any]
    hole: Hole
    record: dict[str, Any]


def draw_variants(
    plan: Plan,
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    count: int,
    progress: Progress | None = None,
) -> list[Variant]:
    """Fill a hole in several ways.

    Parameters
    ----------
    plan : Plan
        Made for this image, and for a backend that provides "segment" and "guide".
    image, mask, count
        As ``napari_inpaint.variants`` takes them.
    progress : callable, optional
        Called with (done, total) pixels; see `Progress`.

    Raises
    ------
    InpaintError
        Before the backend is loaded, if something does not fit; while it runs, if it fails.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise OptionError(f"count must be a whole number from 1 up; got {count!r}.")
    start, pixels, progress = time.perf_counter(), np.asarray(image), progress or ignore
    holes = find_holes(plan, image, mask)
    hole = holes.fill
    size = int(np.count_nonzero(hole))
    if not size:
        raise ShapeError("The mask is empty: there is no hole to fill in several ways.")
    total = hole.size + count * size
    found = segment_holes(
        *(plan, pixels, holes.unknown),
        probabilities=True,
        reliability=False,
        progress=part_of(progress, 0, total),
    )
    probabilities = plan.axes.spatial_view(np.asarray(found.probabilities))
    variants = []
    for number, drawn in enumerate(_maps(probabilities, hole, count, plan.options.seed)):
        guiding = np.where(hole, drawn, UNDECIDED).astype(np.uint16)
        report = part_of(progress, hole.size + number * size, total)
        filled = fill_holes(plan, pixels, holes, guiding, report)
        labels = np.ascontiguousarray(plan.axes.image_order(drawn))
        variants.append(Variant(labels, filled.image, filled.hole, filled.record))
    seconds = round(time.perf_counter() - start, 3)
    return [replace(each, record=each.record | {"seconds": seconds}) for each in variants]


def _maps(
    probabilities: npt.NDArray[Any], hole: Hole, count: int, seed: int
) -> Iterator[npt.NDArray[Any]]:
    """Yield the most probable map, then others that differ, as far as the classes allow it."""
    found = [sample_labels(probabilities, hole, seed, temperature=0)]
    yield found[0]
    for number in range(1, count):
        most = -1.0
        for attempt, temperature in enumerate(TEMPERATURES):
            drawn = sample_labels(probabilities, hole, (seed, number, attempt), temperature)
            apart = min(float((drawn != each)[hole].mean()) for each in found)
            if apart > most:
                most, kept = apart, drawn
            if most >= DIFFERENT:
                break
        found.append(kept)
        yield kept


def sample_labels(
    probabilities: npt.NDArray[Any],
    hole: Hole,
    seed: int | Sequence[int] = 0,
    temperature: float = 1.0,
) -> npt.NDArray[Any]:
    """Draw a plausible label map.

    In the hole, each pixel has each class as often as the probabilities say, over many seeds; but
    neighbours are drawn alike, so that regions change from map to map and not single pixels.

    Parameters
    ----------
    probabilities : (..., Y, X, K) float array
        Probabilities of K classes, from 0 to 1, as ``segment(probabilities=True)`` returns them.
    hole : (..., Y, X) bool array
        True = hole.
    seed : int or sequence of int
        The same seed gives the same map.
    temperature : float
        Above 1 less probable classes are drawn more often, below 1 more seldom; at 0 the most
        probable ones are drawn.

    Returns
    -------
    (..., Y, X) uint8 or uint16 array
        Classes from 1 to K; outside the hole the most probable ones.
    """
    count = probabilities.shape[-1]
    labels: npt.NDArray[Any] = probabilities.argmax(axis=-1) + 1
    labels = labels.astype(dtype_for(count))
    for index in np.ndindex(hole.shape[:-2]):
        if not hole[index].any() or count < 2 or temperature == 0:
            continue
        depth = float(masks.depth(hole[index]).max())
        area = bounds(hole[index])
        around = grow(area, int(depth) + 1, 1, hole[index].shape)
        shares = probabilities[index][around.window].mean(axis=(0, 1), dtype=np.float64)
        likely = np.flatnonzero(shares >= min(LIKELY, np.partition(shares, -2)[-2]))
        here = probabilities[index][area.window][..., likely].astype(np.float32)
        rng = np.random.default_rng([*np.atleast_1d(seed), *index])
        noise = np.interp(_noise(rng, here.shape, depth / 2), _NORMAL, _GUMBEL)
        drawn = likely[(np.log(np.maximum(here, LEAST)) / temperature + noise).argmax(axis=-1)] + 1
        inside = hole[index][area.window]
        labels[index][area.window][inside] = drawn[inside]
    return labels


def _noise(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> Pixels:
    """Return normal noise (H, W, K) that is nearly constant over `grain` px."""
    import cv2

    step = max(grain / 3, 1.0)  # px: drawn only as finely as it varies
    sigma = max(grain, 1.0) / step
    kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma)
    margin = len(kernel) // 2
    height, width = (int(np.ceil(length / step)) for length in shape[:2])
    planes = []
    for _ in range(shape[2]):
        white = rng.standard_normal((height + 2 * margin, width + 2 * margin))
        smooth = np.asarray(cv2.sepFilter2D(white, -1, kernel, kernel)) / (kernel**2).sum()
        inner = smooth[margin : margin + height, margin : margin + width]
        planes.append(cv2.resize(inner, shape[1::-1], interpolation=cv2.INTER_CUBIC))
    return np.stack(planes, axis=-1).astype(np.float32)
