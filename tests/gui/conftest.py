"""A real viewer with the docked widget, and a backend whose pace a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import QThreadPool

from napari_inpaint import BackendInfo, ClassInfo
from napari_inpaint.backends import registry


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


class Scene:
    """A backend whose every answer a test can foretell.

    What is bright is bright, what is dark is dark, and behind the mask stands a wall. A fill has
    a fifth of full brightness for each number of a class, and can be relied on where the known
    pixels above and below it are bright.
    """

    info = BackendInfo(
        name="scene",
        title="A scene",
        provides={"inpaint", "segment", "guide", "reliability"},
        classes=(
            ClassInfo("dark", "#102030"),
            ClassInfo("bright", "#ffee00"),
            ClassInfo("wall", "#ff0000"),
        ),
        context=1,
        textured=True,  # nothing is added to what was foretold
    )

    def load(self, device):
        return self

    def segment(self, image, mask):
        bright = (image.mean(1, keepdim=True) > 0.5).float()
        known = torch.cat([1 - bright, bright, torch.zeros_like(bright)], dim=1)
        behind = torch.tensor([0.1, 0.2, 0.7]).view(1, 3, 1, 1)
        return known * (1 - mask) + behind * mask

    def guide(self, image, mask, probabilities):
        number = (probabilities * torch.arange(1, 4).view(1, 3, 1, 1)).sum(1, keepdim=True)
        return image * (1 - mask) + mask * number / 5

    def inpaint(self, image, mask):
        return self.guide(image, mask, self.segment(image, mask))

    def reliability(self, image, mask):
        mean = image.mean(1, keepdim=True).sum(2, keepdim=True) / (1 - mask).sum(2, keepdim=True)
        return torch.where(mean > 0.5, 0.75, 0.25).expand_as(mask)


class Cells(Scene):
    """The same with the classes of cells, and nothing to say of reliability."""

    info = BackendInfo(
        name="cells",
        title="Cells",
        provides={"inpaint", "segment", "guide"},
        classes=tuple(ClassInfo(name, "#808080") for name in ("background", "inside", "boundary")),
        context=1,
        textured=True,
    )


class SlowScene(Gate, Scene):
    """The same at the pace of a test."""

    info = replace(Scene.info, name="slow-scene")

    def segment(self, image, mask):
        self.calls += 1
        assert self.tickets.acquire(timeout=30)
        if self.error is not None:
            raise self.error
        return Scene.segment(self, image, mask)


@pytest.fixture
def scenes(monkeypatch) -> Iterator[SlowScene]:
    """Install the backends that segment; the slow one is returned."""
    slow = SlowScene()
    for backend in (Scene(), Cells(), slow):
        monkeypatch.setitem(registry._installed().backends, backend.info.name, backend)
        monkeypatch.setitem(registry._installed().providers, backend.info.name, "a test")
    yield slow
    slow.tickets.release(1000)
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
def guide(viewer, scenes) -> Callable:
    """Dock Segment and guide as the menu does, with the backend that can be foretold."""

    def open_widget(backend="scene"):
        _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Segment and guide")
        widget.backend.value = backend
        widget.dilate.value = 0
        return widget

    return open_widget


@pytest.fixture
def click(qtbot) -> Callable:
    """Press a button that starts a run, and wait for its end."""

    def click_and_wait(widget, button):
        widget.refresh()
        assert button.enabled, button.tooltip
        button.native.click()
        qtbot.waitUntil(lambda: widget._run is None, timeout=60_000)

    return click_and_wait


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
