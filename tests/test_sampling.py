import numpy as np
import pytest

from napari_inpaint.sampling import sample_labels

EVEN = np.tile(np.array([0.5, 0.3, 0.2]), (96, 96, 1))
HOLE = np.zeros((96, 96), bool)
HOLE[16:80, 16:80] = True


def test_outside_the_hole_are_the_most_probable_classes():
    drawn = sample_labels(EVEN, HOLE, seed=3)
    assert drawn.dtype == np.uint8
    assert (drawn[~HOLE] == 1).all()
    assert (sample_labels(EVEN, HOLE & False) == 1).all()


def test_classes_are_drawn_as_often_as_the_probabilities_say():
    drawn = np.stack([sample_labels(EVEN, HOLE, seed)[HOLE] for seed in range(150)])
    shares = [(drawn == k).mean() for k in (1, 2, 3)]
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.04)


def test_neighbours_are_drawn_alike():
    drawn = sample_labels(EVEN, HOLE, seed=1)[16:80, 16:80]
    assert len(np.unique(drawn)) > 1
    changes = (drawn[1:] != drawn[:-1]).mean()
    assert changes < 0.06  # 0.62 if each pixel were drawn by itself


def test_same_seed_gives_the_same_map_and_another_another():
    one = sample_labels(EVEN, HOLE, seed=5)
    np.testing.assert_array_equal(one, sample_labels(EVEN, HOLE, seed=5))
    assert (one != sample_labels(EVEN, HOLE, seed=6))[HOLE].mean() > 0.1
    assert (one != sample_labels(EVEN, HOLE, seed=(5, 1)))[HOLE].mean() > 0.1


def test_slices_of_a_stack_are_drawn_each_by_itself():
    stack, holes = np.stack([EVEN] * 2), np.stack([HOLE] * 2)
    drawn = sample_labels(stack, holes, seed=5)
    assert drawn.shape == (2, 96, 96)
    assert (drawn[0] != drawn[1]).any()


def test_temperature_decides_how_often_the_improbable_is_drawn():
    sure = np.tile(np.array([0.9, 0.1]), (96, 96, 1))
    shares = [
        np.mean([(sample_labels(sure, HOLE, seed, t)[HOLE] == 2).mean() for seed in range(40)])
        for t in (0, 0.5, 1, 4)
    ]
    assert shares[0] == 0
    assert shares[0] < shares[1] < shares[2] < shares[3]
    assert shares[3] == pytest.approx(1 / (1 + 9**0.25), abs=0.1)


def test_classes_that_occur_nowhere_near_are_not_drawn():
    probabilities = np.tile(np.array([0.6, 0.395, 0.005]), (96, 96, 1))
    drawn = [sample_labels(probabilities, HOLE, seed, temperature=8) for seed in range(20)]
    assert set(np.unique(drawn)) == {1, 2}


def test_certain_single_class_can_still_be_overruled():
    certain = np.tile(np.array([1.0, 0.0, 0.0]), (96, 96, 1))
    drawn = [sample_labels(certain, HOLE, seed, temperature=8) for seed in range(20)]
    assert len(np.unique(drawn)) > 1


def test_single_class_and_single_pixel_are_no_problem():
    assert (sample_labels(np.ones((8, 8, 1)), np.ones((8, 8), bool)) == 1).all()
    hole = np.zeros((5, 300), bool)
    hole[2, 7] = True
    drawn = [sample_labels(np.full((5, 300, 2), 0.5), hole, seed)[2, 7] for seed in range(30)]
    assert set(drawn) == {1, 2}
