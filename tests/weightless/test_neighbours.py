"""What neighbouring slices know: lines, flow and regression, on stacks that are known wholly."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_inpaint.weightless import neighbours
from napari_inpaint.weightless.neighbours import REACH

INNER = np.s_[..., 14:-14, 14:-14, :]
"""Where what moves into the picture is not."""


def texture(side, smooth=2.0, seed=0):
    """A random texture in [0, 1], (side, side)."""
    noise = np.random.default_rng(seed).standard_normal((side, side))
    waves = gaussian_filter(noise, smooth)
    return ((waves - waves.min()) / np.ptp(waves)).astype(np.float32)


def moving(step=(2, 3), slices=7, side=64, smooth=2.0):
    """A texture that moves so many pixels down and right from slice to slice, (D, H, W, 1)."""
    wide = texture(side + 80, smooth)
    tops, lefts = ([40 - by * at for at in range(slices)] for by in step)
    views = [
        wide[top : top + side, left : left + side] for top, left in zip(tops, lefts, strict=True)
    ]
    return np.stack(views)[..., None]


def linear(slices=9, side=12):
    """Pixels of three channels that change linearly along the axis, each in its way."""
    level, slope = np.random.default_rng(1).random((2, side, side, 3))
    return (level + slope * np.arange(slices)[:, None, None, None]).astype(np.float32)


def everything(stack):
    return np.ones(stack.shape[:3], bool)


def with_garbage(stack, known, garbage):
    return np.where(known[..., None], stack, np.float32(garbage))


def off(one, other):
    """The root of the mean squared difference."""
    return float(np.sqrt(np.mean((one.astype(np.float64) - other) ** 2)))


# --- between, straight ----------------------------------------------------------------------


def test_line_is_exact_where_pixels_change_linearly():
    stack, known = linear(), everything(linear())
    known[3:5] = False  # two slices in a row
    known[7, 2:8, 3:9] = False
    line, before, after = neighbours.between(stack * known[..., None], known)
    np.testing.assert_allclose(line[1:-1], stack[1:-1], rtol=1e-5)
    assert (before[3:5, 0, 0].tolist(), after[3:5, 0, 0].tolist()) == ([1, 2], [2, 1])
    assert (before[7, 4, 4], after[7, 4, 4]) == (1, 1)


def test_nearer_slice_counts_more():
    stack = np.zeros((5, 1, 1, 1), np.float32)
    stack[0], stack[4] = 1, 5
    known = np.array([True, False, False, False, True])[:, None, None]
    line, _, _ = neighbours.between(stack, known)
    np.testing.assert_allclose(line[1:4, 0, 0, 0], [2, 3, 4])


def test_at_either_end_the_only_side_counts_alone():
    stack = linear()
    line, before, after = neighbours.between(stack, everything(stack))
    np.testing.assert_array_equal(line[0], stack[1])
    np.testing.assert_array_equal(line[-1], stack[-2])
    assert np.isinf(before[0]).all()
    assert np.isinf(after[-1]).all()


def test_slice_says_nothing_of_itself():
    stack = linear()
    changed = stack.copy()
    changed[4] += 100
    one, other = (neighbours.between(each, everything(stack))[0] for each in (stack, changed))
    np.testing.assert_array_equal(one[4], other[4])


def test_nothing_is_said_where_nothing_is_known_within_reach():
    slices = 2 * REACH + 3
    stack, known = np.ones((slices, 2, 2, 1), np.float32), np.zeros((slices, 2, 2), bool)
    known[0] = known[-1] = True
    line, before, after = neighbours.between(stack, known)
    middle = REACH + 1  # so far from both ends
    assert np.isnan(line[middle]).all()
    assert np.isinf(before[middle]).all()
    assert np.isinf(after[middle]).all()
    told = np.delete(np.arange(1, slices - 1), middle - 1)
    assert (line[told] == 1).all()
    assert before[REACH, 0, 0] == REACH
    assert np.isinf(after[REACH]).all()


@pytest.mark.parametrize("garbage", [np.nan, 1e30])
def test_between_never_reads_what_is_not_known(garbage):
    stack = moving()
    known = np.random.default_rng(2).random(stack.shape[:3]) > 0.3
    known[2, 20:40, 20:40] = known[5] = False
    flow = np.random.default_rng(3).normal(0, 2, (2, *stack.shape[:3], 2)).astype(np.float32)
    for flows in ((), flow):
        clean = neighbours.between(with_garbage(stack, known, 0), known, *flows)
        dirty = neighbours.between(with_garbage(stack, known, garbage), known, *flows)
        for one, other in zip(clean, dirty, strict=True):
            np.testing.assert_array_equal(one, other)
        assert np.nanmax(np.abs(clean[0])) <= 1


# --- along the flow -------------------------------------------------------------------------


@pytest.mark.parametrize("smooth", [2.0, 4.0])
def test_flow_is_how_a_texture_moves(smooth):
    """A pixel came from above left, where it was in the slice before; x comes first."""
    back, ahead = neighbours.flows(moving((2, 3), smooth=smooth))
    assert np.abs(back[1:][INNER] - [-3, -2]).max() < 0.3
    assert np.abs(ahead[:-1][INNER] - [3, 2]).max() < 0.3


def test_nothing_moves_where_there_is_no_slice_beside():
    back, ahead = neighbours.flows(moving())
    assert (back[0] == 0).all()
    assert (ahead[-1] == 0).all()


def test_flow_is_found_whatever_the_scale_and_the_number_of_channels():
    stack = moving()
    back, _ = neighbours.flows(stack)
    several = np.concatenate([stack, stack, stack], axis=-1) * 1e-3 - 7
    again, _ = neighbours.flows(several)
    assert np.abs(again - back)[1:][INNER].max() < 0.05


def test_between_along_the_flow_beats_the_line_by_far_where_things_move():
    stack, known = moving(), everything(moving())
    known[3, 24:40, 24:40] = known[2, 20:30, 20:30] = False
    back, ahead = neighbours.flows(stack)
    values = with_garbage(stack, known, 0)
    flowing, before, after = neighbours.between(values, known, back, ahead)
    straight, _, _ = neighbours.between(values, known)
    hole = ~known
    assert off(flowing[hole], stack[hole]) < 0.1 * off(straight[hole], stack[hole])
    assert before[3, 26, 27] == 2  # from where the slice before has its hole, it is carried on
    assert before[3, 39, 39] == after[3, 39, 39] == 1


def test_what_would_come_from_beyond_the_border_is_not_known():
    stack = moving((0, 6))
    back, _ = neighbours.flows(stack)
    back[...] = [-6, 0]
    flowing, before, _ = neighbours.between(stack, everything(stack), back, -back)
    assert np.isinf(before[1:, :, :6]).all()
    assert (before[1:, :, 6:] == 1).all()
    assert off(flowing[1:-1, :, 6:-6], stack[1:-1, :, 6:-6]) < 1e-5


def test_pixel_that_has_no_value_lends_none_to_those_between():
    """Half a pixel away from what is not known, nothing is said, instead of half of it."""
    stack, known = np.ones((2, 8, 8, 1), np.float32), np.ones((2, 8, 8), bool)
    known[0, :, 4] = False
    flow = np.zeros((2, 8, 8, 2), np.float32)
    flow[..., 0] = 0.5
    line, before, _ = neighbours.between(with_garbage(stack, known, 0), known, flow, -flow)
    assert np.isinf(before[1, :, 3:5]).all()
    assert np.isnan(line[1, :, 3:5]).all()
    assert (line[1, :, :3] == 1).all()


def test_completed_flow_is_kept_where_slices_are_known_and_smooth_in_their_holes():
    known = np.ones((2, 32, 32), bool)
    known[0, 10:20, 10:20] = False
    rows, columns = np.indices((32, 32), np.float32)
    flow = np.stack([np.stack([columns / 8, -rows / 4], axis=-1)] * 2)
    wild = np.where(known[..., None], flow, np.float32(50))
    smooth = neighbours.completed(wild, known)
    np.testing.assert_array_equal(smooth[known], flow[known])
    assert np.abs(smooth - flow).max() < 0.1  # a membrane goes on with a slope


def test_warped_picture_has_what_lies_where_the_flow_points_to():
    plane = np.arange(20, dtype=np.float32).reshape(4, 5)
    flow = np.zeros((4, 5, 2), np.float32)
    flow[..., 0], flow[..., 1] = 1, -0.5
    expected = plane + 1 - 2.5
    np.testing.assert_allclose(neighbours.warped(plane, flow)[1:, :-1], expected[1:, :-1])
    flow[...] = [1, 0]
    assert neighbours.warped(plane, flow)[:, -1].tolist() == plane[:, -1].tolist()
    assert (neighbours.warped(plane, flow, outside=0)[:, -1] == 0).all()


# --- corrected ------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_offset_and_slope_of_a_candidate_vanish(slope):
    stack = moving(slices=3)
    known = everything(stack)
    known[1, 20:40, 20:40] = False
    rows, columns = np.indices(stack.shape[1:3], np.float32)
    wrong = stack + (0.3 + slope * (rows - 2 * columns))[None, ..., None]
    better = neighbours.corrected(wrong, with_garbage(stack, known, 0), known)
    assert np.abs(wrong - stack)[~known].min() > 0.1 or slope
    assert np.abs(better - stack).max() < (1e-5 if slope == 0 else 0.02)


def test_corrected_candidate_is_the_truth_where_that_is_known():
    stack = linear()
    known = everything(stack)
    known[:, 4:7, 4:7] = False
    better = neighbours.corrected(stack * 0.5 + 3, stack, known)
    np.testing.assert_allclose(better[known], stack[known], atol=1e-5)


@pytest.mark.parametrize("garbage", [np.nan, 1e30])
def test_correction_never_reads_what_is_not_known_and_leaves_silence(garbage):
    stack = moving(slices=3)
    known = everything(stack)
    known[1, 20:40, 20:40] = False
    candidate = stack + 0.2
    candidate[1, 22:30, 22:30] = candidate[1, 50:55, 50:55] = np.nan
    clean = neighbours.corrected(candidate, with_garbage(stack, known, 0), known)
    dirty = neighbours.corrected(candidate, with_garbage(stack, known, garbage), known)
    np.testing.assert_array_equal(clean, dirty)
    np.testing.assert_array_equal(np.isnan(clean), np.isnan(candidate))
    told = np.isfinite(candidate)
    assert np.abs(clean - stack)[told].max() < 1e-5


# --- predicted ------------------------------------------------------------------------------


def bleaching(slices=6, side=40):
    """Equal slices, each with a gain and an offset of its own."""
    plane = texture(side)[..., None]
    return np.stack([plane * 0.8**at + 0.05 * at for at in range(slices)]).astype(np.float32)


def test_regression_finds_gain_and_offset_between_slices():
    stack, known = bleaching(), everything(bleaching())
    known[2, 10:30, 10:30] = known[0, 5:15, 20:30] = False
    fills = np.where(known[..., None], stack, np.float32(0.5))
    values = with_garbage(stack, known, 0)
    hole = ~known
    line, _, _ = neighbours.between(values, known)
    told = neighbours.predicted(values, known, fills)
    assert off(told[hole], stack[hole]) < 0.1 * off(line[hole], stack[hole])
    assert np.abs(told - stack)[hole].max() < 0.01


def test_regression_averages_noise():
    """Beside equal slices, more pixels than the two beside have the same truth."""
    plane = texture(64, smooth=4)[..., None]
    noise = np.random.default_rng(4).normal(0, 0.1, (7, 64, 64, 1)).astype(np.float32)
    stack = plane + noise
    known = everything(stack)
    known[3, 15:45, 15:45] = False
    values = with_garbage(stack, known, 0)
    line, _, _ = neighbours.between(values, known)
    told = neighbours.predicted(values, known, stack)
    truth = np.broadcast_to(plane, stack.shape)[~known]
    assert off(line[~known], truth) == pytest.approx(0.1 / np.sqrt(2), rel=0.1)
    assert off(told[~known], truth) < 0.6 * off(line[~known], truth)


def test_regression_sees_a_shift_of_less_than_a_pixel():
    wide = texture(96, smooth=3)
    at = np.arange(64) + 10.0
    slices = [
        np.stack([np.interp(at - 0.4 * step, np.arange(96), row) for row in wide[10:74]])
        for step in range(5)
    ]
    stack = np.stack(slices)[..., None].astype(np.float32)
    known = everything(stack)
    known[0, 20:40, 20:40] = False  # the first one: neighbours lie on one side only
    values = with_garbage(stack, known, 0)
    line, _, _ = neighbours.between(values, known)
    told = neighbours.predicted(values, known, stack)
    assert off(told[~known], stack[~known]) < 0.25 * off(line[~known], stack[~known])


def test_regression_along_the_flow_follows_what_moves():
    stack, known = moving((3, 4)), everything(moving((3, 4)))
    known[3, 24:40, 24:40] = False
    values = with_garbage(stack, known, 0)
    back, ahead = neighbours.flows(stack)
    along = neighbours.predicted(values, known, stack, back, ahead)
    straight = neighbours.predicted(values, known, stack)
    assert off(along[~known], stack[~known]) < 0.1 * off(straight[~known], stack[~known])


@pytest.mark.parametrize("garbage", [np.nan, 1e30])
def test_regression_never_reads_what_is_not_known(garbage):
    stack = moving()
    known = np.random.default_rng(5).random(stack.shape[:3]) > 0.4
    known[5] = False
    fills = np.where(known[..., None], stack, np.float32(0.5))
    clean = neighbours.predicted(with_garbage(stack, known, 0), known, fills)
    dirty = neighbours.predicted(with_garbage(stack, known, garbage), known, fills)
    np.testing.assert_array_equal(clean, dirty)
    assert np.isnan(clean[5]).all()  # nothing is known of it
    assert np.isfinite(np.delete(clean, 5, axis=0)).all()


def test_known_pixels_of_a_slice_teach_but_are_not_what_it_is_predicted_from():
    """The fill of a slice may be anything; the slices beside it count."""
    stack, known = bleaching(), everything(bleaching())
    other = stack.copy()
    other[2] = 9
    one, two = (neighbours.predicted(stack, known, fills)[2] for fills in (stack, other))
    np.testing.assert_array_equal(one, two)


def test_each_channel_is_predicted_from_itself():
    stack = bleaching()
    both = np.concatenate([stack, 5 - 3 * stack[:, ::-1]], axis=-1)
    known = everything(stack)
    known[2, 10:30, 10:30] = False
    together = neighbours.predicted(both, known, both)
    for channel in (0, 1):
        alone = both[..., channel : channel + 1]
        np.testing.assert_allclose(
            together[..., channel : channel + 1],
            neighbours.predicted(alone, known, alone),
            atol=1e-5,
        )


def test_one_known_pixel_suffices_to_stay_near_the_slices_beside():
    stack = np.stack([np.full((8, 8, 1), each, np.float32) for each in (0.4, 0.5, 0.6)])
    known = everything(stack)
    known[1] = False
    known[1, 0, 0] = True
    told = neighbours.predicted(stack, known, stack)
    np.testing.assert_allclose(told[1], 0.5, atol=1e-5)


def test_single_slice_has_nothing_to_be_predicted_from():
    stack = moving(slices=1)
    assert np.isnan(neighbours.predicted(stack, everything(stack), stack)).all()


# --- slices of which nothing is known -------------------------------------------------------


@pytest.mark.parametrize(("first", "last"), [(2, 4), (2, 5), (1, 4)])
def test_missing_slice_lies_where_things_are_on_their_way(first, last):
    stack = moving((1, 2), smooth=3)
    share = (3 - first) / (last - first)
    told = neighbours.missing_slice(stack[first], stack[last], share)
    line = (1 - share) * stack[first] + share * stack[last]
    assert off(told[INNER], stack[3][INNER]) < 0.1 * off(line[INNER], stack[3][INNER])


def test_missing_slice_between_equal_ones_is_their_equal():
    plane = texture(40)[..., None]
    np.testing.assert_allclose(neighbours.missing_slice(plane, plane, 0.3), plane, atol=1e-3)


def fading(slices=12):
    """Every slice is 0.7 times the one before it, and 0.1 more."""
    levels = [texture(40)[..., None]]
    for _ in range(slices - 1):
        levels.append(0.7 * levels[-1] + np.float32(0.1))
    return np.stack(levels)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (1, 0), (0, 1), (1, 2)])
def test_missing_slice_is_predicted_as_others_are(before, after):
    stack, at = fading(16), 5
    truth = stack[at].copy()
    lost = range(at, at + max(after, 1))
    stack[lost] = np.nan
    whole = [each for each in range(16) if each not in lost]
    told = neighbours.predicted_slice(stack, whole, at, before, after)
    sides = [stack[at + step] for step in (-before, after) if step]
    assert off(told, truth) < 0.1 * off(np.mean(sides, axis=0), truth)


@pytest.mark.parametrize("garbage", [np.nan, 1e30])
def test_missing_slices_are_never_read(garbage):
    stack = moving(slices=14)
    lost = [5, 6, 13]
    whole = [each for each in range(14) if each not in lost]
    clean, dirty = stack.copy(), stack.copy()
    clean[lost], dirty[lost] = 0, garbage
    for at, before, after in ((5, 1, 2), (6, 2, 1), (13, 1, 0)):
        one, other = (
            neighbours.predicted_slice(each, whole, at, before, after) for each in (clean, dirty)
        )
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


def test_slice_that_is_asked_for_teaches_nothing():
    stack = fading()
    changed = stack.copy()
    changed[5] = 9
    one, other = (neighbours.predicted_slice(each, range(12), 5, 1, 1) for each in (stack, changed))
    np.testing.assert_array_equal(one, other)


def test_slice_is_not_predicted_where_there_is_none_to_learn_from():
    stack = moving(slices=4)
    assert neighbours.predicted_slice(stack, [0, 2], 1, 1, 1) is None
    assert neighbours.predicted_slice(stack, [0, 1, 2, 3], 0, 0, 0) is None
    assert neighbours.predicted_slice(stack, [0, 2, 3], 1, 1, 1) is None


# --- small shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize("plane", [(1, 1), (1, 9), (5, 300), (300, 3), (2, 2)])
@pytest.mark.parametrize("slices", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 5])
def test_small_stacks_are_no_problem(plane, slices, channels):
    rng = np.random.default_rng(6)
    stack = rng.random((slices, *plane, channels), np.float32)
    known = rng.random((slices, *plane)) > 0.3
    known[:, 0, 0] = True
    back, ahead = neighbours.flows(stack)
    assert back.shape == ahead.shape == (slices, *plane, 2)
    smooth = [neighbours.completed(each, known) for each in (back, ahead)]
    assert np.isfinite(smooth).all()
    for flow in ((), smooth):
        line, before, after = neighbours.between(stack, known, *flow)
        assert line.shape == stack.shape
        told = np.isfinite(np.minimum(before, after))
        assert np.isfinite(line[told]).all()
        assert np.isnan(line[~told]).all()
        assert neighbours.corrected(line, stack, known).shape == stack.shape
        told = neighbours.predicted(stack, known, stack, *flow)
        assert np.isfinite(told).all() == (slices > 1)
    between = neighbours.missing_slice(stack[0], stack[-1], 0.5)
    assert np.isfinite(between).all()
    assert between.shape == stack.shape[1:]


def test_equal_values_are_no_problem():
    stack = np.full((9, 20, 20, 2), 0.3, np.float32)
    known = everything(stack)
    known[1, 5:9, 5:9] = False
    back, ahead = neighbours.flows(stack)
    assert (back == 0).all()
    assert (ahead == 0).all()
    for told in (
        neighbours.predicted(stack, known, stack, back, ahead),
        neighbours.between(stack, known)[0],
        neighbours.corrected(stack + 1, stack, known),
        neighbours.predicted_slice(stack, range(9), 1, 1, 1),
        neighbours.missing_slice(stack[0], stack[2], 0.5),
    ):
        np.testing.assert_allclose(told, 0.3, rtol=1e-5)
