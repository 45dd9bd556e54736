import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.arrays import masks
from napari_inpaint.errors import DtypeError


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64", ">i2"])
def test_any_integer_but_zero_is_hole(dtype):
    mask = np.array([[0, 1], [7, 0]], dtype)
    assert masks.as_hole(mask).tolist() == [[False, True], [True, False]]


def test_negative_labels_are_hole():
    assert masks.as_hole(np.array([[-1, 0]])).tolist() == [[True, False]]


def test_floats_of_zero_and_one_are_taken_others_refused():
    assert masks.as_hole(np.array([[0.0, 1.0]])).tolist() == [[False, True]]
    for value in (0.5, 255.0, np.nan):
        with pytest.raises(DtypeError, match=r"mask > 0\.5"):
            masks.as_hole(np.array([[0.0, value]]))


@pytest.mark.parametrize("dtype", ["complex64", "U1", "O"])
def test_other_types_are_refused(dtype):
    with pytest.raises(DtypeError, match="bool or integers"):
        masks.as_hole(np.zeros((2, 2), dtype))


def test_not_finite_is_a_hole_in_all_channels():
    pixels = np.zeros((2, 2, 2), np.float32)
    assert masks.not_finite(pixels) is None
    assert masks.not_finite(pixels.astype(int)) is None
    pixels[0, 0, 0], pixels[1, 1, 1] = np.nan, -np.inf
    assert masks.not_finite(pixels).tolist() == [[True, False], [False, True]]


@given(at=st.tuples(st.integers(0, 19), st.integers(0, 24)), radius=st.integers(0, 12))
def test_dilate_grows_by_a_disc(at, radius):
    hole = np.zeros((20, 25), bool)
    hole[at] = True
    y, x = np.mgrid[:20, :25]
    disc = (y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2
    np.testing.assert_array_equal(masks.dilate(hole, radius), disc)
    assert hole.sum() == 1


def test_depth_counts_from_the_known_pixels():
    hole = np.zeros((9, 9), bool)
    hole[2:7, 2:7] = True
    depth = masks.depth(hole)
    assert depth[0, 0] == 0
    assert depth[2, 4] == 1
    assert depth[4, 4] == 3


def test_feather_blends_near_the_rim_and_inside_only():
    image = np.full((20, 20, 1), 0.2, np.float32)
    prediction = np.full((20, 20, 1), 0.8, np.float32)
    hole = np.zeros((20, 20), bool)
    hole[5:15, 5:15] = True
    blended = masks.feather(prediction, image, hole, 3)
    assert blended[10, 5:10, 0].tolist() == pytest.approx([0.35, 0.5, 0.65, 0.8, 0.8])
    assert (blended[~hole] == np.float32(0.2)).all()
