"""What all widgets do that fill a mask in an image: run, cancel, report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive

from napari_inpaint.backends import artifacts
from napari_inpaint.errors import InpaintError, UntrustedArtifactError
from napari_inpaint.gui.backend_field import OPEN_FILE
from napari_inpaint.gui.base_choice import LayerChoice
from napari_inpaint.gui.hold import Hold
from napari_inpaint.gui.image_layers import colours
from napari_inpaint.gui.worker import Run, find_devices, report

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_inpaint.fill.device import ResolvedDevice
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.gui.order import Order
    from napari_inpaint.gui.planes import Planes


class LayerWidget(LayerChoice):
    """Runs one job at a time on what is chosen.

    Subclasses say in `refresh` what can be done now.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._run: Run | None = None
        self._hold: Hold | None = None
        super().__init__(napari_viewer)
        self._connect()
        self.backend.offer(None, [])
        self._choose_first()
        find_devices(self._devices_found)

    def refresh(self, *_: Any) -> None:
        """Enable what can be pressed; subclasses say what to do next."""
        super().refresh()
        self.cancel.enabled = self._run is not None

    def _connect(self) -> None:
        super()._connect()
        self.backend.changed.connect(self._backend_chosen)
        self.cancel.changed.connect(self._cancel)
        self.native_parent_changed.connect(self._moved)
        self.native.destroyed.connect(self._gone)

    # --- backends and devices ---------------------------------------------------------------

    def _backend_chosen(self, value: Any) -> None:
        if value == OPEN_FILE:
            path = self.ask_for_file()
            if path is not None and path not in self._files:
                self._files.append(path)
        self.backend.offer(colours(self.image.value), self._files)
        if value == OPEN_FILE and path is not None:
            self.backend.value = path
        self.refresh()

    def _devices_found(self, names: list[str], auto: ResolvedDevice) -> None:
        if isalive(self.native):  # type: ignore[no-untyped-call]
            self.show_devices(names, auto)

    # --- running ----------------------------------------------------------------------------

    def _launch(self, order: Order, place: Callable[[Planes, Any], str]) -> None:
        """Start a run; `place` shows what it gave, and returns what to say of it."""
        self._looks.stop()
        self._end_hold()
        self._say("Reading the mask and the image…")
        self._hold = hold = Hold(self.native) if order.selection.shared else None
        over = hold.end_soon if hold is not None else lambda: None
        selection, work = order.selection, order.work

        def read_and_work(progress: Progress) -> tuple[Planes, Any]:
            try:
                planes = selection.read(lambda: progress(0, 0))
            finally:
                over()
            return planes, work(planes, progress)

        self._run = Run(
            order.title,
            read_and_work,
            on_progress=lambda *progress: self._say(order.running(*progress)),
            on_done=lambda done: self._done(done[0], done[1], order, place),
            on_failed=lambda error: self._failed(error, order, place),
            on_cancelled=lambda: self._ended("Cancelled. Nothing was changed."),
        )
        self.refresh()

    def _say(self, text: str) -> None:
        self.status.value = text

    def _ended(self, text: str) -> None:
        self._run = None
        self._end_hold()
        self._say(text)
        self.refresh()

    def _end_hold(self) -> None:
        if self._hold is not None:
            self._hold.end()
            self._hold = None

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self._end_hold()  # what is read now is of no use any more
            self._say("Cancelling after the current tile…")
            self.cancel.enabled = False

    def _moved(self, parent: Any) -> None:
        """End the run when the dock is closed: nobody could see or stop it any more."""
        if parent is None:
            self._looks.stop()
            self._end_hold()
            if self._run is not None:
                self._run.cancel()

    def _gone(self) -> None:
        """End the run when the window is closed, and show no more of it."""
        self._looks.stop()
        self._end_hold()
        if self._run is not None:
            self._run.abandon()

    def _done(
        self, planes: Planes, result: Any, order: Order, place: Callable[[Planes, Any], str]
    ) -> None:
        if order.is_outdated(self._viewer.layers):
            self._ended("The image was closed or replaced meanwhile: nothing was added.")
        else:
            self._ended(place(planes, result))

    def _failed(self, error: Exception, order: Order, place: Callable[[Planes, Any], str]) -> None:
        if not isinstance(error, UntrustedArtifactError):
            self._ended(report(error))
        elif not self.ask_for_consent(error):
            self._ended(f"Not run: {error.path.name} is not trusted.")
        else:
            try:
                artifacts.trust(error.path)
            except InpaintError as refusal:
                self._ended(report(refusal))
            else:
                self._launch(order, place)
