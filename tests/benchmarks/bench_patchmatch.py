"""PatchMatch on one region: alone, and as the detail behind a network."""

import pytest
import torch

from napari_inpaint.weightless.coherence import coherent_fill
from napari_inpaint.weightless.patches import PatchMatch


@pytest.fixture
def region():
    """256 x 256 px of coarse noise with a hole of 20 %, and a smooth guess."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 64, 64, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=[256, 256], mode="bilinear")
    hole = torch.zeros(1, 1, 256, 256)
    hole[..., 70:184, 70:185] = 1
    return image, hole, coherent_fill(image, 1 - hole)


@pytest.mark.benchmark(group="PatchMatch, 256 px, hole of 20 %")
def test_patchmatch_behind_a_guess(benchmark, region):
    image, hole, guess = region
    benchmark.pedantic(PatchMatch(blur=4), (image, hole, guess), rounds=8, warmup_rounds=2)


@pytest.mark.benchmark(group="PatchMatch, 256 px, hole of 20 %")
def test_patchmatch_alone(benchmark, region):
    image, hole, _ = region
    fill = PatchMatch(blur=4)
    benchmark.pedantic(
        lambda: fill(image, hole, coherent_fill(image, 1 - hole)), rounds=8, warmup_rounds=2
    )
