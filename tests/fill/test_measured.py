"""Expected errors of fills that no jury weighs."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_inpaint as ni
from napari_inpaint.fill.inpaint import fill_image
from napari_inpaint.fill.plan import Options, plan

RNG = np.random.default_rng(0)


def texture(*shape, scale=4.0):
    smooth = gaussian_filter(RNG.normal(size=shape), scale, mode="wrap")
    return (1000 + 200 * smooth / smooth.std()).astype(np.float32)


def holes(*shape):
    hole = np.zeros(shape, bool)
    for top, left in ((20, 30), (90, 120), (150, 40), (40, 170)):
        hole[..., top : top + 24, left : left + 20] = True
    return hole


@pytest.mark.parametrize("backend", ["telea", "coherence", "auto"])
def test_truth_lies_within_what_is_expected(backend):
    within = []
    for _ in range(3):
        image, hole = texture(200, 220), holes(200, 220)
        result = ni.inpaint(image, hole, backend=backend, report=True)
        off = np.abs(result.image - image)[hole]
        within.append(np.mean(off <= 1.645 * result.error[hole]))
        assert (result.error[~hole] == 0).all()
    assert 0.82 < np.mean(within) < 0.98


def test_error_is_in_the_units_of_the_image_and_has_its_shape():
    image, hole = texture(200, 220), holes(200, 220)
    small = ni.inpaint(image, hole, backend="telea", report=True).error
    large = ni.inpaint(1000 * image, hole, backend="telea", report=True).error
    np.testing.assert_allclose(large, 1000 * small, rtol=0.05)
    colour = np.stack([image, image[::-1], image / 100], axis=-1)
    error = ni.inpaint(colour, hole, backend="telea", report=True).error
    assert error.shape == colour.shape
    assert error[..., 2].max() < 0.1 * error[..., 0].max()


def test_rough_texture_has_the_greater_error():
    hole = holes(200, 220)
    errors = [
        ni.inpaint(texture(200, 220, scale=scale), hole, backend="telea", report=True).error
        for scale in (2, 16)
    ]
    assert errors[0][hole].mean() > 2 * errors[1][hole].mean()


def test_thin_holes_have_theirs():
    within, hole = [], np.zeros((200, 220), bool)
    hole[50:52, 20:200] = hole[120:122, 20:200] = True
    for _ in range(8):
        image = texture(200, 220)
        result = ni.inpaint(image, hole, report=True)
        assert result.record["backend"] == "thin plate"
        off = np.abs(result.image - image)[hole]
        within.append(np.mean(off <= 1.645 * result.error[hole]))
    assert 0.82 < np.mean(within) < 0.98


def test_without_a_report_there_is_none():
    image, hole = texture(60, 60), holes(60, 60)
    settled = plan(image.shape, image.dtype, Options("telea"))
    assert fill_image(settled, image, hole).error is None
    assert fill_image(settled, image, hole, error=True).error is not None


def test_where_nothing_fits_on_known_pixels_it_cannot_be_told():
    image, hole = texture(40, 40), np.ones((40, 40), bool)
    hole[0, 0] = False
    result = ni.inpaint(image, hole, backend="telea", report=True)
    assert np.isnan(result.error[hole]).all()
    assert (result.error[~hole] == 0).all()


def test_guided_fill_has_none_that_could_be_measured():
    image, hole = np.stack([texture(80, 80)] * 3, axis=-1), np.zeros((80, 80), bool)
    hole[30:50, 30:50] = True
    labels = np.full((80, 80), 1)
    result = ni.inpaint(image, hole, labels=labels, backend="patchmatch", report=True)
    assert np.isnan(result.error[hole]).all()
