import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_inpaint.errors import FileError
from napari_inpaint.files import formats, masks
from napari_inpaint.files.masks import Reading

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 40, 50
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[10:20, 12:30] = True
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
PHOTO = np.stack([ROWS * 4 + 60, COLUMNS * 3 + 60, ROWS + COLUMNS], -1).astype(np.uint8)
HALF = COLUMNS < WIDTH // 2


@pytest.fixture
def picture(tmp_path):
    np.save(tmp_path / "picture.npy", np.zeros((HEIGHT, WIDTH), np.uint8))
    return formats.read(tmp_path / "picture.npy")


@pytest.fixture
def read(picture, tmp_path):
    """Write an array in the way that the suffix says, and read it as the picture's mask."""

    def read_mask(array, name="m.png", **said):
        path = tmp_path / name
        if name.endswith("tif"):
            tifffile.imwrite(path, array)
        elif name.endswith("npy"):
            np.save(path, array)
        else:
            (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(path)
        return masks.read(path, picture, Reading(**said))

    return read_mask


def layer(colour, alpha):
    """RGBA pixels of one colour, or of a picture, with an alpha from 0 to 1."""
    colours = np.broadcast_to(np.uint8(colour), (*HOLE.shape, 3))
    return np.dstack([colours, np.rint(np.float64(alpha) * 255).astype(np.uint8)])


def drawn(colours, indices):
    """An indexed picture."""
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([level for colour in colours for level in colour])
    return image


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (HOLE, "bits.png"),
        (HOLE, "bits.bmp"),
        (HOLE.astype(np.uint8), "grey.png"),
        (HOLE * np.uint8(255), "grey.gif"),
        (HOLE * np.uint8(200), "grey.bmp"),
        (HOLE[..., None] * np.uint8([200, 0, 0]), "red.png"),
        (HOLE[..., None] * np.uint8([0, 0, 200]), "blue.gif"),
        (HOLE.astype(np.uint32) * 70000, "labels.tif"),
        (-HOLE.astype(np.int16), "negative.tif"),
        (HOLE.astype(np.float32), "floats.tif"),
        (HOLE * 255.0, "floats.npy"),
        (np.where(HOLE, np.nan, 0), "nan.npy"),
    ],
)
def test_hole_is_what_is_not_zero(read, array, name):
    mask = read(array, name)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert (mask.notes, mask.by_channel) == ((), False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("count", [2, 9, 60, 180, 250])
def test_labels_of_any_number_are_hole(read, dtype, count):
    """Objects of 3 x 3 px, numbered from 1: side by side, two of ten rows."""
    ids = np.zeros((HEIGHT, WIDTH), int)
    for number in range(count):
        row, column = divmod(number % 48, 16)
        ids[row * 12 : row * 12 + 4, column * 3 : column * 3 + 3] = number + 1
    mask = read(ids.astype(dtype), "labels.tif")
    np.testing.assert_array_equal(mask.hole, ids > 0)
    assert mask.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_uneven_ground_is_cut_at_half_and_said(read, dtype):
    """What a JPEG mask looks like that was saved again as PNG: nearly black, nearly white."""
    full = 65535 if dtype == "uint16" else 255
    ground = RNG.integers(0, 3, HOLE.shape) * (full // 255)
    values = np.where(HOLE, full - ground, ground).astype(dtype)
    mask = read(values, "m.tif")
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert f"above {full // 2}; --mask-threshold" in mask.notes[0]


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_jpeg_saved_again_without_loss_has_no_ringing(read, tmp_path, quality):
    Image.fromarray(HOLE * np.uint8(255)).save(tmp_path / "mask.jpg", quality=quality)
    with Image.open(tmp_path / "mask.jpg") as blurred:
        values = np.asarray(blurred)
    assert (values[~HOLE] != 0).any()
    np.testing.assert_array_equal(read(values).hole, HOLE)
    np.testing.assert_array_equal(read(np.stack([values] * 3, -1)).hole, HOLE)


def test_ground_of_one_low_value_is_known(read):
    mask = read(np.where(HOLE, 250, 3).astype(np.uint8))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert len(mask.notes) == 1


def test_soft_edges_belong_to_the_hole(read):
    soft = HOLE * np.uint8(255)
    soft[9, 12:30], soft[20, 12:30] = 40, 90
    mask = read(soft)
    np.testing.assert_array_equal(mask.hole, soft > 0)
    assert mask.notes == ()


def test_low_areas_beside_high_ones_are_refused_until_a_threshold_is_given(read):
    """A class map whose 255 is "void" looks like that."""
    values = HOLE * np.uint8(255)
    values[25:35, 5:40] = 1
    with pytest.raises(FileError, match=r"even areas of low values, up to 1, .*--mask-threshold 0"):
        read(values)
    np.testing.assert_array_equal(read(values, threshold=0).hole, values > 0)
    np.testing.assert_array_equal(read(values, threshold=127).hole, HOLE)


def test_noise_without_a_gap_above_it_is_refused_until_a_threshold_is_given(read):
    values = np.where(HOLE, 100, RNG.integers(0, 4, HOLE.shape)).astype(np.uint8)
    with pytest.raises(FileError, match=r"values from 1 to \d+ that change .*--mask-threshold T"):
        read(values)
    np.testing.assert_array_equal(read(values, threshold=50).hole, HOLE)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_edges_that_are_softer_are_cut_at_half_and_said(read, width):
    """A feathered brush, as photo editors have it."""
    values = np.rint(gaussian_filter(HOLE * 255.0, width)).astype(np.uint8)
    mask = read(values)
    np.testing.assert_array_equal(mask.hole, values > 127)
    assert "soft, and the hole is what is above 127; --mask-threshold" in mask.notes[0]


def test_a_soft_mask_that_is_nowhere_bright_is_refused(read):
    values = np.rint(gaussian_filter(HOLE * 150.0, 2)).astype(np.uint8)
    with pytest.raises(FileError, match=r"no values above \d+ of 255: .*Add --mask-threshold T"):
        read(values)
    np.testing.assert_array_equal(read(values, threshold=60).hole, values > 60)


def test_threshold_is_on_the_scale_of_the_file(read):
    values = (ROWS * 1000).astype(np.uint16)
    hole = read(values, "m.tif", threshold=25_000.5).hole
    np.testing.assert_array_equal(hole, ROWS > 25)
    colours = np.stack([ROWS, ROWS * 0, ROWS * 0], -1).astype(np.uint8)
    np.testing.assert_array_equal(read(colours, threshold=30).hole, ROWS > 30)
    floats = ROWS / HEIGHT - 0.5
    np.testing.assert_array_equal(read(floats, "m.npy", threshold=0.2).hole, floats > 0.2)


def test_shares_near_0_and_1_are_cut_at_half_and_said(read):
    shares = np.where(HOLE, 0.9, 0.1).astype(np.float32)
    shares[9, 12:30] = 0.6
    mask = read(shares, "m.tif")
    np.testing.assert_array_equal(mask.hole, shares > 0.5)
    assert "above 0.5; --mask-threshold" in mask.notes[0]


@pytest.mark.parametrize(
    "values", [ROWS / HEIGHT, np.where(HOLE, 1.5, 0), np.where(HOLE, 0.4, 0), HOLE - 0.5]
)
def test_floats_that_do_not_say_where_the_hole_begins_are_refused(read, values):
    for name in ("m.npy", "m.tif"):
        with pytest.raises(FileError, match=r"holds numbers from .*Add --mask-threshold T"):
            read(values.astype(np.float32), name)


def test_nan_beside_shares_is_refused_and_known_under_a_threshold(read):
    shares = np.where(HOLE, 0.9, 0.1)
    shares[0, 0] = np.nan
    with pytest.raises(FileError, match="--mask-threshold"):
        read(shares, "m.npy")
    np.testing.assert_array_equal(read(shares, "m.npy", threshold=0.5).hole, HOLE)


@pytest.mark.parametrize("name", ["mask.jpg", "mask.jfif", "mask.webp"])
def test_lossy_files_are_cut_at_half_of_full(tmp_path, picture, name):
    image = Image.fromarray(HOLE * np.uint8(255))
    image.save(tmp_path / name, "WEBP" if name.endswith("webp") else "JPEG", quality=50)
    assert (formats.read(tmp_path / name).array[~HOLE] != 0).any()
    np.testing.assert_array_equal(masks.read(tmp_path / name, picture).hole, HOLE)


# What is transparent


@pytest.mark.parametrize("name", ["m.png", "m.webp", "m.tif"])
def test_what_was_erased_from_a_photo_is_hole(read, tmp_path, picture, name):
    pixels = layer(PHOTO, ~HOLE)
    path = tmp_path / name
    if name == "m.tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    else:
        Image.fromarray(pixels).save(path, **({"lossless": True} if name == "m.webp" else {}))
    mask = masks.read(path, picture)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert "transparent part is the hole" in mask.notes[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_erased_from_a_deep_photo_is_hole(picture, tmp_path, channels):
    pixels = np.dstack([PHOTO[..., :channels], np.where(HOLE, 0, 255)]) * np.uint16(257)
    (tmp_path / "m.png").write_bytes(imagecodecs.png_encode(pixels.astype(np.uint16)))
    np.testing.assert_array_equal(masks.read(tmp_path / "m.png", picture).hole, HOLE)


def test_what_was_half_erased_from_a_photo_is_hole_too(read):
    alpha = np.where(HOLE, 0, 1.0)
    alpha[9, 12:30], alpha[20, 12:30] = 0.3, 0.9
    np.testing.assert_array_equal(read(layer(PHOTO, alpha)).hole, alpha < 1)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 40)])
def test_strokes_on_a_transparent_ground_are_hole(read, colour):
    alpha = HOLE * 1.0
    alpha[9, 12:30] = 0.2
    mask = read(layer(colour, alpha))
    np.testing.assert_array_equal(mask.hole, alpha > 0)
    assert "visible part is the hole" in mask.notes[0]


def test_strokes_of_several_colours_are_hole(read):
    pixels = layer((255, 0, 0), HOLE)
    pixels[15:, :, :3] = (0, 0, 255)
    np.testing.assert_array_equal(read(pixels).hole, HOLE)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 40)])
def test_what_is_erased_from_one_colour_is_hole_where_it_is_the_smaller_part(read, colour):
    mask = read(layer(colour, ~HOLE))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert "transparent part is the hole" in mask.notes[0]


@pytest.mark.parametrize(
    ("share", "hole"),
    [(0.39, "visible"), (0.41, None), (0.5, None), (0.59, None), (0.61, "erased")],
)
def test_one_colour_on_about_half_of_the_file_is_refused(read, share, hole):
    visible = np.arange(HOLE.size).reshape(HOLE.shape) < share * HOLE.size
    pixels = layer((255, 255, 255), visible)
    if hole:
        expected = visible if hole == "visible" else ~visible
        np.testing.assert_array_equal(read(pixels).hole, expected)
        return
    with pytest.raises(FileError, match=r"visible .*--no-invert-mask .*--invert-mask if .*transp"):
        read(pixels)
    np.testing.assert_array_equal(read(pixels, invert=False).hole, visible)
    np.testing.assert_array_equal(read(pixels, invert=True).hole, ~visible)


def test_a_cut_out_is_refused_as_inverted_and_both_ways_out_work(read):
    """An object on a transparent ground: as a photo, nearly all of it was erased."""
    pixels = layer(PHOTO, HOLE)
    with pytest.raises(FileError, match=r"91\.0% of its pixels as hole \(its transparent part"):
        read(pixels)
    mask = read(pixels, invert=True)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert mask.notes[-1] == "then hole and known are exchanged"
    np.testing.assert_array_equal(read(pixels, invert=False).hole, ~HOLE)


def test_black_and_white_on_a_transparent_ground_goes_by_colour(read):
    pixels = layer((0, 0, 0), COLUMNS < 45)
    pixels[HOLE, :3] = 255
    mask = read(pixels)
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert "transparent part is known" in mask.notes[0]
    pixels[..., 3] = np.where(COLUMNS < 20, 255, 0)
    with pytest.raises(FileError, match="either part may be the hole"):
        read(pixels)


@pytest.mark.parametrize("level", [0, 255])
def test_alpha_that_says_nothing_is_left_aside(read, level):
    grey = HOLE * np.uint8(255)
    mask = read(np.dstack([grey] * 3 + [np.full_like(grey, level)]))
    np.testing.assert_array_equal(mask.hole, HOLE)
    assert mask.notes == ()
    assert not read(np.dstack([grey * 0] * 3 + [grey * 0 + 255])).hole.any()


def test_threshold_goes_by_colours_and_what_is_transparent_is_known(read):
    pixels = layer((200, 200, 200), COLUMNS < 30)
    pixels[~HOLE, :3] = 100
    hole = read(pixels, threshold=150).hole
    np.testing.assert_array_equal(hole, HOLE & (COLUMNS < 30))


def test_transparent_index_of_a_palette_is_erased(read, tmp_path, picture):
    indexed = Image.fromarray(PHOTO).quantize(32)
    indices = np.asarray(indexed).copy()
    indices[HOLE] = 40
    pasted = Image.fromarray(indices)
    pasted.putpalette(indexed.getpalette() + [0] * 3 * (256 - 32))
    for suffix in ("png", "gif"):
        pasted.save(tmp_path / f"m.{suffix}", transparency=40)
        mask = masks.read(tmp_path / f"m.{suffix}", picture)
        np.testing.assert_array_equal(mask.hole, HOLE)


# Palettes


@pytest.mark.parametrize(
    "colours",
    [
        [(255, 255, 255), (0, 0, 0)],
        [(255, 0, 0), (0, 0, 0)],
        [(250, 251, 249), (2, 1, 0)],
    ],
)
@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_drawings_in_black_and_one_colour_go_by_colour_whatever_the_index(read, colours, suffix):
    mask = read(drawn(colours, ~HOLE), f"m.{suffix}")
    np.testing.assert_array_equal(mask.hole, HOLE)


def test_greys_of_a_palette_in_any_order_go_by_colour(read):
    indices = np.where(HOLE, 0, 2)
    indices[9, 12:30] = 1  # a soft edge
    mask = read(drawn([(255, 255, 255), (120, 120, 120), (0, 0, 0)], indices))
    np.testing.assert_array_equal(mask.hole, indices < 2)


def test_palettes_of_labels_go_by_index_and_one_of_them_may_be_black(read):
    ids = HOLE * 1
    ids[25:30, 5:20], ids[32:36, 5:20] = 2, 3
    colours = [(255, 255, 255), (200, 30, 40), (0, 128, 0), (40, 40, 200)]
    np.testing.assert_array_equal(read(drawn(colours, ids)).hole, ids > 0)
    colours = [(0, 0, 0), (200, 30, 40), (0, 0, 0), (40, 200, 200)]
    np.testing.assert_array_equal(read(drawn(colours, ids)).hole, ids > 0)


def test_palettes_that_say_one_thing_by_colour_and_one_by_index_are_refused(read):
    ids = HOLE * 2
    ids[:5], ids[25:30] = 1, 0
    colours = [(255, 0, 0), (0, 0, 0), (0, 0, 255)]
    with pytest.raises(FileError, match="palette of several colours in which black is not"):
        read(drawn(colours, ids))


def test_palette_of_a_tiff_goes_the_same_way(tmp_path, picture):
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 0] = 65535
    tifffile.imwrite(
        tmp_path / "m.tif", ~HOLE * np.uint8(1), photometric="palette", colormap=colours
    )
    np.testing.assert_array_equal(masks.read(tmp_path / "m.tif", picture).hole, HOLE)


# Inverted


@pytest.mark.parametrize("name", ["m.png", "m.npy", "m.tif"])
def test_more_than_half_is_refused_by_name_with_both_ways_out(read, name):
    values = ~HOLE * np.uint8(255)
    with pytest.raises(FileError) as caught:
        read(values, name)
    for word in (name, "91.0%", "--invert-mask", "--no-invert-mask"):
        assert word in str(caught.value)
    np.testing.assert_array_equal(read(values, name, invert=True).hole, HOLE)
    np.testing.assert_array_equal(read(values, name, invert=False).hole, ~HOLE)
    assert read(HALF * np.uint8(255), name).hole.sum() == HALF.sum()


def test_inverting_comes_after_the_threshold(read):
    values = (ROWS * 6).astype(np.uint8)
    hole = read(values, threshold=59, invert=True).hole
    np.testing.assert_array_equal(hole, ROWS < 10)
