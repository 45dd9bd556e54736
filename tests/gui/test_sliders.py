"""What the axes besides a plane's are called: by the person, and by a plan."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_inpaint.gui.sliders import letters_of, seen_along, sliders_of, ways


def image_of(shape, labels=None, rgb=False) -> Image:
    return Image(np.zeros(shape, np.uint8), axis_labels=labels, rgb=rgb)


@pytest.mark.parametrize(
    ("labels", "letters", "names"),
    [
        (None, "TZYX", ["t", "z"]),
        (("axis -4", "axis -3", "axis -2", "axis -1"), "TZYX", ["t", "z"]),
        (("Z", "Time", "y", "x"), "ZTYX", ["Z", "Time"]),
        (("frames", "slices", "y", "x"), "TZYX", ["frames", "slices"]),
        (("z", "channel", "y", "x"), "ZEYX", ["z", "channel"]),
        (("c", "t", "y", "x"), "ETYX", ["c", "t"]),
        (("position", "z", "y", "x"), "TZYX", ["position", "z"]),
        (("p", "z", "y", "x"), "PZYX", ["p", "z"]),
        (("z", "z", "y", "x"), "TZYX", ["z", "z"]),
        (("z", "what", "y", "x"), "ZTYX", ["z", "what"]),
    ],
)
def test_axes_are_what_labels_say_else_what_their_position_says(labels, letters, names):
    image = image_of((3, 4, 5, 6), labels)
    sliders = sliders_of(image, (2, 3))
    assert letters_of(image, sliders) == letters
    assert [each.name for each in sliders] == names
    assert [each.length for each in sliders] == [3, 4]


def test_image_without_slices_has_no_sliders():
    assert sliders_of(image_of((5, 6)), (0, 1)) == ()
    assert letters_of(image_of((5, 6, 3), rgb=True), ()) == "YXC"


@pytest.mark.parametrize(
    ("axes", "letters", "names"),
    [((0, 1), "TZYXC", ["y", "x"]), ((0, 3), "ZTYXC", ["z", "y"]), ((1, 2), "TZYXC", ["t", "x"])],
)
def test_sliders_along_y_and_x_get_what_is_free(axes, letters, names):
    image = image_of((3, 4, 5, 6, 3), rgb=True)
    sliders = sliders_of(image, axes)
    assert letters_of(image, sliders) == letters
    assert [each.name for each in sliders] == names


def test_ways_to_see_neighbours_are_named_as_the_person_names_the_axes():
    sliders = sliders_of(image_of((3, 1, 4, 5, 6), ("time", "c", "depth", "y", "x")), (3, 4))
    assert ways(sliders) == [
        ("auto (time, depth)", "auto"),
        ("none", "none"),
        ("time", "T"),
        ("depth", "Z"),
    ]
    assert [each.name for each in seen_along("auto", sliders)] == ["time", "depth"]
    assert seen_along("none", sliders) == []
    assert [each.name for each in seen_along("Z", sliders)] == ["depth"]


def test_slices_of_channels_are_no_neighbours_unless_somebody_says_so():
    sliders = sliders_of(image_of((3, 5, 6), ("channel", "y", "x")), (1, 2))
    assert ways(sliders)[0] == ("auto (none)", "auto")
    assert seen_along("auto", sliders) == []
    assert [each.name for each in seen_along("E", sliders)] == ["channel"]
