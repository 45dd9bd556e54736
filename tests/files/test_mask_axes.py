import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.errors import FileError, ShapeError
from napari_inpaint.files import formats, masks
from napari_inpaint.files.masks import Reading

HEIGHT, WIDTH = 40, 50
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[10:20, 12:30] = True
STACK = np.zeros((3, 4, HEIGHT, WIDTH), np.uint16)
FRAMES = np.zeros((3, HEIGHT, WIDTH), bool)
FRAMES[1] = HOLE


@pytest.fixture
def on(tmp_path):
    """Read a mask for a picture, each an array and its axes; None: a TIFF without names."""

    def write(name, array, axes):
        if axes == "npy":
            np.save(tmp_path / f"{name}.npy", array)
            return tmp_path / f"{name}.npy"
        if axes is None:
            tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack")
        elif axes.endswith("S"):
            tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="rgb")
        else:
            about = {"imagej": True, "metadata": {"axes": axes}}
            tifffile.imwrite(tmp_path / f"{name}.tif", array, **about)
        return tmp_path / f"{name}.tif"

    def read_on(picture, mask, axes=None, mask_axes=None):
        source = formats.read(write("p", *picture))
        path = write("m", mask[0] * np.uint8(255), mask[1])
        return masks.read(path, source, Reading(axes=mask_axes), axes=axes)

    return read_on


@pytest.mark.parametrize("slices", [3, 4])
def test_names_decide_and_what_the_mask_lacks_is_repeated(on, slices):
    stack = np.zeros((3, slices, HEIGHT, WIDTH), np.uint16)
    hole = on((stack, "TZYX"), (FRAMES, "TYX")).hole
    np.testing.assert_array_equal(hole, np.stack([FRAMES] * slices, axis=1))
    hole = on((stack.swapaxes(0, 1), "TZYX"), (FRAMES, "ZYX")).hole
    np.testing.assert_array_equal(hole, np.stack([FRAMES] * slices))
    assert hole.shape == (slices, 3, HEIGHT, WIDTH)


def test_one_slice_is_for_all(on):
    for mask in ((HOLE, "YX"), (HOLE, None), (HOLE, "npy"), (HOLE[None, None], "npy")):
        hole = on((STACK, "TZYX"), mask).hole
        np.testing.assert_array_equal(hole, np.broadcast_to(HOLE, STACK.shape))


@pytest.mark.parametrize(
    ("picture", "mask", "words"),
    [
        ((STACK[0], "ZYX"), (STACK[0] > 1, "TYX"), ["'TYX'", "'ZYX'", "T is missing there"]),
        ((STACK, "TZYX"), (STACK[:2, 0] > 1, "TYX"), ["'TYX'", "'TZYX'", "T has another length"]),
        ((STACK[0], "ZYX"), (STACK[0, :, 1:] > 1, "ZYX"), ["Y has another length", "(4, 39, 50)"]),
        ((STACK[0, :2], "CYX"), (STACK[0, :3] > 1, "CYX"), ["C has another length"]),
        ((STACK[0, 0], "YX"), (STACK[0, :3] > 1, "CYX"), ["C is missing there"]),
        ((STACK[0], "ZYX"), (HOLE[1:], "YX"), ["(39, 50)", "(4, 40, 50)", "single (Y, X)"]),
        ((STACK[0], None), (STACK[0, 1:] > 1, None), ["(3, 40, 50)", "(4, 40, 50)"]),
    ],
)
def test_axes_that_do_not_fit_are_named_with_both_files(on, picture, mask, words):
    with pytest.raises(FileError) as caught:
        on(picture, mask)
    for word in (*words, "m.tif", "p.tif"):
        assert word in str(caught.value)


def test_nameless_axes_go_by_their_lengths_where_one_way_fits(on):
    mask = on((STACK, "TZYX"), (FRAMES, None))
    np.testing.assert_array_equal(mask.hole, np.stack([FRAMES] * 4, axis=1))
    assert "taken for TYX" in mask.notes[0]
    four = np.stack([HOLE, *np.zeros((3, HEIGHT, WIDTH), bool)])
    mask = on((STACK, "TZYX"), (four, "npy"))
    np.testing.assert_array_equal(mask.hole, np.stack([four] * 3))
    assert mask.notes == ()


def test_nameless_axes_that_fit_in_two_ways_are_refused_until_they_are_named(on):
    stack = STACK[:, :3]
    with pytest.raises(FileError, match=r"TYX or ZYX\. Say which, for example with --mask-axes"):
        on((stack, "TZYX"), (FRAMES, None))
    by_time = on((stack, "TZYX"), (FRAMES, None), mask_axes="tyx").hole
    np.testing.assert_array_equal(by_time, np.stack([FRAMES] * 3, axis=1))
    by_depth = on((stack, "npy"), (FRAMES, "npy"), mask_axes="ZYX").hole
    np.testing.assert_array_equal(by_depth, np.stack([FRAMES] * 3))


@pytest.mark.parametrize("names", ["TY", "TYY", "T1X", "TZYX", "TZX", ""])
def test_names_of_the_mask_that_are_no_names_are_refused(on, names):
    with pytest.raises(FileError, match="--mask-axes needs a different letter for each axis"):
        on((STACK, "TZYX"), (FRAMES, None), mask_axes=names)


def test_names_that_a_person_gives_to_a_picture_count_for_its_mask(on):
    hole = on((STACK, "npy"), (FRAMES, "TYX"), axes="TZYX").hole
    np.testing.assert_array_equal(hole, np.stack([FRAMES] * 4, axis=1))
    with pytest.raises(FileError, match="T is missing there"):
        on((STACK, "npy"), (FRAMES, "TYX"), axes="ZCYX")
    with pytest.raises(ShapeError, match="TYX"):
        on((STACK, "npy"), (FRAMES, "TYX"), axes="TYX")


def test_names_that_a_person_corrects_are_wrong_in_the_mask_too(on):
    """Both files say Z for what is T."""
    hole = on((STACK[:, 0], "ZYX"), (FRAMES, "ZYX"), axes="TYX").hole
    np.testing.assert_array_equal(hole, FRAMES)
    with pytest.raises(FileError, match="--mask-axes"):
        on((STACK[:, :3], "TZYX"), (FRAMES, "TYX"), axes="ZTYX")
    hole = on((STACK[:, :3], "TZYX"), (FRAMES, "TYX"), axes="ZTYX", mask_axes="TYX")
    assert hole.hole.shape == (3, 3, HEIGHT, WIDTH)


def test_y_and_x_go_by_name_too(on):
    turned = np.zeros((WIDTH, HEIGHT), np.uint8)
    hole = on((turned, "npy"), (HOLE, "YX"), axes="XY").hole
    np.testing.assert_array_equal(hole, HOLE.T)


# Channels


def test_a_mask_with_channels_has_other_holes_in_each(on):
    channels = np.stack([HOLE, HOLE[::-1]])
    picture = STACK[:, :2]
    mask = on((picture, "TCYX"), (channels, "CYX"))
    assert mask.by_channel
    np.testing.assert_array_equal(mask.hole, np.stack([channels] * 3))
    for kind in ("npy", None):
        mask = on((picture, "TCYX"), (np.stack([channels] * 3), kind))
        assert mask.by_channel
        np.testing.assert_array_equal(mask.hole, np.stack([channels] * 3))


def test_a_mask_whose_channels_agree_is_one_for_all(on):
    for kind in ("CYX", "npy"):
        mask = on((STACK[0, :2], "CYX"), (np.stack([HOLE] * 2), kind))
        assert not mask.by_channel
        np.testing.assert_array_equal(mask.hole, HOLE)


def test_colours_of_a_mask_are_no_channels(on):
    colours = np.stack([HOLE, HOLE[::-1], HOLE & False], -1)
    either = HOLE | HOLE[::-1]
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for picture in ((photo, "YXS"), (STACK[0, :3], "CYX")):
        mask = on(picture, (colours, "YXS"))
        assert (mask.by_channel, mask.notes) == (False, ())
        np.testing.assert_array_equal(mask.hole, either)
    mask = on((photo, "npy"), (colours, "npy"))
    assert not mask.by_channel
    assert "taken for colours" in mask.notes[0]
    np.testing.assert_array_equal(mask.hole, either)


def test_channels_of_a_colour_picture_may_have_their_own_holes(on):
    channels = np.stack([HOLE, HOLE & False, HOLE[::-1]])
    mask = on((np.zeros((HEIGHT, WIDTH, 3), np.uint8), "YXS"), (channels, "CYX"))
    assert mask.by_channel
    np.testing.assert_array_equal(mask.hole, np.moveaxis(channels, 0, -1))


# Orientation


def test_mask_drawn_on_pixels_as_stored_is_turned_with_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    picture = formats.read(tmp_path / "a.jpg")
    stored = np.zeros((60, 80), bool)
    stored[:10, :20] = True
    for mask in (stored, np.rot90(stored, -1)):
        Image.fromarray(mask).save(tmp_path / "mask.png")
        hole = masks.read(tmp_path / "mask.png", picture).hole
        np.testing.assert_array_equal(hole, np.rot90(stored, -1))
