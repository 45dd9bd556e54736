"""The discriminators of features: mixing against its formula, scores, gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.networks.literal import bilinear, convolve
from training.networks.projected import ProjectedGAN, RandomConv, ScaleDiscriminator

CHANNELS = (3, 4, 5, 6)
SIDES = (32, 16, 8, 8)


def features():
    """Five features, of which the first is not looked at."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 2, 64, 64)]
    shapes += [(2, c, side, side) for c, side in zip(CHANNELS, SIDES, strict=True)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


class Kept(nn.Module):
    """Stands in the place of a scale's discriminator: gives what that would see."""

    def forward(self, x):
        return [x]


def test_features_are_mixed_across_channels_and_scales_as_equations_1_and_2_say():
    torch.manual_seed(0)
    network = ProjectedGAN(CHANNELS, base=5)
    network.scales = nn.ModuleList(Kept() for _ in CHANNELS)
    given = features()
    mixed = [scale[0].double().numpy() for scale in network(given)]
    for sample in range(2):
        coarser = None
        for place in (3, 2, 1, 0):
            across, along = (
                part[place].weight.double().numpy()
                for part in (network.across_channels, network.across_scales)
            )
            g = convolve(given[1 + place][sample].double().numpy(), across)
            if coarser is not None:  # of equal variance as each of the two
                g = (g + bilinear(coarser, g.shape[1:])) / np.sqrt(2)
            coarser = convolve(g, along)
            np.testing.assert_allclose(mixed[place][sample], coarser, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
def test_random_convolution_keeps_the_variance_and_has_no_parameter(kernel):
    torch.manual_seed(1)
    conv = RandomConv(40, 64, kernel)
    mixed = conv(3 * torch.randn(2, 40, 32, 32))[..., 1:-1, 1:-1]
    assert mixed.var().item() == pytest.approx(9, rel=0.1)
    assert list(conv.parameters()) == []
    assert list(conv.state_dict()) == ["weight"]  # resumed trainings mix as before


def test_every_scale_is_scored_at_half_its_resolution():
    network = ProjectedGAN(CHANNELS, base=4)
    scales = network(features())
    assert [tuple(scale[-1].shape) for scale in scales] == [
        (2, 1, side // 2, side // 2) for side in SIDES
    ]
    for scale in scales:
        assert [layer.shape[1] for layer in scale] == [4, 8, 1]


def test_default_takes_the_features_of_efficientnet_lite0():
    network = ProjectedGAN()
    shapes = [(16, 64), (24, 32), (40, 16), (112, 8), (320, 8)]
    scales = network([torch.zeros(1, channels, side, side) for channels, side in shapes])
    assert [scale[-1].shape[2] for scale in scales] == [16, 8, 4, 4]


def test_every_scale_looks_at_its_own_features_and_at_all_coarser_ones():
    torch.manual_seed(2)
    network, given = ProjectedGAN(CHANNELS, base=4), [x.requires_grad_() for x in features()]
    for place, scale in enumerate(network(given)):
        slopes = torch.autograd.grad(scale[-1].sum(), given, retain_graph=True, allow_unused=True)
        seen = [slope is not None and slope.abs().max().item() > 1e-6 for slope in slopes]
        assert seen == [False] + [other >= place for other in range(4)]


def test_scores_do_not_depend_on_the_other_pictures():
    torch.manual_seed(3)
    network, given = ProjectedGAN(CHANNELS, base=4).eval(), features()
    both, alone = network(given), network([x[1:] for x in given])
    for scale, other in zip(both, alone, strict=True):
        torch.testing.assert_close(scale[-1][1:], other[-1], atol=1e-5, rtol=0)


def test_scale_discriminator_equals_its_layers_written_out():
    torch.manual_seed(4)
    network = ScaleDiscriminator(3, base=4).eval()
    x = torch.randn(1, 3, 8, 8)
    y = x[0].double().numpy()
    layers = network(x)
    for number, layer in enumerate(network.layers):
        weight, bias = (w.detach().double().numpy() for w in (layer.weight, layer.bias))
        if number:
            y = np.where(y > 0, y, 0.2 * y)
        if number == 1:  # 4 x 4 at a stride of 2: zeros before make it 5 x 5
            grown = np.zeros((*weight.shape[:2], 5, 5))
            grown[..., 1:, 1:] = weight
            y = convolve(y, grown, bias)[:, ::2, ::2]
        else:
            y = convolve(y, weight, bias)
        np.testing.assert_allclose(layers[number][0].detach(), y, atol=1e-5)
