"""Noise in fills, through the whole way."""

import dask.array as da
import numpy as np
import pytest

import napari_inpaint as ni
from napari_inpaint.errors import OptionError

RNG = np.random.default_rng(0)


def noise(*shape, dtype=np.uint16):
    return RNG.normal(500, 40, shape).astype(dtype)


def square(*shape):
    hole = np.zeros(shape, bool)
    hole[..., 30:60, 30:60] = True
    return hole


@pytest.mark.parametrize("shape", [(96, 96), (8, 96, 96)])
def test_noise_alone_comes_back_as_strong(shape):
    image, hole = noise(*shape), square(*shape)
    filled = ni.inpaint(image, hole, texture=1)
    assert filled[hole].std() == pytest.approx(image.std(), rel=0.1)
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_without_texture_a_fill_is_smoother_than_a_measurement():
    image, hole = noise(8, 96, 96), square(8, 96, 96)
    filled = ni.inpaint(image, hole)
    assert filled[hole].std() < 0.5 * image.std()
    half = ni.inpaint(image, hole, texture=0.5)
    assert filled[hole].std() < half[hole].std() < 0.8 * image.std()


def test_every_backend_can_have_it():
    image, hole = noise(96, 96, dtype=np.float32), square(96, 96)
    smooth = ni.inpaint(image, hole, backend="telea")
    rough = ni.inpaint(image, hole, backend="telea", texture=1)
    assert smooth[hole].std() < 30
    assert rough[hole].std() == pytest.approx(40, rel=0.15)


def test_each_slice_has_noise_of_its_own_the_same_in_every_run_and_in_dask():
    image, hole = noise(12, 64, 64), square(12, 64, 64)
    hole[5] = True
    filled = ni.inpaint(image, hole, texture=1)
    np.testing.assert_array_equal(filled, ni.inpaint(image, hole, texture=1))
    assert (filled != ni.inpaint(image, hole, texture=1, seed=1)).any()
    lazy = ni.inpaint(da.from_array(image, chunks=(5, 30, 64)), hole, texture=1)
    np.testing.assert_array_equal(lazy.compute(), filled)
    first, second = (filled[z][hole[z]].astype(float) for z in (2, 3))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2
    assert filled[5].std() == pytest.approx(image.std(), rel=0.1)


def test_integers_stay_in_their_range():
    image = RNG.normal(250, 10, (64, 64)).clip(0, 255).astype(np.uint8)
    hole = square(64, 64)
    filled = ni.inpaint(image, hole, texture=1)
    assert filled.dtype == np.uint8
    assert filled[hole].min() > 150


@pytest.mark.parametrize("texture", [-0.1, 1.1, "much", True, None])
def test_texture_is_a_number_from_0_to_1(texture):
    with pytest.raises(OptionError, match="texture must be a number from 0 to 1"):
        ni.inpaint(noise(20, 20), np.zeros((20, 20), bool), texture=texture)
