"""What a training starts from, and goes on from: the optimizers, the average, the checkpoint."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from training.loop.checkpoint import TrainingState, make_optimizer
from training.networks.pconv import PConvUNet
from training.recipes import RECIPES

FABRIC = Fabric(accelerator="cpu", devices=1)

#: Betas, decay, clipping and averaging. Of papers: what they, or their authors' code, have.
PAPERS = {
    "pconv": ((0.9, 0.999), 0, None, 0),
    "rn": ((0.0, 0.9), 0, None, 0),
    "isnet": ((0.0, 0.9), 0, None, 0),
    "lama": ((0.9, 0.999), 0, 1.0, 0),
    "spgnet": ((0.0, 0.9), 0, None, 0),
    "sgenet": ((0.5, 0.999), 0, None, 0),
}
OURS = (0.9, 0.99), 0.01, 1.0
AVERAGES = {
    "blend-photo": 0.998,
    "pconv-photo": 0.999,
    "pconv-upscale": 0.999,
    "rn-photo": 0.98,
    "isnet-photo": 0.98,
    "lama-photo": 0.98,
    "spgnet-street": 0.99,
    "spgnet-fluorescence": 0.995,
    "sgenet-street": 0.999,
    "sgenet-drawn": 0.999,
}
EXPECTED = {name: (*OURS, ema) for name, ema in AVERAGES.items()}
EXPECTED["blend-smoke"] = EXPECTED["blend-photo"]
EXPECTED |= {f"{n}-{kind}": PAPERS[n] for n in PAPERS for kind in ("paper", "smoke")}


def started(recipe, **changes):
    """The state of a recipe at the smallest size."""
    settings = recipe.discriminator
    if settings is not None:
        settings = replace(settings, network=partial(settings.network, base=2))
    tiny = partial(PConvUNet, base=2, levels=3)
    return TrainingState.start(
        replace(recipe, network=tiny, discriminator=settings, **changes), FABRIC
    )


@pytest.mark.parametrize("name", RECIPES)
def test_optimizers_have_the_betas_and_the_decay_that_the_recipe_says(name):
    betas, decay, clip, ema = EXPECTED[name]
    recipe = RECIPES[name]
    assert (recipe.betas, recipe.decay, recipe.clip, recipe.ema) == (betas, decay, clip, ema)
    state = started(recipe)
    optimizers = [state.optimizer]
    if recipe.discriminator is not None:
        optimizers.append(state.discriminator_optimizer)
    for optimizer in optimizers:
        assert type(optimizer.optimizer) is torch.optim.AdamW
        for group in optimizer.param_groups:
            assert (group["betas"], group["weight_decay"]) == (betas, decay)
            assert (group["eps"], group["amsgrad"]) == (1e-8, False)
    assert (state.discriminator_optimizer is None) == (recipe.discriminator is None)


def literal_adam(weight, gradients, betas, rate, decay):
    """Kingma and Ba's algorithm 1; the decay stands apart, as in Loshchilov and Hutter's."""
    mean = square = 0.0
    for step, gradient in enumerate(gradients, start=1):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        unbiased = mean / (1 - betas[0] ** step), square / (1 - betas[1] ** step)
        weight = weight - rate * decay * weight
        weight = weight - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    return weight


@pytest.mark.parametrize("name", ["pconv-paper", "isnet-paper", "sgenet-paper", "pconv-photo"])
def test_optimizer_steps_as_its_formula_says(name):
    recipe = RECIPES[name]
    rng = np.random.default_rng(0)
    layer = torch.nn.Linear(3, 1, bias=False).double()
    before, gradients = layer.weight.detach().numpy().copy(), rng.normal(size=(4, 1, 3))
    optimizer = make_optimizer(recipe, layer)
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for gradient in gradients:
        layer.weight.grad = torch.tensor(gradient)
        optimizer.step()
    expected = literal_adam(before, gradients, recipe.betas, 0.1, recipe.decay)
    np.testing.assert_allclose(layer.weight.detach(), expected, atol=1e-12)


@pytest.mark.parametrize("ema", [0.0, 0.75])
def test_average_follows_the_network_as_the_recipe_says(ema):
    state = started(RECIPES["pconv-smoke"], ema=ema)
    expected = None
    for step in range(3):
        with torch.no_grad():
            for parameter in state.network.parameters():
                parameter += torch.randn_like(parameter) * (step + 1)
        state.average.update_parameters(state.network.module)
        now = state.network.module.decoder[0].conv.conv.weight.detach().clone()
        expected = now if expected is None else ema * expected + (1 - ema) * now
    got = state.average.module.decoder[0].conv.conv.weight
    torch.testing.assert_close(got, expected)
    if not ema:
        assert torch.equal(got, now)  # what is exported are the last weights


def test_checkpoint_goes_on_with_the_settings_of_the_recipe_as_it_is_now(tmp_path):
    recipe = RECIPES["rn-smoke"]
    path = tmp_path / "checkpoint.pt"
    started(recipe).save(path, recipe=recipe.name, commit="", data="")
    changed = replace(recipe, betas=(0.5, 0.6), decay=0.25)
    state = started(changed)
    state.load(path, changed)
    for optimizer in (state.optimizer, state.discriminator_optimizer):
        for group in optimizer.param_groups:
            assert (group["betas"], group["weight_decay"]) == ((0.5, 0.6), 0.25)
