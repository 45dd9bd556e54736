"""However large the mask, the main thread neither looks through it nor copies it."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from napari_inpaint.gui import looks, marks, messages

HOLE = np.s_[2, 20:30, 30:44]
LITTLE = 1000  # bytes that the main thread may look at in one go, in these tests


class Watched(np.ndarray):
    """An array that notes how much of it the package asks for, and in which thread."""

    def __array_finalize__(self, source):
        self.noted = getattr(source, "noted", None)

    def _note(self, array):
        frame = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if name.startswith("napari."):
                return  # napari itself reads what it shows
            if name.startswith("napari_inpaint."):
                main = threading.current_thread() is threading.main_thread()
                self.noted.append((main, array.nbytes))
                return
            frame = frame.f_back

    def __getitem__(self, key):
        part = super().__getitem__(key)
        self._note(np.asarray(part))
        return part

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        self._note(self)
        plain = [np.asarray(each) if isinstance(each, Watched) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)

    def copy(self, order="C"):
        self._note(self)
        return super().copy(order)


@pytest.fixture
def watched(monkeypatch):
    """Return a mask of a stack, (4, 64, 80), too large to be looked through while one waits."""
    monkeypatch.setattr(marks, "SMALL", LITTLE)
    monkeypatch.setattr(looks, "SMALL", LITTLE)
    array = np.zeros((4, 64, 80), np.uint8).view(Watched)
    array.noted = []
    return array


def read_by_main(array):
    return [0] + [size for main, size in array.noted if main]


def test_main_thread_reads_next_to_nothing_from_stroke_to_fill(viewer, dock, qtbot, ramp, watched):
    viewer.add_image(np.stack([ramp] * 4))
    mask = viewer.add_labels(watched)
    widget = dock()
    assert widget.mask.value is mask
    qtbot.waitUntil(lambda: widget.hint.value == messages.EMPTY, timeout=5000)
    assert not widget.inpaint.enabled
    viewer.dims.set_point(0, 2)
    mask.brush_size = 9
    mask.paint((2, 25, 35), 1)
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    widget.inpaint.native.click()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert widget.status.value.startswith("Filled 69 px in 1 hole on 1 slice with telea")
    assert max(read_by_main(watched)) <= LITTLE
    assert sum(read_by_main(watched)) < watched.nbytes / 4
    assert sum(size for main, size in watched.noted if not main) >= 2 * watched.nbytes


def test_hint_says_that_a_large_mask_is_looked_at(viewer, dock, qtbot, ramp, watched):
    viewer.add_image(np.stack([ramp] * 4))
    watched[HOLE] = 1
    viewer.add_labels(watched)
    widget = dock()
    assert widget.hint.value == messages.LOOKING
    assert widget.inpaint.enabled  # a run finds out for itself
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    assert max(read_by_main(watched)) <= LITTLE


def test_rubbing_out_and_undo_are_noticed_in_a_large_mask(viewer, dock, qtbot, ramp, watched):
    viewer.add_image(np.stack([ramp] * 4))
    mask = viewer.add_labels(watched)
    widget = dock()
    viewer.dims.set_point(0, 2)
    mask.paint((2, 25, 35), 1)
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    mask.undo()
    qtbot.waitUntil(lambda: widget.hint.value == messages.EMPTY, timeout=5000)
    mask.redo()
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    mask.brush_size = 30
    mask.paint((2, 25, 35), 0)
    qtbot.waitUntil(lambda: widget.hint.value == messages.EMPTY, timeout=5000)
    watched[1, 3, 3] = 1
    mask.refresh()
    qtbot.waitUntil(lambda: widget.hint.value == messages.READY, timeout=5000)
    assert max(read_by_main(watched)) <= LITTLE


def test_segment_and_guide_reads_next_to_nothing_in_the_main_thread(
    viewer, guide, qtbot, ramp, watched
):
    viewer.add_image(np.stack([ramp] * 4))
    watched[HOLE] = 1
    viewer.add_labels(watched)
    widget = guide()
    qtbot.waitUntil(lambda: widget.hint.value == messages.SEGMENT, timeout=5000)
    for button in (widget.segment, widget.fill, widget.variants):
        qtbot.waitUntil(lambda button=button: button.enabled, timeout=5000)
        button.native.click()
        qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert "variants drawn" in widget.status.value
    assert max(read_by_main(watched)) <= LITTLE


@pytest.mark.parametrize(
    ("where", "said"),
    [(np.s_[:0], r"is empty. Paint over what should be filled."), (np.s_[1:], "Z=1, Z=2, Z=3")],
)
def test_what_a_run_finds_out_reaches_the_person_in_words(
    viewer, dock, qtbot, ramp, watched, errors, where, said
):
    viewer.add_image(np.stack([ramp] * 4))
    watched[where] = 1
    viewer.add_labels(watched)
    widget = dock()
    widget.inpaint.native.click()
    qtbot.waitUntil(lambda: widget._run is None, timeout=30_000)
    assert len(errors) == 1
    assert said in errors[0]
    assert widget.status.value == errors[0]
    assert len(viewer.layers) == 2
