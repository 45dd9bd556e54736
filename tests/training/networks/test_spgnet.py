"""SPG-Net's maps against literal NumPy, who learns from what, and what artifacts need."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from napari_inpaint.weightless.coherence import coherent_fill
from napari_inpaint.weightless.plate import thin_plate
from training.networks.spgnet import (
    Hourglass,
    ImageAndMapGAN,
    ResidualBlock,
    SPGNet,
    guiding_map,
    known_map,
)

SIZES = [(1, 1), (5, 3), (33, 65), (64, 64)]


def sample(size, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, *size, generator=generator)
    hole = torch.zeros(count, 1, *size)
    hole[..., size[0] // 4 : size[0] // 4 + (size[0] + 1) // 2, : (size[1] + 1) // 2] = 1
    hole[-1] = hole[-1].flip(-1)
    return image, hole


def network(classes=5, **options):
    """A small network whose batch norms hold the statistics of some batch."""
    torch.manual_seed(0)
    net = SPGNet(classes, base=4, blocks=2, **options).train()
    nn.init.normal_(net.sg_net.last.weight, 0, 0.1)  # zeros, if it is residual, would hide much
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.outputs(*sample((64, 64), 4, seed=1))
    return net.eval()


def painted(probabilities, class_id, size=None):
    """The map with a square, of the whole image by default, painted."""
    edited = probabilities.clone()
    end = size or max(probabilities.shape)
    edited[:, :, :end, :end] = 0
    edited[:, class_id, :end, :end] = 1
    return edited


def test_maps_are_zero_or_hard_or_soft_where_they_should_be():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), (2, 7, 5)).transpose(0, 3, 1, 2)
    hole = rng.random((2, 1, 7, 5)) < 0.5
    context, guide = np.zeros_like(probabilities), np.zeros_like(probabilities)
    for n, y, x in np.ndindex(2, 7, 5):
        pixel = probabilities[n, :, y, x]
        if hole[n, 0, y, x]:
            guide[n, :, y, x] = pixel
        else:
            context[n, :, y, x] = pixel
            guide[n, max(range(4), key=lambda k: pixel[k]), y, x] = 1
    inputs = torch.tensor(probabilities), torch.tensor(hole).double()
    np.testing.assert_array_equal(known_map(*inputs), context)
    np.testing.assert_array_equal(guiding_map(*inputs), guide)


def test_residual_block_equals_its_layers_at_odd_sizes():
    def conv(x, weight, dilation):
        padded = np.pad(x, ((0, 0), (dilation, dilation), (dilation, dilation)), mode="reflect")
        out = np.zeros_like(x)
        for i, j in np.ndindex(3, 3):
            top, left = i * dilation, j * dilation
            window = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], window)
        return out

    rng = np.random.default_rng(1)
    block = ResidualBlock(3).double().eval()
    first, second = (
        m.weight.detach().numpy() for m in block.layers if isinstance(m, nn.Conv2d)
    )  # fmt: skip
    x = rng.normal(size=(3, 7, 5))
    scale = 1 / np.sqrt(1 + 1e-5)  # a batch norm that has seen nothing yet
    y = np.maximum(conv(x, first, 2) * scale, 0)
    expected = x + conv(y, second, 1) * scale
    np.testing.assert_allclose(block(torch.tensor(x)[None])[0].detach(), expected, atol=1e-10)


def test_paper_size_has_the_expected_parameters():
    with torch.device("meta"):
        paper = SPGNet(classes=8)
    counts = [
        sum(p.numel() for p in net.parameters())
        for net in (paper.sp_net, paper.sg_net, paper.segmenter)
    ]
    assert [round(count / 1e6, 1) for count in counts] == [48.0, 48.0, 1.3]


def test_hourglass_works_at_a_sixteenth_of_the_size():
    net = Hourglass(5, 2, base=4, blocks=1)
    shapes = []
    for module in net.modules():
        if isinstance(module, ResidualBlock):
            module.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape)))
    assert net(torch.rand(1, 5, 64, 48)).shape == (1, 2, 64, 48)
    assert shapes == [(1, 32, 4, 3)]


@torch.no_grad()
def test_each_net_sees_the_image_in_its_range_the_mask_and_its_own_kind_of_map():
    net = network()
    seen = {}
    for name in ("segmenter", "sp_net", "sg_net"):
        getattr(net, name).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0]})
        )
    image, hole = sample((48, 64))
    _, [completed], [known] = net.outputs(image, hole)
    completed, known = completed.softmax(1), known.softmax(1)
    first = torch.cat([torch.where(hole > 0, 0.0, image * 2 - 1), hole], 1)
    torch.testing.assert_close(seen["segmenter"], first)
    expected = torch.cat([first, torch.where(hole > 0, 0.0, known)], 1)
    torch.testing.assert_close(seen["sp_net"], expected)
    hard = torch.where(known == known.amax(1, keepdim=True), 1.0, 0.0)
    expected = torch.cat([first, torch.where(hole > 0, completed, hard)], 1)
    torch.testing.assert_close(seen["sg_net"], expected)
    seen.clear()
    net(image, hole)
    torch.testing.assert_close(seen["sg_net"], expected)


@torch.no_grad()
def test_segment_is_the_segmenter_s_map_where_known_and_sp_net_s_in_the_hole():
    net = network()
    image, hole = sample((40, 33))
    _, [completed], [known] = net.outputs(image, hole)
    got = net.segment(image, hole)
    expected = torch.where(hole > 0, completed.softmax(1), known.softmax(1))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(got.sum(1), torch.ones(2, 40, 33))


def gradients(net, loss):
    net.zero_grad()
    loss.backward()
    return {
        name
        for name, part in net.named_children()
        if any(p.grad is not None and p.grad.any() for p in part.parameters())
    }


def test_each_net_learns_from_its_own_loss_alone():
    net = network().train()
    image, hole = sample((48, 48))
    [fill], _, _ = net.outputs(image, hole)
    assert gradients(net, fill.square().sum()) == {"sg_net"}
    _, [completed], _ = net.outputs(image, hole)
    assert gradients(net, completed.square().sum()) == {"sp_net"}
    _, _, [known] = net.outputs(image, hole)
    assert gradients(net, known.square().sum()) == {"segmenter"}


def test_the_losses_reach_every_parameter():
    net = network().train()
    images, logits, known_logits = net.outputs(*sample((64, 64)))
    sum(x.square().sum() for x in images + logits + known_logits).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@torch.no_grad()
def test_true_labels_guide_where_they_are_given():
    net = network()
    image, hole = sample((48, 64))
    labels = torch.randint(0, 5, (2, 48, 64))
    one_hot = nn.functional.one_hot(labels, 5).permute(0, 3, 1, 2).float()
    guided = net.outputs(image, hole, labels).images[0]
    torch.testing.assert_close(guided, net.guide(image, hole, one_hot))
    assert (guided - net(image, hole)).abs().max() > 1e-3
    labels[:, :, 32:] = 255
    mixed = torch.where(torch.arange(64) < 32, one_hot, net.segment(image, hole))
    guided = net.outputs(image, hole, labels).images[0]
    torch.testing.assert_close(guided, net.guide(image, hole, mixed))


def test_nets_on_blocks_work_at_half_the_resolution_and_answer_at_full():
    net = network(space_to_depth=2)
    image, hole = sample((70, 50))
    seen = []
    for part in (net.segmenter.entry[1], net.sp_net.down[0], net.sg_net.down[0]):
        part.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    assert net(image, hole).shape == image.shape
    # padded to 96 x 96, then 2 x 2 px in one cell
    assert seen == [(2, 16, 48, 48), (2, 36, 48, 48), (2, 36, 48, 48)]


@torch.no_grad()
@pytest.mark.parametrize("skips", [False, True])
def test_skips_carry_the_input_past_the_blocks(skips):
    net = Hourglass(5, 2, base=4, blocks=1, skips=skips).eval()
    net.blocks.register_forward_hook(lambda _, __, y: torch.zeros_like(y))
    one, other = net(torch.rand(1, 5, 48, 48)), net(torch.rand(1, 5, 48, 48))
    assert torch.equal(one, other) != skips


@torch.no_grad()
def test_residual_starts_from_the_smooth_fill_and_sees_it_in_the_hole():
    net = SPGNet(3, base=4, blocks=1, residual=True).eval()
    image, hole = sample((48, 64))
    smooth = coherent_fill(image, 1 - hole)
    seen = []
    net.sg_net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, :3]))
    torch.testing.assert_close(net(image, hole), smooth)
    torch.testing.assert_close(seen[0], smooth * 2 - 1)
    net.sg_net.last.bias += 0.2
    torch.testing.assert_close(net(image, hole), smooth + torch.tensor(0.2).tanh())


@torch.no_grad()
@pytest.mark.parametrize("grey", [True, False])
def test_output_is_the_mean_of_the_fill_and_a_thin_plate(grey):
    image, hole = sample((64, 64))
    if grey:
        image = image[:, :1].expand_as(image)
    net = network(residual=True).eval()
    plain = net(image, hole)
    net.with_plate = True
    blank = image.masked_fill(hole > 0.5, 0.5)
    expected = (plain + thin_plate(blank, 1 - hole, cycles=4)) / 2
    torch.testing.assert_close(net(image, hole), expected)


@pytest.mark.parametrize(
    "options", [{}, {"space_to_depth": 2, "skips": True, "residual": True, "with_plate": True}]
)
def test_scripted_and_saved_equals_eager_in_every_method(options):
    net = network(**options)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    file.seek(0)
    scripted = torch.jit.load(file)
    with torch.no_grad():
        for size in SIZES:
            for count in (1, 3):
                image, hole = sample(size, count)
                edited = painted(net.segment(image, hole), 1, 9)
                for got, expected in (
                    (scripted(image, hole), net(image, hole)),
                    (scripted.segment(image, hole), net.segment(image, hole)),
                    (scripted.guide(image, hole, edited), net.guide(image, hole, edited)),
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
    assert fill.shape == image.shape
    assert probabilities.shape == (2, 5, *size)
    for x in (fill, probabilities):
        assert 0 <= x.min() <= x.max() <= 1


@torch.no_grad()
def test_hole_content_has_no_influence():
    net = network()
    image, hole = sample((33, 40))
    other = torch.where(hole > 0, torch.nan, image)
    assert torch.equal(net(image, hole), net(other, hole))
    assert torch.equal(net.segment(image, hole), net.segment(other, hole))
    changed = torch.where(hole > 0, image, 1 - image)
    assert (net(image, hole) - net(changed, hole)).abs().max() > 1e-3


@torch.no_grad()
def test_an_image_is_filled_alike_alone_and_in_a_batch():
    net = network()
    image, hole = sample((48, 64), 3)
    hole[1] = 0
    together, maps = net(image, hole), net.segment(image, hole)
    for i in range(3):
        one = image[i : i + 1], hole[i : i + 1]
        torch.testing.assert_close(maps[i : i + 1], net.segment(*one), atol=1e-5, rtol=0)
        torch.testing.assert_close(together[i : i + 1], net(*one), atol=1e-4, rtol=0)


@torch.no_grad()
def test_an_edited_map_changes_the_fill_and_forward_follows_the_network_s_own():
    net = network()
    image, hole = sample((64, 64))
    probabilities, own = net.segment(image, hole), net(image, hole)
    assert torch.equal(net.guide(image, hole, probabilities), own)
    sky, road = (net.guide(image, hole, painted(probabilities, k)) for k in (0, 3))
    assert (sky - own).abs().max() > 1e-3
    assert (sky - road).abs().max() > 1e-3
    doubt = torch.where(hole > 0, 0.5 * probabilities + 0.1, probabilities)
    assert (net.guide(image, hole, doubt) - own).abs().max() > 1e-5
    sure = torch.where(hole > 0, probabilities, 0.5 * probabilities + 0.1)
    assert torch.equal(net.guide(image, hole, sure), own)


@torch.no_grad()
def test_one_discriminator_judges_the_image_and_another_the_map():
    torch.manual_seed(0)
    judge = ImageAndMapGAN(classes=5, scales=2, base=4).eval()
    image, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 5, 64, 64)
    got = judge(torch.cat([image, maps], 1))
    expected = [*judge.of_image(image), *judge.of_map(maps)]
    assert len(got) == 4
    for scale, alone in zip(got, expected, strict=True):
        for feature, same in zip(scale, alone, strict=True):
            assert torch.equal(feature, same)


def test_wrong_settings_say_what_was_expected():
    with pytest.raises(ValueError, match="at least 2 classes, not 1"):
        SPGNet(1)
