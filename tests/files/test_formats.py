import io
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from napari_inpaint.errors import FileError
from napari_inpaint.files import formats

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (40, 50, 4), np.uint8)
STACK = RNG.integers(0, 60000, (4, 3, 2, 40, 50), np.uint16)  # TZCYX
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def edit(array):
    edited = array.copy()
    edited[..., 3:9, 4:7] = edited.max()
    return edited


def round_trip(path, out=None):
    """Read, change pixels, write; return what was written as pixels, and both pictures."""
    before = formats.read(path)
    pixels = edit(before.array)
    out = out or path.with_name("out-" + path.name)
    formats.write(out, pixels, before)
    return pixels, before, formats.read(out)


def tags(page, *without):
    """What the page says besides where and how its pixels lie, and tifffile's defaults."""
    stored = {*tifffile.TIFF.TAG_FILTERED, *without}
    return {tag.code: str(tag.value) for tag in page.tags if tag.code not in stored}


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_imagej_hyperstack_keeps_everything_it_says(tmp_path, byteorder):
    path = tmp_path / "cells.tif"
    about = {
        **{"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0, "mode": "composite"},
        **{"Ranges": (0.0, 100.0, 5.0, 200.0), "Info": "by hand", "Labels": ["a"] * 24},
        "LUTs": [np.arange(768).reshape(3, 256).astype(np.uint8)] * 2,
    }
    options = {"resolution": (3.1, 3.1), "metadata": about, "byteorder": byteorder}
    tifffile.imwrite(path, STACK, imagej=True, **options)
    pixels, before, after = round_trip(path)
    assert before.axes == after.axes == "TZCYX"
    np.testing.assert_array_equal(after.array, pixels)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(tmp_path / "out-cells.tif") as new:
        assert new.is_imagej
        assert new.byteorder == old.byteorder == byteorder
        assert new.imagej_metadata["spacing"] == 0.5
        assert new.imagej_metadata["unit"] == "um"
        assert new.imagej_metadata["Ranges"] == (0.0, 100.0, 5.0, 200.0)
        np.testing.assert_array_equal(new.imagej_metadata["LUTs"][1], about["LUTs"][1])
        assert str(new.imagej_metadata) == str(old.imagej_metadata)
        assert tags(new.pages[0]) == tags(old.pages[0])
        # ImageJ itself reads all planes from where the first one lies
        assert new.series[0].dataoffset is not None


def test_ome_tiff_keeps_its_xml_and_its_storage(tmp_path):
    path = tmp_path / "cells.ome.tif"
    about = {
        **{"axes": "TCZYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm"},
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    data = np.swapaxes(STACK, 1, 2)
    tifffile.imwrite(path, data, metadata=about, compression="zlib", predictor=2, tile=(32, 32))
    pixels, before, after = round_trip(path)
    assert before.axes == after.axes == "TCZYX"
    np.testing.assert_array_equal(after.array, pixels)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(tmp_path / "out-cells.ome.tif") as new:
        assert new.ome_metadata == old.ome_metadata
        assert 'Name="GFP"' in new.ome_metadata
        page = new.pages[0]
        assert (page.compression, page.predictor, page.is_tiled) == (8, 2, True)


@pytest.mark.parametrize("order", ["XYCZT", "XYZTC"])
def test_ome_tiff_planes_stay_where_the_xml_says(tmp_path, order):
    path = tmp_path / "order.ome.tif"
    with tifffile.TiffWriter(path, ome=False) as writer:  # planes counted in the XML's order
        planes = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((6, 16, 16), np.uint8)
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint8" '
            'SizeX="16" SizeY="16" SizeC="2" SizeZ="3" SizeT="1"><TiffData/></Pixels></Image></OME>'
        )
        for index, plane in enumerate(planes):
            description = xml if index == 0 else None
            writer.write(plane, metadata=None, description=description, contiguous=False)
    pixels, _, after = round_trip(path)
    np.testing.assert_array_equal(after.array, pixels)
    unchanged = tifffile.imread(tmp_path / "out-order.ome.tif", key=range(6))[:, 0, 0]
    assert unchanged.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("data", "options", "axes", "alpha"),
    [
        (STACK[0, 0, 0], {"byteorder": ">", "compression": "zstd", "predictor": 2}, "YX", False),
        (STACK[0, 0].astype("f4"), {"compression": "lzw"}, "QYX", False),
        (STACK[0, 0, 0].astype("f8"), {"bigtiff": True}, "YX", False),
        (RGBA[..., :3], {"photometric": "rgb", "compression": "packbits"}, "YXC", False),
        (RGBA[..., :3], {"photometric": "rgb", "iccprofile": SRGB, "software": "x"}, "YXC", False),
        (
            np.moveaxis(RGBA[..., :3], -1, 0),
            {"photometric": "rgb", "planarconfig": "separate"},
            "YXC",
            False,
        ),
        (RGBA, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "YXC", True),
        (RGBA, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "YXC", False),
        (
            RGBA[..., :2],
            {"photometric": "minisblack", "planarconfig": 1, "extrasamples": [2], "metadata": None},
            "YX",
            True,
        ),
        (RGBA[..., 0], {"photometric": "miniswhite"}, "YX", False),
        (RGBA[..., 0] > 99, {"compression": "lzw", "photometric": "minisblack"}, "YX", False),
        (RGBA[..., 0] > 99, {}, "YX", False),
    ],
)
def test_tiff_keeps_pixels_tags_and_storage(tmp_path, data, options, axes, alpha):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, **options)
    pixels, before, after = round_trip(path)
    assert (before.axes, before.alpha is not None) == (axes, alpha)
    assert (after.axes, after.alpha is not None) == (axes, alpha)
    assert after.array.dtype == before.array.dtype
    np.testing.assert_array_equal(after.array, pixels)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(tmp_path / "out-a.tif") as new:
        assert tags(new.pages[0]) == tags(old.pages[0])
        assert (new.byteorder, new.is_bigtiff) == (old.byteorder, old.is_bigtiff)
        for name in ("compression", "predictor", "photometric", "planarconfig", "extrasamples"):
            assert getattr(new.pages[0], name) == getattr(old.pages[0], name)
    if alpha:
        np.testing.assert_array_equal(after.alpha, data[..., -1])


def test_tiff_with_white_as_zero_is_read_as_seen(tmp_path):
    path = tmp_path / "fax.tif"
    tifffile.imwrite(path, RGBA[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(formats.read(path).array, 255 - RGBA[..., 0])


def test_tiff_with_four_bits_is_spread_over_eight(tmp_path):
    path = tmp_path / "four.tif"
    tifffile.imwrite(path, np.full((4, 8), 0x0F, np.uint8), metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        places = {code: tif.pages[0].tags[code].valueoffset for code in (256, 258)}
    content[places[258]], content[places[256]] = 4, 16
    path.write_bytes(content)
    pixels, before, after = round_trip(path)
    assert np.unique(before.array).tolist() == [0, 255]
    np.testing.assert_array_equal(after.array, pixels)


def test_palette_tiff_becomes_rgb(tmp_path):
    path = tmp_path / "palette.tif"
    colours = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    tifffile.imwrite(path, RGBA[..., 0], photometric="palette", colormap=colours * 257)
    pixels, before, after = round_trip(path)
    np.testing.assert_array_equal(before.array, colours.T[RGBA[..., 0]])
    np.testing.assert_array_equal(after.array, pixels)


def test_imagej_palette_stays_a_way_to_show_intensities(tmp_path):
    path = tmp_path / "fire.tif"
    colours = RNG.integers(0, 65535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(path, RGBA[..., 0], imagej=True, colormap=colours)
    pixels, before, after = round_trip(path)
    np.testing.assert_array_equal(before.array, RGBA[..., 0])
    np.testing.assert_array_equal(after.array, pixels)
    with tifffile.TiffFile(tmp_path / "out-fire.tif") as new:
        np.testing.assert_array_equal(new.pages[0].colormap, colours)


def test_lossy_tiff_is_written_without_loss(tmp_path):
    path = tmp_path / "jpeg.tif"
    smooth = np.kron(RGBA[..., :3], np.ones((4, 4, 1), np.uint8))
    tifffile.imwrite(path, smooth, photometric="rgb", compression="jpeg")
    pixels, before, after = round_trip(path)
    assert before.lossy
    assert not after.lossy
    np.testing.assert_array_equal(after.array, pixels)


def test_other_pages_of_a_tiff_are_kept_and_mentioned(tmp_path):
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for name in ("one", "two"):
            writer.write(RGBA[..., 0], metadata=None, description=name)
        writer.write(RGBA[:20, :20, 1], metadata=None, description="thumbnail")
    pixels, before, after = round_trip(path)
    assert before.notes == ("only the first of the 2 pictures in the file is read",)
    np.testing.assert_array_equal(after.array, pixels)
    with tifffile.TiffFile(tmp_path / "out-pages.tif") as new:
        assert [page.description for page in new.pages] == ["one", "two", "thumbnail"]
        np.testing.assert_array_equal(new.pages[2].asarray(), RGBA[:20, :20, 1])


def test_pyramid_levels_are_left_out_and_mentioned(tmp_path):
    path = tmp_path / "pyramid.ome.tif"
    big = RNG.integers(0, 256, (128, 128), np.uint8)
    with tifffile.TiffWriter(path) as writer:
        writer.write(big, subifds=1, tile=(32, 32))
        writer.write(big[::2, ::2], subfiletype=1, tile=(32, 32))
    pixels, before, after = round_trip(path)
    assert "pyramid" in before.notes[0]
    assert after.notes == ()
    np.testing.assert_array_equal(after.array, pixels)


@pytest.mark.parametrize("name", ["multipage.tif", "multipage_rgb.tif"])
def test_tiff_of_other_programs_survives(tmp_path, name):
    source = Path(skimage.data.__file__).parent / name
    before = formats.read(source)
    formats.write(tmp_path / name, before.array, before)
    after = formats.read(tmp_path / name)
    assert (after.axes, after.dpi) == (before.axes, before.dpi)
    np.testing.assert_array_equal(after.array, before.array)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / name), tifffile.imread(source))


@pytest.mark.parametrize(
    "pixels",
    [
        *(RGBA[..., 0], RGBA[..., :2], RGBA[..., :3], RGBA, RGBA[..., 0] > 99),
        *(RGBA[..., 0] * np.uint16(257), RGBA[..., :2] * np.uint16(257)),
        *(RGBA[..., :3] * np.uint16(257), RGBA * np.uint16(257)),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape[2:]}",
)
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_png_keeps_depth_colour_and_alpha(tmp_path, pixels, kind):
    path = tmp_path / "a.png"
    if pixels.dtype == np.uint16:
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        Image.fromarray(pixels).save(path)
    changed, before, after = round_trip(path, tmp_path / f"out.{kind}")
    assert after.array.dtype == pixels.dtype
    np.testing.assert_array_equal(after.array, changed)
    has_alpha = pixels.ndim == 3 and pixels.shape[-1] in (2, 4)
    assert (before.alpha is not None, after.alpha is not None) == (has_alpha, has_alpha)
    if has_alpha:
        np.testing.assert_array_equal(after.alpha, pixels[..., -1])


def test_png_palette_and_transparent_colour_become_rgb_and_alpha(tmp_path):
    indexed = Image.fromarray(RGBA[..., :3]).convert("P")
    indexed.save(tmp_path / "p.png", transparency=3)
    changed, before, after = round_trip(tmp_path / "p.png")
    np.testing.assert_array_equal(before.array, np.asarray(indexed.convert("RGB")))
    np.testing.assert_array_equal(before.alpha == 0, np.asarray(indexed) == 3)
    np.testing.assert_array_equal(after.array, changed)
    np.testing.assert_array_equal(after.alpha, before.alpha)


def test_png_keeps_profile_resolution_and_texts(tmp_path):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", "someone")
    texts.add_itxt("Title", "µ")
    path = tmp_path / "a.png"
    Image.fromarray(RGBA).save(path, pnginfo=texts, dpi=(300, 200), icc_profile=SRGB)
    round_trip(path)
    with Image.open(path) as old, Image.open(tmp_path / "out-a.png") as new:
        new.load()
        assert new.info == old.info
        assert new.info["icc_profile"] == SRGB
        assert new.text == {"Author": "someone", "Title": "µ"}


def photo_with_exif(path, orientation):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", orientation
    exif.get_ifd(0x8825)[1] = "N"
    gradient = np.linspace(0, 250, 60 * 80).reshape(60, 80).astype(np.uint8)
    options = {"exif": exif, "dpi": (72, 72), "icc_profile": SRGB, "quality": 90}
    Image.fromarray(np.stack([gradient] * 3, -1)).save(path, **options)
    return gradient


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_jpeg_is_turned_upright_once_and_keeps_its_metadata(tmp_path, kind):
    path = tmp_path / "a.jpg"
    gradient = photo_with_exif(path, orientation=6)
    _, before, after = round_trip(path, tmp_path / f"out.{kind}")
    assert before.array.shape == after.array.shape == (80, 60, 3)
    assert np.abs(before.array[..., 0] - np.rot90(gradient, -1).astype(int)).max() <= 4
    with Image.open(tmp_path / f"out.{kind}") as new:
        exif = new.getexif()
        assert exif.get(0x010F) == "Camera"
        assert exif.get_ifd(0x8825) == {1: "N"}
        assert 0x0112 not in exif
        assert new.info["icc_profile"] == SRGB
        assert [round(each) for each in new.info["dpi"]] == [72, 72]


def test_jpeg_is_compressed_as_its_source_was(tmp_path):
    path = tmp_path / "a.jpg"
    photo_with_exif(path, orientation=1)
    before = formats.read(path)
    formats.write(tmp_path / "out.jpg", before.array, before)
    with Image.open(path) as old, Image.open(tmp_path / "out.jpg") as new:
        assert new.quantization == old.quantization
    difference = formats.read(tmp_path / "out.jpg").array.astype(int) - before.array
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("alpha", [False, True])
def test_webp_is_written_without_loss_and_keeps_its_metadata(tmp_path, alpha):
    pixels = RGBA if alpha else RGBA[..., :3]
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    path = tmp_path / "a.webp"
    about = {"icc_profile": SRGB, "exif": exif, "lossless": True, "exact": True}
    Image.fromarray(pixels).save(path, **about)
    changed, before, after = round_trip(path)
    assert (before.axes, before.lossy, after.lossy) == ("YXC", False, False)
    np.testing.assert_array_equal(before.array, pixels[..., :3])
    np.testing.assert_array_equal(after.array, changed)  # where alpha is 0, too
    if alpha:
        np.testing.assert_array_equal(after.alpha, RGBA[..., 3])
    with Image.open(tmp_path / "out-a.webp") as new:
        assert new.getexif()[0x010F] == "Camera"
        assert new.info["icc_profile"] == SRGB


@pytest.mark.parametrize("alpha", [False, True])
def test_lossy_webp_says_so_and_its_copy_changes_nothing_more(tmp_path, alpha):
    path = tmp_path / "a.webp"
    Image.fromarray(RGBA if alpha else RGBA[..., :3]).save(path, quality=50)
    changed, before, after = round_trip(path)
    assert (before.lossy, after.lossy) == (True, False)
    assert (before.array != RGBA[..., :3]).any()
    np.testing.assert_array_equal(after.array, changed)


@pytest.mark.parametrize("pixels", [RGBA[..., 0] > 99, RGBA[..., 0], RGBA[..., :3]])
def test_bmp_keeps_pixels_and_resolution(tmp_path, pixels):
    path = tmp_path / "a.bmp"
    Image.fromarray(pixels).save(path, dpi=(300, 200))
    changed, before, after = round_trip(path)
    assert before.array.dtype == after.array.dtype == pixels.dtype
    np.testing.assert_array_equal(before.array, pixels)
    np.testing.assert_array_equal(after.array, changed)
    assert after.dpi == pytest.approx((300, 200), abs=0.1)


def test_gif_is_read_as_shown_and_as_a_stack_of_all_its_frames(tmp_path):
    grey = (np.arange(40)[:, None] * 3 + np.arange(50)).astype(np.uint8)
    frames = [
        Image.fromarray(np.stack([each] * 3, -1)) for each in (grey, grey[::-1], grey[:, ::-1])
    ]
    frames[0].save(tmp_path / "still.gif")
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    still, moving = (formats.read(tmp_path / f"{each}.gif") for each in ("still", "moving"))
    assert (still.axes, moving.axes) == ("YX", "TYX")
    np.testing.assert_array_equal(still.array, grey)
    np.testing.assert_array_equal(moving.array, np.stack([grey, grey[::-1], grey[:, ::-1]]))
    assert moving.notes == ("the times of the animation's frames are left out",)
    red = [Image.new("RGB", (50, 40), colour) for colour in ("red", "blue")]
    red[0].save(tmp_path / "colours.gif", save_all=True, append_images=red[1:])
    colours = formats.read(tmp_path / "colours.gif")
    assert (colours.axes, colours.array.shape) == ("TYXC", (2, 40, 50, 3))
    assert colours.array[:, 3, 3].tolist() == [[255, 0, 0], [0, 0, 255]]
    formats.write(tmp_path / "out.tif", colours.array, colours)
    after = formats.read(tmp_path / "out.tif")
    assert after.axes == "TYXC"
    np.testing.assert_array_equal(after.array, colours.array)


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JPG"])
def test_other_suffixes_of_jpeg_are_read_and_written(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGBA[..., :3]).save(path, "JPEG")
    _, before, _ = round_trip(path)
    assert before.lossy
    with Image.open(tmp_path / f"out-a.{suffix}") as new:
        assert new.format == "JPEG"


def test_indices_of_a_palette_are_kept_beside_its_colours(tmp_path):
    ids = (RGBA[..., 0] // 32).astype(np.uint8)
    image = Image.fromarray(ids)
    image.putpalette(RGBA[0, :8, :3].tobytes())
    for suffix in ("png", "bmp"):
        image.save(tmp_path / f"a.{suffix}")
        picture = formats.read(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(picture.indices, ids)
        np.testing.assert_array_equal(picture.array, RGBA[0, :8, :3][ids])


@pytest.mark.parametrize(
    ("array", "options", "made_up", "samples"),
    [
        (STACK[0, 0], {}, "Q", ""),
        (STACK[0], {}, "QI", ""),
        (STACK[0, 0], {"metadata": {"axes": "ZYX"}}, "", ""),
        (STACK[0, 0], {"imagej": True, "metadata": {"axes": "TYX"}}, "", ""),
        (RGBA[..., :3], {"photometric": "rgb"}, "", "C"),
        (np.stack([RGBA[..., :3]] * 2), {"photometric": "rgb"}, "Q", "C"),
        (STACK[0], {"ome": True, "metadata": {"axes": "ZCYX"}}, "", ""),
    ],
)
def test_tiff_tells_names_of_axes_from_made_up_ones(tmp_path, array, options, made_up, samples):
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    picture = formats.read(tmp_path / "a.tif")
    assert (picture.made_up, picture.samples) == (made_up, samples)
    assert {*made_up} <= {*picture.axes}


@pytest.mark.parametrize(
    ("dtype", "text", "missing"),
    [
        ("float32", "-9999", (-9999.0,)),
        ("float32", "-3.40282346600000016e+38", (float(np.finfo("f4").min),)),
        ("float32", "-1.7976931348623157e+308", ()),
        ("float64", "-1.7976931348623157e+308", (-1.7976931348623157e308,)),
        ("float32", "nan", ()),
        ("uint8", "255 ", (255.0,)),
        ("uint8", "-9999", ()),
        ("int16", "-32768", (-32768.0,)),
        ("uint16", "0.5", ()),
    ],
)
def test_missing_is_what_gdal_says_as_far_as_the_pixels_can_have_it(tmp_path, dtype, text, missing):
    path = tmp_path / "dem.tif"
    tags = [(42113, 2, 0, text, True)]
    tifffile.imwrite(path, np.ones((20, 30), dtype), metadata=None, extratags=tags)
    pixels, before, after = round_trip(path)
    assert before.missing == after.missing == missing
    assert before.notes == ()
    with tifffile.TiffFile(tmp_path / "out-dem.tif") as new:
        assert new.pages[0].tags[42113].value == text.strip()
    np.testing.assert_array_equal(after.array, pixels)


def test_missing_that_is_no_number_is_mentioned(tmp_path):
    tags = [(42113, 2, 0, "none", True)]
    tifffile.imwrite(tmp_path / "a.tif", RGBA[..., 0], metadata=None, extratags=tags)
    inverted = {"photometric": "miniswhite", "metadata": None}
    tags = [(42113, 2, 0, "0", True)]
    tifffile.imwrite(tmp_path / "b.tif", RGBA[..., 0], extratags=tags, **inverted)
    for name, words in (("a.tif", "'none' is no number"), ("b.tif", "none of the values shown")):
        picture = formats.read(tmp_path / name)
        assert picture.missing == ()
        assert words in picture.notes[0]


def test_tiff_with_a_resolution_of_0_of_0_is_read_and_written(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RGBA[..., 0], resolution=(300, 300), resolutionunit="inch")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].tags[282].valueoffset
    content[place : place + 8] = bytes(8)
    path.write_bytes(content)
    pixels, before, after = round_trip(path)
    assert before.dpi is None
    np.testing.assert_array_equal(after.array, pixels)


def test_remarks_of_libraries_become_notes(tmp_path, monkeypatch):
    def remark(path):
        warnings.warn("Corrupt EXIF data. ", UserWarning, stacklevel=2)
        return formats.Picture(path=path, array=RGBA)

    monkeypatch.setattr(formats, "_reader", lambda kind: remark)
    assert formats.read(tmp_path / "a.jpg").notes == ("Corrupt EXIF data",)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.bmp", "a.png"])
def test_a_full_disk_leaves_no_torso(tmp_path, monkeypatch, name):
    Image.fromarray(RGBA[..., :3]).save(tmp_path / "source.png")
    picture = formats.read(tmp_path / "source.png")

    def write(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(FileError, match=f"{name} cannot be written: No space left on device"):
        formats.write(tmp_path / name, picture.array, picture)
    assert [each.name for each in tmp_path.iterdir()] == ["source.png"]


@pytest.mark.parametrize("kind", ["npy", "tif"])
def test_npy_keeps_shape_and_dtype(tmp_path, kind):
    data = RNG.normal(size=(3, 2, 20, 30)).astype(np.float16)
    np.save(tmp_path / "a.npy", data)
    changed, before, after = round_trip(tmp_path / "a.npy", tmp_path / f"out.{kind}")
    assert before.axes is None
    assert after.array.dtype == np.float16
    np.testing.assert_array_equal(after.array, changed)


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [
        (np.zeros((20, 30), np.float32), "a.png", ["float32", "TIFF"]),
        (np.zeros((20, 30), np.uint16), "a.jpg", ["uint16", "PNG"]),
        (np.zeros((20, 30), np.uint8), "a.gif", ["GIF", "read only", ".tif"]),
        (np.zeros((20, 30), np.uint8), "a.xyz", ["'.xyz'", ".tif"]),
        (np.zeros((20, 30), np.uint8), "a.webp", ["grey", "PNG or TIFF"]),
        (np.zeros((20, 30, 3), np.uint16), "a.webp", ["uint16", "PNG or TIFF"]),
        (np.zeros((20, 16384, 3), np.uint8), "a.webp", ["16384", "16383"]),
        (np.zeros((20, 30), np.uint16), "a.bmp", ["uint16", "PNG or TIFF"]),
        (np.zeros((4, 20, 30), np.uint8), "a.png", ["(4, 20, 30)", "TIFF"]),
        (np.zeros((20, 30), np.uint8), "a", ["no suffix"]),
    ],
)
def test_check_holds_when_the_format_cannot(tmp_path, source, out, words):
    np.save(tmp_path / "source.npy", source)
    picture = formats.read(tmp_path / "source.npy")
    with pytest.raises(FileError) as caught:
        formats.check_holds(picture, tmp_path / out)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("suffix", ["jpg", "bmp"])
def test_jpeg_and_bmp_refuse_alpha(tmp_path, suffix):
    Image.fromarray(RGBA).save(tmp_path / "a.png")
    with pytest.raises(FileError, match=r"alpha channel\. Choose PNG or TIFF"):
        formats.check_holds(formats.read(tmp_path / "a.png"), tmp_path / f"a.{suffix}")


def npy(header):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(480)


def wide_png():
    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", 0xFFFFFFFF, 24, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(500))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def tiff_without_rows():
    content = io.BytesIO()
    tifffile.imwrite(content, RGBA[..., 0])
    content.seek(0)
    with tifffile.TiffFile(content) as tif:
        place = tif.pages[0].tags[257].valueoffset
    changed = bytearray(content.getvalue())
    changed[place : place + 4] = bytes(4)
    return bytes(changed)


def broken_files():
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(13) + bytes(4)
    suffixes = ("png", "jpg", "tif", "npy", "webp", "bmp", "gif", "jfif")
    shaped = "{{'descr': '|u1', 'fortran_order': False, 'shape': {}, }}".format
    return {
        **{f"empty.{each}": b"" for each in suffixes},
        **{f"text.{each}": b"hello" for each in suffixes},
        "zeros.png": png,
        "bomb.png": png + zlib.compress(bytes(1000)),
        "wide.png": wide_png(),
        "rows.tif": tiff_without_rows(),
        "open.npy": npy(shaped("(24, 20)")[:-3]),
        "large.npy": npy(shaped("(18446744073709551617, 1)")),
        "bool.npy": npy(shaped("(True, 20)")),
        "text_inside.npy": npy("{'descr': '<U1', 'fortran_order': False, 'shape': (24, 5), }"),
        "fields.npy": npy("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (24, 20), }"),
    }


@pytest.mark.parametrize("name", broken_files())
def test_read_names_the_file_when_it_is_broken(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(broken_files()[name])
    with pytest.raises(FileError, match=name):
        formats.read(path)


def sound_files():
    """Make a small file of each kind, by name."""
    y, x = np.mgrid[:24, :30]
    colours = np.stack([y * 5, x * 5, x + y], -1).astype(np.uint8)
    picture, turned, made = Image.fromarray(colours), Image.Exif(), {}
    turned[0x0112] = 6

    def add(name, write, **options):
        content = io.BytesIO()
        write(content, **options)
        made[name] = content.getvalue()

    add("a.png", picture.save, format="PNG", exif=turned, dpi=(99, 99))
    add("palette.png", picture.convert("P").save, format="PNG", transparency=3)
    made["deep.png"] = bytes(imagecodecs.png_encode(colours * np.uint16(257)))
    add("a.jpg", picture.save, format="JPEG", exif=turned)
    add("exact.webp", picture.save, format="WEBP", lossless=True, exif=turned)
    add("a.webp", picture.save, format="WEBP")
    add("a.bmp", picture.save, format="BMP")
    add("palette.bmp", picture.convert("P").save, format="BMP")
    add("a.gif", picture.save, format="GIF")
    frames = [picture.rotate(90), picture.rotate(180)]
    add("moving.gif", picture.save, format="GIF", save_all=True, append_images=frames)

    def tiff(name, array, **options):
        add(name, lambda content: tifffile.imwrite(content, array, **options))

    tiff("a.tif", colours, photometric="rgb", compression="zlib")
    tiff("imagej.tif", STACK[0, 0], imagej=True)
    tiff("a.ome.tif", STACK[0, 0], ome=True)
    tiff("floats.tif", colours[..., 0].astype("f4"), extratags=[(42113, 2, 0, "-9999", True)])
    add("a.npy", lambda content: np.save(content, colours))
    return made


SOUND = sound_files()


@pytest.mark.parametrize("name", sorted(SOUND.keys() - {"moving.gif"}))
def test_read_refuses_a_truncated_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SOUND[name])
    formats.read(path)
    path.write_bytes(SOUND[name][: len(SOUND[name]) * 2 // 3])
    with pytest.raises(FileError, match=name):
        formats.read(path)


@pytest.mark.parametrize("name", sorted(SOUND))
@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, name, data):
    content = bytearray(SOUND[name])
    # the first bytes say sizes: those above 255 are spared, for arrays that fill the memory
    places = st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(places, max_size=4)):
        content[at] = min(content[at], data.draw(st.integers(0, 255)))
    if data.draw(st.booleans()):
        del content[data.draw(places) :]
    path = tmp_path / name
    path.write_bytes(content)
    try:
        picture, refusal = formats.read(path), ""
    except FileError as error:
        picture, refusal = None, str(error)
    if picture is None:
        assert name in refusal
        assert "\n" not in refusal
    else:
        assert picture.axes is None or len(picture.axes) == picture.array.ndim


def test_read_refuses_cmyk_animations_and_what_is_not_there(tmp_path):
    picture = Image.fromarray(RGBA[..., :3])
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    other = Image.fromarray(RGBA[..., 1:])
    for name in ("moving.png", "moving.webp"):
        picture.save(tmp_path / name, save_all=True, append_images=[other])
    for name, word in (
        *(("cmyk.jpg", "RGB"), ("moving.png", "animated PNG"), ("moving.webp", "animated WEBP")),
        *((f"no.{suffix}", "No such file") for suffix in ("png", "tif", "npy", "gif")),
    ):
        with pytest.raises(FileError, match=word):
            formats.read(tmp_path / name)


def test_write_leaves_nothing_behind_when_it_fails(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", RGBA)
    picture = formats.read(tmp_path / "a.npy")
    (tmp_path / "out.npy").write_bytes(b"precious")

    def interrupt(file, array):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        formats.write(tmp_path / "out.npy", picture.array, picture)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.npy", "out.npy"]
    assert (tmp_path / "out.npy").read_bytes() == b"precious"
