"""Strokes wait while a run reads what is painted, if that is too much to be copied at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

PRESSES = {
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.TabletPress,
    QEvent.Type.TouchBegin,
}
CANVAS = "vispy."
WINDOW = ("vispy.", "napari.")  # where napari's keys are received


class Hold(QObject):
    """Keeps clicks from the canvas, and napari's keys from the window, until all is read.

    All else goes on: sliders, the wheel, names that are typed, the form with its Cancel.

    Parameters
    ----------
    form : QWidget
        The docked widget that started the run.
    """

    def __init__(self, form: QWidget) -> None:
        super().__init__()
        self._window = _main_window(form)
        self._over = threading.Event()
        if (application := QApplication.instance()) is not None:
            application.installEventFilter(self)

    @property
    def end_soon(self) -> Callable[[], None]:
        """A function for another thread, after which all events are let through."""
        return self._over.set  # not of this object, which belongs to the main thread

    def end(self) -> None:
        """Let everything through."""
        self._over.set()
        if (application := QApplication.instance()) is not None:
            application.removeEventFilter(self)

    def eventFilter(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Return whether an event is kept back."""
        if self._over.is_set():
            self.end()
        if event is None or self._over.is_set():
            return False
        if event.type() == QEvent.Type.Shortcut:
            return True
        if event.type() in PRESSES:
            return self._has(receiver, CANVAS)
        return event.type() == QEvent.Type.KeyPress and self._has(receiver, WINDOW)

    def _has(self, receiver: QObject | None, makers: str | tuple[str, ...]) -> bool:
        """Whether it is a widget of this window whose class one of these packages made."""
        own = isinstance(receiver, QWidget) and receiver.window() is self._window
        return own and type(receiver).__module__.startswith(makers)


def _main_window(widget: QWidget) -> QWidget | None:
    """Return the window in which a widget is docked, or from which it was torn off."""
    above: QWidget | None = widget
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parentWidget()
    return above
