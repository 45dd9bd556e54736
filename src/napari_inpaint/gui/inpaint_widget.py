"""The Inpaint widget: choose an image, paint a mask, press one button."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from magicgui.widgets import PushButton, Widget
from napari.layers import Points

from napari_inpaint.errors import InpaintError
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.plan import plan
from napari_inpaint.gui import messages
from napari_inpaint.gui.backend_field import AUTO
from napari_inpaint.gui.base_choice import how_to_mark
from napari_inpaint.gui.base_form import SLICE, STACK
from napari_inpaint.gui.base_widget import LayerWidget
from napari_inpaint.gui.form_parts import row
from napari_inpaint.gui.image_layers import pixels
from napari_inpaint.gui.order import Order
from napari_inpaint.gui.result_layers import PROVENANCE, hide_under_fill, place_result, result_of
from napari_inpaint.gui.selection import Selection
from napari_inpaint.gui.worker import report

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.gui.planes import Planes


class InpaintWidget(LayerWidget):
    """Fills what a mask marks in an image, in the background, into a layer of its own.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    NEEDS: ClassVar = {"inpaint"}
    WHAT: ClassVar = (
        "fill",
        f"{STACK}: every slice on which something is painted, or missing.\n"
        f"{SLICE}: only the slice that is shown; slices filled before stay filled.",
    )

    def build(self) -> list[Widget]:
        """Return the row of buttons."""
        self.inpaint = PushButton(text="Inpaint")
        self.inpaint.changed.connect(self._start)
        return [row(self.inpaint, self.cancel)]

    # --- what to do next --------------------------------------------------------------------

    def refresh(self, *_: Any) -> None:
        """Say what to do next, and enable what can be pressed."""
        super().refresh()
        if self._run is not None:
            self.inpaint.enabled, self.hint.value = False, ""
            return
        lacking = self._lacking()
        self.inpaint.enabled = lacking is None
        self.inpaint.tooltip = lacking or "Fill the hole into a new layer above the image."
        self.hint.value = lacking or self._ready()

    def _lacking(self) -> str | None:
        """Say what is lacking for a fill, or None."""
        image, mask = self.image.value, self.mask.value
        if image is None:
            return messages.NO_IMAGE
        if problem := self._problem():
            return problem
        _, only = self._plane()
        # What is not known yet is no reason to wait: the run finds out.
        if self._marked(only) is not False or self._has_missing(only) or self._must_seek():
            return None
        if mask is None:
            return messages.NO_MASK
        return messages.EMPTY_SLICE if only and self._marked(None) else how_to_mark(mask)

    def _ready(self) -> str:
        mask, (_, only) = self.mask.value, self._plane()
        marked, missing = self._marked(only), self._has_missing(only)
        if marked is False:
            return messages.READY_MISSING if missing else messages.READY_SEEKING
        if marked is None:
            return messages.LOOKING
        if result_of(self.image.value, self._viewer.layers) is not None and not mask.visible:
            return messages.AGAIN
        if missing:
            return messages.READY_BOTH
        return messages.READY_POINTS if isinstance(mask, Points) else messages.READY

    def _must_seek(self) -> bool:
        """Whether values are said to be missing in an image that only a run reads wholly."""
        sought = self._sought
        lazy = not isinstance(pixels(self.image.value), np.ndarray)
        return lazy and sought is not None and bool(sought.values)

    # --- running ----------------------------------------------------------------------------

    def _start(self) -> None:
        image, mask = self.image.value, self.mask.value
        axes, only = self._plane()
        try:
            selection = Selection.of(image, mask, axes, only, missing=self._sought)
        except InpaintError as error:
            self._say(report(error))
            return
        earlier = self._earlier(image) if only is not None else None
        base = pixels(image) if earlier is None else earlier.data
        options = self.chosen_options(selection.letters)
        if self.backend.value == AUTO:
            options = replace(options, backend=AUTO)

        def work(planes: Planes, progress: Progress) -> tuple[Filled, Any]:
            read = planes.read()
            settled = plan(read.shape, read.dtype, options)
            filled = fill_image(settled, read, planes.hole, progress=progress)
            return filled.counted(), planes.paste(filled.image, base)

        order = Order(
            *(f"Inpaint {image.name}", selection, work, image, mask, options),
            backend=messages.backend(self.backend.chosen or ""),
            earlier=earlier and earlier.metadata[PROVENANCE],
        )
        self._launch(order, lambda planes, result: self._place(order, planes, *result))

    def _earlier(self, image: Image) -> Image | None:
        """Return what earlier fills gave, if more slices can be added to it."""
        result = result_of(image, self._viewer.layers)
        fits = result is not None and result.data.shape == pixels(image).shape
        return result if fits else None

    def _place(self, order: Order, planes: Planes, filled: Filled, data: Any) -> str:
        record = order.record(planes, filled.record)
        place_result(self._viewer.layers, order.image, data, record)
        return order.done(planes, filled) + hide_under_fill(order.image, [order.mask])
