"""What mask layers mark, drawn into the image's pixels; no window needed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels, Points, Shapes

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui.image_layers import mask_problem, plane_of
from napari_inpaint.gui.marks import last_two
from napari_inpaint.gui.selection import marks_of


def hole_of(mask, image, axes=None) -> np.ndarray:
    """Return what a mask marks, with the image's spatial shape, drawn in planes of these axes."""
    marks = marks_of(mask, image)
    axes = axes or last_two(marks.shape)
    hole = np.zeros(marks.shape, bool)
    for index in marks.positions(axes):
        spot = marks.spot(axes, index)
        if spot is not None:
            spot.draw(plane_of(hole, axes, index))
    return hole


def test_mask_without_slices_counts_for_every_slice():
    image = Image(np.zeros((3, 4, 5)), scale=(9, 2, 2), translate=(7, 1, 1))
    mask = Labels(np.eye(4, 5, dtype=int) * 6, scale=(2, 2), translate=(1, 1))
    assert mask_problem(mask, image) is None
    hole = hole_of(mask, image)
    assert hole.shape == (3, 4, 5)
    assert hole[2].sum() == 4


CORNERS = np.array([[20, 30], [20, 43], [29, 43], [29, 30]])


def test_shapes_over_a_scaled_image_mark_what_they_cover():
    image = Image(np.zeros((64, 80)), scale=(0.5, 0.5), translate=(100, 200))
    shapes = Shapes([CORNERS * 0.5 + (100, 200)], shape_type="rectangle")
    expected = np.zeros((64, 80), bool)
    expected[20:30, 30:44] = True
    np.testing.assert_array_equal(hole_of(shapes, image), expected)


def test_shapes_mark_the_slice_on_which_they_were_drawn():
    image = Image(np.zeros((3, 64, 80)), scale=(10, 1, 1))
    on_slice = np.column_stack([np.full(4, 10), CORNERS])
    hole = hole_of(Shapes([on_slice], shape_type="ellipse"), image)
    assert [bool(part.any()) for part in hole] == [False, True, False]


def test_shapes_without_slices_mark_every_slice():
    hole = hole_of(Shapes([CORNERS], shape_type="polygon"), Image(np.zeros((3, 64, 80))))
    assert [int(part.sum()) for part in hole] == [140] * 3


def test_shapes_outside_the_image_mark_nothing():
    image = Image(np.zeros((2, 64, 80)))
    beside = np.column_stack([np.zeros(4), CORNERS + 500])
    above = np.column_stack([np.full(4, 7), CORNERS])
    assert not hole_of(Shapes([beside, above], shape_type="rectangle"), image).any()


def test_shapes_that_lack_an_axis_mark_every_slice_along_it():
    image = Image(np.zeros((2, 3, 64, 80)))
    on_slice = np.column_stack([np.full(4, 1), CORNERS])
    hole = hole_of(Shapes([on_slice], shape_type="rectangle"), image)
    assert hole.sum(axis=(2, 3)).tolist() == [[0, 140, 0], [0, 140, 0]]


def test_shape_across_slices_is_refused_in_words():
    image = Image(np.zeros((9, 64, 80)), name="stack")
    slanted = np.column_stack([[0, 0, 5, 5], CORNERS])
    with pytest.raises(InpaintError, match="does not lie within one slice of “stack”"):
        marks_of(Shapes([slanted], shape_type="polygon"), image)


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon", "path"])
def test_shapes_are_drawn_as_napari_draws_them(kind):
    figures = [CORNERS, CORNERS * 0.7 + 3.3, CORNERS - (25, -45), CORNERS - (-30, 40)]
    shapes = Shapes(figures, shape_type=kind)
    expected = shapes.to_labels((64, 80)) > 0
    np.testing.assert_array_equal(hole_of(shapes, Image(np.zeros((64, 80)))), expected)


def test_shapes_are_cut_by_planes_of_other_axes():
    image = Image(np.zeros((3, 64, 80)))
    on_slice = np.column_stack([np.full(4, 1), CORNERS])
    shapes = Shapes([on_slice], shape_type="rectangle")
    np.testing.assert_array_equal(hole_of(shapes, image, (0, 2)), hole_of(shapes, image))


def disc(shape, centre, diameter, scale=(1, 1)) -> np.ndarray:
    y, x = np.indices(shape)
    return ((y - centre[0]) * scale[0]) ** 2 + ((x - centre[1]) * scale[1]) ** 2 <= (
        diameter / 2
    ) ** 2


def test_each_point_marks_a_disc_of_its_own_size():
    points = Points([[20, 30], [50.4, 60.3]], size=[7, 15.5])
    expected = disc((64, 80), (20, 30), 7) | disc((64, 80), (50.4, 60.3), 15.5)
    np.testing.assert_array_equal(hole_of(points, Image(np.zeros((64, 80)))), expected)


def test_points_mark_the_slice_on_which_they_lie():
    image = Image(np.zeros((4, 64, 80)), scale=(10, 1, 1), translate=(5, 0, 0))
    points = Points(
        [[1, 20, 30], [3.4, 50, 60], [9, 5, 5]],
        size=[5, 9, 5],
        scale=(10, 1, 1),
        translate=(5, 0, 0),
    )
    hole = hole_of(points, image)
    assert [bool(plane.any()) for plane in hole] == [False, True, False, True]
    np.testing.assert_array_equal(hole[3], disc((64, 80), (50, 60), 9))


def test_points_without_slices_mark_every_slice():
    image = Image(np.zeros((2, 3, 64, 80)))
    hole = hole_of(Points([[20, 30]], size=5), image)
    assert (hole == disc((64, 80), (20, 30), 5)).all()
    on_slice = hole_of(Points([[2, 20, 30]], size=5), image)
    assert on_slice.sum(axis=(2, 3)).tolist() == [[0, 0, 21], [0, 0, 21]]


def test_size_of_a_point_is_in_units_of_its_own_layer():
    image = Image(np.zeros((64, 80)), scale=(0.5, 0.25), translate=(3, 4))
    points = Points([[13, 14]], size=6)
    expected = disc((64, 80), (20, 40), 6, scale=(0.5, 0.25))
    np.testing.assert_array_equal(hole_of(points, image), expected)
    assert expected.any(axis=1).sum() == 13
    assert expected.any(axis=0).sum() == 25


def test_points_are_discs_in_the_planes_that_are_shown():
    points = Points([[10, 20, 30]], size=7)
    hole = hole_of(points, Image(np.zeros((40, 64, 80))), (0, 2))
    assert hole.any(axis=(0, 2)).nonzero()[0].tolist() == [20]
    np.testing.assert_array_equal(hole[:, 20], disc((40, 80), (10, 30), 7))


def test_smallest_point_marks_the_pixel_that_it_lies_in():
    hole = hole_of(Points([[20.4, 30.4], [-0.4, 79.4]], size=0.5), Image(np.zeros((64, 80))))
    assert np.argwhere(hole).tolist() == [[0, 79], [20, 30]]


def test_points_at_the_rim_or_not_shown_mark_what_is_seen_of_them():
    image = Image(np.zeros((64, 80)))
    points = Points([[-2, 40], [30, 200], [30, 40]], size=9, shown=[True, True, False])
    np.testing.assert_array_equal(hole_of(points, image), disc((64, 80), (-2, 40), 9))
    assert not hole_of(Points(ndim=2), image).any()


def test_what_is_drawn_later_changes_nothing():
    image = Image(np.zeros((64, 80)))
    points, shapes = Points([[20, 30]], size=5), Shapes([CORNERS], shape_type="rectangle")
    taken = [marks_of(layer, image) for layer in (points, shapes)]
    points.add([[50, 50]])
    points.size = 30
    points.translate = (9, 9)
    shapes.add_rectangles(CORNERS + 20)
    image.scale = (2, 2)
    assert [int(each.spot((0, 1), ()).hole.sum()) for each in taken] == [21, 140]


def test_only_planes_with_a_figure_are_drawn():
    image = Image(np.zeros((1000, 64, 80)))
    points = marks_of(Points([[900, 20, 30], [7, 20, 30], [2000, 20, 30]], size=5), image)
    assert [*points.positions((1, 2))] == [(7,), (900,)]
    assert points.spot((1, 2), (8,)) is None
    assert not points.shared
