import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.arrays.regions import count_holes, regions


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    holes=st.integers(1, 40),
    context=st.integers(1, 40),
    working_size=st.integers(1, 100),
)
def test_regions_own_each_hole_pixel_once_and_see_something_known(
    seed, shape, holes, context, working_size
):
    rng = np.random.default_rng(seed)
    hole = np.zeros(shape, bool)
    for _ in range(holes):
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        hole[y : y + rng.integers(1, 30), x : x + rng.integers(1, 30)] = True
    hole[rng.integers(shape[0]), rng.integers(shape[1])] = False
    if not hole.any():
        return
    owned = np.zeros(shape, int)
    for region in regions(hole, hole, context, working_size, 64):
        rows, columns = np.nonzero(region.own)
        owned[rows + region.box.top, columns + region.box.left] += 1
        assert region.hole.shape[0] % 64 == region.hole.shape[1] % 64 == 0
        assert not region.hole.all()
        assert (region.hole | ~region.own).all()
    np.testing.assert_array_equal(owned, hole)


def test_distant_holes_are_regions_of_their_own_and_near_ones_share():
    hole = np.zeros((1000, 1000), bool)
    hole[10, 10] = hole[40, 40] = hole[900, 900] = True
    found = list(regions(hole, hole, 16, 100, 64))
    assert [int(region.own.sum()) for region in found] == [2, 1]
    assert all(region.hole.shape == (64, 64) for region in found)


def test_dense_dust_makes_regions_that_stay_small():
    rng = np.random.default_rng(0)
    hole = rng.random((600, 600)) < 0.01
    found = list(regions(hole, hole, 32, 128, 64))
    assert max(max(region.hole.shape) for region in found) > 600  # grid cells touch: one hole
    sparse = np.zeros((2000, 2000), bool)
    sparse[::50, ::50] = True
    found = list(regions(sparse, sparse, 32, 128, 64))
    assert max(max(region.hole.shape) for region in found) <= 192


def test_holes_are_counted_in_each_slice_and_corners_join():
    hole = np.zeros((2, 3, 20, 20), bool)
    hole[0, 0, 2:4, 2:4] = hole[0, 0, 4:6, 4:6] = True
    hole[0, 0, 10, 10] = hole[1, 2, 5, 5] = hole[1, 1, 5, 5] = True
    assert count_holes(hole) == 4
    assert count_holes(hole[0, 1]) == 0
