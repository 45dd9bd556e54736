"""Every loss against its formula written out, in float64."""

import math

import numpy as np
import pytest
import torch

from training import losses


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    prediction, target = rng.random((2, 2, 3, 7, 5))
    hole = (rng.random((2, 1, 7, 5)) < 0.4).astype(float)
    return tuple(torch.tensor(a) for a in (prediction, target, hole))


def test_hole_l1_counts_hole_pixels_and_divides_by_all(case):
    prediction, target, hole = (a.numpy() for a in case)
    total = sum(
        abs(prediction[n, c, y, x] - target[n, c, y, x])
        for n, c, y, x in np.ndindex(prediction.shape)
        if hole[n, 0, y, x]
    )
    assert losses.hole_l1(*case).item() == pytest.approx(total / prediction.size)


def test_total_variation_looks_at_pairs_inside_the_dilated_hole(case):
    image, hole = case[0].numpy(), case[2].numpy()[:, 0].astype(bool)
    grown = np.zeros_like(hole)
    n, height, width = hole.shape
    for i, y, x in np.argwhere(hole):
        grown[i, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
    across = down = 0.0
    for i, c, y, x in np.ndindex(image.shape):
        if x + 1 < width and grown[i, y, x] and grown[i, y, x + 1]:
            across += abs(image[i, c, y, x + 1] - image[i, c, y, x])
        if y + 1 < height and grown[i, y, x] and grown[i, y + 1, x]:
            down += abs(image[i, c, y + 1, x] - image[i, c, y, x])
    expected = across / (n * 3 * height * (width - 1)) + down / (n * 3 * (height - 1) * width)
    assert losses.total_variation(case[0], case[2]).item() == pytest.approx(expected)


def test_total_variation_is_zero_for_a_constant_picture(case):
    assert losses.total_variation(torch.full_like(case[0], 0.3), case[2]).item() == 0


def test_gram_is_the_mean_product_of_channels():
    features = np.random.default_rng(1).normal(size=(2, 3, 5, 4))
    expected = np.einsum("nchw,ndhw->ncd", features, features) / (3 * 5 * 4)
    np.testing.assert_allclose(losses.gram(torch.tensor(features)), expected)


def test_style_ignores_where_a_texture_stands_and_perceptual_does_not():
    features = torch.rand(1, 4, 6, 6)
    rolled = features.roll(2, -1)
    assert losses.style([rolled], [features]).item() == pytest.approx(0, abs=1e-6)
    assert losses.perceptual([rolled], [features]).item() == pytest.approx(
        (rolled - features).abs().mean().item()
    )


def test_style_and_perceptual_sum_over_layers():
    a, b = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 2, 2)
    zero = [torch.zeros_like(a), torch.zeros_like(b)]
    both = losses.style([a, b], zero)
    assert both.item() == pytest.approx(
        losses.gram(a).abs().mean().item() + losses.gram(b).abs().mean().item()
    )
    assert losses.perceptual([a, b], zero).item() == pytest.approx((a.mean() + b.mean()).item())


def test_pixel_terms_look_at_hole_and_known_apart(case):
    prediction, target, hole = case
    repaired = losses.pixel_terms(torch.where(hole > 0, target, prediction), target, hole)
    assert repaired["hole"].item() == repaired["square"].item() == 0
    assert repaired["known"].item() > 0
    difference = ((prediction - target) * hole).numpy()
    terms = losses.pixel_terms(prediction, target, hole)
    assert terms["square"].item() == pytest.approx((difference**2).mean())
    assert repaired["total_variation"].item() == pytest.approx(
        losses.total_variation(target, hole).item()
    )


def test_feature_terms_sum_over_the_images_looked_at(case):
    prediction, target, _ = (a.float() for a in case)
    bank = losses.FilterBank(4)
    assert losses.feature_terms(bank, [target], target)["style"].item() == 0
    once = losses.feature_terms(bank, [prediction], target)
    twice = losses.feature_terms(bank, [prediction, prediction], target)
    for name in ("perceptual", "style"):
        assert twice[name].item() == pytest.approx(2 * once[name].item())


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    labels[0, :2] = 255
    picked = [
        np.log(np.exp(logits[n, :, y, x]).sum()) - logits[n, labels[n, y, x], y, x]
        for n, y, x in np.argwhere(labels != 255)
    ]
    got = losses.cross_entropy(torch.tensor(logits), torch.tensor(labels))
    assert got.item() == pytest.approx(np.mean(picked), rel=1e-5)


def test_cross_entropy_without_any_label_is_zero():
    labels = torch.full((1, 4, 4), 255)
    assert losses.cross_entropy(torch.randn(1, 3, 2, 2), labels).item() == 0


def test_segmentation_loss_asks_known_logits_about_known_pixels_alone():
    labels = torch.zeros(1, 2, 2, dtype=torch.int64)
    hole = torch.tensor([[[[1.0, 0], [0, 0]]]])
    good = torch.tensor([9.0, -9]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    wrong_in_the_hole = torch.where(hole > 0, -good, good)
    answers_for_all = losses.Outputs([], [wrong_in_the_hole])
    answers_for_known = losses.Outputs([], [], [wrong_in_the_hole])
    assert losses.segmentation_loss(answers_for_all, labels, hole).item() > 4
    assert losses.segmentation_loss(answers_for_known, labels, hole).item() < 1e-6


def test_hinge_losses_equal_their_formulas():
    real, fake = np.random.default_rng(3).normal(size=(2, 2, 1, 3, 3)) * 2
    discriminator, generator = losses.GANS["hinge"]
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert discriminator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)
    assert generator(torch.tensor(fake)).item() == pytest.approx(-fake.mean())


def test_non_saturating_losses_equal_their_formulas():
    real, fake = np.random.default_rng(4).normal(size=(2, 2, 1, 3, 3)) * 2
    discriminator, generator = losses.GANS["non-saturating"]
    real_probability, fake_probability = (1 / (1 + np.exp(-x)) for x in (real, fake))
    expected = -np.log(real_probability).mean() - np.log(1 - fake_probability).mean()
    assert discriminator(torch.tensor(real), torch.tensor(fake)).item() == pytest.approx(expected)
    assert generator(torch.tensor(fake)).item() == pytest.approx(-np.log(fake_probability).mean())


def test_feature_matching_leaves_the_scores_out():
    a, b, score = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 2, 2), torch.rand(1, 1, 2, 2)
    fake, real = [[a, b, score]], [[a, b + 0.5, score + 9]]
    assert losses.feature_matching(fake, real).item() == pytest.approx(0.25)


def test_coarse_l1_enlarges_every_scale():
    target = torch.full((1, 3, 8, 8), 0.5)
    images = [torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 1, 1), 1.0)]
    assert losses.coarse_l1(images, target).item() == pytest.approx(0.75)


def test_filter_bank_is_the_same_everywhere_and_blind_to_brightness():
    image = torch.rand(1, 3, 32, 32)
    first, second = losses.FilterBank(8)(image), losses.FilterBank(8)(image + 0.2)
    assert [f.shape[-1] for f in first] == [32, 16, 8]
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(first[0][inside], second[0][inside], atol=1e-5, rtol=0)


def test_vgg16_reads_torchvision_weights_and_returns_three_pools(tmp_path):
    state, channels = {}, 3
    for index, width in {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256}.items():
        state[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(width)
        channels = width
    torch.save(state, tmp_path / "vgg16.pth")
    image = torch.rand(1, 3, 32, 32)
    features = losses.VGG16(tmp_path / "vgg16.pth")(image)
    assert [tuple(f.shape[1:]) for f in features] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x = (image - mean) / std
    for index in (0, 2):
        x = torch.conv2d(
            x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
        ).relu()
    torch.testing.assert_close(features[0], torch.max_pool2d(x, 2))


def test_decibels_are_the_mean_psnr_inside_the_hole_negated():
    target = torch.full((2, 3, 4, 4), 0.5)
    hole = torch.zeros(2, 1, 4, 4)
    hole[0, :, :2] = 1
    hole[1, :, 0, 0] = 1
    prediction = target + 0.1 * hole
    prediction[1] += 0.2 * hole[1]  # 0.3 in the hole
    prediction[:, :, 3] = 9.0  # known: does not count
    expected = 10 * (math.log10(0.01 + 1e-4) + math.log10(0.09 + 1e-4)) / 2
    assert losses.decibels(prediction, target, hole).item() == pytest.approx(expected, abs=1e-4)


def test_decibels_of_an_empty_hole_are_the_lowest():
    image = torch.rand(1, 3, 4, 4)
    empty = torch.zeros(1, 1, 4, 4)
    assert losses.decibels(image, 1 - image, empty).item() == pytest.approx(-40)
