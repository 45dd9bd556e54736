import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage.data
import tifffile
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
        (RGBA, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "CYX", False),
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
    assert before.notes == ("only the first of the 2 pictures in the file is filled",)
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
        (np.zeros((20, 30), np.uint8), "a.gif", ["'.gif'", ".tif"]),
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


def test_jpeg_refuses_alpha(tmp_path):
    Image.fromarray(RGBA).save(tmp_path / "a.png")
    with pytest.raises(FileError, match="alpha"):
        formats.check_holds(formats.read(tmp_path / "a.png"), tmp_path / "a.jpg")


def broken_files():
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(13) + bytes(4)
    return {
        **dict.fromkeys(("empty.png", "empty.jpg", "empty.tif", "empty.npy"), b""),
        **dict.fromkeys(("text.png", "text.jpg", "text.tif", "text.npy"), b"hello"),
        "zeros.png": png,
        "bomb.png": png + zlib.compress(bytes(1000)),
    }


@pytest.mark.parametrize("name", broken_files())
def test_read_names_the_file_when_it_is_broken(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(broken_files()[name])
    with pytest.raises(FileError, match=name):
        formats.read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "imagej.tif", "a.npy"])
def test_read_refuses_a_truncated_file(tmp_path, name):
    path = tmp_path / name
    if name == "imagej.tif":
        tifffile.imwrite(path, STACK[0, 0], imagej=True)
    elif name == "a.tif":
        tifffile.imwrite(path, RGBA[..., :3], photometric="rgb", compression="zlib")
    elif name == "a.npy":
        np.save(path, RGBA)
    else:
        Image.fromarray(RGBA[..., :3]).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(FileError, match=name):
        formats.read(path)


def test_read_refuses_cmyk_animations_and_what_is_not_there(tmp_path):
    picture = Image.fromarray(RGBA[..., :3])
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg")
    other = Image.fromarray(RGBA[..., 1:])
    picture.save(tmp_path / "moving.png", save_all=True, append_images=[other])
    for name, word in (("cmyk.jpg", "RGB"), ("moving.png", "animated"), ("no.png", "No such file")):
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


def read_mask(path, shape=(40, 50)):
    np.save(path.parent / "picture.npy", np.zeros(shape, np.uint8))
    return formats.read_mask(path, formats.read(path.parent / "picture.npy"))


HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 12:30] = True


def test_mask_is_what_is_not_zero(tmp_path):
    Image.fromarray(HOLE.astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(HOLE).save(tmp_path / "bits.png")
    Image.fromarray(HOLE[..., None] * np.uint8([200, 0, 0])).save(tmp_path / "red.png")
    tifffile.imwrite(tmp_path / "labels.tif", HOLE.astype(np.uint32) * 70000)
    tifffile.imwrite(tmp_path / "fiji.tif", HOLE.astype(np.uint8) * 255, imagej=True)
    np.save(tmp_path / "floats.npy", np.where(HOLE, np.nan, 0))
    for name in ("grey.png", "bits.png", "red.png", "labels.tif", "fiji.tif", "floats.npy"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), HOLE, err_msg=name)


def test_mask_with_palette_goes_by_colour_not_by_index(tmp_path):
    indexed = Image.fromarray((~HOLE).astype(np.uint8)).convert("P")
    indexed.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white
    indexed.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), HOLE)


@pytest.mark.parametrize("colour", [255, 0])
def test_mask_drawn_on_a_transparent_layer_is_what_was_drawn(tmp_path, colour):
    drawn = np.stack([np.full(HOLE.shape, colour, np.uint8)] * 3 + [HOLE * np.uint8(255)], -1)
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), HOLE)


def test_mask_with_opaque_alpha_goes_by_colour(tmp_path):
    grey = HOLE * np.uint8(255)
    Image.fromarray(np.stack([grey] * 3 + [np.full_like(grey, 255)], -1)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), HOLE)
    black = np.zeros_like(grey)
    Image.fromarray(np.stack([black] * 3 + [black + 255], -1)).save(tmp_path / "m.png")
    assert not read_mask(tmp_path / "m.png").any()


def test_mask_from_a_jpeg_has_no_ringing(tmp_path):
    Image.fromarray(HOLE * np.uint8(255)).save(tmp_path / "mask.jpg", quality=50)
    values = formats.read(tmp_path / "mask.jpg").array
    assert (values[~HOLE] != 0).any()
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), HOLE)


def test_mask_drawn_on_pixels_as_stored_is_turned_with_the_picture(tmp_path):
    photo_with_exif(tmp_path / "a.jpg", orientation=6)
    picture = formats.read(tmp_path / "a.jpg")
    stored = np.zeros((60, 80), bool)
    stored[:10, :20] = True
    for mask in (stored, np.rot90(stored, -1)):
        Image.fromarray(mask).save(tmp_path / "mask.png")
        hole = formats.read_mask(tmp_path / "mask.png", picture)
        np.testing.assert_array_equal(hole, np.rot90(stored, -1))
