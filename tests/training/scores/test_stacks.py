"""Scores of stacks: the simple fills, the holes, the tables."""

import functools

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_inpaint.samples import pictures
from training.scores import stacks
from training.scores.stacks import AUTO, KINDS, RIVALS, SHARE

SHAPE = (7, 32, 32)


@functools.cache
def volume(shape=SHAPE):
    """A smooth stack of 16 bits."""
    noise = np.random.default_rng(0).standard_normal(shape)
    waves = gaussian_filter(noise, (1.5, 3, 3))
    return np.rint((waves - waves.min()) / np.ptp(waves) * 50_000).astype(np.uint16)


@functools.cache
def scored(kind):
    """Score a few frames of migrating nuclei; those with missing ones need some more."""
    window = np.s_[24:48, :64, :64] if kind == "missing" else np.s_[20:25, 30:78, 30:78]
    frames = pictures.stack().truth[window]
    return stacks.score_stack("cells", frames, kind, 0)


def ramp(shape=(6, 12, 12)):
    """Pixels that change linearly along the stack, and in the plane."""
    z, y, x = np.indices(shape)
    return (100.0 + 7 * z + 3 * y - 2 * x).astype(np.float32)


def with_hole(stack, *windows):
    hole = np.zeros(stack.shape, bool)
    for each in windows:
        hole[each] = True
    return np.where(hole, np.float32(-5e4), stack), hole


MIDDLE = np.s_[2:4, 4:8, 4:8]
"""A hole that neighbours know something of on both sides."""


# --- scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_fill_that_can_be_is_scored(kind):
    found = scored(kind)
    rows = {*RIVALS, AUTO}
    expected = {"line", "flow", "biharmonic 3-D", AUTO} if kind == "missing" else rows
    assert {*found.rows} == expected
    assert (found.name, found.kind) == ("cells", kind)
    assert all(np.isfinite(row.decibels) and row.seconds > 0 for row in found.rows.values())
    assert 0 < found.within <= 1
    assert (found.flicker is None) == (kind != "fixed")


@pytest.mark.parametrize("kind", KINDS)
def test_auto_is_the_best_or_near_it(kind):
    rows = {name: row.decibels for name, row in scored(kind).rows.items()}
    assert rows[AUTO] > max(rows.values()) - 0.1
    assert rows[AUTO] > min(rows.values()) + 1


def test_score_is_that_of_the_hole_beside_the_truths_range(monkeypatch):
    """A fill that is off by a tenth of the range everywhere has 20 dB."""
    stack = volume().astype(np.float32)
    low, high = np.percentile(stack, (0.5, 99.8))
    seen = []

    def off(damaged, hole):
        seen.append((damaged, hole))
        return np.where(hole, stack + 0.1 * (high - low), 1e9)

    monkeypatch.setattr(stacks, "RIVALS", {"line": off})
    found = stacks.score_stack("waves", stack, "missing", 0)
    assert found.rows["line"].decibels == pytest.approx(20, abs=1e-3)
    ((damaged, hole),) = seen
    assert (damaged[hole] == 0).all()  # what is in the holes is hidden
    np.testing.assert_array_equal(damaged[~hole], stack[~hole])


def test_flicker_is_one_where_a_fill_changes_as_its_surroundings_do():
    rng = np.random.default_rng(0)
    stack, hole = rng.normal(size=(5, 60, 60)), np.zeros((5, 60, 60), bool)
    hole[:, 20:40, 20:40] = True
    assert stacks.flicker(stack, hole) == pytest.approx(1, abs=0.1)
    assert stacks.flicker(np.where(hole, 3 * stack, stack), hole) == pytest.approx(3, rel=0.1)
    assert stacks.flicker(np.where(hole, 7, stack), hole) == 0


# --- tables ---------------------------------------------------------------------------------


def made(kind, auto, other, **more):
    rows = {"line": stacks.Score(other, 1), "biharmonic 3-D": stacks.Score(other - 1, 0.5)}
    facts = {"name": "one", "within": 0.9, "flicker": 0.8 if kind == "fixed" else None} | more
    return stacks.StackScores(kind=kind, rows=rows | {AUTO: stacks.Score(auto, 2.0)}, **facts)


def test_tables_have_a_row_for_each_stack_and_what_they_come_to():
    scores = [
        made("moving", 31.0, 30.0),
        made("moving", 29.0, 30.0, name="two", within=0.8),
        made("fixed", 25.0, 20.0),
    ]
    moving, note, fixed, last = stacks.stack_tables(scores).split("\n\n")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in moving.splitlines()]
    names = ["line", "biharmonic 3-D", "auto", "gain", "within", "time"]
    assert lines[0] == ["moving holes, dB", *names]
    assert lines[2] == ["one", "30.00", "29.00", "31.00", "+1.00", "0.90", "4.0"]
    assert lines[3] == ["two", "30.00", "29.00", "29.00", "-1.00", "0.80", "4.0"]
    assert lines[4][:6] == ["*mean*", "30.00", "29.00", "30.00", "+0.00", "0.85"]
    assert "50% of the stacks" in note
    assert "100% of the stacks" in last
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in fixed.splitlines()]
    assert lines[0][-1] == "flicker"
    assert lines[2][-1] == lines[3][-1] == "0.80"
    assert {len(line) for line in lines} == {len(lines[0])}


def test_tables_draw_what_was_measured():
    text = stacks.stack_tables([scored(kind) for kind in KINDS])
    for kind in KINDS:
        assert f"| {kind} holes, dB |" in text
    assert text.count("| cells |") == 3
    assert f"| {scored('moving').rows[AUTO].decibels:.2f} |" in text


# --- stacks in a folder ---------------------------------------------------------------------


def test_middles_of_all_stacks_of_a_folder_are_read(tmp_path):
    stack = np.arange(9 * 20 * 30, dtype=np.uint16).reshape(9, 20, 30)
    tifffile.imwrite(tmp_path / "b.tif", stack)
    np.save(tmp_path / "a.npy", stack[:4])
    (tmp_path / "notes.txt").write_text("none of them")
    (first, short), (second, middle) = stacks.read_stacks(tmp_path, 5, 16)
    assert (first, second) == ("a", "b")
    np.testing.assert_array_equal(short, stack[:4, 2:18, 7:23])
    np.testing.assert_array_equal(middle, stack[2:7, 2:18, 7:23])


def test_folder_without_stacks_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no stack")
    with pytest.raises(ValueError, match="no stack in it"):
        list(stacks.read_stacks(tmp_path, 5, 16))


@pytest.mark.parametrize("shape", [(20, 20), (2, 20, 20), (3, 4, 20, 20)])
def test_file_that_is_no_stack_is_named(tmp_path, shape):
    np.save(tmp_path / "odd.npy", np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=r"odd\.npy has the shape"):
        list(stacks.read_stacks(tmp_path, 5, 16))


def test_all_stacks_of_a_folder_are_scored_with_all_kinds_of_holes(tmp_path, monkeypatch):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", volume())
    asked = []
    monkeypatch.setattr(
        stacks, "score_stack", lambda name, stack, kind, seed: asked.append((name, kind, seed))
    )
    stacks.score_stacks(tmp_path, 5, 16)
    assert asked == [(name, kind, seed) for kind in KINDS for seed, name in enumerate("ab")]


# --- holes ----------------------------------------------------------------------------------


def test_holes_move_stay_or_take_whole_slices():
    shape = (12, 64, 64)
    moving, fixed, missing = (stacks.draw_holes(kind, shape, 3) for kind in KINDS)
    for hole in (moving, fixed):
        shares = hole.mean(axis=(1, 2))
        assert SHARE[0] <= shares.min() <= shares.max() <= SHARE[1]
    assert (fixed == fixed[0]).all()
    assert len({each.tobytes() for each in moving}) == 12
    whole = missing.all(axis=(1, 2))
    np.testing.assert_array_equal(whole, missing.any(axis=(1, 2)))
    assert np.flatnonzero(whole).tolist() == [2, 7]


@pytest.mark.parametrize("kind", KINDS)
def test_holes_are_the_same_for_the_same_seed_only(kind):
    one, again, other = (stacks.draw_holes(kind, (5, 32, 32), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one == other).all() == (kind == "missing")


@pytest.mark.parametrize("depth", [3, 4, 5, 7, 8])
def test_of_short_stacks_a_slice_between_two_is_missing(depth):
    whole = stacks.draw_holes("missing", (depth, 4, 4), 0).all(axis=(1, 2))
    assert whole.any()
    assert not whole[0]
    assert not whole[-1]


# --- rivals ---------------------------------------------------------------------------------


def test_line_is_exact_where_pixels_change_linearly():
    stack = ramp()
    damaged, hole = with_hole(stack, MIDDLE)
    np.testing.assert_allclose(stacks.line(damaged, hole), stack, rtol=1e-6)


def test_line_is_in_the_plane_where_no_slice_knows_anything():
    stack = ramp()
    damaged, hole = with_hole(stack, np.s_[:, 5:7, 5:7])
    filled = stacks.line(damaged, hole)
    np.testing.assert_allclose(filled, stacks.biharmonic_2d(damaged, hole))
    np.testing.assert_allclose(filled, stack, atol=0.5)


def test_biharmonics_go_on_with_a_plane():
    stack = ramp()
    damaged, hole = with_hole(stack, MIDDLE)
    for fill in (stacks.biharmonic_2d, stacks.biharmonic_3d):
        np.testing.assert_allclose(fill(damaged, hole), stack, atol=0.5)


def test_biharmonic_in_2d_sees_each_slice_by_itself():
    stack = ramp()
    damaged, hole = with_hole(stack, MIDDLE)
    other = damaged.copy()
    other[0] = other[-1] = 0
    one, two = (stacks.biharmonic_2d(each, hole) for each in (damaged, other))
    np.testing.assert_array_equal(one[1:-1], two[1:-1])


def drifting(slices=6, side=48):
    """A texture that moves three pixels to the right from slice to slice."""
    noise = np.random.default_rng(2).standard_normal((side, side + 3 * slices))
    wide = gaussian_filter(noise, 2).astype(np.float32)
    return np.stack([wide[:, 3 * at : 3 * at + side] for at in range(slices)][::-1])


def test_flow_follows_what_moves():
    stack = drifting()
    hole = np.zeros(stack.shape, bool)
    hole[3, 16:30, 16:30] = True
    damaged = np.where(hole, np.float32(50), stack)
    off = [np.abs(fill(damaged, hole) - stack)[hole].mean() for fill in (stacks.flow, stacks.line)]
    assert off[0] < 0.2 * off[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rival", ["line", "flow", "biharmonic 2-D", "biharmonic 3-D"])
def test_rivals_leave_known_pixels_and_read_no_hole(rival, kind):
    if kind == "missing" and rival not in stacks.ALONG:
        return
    stack = volume((5, 24, 24)).astype(np.float32)
    hole = stacks.draw_holes(kind, stack.shape, 0)
    one, other = (
        RIVALS[rival](np.where(hole, np.float32(garbage), stack), hole) for garbage in (0, 1e6)
    )
    np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_allclose(one[~hole], stack[~hole], rtol=1e-6)
    assert np.abs(one - stack)[hole].mean() < 0.2 * np.ptp(stack)
