"""The Inpaint widget: choose an image, paint a mask, press one button."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_inpaint import artifacts
from napari_inpaint._worker import Filled, Job, Run, find_devices, report
from napari_inpaint.errors import InpaintError, UntrustedArtifactError

from . import words
from .form import OPEN_FILE, SLICE, InpaintForm
from .layers import (
    PROVENANCE,
    channels,
    mask_problem,
    new_mask,
    pixels,
    place_result,
    result_of,
)
from .order import Order
from .planes import is_empty, select_planes, shown_plane

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_inpaint.device import ResolvedDevice

WATCHED = ("data", "set_data", "labels_update", "visible")  # events of a mask


class InpaintWidget(InpaintForm):
    """Fills what a mask marks in an image, in the background, into a layer of its own.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer = napari_viewer
        self._chosen: tuple[Image | None, Labels | Shapes | None] = (None, None)
        self._run: Run | None = None
        self._files: list[Path] = []
        super().__init__(
            images=lambda _: self._layers(Image), masks=lambda _: self._layers(Labels, Shapes)
        )
        # Painting sends events by the dozen; one look after the last is enough.
        self._soon = QTimer(self.native)
        self._soon.setSingleShot(True)
        self._soon.setInterval(100)
        self._soon.timeout.connect(self.refresh)
        self._connect()
        self.show_backends(None, [])
        self._choose_first()
        find_devices(self._devices_found)

    def _connect(self) -> None:
        self.image.changed.connect(self._layers_chosen)
        self.mask.changed.connect(self._layers_chosen)
        self.backend.changed.connect(self._backend_chosen)
        self.what.changed.connect(self.refresh)
        self.new_mask.changed.connect(self._add_mask)
        self.edit_mask.changed.connect(self._show_mask)
        self.inpaint.changed.connect(self._start)
        self.cancel.changed.connect(self._cancel)
        self.native_parent_changed.connect(self._moved)
        self.native.destroyed.connect(self._gone)
        self._viewer.dims.events.connect(self._look_soon)

    # --- choosing ---------------------------------------------------------------------------

    def _layers(self, *kinds: type[Layer]) -> list[Layer]:
        return [layer for layer in self._viewer.layers if isinstance(layer, kinds)]

    def _choose_first(self) -> None:
        """Take the layers that the person has selected, where they are of use."""
        self.reset_choices()
        for layer in self._viewer.layers.selection:
            for field in (self.image, self.mask):
                if layer in field.choices:
                    field.value = layer

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that are open now, keeping what is chosen if it still is."""
        with self.image.changed.blocked(), self.mask.changed.blocked():
            super().reset_choices()
            for field, layer in zip((self.image, self.mask), self._chosen, strict=True):
                if layer in field.choices:  # a renamed layer would be lost otherwise
                    field.value = layer
        self._layers_chosen()

    def _layers_chosen(self, *_: Any) -> None:
        """Bring everything in line with the image and the mask that are chosen now."""
        image, mask = self.image.value, self.mask.value
        if image is not self._chosen[0] or mask is None or self._chosen[1] not in self.mask.choices:
            mask = self._fitting_mask(image, mask)
            if mask is not self.mask.value:
                with self.mask.changed.blocked():
                    self.mask.value = mask
        if mask is not self._chosen[1]:
            self._watch(mask)
        if image is not self._chosen[0]:
            self.show_backends(channels(image), self._files)
        self._chosen = (image, mask)
        self.refresh()

    def _fitting_mask(self, image: Image | None, mask: Labels | Shapes | None) -> Any:
        """Return the mask if it fits the image, else the topmost one that does, if any."""
        if image is None or mask is None or mask_problem(mask, image) is None:
            return mask
        fitting = [each for each in self.mask.choices if mask_problem(each, image) is None]
        return fitting[-1] if fitting else mask

    def _watch(self, mask: Labels | Shapes | None) -> None:
        for layer, connect in ((self._chosen[1], False), (mask, True)):
            for name in WATCHED:
                event = getattr(layer.events, name, None) if layer is not None else None
                if event is not None:
                    (event.connect if connect else event.disconnect)(self._look_soon)

    def _backend_chosen(self, value: Any) -> None:
        if value == OPEN_FILE:
            path = self.ask_for_file()
            if path is not None and path not in self._files:
                self._files.append(path)
        self.show_backends(channels(self.image.value), self._files)
        if value == OPEN_FILE:
            self.backend.value = "auto" if path is None else path

    def _devices_found(self, names: list[str], auto: ResolvedDevice) -> None:
        if isalive(self.native):  # type: ignore[no-untyped-call]
            self.show_devices(names, auto)

    def _add_mask(self) -> None:
        mask = new_mask(self.image.value)
        self._viewer.layers.append(mask)
        self.mask.value = mask
        self._show_mask()

    def _show_mask(self) -> None:
        mask = self.mask.value
        self._viewer.dims.ndisplay = 2
        mask.visible = True
        self._viewer.layers.selection.active = mask
        if isinstance(mask, Labels):
            mask.mode = "paint"
        self.refresh()

    # --- what to do next --------------------------------------------------------------------

    def _look_soon(self, *_: Any) -> None:
        if isalive(self.native):  # type: ignore[no-untyped-call]
            self._soon.start()

    def refresh(self, *_: Any) -> None:
        """Say what to do next, and enable what can be pressed."""
        image, running = self.image.value, self._run is not None
        missing = self._missing()
        self.what.visible = image is not None and image.ndim > 2
        self.new_mask.enabled = image is not None
        self.edit_mask.enabled = self.mask.value is not None
        self.cancel.enabled = running
        self.inpaint.enabled = not running and missing is None
        self.inpaint.tooltip = missing or "Fill the mask into a new layer above the image."
        filled = image is not None and result_of(image, self._viewer.layers) is not None
        ready = (
            words.AGAIN
            if filled and missing is None and not self.mask.value.visible
            else words.READY
        )
        self.hint.value = "" if running else missing or ready

    def _ready(self) -> str:
        filled = result_of(self.image.value, self._viewer.layers) is not None
        return words.AGAIN if filled and not self.mask.value.visible else words.READY

    def _missing(self) -> str | None:
        """Say what is still missing for a fill, or None."""
        image, mask = self.image.value, self.mask.value
        if image is None:
            return words.NO_IMAGE
        if mask is None:
            return words.NO_MASK
        if problem := mask_problem(mask, image):
            return problem
        axes, only = self._plane()
        if image.ndim > 2 and self.what.value == SLICE and only is None:
            return words.NO_SLICE
        if is_empty(mask, axes, only):
            return words.EMPTY if only is None or is_empty(mask, axes) else words.EMPTY_SLICE
        return None

    def _plane(self) -> tuple[tuple[int, int], tuple[int, ...] | None]:
        """Return the axes of a plane, and the one plane to fill (None: all)."""
        axes, index = shown_plane(self._viewer.dims, self.image.value)
        return axes, index if self.what.value == SLICE else None

    # --- running ----------------------------------------------------------------------------

    def _start(self) -> None:
        image, mask = self.image.value, self.mask.value
        axes, only = self._plane()
        try:
            planes = select_planes(image, mask, axes, only)
        except InpaintError as error:
            self._say(report(error))
            return
        earlier = self._earlier(image) if only is not None else None
        base = pixels(image) if earlier is None else earlier.data
        job = Job(
            title=f"Inpaint {image.name}",
            read=planes.read,
            mask=planes.hole,
            axes="ZYXC" if image.rgb else "ZYX",
            options=self.chosen_options(),
            finish=lambda filled: planes.paste(filled, base),
        )
        self._launch(Order(job, image, mask, only, earlier and earlier.metadata[PROVENANCE]))

    def _earlier(self, image: Image) -> Image | None:
        """Return what earlier fills gave, if more slices can be added to it."""
        result = result_of(image, self._viewer.layers)
        fits = result is not None and result.data.shape == pixels(image).shape
        return result if fits else None

    def _launch(self, order: Order) -> None:
        self._say("Starting…")
        self._run = Run(
            order.job,
            on_step=lambda step, left: self._say(order.running(step, left)),
            on_done=lambda filled: self._done(filled, order),
            on_failed=lambda error: self._failed(error, order),
            on_cancelled=lambda: self._ended("Cancelled. Nothing was changed."),
        )
        self.refresh()

    def _say(self, text: str) -> None:
        self.status.value = text

    def _ended(self, text: str) -> None:
        self._run = None
        self._say(text)
        self.refresh()

    def _cancel(self) -> None:
        if self._run is not None:
            self._run.cancel()
            self._say("Cancelling after the current tile…")
            self.cancel.enabled = False

    def _moved(self, parent: Any) -> None:
        """End the run when the dock is closed: nobody could see or stop it any more."""
        if parent is None and self._run is not None:
            self._run.cancel()

    def _gone(self) -> None:
        """End the run when the window is closed, and show no more of it."""
        if self._run is not None:
            self._run.abandon()

    def _done(self, filled: Filled, order: Order) -> None:
        image = order.image
        if image not in self._layers(Image) or pixels(image).shape != filled.data.shape:
            self._ended("The image was closed or replaced meanwhile: nothing was added.")
            return
        place_result(self._viewer.layers, image, filled.data, order.record(filled))
        order.mask.visible = False
        text = order.done(filled)
        if image.visible and image.blending in ("additive", "minimum"):
            image.visible = False  # both together would look like neither
            text += f" “{image.name}” is hidden: its blending would mix it with the fill."
        self._ended(text)

    def _failed(self, error: Exception, order: Order) -> None:
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
                self._launch(order)
