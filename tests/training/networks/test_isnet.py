"""ISNet's operations against literal NumPy, and every size that its paper publishes."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from tests.training.networks.literal import convolve, pixel_shuffle
from training.networks.isnet import ISNet, ResidualBlock, Stage, UNetLike, down, up
from training.networks.layers import remove_spectral_norm_


def weights(module):
    """The weights of a module's convolutions, in order, as they are used."""
    return [m.weight.detach().numpy() for m in module.modules() if isinstance(m, nn.Conv2d)]


def plain(module):
    """A module in float64 with its spectral norms removed."""
    torch.manual_seed(0)
    return remove_spectral_norm_(module.double())


TABLES = {
    "table 1: BaseModel": (
        lambda: ISNet(final_fusion=False, sub_pixel=False, use_mask=False), 16_516_995, 15.75,
    ),
    "table 1: BaseModel+FF": (lambda: ISNet(sub_pixel=False, use_mask=False), 14_610_083, 13.93),
    "table 1: UNet-like Net": (UNetLike, 24_403_715, 23.27),
    "table 1: ISNet, table 2: 4": (lambda: ISNet(use_mask=False), 24_774_307, 23.63),
    "table 2: 3": (lambda: ISNet(blocks=3, use_mask=False), 23_152_291, 22.08),
    "table 2: 2": (lambda: ISNet(blocks=2, use_mask=False), 21_530_275, 20.53),
    "table 2: 1": (lambda: ISNet(blocks=1, use_mask=False), 19_908_259, 18.99),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLES)
def test_tables_1_and_2_have_the_published_sizes(row):
    build, expected, published = TABLES[row]
    with torch.device("meta"):
        count = sum(p.numel() for p in build().parameters())
    assert count == expected
    assert round(count / 2**20, 2) == published


@pytest.mark.parametrize("dilation", [1, 2])
def test_residual_block_equals_the_formula(dilation):
    block = plain(ResidualBlock(4, dilation))
    x = np.random.default_rng(0).normal(size=(4, 7, 5))
    first, second = weights(block)
    residual = convolve(np.tanh(convolve(x, first, dilation=dilation)), second)
    got = block(torch.tensor(x)[None])[0].detach()
    np.testing.assert_allclose(got, np.tanh(x + 0.1 * residual), atol=1e-12)


def test_up_is_convolution_pixel_shuffle_tanh_per_step():
    rise = plain(up(8, 2, sub_pixel=True))
    x = np.random.default_rng(1).normal(size=(8, 3, 5))
    expected = x
    for weight in weights(rise):
        expected = np.tanh(pixel_shuffle(convolve(expected, weight)))
    assert expected.shape == (2, 12, 20)
    np.testing.assert_allclose(rise(torch.tensor(x)[None])[0].detach(), expected, atol=1e-12)


def test_down_is_convolution_with_stride_2_and_tanh_per_step():
    fall = plain(down(2, 2))
    x = np.random.default_rng(2).normal(size=(2, 8, 12))
    expected = x
    for weight in weights(fall):
        expected = np.tanh(convolve(expected, weight)[:, ::2, ::2])
    assert expected.shape == (8, 2, 3)
    np.testing.assert_allclose(fall(torch.tensor(x)[None])[0].detach(), expected, atol=1e-12)


def test_stage_exchanges_both_branches():
    stage = plain(Stage(2, 2, 8, blocks=1, sub_pixel=True))
    rng = np.random.default_rng(3)
    high, low = rng.normal(size=(2, 12, 8)), rng.normal(size=(4, 6, 4))
    got = stage(torch.tensor(high)[None], torch.tensor(low)[None])

    def inpaint(x, block, dilation):
        first, second = weights(block)
        return np.tanh(x + 0.1 * convolve(np.tanh(convolve(x, first, dilation=dilation)), second))

    def fall(x, layers):
        for weight in weights(layers):
            x = np.tanh(convolve(x, weight)[:, ::2, ::2])
        return x

    high, low = inpaint(high, stage.high_blocks, 1), inpaint(low, stage.low_blocks, 2)
    risen = np.tanh(pixel_shuffle(convolve(low, *weights(stage.low_to_high))))
    to_high = np.concatenate([high, risen])
    to_low = np.concatenate([fall(high, stage.high_to_low), fall(low, stage.low_to_low)])
    for branch, features, layers in zip(
        got, (to_high, to_low), (stage.high, stage.low), strict=True
    ):
        expected = np.tanh(convolve(features, *weights(layers)))
        np.testing.assert_allclose(branch[0].detach(), expected, atol=1e-12)


def test_low_branch_doubles_its_channels_and_halves_its_size():
    network, shapes = ISNet(base=4, blocks=1), []
    for stage in (network.first, *network.stages):
        stage.register_forward_hook(lambda *args: shapes.append([y.shape[1:] for y in args[2]]))
    network(torch.rand(1, 3, 32, 48), torch.zeros(1, 1, 32, 48))
    assert shapes == [[(4, 32, 48), (4 * 2**n, 32 // 2**n, 48 // 2**n)] for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("final_fusion", [True, False])
def test_convolutions_have_a_spectral_norm_and_no_bias_but_at_the_stated_places(final_fusion):
    network = ISNet(base=4, blocks=1, final_fusion=final_fusion)
    named = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    bare = [n for n, m in named.items() if not parametrize.is_parametrized(m, "weight")]
    biased = [n for n, m in named.items() if m.bias is not None]
    assert bare == ["head.shortcut"] + ["end.layer"] * (not final_fusion)
    assert biased == (["end.layers.0", "end.layers.2"] if final_fusion else ["end.layer"])


@pytest.mark.parametrize("final_fusion", [True, False])
def test_last_low_branch_reaches_the_output_through_the_final_fusion_alone(final_fusion):
    network = ISNet(base=4, blocks=1, final_fusion=final_fusion, use_mask=False)
    network(torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)).sum().backward()
    reached = [p.grad is not None for p in network.stages[-1].low.parameters()]
    assert reached == [final_fusion]
    assert all(p.grad is not None for p in network.stages[0].low.parameters())


@pytest.mark.parametrize("use_mask", [True, False])
def test_a_hole_that_looks_like_a_known_patch_is_told_by_the_mask_alone(use_mask):
    torch.manual_seed(0)
    network = ISNet(base=4, blocks=1, use_mask=use_mask).eval()
    image, hole = torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 1, 32, 32)
    with torch.no_grad():
        changed = (network(image, hole) - network(image, 1 - hole)).abs().max() > 1e-6
    assert changed == use_mask


def test_gradient_equals_finite_differences():
    torch.manual_seed(1)
    block = ResidualBlock(2, 2).double().eval()  # spectral norm included
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: block(x), (x, *block.parameters()))
