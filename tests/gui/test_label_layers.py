"""Maps of classes as Labels layers: made, kept, compared; no window needed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_inpaint import ClassInfo, Segmentation
from napari_inpaint.gui.image_layers import new_mask
from napari_inpaint.gui.label_layers import (
    changes,
    class_names,
    has_boundary,
    is_map,
    map_of,
    place_map,
    shares,
    split_planes,
)
from napari_inpaint.gui.selection import Selection

CLASSES = (ClassInfo("road", "#804080"), ClassInfo("sky", "#4682b4"), ClassInfo("car", "#00008e"))
CELLS = tuple(ClassInfo(name, "#808080") for name in ("background", "inside", "boundary"))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def segmented(values, classes=CLASSES) -> Segmentation:
    values = np.asarray(values, np.uint8)
    return Segmentation(values, np.ones(values.shape, np.float32), classes)


def chosen(image, only=None):
    """Return the planes of an image of which nothing is hole."""
    axes = (image.ndim - 2, image.ndim - 1)
    return Selection.of(image, None, axes, only, needs_hole=False).read()


def placed(viewer, image, number, only=None, mask=None, classes=CLASSES):
    """Segment an image as one class everywhere, and return the map and its planes."""
    planes = chosen(image, only)
    found = segmented(np.full(planes.hole.shape, number), classes)
    return place_map(viewer.layers, image, mask, planes, found, {"backend": "x"}), planes


def test_map_has_the_names_and_colours_of_the_classes(viewer):
    image = viewer.add_image(np.zeros((4, 5)), name="street", scale=(2, 3), units=("um", "um"))
    labels, _ = placed(viewer, image, 2)
    assert labels.name == "street · labels"
    assert labels.data.dtype == np.uint8
    assert (labels.data == 2).all()
    np.testing.assert_allclose(labels.get_color(2)[:3], np.array([0x46, 0x82, 0xB4]) / 255)
    assert labels.get_color(255)[3] == 0
    assert labels.get_status((2, 3), world=True)["coordinates"].endswith("2; class: sky")
    np.testing.assert_array_equal(labels.scale, (2, 3))
    assert labels.units == image.units
    assert is_map(labels)
    assert class_names(labels) == ["road", "sky", "car"]
    assert not is_map(viewer.add_labels(np.zeros((4, 5), np.uint8)))


def test_map_lies_between_the_image_and_the_outline_of_the_mask(viewer):
    image = viewer.add_image(np.zeros((4, 5)), name="a")
    mask = viewer.add_layer(new_mask(image))
    placed(viewer, image, 2, mask=mask)
    assert [layer.name for layer in viewer.layers] == ["a", "a · labels", "a · mask"]


def test_segmenting_again_updates_a_map_that_nobody_painted_on(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    first, _ = placed(viewer, image, 2)
    data = first.data
    second, _ = placed(viewer, image, 3)
    assert second is first
    assert first.data is data
    assert (data == 3).all()


def test_segmenting_again_leaves_a_painted_map_alone(viewer):
    image = viewer.add_image(np.zeros((4, 5)), name="a")
    first, _ = placed(viewer, image, 2)
    first.data_setitem((np.array([1]), np.array([1])), 3)
    second, _ = placed(viewer, image, 2)
    assert second is not first
    assert second.name == "a · labels [1]"
    assert first.data[1, 1] == 3
    assert first.data.sum() == 41
    assert not first.visible
    assert map_of(image, viewer.layers) is second
    second.undo()
    assert (second.data == 2).all()


def test_map_with_other_classes_is_a_new_layer(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    first, _ = placed(viewer, image, 2)
    second, _ = placed(viewer, image, 1, classes=CELLS)
    assert second is not first
    assert (first.data == 2).all()


def test_slices_complete_a_map_while_none_that_was_painted_is_touched(viewer):
    image = viewer.add_image(np.zeros((3, 4, 5)))
    first, _ = placed(viewer, image, 2, only=(0,))
    assert [int(plane.max()) for plane in first.data] == [2, 0, 0]
    first.data[0, 1, 1] = 3
    second, _ = placed(viewer, image, 1, only=(2,))
    assert second is first
    assert [int(plane.max()) for plane in first.data] == [3, 0, 1]
    third, _ = placed(viewer, image, 2, only=(0,))
    assert third is not first
    assert first.data[0, 1, 1] == 3


def named(labels, image, planes, hole):
    return changes(labels, image, planes, planes.cut(labels.data), hole, CLASSES)


def test_changes_are_named_by_the_largest_inside_the_hole(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    labels, planes = placed(viewer, image, 1)
    hole = np.zeros((1, 4, 5), bool)
    hole[:, :2] = True
    labels.data[3] = 3
    assert named(labels, image, planes, hole) == "as segmented"
    labels.data[0] = 2
    assert named(labels, image, planes, hole) == "road→sky"
    labels.data[1, :3] = 3
    assert named(labels, image, planes, hole) == "road→sky +1"
    labels.data[:2] = 0
    assert named(labels, image, planes, hole) == "road→you decide"


def test_labels_of_ones_own_give_their_name(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    planes = chosen(image)
    own = Labels(np.ones((4, 5), int), name="drawn")
    assert named(own, image, planes, np.ones((1, 4, 5), bool)) == "from drawn"


def test_shares_are_told_from_the_largest_on():
    values = np.repeat([1, 2, 3], [30, 69, 1])
    assert shares(values, CLASSES) == "sky 69\u00a0%, road 30\u00a0%, car 1\u00a0%"
    many = tuple(ClassInfo(str(number), "#000000") for number in range(1, 6))
    assert shares(np.array([1, 1, 2, 3, 4]), many).endswith(" and 1 more")


def test_objects_are_numbered_through_all_planes():
    plane = np.ones((12, 30), np.uint8)
    for left in (2, 16):
        plane[2:10, left : left + 10] = 3
        plane[3:9, left + 1 : left + 9] = 2
    told = []
    found = split_planes(np.stack([plane, plane]), CELLS, lambda *step: told.append(step))
    assert told == [(0, 720), (360, 720)]
    assert np.unique(found).tolist() == [0, 1, 2, 3, 4]
    assert np.unique(found[1]).tolist() == [0, 3, 4]
    assert (found[0, 2:10, 2:12] == found[0, 5, 5]).all()
    assert has_boundary(CELLS)
    assert not has_boundary(CLASSES)


def test_duplicate_of_a_map_is_no_map_of_the_image(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    first, _ = placed(viewer, image, 2)
    duplicate = viewer.add_layer(Labels.create(*first.as_layer_data_tuple()))
    viewer.layers.remove(first)
    assert map_of(image, viewer.layers) is None
    placed(viewer, image, 3)
    assert (duplicate.data == 2).all()
    assert isinstance(image, Image)
