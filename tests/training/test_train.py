"""The loop, on a tiny recipe: it learns, stops, resumes bit for bit, and refuses nonsense."""

import os
import signal
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from training import train
from training.loop.features import FilterBank
from training.networks.pconv import PConvUNet
from training.recipe import Drawn, Phase
from training.recipes import RECIPES

SMOKE = RECIPES["pconv-smoke"]


@pytest.fixture
def run(pictures, tmp_path):
    fabric = Fabric(accelerator="cpu", devices=1)
    return partial(train.train, data=pictures, fabric=fabric, extract=FilterBank(4))


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

    with pytest.raises(FloatingPointError, match=r"loss of step 1 \(2 crops of 64 px\)"):
        run(SMOKE, out=tmp_path / "out", resume=True, extract=Poison())
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == good


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
