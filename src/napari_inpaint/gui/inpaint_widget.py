"""The Inpaint widget: choose an image, paint a mask, press one button."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, PushButton, SpinBox, Widget
from napari.layers import Points

from napari_inpaint.errors import InpaintError
from napari_inpaint.fill.plan import STACKS, Options
from napari_inpaint.gui import messages
from napari_inpaint.gui.backend_field import AUTO
from napari_inpaint.gui.base_choice import how_to_mark
from napari_inpaint.gui.base_form import SLICE, STACK
from napari_inpaint.gui.base_widget import LayerWidget
from napari_inpaint.gui.expected_errors import Errors, errors_before, place_errors
from napari_inpaint.gui.form_parts import narrow, row
from napari_inpaint.gui.image_layers import pixels
from napari_inpaint.gui.order import Order
from napari_inpaint.gui.result_layers import PROVENANCE, hide_under_fill, place_result, result_of
from napari_inpaint.gui.selection import Selection
from napari_inpaint.gui.slabs import fill_planes
from napari_inpaint.gui.sliders import ALONG_AUTO, letters_of, seen_along, sliders_of, ways
from napari_inpaint.gui.worker import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

    from napari_inpaint.fill.inpaint import Filled
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.gui.planes import Planes
    from napari_inpaint.gui.sliders import Slider

SEE = (
    "Along which axes slices see those beside them, so that holes are filled with what is known "
    "there. auto: z and t. none: each slice is filled by itself.\n"
    "Where slices see each other, some may be missing as wholes."
)
MAX_GAP = "Fill up to so many slices in a row of which nothing is known, from those beside them."
TEXTURE = (
    "0: as near to the truth as can be, for what will be measured. 1: with all the texture that "
    "the surroundings have: pieces of them in photographs, noise elsewhere.\n"
    "auto: 1 for photographs, else 0."
)
BY_ITSELF = (
    "This backend fills each slice by itself; slices that are missing as wholes are filled from "
    "those beside them.\nTo have neighbours seen, choose the backend auto."
)
ERRORS = (
    "Show how far off each filled pixel may be, in the image's units, in a layer above the fill.\n"
    "It is measured where pixels are known: shapes like the holes are filled there for a trial."
)


@dataclass(frozen=True)
class _Fill:
    """What a run gave: it, pasted into the image, and its errors where they can be told."""

    filled: Filled
    data: Any
    errors: Errors | None


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

    _offered: Sequence[tuple[str, str]] = ()  # ways to see neighbours

    def build(self) -> list[Widget]:
        """Return the row of buttons."""
        self.inpaint = PushButton(text="Inpaint")
        self.inpaint.changed.connect(self._start)
        return [row(self.inpaint, self.cancel)]

    def build_more(self) -> list[Widget]:
        """Return which slices see each other, what fills have, and whether to show their errors."""
        self.neighbours = ComboBox(label="neighbours", choices=ways(()))
        self.neighbours.changed.connect(self.refresh)
        narrow(self.neighbours.native, 15)
        self.errors = CheckBox(text="show expected error", tooltip=ERRORS)
        self.max_gap = SpinBox(label="max gap", value=Options.max_gap, max=100, tooltip=MAX_GAP)
        self.texture = FloatSpinBox(label="texture", min=-0.1, max=1, step=0.1, tooltip=TEXTURE)
        self.texture.native.setSpecialValueText(AUTO)  # in the place of the lowest value
        self.texture.value = self.texture.min
        return [self.neighbours, self.max_gap, self.texture, row(self.errors)]

    # --- what to do next --------------------------------------------------------------------

    def refresh(self, *_: Any) -> None:
        """Say what to do next, and enable what can be pressed."""
        super().refresh()
        self._offer_neighbours()
        if self._run is not None:
            self.inpaint.enabled, self.hint.value = False, ""
            return
        lacking = self._lacking()
        self.inpaint.enabled = lacking is None
        self.inpaint.tooltip = lacking or "Fill the hole into a new layer above the image."
        self.hint.value = lacking or self._ready()

    def _offer_neighbours(self) -> None:
        """List along which axes the slices of the image may see each other."""
        sliders = self._sliders()
        offered, before = ways(sliders), self.neighbours.value
        if offered != self._offered:
            self._offered = offered
            with self.neighbours.changed.blocked():
                self.neighbours.choices = []  # else what was there before stays first
                self.neighbours.choices = offered
                kept = before in (value for _, value in offered)
                self.neighbours.value = before if kept else ALONG_AUTO
        self.neighbours.visible = self.max_gap.visible = bool(sliders)
        self.neighbours.enabled = self._looks_along
        self.neighbours.tooltip = SEE if self._looks_along else BY_ITSELF

    def _sliders(self) -> tuple[Slider, ...]:
        """Return the axes along which the image has slices."""
        image = self.image.value
        return () if image is None else sliders_of(image, self._shown()[0])

    @property
    def _looks_along(self) -> bool:
        """Whether the backend has use for neighbours."""
        info = self.backend.info
        return self.backend.value == AUTO or (info is not None and {*info.provides} >= STACKS)

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
        options = self._stack_options()
        try:
            selection = Selection.of(
                *(image, mask, axes, only), missing=self._sought, options=options
            )
        except InpaintError as error:
            self._say(report(error))
            return
        earlier = self._earlier(image) if only is not None else None
        base = pixels(image) if earlier is None else earlier.data
        tells = self.errors.value
        layers = self._viewer.layers
        told = errors_before(image, layers, more=earlier is not None) if tells else None

        def work(planes: Planes, progress: Progress) -> _Fill:
            filled = fill_planes(planes, progress, error=tells).counted()
            errors = Errors.of(filled, planes, told) if tells else None
            return _Fill(filled, planes.paste(filled.image, base), errors)

        order = Order(
            *(f"Inpaint {image.name}", selection, work, image, mask, options),
            backend=self._asked(),
            earlier=earlier and earlier.metadata[PROVENANCE],
        )
        self._launch(order, lambda planes, result: self._place(order, planes, result))

    def _stack_options(self) -> Options:
        """Return the options, as the fields have them, with those that are for stacks."""
        options = self.chosen_options(letters_of(self.image.value, self._sliders()))
        # what fills each slice by itself leaves those that are missing as wholes to neighbours
        along = self.neighbours.value if self._looks_along else ALONG_AUTO
        asked = AUTO if self.backend.value == AUTO else options.backend
        return replace(
            options,
            backend=asked,
            along=along,
            max_gap=self.max_gap.value,
            texture=AUTO if self.texture.value < 0 else self.texture.value,
        )

    def _asked(self) -> str:
        """Say what a hole is filled with."""
        seen = seen_along(self.neighbours.value, self._sliders())
        if self.backend.value == AUTO and seen:
            return messages.NEAR
        return messages.backend(self.backend.chosen or "")

    def _earlier(self, image: Image) -> Image | None:
        """Return what earlier fills gave, if more slices can be added to it."""
        result = result_of(image, self._viewer.layers)
        fits = result is not None and result.data.shape == pixels(image).shape
        return result if fits else None

    def _place(self, order: Order, planes: Planes, done: _Fill) -> str:
        layers, image = self._viewer.layers, order.image
        record = order.record(planes, done.filled.record)
        place_result(layers, image, done.data, record)
        said = order.done(planes, done.filled)
        said += place_errors(layers, image, order.mask, done.errors, record)
        if done.errors is None and done.filled.error is not None:
            said += messages.ERROR_UNKNOWN
        return said + hide_under_fill(image, [order.mask])
