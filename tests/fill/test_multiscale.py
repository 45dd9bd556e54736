from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from napari_inpaint.arrays import masks
from napari_inpaint.fill.multiscale import Scale, fill_large

SCALE = Scale(working_size=64, context=16, step=32, batch_size=3, batch_pixels=10**9)


def drive(image, hole, predict, refine=True, labels=None):
    """Fill; return what was reported, and the fill."""
    reported = []
    filled = fill_large(
        *(image, hole, predict, SCALE), refine=refine, labels=labels, report=reported.append
    )
    return reported, filled


def scene(shape=(300, 260), hole=((40, 260), (30, 230))):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([y / shape[0], x / shape[1]], axis=-1).astype(np.float32)
    mask = np.zeros(shape, bool)
    mask[slice(*hole[0]), slice(*hole[1])] = True
    return np.where(mask[..., np.newaxis], 0, image).astype(np.float32), mask, image


def constant(images, holes, labels):
    return np.where(holes[..., np.newaxis], np.float32(0.25), images)


def test_model_that_acts_per_pixel_gives_what_it_gives_untiled():
    image, hole, _ = scene()
    _, filled = drive(image, hole, constant)
    assert filled.shape == image.shape
    np.testing.assert_allclose(filled, constant(image, hole, None), atol=1e-5)


def test_fill_at_reduced_size_only_is_enlarged():
    heights = []

    def watch(images, holes, labels):
        heights.append(holes.shape[1])
        return constant(images, holes, labels)

    image, hole, _ = scene()
    _, filled = drive(image, hole, watch, refine=False)
    assert heights == [96]  # a quarter of 300, in multiples of 32
    deep = masks.depth(hole) > 16
    np.testing.assert_allclose(filled[deep], 0.25, atol=1e-5)
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_batches_have_the_size_and_the_steps_of_the_model():
    seen = []

    def watch(images, holes, labels):
        seen.append(holes.shape)
        assert holes.any()
        assert not holes.all(axis=(1, 2)).any()
        assert (images[holes] == 0).all()
        return constant(images, holes, labels)

    image, hole, _ = scene()
    drive(image, hole, watch)
    assert all(count <= 3 and height % 32 == width % 32 == 0 for count, height, width in seen)
    assert max(max(shape[1:]) for shape in seen) <= SCALE.tile


def test_batches_of_large_tiles_are_smaller():
    scale = Scale(64, 16, 32, batch_size=8, batch_pixels=512 * 512)
    assert [scale.batch(size, size) for size in (64, 256, 512, 1024)] == [8, 4, 1, 1]


def test_progress_rises_from_0_to_1():
    image, hole, _ = scene()
    done, _ = drive(image, hole, constant)
    assert len(done) > 3
    assert all(before < after for before, after in pairwise(done))
    assert done[-1] == pytest.approx(1)


def test_each_size_has_its_share_of_the_progress():
    """A quarter is the fill at half the size, of which again a quarter is one at half of that."""
    image, hole, _ = scene()
    done, _ = drive(image, hole, constant)
    # at half the size four tiles in batches of three, after a quarter that is one call
    first = 0.25 * (0.25 + 0.75 * 3 / 4)
    assert done[:2] == pytest.approx([first, 0.25])
    rest = np.array(done[2:])
    np.testing.assert_allclose(rest, np.linspace(0.25, 1, len(rest) + 1)[1:], atol=0.05)


def moody(*levels):
    """Return a model whose calls answer these levels, one after the other, again and again."""
    calls = []

    def predict(images, holes, labels):
        calls.append(1)
        return np.full_like(images, levels[len(calls) % len(levels)])

    return predict


def steepest(filled, hole):
    """Return the largest step between neighbours in the hole."""
    return max(
        np.abs(np.diff(filled[..., 0], axis=axis))[
            np.delete(hole, 0, axis) & np.delete(hole, -1, axis)
        ].max()
        for axis in (0, 1)
    )


def test_tiles_of_a_model_that_disagrees_with_itself_show_no_seam():
    image, hole, _ = scene((64, 600), ((16, 48), (16, 584)))
    scale = replace(SCALE, working_size=64, batch_size=1)
    filled = fill_large(image, hole, moody(0.0, 1.0), scale, refine=True)
    assert filled[hole].max() - filled[hole].min() > 0.9
    assert steepest(filled, hole) < 0.12


def test_refined_rim_turns_smoothly_into_the_coarse_fill():
    """A model that answers 0 as long as the coarse quarter is made, and 1 from then on."""
    image, hole, _ = scene((300, 300), ((30, 270), (30, 270)))
    level = 0.0

    def predict(images, holes, labels):
        return np.full_like(images, level)

    def report(share):
        nonlocal level
        level = float(share >= 0.25)

    filled = fill_large(image, hole, predict, SCALE, refine=True, report=report)
    depth = masks.depth(hole)
    assert (filled[hole & (depth < 12)] > 0.99).all()
    assert (filled[depth > 32] < 0.01).all()
    assert steepest(filled, hole & (depth > 8)) < 0.15


def test_thin_hole_needs_no_coarse_fill():
    heights = []

    def watch(images, holes, labels):
        heights.append(holes.shape[1])
        return constant(images, holes, labels)

    image, hole, _ = scene((400, 400), ((0, 400), (0, 400)))
    hole = np.eye(400, dtype=bool)
    done, _ = drive(image, hole, watch)
    assert set(heights) == {SCALE.tile}
    assert done[0] < 0.25


def test_fill_has_no_seam_in_a_smooth_gradient():
    """A diffusing model on a plane must give the plane back, nowhere with a step."""
    from skimage.restoration import inpaint_biharmonic

    def biharmonic(images, holes, labels):
        return np.stack(
            [
                inpaint_biharmonic(image, hole, channel_axis=-1)
                for image, hole in zip(images, holes, strict=True)
            ]
        ).astype(np.float32)

    image, hole, truth = scene((192, 192), ((30, 160), (35, 165)))
    _, filled = drive(image, hole, biharmonic)
    for axis in (0, 1):
        steps = np.abs(np.diff(filled, axis=axis)).max()
        assert steps < 3 * np.abs(np.diff(truth, axis=axis)).max()
    assert np.abs(filled - truth).max() < 0.05


@pytest.mark.parametrize("shape", [(301, 263), (65, 400), (129, 97)])
def test_odd_sizes_come_back_in_their_own_size(shape):
    hole = np.zeros(shape, bool)
    hole[1:-1, 1:-1] = True
    image = np.where(hole[..., np.newaxis], np.float32(0), np.ones((*shape, 1), np.float32))

    def ones(images, holes, labels):
        return np.ones_like(images)

    _, filled = drive(image, hole, ones)
    np.testing.assert_allclose(filled, np.ones((*shape, 1)), atol=1e-5)


def test_single_known_pixel_is_enough():
    hole = np.ones((256, 256), bool)
    hole[100, 37] = False
    image = np.zeros((256, 256, 1), np.float32)
    image[100, 37] = 0.75
    known = []

    def mean(images, holes, labels):
        keep = ~holes[..., np.newaxis]
        known.append(keep.sum(axis=(1, 2, 3)).min())
        level = images.sum(axis=(1, 2, 3)) / np.maximum(keep.sum(axis=(1, 2, 3)), 1)
        return np.broadcast_to(level[:, None, None, None], images.shape).astype(np.float32)

    _, filled = drive(image, hole, mean)
    assert min(known) >= 1
    np.testing.assert_allclose(filled, 0.75, atol=1e-3)


@pytest.mark.parametrize("refine", [True, False])
def test_labels_reach_the_model_at_every_size(refine):
    image, hole, _ = scene()
    labels = np.where(np.arange(260) < 130, 1, 2) * np.ones((300, 1), np.uint16)
    calls = []

    def paint(images, holes, ids):
        assert ids.shape == holes.shape
        calls.append(ids)
        return ids[..., np.newaxis].astype(np.float32).repeat(2, axis=-1) / 4

    _, filled = drive(image, hole, paint, refine, labels)
    assert (len(calls) > 1) == refine
    # where it was enlarged, the rim and the line between the labels are blurred
    inner = (masks.depth(hole) > 12) & (np.abs(np.arange(260) - 129.5) > 12)
    np.testing.assert_allclose(filled[inner][:, 0], labels[inner] / 4, atol=1e-3)
