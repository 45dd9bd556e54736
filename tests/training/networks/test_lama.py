"""Fast Fourier convolutions against numpy.fft, and the network at its published sizes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.networks.literal import convolve
from training.networks.lama import (
    FastFourierConv,
    FourierUnit,
    LaMa,
    ResidualBlock,
    SpectralTransform,
)


def randomized(module):
    """A module in float64 with strong weights, whose batch norms do something."""
    torch.manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            m.weight.data.normal_()
        elif isinstance(m, nn.BatchNorm2d):
            for tensor in (m.running_mean, m.weight.data, m.bias.data):
                tensor.normal_()
            m.running_var.uniform_(0.5, 2)
    return module.double().eval()


def norm(x, layer):
    mean, var, weight, bias = (
        t.detach().numpy()[:, None, None]
        for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + layer.eps) * weight + bias


def block(x, layers):
    """1 x 1 convolution, batch norm, ReLU."""
    return np.maximum(norm(convolve(x, layers[0].weight.detach().numpy()), layers[1]), 0)


def fourier(x, unit):
    """Equation 4."""
    z = np.fft.rfft2(x, norm="ortho")
    real, imaginary = np.split(block(np.concatenate([z.real, z.imag]), unit.layers), 2)
    return np.fft.irfft2(real + 1j * imaginary, s=x.shape[1:], norm="ortho")


def spectral(x, transform):
    """Equation 3."""
    u = block(x, transform.reduce)
    return convolve(u + fourier(u, transform.fourier), transform.expand.weight.detach().numpy())


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (6, 9), (8, 8)])
def test_fourier_unit_equals_numpy(size):
    unit = randomized(FourierUnit(3))
    x = np.random.default_rng(0).normal(size=(3, *size))
    got = unit(torch.tensor(x)[None])[0].detach()
    np.testing.assert_allclose(got, fourier(x, unit), atol=1e-12)


def test_spectral_transform_equals_the_formula():
    transform = randomized(SpectralTransform(6))
    x = np.random.default_rng(1).normal(size=(6, 5, 7))
    got = transform(torch.tensor(x)[None])[0].detach()
    np.testing.assert_allclose(got, spectral(x, transform), atol=1e-12)


def test_fast_fourier_convolution_equals_the_formula():
    layer = randomized(FastFourierConv(2, 4))
    rng = np.random.default_rng(2)
    local, wide = rng.normal(size=(2, 7, 5)), rng.normal(size=(4, 7, 5))

    def conv(x, name):
        return convolve(x, getattr(layer, name).weight.detach().numpy(), mode="mirror")

    y_local = conv(local, "local_to_local") + conv(wide, "global_to_local")
    y_global = conv(local, "local_to_global") + spectral(wide, layer.global_to_global)
    got = layer(torch.tensor(local)[None], torch.tensor(wide)[None])
    for y, expected, bn in zip(
        got, (y_local, y_global), (layer.local_norm, layer.global_norm), strict=True
    ):
        expected = norm(expected, bn)
        assert (expected > 0).any((1, 2)).all()
        np.testing.assert_allclose(y[0].detach(), np.maximum(expected, 0), atol=1e-11)


def test_residual_block_adds_two_convolutions_to_its_input():
    residual = randomized(ResidualBlock(2, 4))
    x = [torch.randn(1, c, 7, 5).double() for c in (2, 4)]
    convolved = residual.second(*residual.first(*x))
    for got, before, added in zip(residual(*x), x, convolved, strict=True):
        assert added.abs().max() > 0.1
        torch.testing.assert_close(got, before + added)


def test_one_convolution_sees_the_whole_image_through_its_global_part_alone():
    layer = randomized(FastFourierConv(2, 4))
    inputs = [torch.randn(1, c, 24, 24).double().requires_grad_() for c in (2, 4)]
    corner = torch.stack([y[0, :, 0, 0].sum() for y in layer(*inputs)]).sum()
    local, wide = torch.autograd.grad(corner, inputs)
    assert local[..., 12:, 12:].abs().max() == 0
    assert wide[..., 12:, 12:].abs().max() > 1e-6


def test_half_precision_is_transformed_in_float32():
    unit = randomized(FourierUnit(2)).float()
    x = torch.randn(1, 2, 7, 5)
    half = copy.deepcopy(unit).bfloat16()
    with torch.no_grad():
        expected = unit(x)
        got = half(x.bfloat16())
        with torch.autocast("cpu", torch.bfloat16):
            mixed = unit(x.bfloat16())
    assert (got.dtype, mixed.dtype) == (torch.bfloat16, torch.bfloat16)
    torch.testing.assert_close(got.float(), expected, atol=0.1, rtol=0.05)
    torch.testing.assert_close(mixed.float(), expected, atol=0.1, rtol=0.05)


def test_gradient_equals_finite_differences():
    unit = randomized(FourierUnit(2))
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: unit(x), (x, *unit.parameters()))


@pytest.mark.parametrize(
    ("options", "millions"), [({}, 27.05), ({"blocks": 18}, 50.98), ({"base": 24}, 3.82)]
)
def test_network_has_the_published_size(options, millions):
    with torch.device("meta"):
        count = sum(p.numel() for p in LaMa(**options).parameters())
    assert round(count / 1e6, 2) == millions


def test_global_ratio_splits_the_channels():
    network = LaMa(base=4, blocks=1, global_ratio=0.25)
    assert network.to_local[0].out_channels == 24
    assert network.to_global[0].out_channels == 8
