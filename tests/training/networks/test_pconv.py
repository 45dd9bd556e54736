"""Partial convolution against its formula, and the network at its published size."""

import numpy as np
import pytest
import torch

from napari_inpaint.weightless.coherence import coherent_fill
from training.networks.pconv import PartialConv2d, PConvUNet


def literal(x, mask, weight, bias, stride):
    """Equations 1 and 2 window by window, with one mask per channel (C, H, W), in float64."""
    channels, height, width = x.shape
    outputs, _, k, _ = weight.shape
    pad = k // 2
    x = np.pad(x * mask, ((0, 0), (pad, pad), (pad, pad)))
    mask = np.pad(mask, ((0, 0), (pad, pad), (pad, pad)))
    rows, columns = (height + 2 * pad - k) // stride + 1, (width + 2 * pad - k) // stride + 1
    y, new = np.zeros((outputs, rows, columns)), np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            window = np.s_[:, i * stride : i * stride + k, j * stride : j * stride + k]
            seen = mask[window].sum()
            if seen > 0:
                ratio = channels * k * k / seen
                y[:, i, j] = (weight * x[window]).sum((1, 2, 3)) * ratio + bias
                new[i, j] = 1
    return y, new


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (7, 2)])
def test_partial_conv_equals_the_formula_at_odd_sizes(kernel, stride):
    rng = np.random.default_rng(kernel)
    layer = PartialConv2d(3, 4, kernel, stride, bias=True).double()
    torch.nn.init.normal_(layer.bias)
    x, mask = rng.normal(size=(3, 13, 9)), (rng.random((13, 9)) < 0.2).astype(float)
    got, known = layer([torch.tensor(x)[None]], [torch.tensor(mask)[None, None]])
    expected, expected_known = literal(
        x, np.stack([mask] * 3), layer.conv.weight.detach().numpy(),
        layer.bias.detach().numpy().ravel(), stride,
    )  # fmt: skip
    np.testing.assert_allclose(got[0].detach(), expected, atol=1e-10)
    np.testing.assert_array_equal(known[0, 0], expected_known)


def test_count_weighted_masks_equal_the_multi_channel_form_at_a_skip():
    rng = np.random.default_rng(0)
    layer = PartialConv2d(7, 3, 3, bias=True).double()
    torch.nn.init.normal_(layer.bias)
    a, b = rng.normal(size=(5, 11, 8)), rng.normal(size=(2, 11, 8))
    mask_a, mask_b = ((rng.random((11, 8)) < p).astype(float) for p in (0.1, 0.3))
    got, known = layer(
        [torch.tensor(a)[None], torch.tensor(b)[None]],
        [torch.tensor(mask_a)[None, None], torch.tensor(mask_b)[None, None]],
    )
    expected, expected_known = literal(
        np.concatenate([a, b]), np.stack([mask_a] * 5 + [mask_b] * 2),
        layer.conv.weight.detach().numpy(), layer.bias.detach().numpy().ravel(), 1,
    )  # fmt: skip
    np.testing.assert_allclose(got[0].detach(), expected, atol=1e-10)
    np.testing.assert_array_equal(known[0, 0], expected_known)


def test_partial_conv_has_the_gradient_of_its_formula():
    torch.manual_seed(0)
    layer = PartialConv2d(2, 2, 3, bias=True).double()
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = (torch.rand(1, 1, 5, 4) < 0.5).double()
    assert torch.autograd.gradcheck(lambda x: layer([x], [mask])[0], x)


@pytest.mark.parametrize(("levels", "millions"), [(7, 25.78), (8, 32.86)])
def test_paper_size_has_the_published_parameters(levels, millions):
    with torch.device("meta"):
        network = PConvUNet(base=64, levels=levels)
    count = sum(p.numel() for p in network.parameters())
    assert round(count / 1e6, 2) == millions


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 65), (64, 64)])
def test_hole_content_has_no_influence(size):
    torch.manual_seed(0)
    network = PConvUNet(base=4, levels=5).eval()
    image = torch.rand(2, 3, *size)
    hole = (torch.rand(2, 1, *size) < 0.5).float()
    other = torch.where(hole > 0, torch.rand_like(image), image)
    torch.testing.assert_close(network(image, hole), network(other, hole))
    assert network(image, hole).shape == image.shape


def test_what_no_level_reaches_becomes_the_smooth_fill():
    network = PConvUNet(base=4, levels=3).eval()
    image = torch.full((1, 3, 64, 64), 0.25)
    hole = torch.ones(1, 1, 64, 64)
    hole[..., :1] = 0
    fill = network(image, hole)[0, :, 32, 60]
    torch.testing.assert_close(fill, torch.full((3,), 0.25))


def test_frozen_encoder_norm_keeps_its_statistics_while_the_decoder_learns():
    network = PConvUNet(base=4, levels=4).train()
    network.freeze_encoder_norm()
    encoder = network.encoder[2].norm.running_mean.clone()
    decoder = network.decoder[0].norm.running_mean.clone()
    network(torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32))
    assert torch.equal(network.encoder[2].norm.running_mean, encoder)
    assert not torch.equal(network.decoder[0].norm.running_mean, decoder)
    assert not network.encoder[2].norm.weight.requires_grad


def test_untrained_residual_network_is_the_smooth_fill():
    network = PConvUNet(base=4, levels=3, residual=True).eval()
    image, hole = torch.rand(1, 3, 20, 20), torch.zeros(1, 1, 20, 20)
    hole[..., 5:9, 5:9] = 1
    expected = coherent_fill(image, 1 - hole)
    torch.testing.assert_close(network(image, hole), expected)


def test_plain_convolutions_see_the_hole_as_grey_and_the_mask_as_a_channel():
    torch.manual_seed(1)
    network = PConvUNet(base=4, levels=3, partial=False).eval()
    image, hole = torch.rand(1, 3, 33, 20), (torch.rand(1, 1, 33, 20) < 0.3).float()
    grey, nothing = torch.where(hole > 0, 0.5, image), torch.zeros_like(hole)
    with torch.no_grad():
        assert (network(image, hole) - network(grey, nothing)).abs().max() > 1e-3
        for conv in (network.encoder[0].conv.conv, network.decoder[-1].conv.conv):
            conv.weight[:, -1] = 0  # without the mask's channel
        torch.testing.assert_close(network(image, hole), network(grey, nothing))
        scripted = torch.jit.script(network)
        torch.testing.assert_close(scripted(image, hole), network(image, hole))


def test_plain_convolutions_have_the_weights_of_partial_ones_and_the_masks():
    plain, partial = (PConvUNet(base=4, levels=3, partial=p) for p in (False, True))
    count = [sum(p.numel() for p in network.parameters()) for network in (plain, partial)]
    assert count[0] - count[1] == 7 * 7 * 4 + 3 * 3 * 3
