"""Every network's whole way in seconds: train → export → evaluate."""

import sys
from dataclasses import asdict, replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from napari_inpaint.backends.artifacts import read_manifest
from training import evaluate, export, train
from training.loop.features import FilterBank
from training.networks.pconv import PConvUNet
from training.networks.projected import ProjectedGAN
from training.recipes import RECIPES

SMOKE = sorted(name for name in RECIPES if name.endswith("-smoke"))


@pytest.fixture
def scenes(tmp_path):
    """Twenty pictures of two grounds and a block, with their class maps."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for number in range(20):
        rng = np.random.default_rng(number)
        labels = np.zeros((72, 80), np.uint8)
        labels[36:] = 1
        y, x = rng.integers(10, 40, 2)
        labels[y : y + 20, x : x + 24] = 2
        image = np.array([[200, 120, 60], [70, 90, 80], [40, 60, 190]])[labels]
        image = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "labels" / f"{number}.png"), labels)
    return tmp_path


def counting_terms(recipe):
    weights = asdict(recipe.losses)
    return {name for name, w in weights.items() if type(w) in (int, float) and w}


def logged_terms(out):
    """Names in the log, of all of its lines."""
    lines = (out / "log.csv").read_text().splitlines()
    return {cell.split("=")[0] for line in lines for cell in line.split(",")[1:]}


@pytest.mark.parametrize("name", SMOKE)
def test_recipe_goes_from_pictures_to_a_scored_artifact(
    name, scenes, tmp_path, capsys, monkeypatch
):
    recipe = RECIPES[name]
    fabric = Fabric(accelerator="cpu", devices=1)
    out = tmp_path / "run"
    checkpoint = train.train(recipe, scenes, out, fabric=fabric, extract=FilterBank(4))
    assert logged_terms(out) - {"loss", "discriminator"} == counting_terms(recipe)

    artifact = tmp_path / f"{name}.pt"
    monkeypatch.setattr(sys, "argv", ["export", str(checkpoint), "-o", str(artifact)])
    export.main()
    manifest = read_manifest(artifact)
    assert [each["name"] for each in manifest.classes] == [each.name for each in recipe.classes]
    assert ("guide" in manifest.provides) == bool(recipe.classes)

    arguments = ["--data", str(scenes), "--size", "64", "--record"]
    monkeypatch.setattr(sys, "argv", ["evaluate", str(artifact), *arguments])
    evaluate.main()
    assert f"| {name} |" in capsys.readouterr().out
    (scores,) = read_manifest(artifact).scores.values()
    assert scores[name]["hole dB"] > 0
    assert ("mIoU hole" in scores[name]) == bool(recipe.classes)


@pytest.mark.parametrize("name", [name for name in SMOKE if RECIPES[name].discriminator])
def test_adversarial_training_resumes_bit_for_bit(name, scenes, tmp_path):
    recipe = replace(RECIPES[name], losses=replace(RECIPES[name].losses, perceptual=0, style=0))
    fabric = Fabric(accelerator="cpu", devices=1)

    def run(out, **settings):
        path = train.train(recipe, scenes, out, fabric=fabric, extract=FilterBank(4), **settings)
        return torch.load(path, weights_only=True)

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", minutes=0)
    parts = run(tmp_path / "parts", resume=True)
    for part in ("network", "average", "discriminator"):
        for key, tensor in whole[part].items():
            assert torch.equal(tensor, parts[part][key]), (part, key)


def test_training_on_trained_features_resumes_bit_for_bit(scenes, tmp_path, monkeypatch):
    recipe = RECIPES["pconv-photo"]
    recipe = replace(
        recipe,
        network=partial(PConvUNet, base=4, levels=5, residual=True),
        discriminator=replace(recipe.discriminator, network=partial(ProjectedGAN, base=4)),
        phases=tuple(replace(phase, steps=2, size=64, batch=2) for phase in recipe.phases),
    )
    monkeypatch.setattr(train, "LOG_STEPS", 1)
    fabric = Fabric(accelerator="cpu", devices=1)
    extract = train.open_features(recipe, None)

    def run(out, **settings):
        path = train.train(recipe, scenes, out, fabric=fabric, extract=extract, **settings)
        return torch.load(path, weights_only=True)

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", minutes=0)
    parts = run(tmp_path / "parts", resume=True)
    assert logged_terms(tmp_path / "whole") == {"loss", "discriminator"} | counting_terms(recipe)
    for part in ("network", "average", "discriminator"):
        for key, tensor in whole[part].items():
            assert torch.equal(tensor, parts[part][key]), (part, key)
