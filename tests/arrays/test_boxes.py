import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.arrays.boxes import Box, bounds, crop, grow


def test_bounds_are_tight():
    hole = np.zeros((30, 40), bool)
    hole[3, 7] = hole[20, 9] = True
    assert bounds(hole) == Box(3, 7, 21, 10)


@given(
    top=st.integers(0, 99),
    size=st.integers(1, 100),
    margin=st.integers(1, 40),
    length=st.integers(1, 300),
)
def test_grow_covers_the_margin_and_stays_in_the_image_if_it_can(top, size, margin, length):
    top = min(top, length - 1)
    bottom = min(top + size, length)
    box = grow(Box(top, 0, bottom, 1), margin, 64, (length, 1000))
    assert (box.bottom - box.top) % 64 == 0
    assert box.top <= max(top - margin, 0)
    assert box.bottom >= min(bottom + margin, length)
    if box.bottom - box.top <= length:
        assert box.top >= 0
        assert box.bottom <= length


def test_crop_reflects_beyond_the_border():
    array = np.arange(6).reshape(2, 3)
    assert crop(array, Box(0, 1, 2, 3)).tolist() == [[1, 2], [4, 5]]
    assert crop(array, Box(-1, -2, 3, 1)).tolist() == [
        [1, 0, 0],
        [1, 0, 0],
        [4, 3, 3],
        [4, 3, 3],
    ]


def test_crop_of_a_single_pixel_repeats_it():
    assert (crop(np.array([[9]]), Box(-32, -32, 32, 32)) == 9).all()
