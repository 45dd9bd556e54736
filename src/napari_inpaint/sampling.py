"""Draw label maps from class probabilities: regions change from map to map, not single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from . import classmap, masks
from .masks import Hole

Pixels = npt.NDArray[np.float32]

LIKELY = 0.03  # classes with a smaller share in and around a hole are not drawn
LEAST = 1e-4  # probability that counts as this, so that a draw can overrule certainty

_NORMAL = np.linspace(-5, 5, 1001)
# the quantiles of the Gumbel distribution at those of the normal distribution
_GUMBEL = -np.log(-np.log([NormalDist().cdf(each) for each in _NORMAL]))


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
        Of each class, as ``segment(probabilities=True)`` returns them.
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
    labels = labels.astype(classmap.dtype_for(count))
    for index in np.ndindex(hole.shape[:-2]):
        if not hole[index].any() or count < 2 or temperature == 0:
            continue
        depth = float(masks.depth(hole[index]).max())
        area = masks.bounds(hole[index])
        around = masks.grow(area, int(depth) + 1, 1, hole[index].shape)
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
