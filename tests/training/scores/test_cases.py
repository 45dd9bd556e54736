"""The protocol: same cases for every backend, filled as the plugin does, and what is measured."""

import numpy as np
import pytest
import torch

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends.contract import BackendInfo
from training.data.holes import AREA_BINS
from training.data.pictures import Picture
from training.scores import objects
from training.scores.cases import (
    Case,
    Learned,
    Row,
    fill_cases,
    fill_with,
    groups_of,
    make_cases,
    score_segmentation,
    summarise,
    without_truth,
)
from training.scores.tables import SHARES, score_tables


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
        low, high = AREA_BINS[SHARES.index(case.group)]
        assert low <= case.mask.mean() <= high
        assert np.array_equal(case.mask, same.mask)
    assert groups_of(cases) == list(SHARES)


def test_objects_are_two_holes_a_picture_counted_by_what_the_truth_has_there(picture):
    slope = np.arange(0, 192, 2, np.uint8) // 2
    flat = Picture(np.repeat(np.repeat(slope[None, :, None], 96, 0), 3, 2))
    cases = make_cases([picture, flat, picture], 64, "objects")
    assert [case.group for case in cases] == ["texture"] * 2 + ["plain"] * 2 + ["texture"] * 2
    assert all(objects.is_compact(case.mask) for case in cases)
    assert len({case.mask.tobytes() for case in cases}) == 6
    assert np.array_equal(cases[1].labels, picture.labels[16:80, 16:80])
    again = make_cases([picture, flat], 64, "objects")  # the same whoever comes after
    for case, same in zip(cases, again, strict=False):
        assert np.array_equal(case.mask, same.mask)


def scored(groups, decibels):
    """Return cases of these groups and a row of so many dB each; fills are the truth, but black."""
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    cases = [Case(rng.integers(0, 256, (64, 64, 3), np.uint8), mask, g, None) for g in groups]
    fills = [without_truth(case) for case in cases]
    keys = ("hole dB", "dB", "SSIM", "L1 %")
    return cases, Row(fills, {key: list(decibels) for key in keys}, [5.0] * len(cases))


def test_means_are_taken_by_group_in_the_order_of_their_names():
    cases, row = scored(["texture", "plain", "texture"], [10, 20, 40])
    scores = summarise(row, cases)
    assert list(scores["hole dB by group"].items()) == [("plain", 20.0), ("texture", 25.0)]
    assert scores["hole dB"] == 23.33
    assert "perceptual" not in scores


def test_learned_distances_are_means_over_the_cases():
    cases, row = scored(["plain", "plain"], [10, 20])
    seen = []

    def measure(fill, truth, mask=None):
        seen.append((fill, truth, mask))
        return 10.26 * len(seen)

    scores = summarise(row, cases, Learned(perceptual=measure, fid=lambda fills, truths: 7.123))
    assert scores["perceptual"] == 15.4
    assert scores["FID"] == 7.12
    assert "LPIPS" not in scores
    for (fill, truth, mask), case, filled in zip(seen, cases, row.fills, strict=True):
        assert fill is filled
        assert truth is case.image
        assert mask is case.mask


def test_columns_come_from_the_cases_and_published_rows_stand_beside_strokes_only():
    objects_, row = scored(["texture", "plain"], [10, 20])
    learned = Learned(perceptual=lambda *_: 12.34)
    table = score_tables({"mine": summarise(row, objects_, learned)})
    head, _, line = (each.split(" | ") for each in table.splitlines())
    assert head[2:4] == ["plain, dB", "texture, dB"]
    assert line[2:4] == ["20.00", "10.00"]
    assert head[-3:] == ["texture", "perceptual", "ms |"]
    assert line[-2] == "12.3"
    strokes, row = scored(SHARES, [1, 2, 3, 4])
    inside, whole = score_tables({"mine": summarise(row, strokes)}).split("\n\n")
    assert "perceptual" not in inside
    assert "| *PConv, published, other data* | 28.02 | 24.90 |" in whole
    assert "| mine | 1.00 | 2.00 | 3.00 | 4.00 |" in whole


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
    filled = fill_with(Halves(channels=1, context=16), texture=0)(image, mask)
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
