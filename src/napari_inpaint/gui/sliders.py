"""The axes along which an image has slices: what the person calls them, and what a plan does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_inpaint.arrays.axes import parse
from napari_inpaint.fill.plan import MOST_AXES, NEIGHBOURS
from napari_inpaint.gui import messages
from napari_inpaint.gui.image_layers import spatial_shape

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint.gui.image_layers import Axes

ALONG_AUTO, ALONG_NONE = "auto", "none"
UNNAMED = re.compile(r"(axis )?-?\d*")  # as napari names axes that nobody named
CHANNELS = "E"  # C is for colours that are filled together; slices of channels are no neighbours
KNOWN = {"depth": "Z", "slice": "Z", "time": "T", "frame": "T", "c": CHANNELS, "channel": CHANNELS}
OTHERS = "WVUSRPONMLKJHGFEDBA"  # letters for axes along which slices are no neighbours


@dataclass(frozen=True)
class Slider:
    """An axis of an image besides the two that are shown.

    Attributes
    ----------
    name : str
        As the person calls it: "z", "time".
    letter : str
        As a plan calls it; along Z and T slices see each other.
    length : int
        How many slices there are.
    """

    name: str
    letter: str
    length: int


def sliders_of(image: Image, axes: Axes) -> tuple[Slider, ...]:
    """Return the axes of an image besides the two of a plane, in the image's order.

    What a label says counts, else the position: from the right there are X, Y, Z, T and others.
    Who shows other axes than Y and X has sliders along these: they get what of Z and T is free.
    """
    labels = [label.strip() for label in image.axis_labels]
    usual = parse(None, (1,) * image.ndim).letters
    said = [_said(label) for label in labels]
    wanted = [letter or usual[axis] for axis, letter in enumerate(said)]
    own = [axis for axis in range(image.ndim) if axis not in axes]
    letters: dict[int, str] = {}
    for axis in sorted(own, key=lambda each: (said[each] is None, wanted[each] in "YX", -each)):
        taken = {*"YXC", *letters.values()}
        letters[axis] = next(each for each in (wanted[axis], *"ZT", *OTHERS) if each not in taken)
    lengths = spatial_shape(image)
    return tuple(
        Slider(
            usual[axis].lower() if UNNAMED.fullmatch(labels[axis]) else labels[axis],
            letters[axis],
            lengths[axis],
        )
        for axis in own
    )


def _said(label: str) -> str | None:
    """Return the letter of an axis with this label; None: it does not say."""
    name = label.lower()
    known = KNOWN.get(name) or KNOWN.get(name.removesuffix("s"))
    return known or (name.upper() if re.fullmatch("[a-z]", name) else None)


def letters_of(image: Image, sliders: Sequence[Slider]) -> str:
    """Return what the axes are of an image with a plane's axes last: "TZYX", "ZYXC"."""
    return "".join(each.letter for each in sliders) + ("YXC" if image.rgb else "YX")


def ways(sliders: Sequence[Slider]) -> list[tuple[str, str]]:
    """Return along which axes slices may see each other: as people say it, and as options do."""
    names = [messages.short(each.name) for each in seen_along(ALONG_AUTO, sliders)]
    single = [(messages.short(each.name), each.letter) for each in sliders if each.length > 1]
    auto = f"auto ({', '.join(names) or ALONG_NONE})"
    return [(auto, ALONG_AUTO), (ALONG_NONE, ALONG_NONE), *single]


def seen_along(way: str, sliders: Sequence[Slider]) -> list[Slider]:
    """Return the axes along which slices then see each other, as `fill.plan` has it."""
    wanted = {ALONG_AUTO: NEIGHBOURS, ALONG_NONE: ""}.get(way, way)
    there = {each.letter for each in sliders if each.length > 1}
    seen = [letter for letter in wanted if letter in there][:MOST_AXES]
    return [each for each in sliders if each.letter in seen]
