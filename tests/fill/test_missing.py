"""Missing pixels: what says so, what is filled of them, and that none is ever read as known."""

import dask.array as da
import numpy as np
import pytest

import napari_inpaint as ni
from napari_inpaint.errors import OptionError, ShapeError

VOID = np.zeros((96, 128), bool)
VOID[30:50, 40:90] = True


def ground(dtype="float32"):
    """Heights of 200 to 800 m."""
    y, x = np.mgrid[:96, :128]
    return (500 + 300 * np.sin(x / 9) * np.cos(y / 11)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int16", "float64"])
@pytest.mark.parametrize("backend", ["auto", "biharmonic", "telea"])
def test_value_that_means_missing_is_filled_without_a_mask(dtype, backend):
    image = np.where(VOID, np.array(-9999, dtype), ground(dtype))
    filled = ni.inpaint(image, missing=-9999, backend=backend, report=True)
    np.testing.assert_array_equal(filled.hole, VOID)
    assert filled.image[VOID].min() > 100
    assert filled.image[VOID].max() < 900
    np.testing.assert_array_equal(filled.image[~VOID], image[~VOID])


def test_several_values_mean_missing_beside_nan():
    image = ground()
    image[3, 3], image[5, 5], image[7, 7] = -9999, 0, np.nan
    hole = ni.inpaint(image, missing=[-9999, 0], backend="telea", report=True).hole
    assert np.argwhere(hole).tolist() == [[3, 3], [5, 5], [7, 7]]


def test_missing_pixels_that_the_mask_does_not_mark_are_no_ground_either():
    image = np.where(VOID, np.float32(-9999), ground())
    mask = VOID.copy()
    mask[:, 70:] = False
    for backend in ("auto", "biharmonic", "coherence"):
        options = {"missing": -9999, "fill_missing": "masked", "backend": backend}
        filled = ni.inpaint(image, mask, report=True, **options)
        np.testing.assert_array_equal(filled.hole, mask)
        assert filled.image[mask].min() > 100
        np.testing.assert_array_equal(filled.image[~mask], image[~mask])


def test_collar_of_a_turned_picture_is_left_where_only_the_masked_is_asked_for(add_backend):
    seen = []

    def watch(image, mask):
        seen.append(mask.mean().item())
        return image * 0 + 0.5

    image = ground()
    y, x = np.mgrid[:96, :128]
    collar = (x + y < 60) | (x + y > 170)
    image[collar] = np.nan
    mask = np.zeros(image.shape, bool)
    mask[40:46, 60:66] = True
    name = add_backend(watch)
    filled = ni.inpaint(image, mask, backend=name, fill_missing="masked", report=True)
    np.testing.assert_array_equal(filled.hole, mask)
    assert np.isnan(filled.image[collar]).all()
    assert 0.2 < seen[0] < 0.9  # the model sees that the collar is not known
    every = ni.inpaint(image, mask, backend=name, report=True)
    np.testing.assert_array_equal(every.hole, mask | collar)


def test_patch_deep_in_a_collar_is_filled_from_the_nearest_that_is_known():
    image = ground()
    image[:, :100] = np.nan
    mask = np.zeros(image.shape, bool)
    mask[40:46, 5:11] = True
    filled = ni.inpaint(image, mask, backend="coherence", context=4, fill_missing="masked")
    assert np.isfinite(filled[mask]).all()
    assert np.isnan(filled[:, :100]).sum() == 96 * 100 - 36


def test_slice_that_is_missing_wholly_is_left_where_only_the_masked_is_asked_for():
    stack = np.stack([ground()] * 3)
    stack[1] = np.nan
    mask = np.zeros(stack.shape, bool)
    mask[0, 10:14, 10:30] = True
    filled = ni.inpaint(stack, mask, backend="telea", fill_missing="masked")
    assert np.isnan(filled[1]).all()
    assert np.isfinite(filled[[0, 2]]).all()
    with pytest.raises(ShapeError, match="Z=1"):
        ni.inpaint(stack, mask, backend="telea", along="none")
    mask[1, 5, 5] = True
    with pytest.raises(ShapeError, match="Z=1"):
        ni.inpaint(stack, mask, backend="telea", along="none", fill_missing="masked")


def test_only_the_mask_grows_where_only_the_masked_is_filled():
    image = ground()
    image[20, 20] = np.nan
    mask = np.zeros(image.shape, bool)
    mask[50, 50] = True
    hole = ni.inpaint(
        image, mask, backend="telea", dilate=2, fill_missing="masked", report=True
    ).hole
    assert hole.sum() == 13
    assert not hole[20, 20]


# --- masked arrays --------------------------------------------------------------------------


def test_masked_array_is_filled_where_it_is_masked_and_comes_back_as_one():
    data = np.where(VOID, -9999, ground("int32"))
    image = np.ma.MaskedArray(data, VOID)
    filled = ni.inpaint(image, backend="biharmonic")
    assert isinstance(filled, np.ma.MaskedArray)
    assert not np.ma.is_masked(filled)
    assert filled.data[VOID].min() > 100
    np.testing.assert_array_equal(filled.data[~VOID], data[~VOID])
    assert np.ma.is_masked(image)


def test_masked_array_keeps_masked_what_is_not_filled():
    image = np.ma.MaskedArray(ground(), VOID)
    mask = VOID.copy()
    mask[:, 70:] = False
    filled = ni.inpaint(image, mask, backend="telea", fill_missing="masked")
    np.testing.assert_array_equal(np.ma.getmaskarray(filled), VOID & ~mask)


def test_masked_channel_makes_the_pixel_missing():
    image = np.ma.MaskedArray(np.stack([ground()] * 3, axis=-1))
    image[VOID, 1] = np.ma.masked
    filled = ni.inpaint(image, axes="YXC", backend="telea", report=True)
    np.testing.assert_array_equal(filled.hole, VOID)
    assert not np.ma.is_masked(filled.image)


def test_plain_arrays_come_back_plain():
    assert type(ni.inpaint(ground(), VOID, backend="telea")) is np.ndarray


# --- everywhere -----------------------------------------------------------------------------


def test_lazy_array_needs_no_mask_where_values_are_missing():
    stack = np.stack([ground()] * 3)
    stack[0, VOID], stack[2, 5, 5] = -9999, np.nan
    expected = ni.inpaint(stack, missing=-9999, backend="telea")
    lazy = ni.inpaint(da.from_array(stack, chunks=(1, 50, 50)), missing=-9999, backend="telea")
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_segmentation_reads_no_missing_pixel(add_painter):
    image = np.full((64, 64), 200, np.int16)
    image[::2] = 10
    image[20:30, 20:30] = -9999
    found = ni.segment(image, missing=-9999, backend=add_painter())
    assert found.hole.sum() == 100
    assert (found.labels[20:30, 20:30] == 1).all()  # as behind a mask
    assert (found.labels[1, 40:] == 2).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"missing": "none"}, "missing must be a number"),
        ({"missing": [1, None]}, "missing must be a number"),
        ({"missing": -1}, "No pixel of type uint8 is -1"),
        ({"fill_missing": "some"}, "all, masked"),
    ],
)
def test_wrong_options_are_named(options, text):
    with pytest.raises(OptionError, match=text):
        ni.inpaint(np.zeros((8, 8), np.uint8), **options)


def test_grown_hole_is_unknown_in_slices_that_miss_nothing_too():
    image = np.full((2, 40, 40), 100, np.float32)
    image[0, 5, 5] = np.nan
    image[1, 18:23, 20] = 9000  # its ends lie beyond what the mask marks
    hole = np.zeros(image.shape, bool)
    hole[:, 19:22, 19:22] = True
    filled = ni.inpaint(image, hole, dilate=1, fill_missing="masked")
    assert (filled[1] == 100).all()
    assert np.isnan(filled[0, 5, 5])
