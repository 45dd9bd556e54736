"""Work in a thread of napari's: progress, cancel, errors as notifications.

No widget is known here; whoever starts a run passes what should happen when it ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error
from qtpy.QtCore import (  # type: ignore[attr-defined]
    QObject,
    QRunnable,
    Qt,
    QThreadPool,
    Signal,
)

from napari_inpaint.errors import Cancelled, InpaintError
from napari_inpaint.fill import device
from napari_inpaint.fill.progress import Progress

BAR = "{l_bar}{bar}| {remaining} left"  # napari shows what stands behind the last |

logger = logging.getLogger(__name__)

# Runs are kept until they end, in the main thread: where the last reference goes, Qt deletes.
_running: set[QObject] = set()


@dataclass(frozen=True)
class _Failed:
    """Why a run gave nothing. Not the error itself: napari would raise and show that."""

    error: Exception


class _Bar(cancelable_progress):  # type: ignore[misc]
    """A bar in the activity dock whose Cancel works at once, without an iteration."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


class Run(QObject):
    """Work in the background.

    Exactly one of `on_done`, `on_failed`, `on_cancelled` is called, in the main thread, and none
    after `abandon`.

    Parameters
    ----------
    title : str
        What the progress bar says.
    work : callable
        Called in another thread with a `Progress` to report to; returns what `on_done` receives.
    on_progress : callable
        Receives done and total, px, and the seconds that are probably left (None: not known yet).
    on_done : callable
        Receives what `work` returned.
    on_failed : callable
        Receives the error; see `report`.
    on_cancelled : callable
        Nothing was changed.
    """

    _progressed = Signal(object, object)  # done, total: an int of Qt's has 32 bits

    def __init__(
        self,
        title: str,
        work: Callable[[Progress], Any],
        *,
        on_progress: Callable[[int, int, float | None], None],
        on_done: Callable[[Any], None],
        on_failed: Callable[[Exception], None],
        on_cancelled: Callable[[], None],
    ) -> None:
        super().__init__()
        self._on_progress = on_progress
        self._on_done = on_done
        self._on_failed = on_failed
        self._on_cancelled = on_cancelled
        self._cancelled = self._abandoned = self._over = False
        self._result: Any = None
        self._first: tuple[float, int] | None = None
        self._bar = _Bar(total=0, desc=title, bar_format=BAR, cancel_callback=self.cancel)
        self._progressed.connect(self._show_progress)
        self._worker = create_worker(_attempt, work, self._report)
        self._worker.returned.connect(self._returned)
        self._worker.finished.connect(self._finished)
        _running.add(self)
        self._worker.start()

    def cancel(self) -> None:
        """Stop after the current tile."""
        self._cancelled = True

    def abandon(self) -> None:
        """Cancel, and call nobody any more: whoever asked is gone."""
        self._abandoned = True
        self.cancel()

    def _report(self, done: int, total: int) -> None:
        """Be the `Progress` of the work, in its thread; a total of 0 tells nothing yet."""
        if self._cancelled:
            raise Cancelled
        if total:
            self._progressed.emit(done, total)

    def _show_progress(self, done: int, total: int) -> None:
        if self._cancelled or self._over:
            return
        self._on_progress(done, total, self._seconds_left(done, total))
        # The bar comes last: it lets Qt handle events, the next report among them.
        if self._bar.total != total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def _seconds_left(self, done: int, total: int) -> float | None:
        """Extrapolate from the first tile on, so that loading a model does not count."""
        now = time.monotonic()
        if self._first is None and done:
            self._first = (now, done)
        if self._first is None or done == self._first[1]:
            return None
        started, before = self._first
        return (now - started) / (done - before) * (total - done)

    def _returned(self, result: Any) -> None:
        self._result = result

    def _finished(self) -> None:
        self._over = True
        _running.discard(self)
        self._bar.close()
        if self._abandoned:
            return
        failed = isinstance(self._result, _Failed)
        if self._cancelled or (failed and isinstance(self._result.error, Cancelled)):
            self._on_cancelled()
        elif failed:
            self._on_failed(self._result.error)
        else:
            self._on_done(self._result)


def _attempt(work: Callable[[Progress], Any], progress: Progress) -> Any:
    """Do the work; errors are returned, for one raised here would show its traceback."""
    try:
        with device.sparing_a_core():
            return work(progress)
    except InpaintError as error:
        return _Failed(error)
    except Exception as error:
        logger.exception("A run failed")
        return _Failed(error)


def report(error: Exception) -> str:
    """Notify the person of an error, in words, and return these messages."""
    if isinstance(error, InpaintError):
        message = str(error)
    elif isinstance(error, MemoryError):
        message = (
            "There is not enough memory for this. Work on one slice at a time, or close other "
            "images."
        )
    else:
        message = f"The run failed unexpectedly: {type(error).__name__}: {error}"
    show_error(message)
    return message


class _Task(QRunnable):
    """A function for the thread pool."""

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function

    def run(self) -> None:
        self._function()


class _Question(QObject):
    """What is found out in another thread, and who is told in the main thread."""

    _answered = Signal(object)

    def __init__(self, ask: Callable[[], Any], tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._ask, self._tell = ask, tell
        self._answered.connect(self._end, Qt.ConnectionType.QueuedConnection)
        _running.add(self)
        if (pool := QThreadPool.globalInstance()) is not None:
            pool.start(_Task(self._begin))

    def _begin(self) -> None:
        try:
            answer = self._ask()
        except Exception as error:
            logger.exception("A layer could not be read")
            answer = error
        self._answered.emit(answer)

    def _end(self, answer: Any) -> None:
        _running.discard(self)
        self._tell(answer)


def in_background(ask: Callable[[], Any], tell: Callable[[Any], None]) -> None:
    """Find something out in another thread, unseen by the person.

    Parameters
    ----------
    ask : callable
        Called in another thread.
    tell : callable
        Called in the main thread with what `ask` returned, or with the error that it raised.
    """
    _Question(ask, tell)


def find_devices(on_found: Callable[[list[str], device.ResolvedDevice], None]) -> None:
    """Ask for the devices, and which one "auto" takes; in the background, for torch loads slowly.

    Parameters
    ----------
    on_found : callable
        Receives both, in the main thread.
    """

    def ask() -> tuple[list[str], device.ResolvedDevice]:
        return device.available(), device.resolve()

    worker = create_worker(ask)
    worker.returned.connect(lambda found: on_found(*found))
    worker.start()
