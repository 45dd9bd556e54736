"""Stacks that need not fit into memory, whose slices see their neighbours."""

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_inpaint import inpaint
from napari_inpaint.errors import OptionError, ShapeError
from napari_inpaint.fill import blocks
from napari_inpaint.fill.plan import REACH, Options, plan

CORE = 3  # slices of a block here, so that small stacks have several
SLICES, SIDE = 2 * CORE - 1, 20


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "CORE", CORE)


def volume(shape=(SLICES, SIDE, SIDE), seed=0):
    noise = np.random.default_rng(seed).standard_normal(shape)
    waves = gaussian_filter(noise, (*(1.5,) * (len(shape) - 2), 3, 3))
    return np.rint((waves - waves.min()) / np.ptp(waves) * 60_000).astype(np.uint16)


def moving(shape=(SLICES, SIDE, SIDE), size=5):
    """Squares that are elsewhere in each slice."""
    rng = np.random.default_rng(1)
    hole = np.zeros(shape, bool)
    for plane in hole.reshape(-1, *shape[-2:]):
        y, x = (int(rng.integers(2, side - size - 2)) for side in shape[-2:])
        plane[y : y + size, x : x + size] = True
    return hole


class Watched:
    """A stack that notes which of its slices are read."""

    def __init__(self, stack):
        self.stack, self.read = stack, set()
        self.shape, self.dtype, self.ndim = stack.shape, stack.dtype, stack.ndim

    def __getitem__(self, at):
        slices = at[0] if isinstance(at, tuple) else at
        self.read.update(np.arange(self.shape[0])[slices].ravel().tolist())
        return self.stack[at]

    def lazy(self):
        return da.from_array(self, chunks=(1, *self.shape[1:]), asarray=False, meta=self.stack)


def case():
    """Return a stack, and moving holes and two missing slices beside the limit of blocks."""
    stack, hole = volume(), moving()
    hole[[1, CORE]] = True
    return stack, hole


@pytest.mark.parametrize("chunks", [(1, SIDE, SIDE), (4, 7, SIDE)])
def test_dask_gives_lazy_dask_equal_to_numpy(chunks):
    stack, hole = case()
    lazy = inpaint(da.from_array(stack, chunks=chunks), hole)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (stack.shape, stack.dtype)
    assert lazy.chunks == ((CORE, CORE - 1), (SIDE,), (SIDE,))
    got = lazy.compute()
    np.testing.assert_array_equal(got, inpaint(stack, hole))
    np.testing.assert_array_equal(got[~hole], stack[~hole])
    assert (got[hole] != stack[hole]).any()


def test_mask_may_be_lazy_and_parts_may_be_computed():
    stack, hole = case()
    lazy = inpaint(da.from_array(stack, chunks=(4, 9, 9)), da.from_array(hole, chunks=(5, 20, 7)))
    part = np.s_[CORE - 1 : CORE + 2, 3:9]
    np.testing.assert_array_equal(lazy[part].compute(), inpaint(stack, hole)[part])


def test_one_mask_serves_for_all_slices():
    stack, hole = volume((4, SIDE, SIDE)), moving((1, SIDE, SIDE))[0]
    lazy = inpaint(da.from_array(stack, chunks=(2, 20, 20)), hole)
    np.testing.assert_array_equal(lazy.compute(), inpaint(stack, hole))


def test_missing_pixels_are_filled_without_a_mask():
    stack, hole = volume().astype(np.float32), moving()
    hole[3] = True
    image = np.where(hole, np.nan, stack)
    lazy = inpaint(da.from_array(image, chunks=(5, 20, 20)))
    np.testing.assert_array_equal(lazy.compute(), inpaint(image))


def test_gap_as_wide_as_may_be_is_filled_as_in_memory():
    """Its slices lie in two blocks, and each block sees all of it."""
    stack = volume((9, SIDE, SIDE))
    hole = np.zeros(stack.shape, bool)
    hole[CORE - 1 : CORE + 3] = True
    lazy = inpaint(da.from_array(stack, chunks=(1, 20, 20)), hole, max_gap=4)
    np.testing.assert_array_equal(lazy.compute(), inpaint(stack, hole, max_gap=4))
    with pytest.raises(ShapeError, match="up to 3 missing"):
        inpaint(da.from_array(stack, chunks=(1, 20, 20)), hole, max_gap=3).compute()


@pytest.mark.parametrize(
    ("axes", "along", "chunks"),
    [
        ("TZYX", "auto", (1, 2, 20, 18)),
        ("TZYX", "Z", (1, 4, 7, 18)),
        ("ZTYX", "T", (1, 1, 20, 18)),
        ("ZCYX", "auto", (3, 1, 20, 18)),
        ("ZYXC", "auto", (3, 20, 18, 1)),
        ("YXZ", "auto", (20, 18, 3)),
    ],
)
def test_any_axes_are_filled_as_in_memory(axes, along, chunks):
    lengths = {"T": 2, "Z": CORE + 1, "C": 2, "Y": 20, "X": 18}
    leading = axes.replace("Y", "").replace("X", "").replace("C", "")
    stack = volume([lengths[each] for each in leading + "YX"])
    hole = moving(stack.shape)
    hole[0, 0, ..., 3] = True
    if "C" in axes:
        at = axes.index("C")
        stack = np.stack([stack, stack[::-1]], axis=at)
    if axes == "YXZ":
        stack, hole = np.moveaxis(stack, 0, -1), np.moveaxis(hole, 0, -1)
    if axes.startswith("T") and along == "auto":
        hole[1, 2] = True
    expected = inpaint(stack, hole, axes=axes, along=along)
    lazy = inpaint(da.from_array(stack, chunks=chunks), hole, axes=axes, along=along)
    assert lazy.shape == stack.shape
    np.testing.assert_array_equal(lazy.compute(), expected)


@pytest.mark.parametrize(("at", "first"), [(0, 0), (CORE, CORE), (4 * CORE + 1, 4 * CORE)])
def test_slice_needs_its_block_and_the_slices_that_this_sees(at, first):
    watched = Watched(volume((8 * CORE, SIDE, SIDE)))
    hole = moving(watched.shape)
    lazy = inpaint(watched.lazy(), hole)
    assert not watched.read
    filled = lazy[at].compute()
    expected = range(max(first - REACH, 0), first + CORE + REACH)
    assert watched.read == {*expected}
    np.testing.assert_array_equal(filled[~hole[at]], watched.stack[at][~hole[at]])
    assert (filled[hole[at]] != watched.stack[at][hole[at]]).any()


def test_slices_by_themselves_need_no_other():
    watched = Watched(volume())
    lazy = inpaint(watched.lazy(), moving(), along="none")
    assert lazy.chunks[0] == (1,) * SLICES
    lazy[3].compute()
    assert watched.read == {3}


def test_wider_gaps_need_more_slices():
    watched = Watched(volume((8 * CORE, SIDE, SIDE)))
    hole = np.zeros(watched.shape, bool)
    hole[3 * CORE] = True
    inpaint(watched.lazy(), hole, max_gap=5)[3 * CORE].compute()
    assert watched.read == {*range(3 * CORE - 7, 4 * CORE + 7)}


def test_gap_that_is_too_wide_is_named_when_it_is_computed():
    stack = volume()
    hole = np.zeros(stack.shape, bool)
    hole[:3] = True
    lazy = inpaint(da.from_array(stack, chunks=(1, 20, 20)), hole)
    with pytest.raises(ShapeError, match="nothing known is near enough"):
        lazy.compute()
    np.testing.assert_array_equal(lazy[CORE:].compute(), stack[CORE:])  # other blocks


def test_backend_that_is_named_sees_each_slice_by_itself():
    stack, hole = case()
    lazy = inpaint(da.from_array(stack, chunks=(4, 20, 20)), hole, backend="telea")
    assert lazy.chunks[0] == (1,) * SLICES
    expected = inpaint(stack, hole, backend="telea")
    np.testing.assert_array_equal(lazy[CORE + 1 :].compute(), expected[CORE + 1 :])
    with pytest.raises(ShapeError):
        lazy[CORE].compute()


@pytest.mark.parametrize("options", [{"along": "none"}, {"max_gap": 5}, {"context": 8}])
def test_two_options_never_share_a_result(options):
    stack, hole = volume((3, SIDE, SIDE)), moving((3, SIDE, SIDE))
    image = da.from_array(stack)
    lazy = [inpaint(image, hole, **each) for each in ({}, options)]
    assert lazy[0].name != lazy[1].name
    for got, each in zip(dask.compute(*lazy), ({}, options), strict=True):
        np.testing.assert_array_equal(got, inpaint(stack, hole, **each))
    assert inpaint(image, hole).name == lazy[0].name


def test_axes_that_there_are_not_are_named_at_once():
    with pytest.raises(OptionError, match="along"):
        inpaint(da.from_array(volume()), moving(), along="Q")


def test_plan_goes_to_other_processes_with_its_neighbours():
    shape = (2, 9, SIDE, SIDE)
    for along, neighbours in (("auto", "TZ"), ("Z", "Z"), ("none", "")):
        settled = plan(shape, "uint8", Options(axes="TZYX", along=along, device="cpu", max_gap=3))
        again = pickle.loads(pickle.dumps(settled))
        assert again.neighbours == settled.neighbours == neighbours
        assert (again.weighs, again.halo) == (settled.weighs, settled.halo)
        assert again.options == settled.options
        assert again.of_block((2, 5, 8, 8)).neighbours == neighbours


@pytest.mark.parametrize("length", [1, CORE - 1, CORE, CORE + 1, 5 * CORE + 3])
@pytest.mark.parametrize("halo", [4, 9])
def test_blocks_have_every_slice_once_and_see_those_beside(length, halo):
    (along,) = blocks.blocks_along([length], halo)
    cores = [at for core, _ in along for at in range(length)[core]]
    assert cores == list(range(length))
    for core, seen in along:
        assert seen == slice(max(core.start - halo, 0), min(core.stop + halo, length))
