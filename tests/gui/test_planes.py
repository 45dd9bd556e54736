"""The planes that are filled: chosen, read, and pasted back; no window needed."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui.kinds import Missing
from napari_inpaint.gui.planes import shown_plane
from napari_inpaint.gui.selection import MARGIN, Selection


def select_planes(image, mask, axes, only=None, missing=Missing()):  # noqa: B008
    """Choose planes as a run does: those with a hole, or all without a mask."""
    selection = Selection.of(image, mask, axes, only, missing=missing, needs_hole=mask is not None)
    return selection.read()


def labels(shape, where) -> Labels:
    data = np.zeros(shape, np.uint8)
    data[where] = 3
    return Labels(data)


def filled_with(planes, value):
    """Return the planes as a fill would, with a value where the hole is."""
    read = planes.read()
    read[planes.hole] = value
    return read


def test_planes_with_a_hole_are_chosen_and_pasted_back():
    image = Image(np.arange(4 * 6 * 7.0).reshape(4, 6, 7))
    mask = labels((4, 6, 7), np.s_[1:3, 2:4, 2:4])
    planes = select_planes(image, mask, (1, 2))
    assert list(planes.indices) == [(1,), (2,)]
    pasted = planes.paste(filled_with(planes, -1), image.data)
    expected = image.data.copy()
    expected[1:3, 2:4, 2:4] = -1
    np.testing.assert_array_equal(pasted, expected)
    assert image.data[1, 2, 2] > 0


def test_one_plane_is_pasted_onto_what_was_filled_before():
    image = Image(np.zeros((4, 6, 7)))
    mask = labels((4, 6, 7), np.s_[:, 2:4, 2:4])
    planes = select_planes(image, mask, (1, 2), only=(3,))
    before = np.full((4, 6, 7), 5.0)
    pasted = planes.paste(filled_with(planes, -1), before)
    assert (pasted[:3] == 5).all()
    assert (pasted[3, 2:4, 2:4] == -1).all()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("axes", [(0, 1), (0, 3), (2, 3), (1, 2)])
def test_planes_may_lie_in_any_two_axes(axes, lazy):
    shape = (4, 5, 6, 7)
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1).repeat(3, axis=-1)
    image = Image(da.from_array(data, chunks=(2, 2, 4, 3, 3)) if lazy else data, rgb=True)
    where = np.s_[1:3, 2, 3, 4:6]
    planes = select_planes(image, labels(shape, where), axes)
    assert planes.read().shape[-1] == 3
    pasted = np.asarray(planes.paste(filled_with(planes, -1), image.data))
    expected = data.copy()
    expected[where] = -1
    np.testing.assert_array_equal(pasted, expected)


def test_painting_after_the_choice_changes_nothing():
    image, mask = Image(np.zeros((6, 7))), labels((6, 7), np.s_[2:4, 2:4])
    selection = Selection.of(image, mask, (0, 1))
    mask.data[:] = 1
    planes = selection.read()
    assert planes.hole.sum() == 4


def test_lazy_image_is_read_only_around_the_hole():
    read = set()

    def block(block_info=None):
        read.add(block_info[None]["chunk-location"])
        return np.full((1, 300, 300), block_info[None]["chunk-location"][0], np.uint16)

    array = da.map_blocks(block, chunks=((1,) * 9, (300,) * 5, (300,) * 5), dtype=np.uint16)
    image = Image(array, contrast_limits=(0, 9))
    planes = select_planes(image, labels(array.shape, np.s_[7, 10:20, 10:20]), (1, 2))
    read.clear()
    assert planes.read().shape == (1, 20 + MARGIN, 20 + MARGIN)
    assert read == {(7, y, x) for y in range(2) for x in range(2)}
    pasted = planes.paste(filled_with(planes, 50), array)
    assert isinstance(pasted, da.Array)
    read.clear()
    assert int(pasted[7, 12, 12].compute()) == 50
    assert int(pasted[7, 1400, 1400].compute()) == 7
    assert int(pasted[2, 12, 12].compute()) == 2


def test_not_finite_pixels_are_holes_without_a_mask():
    data = np.zeros((3, 6, 7))
    data[2, 1, 1] = np.nan
    planes = select_planes(Image(data), labels((3, 6, 7), np.s_[0, 3, 3]), (1, 2))
    assert list(planes.indices) == [(0,), (2,)]


def test_empty_mask_is_an_error():
    image, mask = Image(np.zeros((3, 6, 7))), labels((3, 6, 7), np.s_[0, 3, 3])
    with pytest.raises(InpaintError, match="empty on this slice"):
        select_planes(image, mask, (1, 2), only=(1,))
    mask.data[:] = 0
    with pytest.raises(InpaintError, match=r"is empty\. Paint"):
        select_planes(image, mask, (1, 2))


def test_mask_that_covers_a_slice_is_an_error_that_names_it():
    image, mask = Image(np.zeros((3, 6, 7))), labels((3, 6, 7), np.s_[2])
    with pytest.raises(InpaintError, match="whole image at slice 2"):
        select_planes(image, mask, (1, 2))


def test_shown_plane_follows_sliders_and_order():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((5, 6, 7)), scale=(10, 1, 1), translate=(100, 0, 0))
    viewer.dims.set_point(0, 130)
    assert shown_plane(viewer.dims, image) == ((1, 2), (3,))
    viewer.dims.order = (0, 2, 1)
    assert shown_plane(viewer.dims, image) == ((1, 2), (3,))
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_point(2, 4)
    assert shown_plane(viewer.dims, image) == ((0, 1), (4,))
    viewer.dims.ndisplay = 3
    assert shown_plane(viewer.dims, image) == ((1, 2), None)


def test_shown_plane_of_an_image_with_fewer_axes_than_the_viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 5, 6, 7)))
    stack = viewer.add_image(np.zeros((5, 6, 7)))
    flat = viewer.add_image(np.zeros((6, 7)))
    viewer.dims.set_point(1, 2)
    assert shown_plane(viewer.dims, stack) == ((1, 2), (2,))
    assert shown_plane(viewer.dims, flat) == ((0, 1), ())


def test_without_a_mask_every_plane_is_taken_and_nothing_is_hole():
    image = Image(np.arange(3 * 6 * 7.0).reshape(3, 6, 7))
    planes = select_planes(image, None, (1, 2))
    assert list(planes.indices) == [(0,), (1,), (2,)]
    assert planes.hole.shape == (3, 6, 7)
    assert not planes.hole.any()
    assert list(select_planes(image, None, (1, 2), only=(2,)).indices) == [(2,)]


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_planes_of_another_array_are_cut_as_a_copy_and_written_back(axes):
    image = Image(np.zeros((4, 5, 6)))
    planes = select_planes(image, labels((4, 5, 6), np.s_[1, 2, 3]), axes)
    other = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    cut = planes.cut(other)
    np.testing.assert_array_equal(cut[0], other[planes_index(axes)])
    cut += 1000
    assert other.max() < 1000
    planes.write(cut, other)
    assert (other >= 1000).sum() == cut.size


def planes_index(axes):
    """Return the index of the plane through (1, 2, 3) that lies in these axes."""
    return tuple(slice(None) if axis in axes else axis + 1 for axis in range(3))
