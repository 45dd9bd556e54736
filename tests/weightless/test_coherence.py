"""Fills without weights, against what they promise."""

import pytest
import torch
import torch.nn.functional as F

from napari_inpaint.weightless.coherence import coherent_fill, structure
from napari_inpaint.weightless.membrane import membrane


def test_membrane_keeps_known_pixels_and_fills_with_means_of_blocks():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    known = torch.ones_like(image)
    known[..., 1:3, 1:3] = 0
    filled = membrane(image, known, 1, sweeps=0)
    assert torch.equal(filled[known > 0], image[known > 0])
    # the 2 x 2 blocks' means of known pixels, upsampled bilinearly: 9/16, 3/16, 3/16, 1/16
    means = [(0 + 1 + 4) / 3, (2 + 3 + 7) / 3, (8 + 12 + 13) / 3, (11 + 14 + 15) / 3]
    expected = (9 * means[0] + 3 * means[1] + 3 * means[2] + means[3]) / 16
    assert filled[0, 0, 1, 1].item() == pytest.approx(expected)


def test_membrane_gives_the_mean_where_no_level_reaches():
    image, known = torch.rand(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    known[..., 0, 0] = 1
    assert membrane(image, known, 1)[0, 0, 15, 15].item() == pytest.approx(image[0, 0, 0, 0].item())


def test_membrane_is_in_balance_after_many_sweeps():
    image = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    known = torch.ones(2, 1, 12, 10)
    known[..., 3:9, 0:6] = 0  # the hole reaches the border, which repeats there
    filled = membrane(image, known, 2, sweeps=500)
    around = F.pad(filled, [1, 1, 1, 1], mode="replicate")
    beside = (
        around[..., 1:-1, :-2],
        around[..., 1:-1, 2:],
        around[..., :-2, 1:-1],
        around[..., 2:, 1:-1],
    )
    mean = torch.stack(beside).mean(0)
    torch.testing.assert_close(filled, torch.where(known > 0, image, mean), atol=1e-5, rtol=0)


def test_membrane_gets_nearer_to_its_balance_by_a_few_sweeps():
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    known = torch.ones_like(image)
    known[..., 20:50, 10:60] = 0
    balance = membrane(image, known, 6, sweeps=2_000)
    errors = [
        (membrane(image, known, 6, sweeps=sweeps) - balance).abs().mean() for sweeps in (0, 4, 16)
    ]
    assert errors[0] > errors[1] > errors[2] > 0


def stripes(angle, size=64, width=6.0):
    """Soft stripes (1, 3, size, size) that run at this angle, degrees, and a square hole."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    radians = torch.deg2rad(torch.tensor(float(angle)))
    across = torch.cos(radians) * y - torch.sin(radians) * x
    image = (0.5 + 0.5 * torch.sin(2 * torch.pi * across / (2 * width))).expand(1, 3, -1, -1)
    known = torch.ones(1, 1, size, size)
    known[..., 24:40, 24:40] = 0
    return image.contiguous(), known


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_stripes_go_on_where_a_membrane_is_grey(angle):
    image, known = stripes(angle)
    hole = (known == 0).expand_as(image)
    error = (coherent_fill(image, known) - image)[hole].square().mean()
    grey = (membrane(image, known) - image)[hole].square().mean()
    assert error < 0.1 * grey


@pytest.mark.parametrize("angle", [0, 30, 90, 120])
def test_structure_points_across_the_stripes(angle):
    image, known = stripes(angle)
    tensor, told = structure(image, known)
    xx, xy, yy = tensor[0, :, 10, 50]
    radians = torch.deg2rad(torch.tensor(float(angle)))
    across = torch.stack([-torch.sin(radians), torch.cos(radians)])  # x, y
    expected = across[:, None] * across
    torch.testing.assert_close(
        torch.stack([xx, xy, yy]), expected[[0, 0, 1], [0, 1, 1]], atol=0.02, rtol=0
    )
    assert told[0, 0, 10, 50] == 1
    assert told[0, 0, 32, 32] == 0


def test_coherent_fill_does_not_depend_on_contrast_or_brightness():
    image, known = stripes(30)
    darker = coherent_fill(0.3 + 0.01 * image, known)
    torch.testing.assert_close(darker, 0.3 + 0.01 * coherent_fill(image, known), atol=1e-4, rtol=0)


@pytest.mark.parametrize("fill", [membrane, coherent_fill])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 3), (1, 4, 33, 65)])
def test_fill_takes_any_size_and_any_mask(fill, shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    drawn = (torch.rand(shape[0], 1, *shape[2:]) < 0.5).float()
    for known in (drawn, torch.zeros_like(drawn), torch.ones_like(drawn)):
        filled = fill(image, known)
        kept = (known > 0).expand_as(image)
        assert torch.equal(filled[kept], image[kept])
        assert torch.isfinite(filled).all()
        assert filled.min() >= 0
        assert filled.max() <= 1 + 1e-6


def test_samples_do_not_depend_on_their_batch():
    image = torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    known = (torch.rand(3, 1, 20, 30, generator=torch.Generator().manual_seed(1)) < 0.6).float()
    whole = coherent_fill(image, known)
    for n in range(3):
        alone = coherent_fill(image[n : n + 1], known[n : n + 1])
        torch.testing.assert_close(whole[n : n + 1], alone)
