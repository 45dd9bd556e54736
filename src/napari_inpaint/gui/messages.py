"""What the widgets say: what to do next, and numbers, times and devices as people say them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from napari_inpaint.backends.scores import Comparison

NO_IMAGE = (
    "Open an image to begin: drag a file into the window, or choose "
    "File → Open Sample → napari-inpaint."
)
NO_MASK = "Press New mask, then paint over what should disappear."
EMPTY = "Paint over what should disappear. The keys [ and ] change the size of the brush."
EMPTY_SHAPES = "Draw shapes around what should disappear; all that lies inside is filled."
SIZES = "Each point is a round hole of its own size; “point size” changes the selected ones."
EMPTY_POINTS = f"Click on what should disappear. {SIZES}"
EMPTY_SLICE = "Nothing is painted on this slice. Paint on it, or choose Whole stack."
NO_SLICE = "The 3D view shows no single slice. Choose Whole stack, or switch to the 2D view."
LOOKING = "Looking at the mask…"
READY = "Ready: press Inpaint."
READY_POINTS = f"{READY} {SIZES}"
READY_MISSING = "Ready: press Inpaint. The missing values will be filled, no mask is needed."
READY_BOTH = "Ready: press Inpaint. All missing values will be filled, too."
READY_SEEKING = (
    "Ready: press Inpaint. The whole image will be read to find its missing values, and they will "
    "be filled."
)
AGAIN = "The mask is hidden, so that the fill is seen. Edit mask shows it again, to paint more."

YOU_DECIDE = "you decide"  # the label 0: the person leaves it to the model
NO_GUIDE = (
    "No backend is installed that can segment and fill from labels. Open a file that can: "
    "backend → open a file…"
)
MASK_FIRST = "Press New mask, then paint over what should disappear. Or segment the image as it is."
MASK_NEXT = "Press New mask, then paint over what should be filled anew."
THEN_SEGMENT = "Then press Segment."
SEGMENT = "Press Segment: it names what is seen, and what is believed to stand behind the mask."
STALE = (
    "The mask has changed since. Press Segment again to see what is believed to stand behind it, "
    "or fill as it is."
)
REPAINT = "Pick a class below and repaint inside the outline, or press Fill from labels as it is."
FILL = "Press Fill from labels: the mask is filled with what you painted."
COMPARE = "Pick a class to repaint the labels and fill again; every fill is a layer of its own."
FLIP = "Flip through the variants with ‹ and ›, then keep one."
SAME_LAYER = "The labels and the mask are the same layer. Choose another one, or press Segment."
NO_LABELS = "Press Segment first, or choose a Labels layer."
NOT_A_NUMBER = (
    "“{}”, under More options, missing, is no number. Write numbers like -9999, commas between "
    "several, or nothing."
)
LONGEST = 24  # characters of a layer's name in a hint
SCORES = (
    "More dB and SSIM: nearer to the truth. Less texture distance: less blur. Less perceptual "
    "distance: more alike.\n"
    "In brackets: the best classical fill."
)
SURROUNDINGS, NEIGHBOURS = "surroundings", "neighbours"
ERROR_UNKNOWN = " Too little is known around the hole to tell the expected error."
NEAR = f"{NEIGHBOURS} and {SURROUNDINGS}"
RELIABLE = 0.5  # a fill is called reliable from here up, of 0 to 1


def count(number: int, noun: str) -> str:
    """Return a number with its noun, thousands set apart: "1 hole", "1 243 holes"."""
    plural = "" if number == 1 or noun == "px" else "s"
    return f"{number:,} {noun}{plural}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Return a time: "0.8 s", "12 s", "3 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def backend(chosen: str | os.PathLike[str]) -> str:
    """Return a backend's name; of a file, the name without its folders."""
    return chosen if isinstance(chosen, str) else Path(chosen).name


def score(found: Comparison) -> str:
    """Return how good a backend is, in one line; in brackets, the best classical fill."""
    own, beside = found.own, found.others[found.reference]
    learned = ""
    if own.perceptual is not None and beside.perceptual is not None:
        learned = f", perceptual distance {own.perceptual:.0f} ({beside.perceptual:.0f})"
    return (
        f"{found.data}: {own.hole_db:.1f} dB in the hole ({found.reference} {beside.hole_db:.1f}), "
        f"SSIM {own.ssim:.3f} ({beside.ssim:.3f}), texture {own.texture:.0f} ({beside.texture:.0f})"
        + learned
    )


def device(name: str) -> str:
    """Return a torch device's name: "CPU", "GPU 1", "Apple GPU"."""
    kind, _, index = name.partition(":")
    known = {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU"}.get(kind, name)
    return f"{known} {index}".strip()


def percent(share: float) -> str:
    """Return a share of one: "12 %"; "<1 %" of what is there but rounds to nothing."""
    return "<1\u00a0%" if 0 < share < 0.005 else f"{share:.0%}".replace("%", "\u00a0%")


def sources(shares: Mapping[str, float]) -> str:
    """Say what something was filled with.

    Returns
    -------
    str
        "from neighbours (62 %) and surroundings (38 %)"; where there are no neighbours, "with thin
        plate (62 %), coherence (30 %) and telea (8 %)".

    Parameters
    ----------
    shares : mapping
        How much each candidate counts, of 1, by its name, the greatest first.
    """
    axis = re.compile(" [a-z](, corrected)?$")  # ends the name of what looks along it
    near = [share for name, share in shares.items() if axis.search(name)]
    if not near:
        return f"with {_listed(shares)}"
    parts = {NEIGHBOURS: sum(near), SURROUNDINGS: sum(shares.values()) - sum(near)}
    return f"from {_listed(parts)}"


def _listed(shares: Mapping[str, float]) -> str:
    """Return names with their shares; what does not count is left out, what is alone needs none."""
    there = [f"{name} ({percent(share)})" for name, share in shares.items() if share >= 0.0005]
    if len(there) < 2:
        return max(shares, key=shares.__getitem__, default=NEAR)
    return f"{', '.join(there[:-1])} and {there[-1]}"


def expected(error: float) -> str:
    """Say how far off a fill may be: "Expected error: about 1 200, in the image's units."."""
    rounded = f"{float(f'{error:.2g}'):,g}".replace(",", "\u202f")
    return f" Expected error: about {rounded}, in the image's units."


def short(name: str) -> str:
    """Return a layer's name, cut in the middle where it would fill a hint by itself."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"


def other_classes(labels: str) -> str:
    """Say that a map's classes are not those of the backend."""
    return (
        f"The labels “{short(labels)}” have other classes than this backend. Choose the backend "
        "they were made with, or press Segment."
    )
