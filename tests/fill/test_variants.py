import numpy as np
import pytest

import napari_inpaint as ni
from napari_inpaint.errors import BackendError, OptionError, ShapeError
from napari_inpaint.fill.variants import DIFFERENT, sample_labels

IMAGE = np.where(np.arange(90)[:, None, None] < 45, 0, 255) * np.ones((90, 80, 3), np.uint8)
IMAGE = IMAGE.astype(np.uint8)
HOLE = np.zeros((90, 80), bool)
HOLE[20:70, 20:60] = True
COLOURS = np.array([0, 64, 191, 255])  # of dark, bright and gold as the painter fills them


def test_variants_are_filled_by_their_own_labels_and_differ(add_painter):
    found = ni.variants(IMAGE, HOLE, backend=add_painter(), count=4, seed=7, texture=0)
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


def test_progress_rises_to_the_end(add_painter):
    told = []
    ni.variants(
        IMAGE, HOLE, backend=add_painter(), count=3, progress=lambda *step: told.append(step)
    )
    assert told == sorted(told)
    assert told[-1] == (90 * 80 + 3 * 2000, 90 * 80 + 3 * 2000)


def test_whatever_is_wrong_is_said_before_any_work(add_painter):
    name = add_painter()
    with pytest.raises(OptionError, match=r"count.*0"):
        ni.variants(IMAGE, HOLE, backend=name, count=0)
    with pytest.raises(ShapeError, match="mask is empty"):
        ni.variants(IMAGE, HOLE & False, backend=name)
    with pytest.raises(BackendError, match="'guide' and 'segment'"):
        ni.variants(IMAGE, HOLE, backend="telea")
    with pytest.raises(OptionError, match="no option strenght"):
        ni.variants(IMAGE, HOLE, backend=name, strenght=1)


# --- drawing maps ---------------------------------------------------------------------------

EVEN = np.tile(np.array([0.5, 0.3, 0.2]), (96, 96, 1))
SQUARE = np.zeros((96, 96), bool)
SQUARE[16:80, 16:80] = True


def test_outside_the_hole_are_the_most_probable_classes():
    drawn = sample_labels(EVEN, SQUARE, seed=3)
    assert drawn.dtype == np.uint8
    assert (drawn[~SQUARE] == 1).all()
    assert (sample_labels(EVEN, SQUARE & False) == 1).all()


def test_classes_are_drawn_as_often_as_the_probabilities_say():
    drawn = np.stack([sample_labels(EVEN, SQUARE, seed)[SQUARE] for seed in range(150)])
    shares = [(drawn == k).mean() for k in (1, 2, 3)]
    np.testing.assert_allclose(shares, [0.5, 0.3, 0.2], atol=0.04)


def test_neighbours_are_drawn_alike():
    drawn = sample_labels(EVEN, SQUARE, seed=1)[16:80, 16:80]
    assert len(np.unique(drawn)) > 1
    changes = (drawn[1:] != drawn[:-1]).mean()
    assert changes < 0.06  # 0.62 if each pixel were drawn by itself


def test_same_seed_gives_the_same_map_and_another_another():
    one = sample_labels(EVEN, SQUARE, seed=5)
    np.testing.assert_array_equal(one, sample_labels(EVEN, SQUARE, seed=5))
    assert (one != sample_labels(EVEN, SQUARE, seed=6))[SQUARE].mean() > 0.1
    assert (one != sample_labels(EVEN, SQUARE, seed=(5, 1)))[SQUARE].mean() > 0.1


def test_slices_of_a_stack_are_drawn_each_by_itself():
    stack, holes = np.stack([EVEN] * 2), np.stack([SQUARE] * 2)
    drawn = sample_labels(stack, holes, seed=5)
    assert drawn.shape == (2, 96, 96)
    assert (drawn[0] != drawn[1]).any()


def test_temperature_decides_how_often_the_improbable_is_drawn():
    sure = np.tile(np.array([0.9, 0.1]), (96, 96, 1))
    shares = [
        np.mean([(sample_labels(sure, SQUARE, seed, t)[SQUARE] == 2).mean() for seed in range(40)])
        for t in (0, 0.5, 1, 4)
    ]
    assert shares[0] == 0
    assert shares[0] < shares[1] < shares[2] < shares[3]
    assert shares[3] == pytest.approx(1 / (1 + 9**0.25), abs=0.1)


def test_classes_that_occur_nowhere_near_are_not_drawn():
    probabilities = np.tile(np.array([0.6, 0.395, 0.005]), (96, 96, 1))
    drawn = [sample_labels(probabilities, SQUARE, seed, temperature=8) for seed in range(20)]
    assert set(np.unique(drawn)) == {1, 2}


def test_certain_single_class_can_still_be_overruled():
    certain = np.tile(np.array([1.0, 0.0, 0.0]), (96, 96, 1))
    drawn = [sample_labels(certain, SQUARE, seed, temperature=8) for seed in range(20)]
    assert len(np.unique(drawn)) > 1


def test_single_class_and_single_pixel_are_no_problem():
    assert (sample_labels(np.ones((8, 8, 1)), np.ones((8, 8), bool)) == 1).all()
    hole = np.zeros((5, 300), bool)
    hole[2, 7] = True
    drawn = [sample_labels(np.full((5, 300, 2), 0.5), hole, seed)[2, 7] for seed in range(30)]
    assert set(drawn) == {1, 2}
