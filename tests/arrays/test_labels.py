import numpy as np
import pytest

from napari_inpaint.arrays.labels import (
    ClassInfo,
    as_labels,
    check_label_dtype,
    dtype_for,
    one_hot,
    stack_labels,
)
from napari_inpaint.errors import DtypeError, LabelsError

CLASSES = [ClassInfo("sky", "#4682b4"), ClassInfo("road", "#804080"), ClassInfo("car", "#3050d0")]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", ">i4"])
def test_0_and_255_are_undecided_in_every_type(dtype):
    labels = np.array([[0, 1, 2], [3, 255, 0]], dtype)
    ids = as_labels(labels, CLASSES, "street")
    assert ids.dtype == np.uint16
    assert ids.tolist() == [[0, 1, 2], [3, 0, 0]]


def test_255_is_a_class_where_there_are_so_many():
    classes = [ClassInfo(str(k), "#000000") for k in range(300)]
    ids = as_labels(np.array([[0, 255, 300]]), classes, "many")
    assert ids.tolist() == [[0, 255, 300]]
    assert [dtype_for(count).name for count in (3, 254, 255)] == [*("uint8", "uint8", "uint16")]


def test_unknown_ids_are_named_with_those_that_exist():
    labels = np.array([[1, -1, 4, 7, 8], [9, 10, 11, 0, 255]])
    with pytest.raises(LabelsError) as caught:
        as_labels(labels, CLASSES, "street")
    text = str(caught.value)
    assert "hold -1, 4, 7, 8, 9 and 2 more" in text
    assert "1 = sky, 2 = road, 3 = car; 0 and 255 leave a pixel to the model" in text


@pytest.mark.parametrize("dtype", ["float32", "bool", "complex64", "U3"])
def test_labels_are_integers(dtype):
    with pytest.raises(DtypeError, match=r"Labels are integers.*astype"):
        check_label_dtype(dtype)
    check_label_dtype("int64")


def test_one_hot_leaves_undecided_pixels_to_the_model():
    guess = np.array([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], np.float32)
    guiding = one_hot(np.array([0, 2], np.uint16), guess)
    np.testing.assert_array_equal(guiding, np.array([[0.2, 0.3, 0.5], [0, 1, 0]], np.float32))


def test_stack_of_no_labels_is_none():
    assert stack_labels([None, None]) is None
    assert stack_labels([np.ones((2, 2), np.uint16)] * 3).shape == (3, 2, 2)


def test_any_numbers_become_counted_ones_where_the_backend_has_no_classes():
    ids = as_labels(np.array([[0, 9, 255], [70_000, 9, 0]]), (), "none")
    assert ids.dtype == np.uint16
    assert ids.tolist() == [[0, 1, 2], [3, 1, 0]]
