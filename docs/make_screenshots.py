"""Make the pictures of the napari window that the README and the guides show.

Run it on a screen, or on a virtual one: ``xvfb-run -s "-screen 0 1400x900x24" python
docs/make_screenshots.py``. It writes ``docs/inpaint-*.png``.
"""

from __future__ import annotations

from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.QtCore import QThreadPool
from qtpy.QtTest import QTest

HERE = Path(__file__).parent


def main() -> None:
    """Open each sample with the widget beside it, and fill it as a person would."""
    get_settings().application.save_window_geometry = False
    for sample in ("photo", "stack"):
        viewer = napari.Viewer(show_welcome_screen=False)
        viewer.window.resize(1400, 900)
        viewer.open_sample("napari-inpaint", sample)
        _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
        QTest.qWait(3000)
        viewer.reset_view()
        _picture(viewer, f"inpaint-{sample}-before")
        widget.inpaint.native.click()
        while widget.cancel.enabled:
            QTest.qWait(100)
        QTest.qWait(1000)
        _picture(viewer, f"inpaint-{sample}-after")
        viewer.close()
    QThreadPool.globalInstance().waitForDone()


def _picture(viewer: napari.Viewer, name: str) -> None:
    viewer.window.screenshot(HERE / f"{name}.png", canvas_only=False, flash=False)


if __name__ == "__main__":
    main()
