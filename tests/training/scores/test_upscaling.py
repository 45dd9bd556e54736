"""Enlarging beside bicubic interpolation."""

import sys

import numpy as np
import pytest
import torch

from training import evaluate
from training.data.pictures import Picture
from training.scores import upscaling


def keys(t):
    """Keys' cubic convolution kernel with a = -1/2."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


@pytest.mark.parametrize("factor", upscaling.FACTORS)
def test_bicubic_equals_the_kernels_sum(factor):
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    large = upscaling.bicubic(image, factor)
    assert large.shape == (9 * factor, 8 * factor, 3)
    middle = (factor - 1) // 2
    for y, x in [(0, 0), (3, 5), (10, 11), (9 * factor - 1, 2)]:
        v, u = (y - middle) / factor, (x - middle) / factor
        expected = sum(
            keys(v - i) * keys(u - j) * image[min(max(i, 0), 8), min(max(j, 0), 7)].astype(float)
            for i in range(int(np.floor(v)) - 1, int(np.floor(v)) + 3)
            for j in range(int(np.floor(u)) - 1, int(np.floor(u)) + 3)
        )
        np.testing.assert_allclose(large[y, x], expected.clip(0, 255), atol=0.51)


@pytest.mark.parametrize("factor", [1, *upscaling.FACTORS])
def test_pixels_stand_in_their_blocks_and_the_rest_is_gap(factor):
    image = np.random.default_rng(2).integers(1, 256, (4, 5, 3), np.uint8)
    large, mask = upscaling.insert_gaps(image, factor)
    assert mask.shape == (4 * factor, 5 * factor)
    assert large.shape == (*mask.shape, 3)
    assert (~mask).sum() == 20
    assert not large[mask].any()
    for y, x in np.ndindex(4, 5):
        middle = (y * factor + (factor - 1) // 2, x * factor + (factor - 1) // 2)
        assert np.array_equal(large[middle], image[y, x])
        assert not mask[middle]


def grey(image, mask):
    return np.where(mask[..., None], np.uint8(128), image)


@pytest.mark.parametrize("factor", upscaling.FACTORS)
def test_every_method_keeps_the_pixels_that_it_is_given(factor):
    image = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    small = upscaling.take_pixels(image, factor)
    for enlarge in (upscaling.bicubic, upscaling.by_filling(grey)):
        assert np.array_equal(upscaling.take_pixels(enlarge(small, factor), factor), small)
    known = ~upscaling.insert_gaps(small, factor)[1]
    assert np.array_equal(image[known].reshape(small.shape), small)


def test_scores_are_those_of_the_whole_image_at_a_multiple_of_the_factor():
    white = [Picture(np.full((70, 70, 3), 255, np.uint8))]
    scores = upscaling.score_enlarging(upscaling.by_filling(grey), white, 64)
    for factor in upscaling.FACTORS:
        gaps = 1 - 1 / factor**2  # 128 where 255 should be
        expected = 20 * np.log10(255 / (127 * np.sqrt(gaps)))
        assert scores[f"x{factor} dB"] == pytest.approx(expected, abs=0.01)
    assert upscaling.score_enlarging(upscaling.bicubic, white, 64)["x2 SSIM"] == 1


class Grey(torch.nn.Module):
    def forward(self, image, hole):
        return torch.full_like(image, 0.5)


def test_command_scores_enlarging_beside_bicubic(pictures, tmp_path, capsys, monkeypatch):
    path = tmp_path / "grey.pt"
    torch.jit.script(Grey()).save(str(path))
    arguments = ["--upscale", "--data", str(pictures), "--size", "64"]
    monkeypatch.setattr(sys, "argv", ["evaluate", str(path), *arguments])
    evaluate.main()
    head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert head.count("SSIM") == 3
    first, second = ([cell.strip() for cell in row.split("|")] for row in rows)
    assert (first[1], second[1]) == ("bicubic", "grey")
    assert float(first[2].split()[0]) > float(second[2].split()[0]) + 5
