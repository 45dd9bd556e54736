"""What perceptual and style losses look through."""

import pytest
import torch

from training.loop.features import VGG16, FilterBank


def test_filter_bank_is_the_same_everywhere_and_blind_to_brightness():
    image = torch.rand(1, 3, 32, 32)
    first, second = FilterBank(8)(image), FilterBank(8)(image + 0.2)
    assert [f.shape[-1] for f in first] == [32, 16, 8]
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(first[0][inside], second[0][inside], atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """Random weights in the layout of torchvision's VGG-16, and the file that holds them."""
    state, channels = {}, 3
    places = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    widths = (64, 64, 128, 128, 256, 256, 256, *[512] * 6)
    generator = torch.Generator().manual_seed(0)
    for place, width in zip(places, widths, strict=True):
        fan_in = 9 * channels
        weight = torch.randn(width, channels, 3, 3, generator=generator) / fan_in**0.5
        state[f"features.{place}.weight"] = weight
        state[f"features.{place}.bias"] = torch.randn(width, generator=generator) / 10
        channels = width
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(state, path)
    return state, path


#: Where VGG-16 pools, among the places of its convolutions.
POOLS = {4: "pool1", 9: "pool2", 16: "pool3", 23: "pool4"}


def literal_vgg(state, image):
    """Every layer's output by its name, computed without a module, up to pool4."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x, block, number, named = (image - mean) / std, 1, 0, {}
    for place in range(24):
        if place in POOLS:
            x = torch.max_pool2d(x, 2)
            named[POOLS[place]] = x
            block, number = block + 1, 0
        elif f"features.{place}.weight" in state:
            weight, bias = (state[f"features.{place}.{key}"] for key in ("weight", "bias"))
            x = torch.conv2d(x, weight, bias, padding=1).relu()
            number += 1
            named[f"relu{block}_{number}"] = x
    return named


@pytest.mark.parametrize(
    "layers", [("pool1", "pool2", "pool3"), ("relu2_2", "relu3_3", "relu4_3"), ("relu1_1",)]
)
def test_vgg16_gives_the_layers_that_are_named(vgg_file, layers):
    state, path = vgg_file
    image = torch.rand(1, 3, 32, 32)
    features = VGG16(path, layers)(image)
    expected = literal_vgg(state, image)
    assert len(features) == len(layers)
    for feature, name in zip(features, layers, strict=True):
        torch.testing.assert_close(feature, expected[name])


def test_vgg16_looks_through_its_pools_by_default(vgg_file):
    features = VGG16(vgg_file[1])(torch.rand(1, 3, 32, 32))
    assert [tuple(f.shape[1:]) for f in features] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]


def test_vgg16_reads_no_further_than_the_deepest_layer(vgg_file, tmp_path):
    state, _ = vgg_file
    kept = {key: value for key, value in state.items() if int(key.split(".")[1]) < 10}
    torch.save(kept, tmp_path / "cut.pth")
    assert len(VGG16(tmp_path / "cut.pth", ("pool2",))(torch.rand(1, 3, 8, 8))) == 1
    with pytest.raises(ValueError, match=r"has no features\.10 of shape \(256, 128, 3, 3\)"):
        VGG16(tmp_path / "cut.pth", ("relu3_1",))


def test_vgg16_names_its_layers_when_one_is_unknown(vgg_file):
    with pytest.raises(ValueError, match=r"VGG-16 has no relu6_1; it has conv1_1, .*pool5"):
        VGG16(vgg_file[1], ("pool1", "relu6_1"))
