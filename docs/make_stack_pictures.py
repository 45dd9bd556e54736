"""Draw the pictures of ``docs/stacks.md`` from the bundled stack."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_inpaint.api import inpaint
from napari_inpaint.samples import pictures

FOLDER = Path(__file__).parent
FRAMES = (16, 24, 36)
MISSING = 30
SCALE, GAP, HEADER = 2, 4, 26  # px
DISPLAY = (0.5, 99.7)  # percentiles
GAMMA = 0.6  # nuclei are bright and few


def sheet(rows: list[list[NDArray[np.uint8]]], titles: list[str], path: Path) -> None:
    """Draw rows of equally large grey pictures under titles."""
    height, width = (SCALE * side + GAP for side in rows[0][0].shape)
    picture = Image.new("L", (len(titles) * width - GAP, HEADER + len(rows) * height - GAP), 255)
    draw = ImageDraw.Draw(picture)
    for column, title in enumerate(titles):
        draw.text((column * width + 4, 6), title, fill=0, font=ImageFont.load_default(13))
        for row, line in enumerate(rows):
            large = Image.fromarray(line[column].repeat(SCALE, axis=0).repeat(SCALE, axis=1))
            picture.paste(large, (column * width, HEADER + row * height))
    picture.save(path, optimize=True)


def main() -> None:
    """Fill the stack in several ways, and write the pictures."""
    sample = pictures.stack()
    truth, hole = sample.truth, sample.mask
    low, high = np.percentile(truth, DISPLAY)

    def shown(plane: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.uint8]:
        unit = np.clip((plane.astype(np.float64) - low) / (high - low), 0, 1)
        return (255 * unit**GAMMA).astype(np.uint8)

    result = inpaint(sample.image, hole, axes="TYX", report=True)
    alone = inpaint(sample.image, hole, axes="TYX", along="none")
    most = 4 * float(np.median(result.error[result.error > 0]))
    errors = (255 * np.clip(result.error / most, 0, 1)).astype(np.uint8)
    rows = [
        [shown(each[t]) for each in (sample.image, alone, result.image, truth)] + [errors[t]]
        for t in FRAMES
    ]
    titles = ["damaged", 'along="none"', "auto", "truth", f"expected error, 0 to {most:.0f}"]
    sheet(rows, titles, FOLDER / "stack-fills.png")

    lost = truth.copy()
    lost[MISSING] = 0
    gap = np.zeros(truth.shape, bool)
    gap[MISSING] = True
    found = inpaint(lost, gap, axes="TYX", report=True)
    mean = (truth[MISSING - 1].astype(np.float64) + truth[MISSING + 1]) / 2
    errors = (255 * np.clip(found.error[MISSING] / most, 0, 1)).astype(np.uint8)
    line = [shown(mean), shown(found.image[MISSING]), shown(truth[MISSING]), errors]
    titles = ["mean of both neighbours", "auto", "truth", f"expected error, 0 to {most:.0f}"]
    sheet([line], titles, FOLDER / "stack-missing.png")


if __name__ == "__main__":
    main()
