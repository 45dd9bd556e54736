"""The jury: whom it believes, and how far, where the truth is known."""

import itertools

import numpy as np
import pytest

from napari_inpaint.fill.candidates import NEAR, NONE, SOME, Found
from napari_inpaint.fill.jury import CAUTION, WITHIN, judge, summary

DEVIATIONS = 1.645
DEPTHS = (1.0, 2.5, 5.5, 10.0)  # one of each group


def found(values, depth=2.5, gap=NEAR):
    """What candidates say of (N, C) pixels, all of this depth and gap or each of its own."""
    count = len(next(iter(values.values())))
    return Found(
        {name: np.asarray(each, np.float32) for name, each in values.items()},
        np.broadcast_to(np.float32(depth), count).copy(),
        np.broadcast_to(np.int8(gap), count).copy(),
    )


def noisy(truth, deviations, seed=0):
    """Candidates a, b, c, … that err independently of each other, with these deviations."""
    rng = np.random.default_rng(seed)
    return {
        name: truth + rng.normal(size=truth.shape) * each
        for name, each in zip("abcdefghijklmnopqrst", deviations, strict=False)
    }


def truths(count=8_000, channels=1, seed=9):
    return np.random.default_rng(seed).random((count, channels))


def judged(values, truth, depth=2.5, gap=NEAR, **more):
    return judge([found(values, depth, gap)], [truth], list(values), **more)


def weights(verdict, depth=2.5, gap=NEAR):
    """Return how much each candidate counts for such a pixel."""
    return verdict.shares(found(dict.fromkeys(verdict.names, np.zeros((1, 1))), depth, gap))


def everywhere():
    return itertools.product((0.5, *DEPTHS, 3.9, 50.0), (NONE, SOME, NEAR))


# --- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("better", ["a", "b"])
def test_better_of_two_candidates_is_believed(better):
    truth = truths()
    said = noisy(truth, (0.02, 0.2) if better == "a" else (0.2, 0.02))
    verdict = judged(said, truth)
    assert weights(verdict)[better] > 0.95
    mix, _ = verdict.mixed(found(said))
    np.testing.assert_allclose(mix, said[better], atol=0.05)


def test_candidate_that_only_adds_errors_to_another_gets_nothing():
    truth = truths()
    (error,) = (noisy(truth, [0.1])["a"] - truth,)
    verdict = judged({"a": truth + error, "b": truth + 2 * error}, truth)
    assert weights(verdict) == {"a": 1.0, "b": 0.0}
    assert verdict.used == {"a"}


def test_two_candidates_that_err_alike_and_independently_are_mixed_half_and_half():
    truth = truths()
    verdict = judged(noisy(truth, (0.1, 0.1)), truth)
    assert weights(verdict)["a"] == pytest.approx(0.5, abs=0.03)
    fresh = noisy(truth, (0.1, 0.1), seed=1)
    mix, _ = verdict.mixed(found(fresh))
    assert (mix - truth).std() == pytest.approx(0.1 / np.sqrt(2), rel=0.03)


def test_weights_are_those_of_least_squares():
    """Independent errors of deviations 1 and 2 want weights of 4 / 5 and 1 / 5."""
    truth = truths(40_000)
    verdict = judged(noisy(truth, (0.1, 0.2)), truth)
    assert weights(verdict)["a"] == pytest.approx(0.8, abs=0.02)


def test_weights_are_shares_whatever_was_said():
    rng = np.random.default_rng(0)
    for seed, (count, kinds) in enumerate(itertools.product((1, 2, 7, 300), (1, 2, 9))):
        truth = truths(count, 1 + seed % 3)
        said = noisy(truth, 10 ** rng.uniform(-6, 6, kinds), seed)
        depth = rng.choice(DEPTHS, count)
        verdict = judged(said, truth, depth, rng.integers(0, 3, count))
        for at in everywhere():
            shares = np.array([*weights(verdict, *at).values()])
            assert (shares >= 0).all()
            assert shares.sum() == pytest.approx(1)


def test_candidates_that_are_right_or_equal_are_no_problem():
    truth = truths(500)
    for said in ({"a": truth, "b": truth}, {"a": truth, "b": truth + 1}, {"a": truth + 1}):
        verdict = judged(said, truth)
        assert sum(weights(verdict).values()) == pytest.approx(1)
        mix, error = verdict.mixed(found(said))
        assert np.isfinite(mix).all()
        assert np.isfinite(error).all()
    assert weights(judged({"a": truth, "b": truth + 1}, truth))["a"] > 0.99


def test_weights_depend_on_how_deep_in_the_hole_a_pixel_lies():
    truth = truths()
    depth = np.where(np.arange(len(truth)) % 2, DEPTHS[0], DEPTHS[3])
    rim, deep = (noisy(truth, each, 3) for each in ((0.02, 0.2), (0.2, 0.02)))
    said = {name: np.where(depth[:, None] < 5, rim[name], deep[name]) for name in "ab"}
    verdict = judged(said, truth, depth)
    assert weights(verdict, DEPTHS[0])["a"] > 0.8
    assert weights(verdict, DEPTHS[3])["b"] > 0.8


def test_weights_change_with_depth_without_a_step():
    truth = truths()
    depth = np.where(np.arange(len(truth)) % 2, DEPTHS[0], DEPTHS[3])
    rim, deep = (noisy(truth, each, 3) for each in ((0.02, 0.2), (0.2, 0.02)))
    said = {name: np.where(depth[:, None] < 5, rim[name], deep[name]) for name in "ab"}
    verdict = judged(said, truth, depth)
    along = [weights(verdict, each)["b"] for each in np.arange(0.5, 12, 0.05)]
    assert along[-1] - along[0] > 0.6
    assert np.abs(np.diff(along)).max() < 0.05


def test_weights_depend_on_what_neighbours_know():
    truth = truths()
    gap = np.where(np.arange(len(truth)) % 2, NEAR, NONE)
    near, none = (noisy(truth, each, 4) for each in ((0.02, 0.2), (0.2, 0.02)))
    said = {name: np.where(gap[:, None] == NEAR, near[name], none[name]) for name in "ab"}
    verdict = judged(said, truth, 2.5, gap)
    assert weights(verdict, gap=NEAR)["a"] > 0.8
    assert weights(verdict, gap=NONE)["b"] > 0.8


@pytest.mark.parametrize(("few", "believed"), [(5, "a"), (4_000, "b")])
def test_small_group_leans_on_the_whole(few, believed):
    """Of few pixels at the rim b happened to be better; it takes many to believe that."""
    truth = truths(6_000 + few)
    rim = np.arange(len(truth)) < few
    usual, there = noisy(truth, (0.03, 0.1), 5), noisy(truth, (0.1, 0.03), 6)
    said = {name: np.where(rim[:, None], there[name], usual[name]) for name in "ab"}
    verdict = judged(said, truth, np.where(rim, DEPTHS[0], DEPTHS[3]))
    assert weights(verdict, DEPTHS[0])[believed] > 0.6
    assert weights(verdict, DEPTHS[3])["a"] > 0.8


def test_group_without_pixels_has_the_weights_of_the_whole():
    truth = truths()
    verdict = judged(noisy(truth, (0.02, 0.2)), truth, DEPTHS[3], SOME)
    for at in everywhere():
        assert weights(verdict, *at)["a"] > 0.9


def test_group_without_pixels_has_the_weights_of_those_that_neighbours_know_as_much_of():
    truth = truths()
    gap = np.where(np.arange(len(truth)) % 4, NONE, NEAR)
    near, none = (noisy(truth, each, 4) for each in ((0.02, 0.2), (0.2, 0.02)))
    said = {name: np.where(gap[:, None] == NEAR, near[name], none[name]) for name in "ab"}
    verdict = judged(said, truth, DEPTHS[0], gap)
    assert weights(verdict, DEPTHS[3], NEAR)["a"] > 0.8
    assert weights(verdict, DEPTHS[3], NONE)["b"] > 0.8


def test_a_few_pixels_do_not_sway_the_jury():
    truth = truths(3)
    shares = weights(judged(noisy(truth, (0.02, 0.2)), truth))
    assert 0.3 < shares["b"] < 0.5


def test_weights_and_errors_go_with_the_scale():
    truth = truths(2_000)
    said = noisy(truth, (0.05, 0.1, 0.2))
    one, other = (
        judged({name: each * by for name, each in said.items()}, truth * by) for by in (1, 1000)
    )
    assert weights(one) == pytest.approx(weights(other), abs=1e-3)
    thousand = {name: each * 1000 for name, each in said.items()}
    errors = one.mixed(found(said))[1], other.mixed(found(thousand))[1]
    np.testing.assert_allclose(errors[1], 1000 * errors[0], rtol=0.01)


def test_parts_count_together():
    truth = truths(2_000)
    said = noisy(truth, (0.05, 0.1))
    parts = [
        found({name: each[at] for name, each in said.items()})
        for at in (slice(0, 300), slice(300, 2_000))
    ]
    several = judge(parts, [truth[:300], truth[300:]], ["a", "b"])
    assert weights(several) == weights(judged(said, truth))


# --- expected errors ------------------------------------------------------------------------


def share_within(verdict, said, truth, depth=2.5, gap=NEAR):
    """Return which share of the truth lies within the expected error, each channel by itself."""
    mix, error = verdict.mixed(found(said, depth, gap))
    return (np.abs(mix - truth) <= DEVIATIONS * error).mean(axis=0)


@pytest.mark.parametrize("deviations", [(0.1,), (0.1, 0.1), (0.05, 0.1, 0.2, 0.4)])
def test_nine_of_ten_lie_within_the_expected_error_of_normal_errors(deviations):
    truth = truths(20_000)
    verdict = judged(noisy(truth, deviations), truth)
    fresh = noisy(truth, deviations, seed=1)
    assert share_within(verdict, fresh, truth) == pytest.approx(WITHIN, abs=0.02)
    mix, error = verdict.mixed(found(fresh))
    assert error.mean() == pytest.approx((mix - truth).std(), rel=0.05)


def test_expected_error_of_errors_that_are_not_normal_holds_nine_of_ten_too():
    truth = truths(20_000)
    heavy = [np.random.default_rng(seed).standard_t(3, truth.shape) * 0.1 for seed in (0, 1)]
    verdict = judged({"a": truth + heavy[0]}, truth)
    assert share_within(verdict, {"a": truth + heavy[1]}, truth) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("alike", [1, 2])
def test_expected_error_is_that_of_all_pixels_where_no_candidate_disagrees(alike):
    """One candidate, or two that say the same: the first pixels are hard, the last ones easy."""
    truth = truths(4_000)
    level = np.where(np.arange(len(truth)) < 3_000, 0.3, 0.003)[:, None]
    said, fresh = (
        dict.fromkeys("ab"[:alike], truth + level * noisy(0 * truth, [1.0], seed)["a"])
        for seed in (0, 1)
    )
    for order in (slice(None), slice(None, None, -1)):
        verdict = judged({name: each[order] for name, each in said.items()}, truth[order])
        assert share_within(verdict, fresh, truth) == pytest.approx(WITHIN, abs=0.02)


def test_expected_error_is_larger_where_candidates_disagree():
    truth = truths(20_000)
    hard = (np.arange(len(truth)) % 2).astype(bool)[:, None]

    def said(seed):
        easy, difficult = (noisy(truth, [each] * 3, seed) for each in (0.02, 0.2))
        return {name: np.where(hard, difficult[name], easy[name]) for name in "abc"}

    verdict = judged(said(0), truth)
    fresh = said(1)
    mix, error = verdict.mixed(found(fresh))
    hard = hard[:, 0]
    assert np.median(error[hard]) > 4 * np.median(error[~hard])
    assert np.median(error[hard]) == pytest.approx((mix - truth)[hard].std(), rel=0.3)
    assert share_within(verdict, fresh, truth) == pytest.approx(WITHIN, abs=0.025)


def test_expected_error_goes_with_the_depth():
    truth = truths(20_000)
    depth = np.where(np.arange(len(truth)) % 2, DEPTHS[0], DEPTHS[3])
    level = np.where(depth < 5, 0.02, 0.3)[:, None]
    said = {"a": truth + level * noisy(0 * truth, [1.0])["a"]}
    verdict = judged(said, truth, depth)
    probe = {"a": np.zeros((1, 1))}
    for at, expected in ((DEPTHS[0], 0.02), (DEPTHS[3], 0.3)):
        error = verdict.mixed(found(probe, at))[1]
        assert error == pytest.approx(expected, rel=0.1)


def test_expected_error_is_that_of_each_channel():
    truth = truths(10_000, channels=3)
    level = np.array([0.02, 0.1, 0.5])
    rng = np.random.default_rng(0)
    said, fresh = (
        {name: truth + rng.normal(size=truth.shape) * level for name in "ab"} for _ in range(2)
    )
    verdict = judged(said, truth)
    mix, error = verdict.mixed(found(fresh))
    assert error.shape == mix.shape == truth.shape
    np.testing.assert_allclose(np.median(error, axis=0), level / np.sqrt(2), rtol=0.25)
    np.testing.assert_allclose(share_within(verdict, fresh, truth), WITHIN, atol=0.025)


def test_expected_error_is_no_flattery_where_many_candidates_meet_few_pixels():
    """Twenty candidates fit eighty pixels better than others; that must not count."""
    shares = []
    for seed in range(20):
        truth = truths(80, seed=seed)
        verdict = judged(noisy(truth, [0.1] * 20, seed), truth)
        other = truths(1_000, seed=100 + seed)
        fresh = noisy(other, [0.1] * 20, 100 + seed)
        shares.append(share_within(verdict, fresh, other))
    assert np.mean(shares) == pytest.approx(WITHIN, abs=0.03)


def test_expected_error_is_greater_where_few_pixels_are_independent():
    truth = truths(2_000)
    said = noisy(truth, (0.1, 0.2))
    many, few = (
        judged(said, truth, independent=each).mixed(found(said))[1] for each in (1e9, CAUTION)
    )
    np.testing.assert_allclose(few, np.sqrt(2) * many, rtol=1e-4)
    assert weights(judged(said, truth, independent=1)) == weights(judged(said, truth))


def test_mix_lies_among_the_candidates_and_says_so_of_each_channel():
    truth = truths(500, channels=2)
    said = noisy(truth, (0.1, 0.1, 0.3))
    mix, error = judged(said, truth).mixed(found(said))
    every = np.stack([*said.values()])
    assert (mix <= every.max(axis=0) + 1e-6).all()
    assert (mix >= every.min(axis=0) - 1e-6).all()
    assert (error > 0).all()


def test_candidates_without_weight_need_not_be_asked():
    truth = truths()
    error = noisy(truth, [0.1])["a"] - truth
    said = {"a": truth + error, "b": truth + 2 * error}
    verdict = judged(said, truth)
    one, other = verdict.mixed(found(said)), verdict.mixed(found({"a": said["a"]}))
    for each, again in zip(one, other, strict=True):
        np.testing.assert_allclose(each, again, rtol=1e-5)


# --- no evidence ----------------------------------------------------------------------------


def test_without_evidence_the_usual_weights_count_and_the_error_cannot_be_told():
    names = ["coherence", "thin plate", "line z"]
    verdict = judge([], [], names)
    for at in everywhere():
        shares = weights(verdict, *at)
        assert sum(shares.values()) == pytest.approx(1)
        assert shares["coherence"] == pytest.approx(shares["line z"])
        assert 0 <= shares["thin plate"] < 0.5 * shares["coherence"]
    said = found({name: np.full((5, 3), each) for each, name in enumerate(names)})
    mix, error = verdict.mixed(said)
    assert mix.shape == error.shape == (5, 3)
    assert np.isfinite(mix).all()
    assert np.isnan(error).all()


def test_only_candidate_is_believed_without_evidence():
    verdict = judge([], [], ["coherence"])
    assert weights(verdict) == {"coherence": 1.0}
    assert verdict.used == {"coherence"}


# --- shares ---------------------------------------------------------------------------------


def test_shares_count_pixels():
    truth = truths(1_000)
    said = noisy(truth, (0.1, 0.1, 0.4))
    verdict = judged(said, truth)
    shares = verdict.shares(found(said))
    assert sum(shares.values()) == pytest.approx(1_000)
    assert {name: each / 1_000 for name, each in shares.items()} == pytest.approx(weights(verdict))


def test_summary_has_the_greatest_share_first_and_leaves_out_what_does_not_count():
    shares = summary({"a": 1.0, "b": 30.0, "c": 9.0, "d": 0.0, "e": 1e-9})
    assert list(shares.items()) == [("b", 0.75), ("c", 0.225), ("a", 0.025)]
    assert summary({}) == {}
