"""Fill the bundled samples, score the fills, and write pictures that show before and after."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from . import samples, stacks
from .samples import Sample

BASELINE = "telea"
FRAMES = (10, 24, 38)
"""Frames of a stack that its picture shows: debris on background, between and on nuclei."""
MARK = (255, 0, 200)


def run(folder: Path) -> None:
    """Fill each sample with the default backend, write pictures to `folder`, print the scores."""
    for sample in (samples.photo(), samples.stack()):
        start = time.perf_counter()
        filled = stacks.inpaint(sample.image, sample.mask, axes=sample.axes)
        seconds = time.perf_counter() - start
        baseline = stacks.inpaint(sample.image, sample.mask, axes=sample.axes, backend=BASELINE)
        out = folder / f"{sample.name}.png"
        _before_after(sample, filled).save(out)
        print(
            f"{sample.title}: {sample.mask.sum():,} px filled in {seconds:.1f} s, "
            f"{psnr_in_hole(sample, filled):.1f} dB in the hole "
            f"(OpenCV's Telea: {psnr_in_hole(sample, baseline):.1f} dB)\n  {out}"
        )


def psnr_in_hole(sample: Sample, filled: NDArray[Any]) -> float:
    """Return the peak signal-to-noise ratio over hole pixels, dB; peak = the truth's range."""
    truth = sample.truth.astype(np.float64)
    error = np.mean((filled[sample.mask] - truth[sample.mask]) ** 2)
    return float(10 * np.log10(np.ptp(truth) ** 2 / error))


def _before_after(sample: Sample, filled: NDArray[Any]) -> Image.Image:
    """Return damaged, marked, filled and true pictures side by side, one row per frame."""
    if sample.axes == "YXC":
        rows = [(sample.image, sample.mask, filled, sample.truth)]
    else:
        shown = [_displayed(each, sample.truth) for each in (sample.image, filled, sample.truth)]
        rows = [(shown[0][t], sample.mask[t], shown[1][t], shown[2][t]) for t in FRAMES]
    panels = []
    for image, mask, after, truth in rows:
        marked = image.copy()
        marked[mask] = MARK
        panels.append(np.hstack([image, marked, after, truth]))
    sheet = np.vstack(panels)
    width = sheet.shape[1] // 4
    scale = max(1, 480 // width)
    sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    header = 28
    picture = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + header), "white")
    picture.paste(Image.fromarray(sheet), (0, header))
    draw = ImageDraw.Draw(picture)
    for column, title in enumerate(("damaged", "hole", "filled", "truth")):
        x = column * width * scale + 8
        draw.text((x, 6), title, fill="black", font=ImageFont.load_default(16))
    return picture


def _displayed(stack: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a stack (T, Y, X) as it looks on screen, (T, Y, X, 3) uint8, limits from `truth`."""
    low, high = np.percentile(truth, (0.5, 99.7))
    levels = np.clip((stack - low) / (high - low), 0, 1) ** 0.6
    grey = (levels * 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)
