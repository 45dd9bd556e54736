"""The list of classes to paint with: colour, number, name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_inpaint.gui import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_inpaint.arrays.labels import ClassInfo

ROWS = 12  # as many are seen without scrolling
LEAST = 5  # rows that are seen at least
ROW, SWATCH = 18, 14  # px


class ClassPicker(QListWidget):
    """A list of classes; a click on one, or the arrow keys, pick it.

    Row k is the class with the label k; row 0 leaves a pixel to the model.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[ClassInfo, ...] = ()
        self.setIconSize(QSize(SWATCH, SWATCH))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)
        self.itemClicked.connect(lambda item: self.picked.emit(self.row(item)))
        self.currentRowChanged.connect(self._moved)
        self.show_classes(())

    def show_classes(self, classes: Sequence[ClassInfo]) -> None:
        """List these classes, in the order of their labels from 1 up."""
        if self.count() and tuple(classes) == self._classes:
            return
        self._classes = tuple(classes)
        blocker = QSignalBlocker(self)
        self.clear()
        self._add(None, messages.YOU_DECIDE, "Rub out: here the model decides what to fill with.")
        for each in classes:
            self._add(each.colour, each.name, f"Paint {each.name} in the labels.")
        blocker.unblock()
        rows = min(self.count(), ROWS)
        self.setMaximumHeight(self._height_of(rows))
        self.setMinimumHeight(self._height_of(min(rows, LEAST)))  # on a low screen

    def sizeHint(self) -> QSize:
        """Return the size at which all is seen."""
        return QSize(super().sizeHint().width(), self.maximumHeight())

    def _height_of(self, rows: int) -> int:
        return rows * ROW + 2 * self.frameWidth()

    def mark(self, number: int) -> None:
        """Show which class is chosen, without picking it."""
        blocker = QSignalBlocker(self)
        self.setCurrentRow(number if 0 <= number < self.count() else -1)
        blocker.unblock()

    def _moved(self, number: int) -> None:
        if number >= 0:
            self.picked.emit(number)

    def _add(self, colour: str | None, name: str, tip: str) -> None:
        number = f"{self.count():\u2007>2}"  # a figure space is as wide as a digit
        item = QListWidgetItem(_swatch(colour), f"{number}  {name}")
        item.setToolTip(tip)
        item.setSizeHint(QSize(0, ROW))
        self.addItem(item)


def _swatch(colour: str | None) -> QIcon:
    """Return a square of the class's colour; an empty frame for none."""
    pixmap = QPixmap(SWATCH, SWATCH)
    pixmap.fill(QColor(colour) if colour else Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(QColor("gray"))
    painter.drawRect(0, 0, SWATCH - 1, SWATCH - 1)
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Disabled)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
