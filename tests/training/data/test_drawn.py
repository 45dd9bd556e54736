"""Drawn scenes among pictures, and alone."""

import numpy as np
import pytest

from training.data.dataset import HoleDataset
from training.data.drawn import SCENES, Mixture, validation_scenes
from training.data.pictures import Picture


def plain(rng, size):
    """A scene that shows what its generator gave."""
    return Picture(np.full((size, size, 3), rng.integers(1, 256), np.uint8))


def test_mixture_draws_the_asked_share_and_repeats_with_its_seed():
    black = [Picture(np.zeros((40, 40, 3), np.uint8))] * 3
    dataset, again, other = (
        HoleDataset(Mixture(black, plain, 32, 0.25, seed), 32, 1.0, (0.1, 0.5), seed=(0,))
        for seed in (0, 0, 1)
    )
    levels, same, others = (
        [d[i][0].max().item() for i in range(200)] for d in (dataset, again, other)
    )
    assert 30 <= np.count_nonzero(levels) <= 72
    assert levels == same
    assert np.array_equal(np.array(levels) > 0, np.array(others) > 0)
    assert len({level for level in levels if level}) > 20
    assert levels != others


def test_mixture_without_pictures_must_draw_all():
    mixture = Mixture([], plain, 8, 1.0)
    assert mixture[0].image.shape == (8, 8, 3)
    with pytest.raises(ValueError, match=r"got 0\.5 and 0 pictures"):
        Mixture([], plain, 8, 0.5)
    with pytest.raises(IndexError, match="got -1"):
        mixture[-1]


def test_mixture_with_share_0_draws_nothing():
    pictures = [Picture(np.full((4, 4, 3), n, np.uint8)) for n in range(3)]
    mixture = Mixture(pictures, plain, 8, 0.0)
    assert [mixture[i].image[0, 0, 0] for i in (0, 1, 2, 3)] == [0, 1, 2, 0]
    assert mixture[len(mixture) - 1].image.shape == (4, 4, 3)


@pytest.mark.parametrize("name", SCENES)
def test_validation_scenes_repeat_and_are_none_of_the_trained_ones(name):
    first, again = (validation_scenes(name, 2, 48) for _ in range(2))
    for picture, same in zip(first, again, strict=True):
        assert picture.image.shape[:2] == picture.labels.shape == (48, 48)
        assert np.array_equal(picture.image, same.image)
    assert not np.array_equal(first[0].image, first[1].image)
    trained = Mixture([], SCENES[name], 48, 1.0)
    assert not any(np.array_equal(first[i].image, trained[i].image) for i in (0, 1))
