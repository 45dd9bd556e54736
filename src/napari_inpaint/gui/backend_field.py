"""The list of backends in a form: which can be chosen, and what is said of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt

from napari_inpaint.backends import registry
from napari_inpaint.backends.auto import FILLS, choose_backend
from napari_inpaint.backends.scores import comparisons
from napari_inpaint.backends.torchscript import open_artifact
from napari_inpaint.errors import BackendError, InpaintError
from napari_inpaint.gui import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_inpaint.backends.contract import BackendInfo

AUTO, OPEN_FILE, NONE = "auto", "open a file…", "none installed"


class BackendField(ComboBox):
    """A list of the backends that can do what a widget needs, and of files.

    Parameters
    ----------
    needs : set of str
        What a backend has to provide to be listed.
    """

    def __init__(self, needs: set[str]) -> None:
        super().__init__(label="backend")
        self._needs = frozenset(needs)
        self._infos: dict[str, BackendInfo] = {}
        self._auto: str | None = None
        self._weighs = False

    @property
    def chosen(self) -> str | Path | None:
        """The backend that runs, "auto" resolved; None if there is none."""
        value: str | Path | None = self.value
        return self._auto if value == AUTO else value

    @property
    def info(self) -> BackendInfo | None:
        """What the chosen backend says of itself; None if there is none, or it is unreadable."""
        chosen = self.chosen
        if isinstance(chosen, Path):
            try:
                return open_artifact(chosen).info
            except InpaintError:
                return None
        return self._infos.get(chosen) if chosen is not None else None

    @property
    def problem(self) -> str | None:
        """Why the chosen backend cannot do what the widget needs, or None if it can."""
        chosen = self.chosen
        if not isinstance(chosen, Path):
            return None
        try:
            info = open_artifact(chosen).info
        except InpaintError as error:
            return str(error)
        if self._needs <= {*info.provides}:
            return None
        return (
            f"“{messages.short(chosen.name)}” does not provide "
            f"{' and '.join(sorted(self._needs))}, only {', '.join(sorted(info.provides))}. "
            "Choose another backend."
        )

    def offer(self, colours: int | None, files: Sequence[Path]) -> None:
        """List the backends that are installed, and the files that were opened.

        Parameters
        ----------
        colours : int or None
            How many the image has, None if it is grey: "auto" depends on it.
        files : sequence of Path
            TorchScript files.
        """
        self._infos = {info.name: info for info in registry.providing(self._needs)}
        self._auto = self._best(colours)
        self._weighs = self._needs == FILLS and colours is None
        auto = f"auto ({'several, weighed' if self._weighs else self._auto})"
        choices: list[tuple[str, Any]] = [(auto, AUTO) if self._auto else (NONE, None)]
        choices += [(name, name) for name in self._infos]
        choices += [(path.name, path) for path in files]
        choices.append((OPEN_FILE, OPEN_FILE))
        self._show(choices)

    def _best(self, colours: int | None) -> str | None:
        """Return what "auto" stands for: a shipped backend, else the first that fits; or None."""
        try:
            return choose_backend(colours, self._needs)
        except BackendError:
            fitting = [
                name for name, info in self._infos.items() if info.channels in (None, colours or 1)
            ]
            return next(iter([*fitting, *self._infos]), None)

    def _show(self, choices: list[tuple[str, Any]]) -> None:
        before = self.value
        values = [value for _, value in choices]
        with self.changed.blocked():
            self.choices = []  # else what is new, as "auto (…)" for another image, comes last
            self.choices = lambda _: choices
            self.value = before if before in values and before != OPEN_FILE else values[0]
        for index in range(self.native.count()):
            tip = self._about(self.native.itemData(index))
            self.native.setItemData(index, tip, Qt.ItemDataRole.ToolTipRole)
        self.tooltip = self._about(self.value)

    def _about(self, value: Any) -> str:
        if value == AUTO:
            about = self._about(self._auto)
            if self._weighs:
                return (
                    "Fills in several ways, and weighs them by how near they come to pixels that "
                    f"are known.\nIn single images one of them is {about}"
                )
            return f"Takes the backend that suits this image best.\nNow that is {about}"
        if value == OPEN_FILE:
            return "Use a TorchScript file (.pt). You are asked before it is run."
        if value is None:
            return f"No backend is installed that provides {' and '.join(sorted(self._needs))}."
        if isinstance(value, Path):
            try:
                return f"{_described(open_artifact(value).info)}\n\n{value}"
            except InpaintError as error:
                return str(error)
        return _described(self._infos[value])


def _described(info: BackendInfo) -> str:
    """Return what a backend says of itself, and how good it is where that is known."""
    licence = info.licence and f"Licence: {info.licence}"
    text = "\n".join(filter(None, (f"{info.name}: {info.title}", info.summary, licence)))
    scores = [messages.score(each) for each in comparisons(info)]
    return "\n".join([f"{text}\n", *scores, messages.SCORES]) if scores else text
