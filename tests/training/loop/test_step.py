"""One step of the loop: what its terms are, and what learns from them."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from lightning_fabric import Fabric

from training.loop import losses
from training.loop.checkpoint import TrainingState
from training.loop.features import FilterBank
from training.loop.step import (
    discriminator_input,
    fill_for_discriminator,
    network_terms,
    train_discriminator,
    train_step,
    truth_and_fill,
)
from training.networks.layers import MultiScalePatchGAN, Outputs
from training.recipe import LossWeights, Phase
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
    assert list(network_terms(recipe, FilterBank(4), outputs, batch)) == ["decibels"]
    every = LossWeights(perceptual=1, style=1, total_variation=1, coarse=1)
    found = network_terms(replace(recipe, losses=every), FilterBank(4), outputs, batch)
    assert list(found) == ["known", "hole", "total_variation", "perceptual", "style", "coarse"]
    assert found["hole"] == losses.hole_l1(outputs.images[0], image, hole)
    assert found["coarse"] == losses.coarse_l1(outputs.images[1:], image)


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
    real, fake = truth_and_fill(recipe, recipe.discriminator, outputs, batch)
    assert torch.equal(real, image)
    torch.testing.assert_close(fake, outputs.images[0] * hole)


def test_truths_are_shown_with_their_labels_and_fills_with_their_probabilities(batch):
    image, _, labels = batch
    labels[:, :5] = 255
    recipe = RECIPES["spgnet-smoke"]
    outputs = Outputs([torch.rand_like(image)], [torch.randn(2, 3, 32, 32)])
    real, fake = truth_and_fill(recipe, recipe.discriminator, outputs, batch)
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
        penalty = losses.gradient_penalty(scores, truth).item()
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
