import cv2
import numpy as np
import pytest
import tifffile
import torch

from training.data.dataset import (
    Augment,
    HoleDataset,
    centre_crop,
    load_pictures,
    random_crop,
    to_tensor,
)
from training.data.holes import draw_hole
from training.data.pictures import Picture


def read(folder, **options):
    """Return all pictures of a folder that has no sides."""
    return load_pictures(folder, "", validation=False, **options)


@pytest.fixture
def labelled():
    """A picture whose channels hold the row, the column and the class of every pixel."""
    y, x = np.mgrid[:60, :80]
    classes = (y // 20 + x // 20) % 5
    return Picture(np.stack([y, x, classes * 50], -1).astype(np.uint8), classes.astype(np.uint8))


def test_pictures_are_loaded_from_either_side(pictures):
    training, validation = (load_pictures(pictures, "", validation=v) for v in (False, True))
    assert (len(training), len(validation)) == (19, 1)
    assert all(p.image.shape == (72, 90, 3) and p.labels is None for p in training)


def test_class_maps_and_instances_are_loaded_with_their_pictures(tmp_path):
    for n in range(4):
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
        spots = np.zeros((40, 40), np.uint16)
        spots[5:15, 5:15], spots[20:30, 20:30] = 1, 400
        tifffile.imwrite(tmp_path / f"images/{n}.tif", spots * 30)
        tifffile.imwrite(tmp_path / f"labels/{n}.tif", spots)
    for picture in read(tmp_path, instances=True):
        assert picture.image.dtype == np.uint16
        # two squares of 8 px; around each a ring of 36 px, and one of 40 px without corners
        assert np.bincount(picture.labels.ravel()).tolist() == [1320, 2 * 64, 2 * (36 + 40)]
    with pytest.raises(ValueError, match="holds 400"):
        read(tmp_path)


def test_maps_of_0_and_255_alone_are_refused(tmp_path):
    for n in range(4):
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / kind / f"{n}.png"), np.eye(9, dtype=np.uint8) * 255)
    with pytest.raises(ValueError, match="255 means unlabelled"):
        read(tmp_path)


def test_broken_file_among_many_is_named(pictures):
    for path in pictures.iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"\d\d\.png cannot be read"):
        read(pictures)


def test_cache_gives_the_same_pictures_and_is_read_the_second_time(pictures, tmp_path, monkeypatch):
    (tmp_path / "set/labels").mkdir(parents=True)
    pictures.rename(tmp_path / "set/images")
    for path in (tmp_path / "set/images").iterdir():
        cv2.imwrite(str(tmp_path / "set/labels" / path.name), np.full((72, 90), 3, np.uint8))
    plain = read(tmp_path / "set", short_side=33)
    first = read(tmp_path / "set", short_side=33, cache=tmp_path / "cache")
    monkeypatch.setattr(
        "training.data.dataset.load_picture", lambda *a, **k: pytest.fail("decoded again")
    )
    second = read(tmp_path / "set", short_side=33, cache=tmp_path / "cache")
    for ours in (first, second):
        for a, b in zip(plain, ours, strict=True):
            assert np.array_equal(a.image, b.image)
            assert np.array_equal(a.labels, b.labels)
    image = HoleDataset(second, 16, 2.0, (0.1, 0.5), seed=(0,))[0][0]
    assert torch.equal(image, HoleDataset(plain, 16, 2.0, (0.1, 0.5), seed=(0,))[0][0])


def test_cache_is_made_anew_when_a_picture_changes(pictures, tmp_path):
    before = read(pictures, cache=tmp_path / "cache")
    for path in pictures.iterdir():
        cv2.imwrite(str(path), np.full((9, 9, 3), 7, np.uint8))
    after = read(pictures, cache=tmp_path / "cache")
    assert before[0].image.shape == (72, 90, 3)
    assert (after[0].image == 7).all()


def test_sample_depends_on_seed_and_index_alone(pictures):
    images = read(pictures)
    first, second = (HoleDataset(images, 32, 2.0, (0.1, 0.5), seed=(7, 0)) for _ in range(2))
    _ = first[0]
    for a, b in zip(first[3], second[3], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first[3][0], first[4][0])
    other = HoleDataset(images, 32, 2.0, (0.1, 0.5), seed=(7, 1))
    assert not torch.equal(first[3][0], other[3][0])


def test_sample_has_the_promised_types_and_shapes(labelled):
    for picture in (labelled, labelled._replace(labels=None)):
        image, hole, labels = HoleDataset([picture], 32, 2.0, (0.2, 0.3), seed=(0,))[5]
        assert (image.shape, image.dtype) == ((3, 32, 32), torch.float32)
        assert (hole.shape, hole.dtype) == ((1, 32, 32), torch.float32)
        assert (labels.shape, labels.dtype) == ((32, 32), torch.int64)
        assert 0 <= image.min() < image.max() <= 1
        assert 0.2 <= hole.mean() <= 0.3
        assert set(hole.unique().tolist()) == {0, 1}
        assert (labels == 255).all() == (picture.labels is None)


def test_holes_are_of_the_asked_kinds(labelled):
    dataset = HoleDataset([labelled], 32, 1.0, (0.2, 0.3), seed=(0,), kinds=("centre",))
    hole = dataset[0][1][0].numpy() > 0
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    assert hole.sum() == len(rows) * len(columns)
    assert np.array_equal(hole, draw_as_the_dataset(dataset, 0))


def draw_as_the_dataset(dataset, index):
    rng = np.random.default_rng([*dataset.seed, index])
    rng.integers(len(dataset.pictures))
    random_crop(rng, dataset.pictures[0], dataset.size, dataset.zoom, dataset.augment)
    return draw_hole(rng, dataset.size, dataset.size, dataset.kinds, *dataset.hole_share)


def test_labels_are_never_mixed():
    labels = np.random.default_rng(0).choice(np.array([0, 7, 255], np.uint8), (50, 50))
    picture = Picture(np.zeros((50, 50, 3), np.uint8), labels)
    for zoom, size in ((1.7, 24), (1.0, 80)):
        dataset = HoleDataset([picture], size, zoom, (0.1, 0.5), seed=(0,))
        for index in range(5):
            assert set(dataset[index][2].unique().tolist()) == {0, 7, 255}


@pytest.mark.parametrize("augment", [Augment(), Augment(turn=True), Augment(flip=False)])
@pytest.mark.parametrize("zoom", [1.0, 1.7])
def test_labels_go_where_their_pixels_go(labelled, augment, zoom):
    dataset = HoleDataset([labelled], 32, zoom, (0.1, 0.5), seed=(1,), augment=augment)
    seen = set()
    for index in range(30):
        image, _, labels = dataset[index]
        drawn = image[2] * 255 / 50
        assert (drawn[drawn == drawn.round()].long() == labels[drawn == drawn.round()]).all()
        assert (drawn - labels).abs().mean() < 0.25
        rows, columns = (image[0].diff(dim=d).mean().sign().item() for d in (0, 1))
        seen.add((rows, columns, image[1].diff(dim=1).mean().sign().item()))
    upright = {(1.0, 0.0, 1.0)}
    flipped = {(1.0, 0.0, -1.0)}
    if augment.turn:
        assert len(seen) >= 6
    else:
        assert seen == (upright | flipped if augment.flip else upright)


def test_gain_and_gamma_stay_within_what_was_asked():
    grey = Picture(np.full((40, 40, 3), 64, np.uint16) * 256)
    unit = 64 * 256 / 65535

    def values(**options):
        dataset = HoleDataset([grey], 32, 1.0, (0.1, 0.5), (0,), augment=Augment(**options))
        return np.array([dataset[i][0].mean().item() for i in range(60)])

    assert np.allclose(values(), unit)
    gain = values(gain=0.5)
    assert unit / 1.5 - 1e-6 <= gain.min() < 0.75 * unit
    assert 1.3 * unit < gain.max() <= 1.5 * unit + 1e-6
    powers = np.log(values(gamma=0.2)) / np.log(unit)
    assert 1 / 1.2 - 1e-4 <= powers.min() < 0.9
    assert 1.1 < powers.max() <= 1.2 + 1e-4
    assert values(gain=9.0).max() <= 1


@pytest.mark.parametrize("shape", [(40, 50), (20, 70), (8, 8), (1, 1)])
def test_crops_have_the_asked_size_whatever_the_picture(shape):
    rng = np.random.default_rng(0)
    picture = Picture(
        rng.integers(0, 256, (*shape, 3), np.uint8), rng.integers(0, 4, shape, np.uint8)
    )
    for seed in range(4):
        crop = random_crop(np.random.default_rng(seed), picture, 32, 2.0, Augment())
        assert crop.image.shape == (32, 32, 3)
        assert crop.labels.shape == (32, 32)
    assert centre_crop(picture.image, 32).shape == (32, 32, 3)
    assert set(np.unique(centre_crop(picture.labels, 32))) <= set(np.unique(picture.labels))


def test_centre_crop_takes_the_middle():
    image = np.zeros((10, 12, 3), np.uint8)
    image[5, 6] = 9
    assert centre_crop(image, 2)[1, 1, 0] == 9
    assert centre_crop(image[..., 0], 2)[1, 1] == 9


def test_to_tensor_scales_by_the_type():
    image = np.array([[[0, 255, 51]]], np.uint8)
    assert to_tensor(image).flatten().tolist() == pytest.approx([0, 1, 0.2])
    assert to_tensor(image.astype(np.uint16) * 257).flatten().tolist() == pytest.approx([0, 1, 0.2])
