"""Perceptual distance: of the hole, by a network of its own."""

import numpy as np
import pytest
import torch
from skimage import data, filters

from training.scores import perceptual
from training.scores.perceptual import PerceptualDistance, in_whole_cells


@pytest.fixture(scope="module")
def distance():
    return PerceptualDistance()


@pytest.fixture(scope="module")
def truth():
    return data.astronaut()[:160, 150:310]


@pytest.fixture(scope="module")
def hole():
    mask = np.zeros((160, 160), bool)
    mask[40:90, 50:100] = True
    return mask


def blurred(image, sigma):
    smooth = filters.gaussian(image, sigma, channel_axis=2, preserve_range=True)
    return smooth.round().astype(np.uint8)


def test_alike_is_0_and_farther_is_more(distance, truth, hole):
    def fill(image):
        return distance(np.where(hole[..., None], image, truth), truth, hole)

    assert fill(truth) == pytest.approx(0, abs=1e-3)
    grey = np.full_like(truth, 128)
    found = [fill(blurred(truth, 1)), fill(blurred(truth, 4)), fill(grey)]
    assert found == sorted(found)
    assert 2 < found[0]
    assert 30 < found[2] < 100


def test_what_is_wrong_outside_the_hole_hardly_counts(distance, truth, hole):
    noise = np.random.default_rng(0).integers(0, 256, truth.shape, np.uint8)
    corner = np.zeros_like(hole)
    corner[110:160, 110:160] = True
    inside = distance(np.where(hole[..., None], noise, truth), truth, hole)
    outside = distance(np.where(corner[..., None], noise, truth), truth, hole)
    assert outside < inside / 3


def test_padding_to_whole_cells_is_no_part_of_the_hole(distance, truth, hole):
    sizes = (slice(0, 150), slice(0, 133))
    fill = np.where(hole[..., None], blurred(truth, 3), truth)
    odd = distance(fill[sizes], truth[sizes], hole[sizes])
    assert odd == pytest.approx(distance(fill, truth, hole), rel=0.1)
    image = torch.arange(2 * 3 * 33 * 64.0).reshape(2, 3, 33, 64)
    padded = in_whole_cells(image, "symmetric")
    assert padded.shape == (2, 3, 64, 64)
    assert torch.equal(padded[:, :, :33], image)
    assert torch.equal(padded[:, :, 33], image[:, :, 32])
    assert not in_whole_cells(image + 1, "constant")[:, :, 33:].any()


def test_hole_ends_where_the_picture_ends(distance, truth, monkeypatch):
    seen = []

    def keep(ours, theirs, hole):
        seen.append(hole)
        return torch.tensor(0.5)

    monkeypatch.setattr(perceptual, "perceptual_distance", keep)
    assert distance(truth[:150, :133], truth[:150, :133], np.ones((150, 133), bool)) == 50
    assert seen[0].shape == (1, 1, 160, 160)
    assert seen[0].sum() == 150 * 133


def test_it_looks_through_another_network_than_trainings(distance):
    blocks = [len(stage) for stage in distance.network.stages]
    assert blocks == [1, 3, 3, 4, 4, 5, 1]  # Lite0 has 1, 2, 2, 3, 3, 4, 1


def test_package_is_looked_for(monkeypatch):
    assert perceptual.is_installed()
    monkeypatch.setattr(perceptual, "PACKAGE", "efficientnet_lite99_pytorch_model")
    assert not perceptual.is_installed()
