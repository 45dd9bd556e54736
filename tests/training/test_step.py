"""One step of the loop: what its terms are, and what learns from them."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from training import losses
from training.layers import Outputs
from training.losses import FilterBank
from training.recipe import Phase
from training.recipes import RECIPES
from training.state import State
from training.step import judged, network_terms, train_step

FABRIC = Fabric(accelerator="cpu", devices=1)
PHASE = Phase(steps=10, size=32, batch=2, lr=1e-3, lr_end=1e-3)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 32, 32, generator=generator)
    hole = (torch.rand(2, 1, 32, 32, generator=generator) < 0.3).float()
    return image, hole, torch.randint(0, 3, (2, 32, 32), generator=generator)


def start(name, **changes):
    recipe = replace(RECIPES[name], **{"phases": (PHASE,), **changes})
    FABRIC.seed_everything(0, verbose=False)
    return recipe, State.start(recipe, FABRIC)


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def moved(module, before):
    """Return the largest change of any weight."""
    return max((t - before[n]).abs().max().item() for n, t in module.state_dict().items())


def test_l1_is_divided_by_the_holes_share_where_the_recipe_says_so(batch):
    image, hole, _ = batch
    outputs = Outputs([torch.zeros_like(image)], [])
    plain, divided = (
        network_terms(
            replace(RECIPES["pconv-smoke"], losses=losses_), FilterBank(4), outputs, batch
        )
        for losses_ in (RECIPES["lama-smoke"].losses, RECIPES["rn-smoke"].losses)
    )
    assert plain["hole"] == losses.hole_l1(outputs.images[0], image, hole)
    for name in ("hole", "known"):
        torch.testing.assert_close(divided[name], plain[name] / hole.mean())


def test_discriminator_sees_no_class_where_nothing_is_labelled(batch):
    image, hole, labels = batch
    labels[:, :5] = 255
    recipe = RECIPES["spgnet-smoke"]
    maps = torch.full((2, 3, 32, 32), 0.25)
    seen = judged(recipe, image, hole, maps, labels)
    assert torch.equal(seen[:, :4], torch.cat([image, hole], 1))
    assert (seen[:, 4:, :5] == 0).all()
    assert (seen[:, 4:, 5:] == 0.25).all()
    assert judged(replace(recipe, discriminate_maps=False), image, hole, maps, labels).shape[1] == 4


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


def test_gradients_are_clipped_to_the_recipes_norm(batch):
    changes = []
    for clip in (1.0, 1e-12):
        recipe, state = start("pconv-smoke", clip=clip)
        before = weights(state.network)
        train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
        changes.append(
            (state.network.encoder[0].conv.conv.weight - before["encoder.0.conv.conv.weight"])
            .abs()
            .max()
            .item()
        )
    assert changes[0] > 5e-4  # Adam's first step is as large as the rate
    assert changes[1] < 5e-5  # decay, and gradients far below Adam's epsilon


def test_discriminator_learns_in_adversarial_phases_alone_at_its_own_rate(batch):
    recipe, state = start("rn-smoke", discriminator_lr=0.1)
    before = weights(state.discriminator)
    terms = train_step(
        recipe, replace(PHASE, adversarial=False), state, FABRIC, FilterBank(4), batch
    )
    assert "adversarial" not in terms
    assert moved(state.discriminator, before) == 0
    terms = train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
    assert {"adversarial", "discriminator"} <= terms.keys()
    assert moved(state.discriminator, before) > 0
    assert state.discriminator_optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    assert all(p.requires_grad for p in state.discriminator.parameters())


@torch.no_grad()
def believed(recipe, state, batch):
    """Return how real the discriminator finds the fill."""
    image, hole, labels = batch
    state.network.eval()
    state.discriminator.eval()
    fill = torch.where(hole > 0, state.network.outputs(image, hole).images[0], image)
    score = state.discriminator(judged(recipe, fill, hole, image, labels))[0][-1].mean().item()
    state.discriminator.train()
    return score


@pytest.mark.parametrize("gan", ["hinge", "non-saturating"])
def test_adversarial_term_teaches_fills_that_the_discriminator_believes(batch, gan):
    alone = replace(RECIPES["rn-smoke"].losses, known=0, hole=0, adversarial=1)
    recipe, state = start("rn-smoke", losses=alone, gan=gan, discriminator_lr=0.0)
    scores = []
    for _ in range(9):
        train_step(recipe, PHASE, state, FABRIC, FilterBank(4), batch)
        scores.append(believed(recipe, state, batch))
    assert scores[-1] > scores[2] + 0.03  # the spectral norms have settled by the third step
