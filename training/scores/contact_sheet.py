"""Contact sheets: the same pictures, filled by every method, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from training.scores import objects
from training.scores.cases import Case, Row, groups_of
from training.scores.metrics import Image

WIDTH = 1960  # px, at most: what a page shows, and a file of few MB
GAP = 4
QUALITY = 85
INK, GREY = (0, 0, 0), (96, 96, 96)
LINES = 12
CROP_WIDTH = 192  # px, at least: what is left of an object can be judged from here on
HOLE_COLOUR = np.array([214, 39, 110], np.uint8)  # no photograph has it, nor has the page


def draw_contact_sheet(
    columns: Mapping[str, Sequence[Image]], notes: Mapping[str, str], path: Path, least: int = 1
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
    least : int
        No picture is drawn narrower than this, px, whatever that makes of the sheet's width.
    """
    tall, wide = next(iter(columns.values()))[0].shape[:2]
    width = max(least, min(wide, (WIDTH + GAP) // len(columns) - GAP))
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
            if width != wide:
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


def sheet_note(scores: dict[str, Any]) -> str:
    """Return what stands below a method's name on a sheet."""
    measured = [name for name in ("texture", "perceptual") if name in scores]
    return f"{scores['hole dB']:.1f} dB, " + ", ".join(f"{n} {scores[n]:.0f}" for n in measured)


def draw_fills(
    rows: dict[str, Row],
    notes: dict[str, str],
    cases: list[Case],
    path: Path,
    *,
    crop: bool = False,
) -> None:
    """Draw input, truth and the methods in the order of the notes below their names.

    Each line shows another picture, if there are so many; the lines go through the groups of
    cases, so that no line is like another.

    Parameters
    ----------
    rows : dict of str to Row
        Fills of the cases, by method.
    notes : dict of str to str
        The methods to draw, with what stands below their names.
    cases : list of Case
        What was filled.
    path : Path
        Where to.
    crop : bool
        Show the surroundings of the holes, at 192 px or more, instead of whole pictures.
    """
    shown = sheet_cases(cases)

    def column(pictures: Sequence[Image]) -> list[Image]:
        return [pictures[i][objects.window(cases[i].mask)] if crop else pictures[i] for i in shown]

    columns = {
        "input": column([np.where(c.mask[..., None], HOLE_COLOUR, c.image) for c in cases]),
        "truth": column([case.image for case in cases]),
        **{name: column(rows[name].fills) for name in notes},
    }
    draw_contact_sheet(columns, notes, path, CROP_WIDTH if crop else 1)


def sheet_cases(cases: list[Case]) -> list[int]:
    """Choose cases for the lines of a sheet, evenly from all pictures and groups; their places."""
    groups = groups_of(cases)
    lines = min(LINES, len(cases))
    shown = []
    for line in range(lines):
        group = groups[line % len(groups)]
        members = [i for i, case in enumerate(cases) if case.group == group]
        shown.append(members[line * len(members) // lines])
    return list(dict.fromkeys(shown))
