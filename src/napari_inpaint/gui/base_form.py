"""What the forms of all widgets have that fill a mask in an image."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from magicgui.widgets import (
    ComboBox,
    Container,
    LineEdit,
    PushButton,
    RadioButtons,
    SpinBox,
    Widget,
)
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QFileDialog, QMessageBox
from superqt import QCollapsible

from napari_inpaint.fill.plan import STRATEGIES, Options
from napari_inpaint.gui import messages
from napari_inpaint.gui.backend_field import BackendField
from napari_inpaint.gui.form_parts import Shrinking, fields, narrow, row, words_line
from napari_inpaint.gui.sliders import ALONG_NONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_inpaint.errors import UntrustedArtifactError
    from napari_inpaint.fill.device import ResolvedDevice

    Choices = Callable[[Widget], list[Any]]

SLICE, STACK = "This slice", "Whole stack"
FOLDED, UNFOLDED = "▸  More options", "▾  More options"
CONTEXTS = (16, 32, 64, 128, 256)  # px
DILATE = 2  # px: the brush rarely covers the very rim of what should go
LEAST = 90  # px: three options, on a low screen
HINT_LINES = 5  # as many as the longest hint takes in a narrow dock


class LayerForm(Container[Widget]):
    """Fields for an image, a mask, a backend and a device; a hint above, a status line below.

    Subclasses say in `build` what stands between the hint and the status line, and in `build_more`
    which options they have besides.

    Parameters
    ----------
    images, masks : callable
        Return the layers that can be chosen.
    """

    NEEDS: ClassVar[set[str]]  # what a backend has to provide to be listed
    WHAT: ClassVar[tuple[str, str]]  # the field that tells one slice from all: label, tooltip

    def __init__(self, images: Choices, masks: Choices) -> None:
        self.image = ComboBox(
            label="image", choices=images, tooltip="The image to fill. It is never changed."
        )
        self.mask = ComboBox(
            label="mask",
            choices=masks,
            nullable=True,
            tooltip="What to fill: every pixel that is painted in a Labels layer (any label), "
            "that lies inside a shape, or in the disc of a point. The layer is never changed.\n"
            "Where values are missing in the image, no mask is needed.",
        )
        self.mask.null_string = "none"
        self.new_mask = PushButton(
            text="New mask",
            tooltip="Add an empty Labels layer on the image, with the brush ready to paint.",
        )
        self.edit_mask = PushButton(
            text="Edit mask",
            tooltip="Show the mask again and select it, with the brush ready to paint.",
        )
        self.backend = BackendField(self.NEEDS)
        self.device = ComboBox(label="device", choices=[("auto", "auto")])
        self.what = RadioButtons(
            label=self.WHAT[0],
            choices=[SLICE, STACK],
            orientation="horizontal",
            tooltip=self.WHAT[1],
        )
        self.what.value = STACK
        self.cancel = PushButton(
            text="Cancel", enabled=False, tooltip="Stop after the current tile; nothing is kept."
        )
        self.hint = words_line()
        self.status = words_line()
        masks_row = row(self.new_mask, self.edit_mask)
        top = fields(self.image, self.mask, masks_row, self.what, self.backend, self.device)
        super().__init__(widgets=[top, self.hint, *self.build(), self.status], labels=False)
        self.margins = (6, 8, 6, 8)  # a dock is narrow
        self._build_options()
        self.native.layout().addStretch(1)  # what room is left is left below
        for combo in (self.image, self.mask, self.backend, self.device):
            narrow(combo.native)

    def build(self) -> list[Widget]:
        """Return what stands between the hint and the status line."""
        raise NotImplementedError

    def build_more(self) -> list[Widget]:
        """Return options that other forms do not have."""
        return []

    def _build_options(self) -> None:
        """Add what few people need, folded away, above the buttons."""
        self.dilate = SpinBox(
            label="dilate",
            value=DILATE,
            max=1000,
            tooltip="Grow the mask by so many px, so that no rim of what should go is left.",
        )
        self.feather = SpinBox(
            label="feather",
            value=Options.feather,
            max=1000,
            tooltip="Blend the fill into its surroundings over so many px, inside the mask only.",
        )
        self.context = ComboBox(
            label="context",
            choices=[("auto", Options.context), *((f"{px} px", px) for px in CONTEXTS)],
            tooltip="How far around a hole the backend looks. auto: as far as it asks to.",
        )
        self.strategy = ComboBox(
            label="strategy",
            choices=STRATEGIES,
            value=Options.strategy,
            tooltip="For holes larger than the backend works on at once.\n"
            "crop: fill at full resolution only. resize: fill at reduced size only.\n"
            "auto: fill at reduced size, then again along the rim at full resolution.",
        )
        self.batch_size = SpinBox(
            label="batch size",
            value=Options.batch_size,
            min=1,
            max=1024,
            tooltip="How many tiles the backend gets at once; halved when memory runs out.",
        )
        self.seed = SpinBox(
            label="seed",
            value=Options.seed,
            max=2**31 - 1,
            tooltip="The same seed gives the same fill. Only backends that draw at random heed it.",
        )
        self.missing = LineEdit(
            label="missing",
            tooltip="Values that say that a pixel is missing, as -9999, or 0, 65535. NaN and "
            "infinite values always do.\nIn 8-bit and 16-bit colour images all three colours "
            "have to have it.",
        )
        self.missing.native.setPlaceholderText("NaN and infinite values only")
        self.fill_missing = ComboBox(
            label="fill missing",
            choices=[("all", "all"), ("only where masked", "masked")],
            value=Options.fill_missing,
            tooltip="all: fill every missing pixel, whatever the mask says.\n"
            "only where masked: leave the others as they are; nothing is learnt from them.",
        )
        for combo in (self.context, self.strategy, self.fill_missing):
            narrow(combo.native, 15)
        # Kept here: the Qt side alone would not keep it.
        self._options = fields(
            *(self.dilate, self.feather, *self.build_more(), self.missing, self.fill_missing),
            *(self.context, self.strategy, self.batch_size, self.seed),
        )
        # The arrow is text, since an icon would keep the colour of the theme it was made in.
        folded = QCollapsible(FOLDED, expandedIcon=QIcon(), collapsedIcon=QIcon())
        folded.toggled.connect(lambda shown: folded.setText(UNFOLDED if shown else FOLDED))
        folded.setContent(Shrinking(self._options.native, LEAST))
        folded.collapse(animate=False)
        folded.layout().setContentsMargins(0, 0, 0, 0)  # type: ignore[union-attr]
        self.native.layout().insertWidget(1, folded)

    def chosen_options(self, axes: str) -> Options:
        """Return the options of a run, as the fields have them, for planes with these axes.

        Each plane is worked on by itself.
        """
        return Options(
            backend=self.backend.chosen or self.backend.value,
            device=self.device.value,
            axes=axes,
            along=ALONG_NONE,
            dilate=self.dilate.value,
            feather=self.feather.value,
            context=self.context.value,
            strategy=self.strategy.value,
            batch_size=self.batch_size.value,
            seed=self.seed.value,
            missing=self.missing_values,
            fill_missing=self.fill_missing.value,
        )

    @property
    def missing_values(self) -> tuple[float, ...]:
        """The values that mean missing, as far as they are numbers; see `missing_problem`."""
        given = map(_number, _words(self.missing.value))
        return tuple(each for each in given if each is not None and math.isfinite(each))

    @property
    def missing_problem(self) -> str | None:
        """Say which word is no number, or None."""
        for word in _words(self.missing.value):
            if _number(word) is None:
                return messages.NOT_A_NUMBER.format(messages.short(word))
        return None

    def ask_for_file(self) -> Path | None:
        """Let the person choose a TorchScript file."""
        name, _ = QFileDialog.getOpenFileName(
            self.native, "Open a TorchScript file", "", "TorchScript (*.pt)"
        )
        return Path(name) if name else None

    def ask_for_consent(self, error: UntrustedArtifactError) -> bool:
        """Ask whether a file may be run."""
        box = QMessageBox(self.native)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Run this file?")
        box.setText(f"{error.path.name} is a program: it can do whatever you can do.")
        box.setInformativeText(
            "Run it only if you trust where it comes from. You are asked once for each file; "
            "one that changes afterwards is refused.\n\n"
            f"File: {error.path}\nSHA-256: {error.sha256}"
        )
        trust = box.addButton("Trust and run", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.exec()
        return box.clickedButton() is trust

    def show_devices(self, names: list[str], auto: ResolvedDevice) -> None:
        """List the devices, and say which one "auto" takes and why."""
        chosen = self.device.value
        picked = messages.device(str(auto.device))
        choices = [(f"auto ({picked})", "auto"), *((messages.device(name), name) for name in names)]
        self.device.choices = lambda _: choices
        self.device.value = chosen if chosen in names else "auto"
        self.device.tooltip = f"Where the backend runs. auto takes the {picked}: {auto.reason}."


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,;]+", text) if word]


def _number(word: str) -> float | None:
    try:
        return float(word.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None
