"""Stacks in the Inpaint widget: which slices see each other, and the expected error."""

from __future__ import annotations

import json
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QThreadPool

from napari_inpaint import BackendInfo
from napari_inpaint.backends import registry
from napari_inpaint.fill.inpaint import fill_image
from napari_inpaint.gui import messages
from napari_inpaint.gui.base_form import SLICE, STACK
from napari_inpaint.gui.inpaint_widget import BY_ITSELF, SEE

HOLE = (slice(8, 12), slice(8, 14))
ERROR = "film · expected error"


@pytest.fixture
def film() -> np.ndarray:
    """The same noise on seven slices, (7, 24, 30) float32: only neighbours can know it."""
    noise = np.random.default_rng(2).integers(50, 200, (24, 30)).astype(np.float32)
    return np.stack([noise] * 7)


@pytest.fixture
def stack(dock):
    """Dock the widget with the backend that looks at neighbours."""

    def open_widget():
        widget = dock()
        widget.backend.value = "auto"
        return widget

    return open_widget


class Deep:
    """A backend that fills stacks, and notes how many slices it sees at once."""

    info = BackendInfo("deep", "Sees stacks", {"inpaint", "inpaint_stack"}, context=1)

    def __init__(self) -> None:
        self.depths = set()

    def load(self, device):
        return self

    def inpaint(self, image, mask):
        raise AssertionError("There are neighbours.")

    def inpaint_stack(self, image, mask):
        self.depths.add(image.shape[2])
        return image * (1 - mask) + 0.5 * mask


@pytest.fixture
def deep(monkeypatch) -> Deep:
    backend = Deep()
    monkeypatch.setitem(registry._installed().backends, "deep", backend)
    monkeypatch.setitem(registry._installed().providers, "deep", "a test")
    return backend


def add_film(viewer, film, *slices, rgb=False, **kwargs) -> Image:
    """Add an image, and a mask that marks the hole on some of its slices, where nothing is left."""
    mask = np.zeros(film.shape[: film.ndim - rgb], np.uint8)
    damaged = film.copy()
    for each in slices:
        mask[(*(each if isinstance(each, tuple) else (each,)), *HOLE)] = 1
    damaged[mask > 0] = 0
    image = viewer.add_image(damaged, name="film", rgb=rgb, **kwargs)
    viewer.add_labels(mask, name="mask")
    return image


def layer(viewer, name) -> Image:
    return viewer.layers[name]


# --- which slices see each other ------------------------------------------------------------


def test_ways_to_see_neighbours_follow_the_image_and_what_is_shown(viewer, stack, qtbot, film):
    def offered():
        field = widget.neighbours.native
        return [field.itemText(at) for at in range(field.count())]

    def seen():
        return widget.neighbours.native.isVisibleTo(widget._options.native)

    flat = viewer.add_image(film[0], name="flat")
    widget = stack()
    assert not seen()
    image = viewer.add_image(np.stack([film] * 2), axis_labels=("time", "z", "y", "x"))
    widget.image.value = image
    assert seen()
    assert offered() == ["auto (time, z)", "none", "time", "z"]
    widget.neighbours.value = "Z"
    viewer.dims.order = (0, 2, 1, 3)
    qtbot.waitUntil(lambda: offered() == ["auto (time, y)", "none", "time", "y"], timeout=5000)
    viewer.dims.order = (0, 1, 2, 3)
    qtbot.waitUntil(lambda: offered() == ["auto (time, z)", "none", "time", "z"], timeout=5000)
    image.axis_labels = ("time", "channel", "y", "x")
    qtbot.waitUntil(lambda: offered()[0] == "auto (time)", timeout=5000)
    assert widget.neighbours.value == "auto"
    widget.image.value = flat
    assert not seen()


def test_backend_that_was_named_fills_each_slice_by_itself_and_says_so(viewer, stack, film):
    viewer.add_image(film)
    widget = stack()
    assert widget.neighbours.enabled
    assert widget.neighbours.tooltip == SEE
    widget.backend.value = "telea"
    assert not widget.neighbours.enabled
    assert widget.neighbours.tooltip == BY_ITSELF


def test_backend_that_fills_stacks_has_use_for_neighbours(viewer, stack, press, film, deep):
    add_film(viewer, film, 1, 2)
    widget = stack()
    widget.backend.value = "deep"
    assert widget.neighbours.enabled
    press(widget)
    assert deep.depths == {7}
    assert "on 2 slices with deep on the CPU in " in widget.status.value
    assert layer(viewer, "film · inpainted").metadata["napari_inpaint"]["backend"] == "deep"


@pytest.mark.parametrize("lazy", [False, True])
def test_whole_stack_is_filled_from_its_neighbours(viewer, stack, press, film, lazy):
    image = add_film(viewer, film, 1, 4)
    if lazy:
        image.data = da.from_array(image.data, chunks=(2, 24, 15))
    widget = stack()
    assert widget.what.value == STACK
    press(widget)
    result = layer(viewer, "film · inpainted")
    np.testing.assert_allclose(np.asarray(result.data), film, atol=2)
    said = "Filled 48 px in 2 holes on 2 slices from neighbours"
    assert widget.status.value.startswith(said)
    assert " on the CPU in " in widget.status.value
    record = result.metadata["napari_inpaint"]
    assert record["backend"] == "jury"
    assert sum(record["shares"].values()) == pytest.approx(1, abs=0.01)
    assert record["options"]["axes"] == "ZYX"
    json.dumps(record)


def test_this_slice_sees_its_neighbours_and_only_it_is_filled(viewer, stack, press, film):
    image = add_film(viewer, film, 1, 2, 3)
    widget = stack()
    widget.what.value = SLICE
    viewer.dims.set_point(0, 3)
    press(widget)
    result = layer(viewer, "film · inpainted")
    np.testing.assert_allclose(result.data[3], film[3], atol=5)
    np.testing.assert_array_equal(result.data[:3], image.data[:3])
    viewer.dims.set_point(0, 1)
    press(widget)
    assert layer(viewer, "film · inpainted") is result
    np.testing.assert_allclose(result.data[[1, 3]], film[[1, 3]], atol=5)
    np.testing.assert_array_equal(result.data[2], image.data[2])


def test_neighbours_can_be_left_out(viewer, stack, press, film):
    add_film(viewer, film, 1, 2)
    widget = stack()
    widget.neighbours.value = "none"
    press(widget)
    result = layer(viewer, "film · inpainted")
    assert np.abs(result.data[1][HOLE] - film[1][HOLE]).max() > 20
    record = result.metadata["napari_inpaint"]
    assert record["options"]["along"] == "none"
    assert "shares" not in record
    assert f"with {record['backend']} on" in widget.status.value


def test_time_and_depth_are_both_neighbours(viewer, stack, press, film):
    """Each point of time has noise of its own; at other depths it is the same."""
    image = np.random.default_rng(5).integers(50, 200, (4, 1, 24, 30)).repeat(5, axis=1)
    image = image.astype(np.float32)
    add_film(viewer, image, (slice(1, 3), 2))
    widget = stack()
    press(widget)
    result = layer(viewer, "film · inpainted")
    np.testing.assert_allclose(result.data, image, atol=5)
    assert result.metadata["napari_inpaint"]["options"]["axes"] == "TZYX"


# --- slices that are missing as wholes ------------------------------------------------------


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_slice_that_is_painted_wholly_is_filled_from_its_neighbours(
    viewer, stack, press, film, errors, backend
):
    add_film(viewer, film)
    viewer.layers["mask"].data[3] = 1
    viewer.layers["film"].data[3] = 0
    widget = stack()
    widget.backend.value = backend
    press(widget)
    assert errors == []
    np.testing.assert_allclose(layer(viewer, "film · inpainted").data, film, atol=2)
    expected = "Filled 720 px in 1 hole on 1 slice from neighbours on the CPU"
    assert expected in widget.status.value


def test_too_many_missing_slices_are_refused_in_words(viewer, stack, press, film, errors):
    add_film(viewer, film)
    viewer.layers["mask"].data[2:5] = 1
    widget = stack()
    press(widget)
    assert len(errors) == 1
    assert "Z=2, Z=3, Z=4, and nothing known is near enough" in errors[0]
    assert errors[0].endswith("Mask less of them, leave them out, or raise max gap.")
    assert widget.status.value == errors[0]
    widget.neighbours.value = "none"
    press(widget)
    assert "covers the whole image at slice 2" in errors[1]
    assert "choose neighbours under More options" in errors[1]
    assert len(viewer.layers) == 2


# --- the expected error ---------------------------------------------------------------------


def test_no_error_is_shown_unless_it_is_wanted(viewer, stack, press, film):
    add_film(viewer, film, 2)
    widget = stack()
    assert widget.errors.value is False
    press(widget)
    assert ERROR not in viewer.layers
    assert "Expected error" not in widget.status.value


@pytest.mark.parametrize("rgb", [False, True])
def test_expected_error_lies_above_the_fill(viewer, stack, press, film, rgb):
    if rgb:
        film = np.stack([film, film + 1, film + 2], axis=-1).astype(np.uint8)
    film = film + np.random.default_rng(0).integers(0, 9, film.shape).astype(film.dtype)
    image = add_film(viewer, film, 2, 4, rgb=rgb, scale=(5, 2, 2), translate=(1, 2, 3))
    viewer.layers["mask"].scale, viewer.layers["mask"].translate = (5, 2, 2), (1, 2, 3)
    widget = stack()
    widget.errors.value = True
    press(widget)
    found = layer(viewer, ERROR)
    order = [each.name for each in viewer.layers]
    assert order == ["film", "film · inpainted", ERROR, "mask"]
    assert found.data.shape == (7, 24, 30)
    assert found.data.dtype == np.float32
    assert not found.rgb
    mask = viewer.layers["mask"].data > 0
    assert (found.data[mask] > 0).all()
    assert (found.data[~mask] == 0).all()
    np.testing.assert_array_equal(found.scale, image.scale)
    np.testing.assert_array_equal(found.translate, image.translate)
    most = np.percentile(found.data[mask], 99)
    assert found.contrast_limits == pytest.approx([0, most])
    assert found.colormap.map(0)[0, 3] == 0
    assert found.colormap.map(0.02)[0, 3] > 0.3
    assert found.colorbar.visible
    assert found.metadata["napari_inpaint"]["backend"] == "jury"
    assert found.metadata["napari_inpaint"]["mask"] == "mask"
    typical = float(f"{np.median(found.data[mask]):.2g}")
    assert f"Expected error: about {typical:g}, in the image's units." in widget.status.value


def test_expected_error_is_brought_up_to_date(viewer, stack, press, film):
    film = film + np.random.default_rng(0).normal(0, 3, film.shape).astype(np.float32)
    add_film(viewer, film, 2, 4)
    widget = stack()
    widget.errors.value = True
    widget.what.value = SLICE
    viewer.dims.set_point(0, 2)
    press(widget)
    found = layer(viewer, ERROR)
    assert [plane.any() for plane in found.data] == [z == 2 for z in range(7)]
    viewer.dims.set_point(0, 4)
    press(widget)
    assert layer(viewer, ERROR) is found
    assert [plane.any() for plane in found.data] == [z in (2, 4) for z in range(7)]
    most = np.percentile(found.data[found.data > 0], 99)
    assert found.contrast_limits == pytest.approx([0, most])
    viewer.layers["mask"].data[4] = 0
    widget.what.value = STACK
    press(widget)
    assert [plane.any() for plane in found.data] == [z == 2 for z in range(7)]
    widget.errors.value = False
    press(widget)
    assert not found.visible  # it says nothing of this fill
    widget.errors.value = True
    press(widget)
    assert found.visible
    assert len(viewer.layers) == 4


def test_expected_error_of_a_lazy_image_is_lazy(viewer, stack, press, film):
    image = add_film(viewer, film, 2)
    image.data = da.from_array(image.data, chunks=(2, 24, 15))
    widget = stack()
    widget.errors.value = True
    press(widget)
    found = layer(viewer, ERROR).data
    assert isinstance(found, da.Array)
    np.testing.assert_array_equal(found.compute() > 0, viewer.layers["mask"].data > 0)


@pytest.mark.parametrize("backend", ["auto", "telea"])
def test_error_of_an_image_without_slices_is_shown_too(viewer, stack, press, ramp, backend):
    noise = np.random.default_rng(0).normal(0, 5, ramp.shape).astype(np.float32)
    viewer.add_image(ramp + noise, name="film")
    mask = np.zeros(ramp.shape, np.uint8)
    mask[20:30, 30:44] = 1
    viewer.add_labels(mask)
    widget = stack()
    widget.backend.value = backend
    widget.errors.value = True
    press(widget)
    found = layer(viewer, ERROR).data
    assert (found[mask > 0] > 0).all()
    assert (found[mask == 0] == 0).all()
    assert "Expected error: about " in widget.status.value


def test_error_that_cannot_be_told_is_not_shown(viewer, stack, press, film, monkeypatch):
    def fill_untold(*args, **kwargs):
        filled = fill_image(*args, **kwargs)
        return replace(filled, error=np.where(filled.hole, np.float32(np.nan), 0))

    monkeypatch.setattr("napari_inpaint.gui.slabs.fill_image", fill_untold)
    add_film(viewer, film, 2)
    widget = stack()
    widget.errors.value = True
    press(widget)
    assert ERROR not in viewer.layers
    assert widget.status.value.endswith(messages.ERROR_UNKNOWN)


# --- while it runs --------------------------------------------------------------------------


def start_long_run(viewer, widget, qtbot) -> None:
    noise = np.random.default_rng(2).random((40, 64, 80)).astype(np.float32)
    add_film(viewer, noise, *range(40))
    widget.refresh()
    widget.inpaint.native.click()
    qtbot.waitUntil(lambda: "%" in widget.status.value, timeout=60_000)


def test_progress_says_what_it_fills_from_and_cancel_is_heard(viewer, stack, qtbot, errors):
    widget = stack()
    start_long_run(viewer, widget, qtbot)
    assert widget.status.value.startswith(f"Filling with {messages.NEAR}: ")
    widget.cancel.native.click()
    qtbot.waitUntil(lambda: widget._run is None, timeout=10_000)
    assert widget.status.value == "Cancelled. Nothing was changed."
    assert len(viewer.layers) == 2
    assert errors == []


def test_closing_the_viewer_ends_a_run_with_neighbours(viewer, stack, qtbot, errors):
    widget = stack()
    start_long_run(viewer, widget, qtbot)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(10_000)
    qtbot.wait(50)
    assert errors == []


def test_gap_and_texture_are_as_the_form_says(viewer, stack, press, film, errors):
    add_film(viewer, film)
    viewer.layers["mask"].data[1:4] = 1
    widget = stack()
    widget.max_gap.value, widget.texture.value = 3, 0.5
    press(widget)
    assert errors == []
    options = layer(viewer, "film · inpainted").metadata["napari_inpaint"]["options"]
    assert (options["max_gap"], options["texture"]) == (3, 0.5)


def test_texture_is_auto_until_a_number_is_chosen(viewer, dock, press, errors):
    photo = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    viewer.add_image(photo, rgb=True, name="photo")
    mask = np.zeros((40, 50), np.uint8)
    mask[10:24, 10:24] = 1
    viewer.add_labels(mask, name="mask")
    widget = dock()
    field = widget.texture.native
    assert field.text() == "auto"
    fills = []
    for steps, shown in ((0, "auto"), (1, 0), (3, 0.3), (-9, "auto")):
        field.stepBy(steps)
        assert field.text() == (shown if shown == "auto" else f"{shown:.2f}")
        press(widget)
        result = viewer.layers[1]
        assert result.metadata["napari_inpaint"]["options"]["texture"] == pytest.approx(shown)
        fills.append(result.data.copy())
    assert errors == []
    auto, none, some, again = (each[mask > 0].astype(float) for each in fills)
    assert np.abs(auto - none).mean() > 2 * np.abs(some - none).mean() > 1
    np.testing.assert_array_equal(auto, again)
