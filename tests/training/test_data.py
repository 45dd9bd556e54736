import cv2
import numpy as np
import pytest
import torch

from training import data


def test_own_folder_keeps_every_twentieth_picture_apart(pictures):
    training = data.list_images(pictures, "", validation=False)
    validation = data.list_images(pictures, "", validation=True)
    assert len(training) == 19
    assert len(validation) == 1
    assert not set(training) & set(validation)


def test_split_keeps_its_listed_files_apart_and_checks_them(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "SPLITS", tmp_path)
    digest = data.hashlib.sha256((pictures / "03.png").read_bytes()).hexdigest()
    (tmp_path / "waves.txt").write_text(f"{digest[:16]}  03.png\n")
    assert [p.name for p in data.list_images(pictures, "waves", validation=True)] == ["03.png"]
    assert len(data.list_images(pictures, "waves", validation=False)) == 19
    (tmp_path / "waves.txt").write_text("0000000000000000  03.png\n")
    with pytest.raises(ValueError, match=r"03.png is not the file"):
        data.list_images(pictures, "waves", validation=True)


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected training pictures"):
        data.list_images(tmp_path, "", validation=False)


def test_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"broken\.png cannot be read"):
        data.load_image(tmp_path / "broken.png")


def test_load_image_gives_rgb_and_shrinks_the_short_side(tmp_path):
    red = np.zeros((60, 90, 3), np.uint8)
    red[..., 2] = 255  # BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    image = data.load_image(tmp_path / "red.png", short_side=30)
    assert image.shape == (30, 45, 3)
    assert tuple(image[0, 0]) == (255, 0, 0)


def test_sample_depends_on_seed_and_index_alone(pictures):
    images = data.load_images(data.list_images(pictures, "", validation=False))
    first, second = (data.HoleDataset(images, 32, 2.0, (0.1, 0.5), seed=(7, 0)) for _ in range(2))
    _ = first[0]
    assert torch.equal(first[3][0], second[3][0])
    assert torch.equal(first[3][1], second[3][1])
    assert not torch.equal(first[3][0], first[4][0])
    other = data.HoleDataset(images, 32, 2.0, (0.1, 0.5), seed=(7, 1))
    assert not torch.equal(first[3][0], other[3][0])


@pytest.mark.parametrize("shape", [(40, 50, 3), (20, 70, 3), (8, 8, 3)])
def test_crops_have_the_asked_size_whatever_the_picture(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for seed in range(4):
        crop = data.random_crop(np.random.default_rng(seed), image, 32, 2.0)
        assert crop.shape == (32, 32, 3)
    assert data.centre_crop(image, 32).shape == (32, 32, 3)


def test_centre_crop_takes_the_middle():
    image = np.zeros((10, 12, 3), np.uint8)
    image[5, 6] = 9
    assert data.centre_crop(image, 2)[1, 1, 0] == 9
