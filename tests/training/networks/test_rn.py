"""Region normalisation against its formulas, and the network at its published size."""

import numpy as np
import pytest
import torch

from tests.training.networks.literal import convolve, pixel_shuffle, sigmoid
from training.networks.rn import (
    RN,
    EncoderBlock,
    FullNorm,
    RegionNormB,
    RegionNormL,
    ResidualBlock,
    decoder_block,
    known_colours,
    normalize_regions,
)


def literal_regions(x, region, over_batch):
    """Equations 1 and 2: x (N, C, H, W), region (N, H, W), bool."""
    y = np.zeros_like(x)
    samples = [range(len(x))] if over_batch else [[n] for n in range(len(x))]
    for some in samples:
        for c in range(x.shape[1]):
            for inside in (region[some], ~region[some]):
                values = x[some, c][inside]
                if values.size:
                    part = y[some, c]
                    part[inside] = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
                    y[some, c] = part
    return y


def features(rng, size, channels=3, count=2):
    """Features whose regions differ in mean and in spread."""
    region = rng.random((count, *size)) < 0.3
    x = rng.normal(size=(count, channels, *size))
    return np.where(region[:, None], 3 * x + 5, x), region


def randomized(module):
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module.double()


@pytest.mark.parametrize("over_batch", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (12, 9)])
def test_region_statistics_equal_the_formula(size, over_batch):
    x, region = features(np.random.default_rng(1), size)
    got = normalize_regions(torch.tensor(x), torch.tensor(region[:, None]), over_batch)
    np.testing.assert_allclose(got, literal_regions(x, region, over_batch), atol=1e-10)


@pytest.mark.parametrize("fill", [False, True])
def test_one_empty_region_leaves_instance_norm(fill):
    x, region = features(np.random.default_rng(2), (7, 5))
    region[:] = fill
    got = normalize_regions(torch.tensor(x), torch.tensor(region[:, None]), False)
    expected = torch.nn.functional.instance_norm(torch.tensor(x), eps=1e-5)
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_half_precision_is_summed_in_float32():
    x = 200 + torch.randn(1, 2, 96, 96, generator=torch.Generator().manual_seed(0))
    x = x.bfloat16()
    region = torch.zeros(1, 1, 96, 96)
    region[..., :40] = 1
    got = normalize_regions(x, region, False)
    expected = literal_regions(x.double().numpy(), region[:, 0].bool().numpy(), False)
    assert got.dtype == torch.bfloat16
    np.testing.assert_allclose(got.float(), expected, atol=0.02)  # bfloat16's own rounding


@pytest.mark.parametrize("style", ["sample", "batch"])
def test_rnb_has_an_affine_per_region_on_its_own_region(style):
    rng = np.random.default_rng(3)
    torch.manual_seed(0)
    layer = randomized(RegionNormB(3, style))
    x, _ = features(rng, (7, 5))
    hole = rng.random((2, 13, 11)) < 0.3  # at the image's size; the nearest pixel counts
    region = hole[:, np.arange(7) * 13 // 7][:, :, np.arange(5) * 11 // 5]
    got = layer(torch.tensor(x), torch.tensor(hole[:, None]).double()).detach()
    normal = literal_regions(x, region, style == "batch")
    affine = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    expected = np.where(
        region[:, None],
        normal * (1 + affine["gamma_hole"]) + affine["beta_hole"],
        normal * (1 + affine["gamma_known"]) + affine["beta_known"],
    )
    np.testing.assert_allclose(got, expected, atol=1e-10)


def literal_rnl(x, layer):
    """Equations 4 to 6, and the region that they found."""
    weights = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    pooled = np.stack([x.mean(1), x.max(1)], 1)
    response = np.stack([sigmoid(convolve(p, weights["response.weight"])) for p in pooled])
    region = response[:, 0] >= 0.8
    gamma, beta = (
        np.stack([convolve(r, weights[f"{n}.weight"], weights[f"{n}.bias"]) for r in response])
        for n in ("gamma", "beta")
    )
    return literal_regions(x, region, layer.over_batch) * (1 + gamma) + beta, response


@pytest.mark.parametrize("style", ["sample", "batch"])
def test_rnl_finds_regions_by_threshold_and_applies_one_affine_map(style):
    torch.manual_seed(1)
    layer = randomized(RegionNormL(style))
    layer.response.weight.data /= 10
    x, _ = features(np.random.default_rng(4), (11, 9))
    expected, response = literal_rnl(x, layer)
    assert 0.1 < (response >= 0.8).mean() < 0.9
    assert ((response > 0.5) & (response < 0.8)).any()  # another threshold would show
    np.testing.assert_allclose(layer(torch.tensor(x)).detach(), expected, atol=1e-9)


def test_residual_block_equals_its_layers():
    torch.manual_seed(6)
    block = randomized(ResidualBlock(3, "sample"))
    x = np.random.default_rng(6).normal(size=(2, 3, 7, 5))
    y = x
    for conv, norm, dilation in ((*block.layers[:2], 2), (*block.layers[3:], 1)):
        weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
        if y is not x:
            y = np.maximum(y, 0)
        y = [convolve(each, weight, bias, mode="mirror", dilation=dilation) for each in y]
        y, _ = literal_rnl(np.stack(y), norm)
    np.testing.assert_allclose(block(torch.tensor(x)).detach(), x + y, atol=1e-7)


def test_encoder_block_rectifies_what_rnb_gives():
    torch.manual_seed(7)
    block = randomized(EncoderBlock(torch.nn.Conv2d(2, 3, 1), "sample"))
    x, hole = torch.randn(2, 2, 6, 4).double(), (torch.rand(2, 1, 6, 4) < 0.5).double()
    expected = block.norm(block.conv(x), hole)
    assert (expected < 0).any()
    torch.testing.assert_close(block(x, hole), expected.clamp(min=0))


def test_gradients_equal_finite_differences():
    torch.manual_seed(2)
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    region = (torch.rand(2, 1, 4, 3, dtype=torch.float64) < 0.5).double()
    rnb, rnl = randomized(RegionNormB(2)), randomized(RegionNormL())
    assert torch.autograd.gradcheck(lambda x: normalize_regions(x, region, True), x)
    assert torch.autograd.gradcheck(lambda x, *_: rnb(x, region), (x, *rnb.parameters()))
    assert torch.autograd.gradcheck(lambda x, *_: rnl(x), (x, *rnl.parameters()))


def test_decoder_rises_by_sub_pixel_convolution():
    torch.manual_seed(3)
    block = decoder_block(3, 2, "sample").double()
    x = np.random.default_rng(5).normal(size=(3, 5, 4))
    conv, shuffle = block[0], block[1]
    expected = pixel_shuffle(convolve(x, conv.weight.detach().numpy(), conv.bias.detach().numpy()))
    np.testing.assert_allclose(shuffle(conv(torch.tensor(x)[None]))[0].detach(), expected)


def test_network_has_the_published_size():
    with torch.device("meta"):
        assert sum(p.numel() for p in RN().parameters()) == 11_596_591  # 11.60 M
        assert sum(p.numel() for p in RegionNormL().parameters()) == 198
        assert sum(p.numel() for p in RegionNormB(64).parameters()) == 4 * 64


def test_network_normalises_by_the_mask():
    torch.manual_seed(4)
    network = RN(base=4, blocks=1, style="batch").eval()  # without equation 7
    image = torch.rand(1, 3, 24, 24)
    image[..., 8:16, 8:16] = 0.5  # as a hole looks
    hole = torch.zeros(1, 1, 24, 24)
    hole[..., 8:16, 8:16] = 1
    with torch.no_grad():
        assert (network(image, hole) - network(image, torch.zeros_like(hole))).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_rivals_of_region_norm_normalise_hole_and_known_pixels_together(norm):
    x, region = features(np.random.default_rng(9), (7, 5))
    layer = FullNorm(3, norm).double()
    torch.nn.init.constant_(layer.norm.weight, 2)
    torch.nn.init.constant_(layer.norm.bias, 1)
    over = (0, 2, 3) if norm == "batch" else (2, 3)
    expected = 1 + 2 * (x - x.mean(over, keepdims=True)) / np.sqrt(
        x.var(over, keepdims=True) + 1e-5
    )
    got = layer(torch.tensor(x), torch.tensor(region[:, None]).double())
    np.testing.assert_allclose(got.detach(), expected, atol=1e-10)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_network_with_another_norm_keeps_nothing_of_rn(norm):
    torch.manual_seed(4)
    network = RN(base=4, blocks=1, style="batch", norm=norm).eval()
    assert sum(isinstance(module, FullNorm) for module in network.modules()) == 7
    assert not any(isinstance(m, RegionNormB | RegionNormL) for m in network.modules())
    image = torch.rand(1, 3, 24, 24)
    image[..., 8:16, 8:16] = 0.5  # as a hole looks
    hole = torch.zeros(1, 1, 24, 24)
    hole[..., 8:16, 8:16] = 1
    with torch.no_grad():
        assert torch.equal(network(image, hole), network(image, torch.zeros_like(hole)))
        knowing = RN(base=4, blocks=1, style="batch", norm=norm, use_mask=True).eval()
        assert not torch.equal(knowing(image, hole), knowing(image, torch.zeros_like(hole)))


def test_batch_style_shares_statistics_over_the_batch():
    torch.manual_seed(5)
    image, hole = torch.rand(2, 3, 16, 16), (torch.rand(2, 1, 16, 16) < 0.3).float()
    image[1] *= 0.1
    with torch.no_grad():
        for style, alike in (("sample", True), ("batch", False)):
            network = RN(base=4, blocks=1, style=style).eval()
            difference = (network(image, hole)[:1] - network(image[:1], hole[:1])).abs().max()
            assert (difference < 1e-5) == alike


def test_colours_of_known_pixels_are_their_mean_and_deviation():
    rng = np.random.default_rng(8)
    image, hole = rng.random((2, 3, 7, 5)), rng.random((2, 1, 7, 5)) < 0.4
    hole[1] = True  # nothing known
    mean, deviation = known_colours(torch.tensor(image), torch.tensor(hole).double())
    expected = [image[0, c][~hole[0, 0]] for c in range(3)]
    np.testing.assert_allclose(mean[0].ravel(), [e.mean() for e in expected])
    np.testing.assert_allclose(deviation[0].ravel(), [e.std() for e in expected], atol=1e-4)
    np.testing.assert_allclose(mean[1].ravel(), [0.5] * 3)


def test_brightness_and_contrast_of_the_picture_return_in_the_prediction():
    torch.manual_seed(9)
    network = RN(base=4, blocks=1).eval()
    image, hole = torch.rand(1, 3, 24, 24), torch.zeros(1, 1, 24, 24)
    with torch.no_grad():
        prediction, darker = network(image, hole), network(0.4 * image + 0.1, hole)
    torch.testing.assert_close(darker, 0.4 * prediction + 0.1, atol=2e-3, rtol=0)
    assert (darker - prediction).abs().max() > 0.1
