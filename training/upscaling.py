"""Score enlarging: artifacts fill the gaps between pixels set apart, beside bicubic interpolation.

Every method gets the same small pictures: every second, third or fourth pixel of the truth, which
is sampled without a filter before, since the given pixels are to stay as they are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import warp
from torch import nn

from training import metrics
from training.data import Picture, centre_crop, to_tensor
from training.pconv import upscale
from training.report import markdown

Image = NDArray[np.uint8]
Enlarge = Callable[[Image, int], Image]

FACTORS = (2, 3, 4)


def sample(image: Image, factor: int) -> Image:
    """Keep one pixel of each block of ``factor`` x ``factor``, where ``pconv.spread`` puts it."""
    middle = (factor - 1) // 2
    return image[middle::factor, middle::factor]


def bicubic(image: Image, factor: int) -> Image:
    """Enlarge (H, W, 3) uint8 by Keys' cubic convolution; the given pixels keep their values.

    As in `training.pconv.spread`, pixel (y, x) comes to stand in the middle of its block.
    """
    place, middle = 1 / factor, (factor - 1) // 2
    back = np.array([[place, 0, -middle * place], [0, place, -middle * place], [0, 0, 1]])
    shape = (image.shape[0] * factor, image.shape[1] * factor)
    large = warp(image.astype(float), back, output_shape=shape, order=3, mode="edge", clip=False)
    return np.asarray(np.rint(large.clip(0, 255)), np.uint8)


def by_filling(network: nn.Module) -> Enlarge:
    """Return how an artifact enlarges."""

    def enlarge(image: Image, factor: int) -> Image:
        large = upscale(network, to_tensor(image)[None], factor)[0]
        return (large * 255).round().byte().permute(1, 2, 0).numpy()

    return enlarge


def score(enlarge: Enlarge, pictures: list[Picture], size: int) -> dict[str, Any]:
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
        results = [enlarge(sample(truth, factor), factor) for truth in truths]
        pairs = list(zip(results, truths, strict=True))
        decibels = [metrics.image_psnr(result, truth) for result, truth in pairs]
        scores[f"x{factor} dB"] = round(float(np.mean(decibels)), 2)
        scores[f"x{factor} dB, 95 % interval"] = [round(x, 2) for x in metrics.interval(decibels)]
        similarity = np.mean([metrics.ssim(result, truth) for result, truth in pairs])
        scores[f"x{factor} SSIM"] = round(float(similarity), 4)
    return scores


def table(scores: dict[str, dict[str, Any]]) -> str:
    """Draw the scores of several methods."""
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
