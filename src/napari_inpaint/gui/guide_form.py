"""The form of Segment and guide: its buttons and the classes; what they do is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magicgui.widgets import ComboBox, Label, PushButton, Widget
from qtpy.QtCore import Qt

from napari_inpaint.gui import messages
from napari_inpaint.gui.base_form import SLICE, STACK, LayerForm
from napari_inpaint.gui.class_picker import ClassPicker
from napari_inpaint.gui.form_parts import fields, narrow, row
from napari_inpaint.gui.label_layers import has_boundary

if TYPE_CHECKING:
    from napari_inpaint.backends.contract import BackendInfo
    from napari_inpaint.gui.base_form import Choices


COUNT = 4  # variants at a time
DOUBTS = (
    "Show where the backend itself doubts its fill, from 0 (not reliable) to 1. Below "
    f"{messages.RELIABLE} counts as unreliable."
)
SPLIT = "Give every object inside its boundary a number of its own, in a new layer."


class GuideForm(LayerForm):
    """What the person sees, from top to bottom in the order in which it is used.

    Parameters
    ----------
    images, masks : callable
        Return the layers that can be chosen.
    """

    NEEDS: ClassVar = {"segment", "guide"}
    WHAT: ClassVar = (
        "slices",
        f"{STACK}: every slice on which the mask is painted; all slices if it is empty.\n"
        f"{SLICE}: only the slice that is shown.",
    )

    def __init__(self, images: Choices, masks: Choices) -> None:
        self.segment = PushButton(text="Segment")
        self.class_map = ComboBox(
            label="labels",
            choices=self.label_layers,
            nullable=True,
            tooltip="The map of classes to fill from: from Segment, or a Labels layer of your own "
            "with the numbers below. It is never changed but by you.",
        )
        self.class_map.null_string = "none"
        self.fill = PushButton(text="Fill from labels")
        self.variants = PushButton(text="Variants")
        self.reliability = PushButton(text="Reliability")
        self.previous = PushButton(text="‹", tooltip="Show the variant before this one.")
        self.position = Label(value="")
        self.following = PushButton(text="›", tooltip="Show the next variant.")
        self.keep = PushButton(text="Keep this one", tooltip="Remove the other variants.")
        self.drop = PushButton(text="Drop all", tooltip="Remove all variants.")
        self.split = PushButton(text="Split into instances")
        super().__init__(images, masks)
        self.picker = ClassPicker()
        below_labels = 1 + self.native.layout().indexOf(self._labels_field.native)
        self.native.layout().insertWidget(below_labels, self.picker)
        narrow(self.class_map.native)
        for arrow in (self.previous, self.following):
            arrow.native.setFixedWidth(28)
        self.position.native.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def label_layers(self, field: Widget) -> list[Any]:
        """Return the layers that can hold labels."""
        raise NotImplementedError

    def build(self) -> list[Widget]:
        """Return what stands between the hint and the status line."""
        self._labels_field = fields(self.class_map)
        self._flip = row(self.previous, self.position, self.following, self.keep, self.drop)
        return [
            row(self.segment, self.cancel),
            self._labels_field,
            self.fill,
            row(self.variants, self.reliability),
            self.split,
            self._flip,  # comes and goes, and moves nothing but the status line
        ]

    def show_backend(self, info: BackendInfo | None) -> None:
        """Show what the chosen backend knows, and only what it can do."""
        classes = info.classes if info is not None else ()
        self.picker.show_classes(classes)
        self.reliability.visible = info is not None and "reliability" in info.provides
        self.split.visible = has_boundary(classes)

    def show_position(self, at: int, count: int) -> None:
        """Show which of the variants is seen, or hide the row when there are none."""
        self._flip.visible = count > 0
        self.position.value = f"{at + 1} of {count}" if count else ""
        self.previous.enabled = self.following.enabled = count > 1
