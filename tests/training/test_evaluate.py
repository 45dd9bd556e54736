"""The scores against values that are known beforehand."""

import sys

import cv2
import numpy as np
import pytest
import torch

from training import evaluate


@pytest.fixture
def photo():
    return evaluate.centre_crop(
        np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8), 96
    )


def test_hole_psnr_sees_the_hole_alone():
    truth = np.zeros((8, 8, 3), np.uint8)
    fill, mask = truth.copy(), np.zeros((8, 8), bool)
    mask[2:4, 2:4] = True
    fill[mask] = 51  # a fifth of the peak: 20 log10 5
    fill[0, 0] = 255
    assert evaluate.hole_psnr(fill, truth, mask) == pytest.approx(13.98, abs=0.01)


def test_ssim_and_l1_of_equal_pictures(photo):
    assert evaluate.ssim(photo, photo) == pytest.approx(1)
    assert evaluate.l1_percent(photo, photo) == 0
    assert evaluate.l1_percent(np.zeros_like(photo), np.full_like(photo, 51)) == pytest.approx(20)


def test_texture_distance_is_zero_for_the_truth_and_punishes_blur_and_noise():
    rng = np.random.default_rng(0)
    truths = [
        cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 1) for _ in range(6)
    ]
    masks = [np.pad(np.ones((32, 32), bool), 16)] * 6
    blurred = [cv2.GaussianBlur(t, (0, 0), 3) for t in truths]
    slightly = [cv2.GaussianBlur(t, (0, 0), 0.7) for t in truths]
    assert evaluate.texture_distance(truths, truths, masks) == 0
    small = evaluate.texture_distance(slightly, truths, masks)
    assert 0 < small < evaluate.texture_distance(blurred, truths, masks)


def test_texture_distance_ignores_known_pixels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (128, 128, 3), np.uint8)
    mask = np.zeros((128, 128), bool)
    mask[80:120, 80:120] = True
    other = truth.copy()
    other[:20, :20] = 0
    assert evaluate.texture_distance([other], [truth], [mask]) == 0


def test_mean_fill_is_the_mean_of_the_known_pixels():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    fill = evaluate.fill_mean(image, mask)
    torch.testing.assert_close(fill[0, :, 0, 0], image[..., 4:].mean((2, 3))[0])
    assert torch.equal(fill[..., 4:], image[..., 4:])


def test_interval_holds_the_mean_and_narrows_with_the_sample():
    values = list(np.random.default_rng(0).normal(20, 3, 400))
    low, high = evaluate.interval(values)
    assert low < np.mean(values) < high
    few = evaluate.interval(values[:20])
    assert high - low < few[1] - few[0]


def test_every_method_sees_the_same_cases_of_every_bin(photo):
    cases = evaluate.make_cases([photo, photo], 64)
    assert len(cases) == 2 * len(evaluate.AREA_BINS)
    again = evaluate.make_cases([photo, photo], 64)
    for (_, mask, index), (_, same, _) in zip(cases, again, strict=True):
        low, high = evaluate.AREA_BINS[index]
        assert low <= mask.mean() <= high
        assert np.array_equal(mask, same)


def test_command_prints_a_table_with_classical_rows_and_draws_a_sheet(
    pictures, tmp_path, capsys, monkeypatch
):
    sheet = tmp_path / "sheet.png"
    arguments = ["--data", str(pictures), "--size", "64", "--sheet", str(sheet)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    printed = capsys.readouterr().out
    rows = {line.split("|")[1].strip(): line for line in printed.splitlines()}
    assert {"mean", "telea", "navier-stokes", "biharmonic"} <= set(rows)
    score = {name: float(rows[name].split("|")[2].split()[0]) for name in ("mean", "biharmonic")}
    assert score["biharmonic"] > score["mean"] + 1  # smooth waves
    assert cv2.imread(str(sheet)).shape[1] == 64 * 6
