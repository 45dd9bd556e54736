"""What is chosen in a form, and what is known of it: follows the viewer and its layers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_inpaint.arrays import intensity
from napari_inpaint.errors import InpaintError
from napari_inpaint.gui import messages
from napari_inpaint.gui.base_form import HINT_LINES, SLICE, LayerForm
from napari_inpaint.gui.form_parts import keep_room
from napari_inpaint.gui.image_layers import colours, mask_problem, new_mask, pixels
from napari_inpaint.gui.kinds import Marked, Missing
from napari_inpaint.gui.label_layers import is_map
from napari_inpaint.gui.looks import Looks
from napari_inpaint.gui.planes import shown_plane
from napari_inpaint.gui.result_layers import solid

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from napari.components import Dims
    from napari.viewer import Viewer

    from napari_inpaint.gui.image_layers import Axes, Index, MaskLayer

WATCHED = ("data", "set_data", "labels_update", "paint", "visible")  # events of a layer


class LayerChoice(LayerForm):
    """Keeps a form in line with the viewer's layers, and knows what is marked and missing.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._viewer = napari_viewer
        self._chosen: dict[str, Any] = {}
        self._files: list[Path] = []
        self._unmasked = False  # whether the person chose no mask
        self._looks = Looks(self._look_soon)
        self._views: weakref.WeakKeyDictionary[Layer, Any] = weakref.WeakKeyDictionary()
        super().__init__(images=lambda _: self._layers(Image), masks=lambda _: self._masks())
        # Painting sends events by the dozen; one look after the last is enough.
        self._soon = QTimer(self.native)
        self._soon.setSingleShot(True)
        self._soon.setInterval(100)
        self._soon.timeout.connect(self.refresh)

    def refresh(self, *_: Any) -> None:
        """Enable what can be pressed; subclasses say what to do next."""
        image = self.image.value
        keep_room(self.hint, HINT_LINES)
        self.what.visible = image is not None and image.ndim > 2
        self.new_mask.enabled = image is not None
        self.edit_mask.enabled = self.mask.value is not None

    def _connect(self) -> None:
        for field in self._fields.values():
            field.changed.connect(self._layers_chosen)
        self.what.changed.connect(self.refresh)
        for option in (self.missing, self.fill_missing):
            option.changed.connect(self._look_for_else)
        self.new_mask.changed.connect(self._add_mask)
        self.edit_mask.changed.connect(self._show_mask)
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
        return [layer for layer in self._layers(Labels, Shapes, Points) if not is_map(layer)]

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
            if chosen[name] is not self._chosen.get(name):
                self._watch(name, self._chosen.get(name), chosen[name])
        self._chosen = chosen
        if new_image:
            self.backend.offer(colours(chosen["image"]), self._files)
        self.refresh()

    def _fitting(self, new_image: bool) -> dict[str, Any]:
        """Return the layers that should be chosen: what is, where it fits a new image."""
        image, mask, before = self.image.value, self.mask.value, self._chosen.get("mask")
        chosen_away = mask is None and before is not None and before in self.mask.choices
        self._unmasked = mask is None and not new_image and (chosen_away or self._unmasked)
        if mask is None and not self._unmasked:
            # Points are seldom drawn to be filled: whoever means that chooses them.
            mask = next((each for each in self._masks() if not isinstance(each, Points)), None)
            new_image = True
        return {"image": image, "mask": self._fitting_mask(image, mask) if new_image else mask}

    def _fitting_mask(self, image: Image | None, mask: MaskLayer | None) -> Any:
        """Return the mask if it fits the image, else the topmost one that does, if any."""
        if image is None or mask is None or mask_problem(mask, image) is None:
            return mask
        others = [each for each in self._masks() if not isinstance(each, Points)]
        fitting = [each for each in others if mask_problem(each, image) is None]
        return fitting[-1] if fitting else mask

    def _watch(self, name: str, before: Layer | None, after: Layer | None) -> None:
        """Look again whenever the layer chosen in a field changes."""
        self._looks.stop()
        follow(before, after, WATCHED, self._look_soon)
        follow(before, after, ("data", "paint", "visible"), self._changed)
        follow(before, after, ("set_data",), self._drawn_again)
        follow(before, after, ("labels_update",), self._painted_at)
        if after is not None:
            self._views[after] = self._view

    def _changed(self, event: Any) -> None:
        self._looks.changed(event.source)

    def _drawn_again(self, event: Any) -> None:
        """Take in that a layer was drawn: in the same view as before, since it changed."""
        if self._views.get(event.source) == self._view:
            self._looks.changed(event.source)
        self._views[event.source] = self._view

    def _painted_at(self, event: Any) -> None:
        region = painted_region(event, self._viewer.dims)
        if region is None:
            self._looks.changed(event.source)
        else:
            self._looks.painted(event.source, region)

    @property
    def _view(self) -> Any:
        """What of the layers is shown."""
        dims = self._viewer.dims
        return tuple(dims.point), tuple(dims.order), dims.ndisplay

    def _add_mask(self) -> None:
        mask = new_mask(self.image.value)
        self._looks.is_clear(mask)
        self._viewer.layers.append(mask)
        self.mask.value = mask
        self._show_mask()

    def _show_mask(self) -> None:
        mask = self.mask.value
        self._viewer.dims.ndisplay = 2
        solid(mask)
        self._viewer.layers.selection.active = mask
        if not isinstance(mask, Shapes):  # there are many ways to draw these
            mask.mode = "paint" if isinstance(mask, Labels) else "add"
        self.refresh()

    # --- what to do next --------------------------------------------------------------------

    def _look_for_else(self) -> None:
        """Give up looking for what is not sought any more."""
        self._looks.stop()
        self.refresh()

    def _look_soon(self, *_: Any) -> None:
        if isalive(self.native):  # type: ignore[no-untyped-call]
            self._soon.start()

    def _shown(self) -> tuple[Axes, Index | None]:
        """Return the axes of a plane, and which one is shown."""
        return shown_plane(self._viewer.dims, self.image.value)

    def _plane(self) -> tuple[Axes, Index | None]:
        """Return the axes of a plane, and the one plane to work on (None: all)."""
        axes, index = self._shown()
        return axes, index if self.what.value == SLICE else None

    def _marked(self, only: Index | None) -> bool | None:
        """Return whether the mask marks something, there or anywhere; None: not known yet.

        What is drawn counts wherever it lies: drawing it into pixels takes longer than a look.
        """
        image, mask = self.image.value, self.mask.value
        if mask is None:
            return False
        if isinstance(mask, Shapes):
            return bool(mask.nshapes)
        if isinstance(mask, Points):
            return bool(mask.shown.any())
        axes, index = self._shown()
        if mask.ndim < image.ndim:
            return self._looks.has(mask, Marked(), (0, 1), None, ())
        return self._looks.has(mask, Marked(), axes, only, index or ())

    def _problem(self) -> str | None:
        """Say what of the choice does not fit the image that is chosen, or None."""
        image, mask = self.image.value, self.mask.value
        if problem := self.missing_problem:
            return problem
        try:
            dtype = intensity.check_dtype(pixels(image).dtype)
            intensity.check_holds(dtype, self.missing_values)
        except InpaintError as error:
            return str(error)
        if mask is not None and (problem := mask_problem(mask, image)):
            return problem
        no_slice = self.what.value == SLICE and self._shown()[1] is None
        return messages.NO_SLICE if no_slice else None

    @property
    def _sought(self) -> Missing | None:
        """Which pixels of the image are hole without a mask; None: none."""
        missing = Missing(self.missing_values)
        fills = self.fill_missing.value == "all" and missing.possible(pixels(self.image.value))
        return missing if fills else None

    def _has_missing(self, only: Index | None) -> bool | None:
        """Return whether missing pixels are known to be there; None: not known yet.

        An image that is not in memory is looked at where it is shown, and not farther.
        """
        image, sought, (axes, index) = self.image.value, self._sought, self._shown()
        if sought is None:
            return False
        if isinstance(pixels(image), np.ndarray):
            return self._looks.has(image, sought, axes, only, index or ())
        return False if index is None else self._looks.has(image, sought, axes, index, index)


def follow(
    before: Layer | None, after: Layer | None, events: Iterable[str], react: Callable[..., None]
) -> None:
    """Let a function react to events of the layer `after`, where it has them; not of `before`."""
    for layer, connect in ((before, False), (after, True)):
        for name in events:
            event = getattr(layer.events, name, None) if layer is not None else None
            if event is not None:
                (event.connect if connect else event.disconnect)(react)


def painted_region(event: Any, dims: Dims) -> tuple[slice, ...] | None:
    """Return which part of its array a Labels layer tells to have changed, if that is known."""
    labels = event.source
    displayed = [axis - dims.ndim + labels.ndim for axis in dims.displayed]
    if min(displayed) < 0:
        return None
    position = np.round(labels.world_to_data(dims.point)).astype(int)
    region = [slice(int(at), int(at) + 1) for at in np.maximum(position, 0)]
    for axis, start, length in zip(displayed, event.offset, event.data.shape, strict=True):
        region[axis] = slice(start, start + length)
    return tuple(region)


def how_to_mark(mask: MaskLayer) -> str:
    """Say how something is marked in a layer."""
    if isinstance(mask, Shapes):
        return messages.EMPTY_SHAPES
    return messages.EMPTY_POINTS if isinstance(mask, Points) else messages.EMPTY
