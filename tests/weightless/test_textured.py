"""What the texture stage promises, on pictures whose right fill is known."""

import itertools

import numpy as np
import pytest
import torch

from napari_inpaint.weightless import textured as stage
from napari_inpaint.weightless.coherence import coherent_fill
from napari_inpaint.weightless.cuts import (
    Board,
    cut_graph,
    expanded,
    least_cut,
    moved_borders,
    nudged,
)
from napari_inpaint.weightless.leading import lead_of_guess, share_of_detail
from napari_inpaint.weightless.seams import blended
from napari_inpaint.weightless.shifts import commonest, likest
from napari_inpaint.weightless.textured import mixed, textured, windows

SIZE = 96


def box(top, bottom, left, right, size=SIZE):
    hole = torch.zeros(1, 1, size, size)
    hole[..., top:bottom, left:right] = 1
    return hole


HOLE = box(32, 64, 36, 66)


@pytest.fixture
def wide(monkeypatch):
    """Take each hole for a wide one: copies alone say what stands in it."""
    monkeypatch.setattr(stage, "NARROW", 0)
    monkeypatch.setattr(stage, "WIDE", 1)


@pytest.fixture(params=[14, 0], ids=["narrow", "wide"])
def any_width(request, monkeypatch):
    """Take each hole for a narrow one, then for a wide one."""
    monkeypatch.setattr(stage, "NARROW", request.param)
    monkeypatch.setattr(stage, "WIDE", request.param + 1)


def noise(seed=0, size=SIZE, channels=3):
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(seed))


def grain(seed=0, size=SIZE):
    """Blotches of some pixels, neither white noise nor periodic."""
    picture = torch.nn.functional.avg_pool2d(noise(seed, size + 4), 5, 1)
    return ((picture - 0.5) * 3 + 0.5).clamp(0, 1)


def grid(period, size=SIZE):
    """A checkerboard with an odd colour: (1, 3, size, size)."""
    y, x = np.mgrid[:size, :size]
    light = ((x // (period // 2) + y // (period // 2)) % 2).astype(np.float32)
    colours = np.stack([0.2 + 0.6 * light, 0.7 - 0.4 * light, 0.3 + 0.3 * light])
    return torch.from_numpy(colours.astype(np.float32))[None]


def smooth(picture, hole):
    return coherent_fill(picture * (1 - hole), 1 - hole)


def error(fill, truth, hole):
    """Mean absolute difference in the hole."""
    return float(((fill - truth).abs() * hole).sum() / hole.sum() / truth.shape[1])


def test_known_pixels_stay_bit_by_bit_and_the_hole_is_in_range(any_width):
    picture = noise(size=80)
    hole = box(30, 50, 25, 52, 80)
    fill = textured(picture, hole, smooth(picture, hole))
    assert torch.equal(fill * (1 - hole), picture * (1 - hole))
    assert fill.min() >= 0
    assert fill.max() <= 1
    assert fill.dtype == picture.dtype


def test_the_same_call_gives_the_same_fill_and_another_seed_another(wide):
    picture = grain()
    guess = smooth(picture, HOLE)
    fill = textured(picture, HOLE, guess)
    assert torch.equal(fill, textured(picture, HOLE, guess))
    big = grain(3, 200)
    hole = box(60, 140, 60, 140, 200)
    fills = [textured(big, hole, smooth(big, hole), seed=seed) for seed in (0, 1)]
    assert not torch.equal(*fills)


def test_arguments_are_left_as_they_are(any_width):
    picture, guess, hole = grain(), noise(2), HOLE.clone()
    copies = picture.clone(), hole.clone(), guess.clone()
    textured(picture, hole, guess)
    assert all(torch.equal(a, b) for a, b in zip((picture, hole, guess), copies, strict=True))


def test_pictures_of_a_batch_do_not_touch_each_other(any_width):
    pictures = torch.cat([grain(1), grain(2)])
    holes = torch.cat([HOLE, box(20, 50, 30, 60)])
    guesses = smooth(pictures, holes)
    classes = torch.full((2, SIZE, SIZE), -1)
    classes[1] = (torch.arange(SIZE) > 48).long()
    source = torch.ones(2, 1, SIZE, SIZE)
    source[1, :, :, :20] = 0
    fills = textured(pictures, holes, guesses, 0.7, classes, source)
    for i in (0, 1):
        k = slice(i, i + 1)
        alone = textured(pictures[k], holes[k], guesses[k], 0.7, classes[k], source[k])
        assert torch.equal(fills[k], alone)


def test_without_a_hole_nothing_happens(any_width):
    picture = grain()
    assert torch.equal(textured(picture, torch.zeros(1, 1, SIZE, SIZE), noise(3)), picture)


def test_the_guess_stays_where_there_is_nothing_to_copy(any_width):
    picture, guess = grain(), noise(3)
    assert torch.equal(textured(picture, torch.ones(1, 1, SIZE, SIZE), guess), guess)
    nothing = torch.zeros(1, 1, SIZE, SIZE)
    filled = textured(picture, HOLE, guess, source=nothing)
    assert torch.equal(filled, torch.where(HOLE > 0, guess, picture))


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 40), (7, 7), (9, 8), (17, 16)])
def test_tiny_pictures(any_width, shape):
    picture = torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(1))
    hole = torch.zeros(1, 1, *shape)
    hole[..., shape[0] // 2, shape[1] // 2] = 1
    fill = textured(picture, hole, torch.full_like(picture, 0.5))
    assert torch.equal(fill * (1 - hole), picture * (1 - hole))
    assert torch.isfinite(fill).all()


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(wide, channels):
    picture = grid(8)[:, :1].expand(-1, channels, -1, -1)
    fill = textured(picture, HOLE, smooth(picture, HOLE))
    assert error(fill, picture, HOLE) < 0.02


def test_no_strength_is_the_guess_and_more_of_it_goes_towards_the_copies(wide):
    picture = grid(8)
    guess = smooth(picture, HOLE)
    start = torch.where(HOLE > 0, guess, picture)
    assert torch.equal(textured(picture, HOLE, guess, strength=0.0), start)
    fills = [textured(picture, HOLE, guess, strength=s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    apart = [error(fill, fills[-1], HOLE) for fill in fills]
    assert apart == sorted(apart, reverse=True)
    assert apart[1] < 0.7 * apart[0]
    assert apart[2] < 0.3 * apart[0]  # all of the detail is there by then


def test_narrow_holes_keep_the_colours_of_the_guess_and_get_detail():
    picture = grain(14)
    hole, guess = box(36, 60, 30, 54), torch.full_like(picture, 0.5)
    guess += torch.tensor([0.15, 0, -0.15]).view(1, 3, 1, 1)  # as no pixel of the picture is
    fill = textured(picture, hole, guess)
    inside = fill[..., 40:56, 34:50]
    apart = inside.mean((2, 3)) - guess[..., 40:56, 34:50].mean((2, 3))
    assert apart.abs().max() < 0.03
    assert inside.std((2, 3)).min() > 0.5 * picture[..., :30, :].std((2, 3)).max()


def test_wide_holes_have_the_colours_of_the_surroundings():
    picture = grain(15, 220)
    hole, guess = box(65, 155, 65, 155, 220), torch.full_like(picture, 0.5)
    guess += torch.tensor([0.15, 0, -0.15]).view(1, 3, 1, 1)
    inside = textured(picture, hole, guess)[..., 80:140, 80:140]
    apart = inside.mean((2, 3)) - picture.mean((2, 3))
    assert apart.abs().max() < 0.05
    assert inside.std((2, 3)).min() > 0.75 * picture[..., :60, :].std((2, 3)).max()


def test_the_half_width_decides_how_much_the_copies_say():
    guess, copies = torch.full((3, 200, 300), 0.3), torch.full((3, 200, 300), 0.7)
    shares = []
    for half in (10, 14, 20, 25, 30, 36, 45):
        hole = torch.zeros(1, 200, 300)
        hole[:, 100 - half : 100 + half, 50:250] = 1
        shares.append((float(mixed(guess, copies, hole, 1.0)[0, 100, 150]) - 0.3) / 0.4)
    # distances are those of a 3 x 3 mask, a few hundredths too short
    assert shares == pytest.approx([0, 0, 6 / 22, 11 / 22, 16 / 22, 1, 1], abs=0.09)
    assert shares == sorted(shares)


def test_strength_brings_detail_up_to_a_half_and_colours_all_the_way():
    hole = torch.zeros(1, 140, 140)
    hole[:, 30:110, 30:110] = 1
    stripes = torch.arange(140) // 2 % 2 * 0.1 - 0.05
    guess = torch.full((3, 140, 140), 0.3)
    copies = 0.6 + stripes.expand(3, 140, 140)
    inner = (slice(None), slice(60, 80), slice(60, 80))
    for strength, detail in ((0.25, 0.5), (0.5, 1), (0.75, 1), (1, 1)):
        filled = mixed(guess, copies, hole, strength)[inner]
        assert float(filled.mean()) == pytest.approx(0.3 + 0.3 * strength, abs=0.01)
        assert float(filled.std() / copies[inner].std()) == pytest.approx(detail, rel=0.03)
    assert torch.allclose(filled, copies[inner], atol=1e-5)


def test_strength_of_narrow_holes_is_a_share_of_their_detail():
    picture, hole = grain(16), box(40, 56, 40, 60)
    guess = torch.full_like(picture, 0.5)
    whole, half = (textured(picture, hole, guess, strength=each) for each in (1.0, 0.5))
    start = torch.where(hole > 0, guess, picture)
    assert error(whole, start, hole) > 0.02
    assert torch.allclose(half, (whole + start) / 2, atol=1e-6)


def test_a_hole_too_large_for_its_surroundings_keeps_the_colours_of_the_guess(monkeypatch):
    found = []
    copied = stage.copied
    monkeypatch.setattr(stage, "copied", lambda *given: found.append(copied(*given)) or found[-1])
    picture, hole = grain(17), box(8, 88, 8, 88)
    guess = torch.full_like(picture, 0.5)
    guess += torch.tensor([0.15, 0, -0.15]).view(1, 3, 1, 1)
    fill = textured(picture, hole, guess)
    assert found == [None]
    inside = fill[..., 20:76, 20:76]
    apart = inside.mean((2, 3)) - guess[..., 20:76, 20:76].mean((2, 3))
    assert apart.abs().max() < 0.03
    assert inside.std((2, 3)).min() > 0.5 * picture[..., :8, :].std((2, 3)).max()
    assert torch.equal(fill * (1 - hole), picture * (1 - hole))


@pytest.mark.parametrize("period", [8, 12])
def test_a_periodic_texture_goes_on(wide, period):
    picture = grid(period)
    guess = smooth(picture, HOLE)
    assert error(guess, picture, HOLE) > 0.1
    assert error(textured(picture, HOLE, guess), picture, HOLE) < 0.01


def test_slanted_stripes_go_on(wide):
    y, x = np.mgrid[:128, :128]
    wave = np.sin((2 * x + y) * 2 * np.pi / 24) / 2 + 0.5
    picture = torch.from_numpy(wave.astype(np.float32)).expand(1, 3, -1, -1).contiguous()
    hole = box(44, 80, 44, 80, 128)
    flat = torch.full_like(picture, 0.5)
    assert error(textured(picture, hole, flat), picture, hole) < 0.03


def test_a_texture_overrules_a_guess_of_its_mean_colour(wide):
    picture = grain(4)
    guess = torch.full_like(picture, 0.5)
    fill = textured(picture, HOLE, guess)
    inside, outside = fill[..., 34:62, 38:64], picture[..., :30, :]
    assert inside.std() > 0.75 * outside.std()


def test_a_plain_of_the_guess_s_colour_does_not_replace_a_texture(wide):
    picture = grain(4, 128)
    picture[..., :44] = 0.5
    hole = box(48, 80, 60, 92, 128)
    fill = textured(picture, hole, torch.full_like(picture, 0.5))
    assert fill[..., 50:78, 62:90].std() > 0.75 * picture[..., 96:].std()


def test_a_straight_edge_of_a_right_guess_stays(any_width):
    picture = torch.full((1, 3, SIZE, SIZE), 0.25)
    picture[..., 47:, :] = 0.8
    fill = textured(picture, HOLE, picture)
    assert error(fill, picture, HOLE) < 1e-3


def test_a_quiet_guess_decides_which_of_two_plains_is_copied(wide):
    picture = torch.full((1, 3, SIZE, SIZE), 0.25)
    picture[..., 48:] = 0.8
    for edge in (44, 58):  # both go on from the rim no better than the other
        guess = picture.clone()
        guess[..., 36:60, 36:66] = 0.25
        guess[..., 36:60, edge:66] = 0.8
        fill = textured(picture, HOLE, guess)
        assert error(fill[..., 42:54, :], guess[..., 42:54, :], HOLE[..., 42:54, :]) < 0.1


def test_no_step_at_the_rim_of_a_lit_texture(wide):
    light = torch.linspace(0.25, 0.75, SIZE).view(1, 1, 1, SIZE)
    picture = light + 0.08 * (grain(5) - 0.5)
    fill = textured(picture, HOLE, smooth(picture, HOLE))
    low = torch.nn.functional.avg_pool2d(fill, 5, 1, 2)
    truth = torch.nn.functional.avg_pool2d(picture, 5, 1, 2)
    assert error(low, truth, HOLE) < 0.025
    # Over the rim, colours change no more than inside of the picture.
    steps = (fill[..., 1:] - fill[..., :-1]).abs().mean(1)
    rim = torch.stack([steps[0, 32:64, 35], steps[0, 32:64, 65]]).mean()
    assert rim < 1.5 * steps[0, :30].mean()


def test_only_the_sampling_area_is_copied(wide):
    picture = grain(6) * 0.2
    picture[:, 1] += 0.7
    source = torch.zeros(1, 1, SIZE, SIZE)
    source[..., :, 72:] = 1
    picture[:, :, :, 72:] = picture[:, [1, 0, 2], :, 72:]  # red there, green elsewhere
    fill = textured(picture, HOLE, smooth(picture, HOLE), source=source)
    inside = fill[..., 34:62, 38:64]
    assert (inside[:, 0] - inside[:, 1]).min() > 0.3
    free = textured(picture, HOLE, smooth(picture, HOLE))[..., 34:62, 38:64]
    assert (free[:, 1] - free[:, 0]).mean() > 0.3


def test_narrow_holes_get_the_detail_of_the_sampling_area():
    picture = torch.full((1, 3, SIZE, SIZE), 0.4)
    picture[..., 60:] = 0.6 + grain(13)[..., 60:] - 0.5
    source = torch.zeros(1, 1, SIZE, SIZE)
    source[..., 60:] = 1
    hole, guess = box(30, 50, 20, 40), torch.full_like(picture, 0.4)
    rough = textured(picture, hole, guess, source=source)[..., 33:47, 23:37]
    smooth = textured(picture, hole, guess, source=1 - source)[..., 33:47, 23:37]
    assert rough.std() > 0.5 * picture[..., 60:].std()
    assert smooth.std() < 1e-3
    assert abs(float(rough.mean()) - 0.4) < 0.02, "the colour is the guess's"


def test_a_far_sampling_area_is_found(wide):
    picture = torch.full((1, 3, 300, 300), 0.5)
    picture[..., :60, 240:] = grid(8, 60)
    source = torch.zeros(1, 1, 300, 300)
    source[..., :60, 240:] = 1
    hole = box(240, 268, 20, 48, 300)
    fill = textured(picture, hole, picture, source=source)
    assert fill[..., 240:268, 20:48].std() > 0.8 * picture[..., :60, 240:].std()


def test_hole_pixels_are_copied_from_their_own_class(wide):
    picture = grain(7) * 0.3
    picture[:, 0, :, :48] += 0.6
    picture[:, 2, :, 48:] += 0.6
    classes = torch.zeros(1, SIZE, SIZE, dtype=torch.long)
    classes[:, :, 48:] = 1
    classes[:, 32:64, 36:66] = 1  # the map says: all of the hole is like the right
    guess = torch.full_like(picture, 0.4)
    inside = textured(picture, HOLE, guess, classes=classes)[..., 34:62, 38:64]
    assert (inside[:, 2] - inside[:, 0]).min() > 0.2
    undecided = textured(picture, HOLE, guess)[..., 34:62, 38:44]
    assert (undecided[:, 0] - undecided[:, 2]).mean() > 0.2


def test_a_class_that_the_surroundings_lack_takes_what_there_is(wide):
    classes = torch.zeros(1, SIZE, SIZE, dtype=torch.long)
    classes[:, 32:64, 36:66] = 7
    picture = grid(8)
    fill = textured(picture, HOLE, smooth(picture, HOLE), classes=classes)
    assert error(fill, picture, HOLE) < 0.02


def test_what_stands_in_the_hole_does_not_count(any_width):
    picture = grain(8)
    guess = smooth(picture, HOLE)
    spoilt = torch.where(HOLE > 0, torch.nan, picture)
    assert torch.equal(textured(spoilt, HOLE, guess), textured(picture, HOLE, guess))


def test_holes_far_from_each_other_are_windows_of_their_own():
    holes = box(10, 30, 10, 30, 400) + box(300, 330, 350, 360, 400) + box(36, 40, 40, 44, 400)
    hole = holes[0, 0].numpy() > 0
    (near, one), (far, other) = windows(hole, ~hole)
    assert (int(one.sum()), int(other.sum())) == (416, 300)
    assert near == (slice(0, 82), slice(0, 86))
    assert far[0] == slice(255, 375)
    assert far[1].start == 305


def test_windows_hold_each_hole_pixel_once():
    rng = np.random.default_rng(0)
    hole = rng.random((300, 260)) > 0.9995
    hole[100:140, 60:90] = True
    seen = np.zeros(hole.shape, int)
    parts = list(windows(hole, ~hole))
    for place, own in parts:
        seen[place] += own
    assert len(parts) > 4
    assert (seen == hole).all()


def test_window_with_too_little_to_copy_from_is_the_whole_picture():
    hole = np.zeros((300, 300), bool)
    hole[100:120, 100:120] = True
    source = np.zeros(hole.shape, bool)
    source[280:, :40] = True
    ((place, own),) = windows(hole, source)
    assert own.shape == hole[place].shape == hole.shape
    source[60:90, 100:127] = True  # 810 of it near 400
    ((place, own),) = windows(hole, source)
    assert own.shape == hole[place].shape < (150, 150)
    assert own.sum() == 400


def test_many_spots_share_windows_by_the_cell_that_they_lie_in(monkeypatch):
    y, x = np.arange(600) % 60 < 8, np.arange(600) % 60 < 8
    spots = y[:, None] & x
    assert len(list(windows(spots, ~spots))) == 100
    monkeypatch.setattr(stage, "GROUPS", 99)
    parts = list(windows(spots, ~spots))
    assert len(parts) == 9  # cells of 256 px
    seen = np.zeros(spots.shape, int)
    for place, own in parts:
        seen[place] += own
    np.testing.assert_array_equal(seen, spots)


@pytest.mark.parametrize(
    ("height", "width", "wide"),
    [(20, 20, False), (40, 40, True), (40, 100, True), (40, 400, False)],
)
def test_objects_are_wide_and_strokes_are_not(height, width, wide):
    known = torch.ones(1, 60, 440)
    known[:, 10 : 10 + height, 10 : 10 + width] = 0
    assert stage.is_wide(known) == wide


def test_many_spots_are_windows_of_their_own_and_are_all_filled():
    y, x = (np.arange(1024) - 20) % 70 < 8, (np.arange(1024) - 10) % 72 < 8
    spots = (y[:, None] & x).astype(np.float32)
    assert 200 <= spots.sum() / 64 <= 225
    hole = torch.from_numpy(spots)[None, None]
    picture = grid(8, 1024)
    guess = torch.full_like(picture, 0.5)
    fill = textured(picture, hole, guess)
    assert torch.equal(fill * (1 - hole), picture * (1 - hole))
    assert error(fill, picture, hole) < error(guess, picture, hole)


def test_a_hole_does_not_depend_on_what_is_far_off(any_width):
    picture = grain(9, 500)
    hole = box(200, 230, 100, 130, 500)
    fill = textured(picture, hole, smooth(picture, hole))
    picture[..., 400:] = 0
    other = textured(picture, hole, smooth(picture, hole))
    assert torch.equal(fill[..., :300], other[..., :300])


def test_a_guess_leads_where_it_is_quiet_and_has_the_detail_that_there_is():
    known = 1 - HOLE[0]
    plain = torch.full((3, SIZE, SIZE), 0.4)
    plain[:, 48:] = 0.6
    assert lead_of_guess(plain * known, known)[..., 40:60, 40:60].min() > 0.9
    assert lead_of_guess(noise()[0] * known, known)[..., 40:60, 40:60].max() < 0.1
    assert share_of_detail(grain()[0], known) > 0.6
    assert share_of_detail(torch.where(known > 0, grain()[0], 0.5), known) < 0.1


def test_cuts_are_least():
    rng = np.random.default_rng(0)
    for _ in range(60):
        gain = rng.normal(size=7).astype(np.float32)
        p, q = np.array(
            [pair for pair in itertools.permutations(range(7), 2) if rng.random() < 0.3]
        ).T
        apart = rng.random(len(p)).astype(np.float32)

        def cost(takes, gain=gain, p=p, q=q, apart=apart):
            return gain[takes].sum() + apart[~takes[p] & takes[q]].sum()

        least = min(cost(np.array(x, bool)) for x in itertools.product((0, 1), repeat=7))
        for solve in (least_cut, cut_graph):
            assert cost(solve(gain, p, q, apart)) == pytest.approx(least, abs=1e-3)


def board_of(picture, hole):
    """A board on which seams alone count."""
    where = hole[0, 0].numpy() > 0
    planes = picture[0].permute(1, 2, 0).numpy()
    nothing = np.zeros(where.shape, np.int64)
    return Board(planes, ~where, where, nothing - 1, lambda who, y, x: np.zeros(len(who)))


def energy(board, labels):
    """Equation 1 of cuts.py, pixel by pixel."""
    total = float(board.cost(labels, np.arange(len(labels))).sum())
    for p, q in zip(board.p, board.q, strict=True):
        for at in (p, q):
            said = [board.told(board.at[[at]], board.flat_shift(labels[[each]])) for each in (p, q)]
            total += float(((said[0] - said[1]) ** 2).sum())
    return total


def test_moves_never_cost_more_than_they_save():
    picture = grain(10, 40)
    board = board_of(picture, box(14, 24, 15, 26, 40))
    rng = np.random.default_rng(1)
    shifts = rng.integers(-13, 14, (12, 2))
    labels = shifts[rng.integers(0, 12, len(board.y))]
    costs = [energy(board, labels)]
    for sweeps in (1, 2):
        costs.append(energy(board, expanded(board, labels, shifts, sweeps)))
    assert costs[1] < 0.5 * costs[0]
    assert costs[2] <= costs[1] + 1e-3
    labels = expanded(board, labels, shifts, 2)
    assert energy(board, nudged(board, labels)) <= energy(board, labels) + 1e-3


def test_nothing_is_copied_from_where_it_may_not_nor_from_another_class():
    where = HOLE[0, 0].numpy() > 0
    allowed = ~where
    allowed[:, :20] = False
    kinds = np.zeros(where.shape, np.int64)
    kinds[:, 50:] = 1
    planes = np.zeros((*where.shape, 1), np.float32)
    board = Board(planes, allowed, where, kinds, lambda who, y, x: np.zeros(len(who)))
    x = board.x
    for shift in (-20, -60, 10, 40):
        source = x + shift
        fits = (source >= 20) & (source < SIZE) & ((source < 50) == (x < 50))
        fits &= (source < 36) | (source >= 66)
        labels = np.full((len(x), 2), (0, shift))
        assert (board.forbidden(labels) == ~fits).all()


def test_borders_of_pieces_move_to_where_they_are_not_seen():
    picture = grain(12, 64)
    picture[..., 20:30, 30:] = picture[..., 44:54, 30:]  # right of here both shifts say the same
    board = board_of(picture, box(32, 42, 24, 40, 64))
    labels = np.where(board.x[:, None] < 28, (-12, 0), (12, 0))
    better = moved_borders(board, labels, 3)
    assert energy(board, better) < energy(board, labels) - 2


def test_a_piece_is_nudged_into_its_place():
    picture = grid(16, 64)
    board = board_of(picture, box(24, 40, 24, 40, 64))
    labels = np.full((len(board.y), 2), (16, 1))
    assert (nudged(board, labels) == (16, 0)).all()


def test_common_shifts_are_the_periods_of_a_texture():
    picture = torch.cat([grain(11, 12).repeat(1, 1, 8, 1)] * 8, 3)[0]  # 96 px, period 12
    whole = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    whole[3:-3, 3:-3] = True
    found = likest(picture, whole, 3, 4)
    shifts = commonest(found.shifts, SIZE, SIZE, 10)
    assert len(shifts)
    assert (shifts % 12 == 0).all()
    assert found.strange.max() < 1e-3
    picture[:, 40:46, 40:46] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    strange = likest(picture, whole, 3, 4).strange
    assert strange[43, 43] > 20 * np.median(strange)


def test_small_steps_are_spread_and_large_ones_are_not():
    for step, near in ((0.04, True), (0.5, False)):
        picture = torch.full((1, 1, 48, 48), 0.3)
        picture[..., 40:] += step
        board = board_of(picture, box(18, 30, 18, 30, 48))
        colours = blended(board, np.full((len(board.y), 2), (0, 22)), 1)
        assert (abs(colours.mean() - 0.3) < 0.02) == near
