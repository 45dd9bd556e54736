"""How long a drawn scene takes, and a sample of a training."""

import itertools

import numpy as np
import pytest

from training.data.dataset import HoleDataset
from training.data.nuclei import draw_nuclei
from training.data.pictures import Picture
from training.data.streets import draw_street


@pytest.mark.parametrize("draw", [draw_street, draw_nuclei])
def test_drawing_a_scene_of_128_px(benchmark, draw):
    seeds = itertools.count()
    benchmark(lambda: draw(np.random.default_rng(next(seeds)), 128))


@pytest.mark.parametrize("labelled", [False, True])
def test_making_a_sample_of_128_px(benchmark, labelled):
    image = np.random.default_rng(0).integers(0, 256, (384, 512, 3), np.uint8)
    picture = Picture(image, image[..., 0] % 11 if labelled else None)
    dataset = HoleDataset([picture], 128, 2.5, (0.1, 0.5), seed=(0,))
    indices = itertools.count()
    benchmark(lambda: dataset[next(indices)])
