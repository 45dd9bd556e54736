"""Runs the pipeline in a thread of napari's: progress, cancel, errors as notifications.

No widget is known here; whoever starts a run passes what should happen when it ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from napari.utils import cancelable_progress
from napari.utils.notifications import show_error

from . import artifacts, device, masks
from .errors import InpaintError
from .pipeline import Step
from .registry import get_backend
from .torchscript import ArtifactBackend, open_artifact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BAR = "{l_bar}{bar}| {remaining} left"  # napari shows what stands behind the last |

logger = logging.getLogger(__name__)


Steps = Callable[..., Generator[Step, None, Any]]


@dataclass(frozen=True)
class Job:
    """What one run does; all of it outside the main thread.

    Attributes
    ----------
    title : str
        What the progress bar says.
    read : callable
        Returns the planes to work on, (N, Y, X) or (N, Y, X, C).
    mask : (N, Y, X) bool array
        True = hole. Nobody else may write to it.
    axes : str
        "ZYX" or "ZYXC", of what `read` returns.
    options : mapping
        The options of `steps`; "backend" and "device" are among them.
    steps : callable
        What is done, as in `inpaint_steps(planes, mask, axes=…, **options)`.
    finish : callable
        Turns what `steps` returned into what `on_done` receives.
    """

    title: str
    read: Callable[[], NDArray[Any]]
    mask: NDArray[np.bool_]
    axes: str
    options: Mapping[str, Any]
    steps: Steps
    finish: Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    """What a run that succeeded gives.

    Attributes
    ----------
    data : object
        What the job's `finish` returned.
    pixels, holes : int
        How many pixels are hole, and how many holes they make up, counted in each plane.
    device : str
        Where the backend ran, "cpu" or "cuda:0".
    artifact : str or None
        The SHA-256 of the file that was run; None for a backend without one.
    seconds : float
        From reading to pasting.
    """

    data: Any
    pixels: int
    holes: int
    device: str
    artifact: str | None
    seconds: float


@dataclass(frozen=True)
class Failed:
    """Why a run gave nothing. Not the error itself: napari would raise and show that."""

    error: Exception


class _Progress(cancelable_progress):  # type: ignore[misc]
    """A bar in the activity dock whose Cancel works at once, without an iteration."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


class Run:
    """One job in the background.

    Exactly one of `on_done`, `on_failed`, `on_cancelled` is called, in the main thread, and none
    after `abandon`.

    Parameters
    ----------
    job : Job
        What to do.
    on_step : callable
        Receives each `Step`, and the seconds that are probably left (None: not known yet).
    on_done : callable
        Receives the `Outcome`.
    on_failed : callable
        Receives the error; see `report`.
    on_cancelled : callable
        Nothing was changed.
    """

    def __init__(
        self,
        job: Job,
        *,
        on_step: Callable[[Step, float | None], None],
        on_done: Callable[[Outcome], None],
        on_failed: Callable[[Exception], None],
        on_cancelled: Callable[[], None],
    ) -> None:
        self._on_step = on_step
        self._on_done = on_done
        self._on_failed = on_failed
        self._on_cancelled = on_cancelled
        self._cancelled = self._abandoned = self._over = False
        self._outcome: Outcome | Failed | None = None
        self._first: tuple[float, int] | None = None
        self._worker = create_worker(_do, job)
        self._bar = _Progress(total=0, desc=job.title, bar_format=BAR, cancel_callback=self.cancel)
        self._worker.yielded.connect(self._step)
        self._worker.returned.connect(self._returned)
        self._worker.finished.connect(self._finished)
        self._worker.start()

    def cancel(self) -> None:
        """Stop after the current tile."""
        self._cancelled = True
        self._worker.quit()

    def abandon(self) -> None:
        """Cancel, and call nobody any more: whoever asked is gone."""
        self._abandoned = True
        self.cancel()

    def _step(self, step: Step) -> None:
        if self._cancelled or self._over:
            return
        self._on_step(step, self._seconds_left(step))
        # The bar comes last: it lets Qt handle events, the next step among them.
        if self._bar.total != step.total:
            self._bar.total = step.total
        self._bar.update(step.done - self._bar.n)

    def _seconds_left(self, step: Step) -> float | None:
        """Extrapolate from the first tile on, so that loading a model does not count."""
        now = time.monotonic()
        if self._first is None and step.done:
            self._first = (now, step.done)
        if self._first is None or step.done == self._first[1]:
            return None
        started, done = self._first
        return (now - started) / (step.done - done) * (step.total - step.done)

    def _returned(self, outcome: Outcome | Failed) -> None:
        self._outcome = outcome

    def _finished(self) -> None:
        self._over = True
        self._bar.close()
        if self._abandoned:
            return
        if self._cancelled or self._outcome is None:
            self._on_cancelled()
        elif isinstance(self._outcome, Outcome):
            self._on_done(self._outcome)
        else:
            self._on_failed(self._outcome.error)


def report(error: Exception) -> str:
    """Notify the person of an error, in words, and return these words."""
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


def _do(job: Job) -> Generator[Step, None, Outcome | Failed]:
    """Do the job; errors are returned, for one raised here would show its traceback."""
    start = time.perf_counter()
    try:
        yield Step(0, 0, "Reading the image")
        planes = job.read()
        on = str(device.resolve(job.options["device"]).device)
        done = yield from job.steps(planes, job.mask, axes=job.axes, **job.options)
        pixels, holes = _count(planes, job)
        artifact = _artifact(job.options["backend"])
        data = job.finish(done)
        return Outcome(data, pixels, holes, on, artifact, time.perf_counter() - start)
    except InpaintError as error:
        return Failed(error)
    except Exception as error:
        logger.exception("A run failed")
        return Failed(error)


def _count(planes: NDArray[Any], job: Job) -> tuple[int, int]:
    """Return how many pixels are hole, and how many holes they make up."""
    import cv2

    pixels = holes = 0
    for plane, mask in zip(planes, job.mask, strict=True):
        hole = masks.dilate(mask, job.options["dilate"])
        broken = masks.not_finite(plane if "C" in job.axes else plane[..., None])
        hole = hole if broken is None else hole | broken
        pixels += int(hole.sum())
        holes += cv2.connectedComponents(hole.astype("uint8"))[0] - 1
    return pixels, holes


def _artifact(backend: str | Path) -> str | None:
    """Return the SHA-256 of the file that a backend runs, if it runs one."""
    found = open_artifact(backend) if isinstance(backend, Path) else get_backend(backend)
    return artifacts.sha256(found.path) if isinstance(found, ArtifactBackend) else None


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
