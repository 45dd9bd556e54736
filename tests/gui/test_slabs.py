"""Planes filled from their neighbours, as a run does it; no window needed."""

from __future__ import annotations

from functools import partial

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_inpaint import inpaint
from napari_inpaint.errors import Cancelled, ShapeError
from napari_inpaint.fill.plan import Options
from napari_inpaint.fill.progress import ignore
from napari_inpaint.gui.kinds import Missing
from napari_inpaint.gui.selection import MARGIN, Selection
from napari_inpaint.gui.slabs import fill_planes
from napari_inpaint.gui.sliders import letters_of, sliders_of


def texture(*shape, seed=0) -> np.ndarray:
    """What only a neighbour can know: noise."""
    return np.random.default_rng(seed).integers(50, 200, shape).astype(np.uint8)


def labels(shape, *places) -> Labels:
    data = np.zeros(shape, np.uint8)
    for place in places:
        data[place] = 3
    return Labels(data, name="mask")


def planes_of(image, mask, axes=None, only=None, **options):
    axes = axes or (image.ndim - 2, image.ndim - 1)
    letters = letters_of(image, sliders_of(image, axes))
    options = Options(axes=letters, **options)
    return Selection.of(image, mask, axes, only, missing=Missing(), options=options).read()


def filled(image, mask, *args, error=False, **kwargs):
    """Return the image as it is filled, and what filled it."""
    planes = planes_of(image, mask, *args, **kwargs)
    done = fill_planes(planes, ignore, error=error)
    return np.asarray(planes.paste(done.image, image.data)), done


@pytest.mark.parametrize("lazy", [False, True])
def test_stack_is_filled_as_by_the_api_whatever_lies_between_its_holes(lazy):
    data = texture(20, 24, 30)
    data[4:] = texture(16, 24, 30, seed=1).cumsum(axis=0) // np.arange(1, 17)[:, None, None]
    mask = labels(data.shape, np.s_[2, 8:12, 8:14], np.s_[11:14, 10:14, 8:14])
    image = Image(da.from_array(data, chunks=(3, 24, 20)) if lazy else data)
    found, done = filled(image, mask, error=True)
    expected = inpaint(data, mask.data > 0, axes="ZYX", report=True)
    np.testing.assert_array_equal(found, expected.image)
    np.testing.assert_array_equal(done.error, expected.error[[2, 11, 12, 13]])
    assert done.record["backend"] == "jury"
    assert done.pixels == 4 * 24
    assert done.holes == 4
    assert sum(done.shares.values()) == pytest.approx(1, abs=0.01)


def test_one_plane_sees_its_neighbours_and_what_is_hole_in_them_is_not_known():
    still = texture(24, 30)
    data = np.stack([still] * 9)
    mask = labels(data.shape, np.s_[3:6, 8:14, 8:14])
    data[3:6, 8:14, 8:14] = 255
    found, done = filled(Image(data), mask, only=(4,))
    np.testing.assert_allclose(found[4].astype(int), still, atol=8)
    np.testing.assert_array_equal(np.delete(found, 4, 0), np.delete(data, 4, 0))
    assert done.image.shape == (1, 24, 30)
    assert done.pixels == 36


@pytest.mark.parametrize("options", [{"along": "none"}, {"backend": "telea"}])
def test_planes_filled_by_themselves_are_never_taken_for_neighbours(options):
    data = np.stack([texture(24, 30)] * 9)
    mask = labels(data.shape, np.s_[2:7:2, 8:14, 8:14])
    planes = planes_of(Image(data), mask, **options)
    assert planes.near is None
    done = fill_planes(planes, ignore)
    assert not any(name.removesuffix(", corrected").endswith(" z") for name in done.shares)
    alone = inpaint(data[2], mask.data[2] > 0, **options | {"along": "auto"})
    np.testing.assert_array_equal(done.image, [alone] * 3)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("still", [0, 1])
def test_time_and_depth_keep_apart_in_four_dimensions(still, lazy):
    """Along one axis nothing changes, along the other everything does."""
    data = texture(6, 6, 20, 24)
    data[:] = data[:1] if still == 0 else data[:, :1]
    truth = data.copy()
    where = np.s_[2:4, 3, 8:12, 8:14]
    data[where] = 0
    image = Image(da.from_array(data, chunks=(2, 4, 20, 24)) if lazy else data)
    found, done = filled(image, labels(data.shape, where))
    np.testing.assert_allclose(found[where].astype(int), truth[where], atol=2)
    assert done.image.shape == (2, 20, 24)
    letters = {name.removesuffix(", corrected")[-1] for name in done.shares}
    assert "tz"[still] in letters


def test_neighbours_count_along_the_axis_that_was_chosen():
    data = np.stack([texture(6, 20, 24)] * 6)
    where = np.s_[2, 3, 8:12, 8:14]
    truth, data[where] = data[where].copy(), 0
    mask = labels(data.shape, where)
    np.testing.assert_array_equal(filled(Image(data), mask, along="T")[0][where], truth)
    assert (filled(Image(data), mask, along="Z")[0][where] != truth).any()


@pytest.mark.parametrize("lazy", [False, True])
def test_slider_along_y_counts_where_other_planes_are_shown(lazy):
    truth = np.stack([texture(20, 24)] * 9, axis=1)
    where = np.s_[6:12, 4, 8:14]
    data = truth.copy()
    data[where] = 0
    image = Image(da.from_array(data, chunks=(7, 4, 20)) if lazy else data)
    found, done = filled(image, labels(data.shape, where), axes=(0, 2))
    np.testing.assert_array_equal(found, truth)
    assert done.image.shape == (1, 20, 24)


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_have_neighbours_too(channels):
    data = np.stack([texture(20, 24, channels)] * 6)
    where = np.s_[2:4, 8:12, 8:14]
    truth = data.copy()
    data[(*where, slice(3))] = 0
    image = Image(data, rgb=True)
    found, done = filled(image, labels(data.shape[:-1], where), error=True)
    np.testing.assert_allclose(found.astype(int), truth, atol=2)
    np.testing.assert_array_equal(found[..., 3:], truth[..., 3:])
    assert done.error.shape == (2, 20, 24, 3)


@pytest.mark.parametrize("options", [{}, {"backend": "telea"}])
@pytest.mark.parametrize("only", [None, (4,)])
def test_missing_slices_are_filled_along_the_axis(options, only):
    ramp = np.add.outer(np.arange(9) * 5, np.arange(20 * 24).reshape(20, 24) % 50).astype(np.uint8)
    data, mask = ramp.copy(), labels(ramp.shape, np.s_[4:6])
    data[4:6] = 0
    found, done = filled(Image(data), mask, only=only, **options)
    rows = [4, 5] if only is None else [4]
    np.testing.assert_allclose(found[rows].astype(int), ramp[rows], atol=2)
    assert done.shares


@pytest.mark.parametrize("options", [{}, {"backend": "telea"}])
def test_what_is_hole_beside_a_missing_slice_is_not_read(options):
    truth = np.stack([texture(20, 24)] * 9)
    where = np.s_[3:6:2, 8:12, 8:14]
    data, mask = truth.copy(), labels(truth.shape, np.s_[4], where)
    data[4] = data[where] = 255
    found, _ = filled(Image(data), mask, only=(4,), **options)
    off = np.abs(found[4].astype(int) - truth[4])
    assert np.delete(off, np.s_[8:12], 0).max() <= 2
    assert found[4].max() < 220


def test_slices_whose_values_are_missing_are_filled_along_the_axis():
    data = np.stack([texture(20, 24).astype(np.float32)] * 9)
    truth = data.copy()
    data[3] = np.nan
    data[4, :10] = np.nan
    found, _ = filled(Image(data), labels(data.shape, np.s_[4, 10:]), backend="telea")
    np.testing.assert_allclose(found, truth, atol=1)


def test_slices_that_cannot_be_filled_are_named_by_their_place_in_the_image():
    data = texture(2, 30, 20, 24)
    mask = labels(data.shape, np.s_[1, 17:20])
    for options in ({}, {"backend": "telea"}):
        with pytest.raises(ShapeError, match=r"T=1 Z=17, T=1 Z=18, T=1 Z=19, and.* up to 2 "):
            filled(Image(data), mask, along="Z", **options)
    with pytest.raises(ShapeError, match=r"“mask” covers the whole image at slice 1, 17: .*choose"):
        planes_of(Image(data), mask, along="none")
    gone = data.astype(np.float32)
    gone[1, 17] = np.nan
    with pytest.raises(ShapeError, match=r"wholly: T=1 Z=17\. Each slice is seen by itself"):
        filled(Image(gone), None, along="none")


def test_lazy_image_is_read_only_where_slabs_are_needed():
    read = []

    def block(block_info=None):
        read.append(block_info[None]["chunk-location"])
        z = block_info[None]["chunk-location"][0]
        return np.full((1, 300, 300), 5 * z, np.uint16)

    array = da.map_blocks(block, chunks=((1,) * 60, (300,) * 5, (300,) * 5), dtype=np.uint16)
    image = Image(array, contrast_limits=(0, 9))
    mask = labels(array.shape, np.s_[3, 10:14, 10:14], np.s_[43, 10:14, 10:14])
    planes = planes_of(image, mask)
    read.clear()
    done = fill_planes(planes, ignore)
    assert done.image.shape == (2, 14 + MARGIN, 14 + MARGIN)
    halo = planes.plan.halo
    slices = [*range(8 + halo), *range(40 - halo, 48 + halo)]
    assert sorted(read) == [(z, y, x) for z in slices for y in range(2) for x in range(2)]
    np.testing.assert_allclose(done.image[0, 10:14, 10:14], 15, atol=1)
    one = planes_of(image, mask, only=(43,))
    read.clear()
    fill_planes(one, ignore)
    assert {z for z, _, _ in read} == {*range(43 - halo, 43 + halo + 1)}


def test_marks_beyond_what_is_read_are_left_out():
    """Of a neighbour: what is read lies around the marks of the one plane."""
    array = da.zeros((5, 3000, 40), np.uint8, chunks=(1, 500, 40))
    mask = labels(array.shape, np.s_[2, 2000:2004, 8:12], np.s_[1, :1600, 4:8], np.s_[3, 2900:])
    planes = planes_of(Image(array, contrast_limits=(0, 9)), mask, only=(2,))
    assert planes.box[0] == slice(2000 - MARGIN, 2004 + MARGIN)
    marks = planes.marks_on((slice(0, 5),))
    np.testing.assert_array_equal(marks, mask.data[:, *planes.box] > 0)


def test_progress_covers_all_slabs_and_what_it_raises_ends_the_run():
    data = texture(40, 20, 24)
    mask = labels(data.shape, np.s_[::10, 8:12, 8:14])
    reports = []
    fill_planes(planes_of(Image(data), mask), lambda *each: reports.append(each))
    done, totals = zip(*reports, strict=True)
    assert list(done) == sorted(done)
    assert set(totals) == {done[-1]}
    assert len({*done}) > 4

    def stop(limit, done, total):
        if done >= limit:
            raise Cancelled

    with pytest.raises(Cancelled):
        fill_planes(planes_of(Image(data), mask), partial(stop, done[-1] // 2))
