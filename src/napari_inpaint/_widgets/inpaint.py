"""The Inpaint widget: choose an image, paint a mask, press one button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magicgui.widgets import PushButton, Widget

from napari_inpaint._worker import Job, Outcome, report
from napari_inpaint.errors import InpaintError
from napari_inpaint.pipeline import inpaint_steps

from . import words
from .fields import row
from .form import SLICE, STACK
from .layers import mask_problem, pixels
from .order import Order
from .planes import is_empty, select_planes
from .results import PROVENANCE, hide_under_fill, place_result, result_of
from .widget import LayerWidget

if TYPE_CHECKING:
    from napari.layers import Image


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
            steps=inpaint_steps,
            finish=lambda filled: planes.paste(filled, base),
        )
        record = earlier and earlier.metadata[PROVENANCE]
        order = Order(job, image, mask, only, pixels(image).shape, earlier=record)
        self._launch(order, lambda outcome: self._place(outcome, order))

    def _earlier(self, image: Image) -> Image | None:
        """Return what earlier fills gave, if more slices can be added to it."""
        result = result_of(image, self._viewer.layers)
        fits = result is not None and result.data.shape == pixels(image).shape
        return result if fits else None

    def _place(self, outcome: Outcome, order: Order) -> str:
        place_result(self._viewer.layers, order.image, outcome.data, order.record(outcome))
        return order.done(outcome) + hide_under_fill(order.image, [order.mask])
