"""Score enlarging: fills of the gaps between pixels set apart, beside bicubic interpolation.

Every method gets the same small pictures: every second, third or fourth pixel of the truth, which
is sampled without a filter before, since the given pixels are to stay as they are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from skimage.transform import warp

from training.data.dataset import centre_crop
from training.data.holes import Mask
from training.data.pictures import Picture
from training.scores import metrics
from training.scores.cases import Fill
from training.scores.metrics import Image
from training.scores.tables import markdown

Enlarge = Callable[[Image, int], Image]
"""Picture (H, W, 3) uint8 and a whole factor to the picture that many times as large."""

FACTORS = (2, 3, 4)


def take_pixels(image: Image, factor: int) -> Image:
    """Keep one pixel of each block of ``factor`` x ``factor``, where `insert_gaps` puts it."""
    middle = (factor - 1) // 2
    return image[middle::factor, middle::factor]


def insert_gaps(image: Image, factor: int) -> tuple[Image, Mask]:
    """Set pixels apart, so that filling the gaps between them enlarges the picture.

    Source: PConv, which proposes this use.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The small picture.
    factor : int
        Distance of neighbouring pixels in the result, px; 1 leaves no gap.

    Returns
    -------
    large : (H * factor, W * factor, 3) uint8 array
        Each pixel stands in the middle of its block; the gaps are black.
    mask : (H * factor, W * factor) bool array
        True = gap.
    """
    height, width = image.shape[0] * factor, image.shape[1] * factor
    large, mask = np.zeros((height, width, 3), np.uint8), np.ones((height, width), bool)
    take_pixels(large, factor)[:] = image
    take_pixels(mask, factor)[:] = False
    return large, mask


def bicubic(image: Image, factor: int) -> Image:
    """Enlarge (H, W, 3) uint8 by Keys' cubic convolution; the given pixels keep their values.

    As in `insert_gaps`, each pixel comes to stand in the middle of its block.
    """
    place, middle = 1 / factor, (factor - 1) // 2
    back = np.array([[place, 0, -middle * place], [0, place, -middle * place], [0, 0, 1]])
    shape = (image.shape[0] * factor, image.shape[1] * factor)
    large = warp(image.astype(float), back, output_shape=shape, order=3, mode="edge", clip=False)
    return np.asarray(np.rint(large.clip(0, 255)), np.uint8)


def by_filling(fill: Fill) -> Enlarge:
    """Return how a method enlarges that can fill: by filling the gaps of `insert_gaps`."""

    def enlarge(image: Image, factor: int) -> Image:
        return fill(*insert_gaps(image, factor))

    return enlarge


def score_enlarging(enlarge: Enlarge, pictures: list[Picture], size: int) -> dict[str, Any]:
    """Score a method on the pictures' central squares.

    Parameters
    ----------
    enlarge : callable
        (image, factor) to an image ``factor`` times as large.
    pictures : list of Picture
        The truth.
    size : int
        Side of the squares, px; the largest multiple of the factor that fits into it is used.

    Returns
    -------
    dict
        For each factor the PSNR (dB) with its 95 % interval and the SSIM, of the whole image.
    """
    scores: dict[str, Any] = {}
    for factor in FACTORS:
        truths = [centre_crop(p.image, size // factor * factor) for p in pictures]
        results = [enlarge(take_pixels(truth, factor), factor) for truth in truths]
        pairs = list(zip(results, truths, strict=True))
        decibels = [metrics.image_psnr(result, truth) for result, truth in pairs]
        scores[f"x{factor} dB"] = round(float(np.mean(decibels)), 2)
        scores[f"x{factor} dB, 95 % interval"] = [round(x, 2) for x in metrics.interval(decibels)]
        similarity = np.mean([metrics.ssim(result, truth) for result, truth in pairs])
        scores[f"x{factor} SSIM"] = round(float(similarity), 4)
    return scores


def enlarging_table(scores: dict[str, dict[str, Any]]) -> str:
    """Draw the scores of several methods as a Markdown table."""
    head = ["method", *(f"x{f} {what}" for f in FACTORS for what in ("dB (95 %)", "SSIM"))]
    rows = []
    for name, row in scores.items():
        cells = [name]
        for factor in FACTORS:
            low, high = row[f"x{factor} dB, 95 % interval"]
            cells.append(f"{row[f'x{factor} dB']:.2f} ({low:.2f} to {high:.2f})")
            cells.append(f"{row[f'x{factor} SSIM']:.3f}")
        rows.append(cells)
    return markdown(head, rows)
