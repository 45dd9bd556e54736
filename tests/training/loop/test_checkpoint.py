"""What a training starts from, and goes on from: the optimizers, the average, the checkpoint."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch.nn.utils.parametrize import is_parametrized

from training import export
from training.loop.checkpoint import TrainingState, make_optimizer, trained_weights
from training.networks.isnet import ISNet
from training.networks.layers import remove_spectral_norm_
from training.networks.pconv import PConvUNet
from training.networks.weights import load_artifact
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
    "pconv-upscale": 0.999,
    "spgnet-street": 0.99,
    "spgnet-fluorescence": 0.995,
    "sgenet-street": 0.999,
    "sgenet-drawn": 0.999,
}
EXPECTED = {name: (*OURS, ema) for name, ema in AVERAGES.items()}
EXPECTED |= {
    f"{n}-photo": ((0.5, 0.99), 0.01, 1.0, 0.998) for n in ("pconv", "rn", "isnet", "lama")
}
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


def trained(name, network):
    """The recipe with another network, and its state after some training."""
    recipe = replace(RECIPES[name], network=network, discriminator=None, ema=0.9)
    FABRIC.seed_everything(1, verbose=False)
    state = TrainingState.start(recipe, FABRIC)
    rng = torch.Generator().manual_seed(2)
    image, hole = torch.rand(1, 3, 32, 32, generator=rng), torch.zeros(1, 1, 32, 32)
    hole[..., 9:20, 5:19] = 1
    for _ in range(3):
        state.network.outputs(image, hole)  # moves statistics and spectral norms
        with torch.no_grad():
            for parameter in state.network.parameters():
                parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
        state.average.update_parameters(state.network.module)
    with torch.no_grad():
        for _ in range(50):  # norms of 1, as a longer training has them
            state.average.module.train()(image, hole)
    return recipe, state, (image, hole)


def save_artifact(recipe, state, path):
    """Export an averaged network; spectral norms are baked in, weights are halved."""
    network = recipe.network()
    network.load_state_dict(state.average.module.state_dict())
    artifact = export.as_stored(recipe, remove_spectral_norm_(network))
    export.write(export.script(artifact), export.make_manifest(recipe, artifact, "", "x"), path)


TINY = {
    "pconv-smoke": partial(PConvUNet, base=2, levels=3),  # batch norms
    "isnet-smoke": partial(ISNet, base=2, blocks=1),  # spectral norms
}


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(("kind", "near"), [("checkpoint", 0), ("artifact", 0.01)])
def test_training_begins_with_the_averaged_weights_of_a_trained_network(tmp_path, name, kind, near):
    recipe, source, sample = trained(name, TINY[name])
    path = tmp_path / f"{kind}.pt"
    if kind == "checkpoint":
        source.save(path, recipe="another", commit="", data="")
    else:
        save_artifact(recipe, source, path)
    FABRIC.seed_everything(3, verbose=False)
    state = TrainingState.start(recipe, FABRIC)
    state.take_weights(path, recipe)
    assert state.step == 0
    with torch.no_grad():
        expected = source.average.module.eval()(*sample)
        assert not torch.allclose(source.network.eval()(*sample), expected, atol=0.02, rtol=0)
        for network in (state.network.module, state.average.module):
            torch.testing.assert_close(network.eval()(*sample), expected, atol=near, rtol=0)
    state.average.update_parameters(state.network.module)  # the average begins with them too
    for ours, theirs in zip(
        state.average.module.parameters(), state.network.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_spectral_norms_that_an_artifact_lacks_are_put_back(tmp_path):
    recipe, source, _ = trained("isnet-smoke", TINY["isnet-smoke"])
    path = tmp_path / "artifact.pt"
    save_artifact(recipe, source, path)
    state = TrainingState.start(recipe, FABRIC)
    state.take_weights(path, recipe)
    for conv in (m for m in state.network.modules() if is_parametrized(m)):
        norm = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
        assert norm.item() == pytest.approx(1, abs=1e-4)  # in the very first step
    baked = remove_spectral_norm_(state.network.module).state_dict()
    for name, weight in load_artifact(path).network.state_dict().items():
        torch.testing.assert_close(baked[name], weight, atol=0, rtol=0.01)


@pytest.mark.parametrize("kind", ["checkpoint", "artifact"])
def test_weights_of_another_network_are_refused(tmp_path, kind):
    recipe, source, _ = trained("pconv-smoke", partial(PConvUNet, base=2, levels=4))
    path = tmp_path / "other.pt"
    if kind == "checkpoint":
        source.save(path, recipe=recipe.name, commit="", data="")
    else:
        save_artifact(recipe, source, path)
    state = started(recipe)
    with pytest.raises(
        ValueError, match=r"other\.pt holds another network than pconv-smoke trains"
    ):
        state.take_weights(path, recipe)


def test_what_holds_no_network_is_refused(tmp_path):
    path = tmp_path / "file.pt"
    with pytest.raises(FileNotFoundError):
        trained_weights(path)
    path.write_bytes(b"noise")
    with pytest.raises(ValueError, match=r"an artifact or a checkpoint, .*file\.pt is neither"):
        trained_weights(path)
    torch.save({"weights": 1}, path)
    with pytest.raises(ValueError, match="is neither"):
        trained_weights(path)
    torch.jit.script(torch.nn.ReLU()).save(str(path))
    with pytest.raises(ValueError, match="is neither"):
        trained_weights(path)
