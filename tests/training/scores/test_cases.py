"""The protocol: same cases for every backend, filled as the plugin does, and what is measured."""

import numpy as np
import pytest
import torch

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends.contract import BackendInfo
from training.data.holes import AREA_BINS
from training.data.pictures import Picture
from training.scores.cases import (
    fill_cases,
    fill_with,
    make_cases,
    score_segmentation,
    without_truth,
)


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), np.uint8)
    return Picture(image, (image[..., 0] > 128).astype(np.uint8))


class Fake:
    """A backend whose methods are its own."""

    def __init__(self, **fields):
        provides = {m for m in ("inpaint", "segment", "reliability") if hasattr(self, m)}
        self.info = BackendInfo(name="fake", title="Fake", provides=provides, **fields)

    def load(self, device):
        return self


def test_every_method_sees_the_same_cases_of_every_bin(picture):
    cases = make_cases([picture, picture], 64)
    assert len(cases) == 2 * len(AREA_BINS)
    again = make_cases([picture, picture], 64)
    for case, same in zip(cases, again, strict=True):
        low, high = AREA_BINS[case.share]
        assert low <= case.mask.mean() <= high
        assert np.array_equal(case.mask, same.mask)


def test_nobody_sees_the_truth_in_the_hole(picture):
    seen = []

    def fill(image, mask):
        seen.append((image, mask))
        return image

    cases = make_cases([picture], 64)
    row = fill_cases(fill, cases, "fake")
    for case, (image, mask) in zip(cases, seen, strict=True):
        assert mask is case.mask
        assert not image[mask].any()
        assert np.array_equal(image[~mask], case.image[~mask])
        assert np.array_equal(image, without_truth(case))
    black = [np.where(case.mask[..., None], 0, case.image) for case in cases]
    assert np.array_equal(row.fills, black)
    expected = [
        -10 * np.log10((case.image[case.mask].astype(float) ** 2).mean() / 255**2) for case in cases
    ]
    np.testing.assert_allclose(row.scores["hole dB"], expected)


def test_backends_fill_as_in_the_plugin(picture):
    """Region by region, with the context that they ask for, in their own number of channels."""
    shapes = []

    class Halves(Fake):
        def inpaint(self, image, mask):
            shapes.append(image.shape)
            return torch.full_like(image, 0.5)

    image, mask = np.full((256, 256, 3), 200, np.uint8), np.zeros((256, 256), bool)
    image[::2] = 100
    before = image.copy()
    mask[20:30, 20:30] = mask[200:210, 220:230] = mask[100, 100] = True
    filled = fill_with(Halves(channels=1, context=16))(image, mask)
    # three regions of three channels, the thin one among them, at most eight at once
    assert shapes == [(8, 1, 64, 64), (1, 1, 64, 64)]
    assert filled.dtype == np.uint8
    assert (filled[mask] == 128).all()
    np.testing.assert_array_equal(filled[~mask], before[~mask])


def test_maps_are_scored_inside_and_outside_the_hole(picture):
    class Segmenter(Fake):
        """Right wherever it can see."""

        def inpaint(self, image, mask):
            return image

        def segment(self, image, mask):
            bright = (image[:, :1] > 128.5 / 255).float()
            return torch.cat([1 - bright, bright], 1) * (1 - mask) + 0.5 * mask

    backend = Segmenter(classes=[ClassInfo("dark", "#000000"), ClassInfo("bright", "#ffffff")])
    cases = make_cases([picture], 96)
    scores = score_segmentation(backend, [case.image for case in cases], cases)
    assert set(scores) == {"mIoU known", "mIoU hole"}
    assert scores["mIoU known"] == 1
    assert 0.2 < scores["mIoU hole"] < 0.3  # always the first class, right half of the time


def test_reliability_is_scored_by_the_error_of_the_fill_in_the_hole(picture):
    class Doubter(Fake):
        """Sure of the left half."""

        def segment(self, image, mask):
            return torch.full_like(image[:, :2], 0.5)

        def reliability(self, image, mask):
            left = torch.arange(image.shape[3]) < image.shape[3] // 2
            return torch.where(left, 0.9, 0.1).expand(1, 1, *image.shape[2:])

    backend = Doubter(classes=[ClassInfo("one", "#000000"), ClassInfo("other", "#ffffff")])
    cases = make_cases([Picture(picture.image)], 64)
    fills = []
    for case in cases:
        fill = case.image.copy()
        fill[:, 32:] = 255 - fill[:, 32:] // 2
        fills.append(fill)
    scores = score_segmentation(backend, fills, cases)
    assert list(scores) == ["reliability"]  # there are no labels
    assert list(scores["reliability"]) == ["0 to 0.25", "0.75 to 1"]
    assert scores["reliability"]["0.75 to 1"]["L1 %"] == 0
    wrong = [
        abs(f.astype(int) - c.image)[:, 32:][c.mask[:, 32:]]
        for f, c in zip(fills, cases, strict=True)
    ]
    assert scores["reliability"]["0 to 0.25"]["L1 %"] == pytest.approx(
        100 * np.concatenate(wrong).mean() / 255, abs=0.01
    )
