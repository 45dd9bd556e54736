"""The protocol: same cases for every method, tables, sheets."""

import sys

import cv2
import numpy as np
import pytest
import torch

from training import evaluate
from training.data import Picture


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (96, 96, 3), np.uint8)
    return Picture(image, (image[..., 0] > 128).astype(np.uint8))


def test_mean_fill_is_the_mean_of_the_known_pixels():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    fill = evaluate.fill_mean(image, mask)
    torch.testing.assert_close(fill[0, :, 0, 0], image[..., 4:].mean((2, 3))[0])
    assert torch.equal(fill[..., 4:], image[..., 4:])


def test_every_method_sees_the_same_cases_of_every_bin(picture):
    cases = evaluate.make_cases([picture, picture], 64)
    assert len(cases) == 2 * len(evaluate.AREA_BINS)
    again = evaluate.make_cases([picture, picture], 64)
    for case, same in zip(cases, again, strict=True):
        low, high = evaluate.AREA_BINS[case.share]
        assert low <= case.mask.mean() <= high
        assert np.array_equal(case.mask, same.mask)


def test_maps_are_scored_inside_and_outside_the_hole(picture):
    class Segmenter(torch.nn.Module):
        """Right wherever it can see."""

        def segment(self, image, mask):
            bright = (image[:, :1] > 128.5 / 255).float()
            return torch.cat([1 - bright, bright], 1) * (1 - mask) + 0.5 * mask

    scores = evaluate.score_maps(Segmenter(), evaluate.make_cases([picture], 96))
    assert scores["mIoU known"] == 1
    assert 0.2 < scores["mIoU hole"] < 0.3  # always the first class, right half of the time


def test_reliability_is_scored_by_the_error_of_the_fill_in_the_hole(picture):
    class Doubter(torch.nn.Module):
        """Sure of the left half."""

        def reliability(self, image, mask):
            left = torch.arange(image.shape[3]) < image.shape[3] // 2
            return torch.where(left, 0.9, 0.1).expand(1, 1, *image.shape[2:])

    cases = evaluate.make_cases([picture], 96)
    fills = []
    for case in cases:
        fill = case.image.copy()
        fill[:, 48:] = 255 - fill[:, 48:] // 2
        fills.append(fill)
    scores = evaluate.score_reliability(Doubter(), fills, cases)
    assert list(scores) == ["0 to 0.25", "0.75 to 1"]
    assert scores["0.75 to 1"]["L1 %"] == 0
    wrong = [
        abs(f.astype(int) - c.image)[:, 48:][c.mask[:, 48:]]
        for f, c in zip(fills, cases, strict=True)
    ]
    assert scores["0 to 0.25"]["L1 %"] == pytest.approx(
        100 * np.concatenate(wrong).mean() / 255, abs=0.01
    )


def test_command_prints_a_table_with_classical_rows_and_draws_a_sheet(
    pictures, tmp_path, capsys, monkeypatch
):
    sheet = tmp_path / "sheet.png"
    arguments = ["--data", str(pictures), "--size", "64", "--sheet", str(sheet)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    printed = capsys.readouterr().out
    inside, whole = printed.split("\n\n")
    assert "published, other data" in whole
    rows = {line.split("|")[1].strip(): line for line in inside.splitlines()}
    assert {"mean", "telea", "navier-stokes", "biharmonic"} <= set(rows)
    score = {name: float(rows[name].split("|")[2].split()[0]) for name in ("mean", "biharmonic")}
    assert score["biharmonic"] > score["mean"] + 1  # smooth waves
    assert cv2.imread(str(sheet)).shape[1] == 64 * 6
