"""What a run works on: taken down at once, read later; colours without alpha, missing values."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Points

from napari_inpaint.errors import Cancelled, InpaintError, ShapeError
from napari_inpaint.fill.plan import Options
from napari_inpaint.gui import marks
from napari_inpaint.gui.kinds import Missing
from napari_inpaint.gui.selection import MARGIN, Selection


def labels(shape, where) -> Labels:
    data = np.zeros(shape, np.uint8)
    data[where] = 3
    return Labels(data)


@pytest.mark.parametrize("chunks", [None, (2, 3, 4, 4), (1, 6, 7, 2)])
def test_alpha_is_neither_read_nor_written(chunks):
    data = np.random.default_rng(0).integers(0, 255, (3, 6, 7, 4), dtype=np.uint8)
    array = data if chunks is None else da.from_array(data, chunks=chunks)
    image = Image(array, rgb=True)
    selection = Selection.of(image, labels((3, 6, 7), np.s_[1, 2:4, 2:4]), (1, 2))
    planes = selection.read()
    assert selection.letters == "ZYXC"
    np.testing.assert_array_equal(planes.read(), data[1:2, ..., :3])
    filled = planes.read()
    filled[planes.hole] = 77
    expected = data.copy()
    expected[1, 2:4, 2:4, :3] = 77
    np.testing.assert_array_equal(np.asarray(planes.paste(filled, array)), expected)


def test_grey_is_pasted_over_a_colour_image():
    """As reliability is, which lies on the image and has no colours."""
    image = Image(np.zeros((6, 7, 4), np.uint8), rgb=True)
    planes = Selection.of(image, labels((6, 7), np.s_[2:4, 2:4]), (0, 1)).read()
    pasted = planes.paste(np.full((1, 6, 7), 0.5), np.ones((6, 7)))
    assert (pasted == 0.5).all()


def missing_at(*places, shape=(3, 6, 7), value=np.nan, lazy=False) -> Image:
    data = np.zeros(shape, np.float32)
    for place in places:
        data[place] = value
    return Image(da.from_array(data, chunks=(1, 6, 7)) if lazy else data)


@pytest.mark.parametrize("lazy", [False, True])
def test_no_mask_is_needed_where_values_are_missing(lazy):
    image = missing_at((2, 1, 1), lazy=lazy)
    planes = Selection.of(image, None, (1, 2), missing=Missing()).read()
    assert list(planes.indices) == [(2,)]
    assert not planes.hole.any()
    assert not planes.marked
    empty = labels((3, 6, 7), np.s_[:0])
    assert list(Selection.of(image, empty, (1, 2), missing=Missing()).read().indices) == [(2,)]


def test_named_values_are_missing_in_images_of_every_type():
    image = Image(np.zeros((3, 6, 7), np.uint16))
    image.data[:] = 5
    image.data[1, 3, 3] = 65535
    planes = Selection.of(image, None, (1, 2), missing=Missing((0, 65535))).read()
    assert list(planes.indices) == [(1,)]


def test_planes_with_marks_and_with_missing_values_are_taken_together():
    image = missing_at((2, 1, 1))
    mask = labels((3, 6, 7), np.s_[0, 2:4, 2:4])
    planes = Selection.of(image, mask, (1, 2), missing=Missing()).read()
    assert list(planes.indices) == [(0,), (2,)]
    assert planes.hole.sum(axis=(1, 2)).tolist() == [4, 0]
    assert planes.marked
    assert list(Selection.of(image, mask, (1, 2)).read().indices) == [(0,)]


def test_lazy_image_is_looked_through_only_for_values_that_were_named():
    read = set()

    def block(block_info=None):
        z, y, x = block_info[None]["chunk-location"]
        read.add((z, y, x))
        data = np.zeros((1, 300, 300), np.float32)
        data[..., 5, 5] = -9999 if z == 3 and y == x == 4 else 0
        return data

    array = da.map_blocks(block, chunks=((1,) * 5, (300,) * 9, (300,) * 9), dtype=np.float32)
    image = Image(array, contrast_limits=(0, 9))
    mask = labels(array.shape, np.s_[1, 10:20, 10:20])
    read.clear()
    planes = Selection.of(image, mask, (1, 2), missing=Missing()).read()
    assert read == set()
    assert list(planes.indices) == [(1,)]
    planes = Selection.of(image, mask, (1, 2), missing=Missing((-9999,))).read()
    assert list(planes.indices) == [(1,), (3,)]
    assert planes.box == (slice(0, 1205 + MARGIN + 1), slice(0, 1205 + MARGIN + 1))


def test_nothing_to_fill_is_an_error_in_words():
    image = missing_at()
    with pytest.raises(InpaintError, match=r"No pixel is missing\. Choose a mask"):
        Selection.of(image, None, (1, 2), missing=Missing()).read()
    with pytest.raises(InpaintError, match="No pixel is missing on this slice"):
        Selection.of(image, None, (1, 2), (0,), missing=Missing()).read()
    beside = Points([[9, 3, 3]], name="beside")
    with pytest.raises(InpaintError, match="The mask “beside” is empty"):
        Selection.of(image, beside, (1, 2)).read()


def test_mask_of_another_shape_is_an_error_at_once():
    with pytest.raises(InpaintError, match=r"has the shape \(4, 5\)"):
        Selection.of(missing_at(), labels((4, 5), np.s_[1, 1]), (1, 2))


@pytest.mark.parametrize("flat", [False, True])
def test_labels_are_copied_where_they_guide(flat):
    image = missing_at()
    guide = labels((6, 7) if flat else (3, 6, 7), np.s_[..., 2:4, 2:4])
    mask = labels((3, 6, 7), np.s_[1:, 3, 3])
    selection = Selection.of(image, mask, (1, 2), labels=guide)
    guide.data[:] = 0
    planes = selection.read()
    assert planes.labels.shape == (2, 6, 7)
    assert (planes.labels[:, 2:4, 2:4] == 3).all()
    assert planes.labels.sum() == 2 * 4 * 3


def test_large_or_foreign_masks_are_shared_until_they_are_read(monkeypatch):
    image, mask = missing_at(), labels((3, 6, 7), np.s_[1, 3, 3])
    assert not Selection.of(image, mask, (1, 2)).shared
    lazy = Labels(da.from_array(mask.data))
    selection = Selection.of(image, lazy, (1, 2))
    lazy.data[2, 2, 2] = 1
    assert not selection.shared
    assert list(selection.read().indices) == [(1,)]
    monkeypatch.setattr(marks, "SMALL", 100)
    selection = Selection.of(image, mask, (1, 2))
    assert selection.shared
    assert selection.marks.held.array is mask.data
    planes = selection.read()
    mask.data[:] = 1
    assert planes.hole.sum() == 1


def test_reading_can_be_ended_at_every_plane():
    calls = []

    def check():
        calls.append(None)
        if len(calls) == 5:
            raise Cancelled

    selection = Selection.of(missing_at(), labels((3, 6, 7), np.s_[1, 3, 3]), (1, 2))
    selection = Selection(**{**vars(selection), "missing": Missing()})
    with pytest.raises(Cancelled):
        selection.read(check)
    assert len(calls) == 5


def test_planes_are_worked_on_by_themselves_unless_a_fill_may_see_neighbours():
    """As Segment and guide does, for which adjacent planes are none."""
    image, mask = missing_at(), labels((3, 6, 7), np.s_[1:, 3, 3])
    planes = Selection.of(image, mask, (1, 2)).read()
    assert planes.plan is None
    assert planes.near is None
    with pytest.raises(ShapeError, match=r"slice 0: nothing known is left .* from\. Mask"):
        Selection.of(image, labels((3, 6, 7), np.s_[0]), (1, 2)).read()


@pytest.mark.parametrize(
    ("only", "backend", "near"),
    [
        (None, "auto", [(1,), (2,), (7,)]),
        ((1,), "auto", [(1,), (2,)]),
        (None, "telea", None),
        ((1,), "telea", None),
        ((2,), "telea", [(1,), (2,)]),
    ],
)
def test_marks_on_neighbours_are_taken_down_where_they_are_seen(only, backend, near):
    image = missing_at(shape=(9, 6, 7))
    mask = labels((9, 6, 7), np.s_[[1, 7], 3, 3])
    mask.data[2] = only == (2,)
    mask.data[2, 3, 3] = 1
    options = Options(backend=backend, axes="ZYX")
    planes = Selection.of(image, mask, (1, 2), only, options=options).read()
    assert list(planes.indices) == ([(1,), (2,), (7,)] if only is None else [only])
    assert planes.plan.axes.letters == "ZYX"
    assert (planes.near if planes.near is None else sorted(planes.near)) == near
