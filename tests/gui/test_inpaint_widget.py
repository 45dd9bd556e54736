"""The Inpaint widget through a real viewer: paint, press, look at the layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import torch
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Qt, QThreadPool

from napari_inpaint.arrays import masks
from napari_inpaint.backends import artifacts, registry
from napari_inpaint.backends.auto import choose_backend
from napari_inpaint.backends.scores import comparisons
from napari_inpaint.fill.inpaint import JURY, THIN
from napari_inpaint.gui import messages, worker
from napari_inpaint.gui.backend_field import OPEN_FILE
from napari_inpaint.gui.base_form import SLICE, STACK
from napari_inpaint.gui.inpaint_widget import InpaintWidget

HOLE = (slice(20, 30), slice(30, 44))


def result_in(viewer) -> Image:
    (result,) = [layer for layer in viewer.layers if "inpainted" in layer.name]
    return result


def painted(viewer, widget, where=HOLE) -> Labels:
    widget.new_mask.native.click()
    mask = widget.mask.value
    mask.data_setitem(np.nonzero(_marked(mask.data.shape, where)), 1)
    return mask


def _marked(shape, where):
    marked = np.zeros(shape, bool)
    marked[where] = True
    return marked


# --- the way of a first-time user -----------------------------------------------------------


def test_widget_says_what_to_do_at_each_step(viewer, dock, qtbot, ramp):
    widget = dock()
    assert "Open an image" in widget.hint.value
    assert not widget.inpaint.enabled
    assert not widget.new_mask.enabled
    viewer.add_image(ramp)
    assert widget.hint.value == messages.NO_MASK
    widget.new_mask.native.click()
    assert widget.hint.value == messages.EMPTY
    assert not widget.inpaint.enabled
    assert widget.inpaint.tooltip == messages.EMPTY
    widget.mask.value.paint((25, 35), 1)
    qtbot.waitUntil(lambda: widget.inpaint.enabled, timeout=5000)
    assert widget.hint.value == messages.READY


def test_fill_appears_above_the_image_and_known_pixels_stay(viewer, dock, press, ramp):
    image = ramp.copy()
    image[HOLE] = 10_000
    viewer.add_image(image, name="ramp")
    widget = dock()
    mask = painted(viewer, widget)
    press(widget)
    result = result_in(viewer)
    assert [layer.name for layer in viewer.layers] == ["ramp", "ramp · inpainted", "ramp · mask"]
    known = ~_marked(ramp.shape, HOLE)
    np.testing.assert_array_equal(result.data[known], image[known])
    np.testing.assert_allclose(result.data[HOLE], ramp[HOLE], atol=15)
    assert result.data.dtype == np.float32
    assert (viewer.layers["ramp"].data[HOLE] == 10_000).all()
    assert mask.data.sum() == 140
    assert widget.status.value.startswith("Filled 140 px in 1 hole with telea on the CPU in ")


def test_mask_is_hidden_after_the_fill_and_comes_back_to_paint(viewer, dock, press, ramp):
    viewer.add_image(ramp)
    widget = dock()
    mask = painted(viewer, widget)
    press(widget)
    assert not mask.visible
    assert widget.hint.value == messages.AGAIN
    widget.edit_mask.native.click()
    assert mask.visible
    assert mask.mode == "paint"
    assert viewer.layers.selection.active is mask


# --- what the result carries ----------------------------------------------------------------


def test_provenance_names_what_auto_stood_for(viewer, dock, press):
    photo = np.random.default_rng(1).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    viewer.add_image(photo, rgb=True)
    widget = dock()
    widget.backend.value = "auto"
    painted(viewer, widget)
    press(widget)
    chosen = choose_backend(3)
    assert result_in(viewer).metadata["napari_inpaint"]["backend"] == chosen
    assert f"with {chosen} on" in widget.status.value


def test_status_names_the_candidates_that_were_weighed(viewer, dock, press, ramp):
    viewer.add_image(ramp + np.random.default_rng(1).normal(0, 5, ramp.shape).astype(np.float32))
    widget = dock()
    widget.backend.value = "auto"
    painted(viewer, widget)
    press(widget)
    record = result_in(viewer).metadata["napari_inpaint"]
    assert record["backend"] == JURY
    assert f"in 1 hole {messages.sources(record['shares'])} on the CPU" in widget.status.value
    assert f"with {next(iter(record['shares']))}" in widget.status.value


def test_status_names_what_filled_where_that_is_not_the_backend(viewer, dock, press, ramp):
    """Thin holes need no backend, and where it was not asked, it is not named."""
    viewer.add_image(ramp)
    widget = dock()
    widget.backend.value = "auto"
    painted(viewer, widget, np.s_[20, 30])
    press(widget)
    record = result_in(viewer).metadata["napari_inpaint"]
    assert record["backend"] == THIN
    assert f"with {THIN} on the CPU" in widget.status.value


def test_provenance_records_how_the_fill_was_made(viewer, dock, press, ramp):
    viewer.add_image(ramp, name="ramp")
    widget = dock()
    painted(viewer, widget)
    widget.dilate.value = 3
    press(widget)
    record = result_in(viewer).metadata["napari_inpaint"]
    assert record["backend"] == "telea"
    assert record["artifact"] is None
    assert record["device"] == "cpu"
    assert record["image"] == "ramp"
    assert record["mask"] == "ramp · mask"
    assert record["options"]["dilate"] == 3
    assert record["time"].endswith("+00:00")
    json.dumps(record)


def test_count_is_that_of_the_pixels_that_were_filled(viewer, dock, press, ramp):
    """What is missing grows with the mask, and is counted with it."""
    missing = ramp.copy()
    missing[40, 60] = np.nan
    viewer.add_image(missing)
    widget = dock()
    painted(viewer, widget, np.s_[10:20, 10:20])
    widget.dilate.value = 2
    press(widget)
    filled = result_in(viewer).data
    hole = masks.dilate(_marked(ramp.shape, np.s_[10:20, 10:20]) | np.isnan(missing), 2)
    assert hole.sum() == 197
    assert np.isfinite(filled).all()
    assert ((filled != missing) <= hole).all()
    assert widget.status.value.startswith("Filled 197 px in 2 holes with telea on the CPU in ")


def test_second_run_updates_the_result(viewer, dock, press, ramp):
    viewer.add_image(ramp)
    widget = dock()
    painted(viewer, widget)
    press(widget)
    first = result_in(viewer)
    first.contrast_limits = (3, 33)
    before = first.data.copy()
    widget.mask.value.data_setitem(np.nonzero(_marked(ramp.shape, np.s_[50:60, 60:70])), 1)
    widget.dilate.value = 1
    press(widget)
    assert result_in(viewer) is first
    assert not np.array_equal(first.data, before)
    assert first.contrast_limits == [3, 33]
    assert first.metadata["napari_inpaint"]["options"]["dilate"] == 1


def test_additive_image_is_hidden_beneath_its_fill(viewer, dock, press, ramp):
    image = viewer.add_image(ramp, blending="additive")
    widget = dock()
    painted(viewer, widget)
    press(widget)
    assert not image.visible
    assert result_in(viewer).visible
    assert "is hidden" in widget.status.value


# --- images and masks of every kind ---------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_image_is_filled_as_colour(viewer, dock, press, channels):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (40, 50, channels), dtype=np.uint8)
    viewer.add_image(image, rgb=True)
    widget = dock()
    mask = painted(viewer, widget, np.s_[10:20, 10:20])
    assert mask.data.shape == (40, 50)
    press(widget)
    result = result_in(viewer)
    assert result.rgb
    assert result.data.shape == image.shape
    assert (result.data[10:20, 10:20, :3] != image[10:20, 10:20, :3]).any()
    np.testing.assert_array_equal(result.data[..., 3:], image[..., 3:])


def test_alpha_of_a_lazy_stack_is_kept(viewer, dock, press):
    image = np.random.default_rng(1).integers(0, 255, (3, 40, 50, 4), dtype=np.uint8)
    viewer.add_image(da.from_array(image, chunks=(1, 20, 50, 2)), rgb=True, name="film")
    widget = dock()
    assert widget.backend.native.itemText(0) == f"auto ({choose_backend(3)})"
    painted(viewer, widget, np.s_[1, 10:20, 10:20])
    press(widget)
    data = result_in(viewer).data.compute()
    np.testing.assert_array_equal(data[..., 3], image[..., 3])
    np.testing.assert_array_equal(data[[0, 2]], image[[0, 2]])
    assert (data[1, 10:20, 10:20, :3] != image[1, 10:20, 10:20, :3]).any()


def test_whole_stack_fills_every_painted_slice(viewer, dock, press, ramp):
    image = np.stack([ramp] * 4)
    image[:, *HOLE] = -1
    viewer.add_image(image)
    widget = dock()
    painted(viewer, widget, (slice(1, 3), *HOLE))
    assert widget.what.visible or widget.what.native.isVisibleTo(widget.native)
    widget.what.value = STACK
    press(widget)
    data = result_in(viewer).data
    assert (data[0][HOLE] == -1).all()
    assert (data[3][HOLE] == -1).all()
    assert (data[1:3, *HOLE] > 0).all()


def test_this_slice_adds_to_the_slices_filled_before(viewer, dock, press, ramp):
    image = np.stack([ramp] * 4)
    image[:, *HOLE] = -1
    viewer.add_image(image, scale=(10, 1, 1))
    widget = dock()
    painted(viewer, widget, (slice(None), *HOLE))
    widget.what.value = SLICE
    viewer.dims.set_point(0, 10)
    press(widget)
    data = result_in(viewer).data
    assert [(data[z][HOLE] > 0).all() for z in range(4)] == [False, True, False, False]
    viewer.dims.set_point(0, 30)
    press(widget)
    data = result_in(viewer).data
    assert [(data[z][HOLE] > 0).all() for z in range(4)] == [False, True, False, True]
    record = result_in(viewer).metadata["napari_inpaint"]
    assert (record["slice"], record["earlier"]["slice"]) == ([3], [1])


def test_slice_cannot_be_filled_in_the_3d_view(viewer, dock, ramp):
    viewer.add_image(np.stack([ramp] * 3))
    widget = dock()
    painted(viewer, widget, (slice(None), *HOLE))
    widget.what.value = SLICE
    viewer.dims.ndisplay = 3
    widget.refresh()
    assert not widget.inpaint.enabled
    assert widget.hint.value == messages.NO_SLICE


def test_mask_of_another_shape_is_refused_with_both_shapes(viewer, dock, ramp):
    viewer.add_image(ramp, name="ramp")
    viewer.add_labels(np.ones((10, 12), np.uint8), name="small")
    widget = dock()
    assert not widget.inpaint.enabled
    assert "(10, 12)" in widget.hint.value
    assert "(64, 80)" in widget.hint.value


def test_shapes_drawn_over_a_scaled_image_fill_what_they_cover(viewer, dock, press, ramp):
    image = ramp.copy()
    image[HOLE] = -1
    viewer.add_image(image, scale=(0.5, 0.5), translate=(100, 200))
    corners = np.array([[20, 30], [20, 43], [29, 43], [29, 30]]) * 0.5 + (100, 200)
    viewer.add_shapes([corners], shape_type="rectangle")
    widget = dock()
    assert isinstance(widget.mask.value, Shapes)
    press(widget)
    data = result_in(viewer).data
    assert (data[HOLE] > 0).all()
    assert (data != image).sum() == 140


def test_points_fill_discs_of_their_own_size(viewer, dock, press, ramp):
    image = ramp.copy()
    y, x = np.indices(ramp.shape)
    discs = (np.hypot(y - 20, x - 30) <= 3) | (np.hypot(y - 45, x - 60) <= 5.5)
    image[discs] = 5000
    viewer.add_image(image)
    widget = dock()
    points = viewer.add_points(ndim=2)
    assert widget.mask.value is None  # points are seldom meant to be filled
    widget.mask.value = points
    assert widget.hint.value == messages.EMPTY_POINTS
    assert "point size" in widget.hint.value
    assert not widget.inpaint.enabled
    points.add([[20, 30], [45, 60]])
    points.size = [6, 11]
    widget.refresh()
    assert widget.hint.value == messages.READY_POINTS
    press(widget)
    data = result_in(viewer).data
    np.testing.assert_allclose(data[discs], ramp[discs], atol=15)
    np.testing.assert_array_equal(data[~discs], image[~discs])
    assert not points.visible
    widget.edit_mask.native.click()
    assert points.visible
    assert points.mode == "add"


def test_hint_speaks_of_what_the_mask_is_made_of(viewer, dock, qtbot, ramp):
    viewer.add_image(ramp)
    widget = dock()
    shapes = viewer.add_shapes(ndim=2)
    assert widget.mask.value is shapes
    assert widget.hint.value == messages.EMPTY_SHAPES
    assert "brush" not in widget.hint.value
    shapes.add_rectangles([[20, 30], [29, 43]])
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    widget.mask.value = viewer.add_labels(np.zeros((64, 80), int))
    assert widget.hint.value == messages.EMPTY


def test_no_mask_can_be_chosen_and_stays_so(viewer, dock, ramp):
    viewer.add_image(ramp)
    first = viewer.add_labels(np.zeros((64, 80), int))
    widget = dock()
    assert widget.mask.value is first
    widget.mask.value = None
    assert widget.hint.value == messages.NO_MASK
    assert not widget.edit_mask.enabled
    second = viewer.add_labels(np.zeros((64, 80), int))
    assert widget.mask.value is None
    widget.mask.value = second
    viewer.layers.remove(second)
    assert widget.mask.value is first


def test_renamed_and_removed_layers_are_followed(viewer, dock, ramp):
    first = viewer.add_image(ramp, name="a")
    second = viewer.add_image(ramp, name="b")
    widget = dock()
    widget.image.value = second
    second.name = "z"
    assert widget.image.value is second
    viewer.layers.remove(second)
    assert widget.image.value is first
    viewer.layers.clear()
    assert widget.image.value is None
    assert widget.hint.value == messages.NO_IMAGE


# --- missing values -------------------------------------------------------------------------


@pytest.fixture
def torn(ramp) -> np.ndarray:
    """The ramp on three slices, with NaN on the last."""
    torn = np.stack([ramp] * 3)
    torn[2, *HOLE] = np.nan
    return torn


def test_missing_values_are_filled_without_a_mask(viewer, dock, press, ramp, torn):
    viewer.add_image(torn)
    widget = dock()
    assert widget.hint.value == messages.READY_MISSING
    press(widget)
    result = result_in(viewer)
    np.testing.assert_allclose(result.data[2][HOLE], ramp[HOLE], atol=15)
    np.testing.assert_array_equal(result.data[:2], torn[:2])
    assert widget.status.value.startswith("Filled 140 px in 1 hole on 1 slice")
    record = result.metadata["napari_inpaint"]
    assert record["mask"] is None
    assert record["options"]["fill_missing"] == "all"
    json.dumps(record)


def test_missing_values_are_filled_beside_an_empty_mask_or_with_a_painted_one(
    viewer, dock, press, torn
):
    viewer.add_image(torn)
    widget = dock()
    widget.new_mask.native.click()
    assert widget.hint.value == messages.READY_MISSING
    widget.mask.value.data_setitem(np.nonzero(_marked(torn.shape, (0, *HOLE))), 1)
    widget.refresh()
    assert widget.hint.value == messages.READY_BOTH
    press(widget)
    assert widget.status.value.startswith("Filled 280 px in 2 holes on 2 slices")
    assert result_in(viewer).metadata["napari_inpaint"]["mask"] == "torn · mask"


def test_missing_values_may_be_left_where_nothing_is_masked(viewer, dock, press, torn):
    viewer.add_image(torn)
    widget = dock()
    widget.fill_missing.value = "masked"
    assert widget.hint.value == messages.NO_MASK
    painted(viewer, widget, (slice(2, 3), slice(20, 30), slice(30, 37)))
    press(widget)
    data = result_in(viewer).data
    assert np.isfinite(data[2, 20:30, 30:37]).all()
    assert np.isnan(data[2, 20:30, 37:44]).all()


def test_values_that_mean_missing_are_written_in_the_form(viewer, dock, press, ramp):
    image = ramp.astype(np.int16)
    image[HOLE] = -9999
    image[50:55, 60:65] = 32767
    viewer.add_image(image)
    widget = dock()
    assert widget.hint.value == messages.NO_MASK
    widget.missing.value = "−9999, 32767"
    assert widget.hint.value == messages.READY_MISSING
    press(widget)
    data = result_in(viewer).data
    assert (data >= 0).all()
    assert data.max() < 300
    options = result_in(viewer).metadata["napari_inpaint"]["options"]
    assert options["missing"] == [-9999, 32767]


@pytest.mark.parametrize(
    ("text", "values"),
    [("", ()), (" ", ()), ("0, 65535", (0, 65535)), ("-1e4;3", (-1e4, 3)), ("nan -1", (-1,))],
)
def test_values_are_read_however_they_are_set_apart(dock, text, values):
    widget = dock()
    widget.missing.value = text
    assert widget.missing_problem is None
    assert widget.missing_values == values


def test_text_that_is_no_number_is_named(viewer, dock, ramp):
    viewer.add_image(ramp)
    widget = dock()
    painted(viewer, widget)
    widget.missing.value = "0, none"
    assert not widget.inpaint.enabled
    assert "“none”" in widget.hint.value
    widget.missing.value = "0"
    assert widget.inpaint.enabled


def test_value_that_the_image_cannot_hold_is_named(viewer, dock, ramp):
    viewer.add_image(ramp.astype(np.uint8))
    widget = dock()
    painted(viewer, widget)
    widget.missing.value = "-9999"
    assert not widget.inpaint.enabled
    assert "-9999" in widget.hint.value
    assert "uint8" in widget.hint.value


def test_lazy_image_is_read_for_its_missing_values_when_it_is_filled(
    viewer, dock, press, qtbot, torn
):
    viewer.add_image(da.from_array(torn, chunks=(1, 64, 80)), contrast_limits=(0, 300))
    widget = dock()
    qtbot.waitUntil(lambda: widget.hint.value == messages.NO_MASK, timeout=5000)
    viewer.dims.set_point(0, 2)
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY_MISSING, timeout=5000)
    viewer.dims.set_point(0, 0)
    widget.missing.value = "-5"
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY_SEEKING, timeout=5000)
    press(widget)
    assert np.isfinite(result_in(viewer).data[2].compute()).all()


# --- running, cancelling, failing -----------------------------------------------------------


def slow_run(viewer, widget, gate, qtbot):
    """Start a run of three batches, and return once the first is being filled."""
    viewer.add_image(np.random.default_rng(3).random((3, 64, 80)).astype(np.float32))
    painted(viewer, widget, (slice(None), *HOLE))
    widget.backend.value = "gate"
    widget.batch_size.value = 1
    widget.refresh()
    widget.inpaint.native.click()
    qtbot.waitUntil(lambda: gate.calls == 1, timeout=30_000)


def test_cancel_leaves_no_layer(viewer, dock, gate, qtbot, errors):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    assert not widget.inpaint.enabled
    assert widget.cancel.enabled
    widget.cancel.native.click()
    gate.tickets.release()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 2
    assert gate.calls == 1
    assert widget.status.value == "Cancelled. Nothing was changed."
    assert widget.inpaint.enabled
    assert not widget.cancel.enabled
    assert errors == []


def test_painting_during_a_run_changes_nothing(viewer, dock, gate, qtbot):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    widget.mask.value.data[:] = 1
    gate.tickets.release(3)
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    image, result = viewer.layers[0], result_in(viewer)
    assert (image.data != result.data).sum() == 3 * 140


def test_removing_the_image_during_a_run_is_no_error(viewer, dock, gate, qtbot, errors):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    viewer.layers.clear()
    gate.tickets.release(3)
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 0
    assert "closed" in widget.status.value
    assert errors == []


def test_closing_the_viewer_ends_the_run(viewer, dock, gate, qtbot, errors):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    viewer.close()
    gate.tickets.release(3)
    assert QThreadPool.globalInstance().waitForDone(30_000)
    qtbot.wait(50)
    assert gate.calls == 1
    assert errors == []


def test_closing_the_dock_ends_the_run(viewer, dock, gate, qtbot, errors):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    viewer.window.remove_dock_widget(widget.native)
    gate.tickets.release(3)
    assert QThreadPool.globalInstance().waitForDone(30_000)
    qtbot.wait(50)
    assert gate.calls == 1
    assert len(viewer.layers) == 2
    assert errors == []


def test_run_spares_a_core_for_the_window_and_gives_it_back(viewer, dock, press, ramp, monkeypatch):
    seen, before = [], torch.get_num_threads()
    torch.set_num_threads(4)
    try:

        def look(image, mask):
            seen.append(torch.get_num_threads())
            return image

        backend = registry.get_backend("telea")
        monkeypatch.setitem(registry._installed().backends, "telea", replace(backend, inpaint=look))
        viewer.add_image(ramp)
        widget = dock()
        painted(viewer, widget)
        press(widget)
        assert seen == [3]
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_time_left_is_counted_from_the_first_tile_on(monkeypatch, qtbot):
    """Until then a model is loaded, which happens once and says nothing of the rest."""
    clock = iter([100.0, 110.0, 112.0, 115.0])
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    run = worker.Run(
        *("A run", lambda progress: None),
        on_progress=lambda *_: None,
        on_done=lambda _: None,
        on_failed=lambda _: None,
        on_cancelled=lambda: None,
    )
    try:
        left = [run._seconds_left(done, 100) for done in (0, 10, 30, 60)]
    finally:
        qtbot.waitUntil(lambda: run._over, timeout=30_000)
    assert left == [None, None, pytest.approx(7), pytest.approx(4)]


def test_progress_is_shown_with_time_left(viewer, dock, gate, qtbot):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    gate.tickets.release(2)
    qtbot.waitUntil(lambda: gate.calls == 3, timeout=30_000)
    qtbot.waitUntil(lambda: "67%" in widget.status.value, timeout=30_000)
    assert "left" in widget.status.value
    assert widget._run._bar.n == 280
    assert widget._run._bar.total == 420


def test_cancel_in_the_activity_dock_ends_the_run(viewer, dock, gate, qtbot):
    widget = dock()
    slow_run(viewer, widget, gate, qtbot)
    widget._run._bar.cancel()
    gate.tickets.release()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 2


def test_backend_that_fails_is_reported_in_words(viewer, dock, gate, qtbot, errors):
    widget = dock()
    gate.error = ZeroDivisionError("no luck")
    slow_run(viewer, widget, gate, qtbot)
    gate.tickets.release(3)
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(viewer.layers) == 2
    assert len(errors) == 1
    assert "gate" in errors[0]
    assert "no luck" in errors[0]
    assert "Traceback" not in errors[0]
    assert widget.status.value == errors[0]
    assert widget.inpaint.enabled


def test_unforeseen_error_is_reported_and_logged(
    viewer, dock, press, ramp, monkeypatch, errors, caplog
):
    def fail(*_, **__):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("napari_inpaint.gui.slabs.fill_image", fail)
    viewer.add_image(ramp)
    widget = dock()
    painted(viewer, widget)
    press(widget)
    assert errors == ["The run failed unexpectedly: RuntimeError: out of luck"]
    assert "out of luck" in caplog.text
    assert len(viewer.layers) == 2


def test_mask_that_covers_everything_is_reported_in_words(viewer, dock, press, ramp, errors):
    viewer.add_image(ramp)
    widget = dock()
    painted(viewer, widget, np.s_[:, :])
    press(widget)
    assert len(errors) == 1
    assert len(viewer.layers) == 2


@pytest.fixture
def foreign_file(tmp_path, monkeypatch) -> Path:
    """A TorchScript file that nobody has trusted yet; it fills with 1."""
    import torch

    class Ones(torch.nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return image * (1 - mask) + mask

    path = tmp_path / "ones.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(Ones()), path)
    monkeypatch.setattr(artifacts, "_trust_file", lambda: tmp_path / "trusted.json")
    return path


def test_backends_are_listed_with_auto_first_whatever_the_image(viewer, dock):
    widget = dock()
    for name, shape, channels in (("grey", (40, 40), None), ("photo", (40, 40, 3), 3)):
        viewer.add_image(np.zeros(shape, np.uint8), name=name, rgb=channels == 3)
        widget.image.value = viewer.layers[name]
        listed = [widget.backend.native.itemText(i) for i in range(widget.backend.native.count())]
        weighed = "several, weighed" if channels is None else choose_backend(channels)
        assert listed[0] == f"auto ({weighed})"
        assert listed[1:-1] == sorted(listed[1:-1])
        assert listed[-1] == OPEN_FILE
        assert widget.backend.value == "telea"  # as it was chosen before


def test_tooltips_say_how_good_a_backend_is(viewer, dock, foreign_file):
    widget = dock()
    widget.backend.offer(3, [foreign_file])

    def tip(name):
        at = widget.backend.native.findText(name)
        return widget.backend.native.itemData(at, Qt.ItemDataRole.ToolTipRole)

    found = comparisons(registry.get_backend("pconv-photo").info)
    assert {each.data for each in found} == {"photos, 256 px", "photos, objects, 384 px"}
    for each in found:
        better = f"{each.own.hole_db:.1f} dB in the hole ({each.reference} "
        assert f"\n{each.data}: {better}" in tip("pconv-photo")
    assert "dB" not in tip("telea")
    assert tip(foreign_file.name).endswith(str(foreign_file))
    foreign_file.unlink()
    widget.backend.offer(3, [foreign_file])
    assert "cannot be read" in tip(foreign_file.name)


@pytest.mark.parametrize("consent", [True, False])
def test_foreign_file_runs_only_after_consent(
    viewer, dock, press, ramp, foreign_file, monkeypatch, consent, errors
):
    asked = []
    viewer.add_image(ramp / ramp.max())
    widget = dock()
    painted(viewer, widget)

    def consents(self, error):
        asked.append(error)
        return consent

    monkeypatch.setattr(InpaintWidget, "ask_for_file", lambda self: foreign_file)
    monkeypatch.setattr(InpaintWidget, "ask_for_consent", consents)
    widget.backend.value = OPEN_FILE
    assert widget.backend.value == foreign_file
    press(widget)
    assert [error.sha256 for error in asked] == [artifacts.sha256(foreign_file)]
    assert errors == []
    if consent:
        record = result_in(viewer).metadata["napari_inpaint"]
        assert record["artifact"] == artifacts.sha256(foreign_file)
    else:
        assert len(viewer.layers) == 2
        assert "not trusted" in widget.status.value
