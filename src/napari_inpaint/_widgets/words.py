"""What the widgets say: what to do next, and numbers, times and devices as people say them."""

from __future__ import annotations

from pathlib import Path

NO_IMAGE = (
    "Open an image to begin: drag a file into the window, or choose "
    "File → Open Sample → napari-inpaint."
)
NO_MASK = "Press New mask, then paint over what should disappear."
EMPTY = "Paint over what should disappear. The keys [ and ] change the size of the brush."
EMPTY_SLICE = "Nothing is painted on this slice. Paint on it, or choose Whole stack."
NO_SLICE = "The 3D view shows no single slice. Choose Whole stack, or switch to the 2D view."
READY = "Ready: press Inpaint."
AGAIN = "The mask is hidden, so that the fill is seen. Edit mask shows it again, to paint more."


def count(number: int, noun: str) -> str:
    """Return a number with its noun, thousands set apart: "1 hole", "1 243 holes"."""
    plural = "" if number == 1 or noun == "px" else "s"
    return f"{number:,} {noun}{plural}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """Return a time: "0.8 s", "12 s", "3 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def backend(chosen: str | Path) -> str:
    """Return a backend's name; of a file, the name without its folders."""
    return chosen.name if isinstance(chosen, Path) else chosen


def device(name: str) -> str:
    """Return a torch device's name: "CPU", "GPU 1", "Apple GPU"."""
    kind, _, index = name.partition(":")
    known = {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU"}.get(kind, name)
    return f"{known} {index}".strip()
