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


def test_missing_pixels_is_a_hole_in_all_channels():
    pixels = np.zeros((2, 2, 2), np.float32)
    assert masks.missing_pixels(pixels) is None
    assert masks.missing_pixels(pixels.astype(int)) is None
    pixels[0, 0, 0], pixels[1, 1, 1] = np.nan, -np.inf
    assert masks.missing_pixels(pixels).tolist() == [[True, False], [False, True]]


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


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_missing_is_what_has_a_value_that_says_so(dtype):
    pixels = np.arange(12, dtype=dtype).reshape(2, 3, 2)
    assert masks.missing_pixels(pixels) is None
    assert masks.missing_pixels(pixels, (99,)) is None
    expected = [[False, True, False], [False, False, True]]
    assert masks.missing_pixels(pixels, (2, 11)).tolist() == expected


def test_missing_value_of_a_photo_is_that_of_all_its_channels():
    """A single 0 is a colour; black is the collar of a turned picture."""
    pixels = np.array([[[0, 0, 0], [0, 7, 9], [255, 0, 0]]], np.uint8)
    assert masks.missing_pixels(pixels, (0,)).tolist() == [[True, False, False]]
    bands = pixels.astype(np.int16)
    assert masks.missing_pixels(bands, (0,)).tolist() == [[True, True, True]]


def test_missing_joins_values_and_what_is_not_finite():
    pixels = np.array([[[np.nan], [-9999], [3], [np.inf]]], np.float32)
    expected = [[True, True, False, True]]
    assert masks.missing_pixels(pixels, (-9999, np.nan)).tolist() == expected


# --- found without painting -----------------------------------------------------------------


def starfield(frames=1, seed=0):
    """Stars and beads as a lens draws them, on a slope, with shot noise; and without."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:200, :240]
    ground = 300 + y + 0.5 * x
    truth = ground.copy()
    for _ in range(40):
        cy, cx, sigma = rng.uniform(0, 200), rng.uniform(0, 240), rng.uniform(1, 4)
        truth += rng.uniform(500, 20_000) * np.exp(
            -((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)
        )
    dark = ~masks.dilate(truth > ground + 5, 2)
    return rng.poisson(np.repeat(truth[np.newaxis], frames, axis=0)).astype(np.uint16), dark


def test_hot_and_dead_pixels_are_found_and_stars_are_not():
    (frame,), dark = starfield()
    assert masks.hot_pixels(frame).sum() <= 2
    rng = np.random.default_rng(1)
    wrong = dark & (rng.random(frame.shape) < 0.002)
    broken = np.where(wrong, rng.choice([0, 8_000, 60_000], frame.shape), frame).astype(np.uint16)
    found = masks.hot_pixels(broken)
    assert wrong.sum() > 50
    assert (found & wrong).sum() >= 0.95 * wrong.sum()
    assert (found & ~wrong).sum() <= 2


def test_hot_pixels_of_a_stack_are_the_same_in_each_frame_and_fainter_ones_are_found():
    frames, dark = starfield(frames=12)
    for t in range(12):  # what moves is no fault of the sensor
        frames[t, 20 + 3 * t, 30] = 60_000
    faint = dark & (np.random.default_rng(1).random(dark.shape) < 0.002)
    frames[:, faint] += 130  # 6 deviations in one frame, 17 in the median of twelve
    found = masks.hot_pixels(frames, stack=True)
    assert (found == found[0]).all()
    assert (found[0] & faint).sum() >= 0.9 * faint.sum() > 40
    assert (found[0] & ~faint).sum() <= 2
    assert masks.hot_pixels(frames)[5, 35, 30]


def test_pair_of_hot_pixels_is_found_and_an_edge_is_not():
    rng = np.random.default_rng(0)
    frame = rng.normal(100, 3, (60, 60)).astype(np.float32)
    frame[:, 30:] += 5_000
    frame[10, 10] = frame[10, 11] = 900
    found = masks.hot_pixels(frame)
    assert found[10, 10:12].all()
    assert found.sum() == 2


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 40)])
def test_hot_pixels_of_a_constant_or_tiny_frame_are_none(shape):
    assert not masks.hot_pixels(np.full(shape, 7, np.uint16)).any()
    assert masks.hot_pixels(np.full((3, *shape), 7.0), stack=True).shape == (3, *shape)


def test_saturated_is_the_greatest_value_that_many_pixels_share():
    pixels = np.arange(100, dtype=np.uint16).reshape(10, 10, 1)
    assert not masks.saturated_pixels(pixels).any()
    pixels[2:4, 2:4] = 4095
    assert np.argwhere(masks.saturated_pixels(pixels)).tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    pixels[0, 0] = 65535
    assert np.argwhere(masks.saturated_pixels(pixels)).tolist() == [[0, 0]]
    assert not masks.saturated_pixels(np.full((4, 4, 1), 255, np.uint8)).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_integers_are_never_missing_by_a_value_that_they_cannot_have(value):
    assert masks.missing_pixels(np.zeros((4, 4, 1), np.uint16), [value]) is None


def test_noise_on_a_slope_is_not_hot_at_the_border_either():
    rng = np.random.default_rng(0)
    slope = np.linspace(100, 900, 160)[:, np.newaxis] + np.linspace(0, 500, 120)
    frames = (slope + rng.normal(0, 5, (12, 160, 120))).astype(np.uint16)
    assert not masks.hot_pixels(frames, stack=True).any()
    assert not masks.hot_pixels(frames).any()


@pytest.mark.parametrize("value", [-3.4028234663852886e38, -3.4028e38, -3.40282306e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_least_float_means_missing_however_it_is_rounded(dtype, value):
    pixels = np.full((4, 4, 1), 5, dtype)
    pixels[1, 2] = np.finfo(np.float32).min
    expected = np.zeros((4, 4), bool)
    expected[1, 2] = True
    np.testing.assert_array_equal(masks.missing_pixels(pixels, [value]), expected)
