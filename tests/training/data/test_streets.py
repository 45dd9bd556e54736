import numpy as np
import pytest

from training.data import streets
from training.data.streets import STREET, draw_street, smooth_noise

NAMES = [each.name for each in STREET]


@pytest.fixture(scope="module")
def drawn():
    return [draw_street(np.random.default_rng(seed), 96) for seed in range(24)]


@pytest.fixture
def blank():
    """A street with nothing in it: black, and labelled 99."""
    return streets._Street(
        np.random.default_rng(0),
        np.zeros((128, 128, 3), np.uint8),
        np.full((128, 128), 99, np.uint8),
        focal=100.0,
        horizon=50.0,
        middle=64.0,
        haze=np.full(3, 0.8, np.float32),
        light=1.0,
    )


def test_scene_is_a_picture_with_a_class_for_every_pixel(drawn):
    for picture in drawn:
        assert (picture.image.shape, picture.image.dtype) == ((96, 96, 3), np.uint8)
        assert (picture.labels.shape, picture.labels.dtype) == ((96, 96), np.uint8)
        assert picture.labels.max() < len(STREET)
        assert picture.image.std() > 10


def test_scenes_show_every_class(drawn):
    counts = np.bincount(np.concatenate([p.labels.ravel() for p in drawn]), minlength=len(STREET))
    share = dict(zip(NAMES, counts / counts.sum(), strict=True))
    assert min(share.values()) > 0.0005
    assert share["road"] > 0.15
    assert share["building"] > 0.1
    assert share["sky"] > 0.05


def test_scene_repeats_with_its_generator_and_differs_otherwise():
    first, again, other = (draw_street(np.random.default_rng(seed), 64) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


@pytest.mark.parametrize(
    ("thing", "classes"),
    [
        (streets._tree, {"tree"}),
        (streets._car, {"car", "road"}),
        (streets._person, {"pedestrian"}),
        (streets._pole, {"pole", "sign"}),
        (streets._fence, {"fence"}),
    ],
)
def test_labels_cover_exactly_what_a_thing_covers(blank, thing, classes):
    for z in (8.0, 12.0, 20.0):
        blank.image[:], blank.labels[:] = 0, 99
        thing(blank, 4.3, z)
        covered = blank.image.any(-1)
        assert covered.sum() > 10
        assert np.array_equal(covered, blank.labels != 99)
        assert {NAMES[i] for i in np.unique(blank.labels[covered])} <= classes


def test_houses_and_ground_are_labelled_exactly(blank):
    for draw, expected in (
        (streets._ground, {"road", "pavement"}),
        (lambda street: streets._houses(street, 1), {"building"}),
    ):
        blank.image[:], blank.labels[:] = 0, 99
        draw(blank)
        covered = blank.image.any(-1)
        assert np.array_equal(covered, blank.labels != 99)
        assert {NAMES[i] for i in np.unique(blank.labels[covered])} == expected


def test_who_is_on_the_road_rides_a_bicycle(blank):
    streets._person(blank, 2.0, 8.0)
    assert set(np.unique(blank.labels)) == {streets.BICYCLIST, 99}


def test_things_are_drawn_from_far_to_near(monkeypatch):
    distances = []
    for name in ("_tree", "_car", "_person", "_pole", "_fence"):
        monkeypatch.setattr(streets, name, lambda street, x, z: distances.append(z))
    for seed in range(5):
        distances.clear()
        draw_street(np.random.default_rng(seed), 32)
        assert distances == sorted(distances, reverse=True)
        assert len(distances) > 1


def test_what_is_near_hides_what_is_far(blank):
    streets._car(blank, 0.0, 20.0)
    far = (blank.labels == streets.CAR).sum()
    streets._fence(blank, 0.0, 5.0)
    blank.stand(0.0, 5.0, streets._box(-2, 0, 2, 3), streets.BLACK, streets.SIGN)
    assert far > 20
    assert not (blank.labels == streets.CAR).any()


def test_the_camera_sees_the_horizon_at_the_height_of_its_eye(blank):
    assert blank.project(0, blank.eye, 7) == (64, 50)
    assert blank.project(2, blank.eye - 1, 10) == (84, 60)


def test_what_is_far_is_hazy(blank):
    near, far = (blank.hazy(np.zeros(3, np.float32), z) for z in (0.0, 1e6))
    assert np.allclose(near, 0)
    assert np.allclose(far, 0.8 * 255)


def test_smooth_noise_has_blobs_of_the_asked_size():
    noise = smooth_noise(np.random.default_rng(0), 200, 300, 20)
    assert noise.shape == (200, 300)
    assert 0.4 < noise.std() < 1.2

    def likeness(step):
        return np.corrcoef(noise[:-step].ravel(), noise[step:].ravel())[0, 1]

    assert likeness(4) > 0.8
    assert abs(likeness(60)) < 0.3
