"""The Inpaint widget's form: its fields, their words and tooltips; what they do is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import (
    ComboBox,
    Container,
    Label,
    PushButton,
    RadioButtons,
    SpinBox,
    Widget,
)
from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QMessageBox, QSizePolicy
from superqt import QCollapsible

from napari_inpaint import registry
from napari_inpaint.planning import STRATEGIES, Options, choose_backend

from . import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_inpaint.backend import BackendInfo
    from napari_inpaint.device import ResolvedDevice
    from napari_inpaint.errors import UntrustedArtifactError

    Choices = Callable[[Widget], list[Any]]

SLICE, STACK = "This slice", "Whole stack"
FOLDED, UNFOLDED = "▸  More options", "▾  More options"
OPEN_FILE = "open a file…"
CONTEXTS = (16, 32, 64, 128, 256)  # px
LABELS = 76  # px: as wide as "batch size"
DILATE = 2  # px: the brush rarely covers the very rim of what should go


class InpaintForm(Container[Widget]):
    """What the person sees: layers, backend, device, options, buttons, and two lines of words.

    Parameters
    ----------
    images, masks : callable
        Return the layers that can be chosen.
    """

    def __init__(self, images: Choices, masks: Choices) -> None:
        self.image = ComboBox(
            label="image", choices=images, tooltip="The image to fill. It is never changed."
        )
        self.mask = ComboBox(
            label="mask",
            choices=masks,
            tooltip="What to fill: every pixel that is painted in a Labels layer (any label), or "
            "that lies inside a shape. The layer is never changed.",
        )
        self.new_mask = PushButton(
            text="New mask",
            tooltip="Add an empty Labels layer on the image, with the brush ready to paint.",
        )
        self.edit_mask = PushButton(
            text="Edit mask",
            tooltip="Show the mask again and select it, with the brush ready to paint.",
        )
        self.backend = ComboBox(label="backend")
        self.device = ComboBox(label="device", choices=[("auto", "auto")])
        self.what = RadioButtons(
            label="fill",
            choices=[SLICE, STACK],
            orientation="horizontal",
            tooltip=f"{STACK}: every slice on which something is painted.\n"
            f"{SLICE}: only the slice that is shown; slices filled before stay filled.",
        )
        self.what.value = STACK
        self.inpaint = PushButton(text="Inpaint")
        self.cancel = PushButton(
            text="Cancel", enabled=False, tooltip="Stop after the current tile; nothing is kept."
        )
        self.hint = Label(value="")
        self.status = Label(value="")
        buttons = _row(self.new_mask, self.edit_mask)
        fields = _fields(self.image, self.mask, buttons, self.what, self.backend, self.device)
        super().__init__(
            widgets=[fields, self.hint, _row(self.inpaint, self.cancel), self.status],
            labels=False,
        )
        self._build_options()
        for line in (self.hint, self.status):
            line.native.setWordWrap(True)
            line.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            line.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        # Room for the longest hint, so that the buttons do not move under the mouse.
        self.hint.native.setMinimumHeight(3 * self.hint.native.fontMetrics().lineSpacing() + 6)
        self.hint.native.setAlignment(Qt.AlignmentFlag.AlignTop)
        for combo in (self.image, self.mask, self.backend, self.device):
            # A long layer name must not make the whole dock wide.
            combo.native.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.native.setMinimumContentsLength(14)

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
        # Kept here: the Qt side alone would not keep it.
        self._options = _fields(
            self.dilate, self.feather, self.context, self.strategy, self.batch_size, self.seed
        )
        # The arrow is text, since an icon would keep the colour of the theme it was made in.
        folded = QCollapsible(FOLDED, expandedIcon=QIcon(), collapsedIcon=QIcon())
        folded.toggled.connect(lambda shown: folded.setText(UNFOLDED if shown else FOLDED))
        folded.setContent(self._options.native)
        folded.collapse(animate=False)
        folded.layout().setContentsMargins(0, 0, 0, 0)  # type: ignore[union-attr]
        self.native.layout().insertWidget(1, folded)

    def chosen_options(self) -> dict[str, Any]:
        """Return the options of `inpaint_steps` as the fields have them."""
        return {
            "backend": self._auto if self.backend.value == "auto" else self.backend.value,
            "device": self.device.value,
            "dilate": self.dilate.value,
            "feather": self.feather.value,
            "context": self.context.value,
            "strategy": self.strategy.value,
            "batch_size": self.batch_size.value,
            "seed": self.seed.value,
        }

    # --- backends ---------------------------------------------------------------------------

    def show_backends(self, channels: int | None, files: list[Path]) -> None:
        """List the backends that fill, what "auto" means for such an image, and opened files."""
        self._auto = choose_backend(channels)
        infos = [info for info in registry.list_backends() if "inpaint" in info.provides]
        chosen = self.backend.value
        choices: list[tuple[str, Any]] = [(f"auto ({self._auto})", "auto")]
        choices += [(info.name, info.name) for info in infos]
        choices += [(path.name, path) for path in files]
        choices += [(OPEN_FILE, OPEN_FILE)]
        with self.backend.changed.blocked():
            self.backend.choices = lambda _: choices
            values = [value for _, value in choices]
            self.backend.value = chosen if chosen in values else "auto"
        known = {info.name: info for info in infos}
        for row in range(self.backend.native.count()):
            value = self.backend.native.itemData(row)
            tip = self._about_backend(value, known)
            self.backend.native.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
        self.backend.tooltip = self._about_backend(self.backend.value, known)

    def _about_backend(self, value: Any, known: dict[str, BackendInfo]) -> str:
        if value == "auto":
            about = self._about_backend(self._auto, known)
            return f"Takes the shipped backend that suits this image best.\nNow that is {about}"
        if value == OPEN_FILE:
            return "Use a TorchScript file (.pt). You are asked before it is run."
        if value not in known:
            return str(value)
        info = known[value]
        lines = [f"{info.name}: {info.title}", info.summary]
        lines += [f"Licence: {info.licence}"] if info.licence else []
        return "\n".join(line for line in lines if line)

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

    # --- devices ----------------------------------------------------------------------------

    def show_devices(self, names: list[str], auto: ResolvedDevice) -> None:
        """List the devices, and say which one "auto" takes and why."""
        chosen = self.device.value
        picked = words.device(str(auto.device))
        choices = [(f"auto ({picked})", "auto"), *((words.device(name), name) for name in names)]
        self.device.choices = lambda _: choices
        self.device.value = chosen if chosen in names else "auto"
        self.device.tooltip = f"Where the backend runs. auto takes the {picked}: {auto.reason}."


def _fields(*widgets: Widget) -> Container[Widget]:
    """Return labelled fields, one below the other."""
    fields: Container[Widget] = Container(widgets=widgets)
    fields.margins = (0, 0, 0, 0)
    for label in fields.native.findChildren(QLabel):
        label.setMinimumWidth(LABELS)  # magicgui aligns by Qt's default font, not by napari's
    return fields


def _row(*widgets: Widget) -> Container[Widget]:
    row = Container(widgets=widgets, layout="horizontal", labels=False, label="")
    row.margins = (0, 0, 0, 0)
    return row
