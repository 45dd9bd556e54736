"""Blend, against its equation."""

import pytest
import torch
import torch.nn.functional as F

from napari_inpaint.weightless.coherence import coherent_fill
from napari_inpaint.weightless.membrane import halve_known, membrane
from napari_inpaint.weightless.plate import thin_plate
from training.networks.blend import Blend


def case():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 8, generator=generator)
    image = F.interpolate(coarse, size=(48, 64), mode="bicubic").clamp(0, 1)
    hole = torch.zeros(2, 1, 48, 64)
    hole[0, :, 10:30, 8:50] = 1
    hole[1, :, 20:40, 30:] = 1
    return image, hole


def fills(image, hole):
    """Return u, down(u), the plate and the membrane of equation 1."""
    blank = image.masked_fill(hole > 0, 0.5)
    u = coherent_fill(blank, 1 - hole)
    known, seen = halve_known(blank, 1 - hole)
    return u, F.avg_pool2d(u, 2), thin_plate(known, seen), membrane(known, seen, sweeps=20)


def up(x):
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def test_blend_starts_from_the_mean_of_the_fills():
    image, hole = case()
    u, small, plate, flat = fills(image, hole)
    expected = u + up((plate - small) / 3 + (flat - small) / 3)
    torch.testing.assert_close(Blend(base=4, depth=1)(image, hole), expected)


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_the_network_chooses_and_corrects(chosen):
    image, hole = case()
    network = Blend(base=4, depth=1)
    with torch.no_grad():  # four answers a channel, for 2 x 2 px
        bias = network.net.last.bias.view(6, 4)
        bias[chosen] = 100
        bias[3:] = torch.tensor([0.1, 0.2, -0.3])[:, None]
    u, small, plate, flat = fills(image, hole)
    change = (small, plate, flat)[chosen] - small
    expected = u + up(change) + torch.tensor([0.1, 0.2, -0.3])[:, None, None]
    torch.testing.assert_close(network(image, hole), expected)


def trained_a_little():
    torch.manual_seed(0)
    network = Blend(base=4, depth=1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def test_what_stands_in_the_hole_has_no_influence():
    image, hole = case()
    network = trained_a_little()
    poisoned = torch.where(hole > 0, torch.nan, image)
    assert torch.equal(network(poisoned, hole), network(image, hole))


def test_the_answer_depends_on_the_surroundings():
    image, hole = case()
    network = trained_a_little()
    brighter = image.clone()
    brighter[..., :5, :] = 1
    u = [coherent_fill(each.masked_fill(hole > 0, 0.5), 1 - hole) for each in (image, brighter)]
    a, b = network(image, hole) - u[0], network(brighter, hole) - u[1]
    assert (a - b)[..., 24:, :].abs().max() > 1e-3


def test_blend_learns_which_fill_to_believe():
    """On bumps that a hole cuts, the plate is right: a few steps find out."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image = torch.exp(-((x - 16) ** 2 + (y - 16) ** 2) / 100).expand(1, 3, -1, -1)
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 8:24, 12:22] = 1
    network = Blend(base=4, depth=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    errors = []
    for _ in range(15):
        error = ((network(image, hole) - image) * hole).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
