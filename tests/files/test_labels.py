import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats
from napari_inpaint.files import labels as label_files

CLASSES = [ClassInfo("sky", "#4682b4"), ClassInfo("road", "#804080"), ClassInfo("car", "#3050d0")]
LABELS = np.random.default_rng(0).integers(0, 4, (40, 50)).astype(np.uint8)
PHOTO = np.zeros((40, 50, 3), np.uint8)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(path, dpi=(300, 300))
    return formats.read(path)


def test_png_of_classes_has_their_colours_as_palette_and_ids_as_indices(photo, tmp_path):
    out = tmp_path / "labels.png"
    label_files.write(out, LABELS, photo, "YX", CLASSES)
    with Image.open(out) as opened:
        assert opened.mode == "P"
        np.testing.assert_array_equal(np.asarray(opened), LABELS)
        colours = np.asarray(opened.convert("RGB"))
        assert opened.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    for number, each in enumerate(CLASSES, start=1):
        expected = list(bytes.fromhex(each.colour[1:]))
        assert (colours[LABELS == number] == expected).all()
    assert (colours[LABELS == 0] == 0).all()
    np.testing.assert_array_equal(label_files.read(out, photo), LABELS)


@pytest.mark.parametrize("name", ["l.png", "l.tif", "l.npy"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_ids_come_back_as_they_were_written(photo, tmp_path, name, dtype):
    ids = LABELS.astype(dtype) * (1 if dtype == "uint8" else 300)
    label_files.write(tmp_path / name, ids, photo, "YX")
    found = label_files.read(tmp_path / name, photo)
    np.testing.assert_array_equal(found, ids)
    assert found.dtype.kind == "u"


def test_shares_are_floats_in_tiff_and_bytes_in_png(photo, tmp_path):
    shares = np.linspace(0, 1, 2000, dtype=np.float32).reshape(40, 50)
    for name in ("s.tif", "s.npy", "s.png"):
        label_files.write(tmp_path / name, shares, photo, "YX")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "s.tif"), shares)
    np.testing.assert_array_equal(np.load(tmp_path / "s.npy"), shares)
    with Image.open(tmp_path / "s.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), np.rint(shares * 255))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_tiff_keeps_axes_sizes_and_times_without_its_channels(tmp_path, dtype):
    path = tmp_path / "cells.tif"
    about = {"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0, "max": 4000.0}
    stack = np.zeros((4, 3, 2, 40, 50), np.uint16)
    tifffile.imwrite(path, stack, imagej=True, resolution=(3.1, 3.1), metadata=about)
    ids = np.ones((4, 3, 40, 50), dtype) * LABELS.astype(dtype)
    label_files.write(tmp_path / "l.tif", ids, formats.read(path), "TZYX")
    with tifffile.TiffFile(tmp_path / "l.tif") as out:
        assert out.is_imagej
        assert out.series[0].axes == "TZYX"
        said = out.imagej_metadata
        assert (said["spacing"], said["unit"], said["finterval"]) == (0.5, "um", 2.0)
        assert said["max"] == 3  # so that ImageJ shows more than black
        assert "channels" not in said
        assert out.pages[0].resolution == pytest.approx((3.1, 3.1))
        np.testing.assert_array_equal(out.asarray(), ids)
        assert out.asarray().dtype == dtype


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_ome_tiff_keeps_axes_and_sizes(tmp_path, dtype):
    path = tmp_path / "a.ome.tif"
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "nm"}
    tifffile.imwrite(path, np.zeros((3, 2, 40, 50), np.uint16), metadata=about)
    ids = np.stack([LABELS] * 3).astype(dtype)
    label_files.write(tmp_path / "l.ome.tif", ids, formats.read(path), "ZYX")
    with tifffile.TiffFile(tmp_path / "l.ome.tif") as out:
        assert out.series[0].axes == "ZYX"
        assert 'PhysicalSizeX="0.2"' in out.ome_metadata
        assert 'PhysicalSizeXUnit="nm"' in out.ome_metadata
        assert 'SizeC="1"' in out.ome_metadata
        np.testing.assert_array_equal(out.asarray(), ids)


def test_unusual_axes_and_large_ids_are_kept_in_a_plain_tiff(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.zeros((3, 40, 50), np.uint8), imagej=True, metadata={"axes": "ZYX"})
    ids = np.stack([LABELS] * 3).astype(np.int32) * 100_000
    label_files.write(tmp_path / "l.tif", ids, formats.read(path), "ZYX")
    label_files.write(tmp_path / "q.tif", ids, formats.read(path), "QYX")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.tif"), ids)
    with tifffile.TiffFile(tmp_path / "q.tif") as out:
        assert out.series[0].axes == "QYX"


def test_indices_of_a_palette_tiff_are_the_labels(photo, tmp_path):
    path = tmp_path / "l.tif"
    palette = np.arange(768).reshape(3, 256).astype(np.uint16)
    tifffile.imwrite(path, LABELS, photometric="palette", colormap=palette)
    np.testing.assert_array_equal(label_files.read(path, photo), LABELS)


def test_labels_are_turned_with_a_picture_that_exif_turns(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg", exif=exif)
    picture = formats.read(tmp_path / "a.jpg")
    assert picture.array.shape == (50, 40, 3)
    for dtype in ("uint8", "uint16", "int64"):
        np.save(tmp_path / "l.npy", LABELS.astype(dtype))
        found = label_files.read(tmp_path / "l.npy", picture)
        np.testing.assert_array_equal(found, np.rot90(LABELS, -1))
        assert found.dtype == dtype
    np.save(tmp_path / "l.npy", np.rot90(LABELS, -1))
    np.testing.assert_array_equal(
        label_files.read(tmp_path / "l.npy", picture), np.rot90(LABELS, -1)
    )


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_colours_and_lossy_files_are_no_labels(photo, tmp_path, suffix):
    path = tmp_path / f"colours.{suffix}"
    Image.fromarray(PHOTO).save(path)
    with pytest.raises(FileError, match="blurs numbers" if suffix == "jpg" else "holds colours"):
        label_files.read(path, photo)


@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_broken_files_are_named(photo, tmp_path, suffix):
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"no labels")
    with pytest.raises(FileError, match="broken"):
        label_files.read(path, photo)
    path.unlink()
    with pytest.raises(FileError, match="No such file"):
        label_files.read(path, photo)


def test_format_that_cannot_hold_labels_is_refused_and_nothing_is_left(photo, tmp_path):
    with pytest.raises(FileError, match=r"JPEG blurs numbers. Choose PNG"):
        label_files.write(tmp_path / "l.jpg", LABELS, photo, "YX")
    with pytest.raises(FileError, match=r"single picture. Choose TIFF"):
        label_files.write(tmp_path / "l.png", np.stack([LABELS] * 2), photo, "ZYX")
    with pytest.raises(FileError, match=r"up to 65535"):
        label_files.write(tmp_path / "l.png", LABELS.astype(np.int32), photo, "YX")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["photo.png"]
