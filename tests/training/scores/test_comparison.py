"""Comparing trainings: means, paired differences with intervals, tables."""

import numpy as np
import pytest

from training.data.holes import AREA_BINS
from training.scores.comparison import comparison_tables, differences, means

SHARES = len(AREA_BINS)


def run(decibel, counts=None):
    """A run of as many pictures as there are values."""
    holes = np.repeat(np.asarray(decibel, float)[:, None], SHARES, 1)
    result = {"hole dB": holes.tolist(), "SSIM": (holes / 100).tolist()}
    result |= {"parameters": 1_000, "CPU seconds": 1.0}
    return result if counts is None else result | {"class counts": counts}


def test_means_are_taken_over_seeds_pictures_and_holes():
    first, second = run([10, 20]), run([30, 40])
    second["hole dB"][1][-1] = 60  # in the largest hole
    found = means([first, second])
    assert found["hole dB"] == pytest.approx(25 + 20 / (4 * SHARES))
    assert list(found)[1:5] == ["10% to 20%", "20% to 30%", "30% to 40%", "40% to 50%"]
    assert found["10% to 20%"] == 25
    assert found["40% to 50%"] == 30
    assert found["largest less smallest"] == 5
    assert found["SSIM"] == 0.25
    assert means([first], np.array([1, 1, 0]))["hole dB"] == pytest.approx(50 / 3)


def test_class_counts_are_pooled_before_they_are_divided():
    # two classes; intersections and unions of each hole of each picture
    counts = [[[[1, 2], [2, 4]]] * SHARES, [[[3, 0], [3, 6]]] * SHARES]
    expected = (4 / 5 + 2 / 10) / 2
    assert means([run([1, 1], counts)])["mIoU hole"] == pytest.approx(expected)


def test_differences_are_paired_by_picture():
    rng = np.random.default_rng(0)
    decibel = rng.normal(20, 5, 30)
    better = differences([run(decibel + 1)], [run(decibel)])
    assert better["hole dB"] == pytest.approx((1, 1, 1))
    assert better["SSIM"] == pytest.approx((0.01, 0.01, 0.01))


def test_intervals_come_from_pictures_and_not_from_their_holes():
    gains = np.random.default_rng(1).normal(0, 1, 40)
    value, low, high = differences([run(gains + 20)] * 2, [run(np.full(40, 20))] * 2)["hole dB"]
    assert value == pytest.approx(gains.mean())
    # as many independent values as pictures, whatever the seeds and the holes
    assert high - low == pytest.approx(2 * 1.96 * gains.std() / np.sqrt(40), rel=0.1)


def test_growth_of_a_gain_is_the_largest_holes_less_the_smallest():
    flat, grown = run([20, 20]), run([20, 20])
    for holes in grown["hole dB"]:
        holes[-1] += 2
        holes[0] += 0.5
    assert differences([grown], [flat])["largest less smallest"] == pytest.approx((1.5,) * 3)


def test_tables_have_each_seeds_difference_and_every_pair():
    arms = {"a": [run([10]), run([12])], "b": [run([11]), run([15])], "c": [run([10]), run([12])]}
    text = comparison_tables(arms)
    assert "| b less a | +1.00, +3.00 | +2.00 (" in text
    assert "| c less a | +0.00, +0.00 | +0.00 (" in text
    assert "| c less b | -1.00, -3.00 | -2.00 (" in text
    assert "| b | 0.00 M | 1 | 13.00 |" in text
