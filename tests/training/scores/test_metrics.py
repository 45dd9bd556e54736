"""The scores against values that are known beforehand."""

import cv2
import numpy as np
import pytest

from training.scores import metrics


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)


def test_hole_psnr_sees_the_hole_alone():
    truth = np.zeros((8, 8, 3), np.uint8)
    fill, mask = truth.copy(), np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    fill[mask] = 51  # a fifth of the peak: 20 log10 5
    fill[0, 0] = 255
    assert metrics.hole_psnr(fill, truth, mask) == pytest.approx(13.98, abs=0.01)


def test_ssim_and_l1_of_equal_pictures(photo):
    assert metrics.ssim(photo, photo) == pytest.approx(1)
    assert metrics.l1_percent(photo, photo) == 0
    assert metrics.l1_percent(np.zeros_like(photo), np.full_like(photo, 51)) == pytest.approx(20)


def test_texture_distance_is_zero_for_the_truth_and_punishes_blur_and_noise():
    rng = np.random.default_rng(0)
    truths = [
        cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 1) for _ in range(6)
    ]
    masks = [np.pad(np.ones((32, 32), bool), 16)] * 6
    blurred = [cv2.GaussianBlur(t, (0, 0), 3) for t in truths]
    slightly = [cv2.GaussianBlur(t, (0, 0), 0.7) for t in truths]
    assert metrics.texture_distance(truths, truths, masks) == 0
    small = metrics.texture_distance(slightly, truths, masks)
    assert 0 < small < metrics.texture_distance(blurred, truths, masks)


def test_texture_distance_ignores_known_pixels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (128, 128, 3), np.uint8)
    mask = np.zeros((128, 128), bool)
    mask[80:120, 80:120] = True
    other = truth.copy()
    other[:20, :20] = 0
    assert metrics.texture_distance([other], [truth], [mask]) == 0


def test_interval_holds_the_mean_and_narrows_with_the_sample():
    values = list(np.random.default_rng(0).normal(20, 3, 400))
    low, high = metrics.interval(values)
    assert low < np.mean(values) < high
    few = metrics.interval(values[:20])
    assert high - low < few[1] - few[0]


def test_mean_iou_counts_labelled_pixels_in_the_given_area():
    labels = np.array([[0, 0, 1, 1], [0, 255, 1, 2]], np.uint8)
    predicted = np.array([[0, 1, 1, 1], [0, 2, 1, 1]])
    everywhere = np.ones((2, 4), bool)
    counts = metrics.class_counts(predicted, labels, everywhere, 4)
    # class 0: 2 of 3, class 1: 3 of 5, class 2: 0 of 1; class 3 does not occur
    assert metrics.mean_iou(counts) == pytest.approx((2 / 3 + 3 / 5 + 0) / 3)
    left = metrics.class_counts(predicted, labels, np.tile(np.arange(4) < 1, (2, 1)), 4)
    assert metrics.mean_iou(left) == 1


def test_mean_iou_of_nothing_is_not_a_number():
    nothing = metrics.class_counts(
        np.zeros((2, 2), int), np.full((2, 2), 255), np.ones((2, 2), bool), 3
    )
    assert np.isnan(metrics.mean_iou(nothing))


def test_error_by_reliability_is_the_mean_of_each_quarter():
    reliability = np.array([0.0, 0.2, 0.25, 0.8, 1.0], np.float32)
    errors = np.array([0.5, 0.3, 0.2, 0.1, 0.0], np.float32)
    assert metrics.error_by_reliability(errors, reliability) == {
        "0 to 0.25": {"share %": 40.0, "L1 %": 40.0},
        "0.25 to 0.5": {"share %": 20.0, "L1 %": 20.0},
        "0.75 to 1": {"share %": 40.0, "L1 %": 5.0},
    }
