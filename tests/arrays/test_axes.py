import numpy as np
import pytest

from napari_inpaint.arrays.axes import parse
from napari_inpaint.errors import ShapeError


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ((5, 5), "YX"),
        ((16, 16, 3), "YXC"),
        ((16, 16, 4), "YXC"),
        ((15, 16, 3), "ZYX"),
        ((16, 16, 2), "ZYX"),
        ((7, 512, 512), "ZYX"),
        ((2, 7, 512, 512), "TZYX"),
        ((2, 7, 512, 512, 3), "TZYXC"),
    ],
)
def test_default_axes_take_a_last_axis_of_3_or_4_for_channels(shape, letters):
    assert parse(None, shape).letters == letters


def test_axes_that_are_given_always_win():
    assert parse("zyx", (64, 64, 3)).channels is None
    assert parse("YXC", (4, 4, 5)).channels == 5


@pytest.mark.parametrize(
    ("axes", "shape", "colours", "photo"),
    [
        ("YX", (8, 9), 1, False),
        ("YXC", (8, 9, 3), 3, True),
        ("ZYXC", (2, 8, 9, 3), 3, True),
        ("YXC", (8, 9, 4), 4, False),
        (None, (18, 19, 4), 4, False),
        ("CYX", (3, 8, 9), 3, False),
        ("TCZYX", (1, 2, 3, 8, 9), 2, False),
    ],
)
def test_all_channels_are_data_and_three_last_ones_a_photo(axes, shape, colours, photo):
    named = parse(axes, shape)
    assert (named.colours, named.is_photo) == (colours, photo)


@pytest.mark.parametrize("axes", ["", "Y", "XC", "YYX", "Y X", "Y1X", "ZYXX", 3, "ZCT"])
def test_axes_that_are_none_are_refused(axes):
    with pytest.raises(ShapeError, match="axes must be a different letter"):
        parse(axes, (4, 5, 6))


@pytest.mark.parametrize("axes", ["YX", "TZYX"])
def test_axes_of_another_number_are_refused(axes):
    with pytest.raises(ShapeError, match="image has 3"):
        parse(axes, (4, 5, 6))


@pytest.mark.parametrize("shape", [(), (5,)])
def test_image_needs_two_axes(shape):
    with pytest.raises(ShapeError, match="Y and X"):
        parse(None, shape)


def test_image_without_pixels_is_refused():
    with pytest.raises(ShapeError, match="no pixels"):
        parse(None, (0, 5))


@pytest.mark.parametrize("letters", ["YXC", "CYX", "TCZYX", "XCYT", "ZYX"])
def test_image_view_writes_to_the_image(letters):
    lengths = {"T": 2, "C": 5, "Z": 3, "Y": 6, "X": 7}
    image = np.zeros([lengths[each] for each in letters])
    axes = parse(letters, image.shape)
    view = axes.image_view(image)
    assert view.shape[-3:] == (6, 7, 5 if "C" in letters else 1)
    view[..., 1, 2, :] = 1
    at = tuple({"Y": 1, "X": 2}.get(each, slice(None)) for each in letters)
    assert image[at].all()
    assert image.sum() == image[at].size


@pytest.mark.parametrize(
    ("letters", "image", "mask"),
    [
        ("TZYX", (2, 3, 4, 5), (2, 3, 4, 5)),
        ("TZYX", (2, 3, 4, 5), (3, 4, 5)),
        ("TZYX", (2, 3, 4, 5), (4, 5)),
        ("TZYX", (2, 3, 4, 5), (2, 1, 4, 5)),
        ("TCYX", (2, 3, 4, 5), (2, 4, 5)),
        ("YXZ", (4, 5, 3), (4, 5)),
    ],
)
def test_mask_view_repeats_the_mask_for_all_slices(letters, image, mask):
    hole = np.zeros(mask, bool)
    hole[..., 1, 2] = True
    view = parse(letters, image).mask_view(hole)
    assert view.shape[-2:] == (4, 5)
    assert view[..., 1, 2].all()
    assert view.sum() == view[..., 1, 2].size


def test_mask_view_turns_the_mask_as_the_image():
    hole = np.zeros((5, 4), bool)
    hole[2, 1] = True
    view = parse("XYZ", (5, 4, 3)).mask_view(hole)
    assert view.shape == (3, 4, 5)
    assert view[:, 1, 2].all()


@pytest.mark.parametrize("mask", [(5, 4), (4,), (2, 4, 5), (1, 1, 4, 5), (4, 1), ()])
def test_mask_that_does_not_fit_is_refused_with_both_shapes(mask):
    with pytest.raises(ShapeError) as caught:
        parse("ZYX", (3, 4, 5)).mask_view(np.zeros(mask, bool))
    assert str(mask) in str(caught.value)
    assert "(3, 4, 5)" in str(caught.value)


def test_mask_with_channels_is_refused_with_the_way_out():
    with pytest.raises(ShapeError, match=r"mask\.any"):
        parse("YXC", (20, 20, 3)).mask_view(np.zeros((20, 20, 3), bool))


def test_mask_of_a_small_colour_image_is_refused_with_the_way_out():
    with pytest.raises(ShapeError, match="axes='…YXC'"):
        parse(None, (10, 10, 3)).mask_view(np.zeros((10, 10), bool))
