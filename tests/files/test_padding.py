import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.arrays.axes import parse
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats, padding

RNG = np.random.default_rng(0)
MARGINS = (1, 2, 3, 4)  # top, right, bottom, left
RGBA = RNG.integers(0, 256, (20, 30, 4), np.uint8)
STACK = RNG.integers(0, 4000, (3, 2, 20, 30), np.uint16)


def enlarged(path, out=None):
    """Enlarge a file's picture, write it, and read that; return all three pictures."""
    before = formats.read(path)
    larger = padding.enlarge(before, parse(before.axes, before.array.shape), MARGINS)
    out = out or path.with_name("out-" + path.name)
    formats.write(out, larger.array, larger)
    return before, larger, formats.read(out)


def test_margins_reflect_the_picture():
    picture = formats.Picture(path=None, array=np.arange(12).reshape(3, 4), axes="YX")
    larger = padding.enlarge(picture, parse("YX", (3, 4)), (2, 0, 1, 3))
    expected = [
        [11, 10, 9, 8, 9, 10, 11],
        [7, 6, 5, 4, 5, 6, 7],
        [3, 2, 1, 0, 1, 2, 3],
        [7, 6, 5, 4, 5, 6, 7],
        [11, 10, 9, 8, 9, 10, 11],
        [7, 6, 5, 4, 5, 6, 7],
    ]
    assert larger.array.tolist() == expected
    assert larger.added == (2, 0, 1, 3)
    hole = padding.surround(np.zeros((3, 4), bool), "YX", larger.added, value=True)
    assert hole.tolist() == [[True] * 7] * 2 + [[True] * 3 + [False] * 4] * 3 + [[True] * 7]


@pytest.mark.parametrize(
    ("margins", "words"),
    [((20, 0, 0, 0), "height of 20 px, .* 19; --pad asks for 20"), ((0, 31, 0, 0), "width of 30")],
)
def test_margins_that_a_reflection_cannot_fill_are_refused(tmp_path, margins, words):
    Image.fromarray(RGBA).save(tmp_path / "a.png")
    picture = formats.read(tmp_path / "a.png")
    with pytest.raises(FileError, match=words):
        padding.enlarge(picture, parse("YXC", (20, 30, 3)), margins)
    assert padding.enlarge(picture, parse("YXC", (20, 30, 3)), (19, 29, 19, 29)).array.shape == (
        *(58, 88, 3),
    )


@pytest.mark.parametrize("out", ["o.png", "o.tif", "o.npy", "o.webp"])
def test_alpha_is_enlarged_too(tmp_path, out):
    Image.fromarray(RGBA).save(tmp_path / "a.png", dpi=(300, 300))
    _, larger, after = enlarged(tmp_path / "a.png", tmp_path / out)
    assert larger.array.shape == (24, 36, 3)
    pixels = np.dstack([larger.array, larger.alpha])
    np.testing.assert_array_equal(pixels[1:-3, 4:-2], RGBA)
    if out == "o.npy":
        np.testing.assert_array_equal(after.array, pixels)
    else:
        np.testing.assert_array_equal(np.dstack([after.array, after.alpha]), pixels)


def test_exif_says_the_new_size(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8769).update({0xA002: 30, 0xA003: 20, 0x9003: "2020:01:01 00:00:00"})
    Image.fromarray(RGBA[..., :3]).save(tmp_path / "a.jpg", exif=exif)
    enlarged(tmp_path / "a.jpg", tmp_path / "o.png")
    with Image.open(tmp_path / "o.png") as new:
        said = new.getexif()
        assert said[0x010F] == "Camera"
        about = said.get_ifd(0x8769)
        assert (about[0xA002], about[0xA003]) == (36, 24)
        assert about[0x9003] == "2020:01:01 00:00:00"


def test_imagej_stack_keeps_axes_sizes_and_how_it_is_shown(tmp_path):
    about = {"axes": "ZCYX", "unit": "um", "spacing": 0.5, "mode": "composite", "Info": "by hand"}
    about["Ranges"] = (0.0, 100.0, 5.0, 200.0)
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(3, 3), metadata=about)
    before, larger, after = enlarged(tmp_path / "a.tif")
    assert before.axes == after.axes == "ZCYX"
    np.testing.assert_array_equal(after.array, larger.array)
    np.testing.assert_array_equal(after.array[:, :, 1:-3, 4:-2], STACK)
    with tifffile.TiffFile(tmp_path / "out-a.tif") as new:
        assert new.is_imagej
        said = new.imagej_metadata
        assert {name: said[name] for name in about if name != "axes"} == {
            name: value for name, value in about.items() if name != "axes"
        }
        assert new.pages[0].resolution == (3, 3)


def test_ome_stack_keeps_axes_sizes_and_names_of_channels(tmp_path):
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.2, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, metadata=about)
    _, larger, after = enlarged(tmp_path / "a.ome.tif")
    assert after.axes == "ZCYX"
    np.testing.assert_array_equal(after.array, larger.array)
    with tifffile.TiffFile(tmp_path / "out-a.ome.tif") as new:
        for words in ('PhysicalSizeX="0.2"', 'Name="DAPI"', 'Name="GFP"', 'SizeX="36"'):
            assert words in new.ome_metadata


def test_geotiff_stays_where_it_is_on_the_earth(tmp_path):
    height = RNG.normal(size=(20, 30)).astype(np.float32)
    matrix = (10.0, 0.0, 0.0, 1000.0, 0.0, -10.0, 0.0, 2000.0, *[0.0] * 7, 1.0)
    tags = [
        (33550, 12, 3, (10.0, 10.0, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 1000.0, 2000.0, 0.0), True),
        (34264, 12, 16, matrix, True),
        (34735, 3, 4, (1, 1, 0, 0), True),
        (42113, 2, 0, "-9999", True),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif", height, metadata=None, description="a hill", extratags=tags
    )
    _, larger, after = enlarged(tmp_path / "a.tif")
    np.testing.assert_array_equal(after.array, larger.array)
    assert after.missing == (-9999.0,)
    with tifffile.TiffFile(tmp_path / "out-a.tif") as new:
        said = {tag.code: tag.value for tag in new.pages[0].tags}
    # column 4 and row 1 are now where column 0 and row 0 were
    assert said[33922] == (4.0, 1.0, 0.0, 1000.0, 2000.0, 0.0)
    assert np.reshape(said[34264], (4, 4)) @ (4, 1, 0, 1) == pytest.approx((1000, 2000, 0, 1))
    assert (said[33550], said[34735], said[270]) == ((10.0, 10.0, 0.0), (1, 1, 0, 0), "a hill")


@pytest.mark.parametrize(
    ("array", "options", "axes"),
    [
        (STACK[:, 0].astype("f4"), {"photometric": "minisblack"}, "QYX"),
        (RGBA[..., :3], {"photometric": "rgb"}, "YXC"),
        (
            np.stack([RGBA[..., :3]] * 2),
            {"photometric": "rgb", "metadata": {"axes": "TYXS"}},
            "TYXC",
        ),
        (RGBA, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "YXC"),
        (RGBA[..., 0] > 99, {}, "YX"),
    ],
)
def test_tiff_of_any_layout_is_written_anew(tmp_path, array, options, axes):
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    before, larger, after = enlarged(tmp_path / "a.tif")
    assert before.axes == after.axes == axes
    assert after.array.dtype == array.dtype
    np.testing.assert_array_equal(after.array, larger.array)
