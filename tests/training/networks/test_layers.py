"""What every network promises, padding, spectral norm, and the discriminators."""

import io
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from napari_inpaint.weightless.coherence import coherent_fill
from training.networks.isnet import ISNet, UNetLike
from training.networks.lama import LaMa
from training.networks.layers import (
    MultiScalePatchGAN,
    PatchGAN,
    blank_and_pad,
    remove_spectral_norm_,
    spectral_norm,
    with_spectral_norm,
)
from training.networks.rn import RN

SIZES = [(1, 1), (5, 3), (33, 65), (64, 64)]
NETWORKS = {
    "rn": lambda: RN(base=6, blocks=1),
    "rn-batch": lambda: RN(base=6, blocks=1, style="batch"),
    "rn-instance-norm": lambda: RN(base=6, blocks=1, style="batch", norm="instance"),
    "rn-mask": lambda: RN(6, 1, style="batch", norm="instance", use_mask=True),
    "rn-batch-norm": lambda: RN(base=6, blocks=1, style="batch", norm="batch"),
    "isnet": lambda: ISNet(base=4, blocks=1),
    "isnet-published": lambda: ISNet(base=4, blocks=1, use_mask=False),
    "isnet-base": lambda: ISNet(base=4, blocks=1, final_fusion=False, sub_pixel=False),
    "isnet-fusion": lambda: ISNet(base=4, blocks=1, sub_pixel=False),
    "unet-like": lambda: UNetLike(base=4, blocks=1),
    "lama": lambda: LaMa(base=6, blocks=1),
    "rn-blocks": lambda: RN(base=6, blocks=1, space_to_depth=2, residual=True),
    "isnet-blocks": lambda: ISNet(base=4, blocks=1, space_to_depth=2, residual=True),
    "lama-blocks": lambda: LaMa(base=6, blocks=1, halvings=2, space_to_depth=2, residual=True),
}


@cache
def eager(name):
    """A small network, as it would be exported."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    for parameter in network.parameters():
        if not parameter.any():  # what starts from zero would hide the rest
            nn.init.normal_(parameter, 0, 0.1)
    return remove_spectral_norm_(network)


@cache
def reloaded(name):
    """The same network, scripted, written and read."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(eager(name)), file)
    file.seek(0)
    return torch.jit.load(file)


def sample(size, batch):
    generator = torch.Generator().manual_seed(size[0])
    image = torch.rand(batch, 3, *size, generator=generator)
    return image, (torch.rand(batch, 1, *size, generator=generator) < 0.3).float()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_scripted_equals_eager_at_any_size_and_mask(name, size, batch):
    image, drawn = sample(size, batch)
    for hole in (drawn, torch.zeros_like(drawn), torch.ones_like(drawn)):
        expected = eager(name)(image, hole)
        assert expected.shape == image.shape
        assert torch.isfinite(expected).all()
        unclamped = name == "rn" or name.endswith("blocks")
        assert unclamped or ((expected >= 0) & (expected <= 1)).all()
        torch.testing.assert_close(reloaded(name)(image, hole), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_hole_content_has_no_influence(name):
    image, hole = sample((33, 65), 2)
    for content in (0.0, torch.nan, torch.inf):
        poisoned = torch.where(hole > 0, content, image)
        assert torch.equal(eager(name)(poisoned, hole), eager(name)(image, hole))
    darker = torch.where(hole > 0, image, 0.9 * image)
    assert not torch.equal(eager(name)(darker, hole), eager(name)(image, hole))


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"rn-batch"}))
@torch.no_grad()
def test_samples_do_not_depend_on_their_batch(name):
    image, hole = sample((33, 65), 3)
    whole = eager(name)(image, hole)
    for n in range(3):
        alone = eager(name)(image[n : n + 1], hole[n : n + 1])
        torch.testing.assert_close(whole[n : n + 1], alone, atol=1e-5, rtol=0)


def test_outputs_is_the_prediction_alone_by_default():
    image, hole = sample((8, 8), 1)
    outputs = eager("lama").outputs(image, hole)
    assert len(outputs.images) == 1
    assert torch.equal(outputs.images[0], eager("lama")(image, hole))
    assert outputs.logits == []


@pytest.mark.parametrize(
    ("size", "padded"), [((5, 3), (12, 12)), ((12, 16), (12, 16)), ((17, 4), (20, 12))]
)
def test_padding_is_hole_and_looks_like_one(size, padded):
    image, hole = sample(size, 2)
    got_image, got_hole = blank_and_pad(image, hole, stride=4, minimum=12)
    expected_image, expected_hole = np.full((2, 3, *padded), 0.5), np.ones((2, 1, *padded))
    expected_hole[..., : size[0], : size[1]] = hole
    expected_image[..., : size[0], : size[1]] = np.where(hole > 0, 0.5, image)
    np.testing.assert_array_equal(got_hole, expected_hole)
    np.testing.assert_array_equal(got_image, expected_image.astype(np.float32))


def settled(module):
    """Let the power iterations converge; each use in training makes one."""
    module.train()
    with torch.no_grad():
        for m in module.modules():
            if parametrize.is_parametrized(m, "weight"):
                for _ in range(200):
                    _ = m.weight
    return module.eval()


def test_spectral_norm_divides_by_the_largest_singular_value():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 5, 3)
    weight = conv.weight.detach().numpy().copy()
    largest = np.linalg.svd(weight.reshape(5, -1), compute_uv=False)[0]
    settled(spectral_norm(conv))
    np.testing.assert_allclose(conv.weight.detach(), weight / largest, rtol=1e-5)


def test_spectral_norm_holds_where_averaging_shortened_the_vector():
    torch.manual_seed(1)
    conv = settled(spectral_norm(nn.Conv2d(3, 5, 3)))
    before = conv.weight.detach().clone()
    conv.parametrizations.weight[0].u *= 0.5
    torch.testing.assert_close(conv.weight, before)


def test_spectral_norm_follows_the_weight_in_training_alone():
    torch.manual_seed(2)
    conv = spectral_norm(nn.Conv2d(3, 5, 3)).eval()
    u = conv.parametrizations.weight[0].u
    before = u.clone()
    _ = conv.weight
    assert torch.equal(u, before)
    conv.train()
    _ = conv.weight
    assert not torch.equal(u, before)


def test_spectral_norm_has_the_gradient_of_finite_differences():
    torch.manual_seed(3)
    conv = spectral_norm(nn.Conv2d(2, 3, 3)).double().eval()
    norm = conv.parametrizations.weight[0]
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, weight)


def test_removing_spectral_norms_changes_no_output():
    torch.manual_seed(4)
    network = ISNet(base=4, blocks=1)
    image, hole = sample((33, 65), 2)
    network(image, hole)  # a step of training
    with torch.no_grad():
        before = network.eval()(image, hole)
        after = remove_spectral_norm_(network.train())(image, hole)
    assert torch.equal(before, after)
    assert not any(parametrize.is_parametrized(m) for m in network.modules())
    assert not any("parametrizations" in key for key in network.state_dict())


def test_norms_that_were_removed_are_put_back_without_change():
    torch.manual_seed(4)
    network, other = settled(ISNet(base=4, blocks=1)), ISNet(base=4, blocks=1)
    image, hole = sample((33, 65), 2)
    with torch.no_grad():
        before = network(image, hole)
        own = network.state_dict()
        assert with_spectral_norm(own, other) == own  # nothing to undo
        baked = remove_spectral_norm_(network).state_dict()
        other.load_state_dict(with_spectral_norm(baked, other))
        torch.testing.assert_close(other.train()(image, hole), before, atol=1e-5, rtol=0)


def test_patchgan_equals_its_formula():
    torch.manual_seed(5)
    network = settled(PatchGAN(channels=4, base=4, strided=2)).double()
    x = torch.rand(2, 4, 20, 28).double()
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convs] == [4, 8, 16, 1]
    got, y = network(x), x
    for layer, (conv, stride) in enumerate(zip(convs, [2, 2, 1, 1], strict=True)):
        weight = conv.parametrizations.weight.original
        weight = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
        y = F.conv2d(y, weight, stride=stride, padding=1)
        if layer < 3:
            y = torch.where(y > 0, y, 0.2 * y)
        torch.testing.assert_close(got[layer], y, atol=1e-5, rtol=1e-3)
    assert y.shape == (2, 1, 3, 5)


@pytest.mark.parametrize(("strided", "patch"), [(2, 34), (3, 70), (4, 142)])
def test_patchgan_judges_patches_of_the_stated_size(strided, patch):
    torch.manual_seed(6)
    network = PatchGAN(base=2, strided=strided)
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    score = network(x)[-1]
    score[0, 0, score.shape[2] // 2, score.shape[3] // 2].backward()
    seen = x.grad[0].abs().amax(0) > 0
    assert (seen.any(0).sum(), seen.any(1).sum()) == (patch, patch)


def test_patchgan_returns_every_layer_at_the_published_widths():
    with torch.device("meta"):
        network = PatchGAN()
        features = network(torch.rand(2, 3, 256, 256))
    assert sum(p.numel() for p in network.parameters()) == 16 * (
        3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512
    )
    assert [tuple(f.shape) for f in features] == [
        (2, 64, 128, 128), (2, 128, 64, 64), (2, 256, 32, 32), (2, 512, 31, 31), (2, 1, 30, 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("norm", "kind"), [("batch", nn.BatchNorm2d), ("instance", nn.InstanceNorm2d)]
)
def test_patchgan_normalises_between_the_first_and_the_last_layer(norm, kind):
    network = PatchGAN(base=4, strided=2, norm=norm)
    normed = [any(isinstance(m, kind) for m in layer) for layer in network.layers]
    assert normed == [False, True, True, False]
    assert [layer[0].bias is None for layer in network.layers] == normed
    assert not any(parametrize.is_parametrized(m) for m in network.modules())


def test_multi_scale_judges_halved_images_by_networks_of_their_own():
    torch.manual_seed(7)
    network = MultiScalePatchGAN(scales=3, channels=4, base=4, strided=2).eval()
    x = torch.rand(2, 4, 64, 48)
    scales = network(x)
    half = np.zeros((2, 4, 32, 24), np.float32)
    for i, j in np.ndindex(32, 24):  # the mean of the 3 x 3 window's pixels inside the image
        window = x[:, :, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
        half[:, :, i, j] = window.mean((2, 3))
    assert [len(features) for features in scales] == [4, 4, 4]
    torch.testing.assert_close(scales[0][-1], network.scales[0](x)[-1])
    torch.testing.assert_close(scales[1][-1], network.scales[1](torch.tensor(half))[-1])
    assert scales[2][-1].shape == (2, 1, 2, 1)


@pytest.mark.parametrize("name", ["rn-blocks", "isnet-blocks", "lama-blocks"])
def test_untrained_residual_network_is_the_smooth_fill(name):
    image, hole = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    hole[..., 15:29, 5:39] = 1
    with torch.no_grad():
        filled = NETWORKS[name]()(image, hole)
    torch.testing.assert_close(filled, coherent_fill(image, 1 - hole))
