"""What data, masks and bookkeeping add to a training step, on the CPU."""

from dataclasses import replace

import numpy as np
import pytest
from lightning_fabric import Fabric

from training.data.pictures import Picture
from training.loop.batches import batches
from training.loop.checkpoint import TrainingState
from training.loop.features import FilterBank
from training.loop.step import train_step
from training.recipes import RECIPES


@pytest.fixture
def training():
    recipe = RECIPES["pconv-photo"]
    recipe = replace(recipe, phases=(replace(recipe.phases[0], batch=8),))
    rng = np.random.default_rng(0)
    pictures = [Picture(rng.integers(0, 256, (384, 512, 3), np.uint8), None) for _ in range(16)]
    fabric = Fabric(accelerator="cpu", devices=1)
    state = TrainingState.start(recipe, fabric)
    return recipe, state, fabric, FilterBank(), batches(recipe, pictures, 0, fabric, 0)


@pytest.mark.benchmark(group="training step")
def test_step_on_a_ready_batch(benchmark, training):
    recipe, state, fabric, extract, stream = training
    _, phase, batch = next(stream)
    benchmark.pedantic(
        train_step, (recipe, phase, state, fabric, extract, batch), rounds=8, warmup_rounds=2
    )


@pytest.mark.benchmark(group="training step")
def test_step_with_its_data(benchmark, training):
    recipe, state, fabric, extract, stream = training

    def step():
        _, phase, batch = next(stream)
        train_step(recipe, phase, state, fabric, extract, batch)

    benchmark.pedantic(step, rounds=8, warmup_rounds=2)
