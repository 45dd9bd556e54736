import numpy as np
import pytest
from skimage.draw import disk

from napari_inpaint.arrays.instances import split_instances
from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.errors import LabelsError, ShapeError

NUCLEI = [ClassInfo(each, "#000000") for each in ("background", "nucleus", "boundary")]


def drawn(*discs, shape=(80, 100)):
    """Return labels of discs (y, x, radius), each with a boundary of 2 px inside its rim."""
    labels = np.ones(shape, np.uint8)
    for y, x, radius in discs:
        labels[disk((y, x), radius, shape=shape)] = 3
    for y, x, radius in discs:
        labels[disk((y, x), radius - 2, shape=shape)] = 2
    return labels


def test_objects_that_touch_are_parted_and_grow_over_their_boundary():
    labels = drawn((40, 30, 15), (40, 59, 15), (10, 90, 7))
    found = split_instances(labels, NUCLEI)
    assert found.dtype == np.int32
    assert found.max() == 3
    np.testing.assert_array_equal(found > 0, labels != 1)
    assert len({found[40, 30], found[40, 59], found[10, 90]}) == 3
    sizes = sorted(np.bincount(found.ravel())[1:])
    assert abs(sizes[2] - sizes[1]) < 40
    columns = np.flatnonzero(found[40] == found[40, 30])
    assert 43 <= columns.max() <= 46  # they meet in the middle


def test_neck_where_the_boundary_was_missed_is_cut():
    labels = drawn((40, 30, 15), (40, 59, 15))
    labels[39:42, 40:50] = 2
    found = split_instances(labels, NUCLEI)
    assert found.max() == 2
    assert found[40, 30] != found[40, 59]


def test_long_object_and_tiny_object_stay_whole():
    labels = np.ones((60, 60), np.uint8)
    labels[10:20, 5:55] = 2
    labels[40, 40] = 2
    found = split_instances(labels, NUCLEI)
    assert found.max() == 2
    assert len(np.unique(found[10:20, 5:55])) == 1


def test_slices_are_split_each_by_itself_with_numbers_of_their_own():
    one, other = drawn((40, 30, 15), (40, 70, 15)), drawn((40, 30, 15))
    found = split_instances(np.stack([one, np.ones_like(one), other]), NUCLEI)
    assert set(np.unique(found[0])) == {0, 1, 2}
    assert not found[1].any()
    assert set(np.unique(found[2])) == {0, 3}


def test_boundary_without_an_inside_and_undecided_pixels_are_no_objects():
    labels = np.zeros((20, 20), np.uint8)
    labels[5:8, 5:8] = 3
    labels[12:, 12:] = 255
    assert not split_instances(labels, NUCLEI).any()


@pytest.mark.parametrize("names", [("sky", "road"), ("boundary", "sky"), ("sky", "boundary"), ()])
def test_classes_without_boundary_are_refused(names):
    classes = [ClassInfo(each, "#000000") for each in names]
    with pytest.raises(LabelsError, match='class "boundary"'):
        split_instances(np.ones((8, 8), int), classes)


def test_single_axis_is_refused():
    with pytest.raises(ShapeError, match="Y and X"):
        split_instances(np.ones(8, int), NUCLEI)
