"""From a checkpoint to an artifact that equals it."""

import warnings
from dataclasses import replace
from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from torch.nn.functional import one_hot

from napari_inpaint.backends.artifacts import read_manifest
from napari_inpaint.weightless.patches import PatchMatch
from training import export, train
from training.loop.features import FilterBank
from training.networks.layers import remove_spectral_norm_
from training.recipes import RECIPES


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, request):
    import cv2
    import numpy as np

    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (70, 80, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.GaussianBlur(noise, (0, 0), 3))
    out = tmp_path_factory.mktemp("runs")
    fabric = Fabric(accelerator="cpu", devices=1)
    return train.train(RECIPES["pconv-smoke"], folder, out, fabric=fabric, extract=FilterBank(4))


@pytest.fixture
def artifact(checkpoint, tmp_path):
    recipe, network, commit = export.load_network(checkpoint)
    path = tmp_path / "tiny.pt"
    stored = export.as_stored(recipe, network)
    export.write(export.script(stored), export.make_manifest(recipe, stored, commit, "tiny"), path)
    return path


def test_artifact_equals_the_averaged_network(checkpoint, artifact):
    recipe, network, _ = export.load_network(checkpoint)
    export.check(artifact, export.as_stored(recipe, network))


@pytest.mark.parametrize("name", ["pconv-smoke", "isnet-smoke"])
def test_artifact_is_exported_again_as_it_is(name, tmp_path):
    recipe = RECIPES[name]
    torch.manual_seed(0)
    stored = export.as_stored(recipe, remove_spectral_norm_(recipe.network()))
    path = tmp_path / "first.pt"
    manifest = export.make_manifest(recipe, stored, "abc123", "first")
    export.write(export.script(stored), manifest, path)
    again, network, commit = export.load_network(path)
    assert (again.name, commit) == (name, "abc123")
    first = export.load_artifact(path).network.state_dict()
    for key, weight in network.state_dict().items():
        # spectral norms of an untrained network are not yet 1: a scale, no more
        scale = (weight * first[key]).sum() / first[key].square().sum() if weight.ndim == 4 else 1
        torch.testing.assert_close(weight, scale * first[key], atol=1e-5, rtol=1e-4)


def test_check_refuses_another_networks_artifact(checkpoint, artifact):
    recipe, network, _ = export.load_network(checkpoint)
    with torch.no_grad():
        network.decoder[-1].conv.bias += 0.1
    with pytest.raises(RuntimeError, match="differs from the eager network"):
        export.check(artifact, export.as_stored(recipe, network))


def test_manifest_says_what_the_artifact_is(artifact):
    manifest = read_manifest(artifact)
    assert manifest.name == "tiny"
    assert manifest.network == "PConvUNet"
    assert manifest.recipe == "pconv-smoke"
    assert tuple(manifest.provides) == ("inpaint",)
    assert manifest.domain == "photo"


def test_weights_are_stored_in_half_precision(artifact):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        stored = torch.jit.load(artifact)
    kinds = {name.split(".")[-1]: p.dtype for name, p in stored.named_parameters() if p.ndim == 4}
    assert set(kinds.values()) == {torch.float16}


def test_scores_are_recorded_and_the_fill_stays(artifact):
    image, mask = torch.rand(1, 3, 40, 40), torch.zeros(1, 1, 40, 40)
    mask[..., 10:20, 10:20] = 1
    before = export.load_artifact(artifact)(image, mask)
    export.record_scores(artifact, {"photos": {"hole dB": 1}, "stacks": {"hole dB": 9}})
    export.record_scores(artifact, {"photos": {"hole dB": 20.5}})
    recorded = {"photos": {"hole dB": 20.5}, "stacks": {"hole dB": 9}}
    assert read_manifest(artifact).scores == recorded
    assert torch.equal(export.load_artifact(artifact)(image, mask), before)


def test_only_the_projects_own_artifacts_are_trusted(artifact):
    assert artifact.name not in export.TRUSTED.read_text()


def test_checkpoint_of_an_unknown_recipe_is_refused(checkpoint, tmp_path):
    saved = torch.load(checkpoint, weights_only=True)
    torch.save({**saved, "recipe": "nothing"}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="names the recipe 'nothing'"):
        export.load_network(tmp_path / "other.pt")


def test_recipe_of_the_manifest_is_the_one_trained(checkpoint):
    recipe, network, _ = export.load_network(checkpoint)
    assert recipe == RECIPES["pconv-smoke"]
    other = replace(recipe, title="x")
    assert export.make_manifest(other, export.as_stored(recipe, network), "", "n").title == "x"


def test_patches_give_the_artifact_detail_that_its_network_lacks():
    recipe = replace(RECIPES["blend-smoke"], patches=partial(PatchMatch, blur=6))
    network = recipe.network()  # untrained: the mean of smooth fills
    plain = export.as_stored(replace(recipe, patches=None), network).float()
    detailed = export.as_stored(recipe, network).float()
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1
    with torch.no_grad():
        fills = [artifact(noise, mask)[..., 24:40, 24:40] for artifact in (plain, detailed)]
    rough = [(fill[..., 1:] - fill[..., :-1]).abs().mean().item() for fill in fills]
    assert rough[1] > 2 * rough[0]


def test_artifact_of_one_channel_is_checked_with_one(tmp_path):
    class Inverse(torch.nn.Module):
        def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            assert image.shape[1] == 1
            return 1 - image

    recipe = replace(RECIPES["pconv-smoke"], channels=1)
    artifact = export.as_stored(recipe, Inverse())
    path = tmp_path / "inverse.pt"
    manifest = export.make_manifest(recipe, artifact, "", "inverse")
    export.write(export.script(artifact), manifest, path)
    export.check(path, artifact)
    assert read_manifest(path).channels == 1


def test_painted_labels_take_the_colours_of_their_class_from_patches():
    recipe = replace(RECIPES["spgnet-smoke"], patches=partial(PatchMatch, blur=3))
    artifact = export.as_stored(recipe, recipe.network()).float()
    image, mask = torch.full((1, 3, 64, 64), 0.2), torch.zeros(1, 1, 64, 64)
    image[..., 32:] = 0.9
    mask[..., 20:44, 26:38] = 1
    inside = (mask > 0).expand_as(image)
    for painted, colour in ((0, 0.2), (1, 0.9)):
        classes = torch.zeros(1, 64, 64, dtype=torch.long)
        classes[..., 32:] = 1
        classes[mask[:, 0] > 0] = painted
        filled = artifact.guide(image, mask, one_hot(classes, 3).movedim(3, 1).float())
        assert (filled[inside] - colour).abs().max() < 0.01
        plain = artifact.inpaint(image, mask)
        assert (plain[inside] - colour).abs().max() > 0.3  # colours are the network's
