import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as pillow
from skimage.measure import label
from skimage.segmentation import find_boundaries

from napari_inpaint.arrays.intensity import limits_of, to_unit
from training.data.folders import Class, Source
from training.data.pictures import instance_classes, load_picture, stretch


@pytest.fixture
def save(tmp_path):
    """Write an image and labels; returns their source."""

    def save(image, labels=None, image_name="a.png", labels_name="b.png"):
        cv2.imwrite(str(tmp_path / image_name), image[..., ::-1] if image.ndim == 3 else image)
        if labels is None:
            return Source(tmp_path / image_name)
        pillow.fromarray(labels).save(tmp_path / labels_name)
        return Source(tmp_path / image_name, tmp_path / labels_name)

    return save


def noise(*shape, top=256, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, top, shape).astype(dtype)


@pytest.mark.parametrize("name", ["broken.png", "broken.tif", "broken.jpg"])
@pytest.mark.parametrize("content", [b"not a picture", b""])
def test_broken_picture_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} cannot be read"):
        load_picture(Source(tmp_path / name))


def test_load_picture_gives_rgb_and_shrinks_the_short_side(save):
    red = np.zeros((60, 90, 3), np.uint8)
    red[..., 0] = 255
    source = save(red)
    image = load_picture(source, short_side=30).image
    assert image.shape == (30, 45, 3)
    assert tuple(image[0, 0]) == (255, 0, 0)
    assert load_picture(source, short_side=100).image.shape == (60, 90, 3)


def test_colours_of_8_bits_stay_as_they_are(save, tmp_path):
    image = noise(20, 30, 3, top=40)
    assert np.array_equal(load_picture(save(image)).image, image)
    tifffile.imwrite(tmp_path / "a.tif", image, compression="zlib", photometric="rgb")
    assert np.array_equal(load_picture(Source(tmp_path / "a.tif")).image, image)


def test_alpha_is_dropped(tmp_path):
    image = noise(9, 8, 4)
    pillow.fromarray(image).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("a.png", "a.tif"):
        assert np.array_equal(load_picture(Source(tmp_path / name)).image, image[..., :3])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_is_stretched_as_the_plugin_does(save, tmp_path, dtype, name):
    grey = 20 + noise(64, 48, top=30, dtype=dtype)
    source = save(grey, image_name=name)
    image = load_picture(source).image
    assert image.dtype == dtype
    assert image.shape == (64, 48, 3)
    assert (image[..., 0] == image[..., 1]).all()
    assert (image[..., 0] == image[..., 2]).all()
    nothing = np.zeros(grey.shape, bool)
    unit = to_unit(grey[..., None], nothing, limits_of(grey[..., None], nothing))
    assert np.abs(image[..., :1] / np.iinfo(dtype).max - unit).max() <= 0.5 / np.iinfo(dtype).max
    assert image.max() > 0.85 * np.iinfo(dtype).max


def test_a_hot_pixel_does_not_darken_the_rest():
    grey = 100 + noise(100, 100, top=50, dtype=np.uint16)
    hot = grey.copy()
    hot[3, 4] = 65535
    apart = np.ones(grey.shape, bool)
    apart[3, 4] = False
    difference = np.abs(stretch(hot)[apart].astype(float) - stretch(grey)[apart])
    assert difference.max() < 0.1 * 65535  # the headroom that limits have beyond percentiles


def test_constant_grey_is_loaded():
    assert (stretch(np.full((5, 5), 7, np.uint8)) == 128).all()


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((5, 9, 9), np.uint16), np.zeros((9, 9), np.float32), np.zeros((9, 9, 2), np.uint8)],
)
def test_stacks_and_other_types_are_refused(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(ValueError, match=r"Expected a grey or RGB picture .*a\.tif holds"):
        load_picture(Source(tmp_path / "a.tif"))


def test_class_map_is_read_and_shrunk_without_new_ids(save):
    labels = np.kron(np.array([[0, 7], [255, 2]], np.uint8), np.ones((20, 30), np.uint8))
    picture = load_picture(save(noise(40, 60, 3), labels), short_side=20)
    assert np.array_equal(picture.labels, labels[::2, ::2])
    assert picture.image.shape == (20, 30, 3)
    uneven = load_picture(save(noise(40, 60, 3), labels), short_side=27).labels
    assert uneven.shape == (27, 40)
    assert set(np.unique(uneven)) == {0, 2, 7, 255}


def test_palette_maps_give_their_numbers_and_not_their_colours(save, tmp_path):
    labels = noise(12, 10, top=3)
    source = save(noise(12, 10, 3), labels)
    with pillow.fromarray(labels, "P") as file:
        file.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9])
        file.save(source.labels)
    assert np.array_equal(load_picture(source).labels, labels)


def test_coloured_maps_need_their_colours(save):
    classes = (Class("sky", "#4682b4"), Class("road", "#804080"))
    colours = np.array([[0x46, 0x82, 0xB4], [0x80, 0x40, 0x80], [1, 2, 3]], np.uint8)
    ids = noise(12, 10, top=3)
    source = save(noise(12, 10, 3), colours[ids])
    assert np.array_equal(load_picture(source, classes=classes).labels, np.array([0, 1, 255])[ids])
    with pytest.raises(ValueError, match=r"b\.png holds uint8 of shape .*classes\.csv"):
        load_picture(source)


def test_cityscapes_ids_become_training_ids(save):
    ids = np.array([[7, 8, 33], [0, 4, 26]], np.uint8)
    source = save(noise(2, 3, 3), ids, labels_name="ulm_000000_000019_gtFine_labelIds.png")
    assert load_picture(source).labels.tolist() == [[0, 1, 18], [255, 255, 13]]


def test_ids_beyond_the_classes_are_refused(save):
    source = save(noise(4, 4, 3), np.full((4, 4), 2, np.uint8))
    with pytest.raises(ValueError, match=r"ids from 0 to 1, or 255 .*b\.png holds 2"):
        load_picture(source, classes=(Class("a", "#000000"), Class("b", "#ffffff")))
    source = save(noise(4, 4, 3), np.full((4, 4), 300, np.uint16))
    with pytest.raises(ValueError, match=r"b\.png holds 300\. Are these instances"):
        load_picture(source)


def test_labels_of_another_size_are_refused(save):
    with pytest.raises(ValueError, match=r"b\.png has the shape \(4, 5\), its picture \(5, 4\)"):
        load_picture(save(noise(5, 4, 3), noise(4, 5, top=3)))


@pytest.mark.parametrize("name", ["b.png", "b.tif"])
def test_broken_labels_are_named(save, name):
    source = save(noise(5, 4, 3), noise(5, 4, top=3), labels_name=name)
    source.labels.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=rf"{name} cannot be read as labels"):
        load_picture(source)


def test_instances_become_background_inside_and_boundary():
    instances = np.zeros((12, 14), np.uint16)
    instances[2:10, 2:7] = 300
    instances[2:10, 7:12] = 5
    classes = instance_classes(instances)
    assert classes[6].tolist() == [0, 2, 2, 1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 0]
    assert label(classes == 1)[..., None].max() == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_touching_instances_stay_apart_when_shrunk(save, tmp_path, dtype):
    instances = np.zeros((64, 64), dtype)
    instances[8:56, 8:32] = 2
    instances[8:56, 32:56] = 100_000 if dtype == np.int32 else 3
    source = save(noise(64, 64), image_name="a.png")
    tifffile.imwrite(tmp_path / "b.tif", instances)
    source = source._replace(labels=tmp_path / "b.tif")
    picture = load_picture(source, short_side=32, instances=True)
    assert label(picture.labels == 1).max() == 2
    assert (
        picture.labels[16].tolist()
        == [0] * 3 + [2] * 2 + [1] * 10 + [2] * 2 + [1] * 10 + [2] * 2 + [0] * 3
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_boundaries_are_those_of_scikit_image(dtype):
    rng = np.random.default_rng(0)
    instances = np.kron(rng.integers(0, 3, (9, 7)), np.ones((5, 4))).astype(dtype)
    expected = np.where(find_boundaries(instances, mode="thick"), 2, instances > 0)
    assert np.array_equal(instance_classes(instances), expected)
