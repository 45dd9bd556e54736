"""What all widgets do that fill a mask in an image: follow the layers, run, cancel, report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_inpaint.backends import artifacts
from napari_inpaint.errors import InpaintError, UntrustedArtifactError
from napari_inpaint.gui.backend_field import OPEN_FILE
from napari_inpaint.gui.base_form import HINT_LINES, SLICE, LayerForm
from napari_inpaint.gui.form_parts import keep_room
from napari_inpaint.gui.image_layers import channels, mask_problem, new_mask
from napari_inpaint.gui.label_layers import is_map
from napari_inpaint.gui.planes import shown_plane
from napari_inpaint.gui.result_layers import solid
from napari_inpaint.gui.worker import Run, find_devices, report

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from napari.viewer import Viewer

    from napari_inpaint.fill.device import ResolvedDevice
    from napari_inpaint.gui.order import Order

WATCHED = ("data", "set_data", "labels_update", "visible")  # events of a layer


class LayerWidget(LayerForm):
    """Keeps a form in line with the viewer's layers, and runs one job at a time.

    Subclasses say in `refresh` what can be done now.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer = napari_viewer
        self._chosen: dict[str, Any] = {}
        self._run: Run | None = None
        self._files: list[Path] = []
        super().__init__(images=lambda _: self._layers(Image), masks=lambda _: self._masks())
        # Painting sends events by the dozen; one look after the last is enough.
        self._soon = QTimer(self.native)
        self._soon.setSingleShot(True)
        self._soon.setInterval(100)
        self._soon.timeout.connect(self.refresh)
        self._connect()
        self.backend.offer(None, [])
        self._choose_first()
        find_devices(self._devices_found)

    def refresh(self, *_: Any) -> None:
        """Enable what can be pressed; subclasses say what to do next."""
        image = self.image.value
        keep_room(self.hint, HINT_LINES)
        self.what.visible = image is not None and image.ndim > 2
        self.new_mask.enabled = image is not None
        self.edit_mask.enabled = self.mask.value is not None
        self.cancel.enabled = self._run is not None

    def _connect(self) -> None:
        for field in self._fields.values():
            field.changed.connect(self._layers_chosen)
        self.backend.changed.connect(self._backend_chosen)
        self.what.changed.connect(self.refresh)
        self.new_mask.changed.connect(self._add_mask)
        self.edit_mask.changed.connect(self._show_mask)
        self.cancel.changed.connect(self._cancel)
        self.native_parent_changed.connect(self._moved)
        self.native.destroyed.connect(self._gone)
        self._viewer.dims.events.connect(self._look_soon)

    # --- choosing ---------------------------------------------------------------------------

    @property
    def _fields(self) -> dict[str, ComboBox]:
        """The fields in which layers are chosen."""
        return {"image": self.image, "mask": self.mask}

    def _layers(self, *kinds: type[Layer]) -> list[Layer]:
        return [layer for layer in self._viewer.layers if isinstance(layer, kinds)]

    def _masks(self) -> list[Layer]:
        """Return what can be a mask; a map of classes would mask everything."""
        return [layer for layer in self._layers(Labels, Shapes) if not is_map(layer)]

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
            for name, field in self._fields.items():
                layer = self._chosen.get(name)
                if layer in field.choices:  # a renamed layer would be lost otherwise
                    field.value = layer
        self._layers_chosen()

    def _layers_chosen(self, *_: Any) -> None:
        """Bring everything in line with the layers that are chosen now."""
        new_image = self.image.value is not self._chosen.get("image")
        chosen = self._fitting(new_image)
        for name, field in self._fields.items():
            if field.value is not chosen[name]:
                with field.changed.blocked():
                    field.value = chosen[name]
            if name != "image" and chosen[name] is not self._chosen.get(name):
                self._watch(name, self._chosen.get(name), chosen[name])
        self._chosen = chosen
        if new_image:
            self.backend.offer(channels(chosen["image"]), self._files)
        self.refresh()

    def _fitting(self, new_image: bool) -> dict[str, Any]:
        """Return the layers that should be chosen: what is, where it fits a new image."""
        image, mask = self.image.value, self.mask.value
        if new_image or mask is None or self._chosen.get("mask") not in self.mask.choices:
            mask = self._fitting_mask(image, mask)
        return {"image": image, "mask": mask}

    def _fitting_mask(self, image: Image | None, mask: Labels | Shapes | None) -> Any:
        """Return the mask if it fits the image, else the topmost one that does, if any."""
        if image is None or mask is None or mask_problem(mask, image) is None:
            return mask
        fitting = [each for each in self.mask.choices if mask_problem(each, image) is None]
        return fitting[-1] if fitting else mask

    def _watch(self, name: str, before: Layer | None, after: Layer | None) -> None:
        """Look again whenever the layer chosen in a field changes."""
        follow(before, after, WATCHED, self._look_soon)

    def _backend_chosen(self, value: Any) -> None:
        if value == OPEN_FILE:
            path = self.ask_for_file()
            if path is not None and path not in self._files:
                self._files.append(path)
        self.backend.offer(channels(self.image.value), self._files)
        if value == OPEN_FILE and path is not None:
            self.backend.value = path
        self.refresh()

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
        solid(mask)
        self._viewer.layers.selection.active = mask
        if isinstance(mask, Labels):
            mask.mode = "paint"
        self.refresh()

    # --- what to do next --------------------------------------------------------------------

    def _look_soon(self, *_: Any) -> None:
        if isalive(self.native):  # type: ignore[no-untyped-call]
            self._soon.start()

    def _plane(self) -> tuple[tuple[int, int], tuple[int, ...] | None]:
        """Return the axes of a plane, and the one plane to work on (None: all)."""
        axes, index = shown_plane(self._viewer.dims, self.image.value)
        return axes, index if self.what.value == SLICE else None

    # --- running ----------------------------------------------------------------------------

    def _launch(self, order: Order, place: Callable[[Any], str]) -> None:
        """Start a run; `place` shows what it gave, and returns what to say of it."""
        self._say("Reading the image…")
        self._run = Run(
            order.title,
            order.work,
            on_progress=lambda *progress: self._say(order.running(*progress)),
            on_done=lambda result: self._done(result, order, place),
            on_failed=lambda error: self._failed(error, order, place),
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

    def _done(self, result: Any, order: Order, place: Callable[[Any], str]) -> None:
        if order.is_outdated(self._viewer.layers):
            self._ended("The image was closed or replaced meanwhile: nothing was added.")
        else:
            self._ended(place(result))

    def _failed(self, error: Exception, order: Order, place: Callable[[Any], str]) -> None:
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


def follow(
    before: Layer | None, after: Layer | None, events: Iterable[str], react: Callable[..., None]
) -> None:
    """Let a function react to events of the layer `after`, where it has them; not of `before`."""
    for layer, connect in ((before, False), (after, True)):
        for name in events:
            event = getattr(layer.events, name, None) if layer is not None else None
            if event is not None:
                (event.connect if connect else event.disconnect)(react)
