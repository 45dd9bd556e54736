import numpy as np
import pytest

from training.masks import AREA_BINS, irregular


@pytest.mark.parametrize("share", AREA_BINS)
@pytest.mark.parametrize("size", [(64, 64), (33, 97), (256, 256)])
def test_irregular_holes_have_the_asked_share(share, size):
    for seed in range(5):
        mask = irregular(np.random.default_rng(seed), *size, *share)
        assert mask.shape == size
        assert mask.dtype == bool
        assert share[0] <= mask.mean() <= share[1]


def test_irregular_holes_repeat_with_their_generator_and_differ_otherwise():
    first, again, other = (irregular(np.random.default_rng(s), 64, 64) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_irregular_refuses_an_impossible_share():
    with pytest.raises(ValueError, match=r"low=0\.5, high=0\.2"):
        irregular(np.random.default_rng(0), 64, 64, 0.5, 0.2)
