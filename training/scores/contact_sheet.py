"""Contact sheets: the same pictures, filled by every method, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from training.scores.metrics import Image

WIDTH = 1960  # px, at most: what a page shows, and a file of few MB
GAP = 4
QUALITY = 85
INK, GREY = (0, 0, 0), (96, 96, 96)


def draw_contact_sheet(
    columns: Mapping[str, Sequence[Image]], notes: Mapping[str, str], path: Path
) -> None:
    """Draw pictures in columns, shrunk so that all fit into 1960 px, and write them to a file.

    Parameters
    ----------
    columns : mapping of str to sequence of image
        By title, from left to right; all as long as each other, of (H, W, 3) uint8 of one size.
    notes : mapping of str to str
        What stands below some of the titles, in small print.
    path : Path
        A JPEG or PNG file.
    """
    tall, wide = next(iter(columns.values()))[0].shape[:2]
    width = min(wide, (WIDTH + GAP) // len(columns) - GAP)
    height = round(tall * width / wide)
    size = max(9, min(15, width // 11))  # px; long titles shrink further
    head = 3 * size
    lines = len(next(iter(columns.values())))
    sheet = pillow.new(
        "RGB",
        (len(columns) * (width + GAP) - GAP, head + lines * (height + GAP) - GAP),
        (255, 255, 255),
    )
    pen = ImageDraw.Draw(sheet)
    for column, (title, pictures) in enumerate(columns.items()):
        x = column * (width + GAP)
        for y, text, ink, largest in (
            (size // 3, title, INK, size),
            (size // 3 + size + 3, notes.get(title, ""), GREY, size - 2),
        ):
            pen.text((x + 1, y), text, ink, _fitting(pen, text, width, largest))
        for line, picture in enumerate(pictures):
            tile = pillow.fromarray(np.ascontiguousarray(picture))
            if width < wide:
                tile = tile.resize((width, height), pillow.Resampling.LANCZOS)
            sheet.paste(tile, (x, head + line * (height + GAP)))
    sheet.save(path, quality=QUALITY, optimize=True)


def _fitting(
    pen: ImageDraw.ImageDraw, text: str, width: int, largest: int
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the largest font up to a size in which a line of text is no wider than the column."""
    size = largest
    while size > 6 and pen.textlength(text, ImageFont.load_default(size)) > width - 2:
        size -= 1
    return ImageFont.load_default(size)
