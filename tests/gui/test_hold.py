"""Strokes wait while a large mask is read, through a real window with real clicks and keys."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_inpaint.gui import looks, marks
from napari_inpaint.gui.hold import _main_window
from napari_inpaint.gui.selection import Selection

SPOT = np.s_[20:30, 30:44]


@pytest.fixture
def slow_read(monkeypatch):
    """Let masks count as large, and the test say when they are read; returns the event."""
    go, read = threading.Event(), Selection.read

    def wait_and_read(self, check):
        assert go.wait(30)
        return read(self, check)

    monkeypatch.setattr(marks, "SMALL", 0)
    monkeypatch.setattr(looks, "SMALL", 0)
    monkeypatch.setattr(Selection, "read", wait_and_read)
    yield go
    go.set()


def canvas_beside(widget):
    """Return what layers are painted on, in the window in which a widget is docked."""
    window = _main_window(widget.native)
    (canvas,) = (
        each for each in window.findChildren(QWidget) if type(each).__module__.startswith("vispy.")
    )
    return canvas


def started(viewer, dock, qtbot, ramp):
    """Paint a spot, press Inpaint, and return while the mask is being read."""
    viewer.add_image(ramp)
    widget = dock()
    widget.new_mask.native.click()
    mask = widget.mask.value
    marked = np.zeros(ramp.shape, bool)
    marked[SPOT] = True
    mask.data_setitem(np.nonzero(marked), 1)
    qtbot.waitUntil(lambda: widget.inpaint.enabled, timeout=5000)
    widget.inpaint.native.click()
    return widget, mask


def click(qtbot, canvas):
    qtbot.wait(20)  # vispy drops what comes faster
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.rect().center())


def test_strokes_and_undo_wait_until_a_large_mask_is_read(viewer, dock, qtbot, ramp, slow_read):
    widget, mask = started(viewer, dock, qtbot, ramp)
    canvas = canvas_beside(widget)
    before = mask.data.copy()
    click(qtbot, canvas)
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(mask.data, before)
    slow_read.set()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert widget.status.value.startswith("Filled 140 px in 1 hole")
    widget.edit_mask.native.click()
    click(qtbot, canvas)
    assert mask.data.sum() > before.sum()
    qtbot.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(mask.data, before)


def test_all_else_goes_on_while_a_large_mask_is_read(viewer, dock, qtbot, ramp, slow_read):
    widget, _ = started(viewer, dock, qtbot, ramp)
    name = QLineEdit(canvas_beside(widget).window())
    qtbot.keyClicks(name, "z")
    assert name.text() == "z"
    qtbot.mouseClick(widget.cancel.native, Qt.MouseButton.LeftButton)
    slow_read.set()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert widget.status.value == "Cancelled. Nothing was changed."
    assert len(viewer.layers) == 2


def test_closing_the_dock_while_a_mask_is_read_gives_the_canvas_back(
    viewer, dock, qtbot, ramp, slow_read
):
    widget, mask = started(viewer, dock, qtbot, ramp)
    canvas = canvas_beside(widget)
    viewer.window.remove_dock_widget(widget.native)
    click(qtbot, canvas)
    assert mask.data.sum() > 140
    slow_read.set()
