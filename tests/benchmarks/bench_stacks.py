"""Filling stacks from their neighbours, beside scikit-image's biharmonic fill in 3-D."""

import numpy as np
import pytest
from skimage.restoration import inpaint_biharmonic

from napari_inpaint import inpaint
from napari_inpaint.samples import pictures
from training.data.holes import irregular

SHARE = (0.1, 0.2)  # of each slice


@pytest.fixture
def cells():
    stack = pictures.stack().truth[:16]
    rng = np.random.default_rng(0)
    hole = np.stack([irregular(rng, *stack.shape[1:], *SHARE) for _ in stack])
    return np.where(hole, 0, stack).astype(stack.dtype), hole


@pytest.mark.parametrize("who", ["scikit-image", "here", "here, with expected errors"])
def test_holes_that_move(benchmark, cells, who):
    benchmark.group = "stack (16, 130, 130), holes of 10 to 20 %"
    image, hole = cells
    if who == "scikit-image":
        benchmark.pedantic(inpaint_biharmonic, (image.astype(float), hole), rounds=3)
        return
    options = {"axes": "TYX", "device": "cpu", "report": "errors" in who}
    benchmark.pedantic(inpaint, (image, hole), options, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("who", ["scikit-image", "here"])
def test_missing_slice(benchmark, cells, who):
    benchmark.group = "stack (16, 130, 130), one slice missing"
    image = pictures.stack().truth[:16].copy()
    hole = np.zeros(image.shape, bool)
    hole[7] = True
    if who == "scikit-image":
        benchmark.pedantic(inpaint_biharmonic, (image.astype(float), hole), rounds=3)
        return
    options = {"axes": "TYX", "device": "cpu"}
    benchmark.pedantic(inpaint, (image, hole), options, rounds=3, warmup_rounds=1)
