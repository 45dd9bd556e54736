"""Thin holes: which they are, that their fill is the plate, and what it costs nothing to keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.restoration import inpaint_biharmonic

import napari_inpaint as ni
from napari_inpaint.fill.thin import fill_thin, thin_holes


def waves(shape=(96, 128)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return 500 + 300 * np.sin(x / 9) * np.cos(y / 11)


def dust(shape=(96, 128), share=0.01, seed=0):
    return np.random.default_rng(seed).random(shape) < share


def test_holes_up_to_four_pixels_wide_are_thin_and_what_touches_a_wide_one_is_not():
    unknown = np.zeros((80, 80), bool)
    unknown[0, 5] = unknown[10:14, 3:40] = unknown[:, 60] = True
    unknown[30:35, 10:15] = unknown[29, 9] = True  # 5 px wide, and a pixel at its corner
    thin = thin_holes(unknown)
    wide = np.zeros_like(thin)
    wide[29:35, 9:15] = unknown[29:35, 9:15]
    np.testing.assert_array_equal(thin, unknown & ~wide)


def test_hole_at_the_border_is_as_thin_as_its_way_to_the_known_pixels():
    unknown = np.zeros((40, 40), bool)
    unknown[:, :2] = unknown[:, -4:] = True
    thin = thin_holes(unknown)
    assert thin[:, :2].all()
    assert not thin[:, -4:].any()


def test_single_pixels_and_lines_are_biharmonic():
    image, hole = waves(), dust()
    hole[40, 10:90] = True
    hole[39:42, 0] = False
    filled = fill_thin(np.where(hole, np.nan, image)[..., np.newaxis], hole, hole)
    expected = inpaint_biharmonic(np.where(hole, 0, image), hole)
    np.testing.assert_allclose(filled[:, 0], expected[hole], atol=1e-6)


@pytest.mark.parametrize("width", [3, 4])
def test_wider_lines_are_the_mean_of_plate_and_coherent_fill_and_near_to_the_truth(width):
    image, hole = waves(), np.zeros((96, 128), bool)
    hole[40 : 40 + width, 5:120] = True
    filled = fill_thin(image[..., np.newaxis].astype(np.float32), hole, hole)[:, 0]
    assert np.abs(filled - image[hole]).max() < 25  # of a range of 600


def test_another_hole_beside_it_is_never_read():
    image, thin = waves()[..., np.newaxis], np.zeros((96, 128), bool)
    thin[20, 30] = True
    unknown = thin.copy()
    unknown[22:60, 20:60] = True
    clean = fill_thin(np.where(unknown[..., np.newaxis], 0, image), unknown, thin)
    dirty = fill_thin(np.where(unknown[..., np.newaxis], 1e9, image), unknown, thin)
    np.testing.assert_array_equal(clean, dirty)
    assert abs(clean[0, 0] - image[20, 30, 0]) < 20


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)),
    share=st.sampled_from([0.02, 0.2, 0.5]),
    dtype=st.sampled_from(["bool", "uint8", "uint16", "int16", "uint32", "float32", "float64"]),
    level=st.sampled_from([1, 100, 1e30]),
)
def test_constant_images_stay_exactly_so_and_all_others_finite(seed, shape, share, dtype, level):
    rng = np.random.default_rng(seed)
    hole = rng.random(shape[:2]) < share
    hole[rng.integers(shape[0]), rng.integers(shape[1])] = False
    thin = thin_holes(hole)
    value = level if np.dtype(dtype).kind == "f" else 1
    constant = np.full(shape, value, dtype)
    assert (fill_thin(constant, hole, thin) == value).all()
    varied = (rng.random(shape) * (level if np.dtype(dtype).kind == "f" else 99)).astype(dtype)
    filled = fill_thin(varied, hole, thin)
    assert filled.dtype == varied.dtype
    assert filled.shape == (np.count_nonzero(thin), shape[2])
    assert np.isfinite(filled.astype(float)).all()


def test_auto_fills_thin_holes_without_a_model_and_says_so(add_backend, monkeypatch):
    def fail(device):
        raise AssertionError("loaded")

    name = add_backend(None, on_load=fail, provides={"inpaint"})
    monkeypatch.setattr("napari_inpaint.fill.plan.choose_backend", lambda *_: name)
    image, hole = waves().astype(np.uint16), dust()
    told = []
    filled = ni.inpaint(image, hole, report=True, progress=lambda *step: told.append(step))
    assert filled.record["backend"] == "thin plate"
    assert filled.record["thin"] == filled.pixels == hole.sum()
    assert told == [(0, hole.sum()), (hole.sum(), hole.sum())]
    assert np.abs(filled.image.astype(int) - image)[hole].max() < 30
    np.testing.assert_array_equal(filled.image[~hole], image[~hole])


def test_auto_asks_the_model_for_what_is_wide_with_the_thin_holes_known(add_backend, monkeypatch):
    seen = []

    def watch(image, mask):
        seen.append(mask.sum().item())
        return image * 0 + 0.5

    name = add_backend(watch)
    monkeypatch.setattr("napari_inpaint.fill.plan.choose_backend", lambda *_: name)
    image, hole = np.stack([waves().astype(np.float32)] * 3, axis=-1), dust()
    hole[30:60, 30:60] = True
    thin = thin_holes(hole)
    ni.inpaint(image, hole)
    assert sum(seen) == (hole & ~thin).sum() < hole.sum()
    record = ni.inpaint(image, hole, report=True).record
    assert record["thin"] == thin.sum()
    assert record["backend"] == name


def test_backend_that_was_asked_for_fills_thin_holes_too(add_backend):
    calls = []

    def watch(image, mask):
        calls.append(1)
        return image

    ni.inpaint(waves(), dust(share=0.001), backend=add_backend(watch))
    assert calls


def test_eight_and_sixteen_bits_and_both_dtypes_of_float_fill_alike():
    image, hole = waves() / 4, dust()
    eight = ni.inpaint(image.astype(np.uint8), hole)
    sixteen = ni.inpaint(image.astype(np.uint8).astype(np.uint16) * 257, hole)
    single = ni.inpaint(image.astype(np.uint8).astype(np.float32), hole)
    assert np.abs(sixteen / 257 - eight).max() <= 0.5
    assert np.abs(single - eight).max() <= 0.5


def test_thin_hole_among_missing_pixels_is_filled_from_beyond_them_and_alone():
    image, hole = waves().astype(np.float32), np.zeros((96, 128), bool)
    hole[40, 40] = True
    image[39:42, 39:42] = -1
    filled = ni.inpaint(image, hole, missing=-1, fill_missing="masked")
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert abs(filled[40, 40] - waves()[40, 40]) < 15
