"""The loop, on a tiny recipe: it learns, stops, resumes bit for bit, and refuses nonsense."""

import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from tests.training.loop.lite import CHANNELS, lite_file
from training import export, train
from training.loop.checkpoint import averaged_weights
from training.loop.features import VGG16, EfficientNetLite, FilterBank
from training.loop.log import CHECKPOINT_SECONDS, SHEET_SECONDS, TrainingLog
from training.networks.pconv import PConvUNet
from training.networks.weights import load_artifact
from training.recipe import Drawn, Phase
from training.recipes import RECIPES

SMOKE = RECIPES["pconv-smoke"]


@pytest.fixture
def run(pictures, tmp_path):
    fabric = Fabric(accelerator="cpu", devices=1)
    return partial(train.train, data=pictures, fabric=fabric, extract=FilterBank(4))


@pytest.fixture
def vgg_file(tmp_path):
    """Weights of VGG-16, as far as pool3."""
    saved, channels = {}, 3
    for place, width in {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256}.items():
        saved[f"features.{place}.weight"] = torch.zeros(width, channels, 3, 3)
        saved[f"features.{place}.bias"] = torch.zeros(width)
        channels = width
    torch.save(saved, tmp_path / "vgg.pth")
    return tmp_path / "vgg.pth"


def state(path):
    return torch.load(path, weights_only=True)


def test_resumed_training_equals_an_unbroken_one_bit_for_bit(run, tmp_path):
    whole = state(run(SMOKE, out=tmp_path / "whole"))
    run(SMOKE, out=tmp_path / "parts", minutes=0)  # stops after its first step
    assert state(tmp_path / "parts" / "checkpoint.pt")["step"] == 1
    parts = state(run(SMOKE, out=tmp_path / "parts", resume=True))

    assert parts["step"] == whole["step"] == SMOKE.steps
    for part in ("network", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, parts[part][name]), name


def test_training_on_drawn_scenes_resumes_bit_for_bit(run, tmp_path):
    recipe = replace(SMOKE, drawn=Drawn("nuclei", share=0.5, size=64))
    whole = state(run(recipe, out=tmp_path / "whole"))
    run(recipe, out=tmp_path / "parts", minutes=0)
    parts = state(run(recipe, out=tmp_path / "parts", resume=True))
    plain = state(run(SMOKE, out=tmp_path / "plain"))
    for name, tensor in whole["network"].items():
        assert torch.equal(tensor, parts["network"][name]), name
    assert any(not torch.equal(t, plain["network"][n]) for n, t in whole["network"].items())


def test_training_lowers_the_loss(run, tmp_path):
    recipe = replace(SMOKE, phases=(Phase(steps=41, size=32, batch=4, lr=3e-3, lr_end=3e-3),))
    run(recipe, out=tmp_path / "out")
    rows = [line.split(",") for line in (tmp_path / "out" / "log.csv").read_text().splitlines()]
    assert [int(row[0]) for row in rows] == [0, 20, 40]
    first, last = (dict(cell.split("=") for cell in rows[i][1:]) for i in (0, -1))
    for name in ("loss", "hole"):
        assert float(last[name]) < 0.7 * float(first[name])


def test_finished_training_resumes_to_itself(run, tmp_path):
    before = state(run(SMOKE, out=tmp_path / "out"))
    after = state(run(SMOKE, out=tmp_path / "out", resume=True))
    assert after["step"] == before["step"] == SMOKE.steps


def test_checkpoint_that_nobody_asked_to_resume_is_not_overwritten(run, tmp_path):
    before = run(SMOKE, out=tmp_path / "out").read_bytes()
    with pytest.raises(FileExistsError, match=r"checkpoint\.pt exists\..*--resume.*--out"):
        run(SMOKE, out=tmp_path / "out")
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == before


class Guided(PConvUNet):
    """Notes in which steps it was given labels."""

    steps: ClassVar = []

    def outputs(self, image, hole, labels=None):
        self.steps.append(labels is not None)
        return super().outputs(image, hole)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_true_labels_guide_the_asked_share_of_steps_whenever_a_training_stops(run, tmp_path, share):
    phase = Phase(steps=12, size=32, batch=1, lr=1e-3, lr_end=1e-3, teacher=share)
    recipe = replace(SMOKE, network=partial(Guided, 4, 3), phases=(phase,), seed=3)
    Guided.steps.clear()
    run(recipe, out=tmp_path / "out", minutes=0)
    run(recipe, out=tmp_path / "out", resume=True)
    # decided from the seed and the step alone
    chances = [np.random.default_rng([3, step]).random() for step in range(12)]
    assert Guided.steps == [chance < share for chance in chances]
    assert sum(Guided.steps) == {0: 0, 0.5: 7, 1: 12}[share]


def test_resume_refuses_another_recipes_checkpoint(run, tmp_path):
    run(SMOKE, out=tmp_path / "out", minutes=0)
    with pytest.raises(ValueError, match=r"made by pconv-smoke, not by other"):
        run(replace(SMOKE, name="other"), out=tmp_path / "out", resume=True)


def test_resume_refuses_a_checkpoint_of_other_code(run, tmp_path):
    path = run(SMOKE, out=tmp_path / "out", minutes=0)
    with pytest.raises(ValueError, match=r"does not fit pconv-smoke as it is now"):
        run(replace(SMOKE, network=partial(PConvUNet, 4, 4)), out=tmp_path / "out", resume=True)
    path.write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"Expected a checkpoint of training\.train, .*no such"):
        run(SMOKE, out=tmp_path / "out", resume=True)
    torch.save({"weights": 1}, path)
    with pytest.raises(ValueError, match=r"lacks average, commit, network, recipe, step"):
        run(SMOKE, out=tmp_path / "out", resume=True)


def test_non_finite_loss_stops_and_keeps_the_last_good_checkpoint(run, tmp_path):
    run(SMOKE, out=tmp_path / "out", minutes=0)
    good = (tmp_path / "out" / "checkpoint.pt").read_bytes()

    class Poison(torch.nn.Module):
        def forward(self, image):
            return [image / 0]

    with pytest.raises(FloatingPointError, match=r"loss of step 7 is .*; 2 crops of 64 px gave"):
        run(SMOKE, out=tmp_path / "out", resume=True, extract=Poison())
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == good


class Failing(FilterBank):
    """Features that are not finite, or have no finite gradient, from a step on."""

    def __init__(self, step, how):
        super().__init__(4)
        self.first, self.how, self.looks = step, how, 0

    def forward(self, image):
        step = self.looks // 3  # the truth, the composite and the prediction
        self.looks += 1
        if step < self.first:
            return super().forward(image)
        return [image / 0 if self.how == "loss" else (0 * image).sqrt()]


@pytest.mark.parametrize("how", ["loss", "weights"])
@pytest.mark.parametrize("end", ["last step", "log", "checkpoint", "sheet"])
def test_nothing_is_written_after_a_step_that_is_not_finite(run, tmp_path, monkeypatch, how, end):
    last = {"last step": 7, "log": 20}.get(end, 3)
    steps = 8 if end == "last step" else 100
    phase = Phase(steps=steps, size=32, batch=2, lr=1e-3, lr_end=1e-3)
    recipe = replace(SMOKE, phases=(phase,), losses=replace(SMOKE.losses, total_variation=0))
    out = tmp_path / "out"
    extract = Failing(last, how)
    if end in ("checkpoint", "sheet"):  # their time comes when the step is over
        due = property(lambda log: extract.looks > 3 * last)
        monkeypatch.setattr(TrainingLog, "due", due)
        seconds = {"checkpoint": "CHECKPOINT_SECONDS", "sheet": "SHEET_SECONDS"}[end]
        monkeypatch.setattr(f"training.loop.log.{seconds}", -1)
    text = rf"The (loss of|weights after) step {last} (is|are) not finite; 2 crops of 32 px gave"
    with pytest.raises(FloatingPointError, match=text):
        run(recipe, out=out, extract=extract)
    assert not (out / "checkpoint.pt").exists()
    assert not list(out.glob("*.png"))
    rows = (out / "log.csv").read_text().splitlines() if (out / "log.csv").exists() else []
    assert len(rows) == 1  # step 0's


@pytest.mark.parametrize("how", ["loss", "weights"])
def test_training_that_is_stopped_keeps_the_last_good_checkpoint(run, tmp_path, how):
    recipe = replace(SMOKE, losses=replace(SMOKE.losses, total_variation=0))
    path = run(recipe, out=tmp_path / "out", minutes=0)
    good = path.read_bytes()
    with pytest.raises(FloatingPointError, match=r"(loss of|weights after) step 1 (is|are) not"):
        run(recipe, out=path.parent, resume=True, minutes=0, extract=Failing(0, how))
    assert path.read_bytes() == good


def test_time_that_comes_between_the_check_and_the_writing_waits_for_the_next_step(
    run, tmp_path, monkeypatch
):
    checked, written = [], []
    monkeypatch.setattr(TrainingLog, "due", property(lambda log: False))
    monkeypatch.setattr("training.loop.log.CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(train, "check_finite", lambda step, *rest: checked.append(step))
    save = TrainingLog.save_checkpoint
    monkeypatch.setattr(
        TrainingLog,
        "save_checkpoint",
        lambda log, state: (written.append(state.step - 1), save(log, state)),
    )
    run(SMOKE, out=tmp_path / "out")
    assert checked == [0, 7]  # the log's, the last one
    assert written == [7]


def test_due_is_what_was_not_written_for_long(run, tmp_path, monkeypatch):
    log = TrainingLog(tmp_path, SMOKE, [], {})
    assert not log.due
    for name, seconds in (("saved", CHECKPOINT_SECONDS), ("drawn", SHEET_SECONDS)):
        now = getattr(log, name)
        setattr(log, name, now - seconds - 1)
        assert log.due
        setattr(log, name, now - seconds + 30)
        assert not log.due
        setattr(log, name, now)


@pytest.mark.parametrize("kind", ["checkpoint", "artifact"])
def test_training_begins_with_given_weights_unless_it_goes_on(run, tmp_path, kind):
    source = run(replace(SMOKE, seed=5), out=tmp_path / "source")
    expected = averaged_weights(state(source))
    given = source
    if kind == "artifact":
        given = tmp_path / "given.pt"
        network = SMOKE.network()
        network.load_state_dict(expected)
        artifact = export.as_stored(SMOKE, network)
        manifest = export.make_manifest(SMOKE, artifact, "", "given")
        export.write(export.script(artifact), manifest, given)
        expected = load_artifact(given).network.state_dict()  # rounded to half precision
    still = replace(SMOKE, phases=(Phase(steps=2, size=32, batch=2, lr=0.0, lr_end=0.0),))
    begun = state(run(still, out=tmp_path / "new", weights=given, minutes=0))
    assert begun["step"] == 1
    learned = {name for name in expected if "running" not in name and "num_batches" not in name}
    for name in learned:
        assert torch.equal(begun["network"][name], expected[name]), name
        assert torch.equal(begun["average"][f"module.{name}"], expected[name]), name

    other = run(replace(SMOKE, seed=6), out=tmp_path / "other", minutes=0)
    gone_on = state(run(still, out=other.parent, weights=given, resume=True))
    own = state(run(still, out=other.parent, resume=True))
    assert gone_on["step"] == own["step"] == 2
    changed = [
        name for name in learned if not torch.equal(gone_on["network"][name], expected[name])
    ]
    assert changed  # the checkpoint's weights, not the given ones


def test_features_are_those_that_the_recipe_names(tmp_path, vgg_file):
    bank = train.open_features(SMOKE, None)
    assert isinstance(bank, FilterBank)
    vgg = train.open_features(replace(SMOKE, vgg_layers=("relu1_1",)), vgg_file)
    assert isinstance(vgg, VGG16)
    assert [f.shape[1] for f in vgg(torch.rand(1, 3, 8, 8))] == [64]
    photo = RECIPES["pconv-photo"]
    sides = [32, 16, 8, 4, 4]  # the last stride is replaced by dilation
    for weights, channels in ((None, (16, 24, 40, 112, 320)), (lite_file(tmp_path), CHANNELS)):
        features = train.open_features(photo, weights)(torch.rand(1, 3, 64, 64))
        assert [tuple(f.shape[1:3]) for f in features] == list(zip(channels, sides, strict=True))


@pytest.mark.parametrize("recipe", ["pconv-smoke", "pconv-photo"])
def test_command_takes_features_and_weights(monkeypatch, pictures, tmp_path, vgg_file, recipe):
    weights = vgg_file if recipe == "pconv-smoke" else lite_file(tmp_path)
    called = {}
    monkeypatch.setattr(train, "train", lambda *args, **settings: called.update(settings))
    words = [recipe, "--data", pictures, "--features", weights, "--from", "given.pt"]
    monkeypatch.setattr(sys, "argv", ["train", *map(str, words)])
    train.main()
    assert type(called["extract"]) is (VGG16 if recipe == "pconv-smoke" else EfficientNetLite)
    assert called["weights"] == Path("given.pt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_training_leaves_a_checkpoint_to_resume_from(run, tmp_path, number):
    class Stopping(FilterBank):
        looks = 0

        def forward(self, image):
            self.looks += 1
            if self.looks == 4:  # in the midst of a step, not by the clock: machines are slow
                os.kill(os.getpid(), number)
            return super().forward(image)

    endless = replace(SMOKE, phases=(replace(SMOKE.phases[0], steps=10**6),))
    handler = signal.getsignal(number)
    path = run(endless, out=tmp_path / "out", extract=Stopping())
    assert 0 < state(path)["step"] < 10
    assert signal.getsignal(number) is handler


def test_average_of_weights_is_what_recipes_ask_for(run, tmp_path):
    recipe = replace(SMOKE, ema=0.0, network=partial(PConvUNet, base=4, levels=4))
    saved = state(run(recipe, out=tmp_path / "out"))
    for name, tensor in saved["network"].items():
        torch.testing.assert_close(tensor, saved["average"][f"module.{name}"])
