import numpy as np
import pytest

import napari_inpaint as ni
from napari_inpaint.errors import BackendError, OptionError, ShapeError
from napari_inpaint.variation import DIFFERENT, variants_steps

IMAGE = np.where(np.arange(90)[:, None, None] < 45, 0, 255) * np.ones((90, 80, 3), np.uint8)
IMAGE = IMAGE.astype(np.uint8)
HOLE = np.zeros((90, 80), bool)
HOLE[20:70, 20:60] = True
COLOURS = np.array([0, 64, 191, 255])  # of dark, bright and gold as the painter fills them


def test_variants_are_filled_by_their_own_labels_and_differ(add_painter):
    found = ni.variants(IMAGE, HOLE, backend=add_painter(), count=4, seed=7)
    assert len(found) == 4
    for each in found:
        np.testing.assert_array_equal(each.filled[~HOLE], IMAGE[~HOLE])
        np.testing.assert_array_equal(each.filled[HOLE][:, 0], COLOURS[each.labels[HOLE]])
        np.testing.assert_array_equal(each.labels[~HOLE], np.where(IMAGE[~HOLE][:, 0] == 0, 1, 2))
    assert (found[0].labels[HOLE] == 1).all()  # the most probable map comes first
    for number, each in enumerate(found):
        for other in found[:number]:
            assert (each.labels != other.labels)[HOLE].mean() >= DIFFERENT


def test_same_seed_gives_the_same_variants(add_painter):
    name = add_painter()
    one, same, other = (
        ni.variants(IMAGE, HOLE, backend=name, count=2, seed=seed)[1] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.filled, same.filled)
    assert (one.labels != other.labels).any()


@pytest.mark.parametrize("axes", ["ZYX", "YXZ"])
def test_stack_gets_variants_of_its_shape(add_painter, axes):
    stack = np.stack([IMAGE[..., 0]] * 2, axis=axes.index("Z"))
    found = ni.variants(stack, HOLE, axes=axes, backend=add_painter(), count=2)
    for each in found:
        assert each.filled.shape == each.labels.shape == stack.shape
        known = np.moveaxis(each.filled == stack, axes.index("Z"), 0)[:, ~HOLE]
        assert known.all()


def test_options_are_those_of_a_fill(add_painter):
    found = ni.variants(IMAGE, HOLE, backend=add_painter(), count=1, dilate=3)
    changed = (found[0].filled != IMAGE).any(axis=-1)
    assert changed[60, 17]
    assert not changed[60, 16]


def test_steps_rise_to_the_end(add_painter):
    steps = variants_steps(IMAGE, HOLE, backend=add_painter(), count=3)
    done = list(steps)
    assert [each.done for each in done] == sorted(each.done for each in done)
    assert done[-1].done == done[-1].total == 90 * 80 + 3 * 2000


def test_whatever_is_wrong_is_said_before_any_work(add_painter):
    name = add_painter()
    with pytest.raises(OptionError, match=r"count.*0"):
        variants_steps(IMAGE, HOLE, backend=name, count=0)
    with pytest.raises(ShapeError, match="mask is empty"):
        variants_steps(IMAGE, HOLE & False, backend=name)
    with pytest.raises(BackendError, match="'guide' and 'segment'"):
        variants_steps(IMAGE, HOLE, backend="telea")
    with pytest.raises(OptionError, match="no option strenght"):
        variants_steps(IMAGE, HOLE, backend=name, strenght=1)
