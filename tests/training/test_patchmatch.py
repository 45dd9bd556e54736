"""PatchMatch against its formulas, and on images whose right fill is known."""

import numpy as np
import pytest
import torch

from training import patchmatch as pm


def stripes(height=64, width=64, period=8):
    x = torch.arange(width)
    row = (x // (period // 2) % 2).float()
    return row.expand(1, 3, height, width).contiguous()


def square(height=64, width=64, low=24, high=40):
    hole = torch.zeros(1, 1, height, width)
    hole[..., low:high, low:high] = 1
    return hole


def test_distances_equal_the_weighted_mean_of_squares():
    rng = np.random.default_rng(0)
    target, weight = rng.normal(size=(5, 6)), rng.random((5, 6))
    weight /= weight.sum(1, keepdims=True)
    source, match = rng.normal(size=(7, 6)), rng.integers(0, 7, 5)
    expected = [
        sum(weight[n, d] * (target[n, d] - source[match[n], d]) ** 2 for d in range(6))
        for n in range(5)
    ]
    got = pm.distances(*(torch.tensor(a) for a in (target, weight, source, match)))
    np.testing.assert_allclose(got, expected)


def test_patches_at_are_rows_of_all_patches():
    image = torch.rand(2, 9, 7)
    at = torch.tensor([0, 8, 30, 62])
    assert torch.equal(pm.patches_at(image, 3, at), pm.patches(image, 3)[at])


def test_search_finds_the_patch_that_was_moved():
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, size=[40, 40], mode="bicubic")[0]
    source = pm.patches(image, 2)
    usable = torch.ones(1600, dtype=torch.bool)
    at = torch.tensor([15 * 40 + 20, 16 * 40 + 20, 15 * 40 + 21, 16 * 40 + 21])
    shift = 3 * 40 + 5
    target, weight = source[at + shift], torch.ones(4, 75)
    field = torch.arange(1600)
    for salt in range(20):
        field, best = pm.Matcher()(target, weight, source, usable, field, at, [40, 40], 1, 40, salt)
    assert torch.equal(field[at], at + shift)
    assert best.max() == 0


def test_search_takes_usable_patches_only():
    image = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
    source = pm.patches(image, 1)
    usable = torch.arange(400) < 200
    at = torch.arange(200, 400)
    field = torch.arange(400) % 200
    field, _ = pm.Matcher()(
        source[at], torch.ones(200, 27), source, usable, field, at, [20, 20], 1, 20, 0
    )
    assert field.max() < 200


def test_vote_is_the_weighted_mean_of_what_matches_say():
    image = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(1))
    at, match = torch.tensor([4 * 9 + 4, 4 * 9 + 5]), torch.tensor([2 * 9 + 2, 6 * 9 + 3])
    distance = torch.tensor([0.1, 0.3])
    total, mean = pm.vote(image, torch.zeros(81).long(), distance, match, at, 1, last=False)
    scale = 0.2
    # pixel (4, 5) is 1 right of the first target and the second target itself
    first = np.exp(-0.1 / (2 * scale)) * np.exp(-1 / 8)
    second = np.exp(-0.3 / (2 * scale))
    expected = (first * image[:, 2, 3] + second * image[:, 6, 3]) / (first + second)
    torch.testing.assert_close(mean[:, 4, 5], expected.float(), rtol=1e-4, atol=1e-5)
    assert total[0, 4, 5].item() == pytest.approx(first + second, rel=1e-4)
    assert total[0, 0, 0] == 0


def test_depth_counts_px_to_the_nearest_known_pixel():
    depth = pm.depth(square(16, 16, 4, 9)[0])[0]
    assert depth[6, 4:9].tolist() == [1, 2, 3, 2, 1]
    assert depth[0, 0] == 0


def test_enlarged_field_points_to_the_same_places_at_twice_the_size():
    field = torch.arange(6).flip(0)  # 2 x 3
    large = pm.enlarged(field, [4, 5]).reshape(4, 5)
    assert large[0, 0] == 2 * 5 + 4  # (0, 0) meant (1, 2): now (2, 4)
    assert large[3, 2] == 1 * 5 + 2  # (1, 1) meant (0, 1); the lower left of that block is (1, 2)


def test_scattered_numbers_cover_their_range_evenly():
    numbers = pm.scattered(torch.arange(20000), 3, 10)
    counts = torch.bincount(numbers, minlength=10)
    assert counts.min() > 1800
    assert counts.max() < 2200
    assert not torch.equal(numbers, pm.scattered(torch.arange(20000), 4, 10))


def test_stripes_are_continued_where_a_smooth_fill_is_grey():
    image, hole = stripes(), square()
    grey = torch.full_like(image, 0.5)
    fill = pm.PatchMatch(blur=0)(image, hole, grey)
    assert (fill - image)[..., 24:40, 24:40].abs().mean() < 0.05


def test_blur_carries_the_colours_of_the_guess():
    image, hole = torch.full((1, 3, 96, 96), 0.2), square(96, 96, 20, 76)
    guess = torch.full_like(image, 0.6)
    plain = pm.PatchMatch(blur=0)(image, hole, guess)
    tinted = pm.PatchMatch(blur=6)(image, hole, guess)
    assert plain[0, 0, 48, 48].item() == pytest.approx(0.2, abs=1e-3)
    assert tinted[0, 0, 48, 48].item() == pytest.approx(0.6, abs=1e-2)
    assert tinted[0, 0, 20, 48].item() < 0.45  # no seam: the colour comes on slowly


def test_strength_takes_that_share_of_the_detail():
    image, hole = (
        torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)),
        square(48, 48),
    )
    guess = torch.full_like(image, 0.5)
    whole = pm.PatchMatch(strength=1.0, blur=0)(image, hole, guess)
    half = pm.PatchMatch(strength=0.5, blur=0)(image, hole, guess)
    expected = torch.where(hole > 0, (whole + guess) / 2, image)
    torch.testing.assert_close(half, expected)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 65), (64, 64)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_every_size_and_mask_keeps_known_pixels_and_is_finite(size, share):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *size, generator=generator)
    hole = (torch.rand(2, 1, *size, generator=generator) < share).float()
    fill = pm.PatchMatch()(image, hole, torch.full_like(image, 0.5))
    known = (hole == 0).expand_as(image)
    assert torch.equal(fill[known], image[known])
    assert torch.isfinite(fill).all()
    assert 0 <= fill.min() <= fill.max() <= 1


def test_fill_does_not_depend_on_the_rest_of_the_batch():
    images = torch.rand(3, 3, 48, 40, generator=torch.Generator().manual_seed(2))
    holes = square(48, 40, 12, 30).expand(3, 1, 48, 40)
    guesses = images.mean((2, 3), keepdim=True).expand_as(images)
    together = pm.PatchMatch()(images, holes, guesses)
    alone = pm.PatchMatch()(images[1:2], holes[1:2], guesses[1:2])
    torch.testing.assert_close(together[1:2], alone)


def test_scripted_equals_eager():
    image = torch.rand(1, 3, 50, 41, generator=torch.Generator().manual_seed(3))
    hole, guess = square(50, 41, 10, 30), torch.full_like(image, 0.5)
    eager = pm.PatchMatch()
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
    fill = pm.PatchMatch(blur=0)(image, hole, torch.full_like(image, 0.5), classes)
    inside = fill[..., 24:40, 24:40]
    assert low - 0.02 <= inside.min()
    assert inside.max() <= high + 0.02
    assert inside.max() - inside.min() > 0.15  # stripes, not their mean


def test_a_class_that_the_surroundings_lack_takes_any_patch():
    image, hole = stripes(), square()
    grey = torch.full_like(image, 0.5)
    missing = torch.where(hole[:, 0] > 0, 3, 0)
    fill = pm.PatchMatch(blur=0)
    assert torch.equal(fill(image, hole, grey, missing), fill(image, hole, grey))
