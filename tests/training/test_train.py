"""The loop, on a tiny recipe: it learns, stops, resumes bit for bit, and refuses nonsense."""

import os
import signal
from dataclasses import replace
from functools import partial
from threading import Timer

import pytest
import torch
from lightning_fabric import Fabric

from training import train
from training.losses import FilterBank
from training.pconv import PConvUNet
from training.recipe import Phase
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


def test_training_lowers_the_loss(run, tmp_path):
    recipe = replace(SMOKE, phases=(Phase(steps=41, size=32, batch=4, lr=3e-3, lr_end=3e-3),))
    run(recipe, out=tmp_path / "out")
    rows = [line.split(",") for line in (tmp_path / "out" / "log.csv").read_text().splitlines()]
    first, last = (float(rows[i][2].removeprefix("hole=")) for i in (0, -1))
    assert int(rows[-1][0]) == 40
    assert last < 0.7 * first


def test_finished_training_resumes_to_itself(run, tmp_path):
    before = state(run(SMOKE, out=tmp_path / "out"))
    after = state(run(SMOKE, out=tmp_path / "out", resume=True))
    assert after["step"] == before["step"] == SMOKE.steps


def test_resume_refuses_another_recipes_checkpoint(run, tmp_path):
    run(SMOKE, out=tmp_path / "out", minutes=0)
    with pytest.raises(ValueError, match=r"made by pconv-smoke, not by other"):
        run(replace(SMOKE, name="other"), out=tmp_path / "out", resume=True)


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
    endless = replace(SMOKE, phases=(replace(SMOKE.phases[0], steps=10**6),))
    handler = signal.getsignal(number)
    Timer(1.5, os.kill, (os.getpid(), number)).start()
    path = run(endless, out=tmp_path / "out")
    assert 0 < state(path)["step"] < 10**6
    assert signal.getsignal(number) is handler


def test_average_of_weights_is_what_recipes_ask_for(run, tmp_path):
    recipe = replace(SMOKE, ema=0.0, network=partial(PConvUNet, base=4, levels=4))
    saved = state(run(recipe, out=tmp_path / "out"))
    for name, tensor in saved["network"].items():
        torch.testing.assert_close(tensor, saved["average"][f"module.{name}"])
