"""Stacks whose slices see their neighbours, through the public function."""

import functools
import json

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.restoration import inpaint_biharmonic

from napari_inpaint import inpaint
from napari_inpaint.arrays import masks
from napari_inpaint.errors import Cancelled, OptionError, ShapeError
from napari_inpaint.fill.missing_slices import fill_missing_slices
from napari_inpaint.samples import pictures

WITHIN = 1.645


def volume(shape=(8, 32, 32), smooth=(1.5, 3, 3), seed=0):
    """A smooth random volume in [0, 1]."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    waves = gaussian_filter(noise, smooth)
    return ((waves - waves.min()) / np.ptp(waves)).astype(np.float32)


def moving(shape=(8, 32, 32), size=7, count=1, seed=1):
    """Squares that are elsewhere in each slice."""
    rng = np.random.default_rng(seed)
    hole = np.zeros(shape, bool)
    for plane in hole.reshape(-1, *shape[-2:]):
        for _ in range(count):
            y, x = (int(rng.integers(2, side - size - 2)) for side in shape[-2:])
            plane[y : y + size, x : x + size] = True
    return hole


def slices(shape, *missing):
    """Return a hole that covers these slices wholly."""
    hole = np.zeros(shape, bool)
    hole[list(missing)] = True
    return hole


def damaged(stack, hole, by=0):
    return np.where(hole, stack.dtype.type(by), stack)


def decibels(filled, stack, hole):
    error = np.mean((filled[hole].astype(np.float64) - stack[hole]) ** 2)
    return 10 * np.log10(np.ptp(stack.astype(np.float64)) ** 2 / max(error, 1e-30))


def same(one, other):
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


@functools.cache
def cells():
    """Eight frames of migrating nuclei."""
    return pictures.stack().truth[4:12, :96, :96]


@functools.cache
def filled_cells():
    """Return these frames' holes, which move, and what they are filled with."""
    hole = moving(cells().shape, 12, 6, seed=2)
    return hole, inpaint(damaged(cells(), hole), hole, axes="TYX", report=True)


# --- known pixels and the report ------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "dtype"),
    [
        ("ZYX", "uint8"),
        ("ZYX", "bool"),
        ("ZYX", "int32"),
        ("YXZ", "uint16"),
        ("TZYX", "float32"),
        ("ZCYX", "uint16"),
        ("ZCYX", "bool"),
        ("ZYXC", "uint8"),
        ("ZYXC", "float32"),
    ],
)
def test_known_pixels_are_bit_identical_whatever_comes(axes, dtype):
    lengths = {"T": 2, "Z": 5, "C": 3, "Y": 17, "X": 20}
    shape, spatial = ([lengths[x] for x in letters] for letters in (axes, axes.replace("C", "")))
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    image = rng.normal(size=shape) > 0 if dtype == "bool" else rng.normal(0, 3e4, shape)
    if kind.kind in "iu":
        image = np.frombuffer(rng.bytes(image.size * kind.itemsize), kind).reshape(shape)
    image = image.astype(kind)
    hole = rng.random(spatial) < 0.05
    hole |= np.indices(spatial)[spatial_axis(axes, "X")] < 3
    hole.swapaxes(0, spatial_axis(axes, "Z"))[1] = True  # one slice is missing
    before, hole_before = image.copy(), hole.copy()
    filled = inpaint(image, hole, axes=axes, report=True)
    assert same(image, before)
    assert same(hole, hole_before)
    assert filled.image.dtype == image.dtype
    assert filled.image.shape == filled.error.shape == image.shape
    known = ~hole
    if "C" in axes:
        at = axes.index("C")
        known = np.repeat(np.expand_dims(known, at), lengths["C"], at)
    assert same(filled.image[known], image[known])
    assert (filled.error[known] == 0).all()
    assert np.isfinite(filled.error).all()
    assert (filled.error >= 0).all()
    if kind.kind == "f":
        assert np.isfinite(filled.image).all()


def spatial_axis(axes, letter):
    return axes.replace("C", "").index(letter)


def test_channels_of_a_stack_are_filled_each_from_itself():
    one = volume((6, 28, 28))
    stack = np.stack([one, 5 - one, 100 * one[:, ::-1], 0 * one, one[::-1], 3 * one], axis=1)
    hole = moving((6, 28, 28))
    hole |= slices(hole.shape, 3)
    filled = inpaint(stack, hole, axes="ZCYX", report=True)
    for channel in range(6):
        part, span = filled.image[:, channel], max(np.ptp(stack[:, channel]), 1e-6)
        assert np.abs(part - stack[:, channel])[hole].max() < 0.25 * span
        assert np.abs(part - stack[:, channel])[hole].mean() < 0.05 * span
    assert (filled.image[:, 3] == 0).all()
    errors = filled.error[:, [0, 2]][hole.nonzero()[0], :, hole.nonzero()[1], hole.nonzero()[2]]
    assert np.median(errors[:, 1]) > 20 * np.median(errors[:, 0])


def test_report_has_the_expected_error_where_something_was_filled():
    hole, filled = filled_cells()
    assert filled.error.dtype == np.float32
    assert filled.error.shape == cells().shape
    assert (filled.error[~hole] == 0).all()
    assert (filled.error[hole] > 0).all()
    assert np.isfinite(filled.error).all()
    np.testing.assert_array_equal(filled.hole, hole)
    assert filled.pixels == hole.sum()


def test_record_names_the_jury_and_how_much_each_candidate_counted():
    _, filled = filled_cells()
    assert json.loads(json.dumps(filled.record)) == filled.record
    assert filled.record["backend"] == "jury"
    assert filled.record["options"]["along"] == "auto"
    assert filled.shares == filled.record["shares"]
    assert sum(filled.shares.values()) == pytest.approx(1, abs=0.01)
    assert all(0 < each <= 1 for each in filled.shares.values())
    assert any(name.split(",")[0].endswith(" t") for name in filled.shares)  # along the axis T


def test_expected_error_holds_about_nine_of_ten_true_values_small_or_large():
    hole, filled = filled_cells()
    off, error = np.abs(filled.image.astype(float) - cells())[hole], filled.error[hole]
    assert 0.85 <= np.mean(off <= WITHIN * error) <= 0.95
    parts = np.array_split(np.argsort(error), 3)
    for part in parts:
        assert 0.85 <= np.mean(off[part] <= WITHIN * error[part]) <= 0.95
    means = [off[part].mean() for part in parts]
    assert means == sorted(means)


@pytest.mark.parametrize("missing", [(), (3,)])
def test_fill_and_expected_error_are_in_the_units_of_the_image(missing):
    stack = volume((6, 28, 28))
    hole = moving(stack.shape) | slices(stack.shape, *missing)
    one, other = (
        inpaint(damaged(stack * np.float32(by), hole), hole, report=True) for by in (1, 1000)
    )
    np.testing.assert_allclose(other.image, 1000 * one.image, atol=1)
    np.testing.assert_allclose(other.error, 1000 * one.error, rtol=0.02, atol=1)
    shifted = inpaint(damaged(stack + 50, hole), hole, report=True)
    np.testing.assert_allclose(shifted.image, 50 + one.image, atol=1e-3)
    np.testing.assert_allclose(shifted.error, one.error, rtol=0.02, atol=1e-3)


# --- how good -------------------------------------------------------------------------------


def test_neighbours_are_worth_much_and_the_fill_is_no_worse_than_biharmonic():
    stack = volume((8, 40, 40))
    hole = moving(stack.shape, 10)
    filled = inpaint(damaged(stack, hole), hole)
    score = decibels(filled, stack, hole)
    some = np.s_[3:5]
    alone = inpaint(damaged(stack, hole)[some], hole[some], along="none")
    part = decibels(filled[some], stack[some], hole[some])
    assert part > decibels(alone, stack[some], hole[some]) + 5
    assert score > decibels(inpaint_biharmonic(stack, hole), stack, hole) - 0.1


def test_neighbours_are_worth_something_among_real_cells():
    hole, filled = filled_cells()
    score = decibels(filled.image, cells(), hole)
    some = np.s_[3:5]
    alone = inpaint(damaged(cells(), hole)[some], hole[some], axes="TYX", along="none")
    part = decibels(filled.image[some], cells()[some], hole[some])
    assert part > decibels(alone, cells()[some], hole[some]) + 1
    biharmonic = inpaint_biharmonic(cells().astype(float), hole)
    assert score > decibels(biharmonic, cells(), hole) - 0.1


def stripes(count=4, side=64):
    """Slices that have nothing to do with each other: stripes with noise."""
    rng = np.random.default_rng(5)
    waves = [
        volume((1, side, side), (0, 1, 6) if seed % 2 else (0, 6, 1), seed)[0]
        for seed in range(count)
    ]
    return (np.stack(waves) + 0.05 * rng.standard_normal((count, side, side))).astype(np.float32)


@pytest.mark.parametrize("kind", ["moving", "fixed"])
def test_neighbours_that_know_nothing_cost_next_to_nothing(kind):
    stack = stripes()
    drawn = stack.shape if kind == "moving" else (1, *stack.shape[1:])
    hole = np.broadcast_to(moving(drawn, 9, 4), stack.shape)
    seeing, alone = (inpaint(damaged(stack, hole), hole, along=each) for each in ("auto", "none"))
    assert decibels(seeing, stack, hole) > decibels(alone, stack, hole) - 0.3


def test_thin_holes_in_stacks_are_filled_from_the_neighbours_too():
    """A line in noise that is the same in all slices: its surroundings know nothing of it."""
    plane = np.random.default_rng(0).integers(0, 4000, (32, 32)).astype(np.uint16)
    stack = np.stack([plane] * 5)
    hole = np.zeros(stack.shape, bool)
    hole[2, :, 15] = hole[0, 8] = True
    filled = inpaint(damaged(stack, hole), hole)
    assert decibels(filled, stack, hole) > 30


def test_holes_that_stay_do_not_flicker():
    sample = pictures.stack()
    window = np.s_[10:18, 20:60, 10:60]
    stack, hole = sample.truth[window], np.broadcast_to(sample.mask.all(axis=0), sample.mask.shape)
    hole = hole[window]
    filled = inpaint(damaged(stack, hole), hole, axes="TYX").astype(float)
    near = binary_dilation(hole[0], iterations=7) & ~hole[0]
    change = np.abs(np.diff(filled, axis=0))
    assert change[:, hole[0]].mean() <= 1.2 * change[:, near].mean()


def test_no_fill_exceeds_what_is_known():
    """As with every other fill: a sensor that is saturated, or counts from 0, gives no more."""
    stack = np.clip(volume((8, 40, 40)) * 3000 - 1000, 100, 1100)
    hole = moving(stack.shape, 10, 2) | slices(stack.shape, 4)
    filled = inpaint(damaged(stack, hole), hole)
    assert filled.min() >= 100
    assert filled.max() <= 1100


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_constant_stack_comes_back_constant(dtype):
    level = np.dtype(dtype).type(77.25)
    stack = np.full((6, 24, 24), level)
    hole = moving(stack.shape) | slices(stack.shape, 2)
    filled = inpaint(damaged(stack, hole, 3 if dtype != "bool" else 0), hole, report=True)
    assert (filled.image == level).all()
    assert (filled.error == 0).all()


# --- what is read ---------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_what_is_in_a_hole_is_never_read(backend):
    stack = (volume((6, 28, 28)) * 60_000).astype(np.uint16)
    hole = moving(stack.shape) | slices(stack.shape, 3)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 65_535, stack.shape).astype(np.uint16)
    one, *others = (
        inpaint(np.where(hole, garbage, stack), hole, backend=backend, report=True)
        for garbage in (np.uint16(0), np.uint16(65_535), noise)
    )
    for other in others:
        assert same(one.image, other.image)
        assert same(one.error, other.error)
        assert one.shares == other.shares


def test_same_stack_is_filled_alike_twice():
    stack = volume((6, 28, 28))
    hole = moving(stack.shape)
    one, other = (inpaint(stack, hole, report=True) for _ in range(2))
    assert same(one.image, other.image)
    assert same(one.error, other.error)
    assert one.shares == other.shares


def test_nan_and_masked_pixels_are_holes_that_neighbours_fill():
    stack = volume((6, 28, 28))
    hole = moving(stack.shape) | slices(stack.shape, 3)
    expected = inpaint(stack, hole)
    assert same(inpaint(np.where(hole, np.nan, stack)), expected)
    masked = inpaint(np.ma.MaskedArray(stack, hole))
    assert not np.ma.is_masked(masked)
    assert same(masked.data, expected)


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_missing_pixels_beside_a_missing_slice_are_no_ground_for_it(backend):
    """They are left as they are, and read as if they were not there."""
    stack = np.rint(volume((8, 28, 28)) * 200 + 20).astype(np.uint8)
    lost = np.zeros(stack.shape, bool)
    lost[4, 8:20, 8:20] = True
    hole = slices(stack.shape, 5)
    options = {"fill_missing": "masked", "backend": backend}
    filled = inpaint(damaged(stack, lost), hole, missing=0, **options)
    expected = inpaint(stack, hole, **options)
    assert (filled[lost] == 0).all()
    off = np.abs(filled.astype(float) - stack)[5]
    assert off.max() < np.abs(expected.astype(float) - stack)[5].max() + 30
    floats = inpaint(np.where(lost, np.nan, stack.astype(np.float32)), hole, **options)
    assert np.isfinite(floats[5]).all()
    assert np.isnan(floats[lost]).all()


def test_patch_deep_in_a_collar_of_a_stack_is_filled_from_the_nearest_that_is_known():
    stack = np.tile(volume((4, 48, 32)), (1, 1, 4))
    collar = np.zeros(stack.shape, bool)
    collar[..., :100] = True
    hole = np.zeros(stack.shape, bool)
    hole[2, 20:26, 5:11] = True
    image = np.where(collar, np.nan, stack)
    filled = inpaint(image, hole, fill_missing="masked", context=4)
    known = image[np.isfinite(image)]
    assert np.isfinite(filled[hole]).all()
    assert known.min() <= filled[hole].min() <= filled[hole].max() <= known.max()
    assert np.isnan(filled).sum() == collar.sum() - hole.sum()


def test_patch_in_a_collar_of_some_slices_is_filled_too():
    """Slices farther away are known where it lies, those that it sees are not."""
    stack = np.tile(volume((12, 48, 32)), (1, 1, 4))
    collar = np.zeros(stack.shape, bool)
    collar[:6, :, :100] = True
    hole = np.zeros(stack.shape, bool)
    hole[0, 20:26, 5:11] = True
    image = np.where(collar, np.nan, stack)
    filled = inpaint(image, hole, fill_missing="masked", context=4)
    assert np.isfinite(filled[hole]).all()
    assert np.isnan(filled).sum() == collar.sum() - hole.sum()


# --- missing slices -------------------------------------------------------------------------


def between(stack, missing):
    """Return the mean of the nearest slices before and after each missing one."""
    filled = stack.astype(np.float64)
    known = np.setdiff1d(np.arange(len(stack)), missing)
    for at in missing:
        sides = [*known[known < at][-1:], *known[known > at][:1]]
        filled[at] = stack[sides].mean(axis=0)
    return filled


@pytest.mark.parametrize("backend", ["auto", "telea"])
@pytest.mark.parametrize("missing", [(5,), (5, 6), (0,), (11,), (0, 1), (10, 11), (2, 8)])
@pytest.mark.parametrize("kind", ["cells", "smooth"])
def test_missing_slices_are_filled_at_least_as_well_as_by_the_mean_of_both_neighbours(
    backend, missing, kind
):
    stack = (
        pictures.stack().truth[10:22, 20:84, 40:104] if kind == "cells" else volume((12, 32, 32))
    )
    hole = slices(stack.shape, *missing)
    filled = inpaint(damaged(stack, hole), hole, backend=backend, report=True)
    assert same(filled.image[~hole], stack[~hole])
    assert (filled.error[hole] > 0).all()
    assert np.isfinite(filled.error).all()
    score = decibels(filled.image, stack, hole)
    assert score > decibels(between(stack, missing), stack, hole) - 0.05
    assert filled.record["backend"] == "jury"  # no other was asked
    assert sum(filled.shares.values()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_more_missing_slices_in_a_row_than_the_gap_may_have_are_named(backend):
    stack = volume((10, 24, 24))
    hole = slices(stack.shape, 4, 5, 6)
    with pytest.raises(ShapeError, match=r"Z=4, Z=5, Z=6.*up to 2 missing.*raise max_gap"):
        inpaint(stack, hole, backend=backend)
    filled = inpaint(damaged(stack, hole), hole, backend=backend, max_gap=3)
    assert decibels(filled, stack, hole) > decibels(damaged(stack, hole), stack, hole) + 6
    with pytest.raises(ShapeError, match=r"Z=0, Z=1, Z=2"):
        inpaint(stack, slices(stack.shape, 0, 1, 2), backend=backend)
    with pytest.raises(ShapeError, match=r"Z=5.*up to 0 missing"):
        inpaint(stack, slices(stack.shape, 5), backend=backend, max_gap=0)


def test_only_the_gaps_that_are_too_wide_are_named():
    stack = volume((12, 24, 24))
    with pytest.raises(ShapeError, match=r"Z=5, Z=6, Z=7") as caught:
        inpaint(stack, slices(stack.shape, 1, 5, 6, 7, 10))
    assert "Z=1," not in str(caught.value)
    assert "Z=10" not in str(caught.value)


def test_stack_of_which_nothing_is_known_is_refused():
    stack = volume((3, 24, 24))
    with pytest.raises(ShapeError, match=r"Z=0, Z=1, Z=2"):
        inpaint(stack, np.ones(stack.shape, bool), max_gap=5)


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_a_missing_slice_does_not_keep_the_others_from_being_filled(backend):
    stack = volume((8, 32, 32))
    hole = moving(stack.shape)
    lost = slices(stack.shape, 3)
    filled = inpaint(damaged(stack, hole | lost), hole | lost, backend=backend)
    assert same(filled[~hole & ~lost], stack[~hole & ~lost])
    others = hole & ~lost
    expected = inpaint(damaged(stack, hole), hole, backend=backend)
    if backend == "telea":
        assert same(filled[~lost], expected[~lost])
    assert np.abs(filled - stack)[others].max() < np.abs(expected - stack)[others].max() + 0.1
    assert np.abs(filled - stack)[lost].mean() < 0.06


def test_missing_slice_reads_holes_beside_it_as_they_were_filled():
    """The slices beside it have a hole at the same place, with a bright garbage in it."""
    stack = volume((8, 32, 32))
    hole = np.zeros(stack.shape, bool)
    hole[2:5, 10:18, 10:18] = True
    hole[3] = True
    for backend in ("auto", "telea"):
        filled = inpaint(damaged(stack, hole, 50), hole, backend=backend)
        assert filled[3].max() < 1.1
        assert np.abs(filled - stack)[3].mean() < 0.06


def test_fills_are_no_truth_for_what_is_said_of_missing_slices():
    """Half of a slice beside the missing one was filled, and wrongly."""
    pixels = np.full((7, 20, 20, 1), 0.5, np.float32)
    unknown, whole = np.zeros((7, 20, 20), bool), np.arange(7) == 3
    unknown[5, 10:] = unknown[3] = True
    pixels[5, 10:] = 0.9
    missing = slices(unknown.shape, 3)
    filled = fill_missing_slices(pixels, unknown, whole, missing, "Z", lambda share: None)
    np.testing.assert_allclose(filled.values[3], 0.5, atol=1e-5)
    np.testing.assert_allclose(filled.errors[3], 0, atol=1e-3)


@pytest.mark.parametrize("constant", ["T", "Z"])
def test_slice_that_is_missing_is_filled_along_the_axis_that_knows_more(constant):
    """Along one axis slices are equal, along the other they have nothing in common."""
    planes = [volume((1, 28, 28), (0, 2, 2), seed)[0] for seed in range(6)]
    axes = "TZYX"
    stack = np.stack([np.stack(planes)] * 6)  # (6 equal, 6, Y, X)
    stack = stack if constant == "T" else stack.swapaxes(0, 1).copy()
    hole = np.zeros(stack.shape, bool)
    hole[2, 3] = True
    filled = inpaint(damaged(stack, hole), hole, axes=axes, report=True)
    assert np.abs(filled.image - stack)[2, 3].max() < 0.02
    assert all(name.split(",")[0].endswith(constant.lower()) for name in filled.shares)


def test_slice_whose_time_point_is_lost_wholly_is_filled_along_time():
    stack = np.stack([volume((3, 24, 24)) + at for at in range(5)])
    hole = np.zeros(stack.shape, bool)
    hole[2] = True
    filled = inpaint(damaged(stack, hole), hole, axes="TZYX")
    assert np.abs(filled - stack)[hole].max() < 0.05
    with pytest.raises(ShapeError, match=r"T=2 Z=0, T=2 Z=1, T=2 Z=2"):
        inpaint(stack, hole, axes="TZYX", along="Z")


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_slice_that_is_missing_is_left_where_only_the_masked_is_filled(backend):
    stack = volume((8, 28, 28))
    hole = moving(stack.shape) & ~slices(stack.shape, 3)
    lost = slices(stack.shape, 3)
    image = np.where(lost, np.nan, damaged(stack, hole))
    filled = inpaint(image, hole, fill_missing="masked", backend=backend)
    assert np.isnan(filled[3]).all()
    assert np.isfinite(filled[~lost]).all()
    some = hole.copy()
    some[3, 5:9, 5:9] = True  # of the missing slice, only that
    filled = inpaint(image, some, fill_missing="masked", backend=backend)
    assert np.abs(filled - stack)[3, 5:9, 5:9].max() < 0.1
    assert np.isnan(filled[3]).sum() == 28 * 28 - 16


# --- progress -------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", "telea"])
@pytest.mark.parametrize("missing", [(), (2,), (9,), (2, 9)])
def test_progress_reaches_all_and_never_goes_back(backend, missing):
    stack = volume((11, 24, 24))
    hole = moving(stack.shape, 6) | slices(stack.shape, *missing)
    told = []
    inpaint(stack, hole, backend=backend, progress=lambda *step: told.append(step))
    done = [each for each, _ in told]
    assert {total for _, total in told} == {hole.sum()}
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == hole.sum()


@pytest.mark.parametrize("calls", [1, 3, 12])
def test_cancelled_run_ends(calls):
    stack = volume((8, 24, 24))
    before, told = stack.copy(), []

    def stop(done, total):
        told.append(done)
        if len(told) >= calls:
            raise Cancelled

    with pytest.raises(Cancelled):
        inpaint(stack, moving(stack.shape), progress=stop)
    assert len(told) == calls
    assert same(stack, before)


def test_missing_slices_can_be_cancelled():
    stack, told = volume((8, 24, 24)), []

    def stop(done, total):
        told.append(done)
        if len(told) >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        inpaint(stack, slices(stack.shape, 2, 5), progress=stop)
    assert len(told) == 2


# --- options --------------------------------------------------------------------------------


@pytest.mark.parametrize("along", ["Q", "X", "C", "ZY", "ZZ", "TZS", "", "Z,T", "1", 3, None])
def test_axes_that_there_are_not_are_named(along):
    with pytest.raises(OptionError, match="along"):
        inpaint(np.zeros((2, 3, 8, 8)), np.zeros((8, 8)), axes="TZYX", along=along)


@pytest.mark.parametrize("along", ["Q", "X"])
def test_text_says_which_axes_there_are(along):
    with pytest.raises(OptionError, match=rf"{along}.*'TZYX'"):
        inpaint(np.zeros((2, 3, 8, 8)), np.zeros((8, 8)), axes="TZYX", along=along)


@pytest.mark.parametrize("gap", [-1, 1.5, True, "2"])
def test_max_gap_is_a_whole_number(gap):
    with pytest.raises(OptionError, match="max_gap"):
        inpaint(np.zeros((2, 8, 8)), np.zeros((8, 8)), max_gap=gap)


def test_only_the_axes_that_are_named_are_looked_along():
    stack = np.stack([volume((4, 20, 20)), volume((4, 20, 20), seed=8)])
    hole = moving(stack.shape)
    along = inpaint(damaged(stack, hole), hole, axes="TZYX", along="z")
    each = [inpaint(damaged(*both), both[1], axes="ZYX") for both in zip(stack, hole, strict=True)]
    assert same(along, np.stack(each))
    both = inpaint(damaged(stack, hole), hole, axes="TZYX", along="ZT", report=True)
    assert not same(both.image, along)
    assert {name.split(",")[0][-2:] for name in both.shares} >= {" z", " t"}


def test_every_slice_is_filled_by_itself_where_that_is_asked_for():
    stack = volume((2, 24, 24))
    hole = moving(stack.shape)
    alone = inpaint(damaged(stack, hole), hole, along="none")
    each = [inpaint(damaged(*both), both[1]) for both in zip(stack, hole, strict=True)]
    assert same(alone, np.stack(each))
    assert not same(alone, inpaint(damaged(stack, hole), hole))


def test_stack_of_one_slice_is_filled_as_a_picture():
    stack = volume((1, 20, 20))
    hole = moving(stack.shape)
    expected = inpaint(stack[0], hole[0])
    for along in ("auto", "Z"):
        assert same(inpaint(stack, hole, axes="ZYX", along=along)[0], expected)


def test_backend_that_is_named_fills_each_slice_by_itself():
    stack = volume((4, 28, 28))
    hole = moving(stack.shape)
    one, other = (
        inpaint(stack, hole, backend="telea", along=each, report=True) for each in ("auto", "none")
    )
    assert same(one.image, other.image)
    assert one.record["backend"] == "telea"
    assert one.shares == {}


def test_dilate_grows_holes_in_their_own_slice():
    stack = volume((5, 28, 28))
    hole = np.zeros(stack.shape, bool)
    hole[2, 10:16, 10:16] = True
    filled = inpaint(stack, hole, dilate=2, report=True)
    expected = np.stack([masks.dilate(each, 2) for each in hole])
    np.testing.assert_array_equal(filled.hole, expected)
    np.testing.assert_array_equal(filled.error > 0, expected)
    assert same(filled.image[~expected], stack[~expected])
    assert (filled.image != stack)[expected].mean() > 0.9


def test_dilate_fills_a_rim_that_is_dirty():
    stack = volume((6, 28, 28))
    hole = moving(stack.shape)
    dirty = np.stack([masks.dilate(each, 1) for each in hole])
    image = damaged(stack, dirty, 9)
    filled = inpaint(image, hole, dilate=1)
    assert np.abs(filled - stack).max() < 0.2


def test_feather_blends_a_fill_into_its_slice():
    stack = stripes(4, 28)
    hole = moving(stack.shape, 12)
    hard = inpaint(damaged(stack, hole), hole)
    soft = inpaint(damaged(stack, hole), hole, feather=3)
    expected = [
        masks.feather(fill[..., None], plane[..., None], own, 3)[..., 0]
        for fill, plane, own in zip(hard, stack, hole, strict=True)
    ]
    np.testing.assert_allclose(soft, np.stack(expected), atol=1e-5)
    assert np.abs(soft - hard)[hole].max() > 0.01


def test_holes_of_one_slice_are_filled_whatever_the_others_have():
    stack = volume((12, 28, 28))
    hole = np.zeros(stack.shape, bool)
    hole[9, 10:18, 10:18] = True
    filled = inpaint(damaged(stack, hole), hole)
    assert same(filled[~hole], stack[~hole])
    assert np.abs(filled - stack)[hole].max() < 0.1


@pytest.mark.parametrize("shape", [(2, 1, 2), (2, 2, 1), (3, 1, 2), (2, 3, 3), (4, 5, 70)])
def test_tiny_stacks_are_filled(shape):
    stack = np.full(shape, 9, np.uint8)
    hole = np.zeros(shape, bool)
    hole.flat[0] = True
    for each in (hole, slices(shape, -1)):
        assert (inpaint(damaged(stack, each, 200), each, axes="ZYX") == 9).all()


def test_stack_of_which_next_to_nothing_is_known_is_filled():
    stack = volume((5, 20, 20))
    hole = np.ones(stack.shape, bool)
    hole[:, 7, 7] = False
    filled = inpaint(damaged(stack, hole), hole)
    assert same(filled[~hole], stack[~hole])
    level = stack[:, 7, 7][:, None, None]
    assert np.abs(filled - level).max() < 0.1 * np.ptp(stack)


def test_large_floats_have_finite_errors_or_none_that_can_be_told():
    stack = volume((6, 24, 24)).astype(np.float64) * 1e30
    hole = moving(stack.shape) | slices(stack.shape, 2)
    filled = inpaint(damaged(stack, hole), hole, report=True)
    assert np.isfinite(filled.image).all()
    assert np.isfinite(filled.error).all()
    assert np.abs(filled.image - stack).max() < 0.3 * stack.max()
