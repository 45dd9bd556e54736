"""What noise a fill lacks."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_inpaint.weightless.noise import lacking_noise

RNG = np.random.default_rng(0)
HOLE = np.zeros((160, 160), bool)
HOLE[50:110, 40:120] = True


def noisy(scale, deviation=10.0, mean=100.0):
    """Noise (160, 160) that is correlated over so many px."""
    noise = RNG.normal(size=HOLE.shape)
    if scale:
        noise = gaussian_filter(noise, scale)
    return mean + deviation * noise / noise.std()


def filled_with_noise(image, fill):
    smooth = np.where(HOLE, fill, image)
    return smooth + lacking_noise(smooth, HOLE, np.random.default_rng(1)) * HOLE


def neighbours_correlation(plane):
    inside = plane[50:110, 40:120] - plane[HOLE].mean()
    return float((inside[:, 1:] * inside[:, :-1]).mean() / inside.var())


@pytest.mark.parametrize("scale", [0, 0.7, 1.5])
def test_constant_fill_gets_the_deviation_and_the_correlation_of_its_surroundings(scale):
    image = noisy(scale)
    noise = filled_with_noise(image, 100.0)
    assert noise[HOLE].std() == pytest.approx(10, rel=0.1)
    assert noise[HOLE].mean() == pytest.approx(100, abs=1.5 + 2 * scale)
    assert neighbours_correlation(noise) == pytest.approx(neighbours_correlation(image), abs=0.1)


def test_fill_that_has_all_the_noise_gets_next_to_none():
    image, other = noisy(0), noisy(0)
    added = lacking_noise(np.where(HOLE, other, image), HOLE, np.random.default_rng(1))
    assert added[HOLE].std() < 4


def test_fill_with_half_the_variance_gets_the_other_half():
    image, other = noisy(0), noisy(0, 10 / np.sqrt(2))
    assert filled_with_noise(image, other)[HOLE].std() == pytest.approx(10, rel=0.1)


def test_noise_goes_with_the_intensity():
    light = np.broadcast_to(np.linspace(20, 2000, 160), HOLE.shape)
    image = RNG.poisson(light).astype(float)
    hole = np.zeros_like(HOLE)
    hole[50:110] = True
    smooth = np.where(hole, light, image)
    added = lacking_noise(smooth, hole, np.random.default_rng(1))
    dark, bright = added[50:110, 20:40].std(), added[50:110, 130:150].std()
    assert dark == pytest.approx(np.sqrt(light[0, 30]), rel=0.2)
    assert bright == pytest.approx(np.sqrt(light[0, 140]), rel=0.2)


def test_smooth_image_gets_next_to_no_noise():
    y, x = np.mgrid[:160, :160]
    image = 100 + 30 * np.sin(x / 40) + 20 * np.cos(y / 35)
    assert lacking_noise(image, HOLE, np.random.default_rng(1))[HOLE].std() < 0.01 * np.ptp(image)


def test_missing_slice_gets_the_noise_of_another():
    image, nothing = noisy(0), np.full(HOLE.shape, 100.0)
    every = np.ones_like(HOLE)
    added = lacking_noise(nothing, every, np.random.default_rng(1), image, every)
    assert added.std() == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (5, 5), (40, 3)])
def test_small_pictures_are_no_trouble(shape):
    hole = np.zeros(shape, bool)
    hole[0, 0] = True
    noise = lacking_noise(RNG.normal(size=shape), hole, np.random.default_rng(1))
    assert noise.shape == shape
    assert np.isfinite(noise).all()


def test_a_plane_of_one_pixel_has_no_noise():
    one = np.ones((1, 1), bool)
    found = lacking_noise(np.zeros((1, 1)), one, np.random.default_rng(0), np.ones((1, 1)), one)
    np.testing.assert_array_equal(found, 0)
