"""How long a hole takes; a training draws one for every crop."""

import itertools

import numpy as np
import pytest

from training.data.holes import KINDS, draw_hole

SHARES = {"dust": (0.01, 0.1), "dead-lines": (0.01, 0.1), "gaps": (0.7, 0.95)}


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("kind", KINDS)
def test_drawing_a_hole(benchmark, kind, size):
    low, high = SHARES.get(kind, (0.1, 0.5))
    seeds = itertools.count()
    benchmark(lambda: draw_hole(np.random.default_rng(next(seeds)), size, size, (kind,), low, high))
