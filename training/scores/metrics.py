"""Scores of fills: pictures are (H, W, 3) uint8, masks (H, W) bool with True = hole."""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from training.data.holes import Mask

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Floats = NDArray[np.floating]


def hole_psnr(fill: Image, truth: Image, mask: Mask) -> float:
    """Return the PSNR over hole pixels alone, dB, peak 255."""
    squares = (fill[mask].astype(float) - truth[mask]) ** 2
    return float(-10 * np.log10(max(float(squares.mean()), 1e-3) / 255**2))


def image_psnr(fill: Image, truth: Image) -> float:
    """Return the PSNR over the whole composite, dB, peak 255."""
    return hole_psnr(fill, truth, np.ones(truth.shape[:2], bool))


def ssim(fill: Image, truth: Image) -> float:
    """Structural similarity of the composite: Gaussian window, sigma 1.5, mean over RGB."""
    return float(
        structural_similarity(
            fill, truth, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            channel_axis=2, data_range=255,
        )
    )  # fmt: skip


def l1_percent(fill: Image, truth: Image) -> float:
    """Mean absolute difference of the composite, in percent of 255."""
    return float(100 * np.abs(fill.astype(float) - truth).mean() / 255)


def _laplacian_pyramid(image: Image, levels: int) -> list[Floats]:
    current: Floats = image.astype(np.float32) / 255
    pyramid = []
    for _ in range(levels - 1):
        smaller: Floats = cv2.pyrDown(current)  # type: ignore[assignment]
        larger = cv2.pyrUp(smaller, dstsize=(current.shape[1], current.shape[0]))
        pyramid.append(current - larger)
        current = smaller
    return [*pyramid, current]


def _patches(level: Floats, centres: NDArray[np.intp], radius: int = 3) -> Floats:
    padded = np.pad(level, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    side = 2 * radius + 1
    return np.stack([padded[y : y + side, x : x + side].ravel() for y, x in centres])


def texture_distance(fills: list[Image], truths: list[Image], masks: list[Mask]) -> float:
    """Sliced Wasserstein distance x 100 between patches of the fills and of the truth.

    7 x 7 patches centred in the hole, three Laplacian levels, 64 patches an image and level, each
    dimension divided by the truth's deviation, 128 random directions, mean absolute difference of
    the sorted projections, mean over the levels. Needs no learned weights. 0 = same textures.

    Source: Karras et al., "Progressive Growing of GANs", 2018, restricted to the hole.
    """
    rng = np.random.default_rng(0)
    levels = 3
    sets: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in range(levels)]
    for fill, truth, mask in zip(fills, truths, masks, strict=True):
        filled, true = _laplacian_pyramid(fill, levels), _laplacian_pyramid(truth, levels)
        for level in range(levels):
            height, width = true[level].shape[:2]
            hole = cv2.resize(
                mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            places = np.argwhere(hole)
            centres = places[rng.integers(len(places), size=64)]
            sets[level][0].append(_patches(filled[level], centres))
            sets[level][1].append(_patches(true[level], centres))
    distances = []
    for ours, theirs in sets:
        a, b = np.concatenate(ours), np.concatenate(theirs)
        deviation = b.std(0) + 1e-6
        directions = rng.normal(size=(a.shape[1], 128))
        directions /= np.linalg.norm(directions, axis=0)
        sorted_a, sorted_b = (np.sort(x / deviation @ directions, axis=0) for x in (a, b))
        distances.append(np.abs(sorted_a - sorted_b).mean())
    return float(100 * np.mean(distances))


def class_counts(
    predicted: NDArray[np.integer], labels: NDArray[np.integer], where: Mask, classes: int
) -> NDArray[np.int64]:
    """Count pixels for `mean_iou`.

    Parameters
    ----------
    predicted, labels : (H, W) integer arrays
        Class ids; 255 in ``labels`` = unlabelled, not counted.
    where : (H, W) bool array
        Which pixels count.

    Returns
    -------
    (2, classes) int64 array
        For each class the intersection and the union; sums over pictures may be added up.
    """
    counted = where & (labels != 255)
    predicted, labels = predicted[counted], labels[counted]
    right = np.bincount(labels[predicted == labels], minlength=classes)
    union = np.bincount(predicted, minlength=classes) + np.bincount(labels, minlength=classes)
    return np.stack([right, union - right])


def mean_iou(counts: NDArray[np.int64]) -> float:
    """Return the mean over the classes that occur of intersection over union."""
    occurs = counts[1] > 0
    return float((counts[0, occurs] / counts[1, occurs]).mean()) if occurs.any() else float("nan")


def error_by_reliability(errors: Floats, reliability: Floats) -> dict[str, dict[str, float]]:
    """Return the mean error and the share of the pixels in each quarter of the reliability.

    Parameters
    ----------
    errors, reliability : (N,) arrays
        One value for each hole pixel: the absolute difference, on the scale [0, 1], and the
        reliability, in [0, 1], 1 = reliable.

    Returns
    -------
    dict
        "0 to 0.25" and so on, each with "share %" and "L1 %"; quarters without pixels are left out.
    """
    quarters = np.minimum((4 * reliability).astype(int), 3)
    return {
        f"{quarter / 4:g} to {(quarter + 1) / 4:g}": {
            "share %": round(float(100 * here.mean()), 1),
            "L1 %": round(float(100 * errors[here].mean()), 2),
        }
        for quarter in range(4)
        if (here := quarters == quarter).any()
    }


def interval(values: list[float], seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of the mean."""
    sample = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(sample, [2.5, 97.5])
    return float(low), float(high)
