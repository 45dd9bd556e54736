import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label

from training.data.holes import AREA_BINS, KINDS, draw_hole, irregular
from training.scores.upscaling import insert_gaps

SHAPES = [kind for kind in KINDS if kind != "gaps"]  # gaps have three shares, and no other


def touches_border(mask):
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


@pytest.mark.parametrize("share", AREA_BINS)
@pytest.mark.parametrize("size", [(64, 64), (33, 97), (256, 256)])
def test_irregular_holes_have_the_asked_share(share, size):
    for seed in range(5):
        mask = irregular(np.random.default_rng(seed), *size, *share)
        assert mask.shape == size
        assert mask.dtype == bool
        assert share[0] <= mask.mean() <= share[1]


def test_irregular_holes_are_those_that_published_scores_were_measured_with():
    holes = [irregular(np.random.default_rng([n, 1]), 96, 80, *AREA_BINS[1]) for n in range(20)]
    digest = hashlib.sha256(np.packbits(holes).tobytes()).hexdigest()
    assert digest[:16] == "992abae8ac7796af"


def test_irregular_refuses_an_impossible_share():
    with pytest.raises(ValueError, match=r"low=0\.5, high=0\.2"):
        irregular(np.random.default_rng(0), 64, 64, 0.5, 0.2)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("border", [None, True, False])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(24, 96),
    width=st.integers(24, 96),
    low=st.floats(0.01, 0.4),
    span=st.floats(0.005, 0.1),
)
def test_every_kind_has_the_asked_share_and_border(kind, border, seed, height, width, low, span):
    mask = draw_hole(np.random.default_rng(seed), height, width, (kind,), low, low + span, border)
    assert mask.shape == (height, width)
    assert mask.dtype == bool
    assert low <= mask.mean() <= low + span
    if border is not None:
        assert touches_border(mask) == border
    if border is False:
        margin = max(1, min(height, width) // 16)
        inner = mask[margin:-margin, margin:-margin]
        assert inner.sum() == mask.sum()


@pytest.mark.parametrize("kind", SHAPES)
def test_holes_repeat_with_their_generator_and_differ_otherwise(kind):
    first, again, other = (draw_hole(np.random.default_rng(s), 64, 64, (kind,)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_single_pixel_share_is_met_exactly():
    area = 40 * 40
    for kind in SHAPES:
        mask = draw_hole(np.random.default_rng(3), 40, 40, (kind,), 399.5 / area, 400.5 / area)
        assert mask.sum() == 400


def test_share_that_no_number_of_pixels_makes_is_refused():
    with pytest.raises(ValueError, match=r"No hole covers 10\.00% to 20\.00% of 2 x 2 px"):
        draw_hole(np.random.default_rng(0), 2, 2, ("boxes",), 0.1, 0.2)


def test_share_too_large_for_staying_off_the_border_is_refused():
    with pytest.raises(ValueError, match=r"cannot stay 4 px away from the border"):
        draw_hole(np.random.default_rng(0), 64, 64, ("discs",), 0.5, 0.9, border=False)


def test_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'boxes', 'centre'.*got \['clouds'\]"):
        draw_hole(np.random.default_rng(0), 64, 64, ("clouds",))
    with pytest.raises(ValueError, match=r"got \[\]"):
        draw_hole(np.random.default_rng(0), 64, 64, ())


def test_kinds_are_drawn_as_often_as_they_are_named():
    kinds = ("centre", "boxes", "boxes", "boxes")
    masks = [draw_hole(np.random.default_rng(seed), 64, 64, kinds, 0.2, 0.3) for seed in range(200)]
    # Of these, only a centre box is a single box: the others cover less than 20 %.
    single = sum((np.ptp(np.nonzero(m), axis=1) + 1).prod() == m.sum() for m in masks)
    assert 30 <= single <= 75


def test_thick_holes_are_wider_than_medium_and_those_wider_than_thin_ones():
    radius = {
        kind: np.mean(
            [
                distance_transform_edt(
                    draw_hole(np.random.default_rng(s), 128, 128, (kind,), 0.2, 0.3)
                )
                for s in range(20)
            ],
            axis=(1, 2),
        ).mean()
        for kind in ("thick", "medium", "thin")
    }
    assert radius["thick"] > 1.5 * radius["medium"] > 2 * radius["thin"]


def test_boxes_among_lama_holes_keep_their_margin_and_are_half_of_the_thick_ones():
    off = 0
    for seed in range(200):
        mask = draw_hole(np.random.default_rng(seed), 256, 256, ("thick",), 0.1, 0.3)
        corners = mask[1:-1, 1:-1] & ~(mask[:-2, 1:-1] & mask[2:, 1:-1])
        rows = np.flatnonzero(corners.any(1))
        # Boxes have few rows in which an edge lies; round ends have many.
        if len(rows) <= 24:
            off += 1
            assert not mask[:10].any()
            assert not mask[:, -10:].any()
    assert 70 <= off <= 130


def test_dust_is_made_of_many_small_holes():
    mask = draw_hole(np.random.default_rng(0), 128, 128, ("dust",), 0.02, 0.04)
    assert label(mask)[1] > 20
    assert distance_transform_edt(mask).max() < 8


def test_dead_lines_are_whole_rows_or_columns_up_to_three_pixels_wide():
    for seed in range(20):
        mask = draw_hole(np.random.default_rng(seed), 64, 80, ("dead-lines",), 0.01, 0.02)
        assert mask.all(0).any() or mask.all(1).any() or touches_border(mask)
        assert distance_transform_edt(np.pad(mask, 1)).max() <= 4
    narrow = [
        draw_hole(np.random.default_rng(s), 64, 64, ("dead-lines",), 0.014, 0.017)
        for s in range(40)
    ]
    whole = sum(m.all(0).any() or m.all(1).any() for m in narrow)
    assert whole >= 20


@pytest.mark.parametrize("size", [(64, 64), (33, 50)])
def test_gaps_are_those_of_pixels_set_two_to_four_apart(size):
    expected = set()
    for factor in (2, 3, 4):
        small = np.zeros((*(-(-side // factor) for side in size), 3), np.uint8)
        expected.add(insert_gaps(small, factor)[1][: size[0], : size[1]].tobytes())
    drawn = {
        draw_hole(np.random.default_rng(seed), *size, ("gaps",), 0.7, 0.95).tobytes()
        for seed in range(30)
    }
    assert drawn == expected


def test_gaps_keep_to_the_asked_share():
    for seed in range(10):
        mask = draw_hole(np.random.default_rng(seed), 64, 64, ("gaps",), 0.7, 0.8)
        assert mask.mean() == 0.75
    with pytest.raises(ValueError, match=r"about 75 %, 89 % or 94 %.*asked were 10\.0% to 50\.0%"):
        draw_hole(np.random.default_rng(0), 64, 64, ("gaps",))
