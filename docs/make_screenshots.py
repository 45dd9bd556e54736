"""Make the pictures of the napari window that the README and the guides show.

Run it on a screen, or on a virtual one: ``xvfb-run -s "-screen 0 1400x900x24" python
docs/make_screenshots.py [STREET]``. It writes ``docs/inpaint-*.png`` and ``docs/labels-*.png``;
STREET is a picture of a street for the guide to labels, which is not part of the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QThreadPool
from qtpy.QtTest import QTest

HERE = Path(__file__).parent


def main() -> None:
    """Use both widgets as a person would."""
    get_settings().application.save_window_geometry = False
    get_settings().appearance.theme = "dark"
    for sample in ("photo", "stack"):
        inpaint(sample)
    repaint_nuclei()
    if len(sys.argv) > 1:
        repaint_street(Path(sys.argv[1]))
    QThreadPool.globalInstance().waitForDone()


def inpaint(sample: str) -> None:
    """Fill a sample."""
    viewer = _viewer()
    viewer.open_sample("napari-inpaint", sample)
    widget = _dock(viewer, "Inpaint")
    _picture(viewer, f"inpaint-{sample}-before")
    _press(widget, widget.inpaint)
    _picture(viewer, f"inpaint-{sample}-after")
    viewer.close()


def repaint_nuclei() -> None:
    """Segment the nuclei, paint one where none is seen, fill."""
    viewer = _viewer()
    viewer.open_sample("napari-inpaint", "nuclei")
    widget = _dock(viewer, "Segment and guide")
    _press(widget, widget.segment)
    _picture(viewer, "labels-nuclei-1-segment")
    _paint(widget, 2, [(58, 44), (58, 45)], 16)
    _paint(widget, 2, [(56, 70), (57, 74)], 14)
    _picture(viewer, "labels-nuclei-2-repaint")
    _press(widget, widget.fill)
    _picture(viewer, "labels-nuclei-3-fill")
    viewer.close()


def repaint_street(path: Path) -> None:
    """Segment a street, make what stands behind the hole sky, fill both ways."""
    viewer = _viewer()
    pixels = np.asarray(Image.open(path).convert("RGB"))
    height, width = pixels.shape[:2]
    viewer.add_image(pixels, name="street", rgb=True)
    hole = np.zeros((height, width), np.uint8)
    hole[height // 5 : height // 2, width // 2 : 4 * width // 5] = 1
    viewer.add_labels(hole, name="mask")
    widget = _dock(viewer, "Segment and guide")
    _press(widget, widget.segment)
    _picture(viewer, "labels-street-1-segment")
    _press(widget, widget.fill)
    across = range(width // 2, 4 * width // 5, 8)
    for name, number in (("sky", 1), ("tree", 6)):
        for y in range(height // 5, height // 2, 8):
            _paint(widget, number, [(y, x) for x in across], 16)
        if number == 1:
            _picture(viewer, "labels-street-2-repaint")
        _press(widget, widget.fill)
        _picture(viewer, f"labels-street-3-{name}")
    viewer.close()


def _viewer() -> Any:
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1400, 900)
    return viewer


def _dock(viewer: Any, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", name)
    QTest.qWait(3000)
    viewer.reset_view()
    return widget


def _press(widget: Any, button: Any) -> None:
    button.native.click()
    while widget.cancel.enabled:
        QTest.qWait(100)
    QTest.qWait(1000)


def _paint(widget: Any, number: int, places: list[tuple[int, int]], brush: int) -> None:
    widget.picker.picked.emit(number)  # as a click does, on the class at hand too
    labels = widget.class_map.value
    labels.brush_size = brush
    for place in places:
        labels.paint(place, number)


def _picture(viewer: Any, name: str) -> None:
    QTest.qWait(300)
    viewer.window.screenshot(HERE / f"{name}.png", canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
