"""Object holes: their shapes and places, and what the truth has in them."""

import cv2
import numpy as np
import pytest

from training.scores import objects


def disc(size=96, radius=10, centre=(48, 48)):
    y, x = np.mgrid[:size, :size]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.mark.parametrize("size", [32, 97, 256])
def test_holes_are_whole_compact_pieces_off_the_border(size):
    places = []
    for seed in range(12):
        holes = objects.two_holes(np.random.default_rng(seed), size)
        again = objects.two_holes(np.random.default_rng(seed), size)
        assert not (holes[0] & holes[1]).any()
        for mask, same in zip(holes, again, strict=True):
            assert np.array_equal(mask, same)
            assert mask.shape == (size, size)
            assert cv2.connectedComponents(mask.astype(np.uint8))[0] == 2
            (top, left), (bottom, right) = (f(np.argwhere(mask), axis=0) for f in (np.min, np.max))
            sides = bottom - top + 1, right - left + 1
            assert min(sides) >= 0.12 * size
            assert max(sides) <= 0.25 * size
            assert mask.sum() >= 0.5 * sides[0] * sides[1]
            off = min(top, left, size - 1 - bottom, size - 1 - right)
            assert off >= size // 16
            places.append((int(top + bottom), int(left + right)))
    assert len(set(places)) == len(places)


def test_holes_have_outlines_of_all_kinds():
    counts = {"boxes": 0, "discs": 0, "blobs": 0}
    for seed in range(40):
        mask = next(objects.object_holes(np.random.default_rng(seed), 128))
        _, _, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        x, y, width, height, area = boxes[1]
        tight = mask[y : y + height, x : x + width]
        turned = width == height and np.array_equal(tight, np.rot90(tight))
        counts["boxes" if area == width * height else "discs" if turned else "blobs"] += 1
    assert min(counts.values()) > 40 / 5


@pytest.mark.parametrize(
    ("mask", "compact"),
    [
        (disc(), True),
        (disc(radius=5), False),  # too small
        (disc(radius=13), False),  # too large
        (disc(centre=(15, 48)), False),  # too near to the border
        (disc() & ~disc(radius=8), False),  # hollow
        (disc(radius=7, centre=(30, 30)) | disc(radius=7, centre=(60, 60)), False),
        (np.zeros((96, 96), bool), False),
    ],
)
def test_compact_is_one_solid_piece_of_the_right_size(mask, compact):
    assert objects.is_compact(mask) is compact


def painted(kind):
    """A picture of 96 px; beyond the middle it is of another kind."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    noise = cv2.GaussianBlur(rng.normal(0, 1, (96, 96)), (0, 0), 2)
    grey = {
        "plain": 100 + x + 0.2 * y,  # a slope of 1 level per px
        "texture": 128 + 60 * noise / noise.std(),
        "structure": 60 + 120 * (y + 2 * x > 144) + rng.normal(0, 0.5, (96, 96)),
    }[kind]
    beyond = np.hypot(y - 48, x - 48) > 20
    other = 200 * (y // 8 % 2) if kind == "plain" else 90
    grey = np.where(beyond, other, grey).clip(0, 255)
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize("kind", ["plain", "texture", "structure"])
def test_content_is_told_by_what_is_in_the_hole_alone(kind):
    assert objects.content(painted(kind), disc()) == kind


def test_contrast_decides_between_plain_and_the_others_only():
    edge = painted("structure")
    faint = (100 + (edge.astype(float) - 60) / 8).astype(np.uint8)
    assert objects.content(faint, disc()) == "plain"
    half = (60 + (edge.astype(float) - 60) / 2).astype(np.uint8)
    assert objects.content(half, disc()) == "structure"


@pytest.mark.parametrize("centre", [(48, 48), (17, 70), (78, 20)])
def test_window_is_half_as_wide_and_has_the_hole_in_its_middle(centre):
    mask = disc(centre=centre)
    part = mask[objects.window(mask)]
    assert part.shape == (48, 48)
    assert part.sum() == mask.sum()
    middle = np.argwhere(part).mean(0)
    expected = [24 + min(0, c - 24) + max(0, c - 72) for c in centre]
    assert middle == pytest.approx(expected, abs=1)
