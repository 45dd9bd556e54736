"""Fill the bundled samples, score the fills, and write pictures that show before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_inpaint.arrays import masks
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.plan import Options, plan
from napari_inpaint.samples import pictures
from napari_inpaint.samples.pictures import Sample

BASELINE = "telea"
FRAMES = (10, 24, 38)
"""Frames of a stack that its picture shows: debris on background, between and on nuclei."""
OUTLINE = (255, 0, 200)
ROW_WIDTH, HEADER = 1800, 32  # px


def run(folder: Path) -> None:
    """Fill each sample with the default backend, write pictures to `folder`, print the scores."""
    for sample in (pictures.photo(), pictures.stack()):
        filled, baseline = _fill(sample, "auto"), _fill(sample, BASELINE)
        out = folder / f"{sample.name}.png"
        _before_after(sample, filled.image).save(out)
        record = filled.record
        print(
            f"{sample.title}: {filled.pixels:,} px filled by {record['backend']} "
            f"on {record['device']} in {record['seconds']:.1f} s, "
            f"{psnr_in_hole(sample, filled.image):.1f} dB in the hole "
            f"(OpenCV's Telea: {psnr_in_hole(sample, baseline.image):.1f} dB)\n  {out}"
        )


def _fill(sample: Sample, backend: str) -> Filled:
    options = Options(backend=backend, axes=sample.axes)
    return fill_image(
        plan(sample.image.shape, sample.image.dtype, options), sample.image, sample.mask
    )


def psnr_in_hole(sample: Sample, filled: NDArray[Any]) -> float:
    """Return the peak signal-to-noise ratio over hole pixels, dB; peak = the truth's range."""
    truth = sample.truth.astype(np.float64)
    error = np.mean((filled[sample.mask] - truth[sample.mask]) ** 2)
    return float(10 * np.log10(np.ptp(truth) ** 2 / error))


def _before_after(sample: Sample, filled: NDArray[Any]) -> Image.Image:
    """Return damaged, filled and true pictures side by side, one row per frame."""
    shown = [sample.image, filled, sample.truth]
    rows, holes = [shown], [sample.mask]
    if sample.axes == "TYX":
        shown = [_displayed(each, sample.truth) for each in shown]
        rows = [[each[t] for each in shown] for t in FRAMES]
        holes = [sample.mask[t] for t in FRAMES]
    sheet = np.vstack(
        [
            np.hstack([_outlined(row[0], hole), *row[1:]])
            for row, hole in zip(rows, holes, strict=True)
        ]
    )
    scale = max(1, ROW_WIDTH // sheet.shape[1])
    sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = sheet.shape[:2]
    picture = Image.new("RGB", (width, height + HEADER), "white")
    picture.paste(Image.fromarray(sheet), (0, HEADER))
    draw = ImageDraw.Draw(picture)
    for column, title in enumerate(("damaged, hole outlined", "filled", "truth")):
        corner = (column * width // 3 + 8, HEADER // 4)
        draw.text(corner, title, fill="black", font=ImageFont.load_default(HEADER // 2))
    return picture


def _outlined(image: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    outlined = image.copy()
    outlined[masks.dilate(hole, 1) & ~hole] = OUTLINE
    return outlined


def _displayed(stack: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a stack (T, Y, X) as it looks on screen, (T, Y, X, 3) uint8, limits from `truth`."""
    low, high = np.percentile(truth, (0.5, 99.7))
    levels = np.clip((stack - low) / (high - low), 0, 1) ** 0.6
    grey = (levels * 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)
