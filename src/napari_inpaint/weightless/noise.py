"""Noise: what a fill lacks of it, measured on known pixels, and drawn anew.

A fill that is nearest to the truth is a mean, and has less noise than a measurement. Here noise is
what four bands of the image have where it is quiet::

    b_k = G_k u - G_2k u,   k = 0, 1, 2, 4 (b_0 = u - G_1 u)     G_k a Gaussian, k px         (1)
    s_k(v) = 1.4826 median |b_k|    over pixels whose surroundings G_8 u are about v          (2)

so that its strength goes with the intensity, as a camera's does, and its bands say how far it is
correlated. What is added is white noise through the same bands, as much as the fill lacks in each::

    n = sum_k g_k b_k(white),   so that   |b_k(n)|^2 = max(s_k(known)^2 - s_k(fill)^2, 0)     (3)

The bands overlap, so that the gains g of (3) are found step by step.

Source of (2): Hampel, "The influence curve and its role in robust estimation", 1974.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt

SCALES = (1.0, 2.0, 4.0, 8.0)  # px
STEPS = 8  # towards the gains
LEVELS = 6  # of intensity
LEAST = 200  # pixels of a level
NEAR = 2.0  # px: known pixels so near to a hole have the fill in their bands
MEDIAN = 1.4826  # deviations of a normal distribution, times its median absolute value

Plane = npt.NDArray[np.float64]
"""(H, W)."""


def lacking_noise(
    filled: Plane,
    hole: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    like: Plane | None = None,
    known: npt.NDArray[np.bool_] | None = None,
) -> Plane:
    """Draw the noise that a fill lacks.

    Parameters
    ----------
    filled : (H, W) float64 array
        A slice with its hole filled.
    hole : (H, W) bool array
        What was filled.
    rng : Generator
    like : (H, W) float64 array, optional
        A slice that has the noise that is wanted; by default this one.
    known : (H, W) bool array, optional
        Where that slice is known; by default where the hole is not.

    Returns
    -------
    (H, W) float64 array
        To be added in the hole.
    """
    like = filled if like is None else like
    known = ~hole if known is None else known
    if not known.any() or not hole.any():
        return np.zeros_like(filled)
    far = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5) > NEAR
    quiet = far if np.count_nonzero(far) >= LEAST else known
    own, wanted = _bands(filled), _bands(like)
    light, around = _blurred(filled, SCALES[-1]), _blurred(like, SCALES[-1])
    levels = _levels(around[quiet])
    lacking = np.stack(
        [
            np.maximum(
                _strength(there[quiet], around[quiet], levels) ** 2
                - _strength(band[hole], light[hole], levels) ** 2,
                0,
            )
            for band, there in zip(own, wanted, strict=True)
        ]
    )
    white = _bands(rng.normal(size=filled.shape))
    gains = _gains(white, np.sqrt(lacking.mean(axis=1)))
    usual = np.maximum(lacking.mean(axis=1, keepdims=True), np.finfo(float).tiny)
    centres = (levels[1:] + levels[:-1]) / 2
    noise = np.zeros(filled.shape)
    for drawn, gain, share in zip(white, gains, np.sqrt(lacking / usual), strict=True):
        noise += gain * drawn * np.interp(light, centres, share)
    return noise


def _gains(white: list[Plane], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how much of each band of white noise has the strengths that are wanted, equation 3."""
    spread = np.array([band.std() for band in white])  # 0 in a plane of one pixel
    gains: npt.NDArray[np.float64] = np.divide(
        wanted, spread, out=np.zeros_like(wanted), where=spread > 0
    )
    for _ in range(STEPS):
        mixed = sum(gain * band for gain, band in zip(gains, white, strict=True))
        has = np.array([band.std() for band in _bands(np.asarray(mixed))])
        gains *= np.minimum(wanted / np.maximum(has, np.finfo(float).tiny), 4)
    return gains


def _blurred(plane: Plane, scale: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), scale, borderType=cv2.BORDER_REFLECT))


def _bands(plane: Plane) -> list[Plane]:
    """Return the bands of equation 1."""
    smooth = [plane, *(_blurred(plane, scale) for scale in SCALES)]
    return [finer - coarser for finer, coarser in itertools.pairwise(smooth)]


def _levels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the limits of levels that have about as many pixels each."""
    count = max(1, min(LEVELS, len(values) // LEAST))
    return np.quantile(values, np.linspace(0, 1, count + 1))


def _strength(
    band: npt.NDArray[np.float64],
    light: npt.NDArray[np.float64],
    levels: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return equation 2 for each level; a level without pixels has what all have together."""
    at = np.digitize(light, levels[1:-1])
    every = MEDIAN * float(np.median(np.abs(band)))
    strength = np.full(len(levels) - 1, every)
    for level in range(len(strength)):
        some = np.abs(band[at == level])
        if len(some) >= LEAST // 4:
            strength[level] = MEDIAN * float(np.median(some))
    return strength
