"""How long a hole takes; a training draws one for every crop."""

import itertools

import numpy as np
import pytest

from training.masks import KINDS, draw

SPARSE = {"dust", "dead-lines"}


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_drawing_a_hole(benchmark, kind, size):
    low, high = (0.01, 0.1) if kind in SPARSE else (0.1, 0.5)
    seeds = itertools.count()
    benchmark(lambda: draw(np.random.default_rng(next(seeds)), size, size, (kind,), low, high))
