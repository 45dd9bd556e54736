"""The protocol: same cases for every method, and what is measured."""

import numpy as np
import pytest
import torch

from training import scoring
from training.data import Picture
from training.masks import AREA_BINS


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), np.uint8)
    return Picture(image, (image[..., 0] > 128).astype(np.uint8))


def test_every_method_sees_the_same_cases_of_every_bin(picture):
    cases = scoring.make_cases([picture, picture], 64)
    assert len(cases) == 2 * len(AREA_BINS)
    again = scoring.make_cases([picture, picture], 64)
    for case, same in zip(cases, again, strict=True):
        low, high = AREA_BINS[case.share]
        assert low <= case.mask.mean() <= high
        assert np.array_equal(case.mask, same.mask)


def test_maps_are_scored_inside_and_outside_the_hole(picture):
    class Segmenter(torch.nn.Module):
        """Right wherever it can see."""

        def segment(self, image, mask):
            bright = (image[:, :1] > 128.5 / 255).float()
            return torch.cat([1 - bright, bright], 1) * (1 - mask) + 0.5 * mask

    scores = scoring.score_maps(Segmenter(), scoring.make_cases([picture], 96))
    assert scores["mIoU known"] == 1
    assert 0.2 < scores["mIoU hole"] < 0.3  # always the first class, right half of the time


def test_reliability_is_scored_by_the_error_of_the_fill_in_the_hole(picture):
    class Doubter(torch.nn.Module):
        """Sure of the left half."""

        def reliability(self, image, mask):
            left = torch.arange(image.shape[3]) < image.shape[3] // 2
            return torch.where(left, 0.9, 0.1).expand(1, 1, *image.shape[2:])

    cases = scoring.make_cases([picture], 96)
    fills = []
    for case in cases:
        fill = case.image.copy()
        fill[:, 48:] = 255 - fill[:, 48:] // 2
        fills.append(fill)
    scores = scoring.score_reliability(Doubter(), fills, cases)
    assert list(scores) == ["0 to 0.25", "0.75 to 1"]
    assert scores["0.75 to 1"]["L1 %"] == 0
    wrong = [
        abs(f.astype(int) - c.image)[:, 48:][c.mask[:, 48:]]
        for f, c in zip(fills, cases, strict=True)
    ]
    assert scores["0 to 0.25"]["L1 %"] == pytest.approx(
        100 * np.concatenate(wrong).mean() / 255, abs=0.01
    )
