"""Every loss against its formula written out, in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.networks.literal import bilinear
from training.loop import losses
from training.loop.features import FilterBank
from training.networks.layers import Outputs
from training.recipe import LossWeights

NOTHING = LossWeights(known=0, hole=0)
PIXEL_TERMS = ("known", "hole", "square", "decibels", "total_variation")


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


def all_pixel_terms(prediction, target, hole):
    weights = replace(NOTHING, **dict.fromkeys(PIXEL_TERMS, 1.0))
    return losses.pixel_terms(weights, prediction, target, hole)


def test_pixel_terms_look_at_hole_and_known_apart(case):
    prediction, target, hole = case
    repaired = all_pixel_terms(torch.where(hole > 0, target, prediction), target, hole)
    assert repaired["hole"].item() == repaired["square"].item() == 0
    assert repaired["known"].item() > 0
    difference = ((prediction - target) * hole).numpy()
    terms = all_pixel_terms(prediction, target, hole)
    assert terms["square"].item() == pytest.approx((difference**2).mean())
    assert repaired["total_variation"].item() == pytest.approx(
        losses.total_variation(target, hole).item()
    )


@pytest.mark.parametrize("name", PIXEL_TERMS)
def test_pixel_terms_that_count_nothing_are_not_computed(case, name):
    weights = replace(NOTHING, **{name: 0.5})
    terms = losses.pixel_terms(weights, *case)
    assert list(terms) == [name]
    assert terms[name] == all_pixel_terms(*case)[name]  # not weighted yet
    assert losses.pixel_terms(NOTHING, *case) == {}


def test_l1_is_divided_by_the_holes_share_where_the_weights_say_so(case):
    plain, divided = (
        losses.pixel_terms(LossWeights(per_hole_pixel=each), *case) for each in (False, True)
    )
    for name in ("known", "hole"):
        torch.testing.assert_close(divided[name], plain[name] / case[2].mean())


def test_feature_terms_look_at_what_the_weights_name(case):
    prediction, target, hole = case
    coarse = torch.rand(2, 3, 3, 2, dtype=torch.float64)
    seen = losses.looked_at(
        LossWeights(features_of=("composite", "prediction", "coarse")),
        [prediction, coarse, coarse[:, :, :1]],
        target,
        hole,
    )
    assert len(seen) == 4
    inside = (hole > 0).expand_as(target)
    assert torch.equal(seen[0][inside], prediction[inside])
    assert torch.equal(seen[0][~inside], target[~inside])
    assert seen[1] is prediction
    expected = bilinear(coarse[1].numpy(), (7, 5))
    np.testing.assert_allclose(seen[2][1], expected, atol=1e-12)
    assert seen[3].shape == target.shape
    assert losses.looked_at(LossWeights(), [prediction], target, hole)[0].equal(seen[0])


def two_layers(image):
    """Features by hand: the image, and its differences along a row."""
    return [image, image[..., 1:] - image[..., :-1]]


def features_of(extract, images, target, hole):
    """What the feature terms are given."""
    return losses.Features(extract(target), [extract(image) for image in images], hole)


def test_perceptual_equals_the_sum_over_layers_and_scales_of_equation_7(case):
    prediction, target, hole = case
    coarse = torch.rand(2, 3, 3, 2, dtype=torch.float64)
    weights = LossWeights(perceptual=1, features_of=("prediction", "coarse"))
    seen = losses.looked_at(weights, [prediction, coarse], target, hole)
    got = losses.feature_terms(weights, features_of(two_layers, seen, target, hole))
    assert list(got) == ["perceptual"]
    enlarged = np.stack([bilinear(each, (7, 5)) for each in coarse.numpy()])
    expected = sum(
        np.abs(ours - theirs).mean()
        for image in (prediction.numpy(), enlarged)
        for ours, theirs in zip(two_layers(image), two_layers(target.numpy()), strict=True)
    )
    assert got["perceptual"].item() == pytest.approx(expected)


def test_feature_terms_sum_over_the_images_looked_at(case):
    prediction, target, hole = (a.float() for a in case)
    names = ("perceptual", "style", "perceptual_distance")
    weights = LossWeights(**dict.fromkeys(names, 1.0))
    alike, once, twice = (
        losses.feature_terms(weights, features_of(FilterBank(4), images, target, hole))
        for images in ([target], [prediction], [prediction, prediction])
    )
    for name in names:
        assert alike[name].item() == 0
        assert twice[name].item() == pytest.approx(2 * once[name].item()) != 0


def test_features_in_half_precision_are_compared_in_single():
    halves = [(torch.rand(2, 2, 8, 16, 16) + 1).bfloat16() for _ in range(2)]
    ours, theirs = zip(*halves, strict=True)
    wide = [[x.float() for x in each] for each in (ours, theirs)]
    for loss in (losses.style, losses.perceptual):
        got = loss([*ours], [*theirs])
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, loss(*wide), rtol=2e-3, atol=0)
    distance = losses.perceptual_distance([*ours], [*theirs], whole_hole(16, 2))
    torch.testing.assert_close(distance, losses.perceptual_distance(*wide, whole_hole(16, 2)))


@pytest.mark.parametrize("name", ["perceptual", "style", "perceptual_distance"])
def test_feature_terms_that_count_nothing_are_not_computed(case, name):
    features = features_of(two_layers, [case[0]], *case[1:])
    assert losses.feature_terms(NOTHING, features) == {}
    assert list(losses.feature_terms(replace(NOTHING, **{name: 1}), features)) == [name]


def whole_hole(side=4, pictures=1):
    return torch.ones(pictures, 1, side, side)


def test_perceptual_distance_is_zero_for_equal_and_one_for_orthogonal_features():
    first, second = torch.rand(2, 1, 3, 4, 4)
    nothing = torch.zeros_like(first)
    across, along = nothing.clone(), nothing.clone()
    across[:, 0], along[:, 2] = 5, 0.1
    for one, other, expected in (
        (first, first, 0),
        (first, 3 * first, 0),  # lengths do not count
        (nothing, nothing, 0),  # what a ReLU leaves where nothing is
        (across, along, 1),
        (across, across + 50 * along, 1 - 0.5**0.5),  # half a right angle
        (across, -across, 2),
    ):
        distance = losses.perceptual_distance([one], [other], whole_hole()).item()
        assert distance == pytest.approx(expected, abs=1e-6)
    both = losses.perceptual_distance([across, second], [along, second], whole_hole())
    assert both.item() == pytest.approx(0.5)  # the mean over layers


def test_perceptual_distance_counts_features_by_the_hole_beneath_them():
    hole = torch.zeros(2, 1, 8, 8)
    hole[0, :, :4, :4] = 1  # the cell at the top left
    hole[0, :, 4, 4] = 1  # a sixteenth of the one at the bottom right
    hole[1] = 1
    ours, theirs = torch.zeros(2, 2, 2, 2, 2)
    ours[:, 0] = theirs[:, 0] = 1
    ours[0, :, 0, 1] = torch.tensor([0.0, 1])  # outside the hole
    assert losses.perceptual_distance([ours], [theirs], hole).item() == 0
    ours[0, :, 1, 1] = torch.tensor([0.0, 1])
    ours[1, :, 0, 0] = torch.tensor([0.0, 1])
    expected = ((1 / 16) / (1 + 1 / 16) + 1 / 4) / 2  # each picture's own mean, then theirs
    got = losses.perceptual_distance([ours], [theirs], hole)
    assert got.item() == pytest.approx(expected)
    assert losses.perceptual_distance([ours], [theirs], torch.zeros_like(hole)).item() == 0


def test_perceptual_distance_has_the_gradient_of_finite_differences():
    ours, theirs = torch.rand(2, 2, 3, 2, 2) + 0.5
    hole = (torch.arange(32).reshape(2, 1, 4, 4) % 3 == 0).float()
    ours.requires_grad_()
    losses.perceptual_distance([ours], [theirs], hole).backward()
    with torch.no_grad():
        for place in ((0, 1, 0, 1), (1, 2, 1, 0)):
            moved = []
            for step in (1e-2, -1e-2):
                other = ours.clone()
                other[place] += step
                moved.append(losses.perceptual_distance([other], [theirs], hole).item())
            slope = (moved[0] - moved[1]) / 2e-2
            assert ours.grad[place].item() == pytest.approx(slope, rel=0.02, abs=1e-5)


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
    answers_for_all = Outputs([], [wrong_in_the_hole])
    answers_for_known = Outputs([], [], [wrong_in_the_hole])
    assert losses.segmentation_loss(answers_for_all, labels, hole).item() > 4
    assert losses.segmentation_loss(answers_for_known, labels, hole).item() < 1e-6


@pytest.fixture
def scores():
    """Scores of truths and of fills, and the probabilities D of being real."""
    real, fake = np.random.default_rng(3).normal(size=(2, 2, 1, 3, 3)) * 2
    return real, fake, 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))


def costs(name, real, fake):
    """What the discriminator and the network pay."""
    gan = losses.GANS[name]
    real, fake = torch.tensor(real), torch.tensor(fake)
    return losses.discriminator_loss(gan, real, fake, None).item(), gan.network(fake).mean().item()


def test_hinge_losses_equal_their_formulas(scores):
    real, fake, _, _ = scores
    discriminator, network = costs("hinge", real, fake)
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert discriminator == pytest.approx(expected)
    assert network == pytest.approx(-fake.mean())


def test_non_saturating_losses_equal_their_formulas(scores):
    real, fake, d_real, d_fake = scores
    discriminator, network = costs("non-saturating", real, fake)
    assert discriminator == pytest.approx(-np.log(d_real).mean() - np.log(1 - d_fake).mean())
    assert network == pytest.approx(-np.log(d_fake).mean())


def test_minimax_losses_are_the_two_sides_of_equation_8(scores):
    real, fake, d_real, d_fake = scores
    discriminator, network = costs("minimax", real, fake)
    equation_8 = np.log(d_real).mean() + np.log(1 - d_fake).mean()
    assert discriminator == pytest.approx(-equation_8)
    assert network == pytest.approx(np.log(1 - d_fake).mean())  # the part that the fill decides


@pytest.mark.parametrize("name", losses.GANS)
def test_known_pixels_of_fills_count_as_real_where_that_is_asked_for(scores, name):
    real, fake, _, _ = scores
    hole = np.zeros((2, 1, 7, 7))
    hole[:, :, :3] = 1
    at_scores = hole[:, :, np.arange(3) * 7 // 3][..., np.arange(3) * 7 // 3]  # the nearest pixel
    assert at_scores[0, 0, :, 0].tolist() == [1, 1, 0]
    gan = losses.GANS[name]
    expected = gan.real(torch.tensor(real)).mean().item() + np.mean(
        [
            (gan.fake if inside else gan.real)(torch.tensor(score)).item()
            for score, inside in zip(fake.ravel(), at_scores.ravel(), strict=True)
        ]
    )
    got = losses.discriminator_loss(gan, torch.tensor(real), torch.tensor(fake), torch.tensor(hole))
    assert got.item() == pytest.approx(expected)


def test_gradient_penalty_equals_finite_differences():
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def scores_of(x):  # two scales of a discriminator of one pixel in three channels
        return [
            (torch.tensor(w) * x[:, :, 0, 0]).sum(1).tanh()[:, None, None, None]
            for w in (first, second)
        ]

    x = rng.normal(size=(2, 3, 1, 1))
    slopes = np.zeros((2, 3))
    for n, c in np.ndindex(2, 3):
        ends = []
        for step in (1e-5, -1e-5):
            moved = x.copy()
            moved[n, c] += step
            ends.append(sum(s.sum().item() for s in scores_of(torch.tensor(moved))))
        slopes[n, c] = (ends[0] - ends[1]) / 2e-5
    truth, unseen = (torch.tensor(x, requires_grad=True) for _ in range(2))
    for given in ([truth], [unseen, truth]):  # a discriminator need not look at all features
        got = losses.gradient_penalty(scores_of(truth), given)
        assert got.item() == pytest.approx((slopes**2).sum(1).mean(), rel=1e-6)
        assert got.requires_grad  # the discriminator learns from it
    both = losses.gradient_penalty([scores_of(truth)[0], scores_of(unseen)[0]], [truth, unseen])
    one = losses.gradient_penalty(scores_of(truth)[:1], [truth])
    assert both.item() == pytest.approx(2 * one.item())  # summed over what it was given


def test_feature_matching_leaves_the_scores_out():
    a, b, score = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 2, 2), torch.rand(1, 1, 2, 2)
    fake, real = [[a, b, score]], [[a, b + 0.5, score + 9]]
    assert losses.feature_matching(fake, real).item() == pytest.approx(0.25)


def test_coarse_l1_enlarges_every_scale():
    target = torch.full((1, 3, 8, 8), 0.5)
    images = [torch.full((1, 3, 4, 4), 0.25), torch.full((1, 3, 1, 1), 1.0)]
    assert losses.coarse_l1(images, target).item() == pytest.approx(0.75)


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
