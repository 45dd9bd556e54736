from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.arrays import tiling
from napari_inpaint.errors import OptionError


@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    tile=st.integers(8, 64),
    share=st.floats(0, 0.75),
)
def test_weights_sum_to_one_everywhere(height, width, tile, share):
    overlap = int(share * tile)
    total = np.zeros((height, width))
    for each in tiling.cover((height, width), tile, overlap):
        assert each.weights.shape == (min(tile, height), min(tile, width))
        assert each.weights.min() > 0
        total[each.window] += each.weights
    np.testing.assert_allclose(total, 1, atol=1e-5)


@given(length=st.integers(65, 400), overlap=st.integers(0, 48))
def test_neighbours_share_at_least_the_overlap(length, overlap):
    starts = [each.rows.start for each in tiling.cover((length, 8), 64, overlap)]
    assert starts[0] == 0
    assert starts[-1] == length - 64
    assert all(after - before <= 64 - overlap for before, after in pairwise(starts))


def test_weights_change_smoothly():
    for each in tiling.cover((300, 300), 128, 64):
        assert np.abs(np.diff(each.weights, axis=0)).max() < 0.04


def test_area_smaller_than_a_tile_is_one_tile():
    (only,) = tiling.cover((5, 7), 64, 32)
    assert only.window == (slice(0, 5), slice(0, 7))
    assert (only.weights == 1).all()


@pytest.mark.parametrize("overlap", [64, 65, -1])
def test_overlap_must_be_smaller_than_the_tile(overlap):
    with pytest.raises(OptionError, match="from 0 to 63"):
        tiling.cover((100, 100), 64, overlap)
