"""FID and LPIPS against their formulas, with random weights in files of the real ones' layout."""

import sys

import numpy as np
import pytest
import torch
from scipy import linalg

from training import evaluate
from training.scores.fid_lpips import FID, LPIPS, frechet_distance


def test_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    x = (x - x.mean(0)) @ linalg.inv(linalg.sqrtm(np.cov(x, rowvar=False)))  # mean 0, covariance 1
    moved = x * [2.0, 3.0, 0.5] + [1.0, 0.0, -2.0]
    # axes apart: squares of the means' and of the deviations' differences
    expected = (1 + 4) + (1 + 4 + 0.25)
    assert frechet_distance(x, moved) == pytest.approx(expected)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [40, 5])
def test_frechet_distance_equals_the_formula_with_a_matrix_root(count):
    rng = np.random.default_rng(count)
    a = rng.normal(size=(count, 6)) @ rng.normal(size=(6, 6))
    b = rng.normal(size=(count + 9, 6)) @ rng.normal(size=(6, 6)) + 1
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    tiny = 1e-9 * np.eye(6)  # five points span no six dimensions
    root = linalg.sqrtm((cov_a + tiny) @ (cov_b + tiny)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-3)


class Inception(torch.nn.Module):
    """Has the call of NVIDIA's file: 2048 features of pictures in [0, 255]."""

    def forward(self, image: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        mean = image.float().mean([2, 3])
        return mean.repeat(1, 683)[:, :2048] if return_features else mean


@pytest.fixture
def inception(tmp_path):
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(Inception()).save(str(path))
    return path


@pytest.fixture
def photos():
    return list(np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8))


def test_fid_is_the_frechet_distance_of_the_files_features(inception, photos):
    fid = FID(inception)
    darker = [photo // 2 for photo in photos]
    features = [
        np.tile(np.stack([p.mean((0, 1)) for p in s]), 683)[:, :2048] for s in (darker, photos)
    ]
    assert fid(darker, photos) == pytest.approx(frechet_distance(*features), rel=1e-4)
    assert fid(photos[::-1], photos) == pytest.approx(0, abs=1e-3)


@pytest.fixture
def alexnet(tmp_path):
    """Files of random weights: of AlexNet, and of the linear layers."""
    generator = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3)}
    shapes[10] = (256, 256, 3, 3)
    state = {}
    for place, shape in shapes.items():
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"features.{place}.weight"] = torch.randn(shape, generator=generator) / fan_in**0.5
        state[f"features.{place}.bias"] = torch.randn(shape[0], generator=generator) / 10
    linear = {
        f"lin{i}.model.1.weight": torch.rand(1, shape[0], 1, 1, generator=generator)
        for i, shape in enumerate(shapes.values())
    }
    torch.save(state, tmp_path / "alexnet.pth")
    torch.save(linear, tmp_path / "alex.pth")
    return tmp_path / "alexnet.pth", tmp_path / "alex.pth"


def windows(x, side, step):
    """(C, H, W) to (C, h, w, side, side)."""
    return np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2))[:, ::step, ::step]


def convolve(x, weight, bias, padding, step):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    sums = np.tensordot(weight, windows(x, weight.shape[2], step), ((1, 2, 3), (0, 3, 4)))
    return sums + bias[:, None, None]


def literal_lpips(files, first, second):
    """The paper's sum, in float64 and without torch's layers."""
    state, linear = (torch.load(file, weights_only=True) for file in files)

    def features(image):
        x = image.transpose(2, 0, 1) / 127.5 - 1
        x = (x - np.array([-0.030, -0.088, -0.188])[:, None, None]) / np.array(
            [0.458, 0.448, 0.450]
        )[:, None, None]
        for place, padding, step in ((0, 2, 4), (3, 2, 1), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            weight, bias = (
                state[f"features.{place}.{key}"].double().numpy() for key in ("weight", "bias")
            )
            if place in (3, 6):
                x = windows(x, 3, 2).max((3, 4))
            x = np.maximum(convolve(x, weight, bias, padding, step), 0)
            yield x / np.sqrt((x**2).sum(0))

    total = 0.0
    for number, (a, b) in enumerate(zip(features(first), features(second), strict=True)):
        weight = linear[f"lin{number}.model.1.weight"].double().numpy()[0]
        total += (weight * (a - b) ** 2).sum(0).mean()
    return total


def test_lpips_equals_the_formula(alexnet):
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 256, (2, 37, 41, 3), np.uint8)
    lpips = LPIPS(*alexnet)
    assert lpips(first, second) == pytest.approx(literal_lpips(alexnet, first, second), rel=1e-4)
    assert lpips(first, first) == 0


def test_wrong_files_are_refused_with_what_was_expected(alexnet, inception, tmp_path):
    weights, linear = alexnet
    with pytest.raises(ValueError, match=r"alex\.pth has no features\.0 of shape \(64, 3, 11, 11"):
        LPIPS(linear, linear)
    with pytest.raises(ValueError, match=r"alexnet\.pth has no lin0\.model\.1"):
        LPIPS(weights, weights)
    with pytest.raises(ValueError, match=r"Expected NVIDIA's inception-2015-12-05\.pt"):
        FID(weights)
    (tmp_path / "broken.pth").write_bytes(b"not weights")
    with pytest.raises(ValueError, match=r"Expected torchvision's weights of AlexNet, .*broken"):
        LPIPS(tmp_path / "broken.pth", linear)
    other = tmp_path / "other.pt"
    torch.jit.script(torch.nn.ReLU()).save(str(other))
    with pytest.raises(ValueError, match=r"Expected NVIDIA's .*other\.pt is something else"):
        FID(other)


def test_command_prints_them_when_their_files_are_given(
    pictures, alexnet, inception, tmp_path, capsys, monkeypatch
):
    files = ["--fid", str(inception), "--lpips", *map(str, alexnet)]
    arguments = ["--data", str(pictures), "--size", "64", "--pictures", "1", *files]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    lines = [line.split("|") for line in capsys.readouterr().out.split("\n\n")[0].splitlines()]
    head = [cell.strip() for cell in lines[0]]
    rows = {line[1].strip(): dict(zip(head, line, strict=True)) for line in lines[2:]}
    assert float(rows["biharmonic"]["LPIPS"]) < float(rows["mean"]["LPIPS"])
    assert float(rows["biharmonic"]["FID"]) < float(rows["mean"]["FID"])
