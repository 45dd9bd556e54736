"""What forms are built of: labelled fields, rows of buttons, and lines of messages."""

from __future__ import annotations

from magicgui.widgets import Container, Label, Widget
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QComboBox, QFrame, QLabel, QScrollArea, QSizePolicy, QWidget

LABELS = 82  # px: as wide as "fill missing"


def fields(*widgets: Widget) -> Container[Widget]:
    """Return labelled fields, one below the other."""
    column: Container[Widget] = Container(widgets=widgets)
    column.margins = (0, 0, 0, 0)
    for label in column.native.findChildren(QLabel):
        label.setMinimumWidth(LABELS)  # magicgui aligns by Qt's default font, not by napari's
    return column


def row(*widgets: Widget) -> Container[Widget]:
    """Return widgets side by side, without labels."""
    line = Container(widgets=widgets, layout="horizontal", labels=False, label="")
    line.margins = (0, 0, 0, 0)
    return line


def words_line() -> Label:
    """Return a text that wraps and can be copied."""
    line = Label(value="")
    native = line.native
    native.setWordWrap(True)
    native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    native.setAlignment(Qt.AlignmentFlag.AlignTop)
    native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return line


def keep_room(line: Label, lines: int) -> None:
    """Keep room for so many lines, whatever is said, so that what stands below never moves.

    To be called again when the widget is shown: before, the theme's font is not known.
    """
    native = line.native
    native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    native.setFixedHeight(lines * native.fontMetrics().lineSpacing() + 6)


class Shrinking(QScrollArea):
    """What gives way on a low screen, and then is scrolled.

    Parameters
    ----------
    content : QWidget
        Shown as it is where there is room.
    least : int
        Height that it has at least, px.
    """

    def __init__(self, content: QWidget, least: int) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)
        self._content, self._least = content, least

    def sizeHint(self) -> QSize:
        """Return the size of the content."""
        return self._content.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Return the width of the content, and the least height."""
        return QSize(self._content.minimumSizeHint().width(), self._least)


def narrow(combo: QComboBox, characters: int = 17) -> None:
    """Keep a long name in a list from making the whole dock wide."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(characters)
