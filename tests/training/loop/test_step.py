"""One step of the loop: what its terms are, and what learns from them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from tests.training.loop.lite import CHANNELS, lite_file
from training.loop import losses
from training.loop.checkpoint import TrainingState
from training.loop.features import EfficientNetLite, FilterBank
from training.loop.step import (
    check_finite,
    discriminator_input,
    fill_for_discriminator,
    look,
    network_terms,
    train_discriminator,
    train_step,
    truth_and_fill,
)
from training.networks.layers import MultiScalePatchGAN, Outputs
from training.networks.projected import ProjectedGAN
from training.recipe import Discriminator, LossWeights, Phase
from training.recipes import RECIPES

FABRIC = Fabric(accelerator="cpu", devices=1)
PHASE = Phase(steps=10, size=32, batch=2, lr=1e-3, lr_end=1e-3)
#: LaMa's discriminator, for 32 px.
SMALL = {"network": partial(MultiScalePatchGAN, scales=1, base=4, strided=2, norm="batch")}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 32, 32, generator=generator)
    hole = (torch.rand(2, 1, 32, 32, generator=generator) < 0.3).float()
    return image, hole, torch.randint(0, 3, (2, 32, 32), generator=generator)


def start(name, settings=None, **changes):
    """Return a recipe and its untrained state; ``settings`` are those of its discriminator."""
    recipe = replace(RECIPES[name], **{"phases": (PHASE,), **changes})
    if settings is not None:
        recipe = replace(recipe, discriminator=replace(recipe.discriminator, **settings))
    FABRIC.seed_everything(0, verbose=False)
    return recipe, TrainingState.start(recipe, FABRIC)


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def moved(module, before):
    """Return the largest change of any weight."""
    return max((t - before[n]).abs().max().item() for n, t in module.state_dict().items())


def gradient_norm(module):
    return torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm()


def test_terms_are_those_that_count(batch):
    image, hole, _ = batch
    outputs = Outputs([torch.zeros_like(image), torch.zeros(2, 3, 16, 16)], [])
    recipe = replace(RECIPES["pconv-smoke"], losses=LossWeights(known=0, hole=0, decibels=1))
    assert list(network_terms(recipe, outputs, batch, None)) == ["decibels"]
    every = LossWeights(perceptual=1, style=1, perceptual_distance=1, total_variation=1, coarse=1)
    recipe = replace(recipe, losses=every)
    features = look(recipe, PHASE, 0, FilterBank(4), outputs, batch)
    found = network_terms(recipe, outputs, batch, features)
    assert list(found) == [
        "known", "hole", "total_variation", "perceptual", "style", "perceptual_distance", "coarse"
    ]  # fmt: skip
    assert found["hole"] == losses.hole_l1(outputs.images[0], image, hole)
    assert found["coarse"] == losses.coarse_l1(outputs.images[1:], image)


class Itself(torch.nn.Module):
    """Features by hand: the image; how often they were asked for."""

    def __init__(self):
        super().__init__()
        self.looks, self.one = 0, 1

    def forward(self, image):
        self.looks += 1
        return [self.one * image]


#: A discriminator of features, beside which no other term counts; and one of images.
OF_FEATURES = Discriminator(ProjectedGAN, sees="features")
SILENT = LossWeights(known=0, hole=1, decibels=1, adversarial=1)


@pytest.mark.parametrize(
    ("weights", "settings", "adversarial", "looks"),
    [
        (SILENT, None, True, 0),
        (SILENT, replace(OF_FEATURES, sees="composite"), True, 0),
        (SILENT, OF_FEATURES, False, 0),  # the discriminator does not take part yet
        (SILENT, OF_FEATURES, True, 2),
        (replace(SILENT, perceptual=1), None, False, 2),
        (replace(SILENT, style=1), None, False, 2),
        (replace(SILENT, perceptual_distance=1), None, False, 2),
        (replace(SILENT, style=1, perceptual_distance=1), OF_FEATURES, True, 2),
        (replace(SILENT, style=1, features_of=("composite", "prediction")), None, True, 3),
    ],
)
def test_features_are_taken_once_and_where_a_step_needs_them(
    batch, weights, settings, adversarial, looks
):
    recipe = replace(RECIPES["pconv-smoke"], losses=weights, discriminator=settings)
    outputs, extract = Outputs([torch.rand_like(batch[0])], []), Itself()
    features = look(recipe, replace(PHASE, adversarial=adversarial), 0, extract, outputs, batch)
    assert extract.looks == looks
    assert (features is None) == (looks == 0)


def test_truths_features_teach_nothing_and_fills_features_do(batch):
    image, hole, _ = batch
    prediction = torch.rand_like(image).requires_grad_()
    recipe = replace(RECIPES["pconv-smoke"], shift=9)
    extract = Itself()
    extract.one = torch.nn.Parameter(torch.ones(()))  # whether or not its weights are frozen
    features = look(recipe, PHASE, 0, extract, Outputs([prediction], []), batch)
    assert not features.truth[0].requires_grad
    features.fills[0][0].sum().backward()
    assert torch.equal(prediction.grad, hole.expand_as(image))  # the composite's hole alone


def shift_of(moved, image):
    """Return by how many rows and columns an image was rolled."""
    for down in range(image.shape[2]):
        for right in range(image.shape[3]):
            if torch.equal(moved, image.roll((down, right), (2, 3))):
                return down, right
    raise AssertionError("It was not rolled.")


def test_truth_fills_and_hole_are_rolled_alike_and_otherwise_in_every_step(batch):
    image, hole, _ = batch
    prediction = torch.rand_like(image)
    weights = LossWeights(style=1, features_of=("composite", "prediction"))
    outputs = Outputs([prediction], [])
    shifts = {}
    for name, changes in {"": {}, "again": {}, "seed": {"seed": 1}, "none": {"shift": 0}}.items():
        recipe = replace(RECIPES["pconv-smoke"], losses=weights, **{"shift": 5} | changes)
        shifts[name] = []
        for step in range(40):
            features = look(recipe, PHASE, step, Itself(), outputs, batch)
            shift = shift_of(features.truth[0], image)
            composite = torch.where(hole > 0, prediction, image)
            for got, unmoved in (
                (features.fills[0][0], composite),
                (features.fills[1][0], prediction),
                (features.hole, hole),
            ):
                assert torch.equal(got, unmoved.roll(shift, (2, 3)))
            shifts[name].append(shift)
    assert {x for shift in shifts[""] for x in shift} == set(range(5))  # less than it, both ways
    assert len(set(shifts[""])) > 15
    assert shifts["again"] == shifts[""] != shifts["seed"]  # resumed trainings roll as whole ones
    assert set(shifts["none"]) == {(0, 0)}


@pytest.mark.parametrize("sees_hole", [True, False])
@pytest.mark.parametrize("sees_classes", [True, False])
def test_discriminator_sees_what_the_recipe_says(batch, sees_hole, sees_classes):
    image, hole, labels = batch
    labels[:, :5] = 255
    settings = replace(
        RECIPES["spgnet-smoke"].discriminator, sees_hole=sees_hole, sees_classes=sees_classes
    )
    seen = discriminator_input(settings, image, hole, torch.full((2, 3, 32, 32), 0.25), labels)
    maps = torch.full((2, 3, 32, 32), 0.25)
    maps[:, :, :5] = 0  # nothing is labelled there
    expected = [image] + [hole] * sees_hole + [maps] * sees_classes
    assert torch.equal(seen, torch.cat(expected, 1))


def test_discriminator_sees_composite_prediction_or_the_hole_alone(batch):
    image, hole, _ = batch
    prediction = torch.rand_like(image)
    settings = RECIPES["rn-smoke"].discriminator
    literal = {
        "composite": prediction * hole + image * (1 - hole),
        "prediction": prediction,
        # ISNet's equation 3, whose M is 0 in the hole
        "hole": prediction * (1 - (1 - hole)),
    }
    for sees, expected in literal.items():
        got = fill_for_discriminator(replace(settings, sees=sees), prediction, image, hole)
        torch.testing.assert_close(got, expected)


def test_isnet_shows_its_discriminator_whole_truths_and_the_hole_of_fills(batch):
    image, hole, _ = batch
    recipe = RECIPES["isnet-paper"]
    outputs = Outputs([torch.rand_like(image)], [])
    real, fake = truth_and_fill(recipe, recipe.discriminator, outputs, batch, None)
    assert torch.equal(real, image)
    torch.testing.assert_close(fake, outputs.images[0] * hole)


def test_truths_are_shown_with_their_labels_and_fills_with_their_probabilities(batch):
    image, _, labels = batch
    labels[:, :5] = 255
    recipe = RECIPES["spgnet-smoke"]
    outputs = Outputs([torch.rand_like(image)], [torch.randn(2, 3, 32, 32)])
    real, fake = truth_and_fill(recipe, recipe.discriminator, outputs, batch, None)
    one_hot = torch.stack([labels == k for k in range(3)], 1).float()
    assert torch.equal(real, torch.cat([image, one_hot], 1))
    probabilities = outputs.logits[0].softmax(1) * (labels != 255)[:, None]
    torch.testing.assert_close(fake, torch.cat([outputs.images[0], probabilities], 1))


@pytest.mark.parametrize("freeze", [True, False])
def test_fine_tuning_keeps_the_encoders_statistics(batch, freeze):
    recipe, state = start("pconv-smoke")
    before = weights(state.network.encoder)
    train_step(
        recipe, replace(PHASE, freeze_encoder_norm=freeze), state, FABRIC, FilterBank(4), batch
    )
    after = state.network.encoder.state_dict()
    statistics = [name for name in before if "running" in name or "norm.weight" in name]
    assert all(torch.equal(before[n], after[n]) for n in statistics) == freeze
    assert not torch.equal(before["0.conv.conv.weight"], after["0.conv.conv.weight"])


@pytest.mark.parametrize("clip", [0.01, None])
def test_gradients_are_clipped_to_the_recipes_norm_or_not_at_all(batch, clip):
    recipe, state = start("rn-smoke", clip=clip)
    train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
    for module in (state.network, state.discriminator):
        if clip is None:
            assert gradient_norm(module) > 0.02
        else:
            assert gradient_norm(module).item() == pytest.approx(clip, rel=1e-3)


def test_discriminator_learns_in_adversarial_phases_alone_at_its_own_rate(batch):
    recipe, state = start("rn-smoke", settings={"lr": 0.1})
    before = weights(state.discriminator)
    terms = train_step(
        recipe, replace(PHASE, adversarial=False), state, FABRIC, FilterBank(4), batch
    )
    assert "adversarial" not in terms
    assert moved(state.discriminator, before) == 0
    terms = train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
    assert {"adversarial", "discriminator", "loss"} <= terms.keys()
    assert moved(state.discriminator, before) > 0
    assert state.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    assert all(p.requires_grad for p in state.discriminator.parameters())


def test_loss_is_the_weighted_sum_of_its_terms(batch):
    recipe, state = start("isnet-smoke")
    terms = train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
    loss, _ = terms.pop("loss"), terms.pop("discriminator")
    expected = sum(getattr(recipe.losses, name) * term.item() for name, term in terms.items())
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_r1_is_added_to_the_discriminators_loss(batch):
    image, hole, _ = batch
    found = {}
    for r1 in (0.0, 0.5):
        recipe, state = start("lama-smoke", settings={**SMALL, "r1": r1})
        seen = image, torch.rand(image.shape, generator=torch.Generator().manual_seed(1))
        truth = image.clone().requires_grad_()
        scores = [scale[-1] for scale in state.discriminator(truth)]
        penalty = losses.gradient_penalty(scores, [truth]).item()
        settings = recipe.discriminator
        found[r1] = train_discriminator(recipe, settings, state, FABRIC, seen, hole).item()
    assert penalty > 0
    assert found[0.5] - found[0.0] == pytest.approx(0.5 * penalty, rel=1e-3)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_r1_is_learned_from_in_mixed_precision_too(batch, precision):
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    recipe = RECIPES["lama-smoke"]
    moves = {}
    for r1 in (0.0, 1e4):
        settings = replace(recipe.discriminator, **SMALL, r1=r1)
        changed = replace(recipe, phases=(PHASE,), discriminator=settings, clip=None)
        fabric.seed_everything(0, verbose=False)
        state = TrainingState.start(changed, fabric)
        before = weights(state.discriminator)["scales.0.layers.0.0.weight"]
        train_step(changed, PHASE, state, fabric, FilterBank(4), batch)
        moves[r1] = weights(state.discriminator)["scales.0.layers.0.0.weight"] - before
    assert (moves[0.0] * moves[1e4] < 0).float().mean() > 0.1  # many weights turn the other way


def test_discriminator_learns_that_known_pixels_of_fills_are_real(batch):
    image, hole, _ = batch
    seen = image, torch.rand(image.shape, generator=torch.Generator().manual_seed(1))
    found = {}
    for known_is_real in (False, True):
        recipe, state = start(
            "lama-smoke", settings={**SMALL, "r1": 0.0, "known_is_real": known_is_real}
        )
        settings = recipe.discriminator
        scores = [[scale[-1] for scale in state.discriminator(x)] for x in seen]
        found[known_is_real] = train_discriminator(
            recipe, settings, state, FABRIC, seen, hole
        ).item()
        expected = losses.discriminator_loss(
            losses.GANS["non-saturating"], *(s[0] for s in scores), hole if known_is_real else None
        )
        assert found[known_is_real] == pytest.approx(expected.item(), rel=1e-4)
    assert found[True] != pytest.approx(found[False], rel=1e-3)


@torch.no_grad()
def believed(recipe, state, batch):
    """Return how real the discriminator finds the fill."""
    image, hole, labels = batch
    state.network.eval()
    state.discriminator.eval()
    settings = recipe.discriminator
    fill = fill_for_discriminator(
        settings, state.network.outputs(image, hole).images[0], image, hole
    )
    seen = discriminator_input(settings, fill, hole, image, labels)
    score = state.discriminator(seen)[0][-1].mean().item()
    state.discriminator.train()
    return score


@pytest.mark.parametrize("gan", losses.GANS)
def test_adversarial_term_teaches_fills_that_the_discriminator_believes(batch, gan):
    alone = LossWeights(known=0, hole=0, adversarial=1)
    recipe, state = start("rn-smoke", losses=alone, settings={"loss": gan, "lr": 0.0})
    scores = []
    for _ in range(9):
        train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
        scores.append(believed(recipe, state, batch))
    assert scores[-1] > scores[2] + 0.02  # the spectral norms have settled by the third step


@pytest.fixture
def lite(tmp_path):
    return EfficientNetLite(lite_file(tmp_path), dilated=1)


def start_projected(losses=None, settings=None, **changes):
    """Start a network with a discriminator of a tiny EfficientNet's features."""
    projected = partial(ProjectedGAN, CHANNELS[1:], base=4)
    alone = LossWeights(known=0, hole=0, adversarial=1)
    return start(
        "pconv-smoke",
        losses=losses or alone,
        discriminator=replace(OF_FEATURES, network=projected, **settings or {}),
        **changes,
    )


def test_features_of_truth_and_fill_are_what_the_discriminator_sees(batch, lite):
    recipe, _ = start_projected(LossWeights(features_of=("prediction", "composite")), shift=7)
    outputs = Outputs([torch.rand_like(batch[0])], [])
    features = look(recipe, PHASE, 0, lite, outputs, batch)
    real, fake = truth_and_fill(recipe, recipe.discriminator, outputs, batch, features)
    assert real is features.truth
    assert fake is features.fills[0]


def test_fills_learn_through_the_features_what_the_discriminator_says(batch, lite):
    recipe, state = start_projected()
    before = weights(state.network)
    terms = train_step(recipe, PHASE, state, FABRIC, lite, batch)
    assert terms.keys() == {"loss", "adversarial", "discriminator"}
    assert moved(state.network, before) > 1e-4
    assert gradient_norm(state.network) > 0


def test_random_mixing_never_learns_and_the_discriminators_behind_it_do(batch, lite):
    recipe, state = start_projected(decay=0.5)
    before = weights(state.discriminator)
    mixing = [name for name in before if name.startswith("across")]
    assert len(mixing) == 8
    for _ in range(2):
        train_step(recipe, PHASE, state, FABRIC, lite, batch)
    after = weights(state.discriminator)
    assert all(torch.equal(before[name], after[name]) for name in mixing)
    learned = [name for name in before if name.endswith((".original", ".bias"))]
    assert len(learned) == 4 * 3 * 2  # scales, layers, weight and bias
    assert not any(torch.equal(before[name], after[name]) for name in learned)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_r1_of_features_is_added_to_the_discriminators_loss(batch, lite, precision):
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    found = {}
    for r1 in (0.0, 0.5):
        recipe, _ = start_projected(settings={"r1": r1})
        fabric.seed_everything(0, verbose=False)
        state = TrainingState.start(recipe, fabric)
        state.discriminator.eval()  # else every look moves the spectral norms
        with fabric.autocast():
            seen = lite(batch[0]), lite(batch[0].flip(3))
        assert seen[0][1].dtype == (torch.float32 if precision == "32-true" else torch.bfloat16)
        inputs = [x.clone().requires_grad_() for x in seen[0]]
        with fabric.autocast():
            scores = [scale[-1] for scale in state.discriminator.module(inputs)]
        penalty = losses.gradient_penalty(scores, inputs).item()
        settings = recipe.discriminator
        loss = train_discriminator(recipe, settings, state, fabric, seen, batch[1])
        found[r1] = loss.item()
    assert penalty > 0
    assert found[0.5] - found[0.0] == pytest.approx(0.5 * penalty, rel=0.01)


def test_discriminator_of_rolled_features_is_told_the_rolled_hole(batch, lite):
    image, _, labels = batch
    hole = torch.zeros(2, 1, 32, 32)
    hole[..., :16] = 1
    recipe, state = start_projected(settings={"known_is_real": True, "lr": 0.0}, shift=32)
    (_, across) = np.random.default_rng([recipe.seed, 0, 1]).integers(32, size=2)
    assert across % 32 > 4
    state.network.eval()
    with torch.no_grad():  # what the step will see, but for the norms' own step
        outputs = state.network.outputs(image, hole)
    features = look(recipe, PHASE, 0, lite, outputs, (image, hole, labels))
    assert torch.equal(features.hole[0, 0, 0].roll(-int(across)), hole[0, 0, 0])
    given = []

    def discriminator_loss(gan, real, fake, only_in):
        given.append(only_in)
        return real.mean() + fake.mean()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "discriminator_loss", discriminator_loss)
        train_step(recipe, PHASE, state, FABRIC, lite, (image, hole, labels))
    assert len(given) == 4
    assert all(torch.equal(each, features.hole) for each in given)


@pytest.mark.parametrize("part", ["loss", "network", "discriminator"])
def test_what_is_not_finite_is_refused_with_the_values_of_all_terms(part):
    _, state = start("rn-smoke")
    terms = {"loss": torch.tensor(3.0), "hole": torch.tensor(0.12345)}
    check_finite(7, PHASE, terms, state)  # all is well
    if part == "loss":
        terms["loss"] = torch.tensor(torch.inf)
        text = r"The loss of step 7 is not finite; 2 crops of 32 px gave .*'hole': 0\.1235"
    else:
        with torch.no_grad():
            list(getattr(state, part).parameters())[-1][-1] = torch.nan
        text = r"The weights after step 7 are not finite; .*'loss': 3\.0"
    with pytest.raises(FloatingPointError, match=text):
        check_finite(7, PHASE, terms, state)


def test_gradient_that_is_not_finite_shows_in_the_weights(batch):
    recipe, state = start("pconv-smoke", losses=LossWeights(style=1), clip=1.0)

    class Steep(torch.nn.Module):
        def forward(self, image):
            return [(0 * image).sqrt()]

    terms = train_step(recipe, PHASE, state, FABRIC, Steep(), batch)
    assert terms["loss"].isfinite()
    with pytest.raises(FloatingPointError, match="weights after step 0"):
        check_finite(0, PHASE, terms, state)
