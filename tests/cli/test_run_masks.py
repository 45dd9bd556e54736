"""What `run` does with masks, missing values and margins."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint import api

RNG = np.random.default_rng(0)
GREY = np.linspace(0, 250, 40 * 50).reshape(40, 50).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY // 2], -1)
HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 12:30] = True
ROWS, COLUMNS = np.mgrid[:96, :128]
DEM = (500 + 300 * np.sin(COLUMNS / 9) * np.cos(ROWS / 11)).astype(np.float32)
VOID = np.zeros(DEM.shape, bool)
VOID[30:50, 40:90] = True


def save(path, array, **options):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def save_dem(path, text="-9999", **options):
    damaged = DEM.copy()
    damaged[VOID] = -9999
    tags = [(42113, 2, 0, text, True), (33550, 12, 3, (10.0, 10.0, 0.0), True)]
    tifffile.imwrite(path, damaged, metadata=None, extratags=tags, **options)
    return damaged


def test_hole_erased_from_the_photo_itself_is_filled_and_said(run):
    save("a.png", RGB)
    save("erased.png", np.dstack([RGB, np.where(HOLE, 0, 255).astype(np.uint8)]))
    status, out, err = run("run", "a.png", "-m", "erased.png", "-o", "o.png")
    assert (status, "180 px" in out) == (0, True)
    assert "note: erased.png: its transparent part is the hole" in err
    np.testing.assert_array_equal(pixels("o.png"), api.inpaint(RGB, HOLE, backend="telea"))


def test_a_picture_can_be_its_own_mask_and_keeps_its_alpha(run):
    erased = np.dstack([RGB, np.where(HOLE, 0, 255).astype(np.uint8)])
    save("a.png", erased)
    status, _, err = run("run", "a.png", "-m", "a.png", "-o", "o.png")
    assert status == 0
    assert "note: o.png: 180 filled px stay transparent, for alpha is kept." in err
    filled = pixels("o.png")
    np.testing.assert_array_equal(filled[..., :3], api.inpaint(RGB, HOLE, backend="telea"))
    np.testing.assert_array_equal(filled[..., 3], erased[..., 3])


def test_inverted_mask_is_refused_before_anything_is_written(run, room):
    save("a.png", RGB)
    save("mask.png", ~HOLE)
    status, out, err = run("run", "a.png", "-m", "mask.png", "-o", "new/o.png")
    assert (status, out) == (1, "")
    assert "--invert-mask" in err
    assert sorted(each.name for each in room.iterdir()) == ["a.png", "mask.png"]
    assert run("run", "a.png", "-m", "mask.png", "-o", "o.png", "--invert-mask")[0] == 0
    np.testing.assert_array_equal(pixels("o.png"), api.inpaint(RGB, HOLE, backend="telea"))
    assert run("run", "a.png", "-m", "mask.png", "-o", "p.png", "--no-invert-mask")[0] == 0
    np.testing.assert_array_equal(pixels("p.png")[HOLE], RGB[HOLE])


def test_folder_run_lists_inverted_masks_and_goes_on(run):
    for name in ("a", "b"):
        save(f"in/{name}.png", RGB)
    save("masks/a.png", HOLE)
    save("masks/b.png", ~HOLE)
    status, out, err = run("run", "in", "-m", "masks", "-o", "out")
    assert (status, out) == (1, "1 filled in out, 1 failed\n")
    assert "failed: in/b.png: masks/b.png marks 91.0% of its pixels" in err


def test_threshold_counts_on_the_masks_own_scale(run):
    save("a.png", RGB)
    save("mask.png", np.where(HOLE, 90, 60).astype(np.uint8))
    assert run("run", "a.png", "-m", "mask.png", "-o", "o.png", "--mask-threshold", 75)[0] == 0
    np.testing.assert_array_equal(pixels("o.png"), api.inpaint(RGB, HOLE, backend="telea"))


@pytest.mark.parametrize("slices", [3, 4])
def test_mask_of_frames_is_for_all_depths_of_them(run, slices):
    stack = RNG.integers(400, 600, (3, slices, 40, 50)).astype(np.uint16)
    mask = np.zeros((3, 40, 50), np.uint8)
    mask[1, HOLE] = 255
    tifffile.imwrite("i.tif", stack, imagej=True, metadata={"axes": "TZYX"})
    tifffile.imwrite("m.tif", mask, imagej=True, metadata={"axes": "TYX"})
    assert run("run", "i.tif", "-m", "m.tif", "-o", "o.tif")[0] == 0
    filled = tifffile.imread("o.tif")
    expected = api.inpaint(stack, np.stack([mask] * slices, 1), axes="TZYX", backend="telea")
    np.testing.assert_array_equal(filled, expected)
    assert (filled != stack).any((2, 3)).tolist() == [[t == 1] * slices for t in range(3)]


def test_mask_axes_name_what_a_file_does_not(run):
    stack = RNG.integers(400, 600, (3, 3, 40, 50)).astype(np.uint16)
    mask = np.zeros((3, 40, 50), np.uint8)
    mask[1, HOLE] = 255
    np.save("i.npy", stack)
    np.save("m.npy", mask)
    words = ["run", "i.npy", "-m", "m.npy", "-o", "o.npy", "--axes", "TZYX"]
    status, _, err = run(*words)
    assert (status, "may be TYX or ZYX" in err) == (1, True)
    assert run(*words, "--mask-axes", "TYX")[0] == 0
    changed = (np.load("o.npy") != stack).any((2, 3))
    assert changed.tolist() == [[False] * 3, [True] * 3, [False] * 3]


@pytest.mark.parametrize("axes", ["TCYX", "CYX"])
def test_each_channel_has_its_own_holes(run, axes):
    stack = RNG.integers(400, 600, (3, 2, 40, 50)[-len(axes) :]).astype(np.uint16)
    holes = np.stack([HOLE, HOLE[::-1]])
    tifffile.imwrite("i.tif", stack, imagej=True, metadata={"axes": axes, "unit": "um"})
    tifffile.imwrite("m.tif", holes * np.uint8(255), imagej=True, metadata={"axes": "CYX"})
    status, out, _ = run("run", "i.tif", "-m", "m.tif", "-o", "o.tif")
    assert status == 0
    with tifffile.TiffFile("o.tif") as new:
        assert new.series[0].axes == axes
        assert new.imagej_metadata["unit"] == "um"
        filled = new.asarray()
    for channel in range(2):
        known, hole = stack[..., channel, :, :], holes[channel]
        np.testing.assert_array_equal(filled[..., channel, :, :][..., ~hole], known[..., ~hole])
        alone = api.inpaint(known, hole, axes=axes.replace("C", ""), backend="telea")
        np.testing.assert_array_equal(filled[..., channel, :, :], alone)
    assert f"{(2 if axes == 'CYX' else 6) * HOLE.sum():,} px" in out


def test_channels_with_their_own_holes_and_labels_do_not_go_together(run):
    tifffile.imwrite("i.tif", RNG.integers(0, 9, (2, 40, 50)).astype("u2"), imagej=True)
    holes = np.stack([HOLE, HOLE[::-1]]) * np.uint8(255)
    tifffile.imwrite("m.tif", holes, imagej=True, metadata={"axes": "CYX"})
    save("l.png", HOLE.astype(np.uint8))
    words = ["run", "i.tif", "-m", "m.tif", "--labels", "l.png", "-o", "o.tif"]
    status, _, err = run(*words, backend="patchmatch")
    assert (status, "m.tif has other holes in each channel" in err) == (1, True)


def test_values_that_the_file_says_are_missing_are_hole_without_a_mask(run):
    damaged = save_dem("dem.tif")
    status, out, err = run("run", "dem.tif", "-o", "o.tif")
    assert status == 0
    assert "1,000 px (8.1%) filled" in out
    assert "note: dem.tif: pixels of -9999 are missing, as the file says." in err
    with tifffile.TiffFile("o.tif") as new:
        assert new.pages[0].tags[42113].value == "-9999"
        assert new.pages[0].tags[33550].value == (10.0, 10.0, 0.0)
        filled = new.asarray()
    np.testing.assert_array_equal(filled[~VOID], damaged[~VOID])
    assert 200 <= filled[VOID].min() <= filled[VOID].max() <= 800


def test_missing_values_that_the_mask_leaves_out_are_filled_or_never_read(run):
    damaged = save_dem("dem.tif")
    part = VOID & (COLUMNS < 70)
    save("mask.png", part)
    assert run("run", "dem.tif", "-m", "mask.png", "-o", "all.tif")[0] == 0
    words = ["run", "dem.tif", "-m", "mask.png", "-o", "o.tif", "--fill-missing", "masked"]
    status, out, _ = run(*words)
    assert (status, "600 px" in out) == (0, True)
    filled = tifffile.imread("all.tif")
    assert 200 <= filled[VOID].min() <= filled[VOID].max() <= 800
    filled = tifffile.imread("o.tif")
    assert 200 <= filled[part].min() <= filled[part].max() <= 800
    np.testing.assert_array_equal(filled[~part], damaged[~part])


@pytest.mark.parametrize("given", [["--missing", "-9999,-3.4e38"], ["--missing=-9999,-3.4e38"]])
def test_missing_values_can_be_given(run, given):
    damaged = DEM.copy()
    damaged[VOID] = -9999
    damaged[0, 0] = np.float32(-3.4e38)
    np.save("dem.npy", damaged)
    status, out, _ = run("run", "dem.npy", "-o", "o.npy", *given)
    assert (status, "1,001 px" in out) == (0, True)
    filled = np.load("o.npy")
    known = damaged > -9000
    np.testing.assert_array_equal(filled[known], damaged[known])
    assert 200 <= filled[~known].min() <= filled[~known].max() <= 800


def test_declared_values_that_pixels_cannot_have_are_left_aside(run):
    tags = [(42113, 2, 0, "-9999", True)]
    tifffile.imwrite("a.tif", GREY, metadata=None, extratags=tags)
    status, out, err = run("run", "a.tif", "-o", "o.tif")
    assert (status, out) == (1, "")
    assert "a.tif has no hole: no mask was given" in err
    assert "--mask MASK, or --missing VALUE" in err
    assert not Path("o.tif").exists()
    save("mask.png", HOLE)
    assert run("run", "a.tif", "-m", "mask.png", "-o", "o.tif")[0] == 0
    filled = tifffile.imread("o.tif")
    np.testing.assert_array_equal(filled[~HOLE], GREY[~HOLE])


def test_nan_needs_no_mask(run):
    damaged = np.where(VOID, np.nan, DEM)
    np.save("dem.npy", damaged)
    status, out, err = run("run", "dem.npy", "-o", "o.npy")
    assert (status, err) == (0, "")
    assert "1,000 px (8.1%) filled" in out
    assert np.isfinite(np.load("o.npy")).all()


def test_pad_goes_on_beyond_the_sides(run):
    """A slope, and a fill that follows it: what is added goes on as the picture does."""
    y, x = np.mgrid[:40, :50]
    slope = (60 + 2 * y + x).astype(np.uint8)
    save("a.png", slope, dpi=(300, 300))
    status, out, _ = run("run", "a.png", "-o", "o.png", "--pad", "0,10,0,0")
    assert (status, "400 px (16.7%)" in out) == (0, True)
    with Image.open("o.png") as new:
        assert new.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        filled = np.asarray(new)
    assert filled.shape == (40, 60)
    np.testing.assert_array_equal(filled[:, :50], slope)
    reflected = np.pad(slope, ((0, 0), (0, 10)), mode="reflect")
    hole = np.pad(np.zeros((40, 50), bool), ((0, 0), (0, 10)), constant_values=True)
    np.testing.assert_array_equal(filled, api.inpaint(reflected, hole, backend="telea"))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_pad_joins_the_mask_and_works_in_all_formats(run, name):
    if name == "a.png":
        save(name, RGB)
    elif name == "a.tif":
        tifffile.imwrite(name, RGB, photometric="rgb")
    else:
        np.save(name, RGB)
    save("mask.png", HOLE)
    status, out, _ = run("run", name, "-m", "mask.png", "-o", f"o-{name}", "--pad", 5)
    assert status == 0
    assert f"{50 * 60 - 40 * 50 + HOLE.sum():,} px" in out
    read = {"a.png": pixels, "a.tif": tifffile.imread, "a.npy": np.load}[name]
    filled = read(f"o-{name}")
    assert filled.shape == (50, 60, 3)
    np.testing.assert_array_equal(filled[5:-5, 5:-5][~HOLE], RGB[~HOLE])
    assert (filled[5:-5, 5:-5][HOLE] != RGB[HOLE]).any()


def test_pad_keeps_a_stack_with_its_own_holes_in_each_channel(run):
    stack = RNG.integers(400, 600, (3, 2, 40, 50)).astype(np.uint16)
    holes = np.stack([HOLE, HOLE[::-1]])
    about = {"axes": "TCYX", "unit": "um", "finterval": 2.0}
    tifffile.imwrite("i.tif", stack, imagej=True, metadata=about)
    tifffile.imwrite("m.tif", holes * np.uint8(255), imagej=True, metadata={"axes": "CYX"})
    words = ["run", "i.tif", "-m", "m.tif", "-o", "o.tif", "--pad", "1,2,3,4"]
    assert run(*words)[0] == 0
    with tifffile.TiffFile("o.tif") as new:
        assert new.series[0].axes == "TCYX"
        assert new.imagej_metadata["finterval"] == 2.0
        filled = new.asarray()
    assert filled.shape == (3, 2, 44, 56)
    inside = filled[:, :, 1:-3, 4:-2]
    for channel in range(2):
        hole = holes[channel]
        np.testing.assert_array_equal(inside[:, channel, ~hole], stack[:, channel, ~hole])
        assert (inside[:, channel, hole] != stack[:, channel, hole]).any()


def test_notes_of_a_mask_are_said(run):
    save("a.png", RGB)
    with tifffile.TiffWriter("m.tif") as writer:
        writer.write(HOLE * np.uint8(255), metadata=None)
        writer.write(np.zeros((20, 20), np.uint8), metadata=None)
    status, _, err = run("run", "a.png", "-m", "m.tif", "-o", "o.png")
    assert status == 0
    assert "note: m.tif: only the first of the 2 pictures in the file is read." in err


def test_message_says_what_filled_thin_holes(run):
    damaged = np.full((60, 80), 100, np.uint8)
    damaged[20, 30] = 255
    np.save("a.npy", damaged)
    status, out, _ = run("run", "a.npy", "-o", "o.npy", "--missing", "255", backend="auto")
    assert (status, "1 px (0.0%) filled by thin plate on cpu" in out) == (0, True)
