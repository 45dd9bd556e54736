import numpy as np
import pytest
from scipy import ndimage

from training.data.nuclei import draw_instances, draw_nuclei
from training.data.pictures import instance_classes, stretch


@pytest.fixture(scope="module")
def drawn():
    return [draw_instances(np.random.default_rng(seed), 128) for seed in range(24)]


def test_nuclei_repeat_with_their_generator_and_differ_otherwise():
    first, again, other = (draw_nuclei(np.random.default_rng(seed), 64) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


def test_picture_holds_the_stretched_image_and_the_three_classes():
    picture = draw_nuclei(np.random.default_rng(5), 96)
    image, instances = draw_instances(np.random.default_rng(5), 96)
    assert (picture.image.shape, picture.image.dtype) == ((96, 96, 3), np.uint16)
    assert np.array_equal(picture.image, stretch(image))
    assert np.array_equal(picture.labels, instance_classes(instances))


def test_instances_are_numbered_and_in_one_piece(drawn):
    pieces = []
    for _, instances in drawn:
        count = int(instances.max())
        assert count >= 1
        assert np.array_equal(np.unique(instances)[-count:], np.arange(1, count + 1))
        for number in range(1, count + 1):
            pieces.append(ndimage.label(instances == number)[1])
    # a nucleus of which another one hides the middle may be in two
    assert np.mean(np.array(pieces) == 1) > 0.97


def test_some_nuclei_touch(drawn):
    touching = 0
    for _, instances in drawn:
        beside = (instances[:, 1:] != instances[:, :-1]) & (instances[:, 1:] > 0)
        touching += (beside & (instances[:, :-1] > 0)).any()
    assert touching >= 8


def test_nuclei_are_brighter_than_what_is_around_them_where_their_labels_say(drawn):
    for image, instances in drawn:
        sharp = ndimage.gaussian_filter(image.astype(float), 1)
        inside, outside = sharp[instance_classes(instances) == 1], sharp[instances == 0]
        if inside.size > 50:
            assert np.median(inside) > np.percentile(outside, 90)


def test_moved_labels_fit_worse(drawn):
    def contrast(image, labels):
        return image[labels > 0].mean() - image[labels == 0].mean()

    for image, instances in drawn:
        for shift in (3, -3):
            assert contrast(image, instances) > contrast(image, np.roll(instances, shift, 0))


def test_photons_are_noisier_where_there_are_more(drawn):
    ratios, ground = [], []
    for image, instances in drawn:
        grain = np.diff(image.astype(float), axis=1) ** 2
        core = ndimage.binary_erosion(instances > 0, iterations=3)[:, 1:]
        away = ndimage.binary_erosion(instances == 0, iterations=6)[:, 1:]
        if core.sum() > 100 and away.sum() > 100:
            ratios.append(grain[core].mean() / grain[away].mean())
            ground.append(grain[away].mean())
    assert len(ratios) > 8
    assert np.median(ratios) > 3
    assert np.median(ground) > 1.5 * 2 * 3**2  # what the camera alone adds
