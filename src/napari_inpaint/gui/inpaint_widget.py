"""The Inpaint widget: choose an image, paint a mask, press one button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magicgui.widgets import PushButton, Widget

from napari_inpaint.errors import InpaintError
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.plan import plan
from napari_inpaint.gui import messages
from napari_inpaint.gui.base_form import SLICE, STACK
from napari_inpaint.gui.base_widget import LayerWidget
from napari_inpaint.gui.form_parts import row
from napari_inpaint.gui.image_layers import mask_problem, pixels
from napari_inpaint.gui.order import Order
from napari_inpaint.gui.planes import is_empty, select_planes
from napari_inpaint.gui.result_layers import PROVENANCE, hide_under_fill, place_result, result_of
from napari_inpaint.gui.worker import report

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint.fill.progress import Progress


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
        f"{STACK}: every slice on which something is painted.\n"
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
        running, missing = self._run is not None, self._missing()
        self.inpaint.enabled = not running and missing is None
        self.inpaint.tooltip = missing or "Fill the mask into a new layer above the image."
        self.hint.value = "" if running else missing or self._ready()

    def _ready(self) -> str:
        filled = result_of(self.image.value, self._viewer.layers) is not None
        return messages.AGAIN if filled and not self.mask.value.visible else messages.READY

    def _missing(self) -> str | None:
        """Say what is still missing for a fill, or None."""
        image, mask = self.image.value, self.mask.value
        if image is None:
            return messages.NO_IMAGE
        if mask is None:
            return messages.NO_MASK
        if problem := mask_problem(mask, image):
            return problem
        axes, only = self._plane()
        if image.ndim > 2 and self.what.value == SLICE and only is None:
            return messages.NO_SLICE
        if is_empty(mask, axes, only):
            return messages.EMPTY if only is None or is_empty(mask, axes) else messages.EMPTY_SLICE
        return None

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
        options = self.chosen_options(planes.axes_letters)

        def work(progress: Progress) -> tuple[Filled, Any]:
            read = planes.read()
            settled = plan(read.shape, read.dtype, options)
            filled = fill_image(settled, read, planes.hole, progress=progress)
            return filled.counted(), planes.paste(filled.image, base)

        order = Order(
            *(f"Inpaint {image.name}", work, image, mask, planes, only, options),
            shape=pixels(image).shape,
            earlier=earlier and earlier.metadata[PROVENANCE],
        )
        self._launch(order, lambda result: self._place(order, *result))

    def _earlier(self, image: Image) -> Image | None:
        """Return what earlier fills gave, if more slices can be added to it."""
        result = result_of(image, self._viewer.layers)
        fits = result is not None and result.data.shape == pixels(image).shape
        return result if fits else None

    def _place(self, order: Order, filled: Filled, data: Any) -> str:
        place_result(self._viewer.layers, order.image, data, order.record(filled.record))
        return order.done(filled) + hide_under_fill(order.image, [order.mask])
