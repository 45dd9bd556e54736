"""A real viewer with the docked widget, and a backend whose pace a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import QThreadPool

from napari_inpaint import BackendInfo, registry


class Gate:
    """A backend that fills with 1.0, one call for each ticket that the test gives out."""

    info = BackendInfo(name="gate", title="Waits for the test", provides={"inpaint"}, context=1)

    def __init__(self) -> None:
        self.calls = 0
        self.tickets = threading.Semaphore(0)
        self.error: Exception | None = None

    def load(self, device):
        return self

    def inpaint(self, image, mask):
        self.calls += 1
        assert self.tickets.acquire(timeout=30)
        if self.error is not None:
            raise self.error
        return image * (1 - mask) + mask


@pytest.fixture
def gate(monkeypatch) -> Iterator[Gate]:
    backend = Gate()
    monkeypatch.setitem(registry._installed().backends, "gate", backend)
    monkeypatch.setitem(registry._installed().providers, "gate", "a test")
    yield backend
    backend.tickets.release(1000)
    assert QThreadPool.globalInstance().waitForDone(30_000)


@pytest.fixture
def viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    yield viewer
    assert QThreadPool.globalInstance().waitForDone(30_000)
    qtbot.wait(10)  # delivers what the threads sent last


@pytest.fixture
def dock(viewer) -> Callable:
    """Dock the widget as the menu does, with a quick backend that needs no weights."""

    def open_widget():
        _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
        widget.backend.value = "telea"
        widget.dilate.value = 0
        return widget

    return open_widget


@pytest.fixture
def press(qtbot) -> Callable:
    """Press Inpaint, and wait for the end of the run."""

    def press_and_wait(widget):
        widget.refresh()
        assert widget.inpaint.enabled, widget.hint.value
        widget.inpaint.native.click()
        qtbot.waitUntil(lambda: widget._run is None, timeout=60_000)

    return press_and_wait


@pytest.fixture
def errors() -> list[str]:
    """What was shown to the person as an error since the test began."""
    seen: list[str] = []

    def keep(notification):
        if notification.severity >= NotificationSeverity.WARNING:
            seen.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield seen
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def ramp() -> np.ndarray:
    """A smooth grey image, (64, 80) float32, on which a fill can be told from the hole."""
    y, x = np.mgrid[:64, :80]
    return (y + 2 * x).astype(np.float32)
