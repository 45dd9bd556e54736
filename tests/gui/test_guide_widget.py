"""Segment and guide through a real viewer: segment, repaint, fill, compare."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, Qt, QThreadPool
from superqt import QCollapsible

from napari_inpaint.backends import registry
from napari_inpaint.gui import messages
from napari_inpaint.gui.base_form import SLICE, STACK

HOLE = np.s_[20:30, 34:46]
DARK, BRIGHT = 51, 204
FIFTH = 51  # of full brightness: what a fill has for each number of a class


@pytest.fixture
def street() -> np.ndarray:
    """Dark on the left, bright on the right; (64, 80, 3) uint8."""
    image = np.full((64, 80, 3), DARK, np.uint8)
    image[:, 40:] = BRIGHT
    return image


def masked(viewer, widget, where=HOLE) -> Labels:
    widget.new_mask.native.click()
    mask = widget.mask.value
    paint(mask, where, 1)
    return mask


def paint(labels, where, number):
    marked = np.zeros(labels.data.shape, bool)
    marked[where] = True
    labels.data_setitem(np.nonzero(marked), number)


def pick(qtbot, widget, row):
    where = widget.picker.visualItemRect(widget.picker.item(row)).center()
    qtbot.mouseClick(widget.picker.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(where))


def names(viewer):
    return [layer.name for layer in viewer.layers]


# --- the way of a first-time user -----------------------------------------------------------


def test_widget_says_what_to_do_at_each_step(viewer, guide, click, qtbot, street):
    widget = guide()
    assert widget.hint.value == messages.NO_IMAGE
    assert not widget.segment.enabled
    viewer.add_image(street, name="street", rgb=True)
    assert widget.hint.value == messages.MASK_FIRST
    widget.new_mask.native.click()
    assert widget.hint.value == f"{messages.EMPTY} {messages.THEN_SEGMENT}"
    assert not widget.fill.enabled
    assert not widget.variants.enabled
    place = widget.segment.native.y()
    paint(widget.mask.value, HOLE, 1)
    qtbot.waitUntil(lambda: widget.hint.value == messages.SEGMENT, timeout=5000)
    assert widget.fill.tooltip == messages.NO_LABELS
    click(widget, widget.segment)
    assert widget.hint.value == messages.REPAINT
    assert widget.segment.native.y() == place
    paint(widget.class_map.value, HOLE, 2)
    qtbot.waitUntil(lambda: widget.hint.value == messages.FILL, timeout=5000)
    click(widget, widget.fill)
    assert widget.hint.value == messages.COMPARE
    assert not widget.mask.value.visible
    pick(qtbot, widget, 1)
    assert widget.class_map.value.visible
    paint(widget.mask.value, np.s_[:5, :5], 1)
    qtbot.waitUntil(lambda: widget.hint.value == messages.STALE, timeout=5000)


def test_widget_fits_into_a_narrow_dock(viewer, guide, street):
    widget = guide()
    viewer.add_image(street, rgb=True, name="a very long name of a picture " * 5)
    masked(viewer, widget)
    widget.show_position(3, 12)
    assert widget.native.minimumSizeHint().width() <= 320
    assert widget.native.sizeHint().height() <= 800
    widget.native.findChild(QCollapsible).expand(animate=False)
    assert widget.native.minimumSizeHint().width() <= 320
    assert widget.native.minimumSizeHint().height() <= 655  # a dock's on a screen of 720 px


def test_every_hint_fits_into_the_room_it_has(viewer, guide, street):
    widget = guide()
    image = viewer.add_image(street, rgb=True, name="a very long name of a picture " * 5)
    viewer.add_labels(np.ones((10, 12), np.uint8), name="a very long name of a mask " * 5)
    hints = [
        text for name, text in vars(messages).items() if name.isupper() and len(str(text)) > 20
    ]
    empty = (messages.EMPTY, messages.EMPTY_SHAPES, messages.EMPTY_POINTS)
    hints += [f"{each} {messages.THEN_SEGMENT}" for each in empty]
    hints += [widget.hint.value, messages.other_classes(image.name)]
    widget.mask.value.data = np.ones((64, 80), np.uint8)
    widget.mask.value.translate = (0, 9)
    widget.refresh()
    hints.append(widget.hint.value)
    assert "(10, 12)" in hints[-3]
    assert "lies elsewhere" in hints[-1]
    line = widget.hint.native
    for hint in hints:
        line.setText(hint)
        assert line.heightForWidth(270) <= line.height(), hint


def test_no_backend_that_can_is_said_in_words(viewer, street, monkeypatch):
    able = [info for info in registry.list_backends() if "guide" not in info.provides]
    monkeypatch.setattr(registry, "list_backends", lambda: able)
    viewer.add_image(street, rgb=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Segment and guide")
    assert widget.hint.value == messages.NO_GUIDE
    assert not widget.segment.enabled
    assert widget.backend.value is None


# --- Segment and the classes ----------------------------------------------------------------


def test_segment_names_what_is_seen_and_what_is_behind(viewer, guide, click, street, errors):
    viewer.add_image(street, name="street", rgb=True, scale=(2, 2))
    widget = guide()
    mask = masked(viewer, widget)
    click(widget, widget.segment)
    labels = widget.class_map.value
    expected = np.where(np.arange(80) < 40, 1, 2) * np.ones((64, 1), int)
    expected[HOLE] = 3
    np.testing.assert_array_equal(labels.data, expected)
    np.testing.assert_array_equal(labels.scale, (2, 2))
    assert names(viewer) == ["street", "street · labels", "street · mask"]
    assert mask.visible
    assert mask.contour == 1
    assert viewer.layers.selection.active is labels
    assert labels.metadata["napari_inpaint"]["backend"] == "scene"
    assert "Behind the mask: wall 100\u00a0%." in widget.status.value
    assert errors == []


def test_image_without_a_mask_is_segmented_as_it_is(viewer, guide, click, street):
    viewer.add_image(street, rgb=True)
    widget = guide()
    click(widget, widget.segment)
    assert np.unique(widget.class_map.value.data).tolist() == [1, 2]
    assert "Seen: dark 50\u00a0%, bright 50\u00a0%." in widget.status.value
    assert widget.hint.value == messages.MASK_NEXT
    assert not widget.fill.enabled


def test_class_is_picked_in_the_list_or_in_the_layer(viewer, guide, click, qtbot, street):
    viewer.add_image(street, rgb=True)
    widget = guide()
    masked(viewer, widget)
    assert not widget.picker.isEnabled()
    texts = [widget.picker.item(row).text() for row in range(widget.picker.count())]
    assert [text.split(None, 1) for text in texts] == [
        ["0", "you decide"],
        ["1", "dark"],
        ["2", "bright"],
        ["3", "wall"],
    ]
    click(widget, widget.segment)
    labels = widget.class_map.value
    viewer.layers.selection.active = widget.image.value
    labels.visible = False
    pick(qtbot, widget, 2)
    assert (labels.selected_label, labels.mode) == (2, "paint")
    assert labels.visible
    assert viewer.layers.selection.active is labels
    labels.mode = "fill"
    pick(qtbot, widget, 3)
    assert (labels.selected_label, labels.mode) == (3, "fill")
    pick(qtbot, widget, 0)
    assert labels.mode == "erase"
    labels.mode = "paint"
    assert widget.picker.currentRow() == 3
    labels.selected_label = 1
    assert widget.picker.currentRow() == 1
    labels.mode = "erase"
    assert widget.picker.currentRow() == 0


def test_what_was_painted_outlives_the_next_segment(viewer, guide, click, street):
    viewer.add_image(street, name="street", rgb=True)
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    first = widget.class_map.value
    paint(first, np.s_[22, 36:40], 2)
    click(widget, widget.segment)
    second = widget.class_map.value
    assert second is not first
    assert (first.data[22, 36:40] == 2).all()
    assert (second.data[HOLE] == 3).all()
    assert not first.visible
    first.undo()
    assert (first.data[HOLE] == 3).all()


# --- Fill from labels -----------------------------------------------------------------------


def test_fill_follows_what_was_painted_in_a_layer_named_after_it(viewer, guide, click, street):
    image = viewer.add_image(street.copy(), name="street", rgb=True, scale=(2, 2))
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    click(widget, widget.fill)
    labels = widget.class_map.value
    labels.visible = True
    paint(labels, np.s_[20:25, 34:46], 1)
    click(widget, widget.fill)
    click(widget, widget.fill)
    assert names(viewer) == [
        "street",
        "street · as segmented",
        "street · wall→dark",
        "street · wall→dark [1]",
        "street · labels",
        "street · mask",
    ]
    before, after = viewer.layers[1], viewer.layers[2]
    assert (before.data[HOLE] == 3 * FIFTH).all()
    assert (after.data[20:25, 34:46] == FIFTH).all()
    assert (after.data[25:30, 34:46] == 3 * FIFTH).all()
    known = np.ones((64, 80), bool)
    known[HOLE] = False
    np.testing.assert_array_equal(after.data[known], street[known])
    np.testing.assert_array_equal(image.data, street)
    assert after.rgb
    np.testing.assert_array_equal(after.scale, (2, 2))
    assert not labels.visible
    record = after.metadata["napari_inpaint"]
    np.testing.assert_array_equal(record["map"], labels.data)
    assert record["map"] is not labels.data
    assert record["classes"] == ["dark", "bright", "wall"]
    assert (record["labels"], record["mask"]) == ("street · labels", "street · mask")
    assert "New layer: “street · wall→dark [1]”." in widget.status.value


def test_what_is_rubbed_out_is_left_to_the_backend(viewer, guide, click, street):
    viewer.add_image(street, name="street", rgb=True)
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    paint(widget.class_map.value, HOLE, 0)
    click(widget, widget.fill)
    fill = viewer.layers["street · wall→you decide"]
    assert (fill.data[HOLE] == round((0.1 + 2 * 0.2 + 3 * 0.7) * FIFTH)).all()


def test_labels_of_ones_own_guide_a_fill(viewer, guide, click, street):
    viewer.add_image(street, name="street", rgb=True)
    widget = guide()
    masked(viewer, widget)
    own = viewer.add_labels(np.full((64, 80), 255), name="mine")
    own.data[HOLE] = 2
    widget.class_map.value = own
    click(widget, widget.fill)
    fill = viewer.layers["street · from mine"]
    assert (fill.data[HOLE] == 2 * FIFTH).all()


def test_ids_that_do_not_exist_are_reported_in_words(viewer, guide, click, street, errors):
    viewer.add_image(street, rgb=True)
    widget = guide()
    masked(viewer, widget)
    widget.class_map.value = viewer.add_labels(np.full((64, 80), 7))
    click(widget, widget.fill)
    assert len(errors) == 1
    assert "7" in errors[0]
    assert "1 = dark" in errors[0]
    assert widget.status.value == errors[0]
    assert len(viewer.layers) == 3


@pytest.mark.parametrize(
    ("shape", "placed", "said"),
    [
        ((10, 12), {}, "(10, 12)"),
        ((64, 80), {"scale": (2, 2)}, "lies elsewhere"),
        ((64, 80), {"translate": (0, 9)}, "lies elsewhere"),
    ],
)
def test_labels_that_do_not_lie_on_the_image_are_refused(
    viewer, guide, street, shape, placed, said
):
    viewer.add_image(street, rgb=True)
    widget = guide()
    masked(viewer, widget)
    widget.class_map.value = viewer.add_labels(np.ones(shape, np.uint8), **placed)
    widget.refresh()
    assert said in widget.hint.value
    assert widget.hint.value == widget.fill.tooltip
    assert not widget.fill.enabled
    assert widget.segment.enabled
    widget.class_map.value = widget.mask.value
    assert widget.hint.value == messages.SAME_LAYER
    assert not widget.fill.enabled


def test_map_of_another_backend_is_refused(viewer, guide, click, street):
    viewer.add_image(street, rgb=True)
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    widget.backend.value = "cells"
    assert "other classes" in widget.hint.value
    assert not widget.fill.enabled
    assert not widget.picker.isEnabled()
    assert not widget.reliability.native.isVisibleTo(widget.native)
    assert widget.split.native.isVisibleTo(widget.native)
    widget.backend.value = "scene"
    assert widget.fill.enabled
    assert widget.reliability.native.isVisibleTo(widget.native)
    assert not widget.split.native.isVisibleTo(widget.native)


def test_missing_values_are_guided_without_a_mask(viewer, guide, click):
    image = np.zeros((64, 80), np.float32)
    image[:, 40:] = 1
    image[HOLE] = np.nan
    viewer.add_image(image, name="torn")
    widget = guide()
    assert widget.hint.value == messages.SEGMENT
    click(widget, widget.segment)
    labels = widget.class_map.value
    assert (labels.data[HOLE] == 3).all()
    assert widget.hint.value == messages.REPAINT
    click(widget, widget.fill)
    fill = viewer.layers["torn · as segmented"]
    np.testing.assert_allclose(fill.data[HOLE], 0.6, atol=1e-3)
    assert fill.metadata["napari_inpaint"]["mask"] is None
    widget.fill_missing.value = "masked"
    assert widget.hint.value == messages.MASK_NEXT
    assert not widget.fill.enabled


def test_alpha_of_a_picture_is_kept(viewer, guide, click, street):
    alpha = np.arange(64 * 80, dtype=np.uint8).reshape(64, 80, 1)
    viewer.add_image(np.concatenate([street, alpha], axis=-1), name="street", rgb=True)
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    click(widget, widget.fill)
    fill = viewer.layers["street · as segmented"].data
    np.testing.assert_array_equal(fill[..., 3:], alpha)
    assert (fill[HOLE][..., :3] == 3 * FIFTH).all()
    click(widget, widget.reliability)
    assert viewer.layers["street · reliability"].data.shape == (64, 80)


# --- reliability, variants, instances -------------------------------------------------------


def test_reliability_is_shown_and_said_of_the_hole(viewer, guide, click, street):
    viewer.add_image(street, name="street", rgb=True, scale=(2, 2))
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.reliability)
    layer = viewer.layers["street · reliability"]
    expected = np.ones((64, 80), np.float32)
    expected[20:30, 34:40] = 0.25
    expected[20:30, 40:46] = 0.75
    np.testing.assert_allclose(layer.data, expected, atol=1e-6)
    assert tuple(layer.contrast_limits) == (0, 1)
    np.testing.assert_array_equal(layer.scale, (2, 2))
    assert widget.status.value == "50\u00a0% of the hole is unreliable, says scene."
    assert "0.5" in widget.reliability.tooltip
    click(widget, widget.reliability)
    assert names(viewer).count("street · reliability") == 1
    click(widget, widget.segment)
    assert not layer.visible


def test_variants_are_flipped_through_and_one_is_kept(viewer, guide, click, street):
    viewer.add_image(street, name="street", rgb=True)
    widget = guide()
    masked(viewer, widget)
    assert not widget.keep.native.isVisibleTo(widget.native)
    click(widget, widget.variants)
    variants = [layer for layer in viewer.layers if "variant" in layer.name]
    assert [layer.name for layer in variants] == [f"street · variant {n}" for n in (1, 2, 3, 4)]
    assert (variants[0].data[HOLE] == 3 * FIFTH).all()
    fills = {layer.data[HOLE].tobytes() for layer in variants}
    assert len(fills) == 4
    for layer in variants:
        label = layer.metadata["napari_inpaint"]["map"]
        np.testing.assert_array_equal(layer.data[HOLE][..., 0], label[HOLE] * FIFTH)
        np.testing.assert_array_equal(layer.data[:, :34], street[:, :34])
    assert widget.position.value == "1 of 4"
    widget.following.native.click()
    assert [layer.visible for layer in variants] == [False, True, False, False]
    assert widget.position.value == "2 of 4"
    widget.keep.native.click()
    assert [each for each in names(viewer) if "variant" in each] == ["street · variant 2"]
    assert not widget.keep.native.isVisibleTo(widget.native)
    click(widget, widget.variants)
    more = [layer for layer in viewer.layers if "variant" in layer.name]
    assert [layer.name for layer in more][1:] == [f"street · variant {n}" for n in (5, 6, 7, 8)]
    seeds = [layer.metadata["napari_inpaint"]["options"]["seed"] for layer in more]
    assert seeds == [0, 4, 4, 4, 4]
    widget.drop.native.click()
    assert [each for each in names(viewer) if "variant" in each] == ["street · variant 2"]


def test_objects_are_split_into_a_layer_of_their_own(viewer, guide, click):
    image = np.zeros((64, 80), np.uint8)
    image[:, 40] = 255
    viewer.add_image(image, name="nuclei")
    widget = guide("cells")
    click(widget, widget.segment)
    labels = widget.class_map.value
    labels.data[:] = 1
    for left in (10, 50):
        labels.data[20:40, left : left + 20] = 3
        labels.data[22:38, left + 2 : left + 18] = 2
    click(widget, widget.split)
    instances = viewer.layers["nuclei · instances"]
    assert isinstance(instances, Labels)
    assert np.unique(instances.data).tolist() == [0, 1, 2]
    assert (instances.data > 0).sum() == 2 * 20 * 20
    assert widget.status.value == "2 objects, in the new layer “nuclei · instances”."


# --- stacks and pyramids --------------------------------------------------------------------


def test_slices_are_segmented_and_filled_one_by_one_or_all(viewer, guide, click, street):
    viewer.add_image(np.stack([street] * 3), name="film", rgb=True, scale=(9, 1, 1))
    widget = guide()
    masked(viewer, widget, (slice(None), *HOLE))
    widget.what.value = SLICE
    viewer.dims.set_point(0, 9)
    click(widget, widget.segment)
    labels = widget.class_map.value
    assert [int(plane.max()) for plane in labels.data] == [0, 3, 0]
    click(widget, widget.fill)
    fill = viewer.layers["film · as segmented"].data
    assert [(plane[HOLE] == 3 * FIFTH).all() for plane in fill] == [False, True, False]
    widget.what.value = STACK
    click(widget, widget.segment)
    assert widget.class_map.value is labels
    assert (labels.data[:, *HOLE] == 3).all()
    widget.mask.value.contour = 0  # napari warns that it shows no contours in 3D
    viewer.dims.ndisplay = 3
    widget.what.value = SLICE
    widget.refresh()
    assert widget.hint.value == messages.NO_SLICE
    assert not widget.segment.enabled


def test_pyramid_is_segmented_at_its_finest_level(viewer, guide, click, street):
    viewer.add_image([street, street[::2, ::2]], name="big", rgb=True, multiscale=True)
    widget = guide()
    masked(viewer, widget)
    click(widget, widget.segment)
    labels = widget.class_map.value
    assert labels.data.shape == (64, 80)
    assert labels.editable
    click(widget, widget.fill)
    assert (viewer.layers["big · as segmented"].data[HOLE] == 3 * FIFTH).all()


# --- running, cancelling, failing -----------------------------------------------------------


def slow_run(viewer, widget, slow, qtbot, street):
    """Start to segment three slices, and return once the first is being looked at."""
    viewer.add_image(np.stack([street] * 3), rgb=True)
    masked(viewer, widget, (slice(None), *HOLE))
    widget.batch_size.value = 1
    widget.refresh()
    widget.segment.native.click()
    qtbot.waitUntil(lambda: slow.calls == 1, timeout=30_000)


def test_cancel_leaves_no_layer(viewer, guide, scenes, qtbot, street, errors):
    widget = guide("slow-scene")
    slow_run(viewer, widget, scenes, qtbot, street)
    assert not widget.segment.enabled
    assert not widget.variants.enabled
    widget.cancel.native.click()
    scenes.tickets.release()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert (len(viewer.layers), scenes.calls) == (2, 1)
    assert widget.status.value == "Cancelled. Nothing was changed."
    assert widget.segment.enabled
    assert errors == []


def test_removing_the_image_during_a_run_is_no_error(viewer, guide, scenes, qtbot, street, errors):
    widget = guide("slow-scene")
    slow_run(viewer, widget, scenes, qtbot, street)
    viewer.layers.clear()
    scenes.tickets.release(3)
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 0
    assert "closed" in widget.status.value
    assert errors == []


def test_closing_the_viewer_ends_the_run(viewer, guide, scenes, qtbot, street, errors):
    widget = guide("slow-scene")
    slow_run(viewer, widget, scenes, qtbot, street)
    viewer.close()
    scenes.tickets.release(3)
    assert QThreadPool.globalInstance().waitForDone(30_000)
    qtbot.wait(50)
    assert scenes.calls == 1
    assert errors == []


def test_backend_that_fails_is_reported_in_words(viewer, guide, scenes, qtbot, street, errors):
    widget = guide("slow-scene")
    scenes.error = ZeroDivisionError("no luck")
    slow_run(viewer, widget, scenes, qtbot, street)
    scenes.tickets.release(3)
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 2
    assert len(errors) == 1
    assert "no luck" in errors[0]
    assert "Traceback" not in errors[0]
    assert widget.status.value == errors[0]
