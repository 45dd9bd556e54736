import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint import masks
from napari_inpaint.errors import DtypeError
from napari_inpaint.masks import Box


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


def test_bounds_are_tight():
    hole = np.zeros((30, 40), bool)
    hole[3, 7] = hole[20, 9] = True
    assert masks.bounds(hole) == Box(3, 7, 21, 10)


@given(
    top=st.integers(0, 99),
    size=st.integers(1, 100),
    margin=st.integers(1, 40),
    length=st.integers(1, 300),
)
def test_grow_covers_the_margin_and_stays_in_the_image_if_it_can(top, size, margin, length):
    top = min(top, length - 1)
    bottom = min(top + size, length)
    box = masks.grow(Box(top, 0, bottom, 1), margin, 64, (length, 1000))
    assert (box.bottom - box.top) % 64 == 0
    assert box.top <= max(top - margin, 0)
    assert box.bottom >= min(bottom + margin, length)
    if box.bottom - box.top <= length:
        assert box.top >= 0
        assert box.bottom <= length


def test_crop_reflects_beyond_the_border():
    array = np.arange(6).reshape(2, 3)
    assert masks.crop(array, Box(0, 1, 2, 3)).tolist() == [[1, 2], [4, 5]]
    assert masks.crop(array, Box(-1, -2, 3, 1)).tolist() == [
        [1, 0, 0],
        [1, 0, 0],
        [4, 3, 3],
        [4, 3, 3],
    ]


def test_crop_of_a_single_pixel_repeats_it():
    assert (masks.crop(np.array([[9]]), Box(-32, -32, 32, 32)) == 9).all()


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    holes=st.integers(1, 40),
    context=st.integers(1, 40),
    working_size=st.integers(1, 100),
)
def test_regions_own_each_hole_pixel_once_and_see_something_known(
    seed, shape, holes, context, working_size
):
    rng = np.random.default_rng(seed)
    hole = np.zeros(shape, bool)
    for _ in range(holes):
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        hole[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = True
    hole[rng.integers(shape[0]), rng.integers(shape[1])] = False
    if not hole.any():
        return
    owned = np.zeros(shape, int)
    for region in masks.regions(hole, context, working_size, 64):
        rows, columns = np.nonzero(region.own)
        owned[rows + region.box.top, columns + region.box.left] += 1
        assert region.hole.shape[0] % 64 == region.hole.shape[1] % 64 == 0
        assert not region.hole.all()
        assert (region.hole | ~region.own).all()
    np.testing.assert_array_equal(owned, hole)


def test_distant_holes_are_regions_of_their_own_and_near_ones_share():
    hole = np.zeros((1000, 1000), bool)
    hole[10, 10] = hole[40, 40] = hole[900, 900] = True
    found = list(masks.regions(hole, 16, 100, 64))
    assert [int(region.own.sum()) for region in found] == [2, 1]
    assert all(region.hole.shape == (64, 64) for region in found)


def test_dense_dust_makes_regions_that_stay_small():
    rng = np.random.default_rng(0)
    hole = rng.random((600, 600)) < 0.01
    found = list(masks.regions(hole, 32, 128, 64))
    assert max(max(region.hole.shape) for region in found) > 600  # grid cells touch: one hole
    sparse = np.zeros((2000, 2000), bool)
    sparse[::50, ::50] = True
    found = list(masks.regions(sparse, 32, 128, 64))
    assert max(max(region.hole.shape) for region in found) <= 192
