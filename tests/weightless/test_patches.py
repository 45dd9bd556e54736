"""PatchMatch against its formulas (search and votes), and on images whose right fill is known."""

import numpy as np
import pytest
import torch

from napari_inpaint.weightless import matching, patches


def stripes(height=64, width=64, period=8):
    x = torch.arange(width)
    row = (x // (period // 2) % 2).float()
    return row.expand(1, 3, height, width).contiguous()


def square(height=64, width=64, low=24, high=40):
    hole = torch.zeros(1, 1, height, width)
    hole[..., low:high, low:high] = 1
    return hole


def scene_of(image, hole, radius=1, stride=1, classes=None):
    classes = torch.full(image.shape[1:], -1) if classes is None else classes
    return matching.make_scene(image, 1 - hole, classes, radius, stride)


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_patches_are_cut_at_their_places():
    image = rand(2, 9, 7)
    rows = matching.rows_of(image, 1)
    inner, corner = 4 * (7 + 2) + 3, 8 * (7 + 2) + 6  # middles at (4, 3) and (8, 6)
    got = matching.patches(rows, torch.tensor([inner, corner]), 7, 1).reshape(2, 3, 3, 2)
    assert torch.equal(got[0], image[:, 3:6, 2:5].permute(1, 2, 0))
    assert torch.equal(got[1, :2, :2], image[:, 7:, 5:].permute(1, 2, 0))
    assert not got[1, 2].any()  # beyond the image


def test_scene_targets_all_patches_over_the_hole_and_copies_from_known_ones_alone():
    image, hole = rand(3, 12, 10), torch.zeros(1, 12, 10)
    hole[0, 5, 4] = 1
    scene = scene_of(image, hole)
    places = torch.arange(12 * 12)
    y, x = places // 12, places % 12
    over = ((y - 5).abs() <= 1) & ((x - 4).abs() <= 1)
    inside = (y >= 1) & (y < 11) & (x >= 1) & (x < 9)
    assert torch.equal(scene.at, places[over])
    assert torch.equal(scene.usable, inside & ~over)
    sparse = scene_of(image, hole, stride=2).at
    assert sparse.tolist() == [4 * 12 + 4, 6 * 12 + 4]


def test_distances_equal_the_weighted_mean_of_squares():
    image, hole = rand(2, 9, 9, seed=1), square(9, 9, 4, 6)[0]
    filled = torch.where(hole > 0, rand(2, 9, 9, seed=2), image)
    scene = scene_of(image, hole)
    query = matching.ask(scene, filled, trust=0.3)
    places = torch.tensor([12, 24, 40])[:, None].expand(3, len(scene.at))
    got = matching.distances(scene, query, places)
    near = 2 * matching.blur(1 - hole, 4)[0]
    n = 3  # the target whose middle is at (3, 6)
    y, x = int(scene.at[n]) // 11, int(scene.at[n]) % 11
    for row, place in enumerate((12, 24, 40)):
        top, left = place // 11, place % 11
        total = counts = 0.0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                in_hole = bool(hole[0, y + dy, x + dx])
                w = float(0.3 * near[y + dy, x + dx]) if in_hole else 1.0
                target, source = filled[:, y + dy, x + dx], image[:, top + dy, left + dx]
                total += w * float((target - source).square().sum())
                counts += 2 * w
        assert (y, x) == (3, 6)
        assert got[row, n].item() == pytest.approx(total / counts, rel=1e-4)


def test_search_finds_the_patch_that_was_moved():
    coarse = rand(1, 3, 6, 6)
    image = torch.nn.functional.interpolate(coarse, size=[40, 40], mode="bicubic")[0]
    hole = torch.zeros(1, 40, 40)
    hole[0, 15, 20] = 1
    scene = scene_of(image, hole, radius=2)
    shift = 6 * 44 + 7
    rows = matching.rows_of(image, 2)
    weight = torch.full((len(scene.at), 75), 75**-0.5)
    target = matching.patches(rows, scene.at + shift, 40, 2)
    query = matching.Query(rows, -target * weight, weight)
    field = matching.field_of(scene, matching.anywhere(scene, 0))
    for salt in range(20):
        field, best = matching.search(scene, query, field, 40, salt)
    assert torch.equal(field[scene.at], scene.at + shift)
    assert best.max() < 1e-12


def test_search_takes_usable_patches_only():
    image, hole = rand(3, 20, 20), torch.zeros(1, 20, 20)
    hole[:, 10:] = 1
    scene = scene_of(image, hole)
    field = matching.field_of(scene, matching.anywhere(scene, 0))
    field, _ = matching.search(scene, matching.ask(scene, image, 1.0), field, 20, 0)
    assert scene.usable[field[scene.at]].all()


def test_vote_is_the_weighted_mean_of_what_matches_say_or_the_heaviest():
    image, hole = rand(2, 9, 9, seed=1), torch.zeros(1, 9, 9)
    hole[0, 4, 4] = 1
    scene = scene_of(image, hole)
    field, distance = matching.field_of(scene, scene.at), rand(9, seed=3)
    field[scene.at] = torch.tensor([(1 + i % 3) * 11 + 1 + 2 * (i // 3) for i in range(9)])
    mean = patches.vote(scene, image, field, distance, copy=False)
    best = patches.vote(scene, image, field, distance, copy=True)
    said, weights = [], []
    for i, place in enumerate(scene.at.tolist()):
        dy, dx = 4 - place // 11, 4 - place % 11
        match = int(field[place])
        said.append(image[:, match // 11 + dy, match % 11 + dx])
        away = (dy * dy + dx * dx) / 8
        weights.append(np.exp(-float(distance[i]) / (2 * float(distance.mean())) - away))
    expected = sum(w * s for w, s in zip(weights, said, strict=True)) / sum(weights)
    torch.testing.assert_close(mean[:, 4, 4], expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(best[:, 4, 4], said[int(np.argmax(weights))])
    known = (hole == 0).expand_as(image)
    assert torch.equal(mean[known], image[known])


def test_enlarged_matches_keep_their_offset_doubled():
    small = scene_of(rand(3, 20, 20), square(20, 20, 9, 11)[0])
    large = scene_of(rand(3, 40, 40), square(40, 40, 18, 22)[0], stride=2)
    shift = 5 * 22 - 3
    fine = matching.enlarge_field(matching.field_of(small, small.at + shift), small, large, 0)
    assert torch.equal(fine, large.at + 10 * 42 - 6)


def test_enlarged_gives_a_usable_place_to_a_hole_that_the_small_image_lacks():
    hole = torch.zeros(1, 40, 40)
    hole[0, :, 20] = 1
    small, large = (
        scene_of(rand(3, 20, 20), torch.zeros(1, 20, 20)),
        scene_of(rand(3, 40, 40), hole),
    )
    fine = matching.enlarge_field(matching.field_of(small, small.at), small, large, 0)
    assert large.usable[fine].all()


def test_scattered_numbers_cover_their_range_evenly():
    numbers = matching.scattered(torch.arange(20000), 3, 10)
    counts = torch.bincount(numbers, minlength=10)
    assert counts.min() > 1800
    assert counts.max() < 2200
    assert not torch.equal(numbers, matching.scattered(torch.arange(20000), 4, 10))


def test_stripes_are_continued_where_a_smooth_fill_is_grey():
    image, hole = stripes(), square()
    grey = torch.full_like(image, 0.5)
    fill = patches.PatchMatch(blur=0)(image, hole, grey)
    assert (fill - image)[..., 24:40, 24:40].abs().mean() < 0.05


def test_blur_carries_the_colours_of_the_guess():
    image, hole = 0.2 + 0.1 * stripes(96, 96), square(96, 96, 20, 76)
    guess = torch.full_like(image, 0.35)
    plain = patches.PatchMatch(blur=0)(image, hole, guess)[0, 0]
    tinted = patches.PatchMatch(blur=6)(image, hole, guess)[0, 0]
    assert plain[40:56, 40:56].mean().item() == pytest.approx(0.25, abs=5e-3)
    assert tinted[40:56, 40:56].mean().item() == pytest.approx(0.35, abs=1e-2)
    assert tinted[40:56, 40:56].std() > 0.03  # the stripes of the patches


def test_flat_surroundings_give_no_detail_and_foreign_colours_little():
    hole = square(96, 96, 20, 76)
    image = torch.where(torch.arange(96) < 48, 0.2, 0.2 + 0.3 * stripes(96, 96))
    guess = torch.full_like(image, 0.25)
    fill = patches.PatchMatch(blur=4)(image, hole, guess)[0, 0]
    flat, lively = fill[40:56, 24:32].std(), fill[40:56, 64:72].std()
    assert flat < 0.1 * lively
    far = patches.PatchMatch(blur=4)(image, hole, guess + 0.6)[0, 0]
    assert far[40:56, 64:72].std() < 0.5 * lively


# a straight rim: the share of known pixels at a depth of 0.5, 6.5 and 12.5 px
@pytest.mark.parametrize(("rim", "known"), [(6, [0.467, 0.139, 0.019]), (2, [0.401, 0.001, 0.0])])
def test_detail_comes_on_from_the_rim_inwards(rim, known):
    image, hole = 0.4 + 0.2 * stripes(96, 96), square(96, 96, 20, 76)
    guess = torch.full_like(image, 0.5)
    fill = patches.PatchMatch(blur=3, rim=rim)(image, hole, guess)[0, 0, :, 40:56]
    amplitude = fill.amax(1) - fill.amin(1)
    shares = amplitude[[20, 26, 32]] / amplitude[48]
    torch.testing.assert_close(shares, (1 - torch.tensor(known)) ** 2, atol=0.06, rtol=0)


def test_strength_takes_that_share_of_the_detail():
    image, hole = (
        torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)),
        square(48, 48),
    )
    guess = torch.full_like(image, 0.5)
    whole = patches.PatchMatch(strength=1.0, blur=0)(image, hole, guess)
    half = patches.PatchMatch(strength=0.5, blur=0)(image, hole, guess)
    expected = torch.where(hole > 0, (whole + guess) / 2, image)
    torch.testing.assert_close(half, expected)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 65), (64, 64)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_every_size_and_mask_keeps_known_pixels_and_is_finite(size, share):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *size, generator=generator)
    hole = (torch.rand(2, 1, *size, generator=generator) < share).float()
    fill = patches.PatchMatch()(image, hole, torch.full_like(image, 0.5))
    known = (hole == 0).expand_as(image)
    assert torch.equal(fill[known], image[known])
    assert torch.isfinite(fill).all()
    assert 0 <= fill.min() <= fill.max() <= 1


def test_fill_does_not_depend_on_the_rest_of_the_batch():
    images = torch.rand(3, 3, 48, 40, generator=torch.Generator().manual_seed(2))
    holes = square(48, 40, 12, 30).expand(3, 1, 48, 40)
    guesses = images.mean((2, 3), keepdim=True).expand_as(images)
    together = patches.PatchMatch()(images, holes, guesses)
    alone = patches.PatchMatch()(images[1:2], holes[1:2], guesses[1:2])
    torch.testing.assert_close(together[1:2], alone)


def test_scripted_equals_eager():
    image = torch.rand(1, 3, 50, 41, generator=torch.Generator().manual_seed(3))
    hole, guess = square(50, 41, 10, 30), torch.full_like(image, 0.5)
    eager = patches.PatchMatch()
    torch.testing.assert_close(
        torch.jit.script(eager)(image, hole, guess), eager(image, hole, guess)
    )


def two_textures():
    """Rows above 32 are stripes of 0 and 0.2, rows below are stripes of 0.8 and 1."""
    image = stripes() * 0.2
    image[..., 32:, :] += 0.8
    return image


@pytest.mark.parametrize(("painted", "low", "high"), [(0, 0.0, 0.2), (1, 0.8, 1.0)])
def test_patches_come_from_the_class_that_the_map_says(painted, low, high):
    image, hole = two_textures(), square(low=24, high=40)
    classes = (torch.arange(64) >= 32).long()[None, :, None].repeat(1, 1, 64)
    classes = torch.where(hole[:, 0] > 0, painted, classes)
    fill = patches.PatchMatch(blur=0)(image, hole, torch.full_like(image, 0.5), classes)
    inside = fill[..., 24:40, 24:40]
    assert low - 0.02 <= inside.min()
    assert inside.max() <= high + 0.02
    assert inside.max() - inside.min() > 0.15  # stripes, not their mean


def test_a_class_that_the_surroundings_lack_takes_any_patch():
    image, hole = stripes(), square()
    grey = torch.full_like(image, 0.5)
    missing = torch.where(hole[:, 0] > 0, 3, 0)
    fill = patches.PatchMatch(blur=0)
    assert torch.equal(fill(image, hole, grey, missing), fill(image, hole, grey))
