"""What is known of large layers: at once by a witness, else from another thread; no window."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_inpaint.gui import looks as module
from napari_inpaint.gui.base_choice import painted_region
from napari_inpaint.gui.kinds import Marked, Missing
from napari_inpaint.gui.looks import Looks


@pytest.fixture
def large(monkeypatch):
    """Let everything count as large."""
    monkeypatch.setattr(module, "SMALL", 0)


@pytest.fixture
def looks(qapp):
    answers = []
    looks = Looks(lambda: answers.append(threading.current_thread()))
    looks.answers = answers
    yield looks
    assert set(answers) <= {threading.main_thread()}


def labels(shape, where=()) -> Labels:
    data = np.zeros(shape, np.uint8)
    if where:
        data[where] = 3
    return Labels(data)


def ask(looks, layer, only=None, sought=Marked(), axes=(1, 2), near=(0,)):  # noqa: B008
    return looks.has(layer, sought, axes, only, near)


def wait_and_ask(qtbot, looks, *args, **kwargs):
    """Ask until it is known, as a form does."""
    qtbot.waitUntil(lambda: looks._looking_in is None, timeout=5000)
    before = len(looks.answers)
    if ask(looks, *args, **kwargs) is None:
        qtbot.waitUntil(lambda: len(looks.answers) > before, timeout=5000)
    return ask(looks, *args, **kwargs)


def test_small_layers_are_known_at_once(looks):
    mask = labels((3, 6, 7), np.s_[0, 3, 3])
    assert ask(looks, mask) is True
    assert ask(looks, mask, (0,)) is True
    assert ask(looks, mask, (1,)) is False
    assert ask(looks, mask, (3,), axes=(0, 1)) is True
    assert ask(looks, mask, (4,), axes=(0, 1)) is False
    assert looks.answers == []


def test_large_layers_are_known_later(looks, large, qtbot):
    mask = labels((3, 6, 7), np.s_[0, 3, 3])
    assert ask(looks, mask, (1,)) is None
    assert wait_and_ask(qtbot, looks, mask, (1,)) is False
    assert wait_and_ask(qtbot, looks, mask) is True
    assert ask(looks, mask, (0,)) is True  # by the same witness


def test_what_was_known_before_a_change_stands_until_it_is_known_again(looks, large, qtbot):
    mask = labels((3, 6, 7), np.s_[0, 3, 3])
    assert wait_and_ask(qtbot, looks, mask, (0,)) is True
    mask.data[0, 3, 3], mask.data[0, 5, 5] = 0, 1  # the witness is gone, not the paint
    assert ask(looks, mask, (0,)) is True
    qtbot.waitUntil(lambda: looks._looking_in is None, timeout=5000)
    mask.data[:] = 0
    assert ask(looks, mask, (0,)) is True
    qtbot.waitUntil(lambda: looks._looking_in is None, timeout=5000)
    assert ask(looks, mask, (0,)) is False


def test_change_during_a_look_makes_it_worthless(looks, large, qtbot):
    mask = labels((3, 6, 7))
    assert ask(looks, mask) is None
    mask.data[2, 1, 1] = 1
    looks.changed(mask)
    qtbot.waitUntil(lambda: looks._looking_in is None, timeout=5000)
    assert wait_and_ask(qtbot, looks, mask) is True


def test_stroke_is_known_without_a_look(looks, large, monkeypatch):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 30, 40)))
    mask = viewer.add_layer(labels((4, 30, 40)))
    looks.is_clear(mask)
    assert ask(looks, mask) is False
    monkeypatch.setattr(module, "SMALL", 1 << 24)
    monkeypatch.setattr(module._Known, "look", lambda *_: pytest.fail("looked"))
    mask.events.labels_update.connect(
        lambda event: looks.painted(mask, painted_region(event, viewer.dims))
    )
    viewer.dims.set_point(0, 2)
    mask.paint((2, 10, 20), 1)
    assert ask(looks, mask) is True
    assert ask(looks, mask, (2,)) is True
    assert looks._of(mask, Marked()).witnesses.keys() == {(2,)}


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 2, 0)])
def test_region_of_a_stroke_holds_all_that_changed(order):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((14, 30, 40)), scale=(3, 1, 2), translate=(9, 0, 0))
    mask = viewer.add_labels(np.zeros((14, 30, 40), int), scale=(3, 1, 2), translate=(9, 0, 0))
    viewer.dims.order = order
    viewer.dims.current_step = (5, 12, 17)
    mask.brush_size = 6
    regions = []
    mask.events.labels_update.connect(
        lambda event: regions.append(painted_region(event, viewer.dims))
    )
    mask.paint((5, 12, 17), 1)
    (region,) = regions
    assert mask.data.sum() == mask.data[region].sum() > 15
    assert mask.data[region].shape[order[0]] == 1


def test_region_is_unknown_where_the_layer_is_not_shown_flat():
    viewer = ViewerModel(ndisplay=3)
    viewer.add_image(np.zeros((4, 30, 40)))
    flat = viewer.add_labels(np.zeros((30, 40), int))
    event = SimpleNamespace(source=flat, offset=[0, 0], data=np.zeros((2, 2)))
    assert painted_region(event, viewer.dims) is None


def test_other_data_are_another_matter(looks):
    mask = labels((3, 6, 7), np.s_[0, 3, 3])
    assert ask(looks, mask) is True
    mask.data = np.zeros((3, 6, 7), np.uint8)
    assert ask(looks, mask) is False


def test_search_begins_where_the_person_is(looks, large, qtbot):
    mask = labels((5, 6, 7), np.s_[1:4, 3, 3])
    assert wait_and_ask(qtbot, looks, mask, near=(2,)) is True
    assert looks._of(mask, Marked()).witnesses.keys() == {(2,)}


def test_missing_values_are_told_from_colours_and_alpha(looks):
    image = Image(np.full((3, 20, 30, 4), 9, np.uint8), rgb=True)
    image.data[1, 4, 5, :3] = 0
    image.data[2, ..., 3] = 0
    assert ask(looks, image, sought=Missing((0,))) is True
    assert ask(looks, image, (1,), Missing((0,))) is True
    assert ask(looks, image, (2,), Missing((0,))) is False
    assert ask(looks, image, sought=Missing((7,))) is False


def test_layer_that_is_not_in_memory_is_looked_at_in_another_thread(looks, qtbot):
    threads = set()

    def block(block_info=None):
        threads.add(threading.current_thread())
        return np.full((1, 6, 7), block_info[None]["chunk-location"][0] == 2, np.uint8)

    array = da.map_blocks(block, chunks=((1,) * 4, (6,), (7,)), dtype=np.uint8)
    threads.clear()
    layer = Labels(array)
    threads.clear()
    assert ask(looks, layer) is None
    assert wait_and_ask(qtbot, looks, layer) is True
    assert ask(looks, layer, (2,)) is True
    assert threads
    assert threading.main_thread() not in threads


def test_layer_that_cannot_be_read_is_asked_once(looks, qtbot, caplog):
    def block():
        raise OSError("The disk is gone")

    array = da.map_blocks(block, chunks=((1,) * 4, (6,), (7,)), dtype=np.float32, meta=np.empty(0))
    layer = Image(np.zeros((4, 6, 7), np.float32))
    layer._data = array  # napari would have read it for its display
    for _ in range(3):
        assert wait_and_ask(qtbot, looks, layer, (1,), Missing()) is None
        if looks.answers:
            break
    assert len(looks.answers) == 1
    assert "The disk is gone" in caplog.text
