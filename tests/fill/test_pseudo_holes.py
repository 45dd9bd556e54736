"""Pseudo-holes: where they lie, what they look like, and how many there are."""

import numpy as np
import pytest
from scipy import ndimage

from napari_inpaint.fill.pseudo_holes import (
    APART,
    ENOUGH,
    SHIFTS,
    WANTED,
    any_slice,
    pseudo_holes,
    regions_through,
)

CONTEXT = 32


def shapes(slices=3, plane=(160, 180), top=70, left=80):
    """A hole that is another in each slice, within 12 x 15 px."""
    fill = np.zeros((slices, *plane), bool)
    for at in range(slices):
        fill[at, top + 2 * at : top + 8 + at, left + at : left + 9 + 3 * at] = True
    return fill


def footprint(holes):
    """Return all slices, cropped to where any has a hole."""
    rows, columns = ndimage.find_objects(any_slice(holes).astype(np.uint8))[0]
    return holes[..., rows, columns]


def random_case(seed):
    """Holes of a random stack, some of them at the border, and more that is not known."""
    rng = np.random.default_rng(seed)
    shape = (*rng.integers(1, 4, rng.integers(0, 3)), *rng.integers(1, 90, 2))
    fill = rng.random(shape) < rng.choice([0.0, 0.001, 0.2, 0.8])
    fill |= np.arange(shape[-1]) < rng.integers(0, 20)
    unknown = fill | (rng.random(shape) < rng.choice([0.0, 0.3]))
    unknown[..., 0, 0] = fill[..., 0, 0] = False  # something is known
    return fill, unknown


def test_pseudo_holes_never_lie_on_what_is_not_known():
    found = 0
    for seed in range(60):
        fill, unknown = random_case(seed)
        pseudo = pseudo_holes(fill, unknown, CONTEXT)
        assert pseudo.shape == fill.shape
        assert not (pseudo & unknown).any()
        assert not pseudo.any() or fill.any()
        assert not (pseudo | unknown).all(axis=(-2, -1)).any()  # something has to stay known
        found += pseudo.any()
    assert found > 20


@pytest.mark.parametrize("corner", [(70, 80), (0, 0), (148, 165), (70, 0)])
def test_they_have_the_shape_of_the_hole_in_every_slice(corner):
    fill = shapes(3, (160, 180), *corner)
    pseudo = pseudo_holes(fill, fill, CONTEXT)
    own = footprint(fill)
    labels, count = ndimage.label(any_slice(pseudo), np.ones((3, 3)))
    assert 1 <= count <= SHIFTS
    for window in ndimage.find_objects(labels):
        np.testing.assert_array_equal(pseudo[(slice(None), *window)], own)


def test_they_lie_near_if_there_is_room():
    fill = shapes()
    pseudo = pseudo_holes(fill, fill, CONTEXT)
    height, width = footprint(fill).shape[-2:]
    rows, columns = np.nonzero(any_slice(pseudo))
    assert rows.min() >= 70 - height - APART
    assert rows.max() < 70 + 2 * height + APART
    assert columns.min() >= 80 - width - APART
    assert columns.max() < 80 + 2 * width + APART
    apart = ndimage.distance_transform_edt(~any_slice(fill))[any_slice(pseudo)]
    assert apart.min() > APART


def test_what_is_known_of_a_place_by_neighbours_stays_the_same():
    """A hole that moves is seen by its neighbours; so is each of its shapes."""
    fill = np.zeros((2, 90, 90), bool)
    fill[0, 40:46, 30:40] = fill[1, 40:46, 42:52] = True
    pseudo = pseudo_holes(fill, fill, CONTEXT)
    assert pseudo.any(axis=(1, 2)).all()
    assert not pseudo.all(axis=0).any()
    always = np.stack([any_slice(fill)] * 2)
    assert (pseudo_holes(always, always, CONTEXT)[0] == pseudo_holes(always, always, CONTEXT)).all()


def test_they_lie_far_away_where_nothing_near_is_known():
    fill = np.zeros((2, 120, 200), bool)
    fill[:, 50:60, 20:30] = True
    unknown = fill.copy()
    unknown[:, :, :60] = True
    pseudo = pseudo_holes(fill, unknown, 4)
    assert pseudo.any()
    assert pseudo[..., 60:].sum() == pseudo.sum()


def test_there_are_some_where_less_than_a_shape_is_known():
    fill = np.zeros((3, 60, 60), bool)
    fill[:, 5:55, 8:] = True
    pseudo = pseudo_holes(fill, fill, CONTEXT)
    assert pseudo.any()
    assert not (pseudo & fill).any()


def test_a_small_hole_has_several_pseudo_holes_and_a_large_one_has_one():
    small, large = np.zeros((2, 1, 400, 400), bool)
    small[0, 200:205, 200:205] = True
    large[0, 160:240, 160:240] = True
    assert large.sum() > WANTED
    assert pseudo_holes(small, small, CONTEXT).sum() == SHIFTS * 25
    assert pseudo_holes(large, large, CONTEXT).sum() == large.sum()


def many(slices, side):
    """Holes of 30 x 30 px all over."""
    fill = np.zeros((slices, side, side), bool)
    for top in range(60, side - 100, 160):
        for left in range(60, side - 100, 160):
            fill[:, top : top + 30, left : left + 30] = True
    return fill


def test_there_are_no_more_than_it_takes():
    fill = many(3, 2000)
    found = regions_through(fill, fill, CONTEXT)
    assert any_slice(fill).sum() > 4 * ENOUGH
    assert len(found) > 50
    pseudo = any_slice(pseudo_holes(fill, fill, CONTEXT))
    largest = max(np.count_nonzero(each.own) for each in found)
    assert ENOUGH < pseudo.sum() <= ENOUGH + WANTED + largest


def test_the_few_that_there_are_come_from_all_over():
    fill = many(1, 2000)
    pseudo = pseudo_holes(fill, fill, CONTEXT)[0]
    halves = [part.sum() for axis in (0, 1) for part in np.split(pseudo, 2, axis=axis)]
    assert min(halves) > 0.25 * pseudo.sum()


def test_the_only_pixel_that_is_known_stays_known():
    fill = np.ones((4, 20, 20), bool)
    fill[:, 7, 7] = False
    assert not pseudo_holes(fill, fill, CONTEXT).any()


def test_no_hole_has_no_pseudo_hole():
    nothing = np.zeros((3, 40, 40), bool)
    assert not pseudo_holes(nothing, nothing, CONTEXT).any()


def test_same_holes_have_the_same_pseudo_holes():
    fill, unknown = random_case(3)
    before = fill.copy(), unknown.copy()
    one, other = (pseudo_holes(fill, unknown, CONTEXT) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(fill, before[0])
    np.testing.assert_array_equal(unknown, before[1])


def test_regions_of_all_slices_own_every_hole_once():
    fill = np.zeros((2, 2, 300, 500), bool)
    fill[0, 0, 10:20, 10:20] = fill[1, 1, 250:290, 400:480] = fill[0, 1, 15:30, 15:40] = True
    owned = np.zeros(fill.shape[-2:], int)
    for each in regions_through(fill, fill, CONTEXT):
        rows, columns = np.nonzero(each.own)
        owned[rows + each.box.top, columns + each.box.left] += 1
    np.testing.assert_array_equal(owned, any_slice(fill))
