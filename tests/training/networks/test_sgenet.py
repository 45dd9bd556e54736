"""SGE-Net's equations against literal NumPy, and what the family promises to artifacts."""

import io

import numpy as np
import pytest
import torch

from napari_inpaint.weightless.coherence import coherent_fill
from training.networks.sgenet import SCEM, SGIM, SPADE, ContextBlock, SGENet, SGIMPlus

VARIANTS = ("base", "sg", "sge")
SIZES = [(1, 1), (5, 3), (33, 65), (64, 64)]


def conv(x, weight, bias, dilation=1, pad="constant"):
    """3 x 3 convolution of (C, H, W), tap by tap."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (dilation, dilation), (dilation, dilation)), mode=pad)
    out = np.zeros((len(weight), height, width))
    for i in range(3):
        for j in range(3):
            top, left = i * dilation, j * dilation
            window = padded[:, top : top + height, left : left + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], window)
    return out if bias is None else out + bias[:, None, None]


def array(parameter):
    return None if parameter is None else parameter.detach().numpy()


def layer(x, module):
    return conv(x, array(module.weight), array(module.bias))


def normalised(x):
    mean = x.mean((1, 2), keepdims=True)
    deviation = np.sqrt(((x - mean) ** 2).mean((1, 2), keepdims=True) + 1e-5)
    return (x - mean) / deviation


def nearest(x, height, width):
    rows = np.arange(height) * x.shape[1] // height
    columns = np.arange(width) * x.shape[2] // width
    return x[:, rows][:, :, columns]


def relu(x, slope=0.0):
    return np.where(x > 0, x, slope * x)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(0)


def literal_spade(x, semantics, module):
    """Equation 3."""
    shared = relu(layer(nearest(semantics, *x.shape[1:]), module.shared[0]))
    return (1 + layer(shared, module.gamma)) * normalised(x) + layer(shared, module.beta)


def literal_net(x, net):
    """F_ba and F_bi."""
    return layer(relu(layer(relu(x, 0.2), net[1])), net[3])


def literal_modulated(features, skip, semantics, module):
    """f_s of equation 3, from varphi^l and phi^(l-1)."""
    both = np.concatenate([nearest(features, *skip.shape[1:]), skip])
    return literal_spade(layer(both, module.fuse.conv), semantics, module.modulate)


def literal_scem(probabilities, hole, tau, mode):
    """Equation 4, cell by cell; hole is (h, w)."""
    height, width = hole.shape
    confidence = np.array(
        [[max(probabilities[:, y, x]) for x in range(width)] for y in range(height)]
    )
    inside = sorted(confidence[y, x] for y, x in np.argwhere(hole))
    if mode == "max":
        limit = tau * inside[-1] if inside else 0.0
    else:
        count = int(np.float32(tau) * np.float32(len(inside)))
        limit = inside[count - 1] if count else 0.0
    mask = np.ones((height, width))
    for y in range(height):
        for x in range(width):
            if hole[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any():
                mask[y, x] = 1.0 if confidence[y, x] > limit else 0.0
    return mask


def batch(array):
    return torch.tensor(np.asarray(array))[None]


def sample(size, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, *size, generator=generator)
    hole = torch.zeros(count, 1, *size)
    hole[..., size[0] // 4 : size[0] // 4 + (size[0] + 1) // 2, : (size[1] + 1) // 2] = 1
    hole[-1] = hole[-1].flip(-1)
    return image, hole


def network(variant="sge", classes=5, **kwargs):
    torch.manual_seed(0)
    net = SGENet(classes, 4, variant, hidden=8, **kwargs).eval()
    for heads in (net.coarsest, *net.heads):
        if heads.residual:  # zeros would hide much
            torch.nn.init.normal_(heads.h.weight, 0, 0.1)
    return net


def painted_square(probabilities, class_id, size=None):
    """The map with a square, of the whole image by default, painted."""
    edited = probabilities.clone()
    end = size or max(probabilities.shape)
    edited[:, :, :end, :end] = 0
    edited[:, class_id, :end, :end] = 1
    return edited


@pytest.mark.parametrize("shape", [(9, 7), (5, 11)])
def test_spade_equals_equation_3_at_odd_sizes(shape):
    rng = np.random.default_rng(0)
    module = SPADE(6, 4, 3).double()
    x, semantics = rng.normal(2, 3, (6, *shape)), rng.random((4, shape[0] // 2, shape[1] // 2 + 1))
    got = module(batch(x), batch(semantics))[0].detach()
    np.testing.assert_allclose(got, literal_spade(x, semantics, module), atol=1e-10)


def test_sgim_equals_its_equation():
    rng = np.random.default_rng(1)
    module = SGIM(5, 3, 4, 6).double()
    features, skip = rng.normal(size=(5, 4, 3)), rng.normal(size=(3, 8, 6))
    semantics, reliable = rng.random((4, 4, 3)), rng.random((1, 4, 3))
    got = module(*map(batch, (features, skip, semantics, reliable)))[0].detach()
    modulated = literal_modulated(features, skip, semantics, module)
    np.testing.assert_allclose(got, literal_net(modulated, module.base_net), atol=1e-10)


def test_sgim_plus_equals_equation_6():
    rng = np.random.default_rng(2)
    module = SGIMPlus(5, 3, 4, 6).double()
    features, skip = rng.normal(size=(5, 5, 3)), rng.normal(size=(3, 10, 6))
    semantics, reliable = rng.random((4, 5, 3)), (rng.random((1, 5, 3)) < 0.5).astype(float)
    got = module(*map(batch, (features, skip, semantics, reliable)))[0].detach()
    modulated = literal_modulated(features, skip, semantics, module)
    lifted = relu(layer(nearest(reliable, 10, 6), module.lift[0]))
    rectified = literal_net(np.concatenate([modulated, lifted]), module.bias_net)
    expected = literal_net(modulated, module.base_net) + rectified
    np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("mode", ["max", "quantile"])
@pytest.mark.parametrize("tau", [0.0, 0.5, 0.9])
def test_scem_equals_equation_4_for_both_readings_of_tau(mode, tau):
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.full(4, 0.5), (3, 9, 7)).transpose(0, 3, 1, 2)
    hole = rng.random((3, 9, 7)) < np.array([0.0, 0.2, 0.6])[:, None, None]
    got = SCEM(tau, mode)(torch.tensor(probabilities), torch.tensor(hole[:, None]).double())
    for i in range(3):
        expected = literal_scem(probabilities[i], hole[i], tau, mode)
        np.testing.assert_array_equal(got[i, 0], expected)
    assert got[0].all()
    assert bool(got[2].all()) == (tau == 0)


def test_scem_calls_just_the_share_tau_of_the_hole_unreliable_in_quantile_mode():
    probabilities = torch.rand(1, 3, 20, 20, dtype=torch.float64)
    reliable = SCEM(0.25, "quantile")(probabilities, torch.ones(1, 1, 20, 20).double())
    assert (reliable == 0).sum() == 100


def test_unreliable_area_shrinks_when_confidence_evens_out_in_max_mode():
    confidence = torch.tensor([0.2, 0.5, 0.7, 0.9])
    hole = torch.ones(1, 1, 1, 4)
    module = SCEM(0.8, "max")
    early = module(confidence[None, None, None], hole)
    late = module(confidence.clamp(min=0.75)[None, None, None], hole)
    assert early.tolist() == [[[[0.0, 0.0, 0.0, 1.0]]]]
    assert late.tolist() == [[[[1.0, 1.0, 1.0, 1.0]]]]


def test_reliability_mask_carries_no_gradient():
    probabilities = torch.rand(1, 3, 6, 6, requires_grad=True)
    assert not SCEM(0.8, "max")(probabilities, torch.ones(1, 1, 6, 6)).requires_grad


@pytest.mark.parametrize(
    ("dilation", "side", "used"), [(1, 6, 1), (2, 7, 2), (8, 16, 8), (8, 5, 2)]
)
def test_context_block_dilates_as_far_as_the_map_allows(dilation, side, used):
    rng = np.random.default_rng(4)
    module = ContextBlock(3, dilation).double()
    x = rng.normal(size=(3, side, side + 2))
    y = conv(x, array(module.first.weight), None, used, "reflect")
    y = conv(relu(normalised(y)), array(module.second.weight), None, 1, "reflect")
    np.testing.assert_allclose(module(batch(x))[0].detach(), x + normalised(y), atol=1e-10)


def test_sgim_plus_has_the_gradient_of_its_formula():
    torch.manual_seed(0)
    module = SGIMPlus(2, 2, 3, 2).double()
    features, skip, semantics = (
        torch.randn(1, c, *size, dtype=torch.float64, requires_grad=True)
        for c, size in ((2, (3, 2)), (2, (6, 4)), (3, (3, 2)))
    )
    reliable = (torch.rand(1, 1, 3, 2) < 0.5).double()
    assert torch.autograd.gradcheck(module, (features, skip, semantics, reliable))


@pytest.mark.parametrize(
    ("variant", "millions"), [("base", 39.3), ("sg", 41.5), ("sge", 48.0)]
)  # fmt: skip
def test_paper_size_has_the_expected_parameters(variant, millions):
    with torch.device("meta"):
        paper = SGENet(classes=8, base=64, variant=variant)
    count = sum(p.numel() for p in paper.parameters())
    assert round(count / 1e6, 1) == millions
    if variant == "base":
        branches = [paper.coarsest.g, *(heads.g for heads in paper.heads)]
        assert (
            round((count - sum(p.numel() for g in branches for p in g.parameters())) / 1e6, 1)
            == 39.2
        )


@pytest.mark.parametrize("size", [(64, 64), (37, 50)])
@pytest.mark.parametrize("tau_mode", ["max", "quantile"])
def test_every_scale_meets_its_class_map_and_its_reliability_mask(size, tau_mode):
    net = network(tau_mode=tau_mode, tau=(0.9, 0.8, 0.6)).double()
    seen = []
    for module in net.sgims:
        module.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    image, hole = (x.double() for x in sample(size, seed=5))
    edited = painted_square(net.segment(image, hole), 2, 21)
    net.guide(image, hole, edited)
    sides = [max(32, -(-side // 16) * 16) for side in size]
    padded_hole = np.ones((2, *sides))
    padded_hole[:, : size[0], : size[1]] = hole[:, 0]
    paint = np.zeros((2, 5, *sides))
    paint[:, 2, :21, :21] = 1
    unreliable = 0
    for level, tau, inputs in zip((4, 3, 2, 1), (None, 0.9, 0.8, 0.6), seen[-4:], strict=True):
        features, _, semantics, reliable = inputs
        heads = net.coarsest if level == 4 else net.heads[3 - level]
        cells = sides[0] // 2**level, 2**level, sides[1] // 2**level, 2**level
        for i in range(2):
            own = softmax(layer(features[i].detach().numpy(), heads.g))
            part = paint[i].reshape(5, *cells).mean((2, 4))
            expected = part + (1 - part.sum(0)) * own
            np.testing.assert_allclose(semantics[i].detach(), expected, atol=1e-10)
            coarse = padded_hole[i].reshape(cells).max((1, 3))
            expected = 1 - coarse if tau is None else literal_scem(own, coarse > 0, tau, tau_mode)
            np.testing.assert_array_equal(reliable[i, 0], expected)
            unreliable += (expected == 0).sum()
    assert unreliable > 0


@pytest.mark.parametrize("side", [1, 2])
def test_outputs_are_five_scales_of_images_and_scores_the_finest_first(side):
    net = network(space_to_depth=side)
    image, hole = sample((48, 33))
    images, logits, _ = net.outputs(image, hole)
    sizes = [(48, 33), (24, 17), (12, 9), (6, 5), (3, 3)]
    assert [tuple(x.shape) for x in images] == [(2, 3, *size) for size in sizes]
    assert [tuple(x.shape) for x in logits] == [(2, 5, *size) for size in sizes]
    torch.testing.assert_close(images[0], net(image, hole))
    torch.testing.assert_close(logits[0].softmax(1), net.segment(image, hole), atol=2e-3, rtol=0)


def test_true_labels_guide_training_as_paint_would_and_unlabelled_pixels_do_not():
    net = network()
    image, hole = sample((32, 48))
    labels = torch.randint(0, 5, (2, 32, 48))
    one_hot = torch.nn.functional.one_hot(labels, 5).permute(0, 3, 1, 2).float()
    guided = net.outputs(image, hole, labels).images[0]
    torch.testing.assert_close(guided, net.guide(image, hole, one_hot))
    assert (guided - net(image, hole)).abs().max() > 1e-3
    unlabelled = torch.full_like(labels, 255)
    torch.testing.assert_close(net.outputs(image, hole, unlabelled).images[0], net(image, hole))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_losses_reach_every_parameter(variant):
    net = network(variant).train()
    images, logits, _ = net.outputs(*sample((64, 64)))
    sum(x.square().sum() for x in images + logits).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_segmentation_learns_from_the_fill_that_it_guides(variant):
    net = network(variant).train()
    net.outputs(*sample((64, 64))).images[0].square().sum().backward()
    guides = [net.coarsest.g, *(heads.g for heads in net.heads[:3])]
    assert [g.weight.grad is not None for g in guides] == [variant != "base"] * 4
    assert net.heads[3].g.weight.grad is None


@torch.no_grad()
def test_the_encoder_sees_the_image_in_its_range_and_the_mask():
    net = network()
    seen = []
    net.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image, hole = sample((32, 41))
    net(image, hole)
    blank = torch.where(hole > 0, 0.0, image * 2 - 1)
    torch.testing.assert_close(seen[0][..., :41], torch.cat([blank, hole], 1))
    torch.testing.assert_close(seen[0][:, :3, :, 41:], torch.zeros(2, 3, 32, 7))
    torch.testing.assert_close(seen[0][:, 3:, :, 41:], torch.ones(2, 1, 32, 7))


@pytest.mark.parametrize(
    ("mode", "taus"), [("max", [0.8, 0.8, 0.8]), ("quantile", [0.3, 0.2, 0.1])]
)  # fmt: skip
def test_each_reading_of_tau_has_its_own_proportions(mode, taus):
    evaluated = [m for m in network(tau_mode=mode).modules() if isinstance(m, SCEM)]
    assert [(module.mode, module.tau) for module in evaluated] == [(mode, tau) for tau in taus]


@torch.no_grad()
def test_features_of_blocks_are_at_half_the_resolution():
    net = network(space_to_depth=2)
    seen = []
    for part in net.encoder:
        part.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape[2:])))
    net(*sample((60, 100)))  # padded to 64 x 128
    assert seen == [(32, 64), (16, 32), (8, 16), (4, 8), (2, 4)]


@torch.no_grad()
def test_residual_starts_every_scale_from_the_smooth_fill_and_sees_it_in_the_hole():
    net = SGENet(3, base=4, hidden=4, residual=True)
    image, hole = sample((64, 96))
    smooth = coherent_fill(image, 1 - hole)
    seen = []
    net.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, :3]))
    for level, y in enumerate(net.outputs(image, hole).images):
        means = torch.nn.functional.avg_pool2d(smooth, 2**level)
        torch.testing.assert_close(y, means)
    torch.testing.assert_close(seen[0], smooth * 2 - 1)
    net.heads[-1].h.bias += 0.2
    torch.testing.assert_close(net(image, hole), smooth + torch.tensor(0.2).tanh())


@pytest.mark.parametrize(
    ("variant", "options"),
    [*((each, {}) for each in VARIANTS), ("sge", {"space_to_depth": 2, "residual": True})],
)
def test_scripted_and_saved_equals_eager_in_every_method(variant, options):
    net = network(variant, **options)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    scripted = torch.jit.load(file)
    with torch.no_grad():
        for size in SIZES if variant == "sge" else SIZES[1:3]:
            for count in (1, 3):
                image, hole = sample(size, count)
                edited = painted_square(net.segment(image, hole), 1, 9)
                for got, expected in (
                    (scripted(image, hole), net(image, hole)),
                    (scripted.segment(image, hole), net.segment(image, hole)),
                    (scripted.guide(image, hole, edited), net.guide(image, hole, edited)),
                    (scripted.reliability(image, hole), net.reliability(image, hole)),
                ):
                    assert got.shape[2:] == size
                    assert got.shape[0] == count
                    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("value", [None, 0.0, 1.0])
def test_values_stay_in_range_for_any_size_and_empty_or_full_masks(size, value):
    net = network()
    image, hole = sample(size)
    hole = hole if value is None else torch.full_like(hole, value)
    fill, probabilities = net(image, hole), net.segment(image, hole)
    reliability = net.reliability(image, hole)
    assert fill.shape == image.shape
    for x in (fill, probabilities, reliability):
        assert 0 <= x.min() <= x.max() <= 1
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2, *size))


@torch.no_grad()
def test_hole_content_has_no_influence():
    net = network()
    image, hole = sample((33, 40))
    other = torch.where(hole > 0, torch.nan, image)
    assert torch.equal(net(image, hole), net(other, hole))
    assert torch.equal(net.segment(image, hole), net.segment(other, hole))
    assert torch.equal(net.reliability(image, hole), net.reliability(other, hole))
    changed = torch.where(hole > 0, image, 1 - image)
    assert (net(image, hole) - net(changed, hole)).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("tau_mode", ["max", "quantile"])
def test_an_image_is_filled_alike_alone_and_in_a_batch(tau_mode):
    net = network(tau_mode=tau_mode)
    image, hole = sample((48, 64), 3)
    hole[1] = 0
    for method in (net, net.segment, net.reliability):
        together = method(image, hole)
        for i in range(3):
            alone = method(image[i : i + 1], hole[i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_equals_guide_with_the_network_s_own_map(variant):
    net = network(variant)
    for parameter in net.heads[3].g.parameters():
        parameter *= 1e4  # so sure that softmax alone would be one-hot
    image, hole = sample((40, 64))
    probabilities = net.segment(image, hole)
    assert probabilities.max() > 0.998
    assert probabilities.max() < 0.9995
    assert torch.equal(net.guide(image, hole, probabilities), net(image, hole))


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_paint_changes_the_fill_and_a_doubtful_map_does_not(variant):
    net = network(variant)
    image, hole = sample((64, 64))
    probabilities, own = net.segment(image, hole), net(image, hole)
    sky, road = (net.guide(image, hole, painted_square(probabilities, k)) for k in (0, 3))
    if variant == "base":
        assert torch.equal(sky, own)
        assert torch.equal(road, own)
    else:
        assert (sky - own).abs().max() > 1e-3
        assert (sky - road).abs().max() > 1e-3
    rolled = probabilities.roll(1, 1)
    assert torch.equal(net.guide(image, hole, rolled), own)
    assert torch.equal(net.guide(image, hole, torch.zeros_like(rolled)), own)


@torch.no_grad()
@pytest.mark.parametrize("classes", [2, 7])
def test_reliability_is_the_confidence_above_chance_in_the_hole_and_one_outside(classes):
    net = network(classes=classes)
    image, hole = sample((35, 64))
    got = net.reliability(image, hole)
    scores = net.outputs(image, hole).logits[0].double().numpy()
    for i in range(2):
        confidence = softmax(scores[i]).max(0)
        expected = (confidence - 1 / classes) / (1 - 1 / classes)
        expected = np.where(hole[i, 0] > 0, expected, 1)
        np.testing.assert_allclose(got[i, 0], expected, atol=1e-5)
    assert got.min() < 0.9


def test_wrong_settings_say_what_was_expected():
    with pytest.raises(ValueError, match='"base", "sg" or "sge", not \'SGE\''):
        SGENet(5, 4, "SGE")
    with pytest.raises(ValueError, match='"max" or "quantile", not \'median\''):
        SGENet(5, 4, tau_mode="median")
    with pytest.raises(ValueError, match="at least 2 classes, not 1"):
        SGENet(1, 4)
