"""The command ``mask``."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_inpaint.arrays import masks

RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.mgrid[:40, :50]
SMOOTH = (1000 + 5 * ROWS + 3 * COLUMNS).astype(np.uint16)
SPOT = (ROWS == 7) & (COLUMNS == 9)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_threshold_marks_what_is_above_in_any_colour(run):
    colours = np.stack([ROWS, COLUMNS, ROWS * 0], -1).astype(np.uint8)
    Image.fromarray(colours).save("a.png")
    status, out, err = run("mask", "a.png", "-o", "new/m.png", "--threshold", "30")
    assert (status, err) == (0, "")
    expected = (ROWS > 30) | (COLUMNS > 30)
    assert out == f"new/m.png: {expected.sum():,} px ({expected.mean():.1%}) are hole\n"
    np.testing.assert_array_equal(pixels("new/m.png"), expected * 255)
    run("mask", "a.png", "-o", "m.npy", "--threshold", "30")
    found = np.load("m.npy")
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


def test_threshold_may_be_negative(run):
    np.save("a.npy", ROWS - 20.0)
    run("mask", "a.npy", "-o", "m.png", "--threshold", "-5.5")
    np.testing.assert_array_equal(pixels("m.png"), (ROWS - 20 > -5.5) * 255)


def test_missing_marks_what_is_named_what_the_file_names_and_nan(run):
    values = SMOOTH.astype(np.float32)
    values[3], values[5], values[7] = -9999, -1, np.nan
    tags = [(42113, 2, 0, "-9999", True)]
    tifffile.imwrite("a.tif", values, metadata=None, extratags=tags)
    run("mask", "a.tif", "-o", "m.png", "--missing")
    np.testing.assert_array_equal(pixels("m.png"), ((ROWS == 3) | (ROWS == 7)) * 255)
    run("mask", "a.tif", "-o", "n.png", "--missing", "-1")
    np.testing.assert_array_equal(pixels("n.png"), np.isin(ROWS, (3, 5, 7)) * 255)
    np.save("b.npy", SMOOTH)
    status, _, err = run("mask", "b.npy", "-o", "o.png", "--missing", "-1")
    assert (status, "uint16" in err) == (1, True)
    assert run("mask", "b.npy", "-o", "o.png", "--missing", "7")[1].startswith("o.png: 0 px (0.0%)")


def test_hot_pixels_are_found_and_fill_again(run):
    damaged = np.where(SPOT, 60000, SMOOTH).astype(np.uint16)
    tifffile.imwrite("a.tif", damaged)
    assert run("mask", "a.tif", "-o", "m.png", "--hot")[0] == 0
    np.testing.assert_array_equal(pixels("m.png"), SPOT * 255)
    assert run("run", "a.tif", "-m", "m.png", "-o", "o.tif")[0] == 0
    filled = tifffile.imread("o.tif").astype(int)
    np.testing.assert_array_equal(filled[~SPOT], SMOOTH[~SPOT])
    assert np.abs(filled - SMOOTH).max() <= 10


def test_saturated_pixels_are_found(run):
    values = np.where((ROWS > 10) & (ROWS < 15), 4095, SMOOTH).astype(np.uint16)
    np.save("a.npy", values)
    run("mask", "a.npy", "-o", "m.png", "--saturated")
    np.testing.assert_array_equal(pixels("m.png"), (values == 4095) * 255)


def test_hot_pixels_of_a_named_stack_are_those_of_its_sensor(run):
    noise = RNG.normal(0, 3, (5, 40, 50))
    stack = np.where(SPOT, 60000, 1000 + noise).astype(np.uint16)
    stack[2, 20, 20] = 60000  # a cosmic ray, or something that moves
    tifffile.imwrite("a.tif", stack, imagej=True, metadata={"axes": "TYX", "unit": "um"})
    tifffile.imwrite("b.tif", stack)
    run("mask", "a.tif", "-o", "m.tif", "--hot")
    with tifffile.TiffFile("m.tif") as found:
        assert found.series[0].axes == "TYX"
        assert found.imagej_metadata["unit"] == "um"
        np.testing.assert_array_equal(found.asarray(), np.stack([SPOT * 255] * 5))
    run("mask", "b.tif", "-o", "n.tif", "--hot")
    np.testing.assert_array_equal(
        tifffile.imread("n.tif") > 0, np.stack([masks.hot_pixels(each) for each in stack])
    )
    assert tifffile.imread("n.tif")[2, 20, 20] == 255


@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_channels_have_their_own_holes_and_png_joins_them(run, kind):
    stack = np.stack([SMOOTH] * 6).reshape(3, 2, 40, 50).copy()
    stack[:, 0, 7, 9] = stack[:, 1, 20, 30] = 60000
    tifffile.imwrite("a.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    assert run("mask", "a.tif", "-o", f"m.{kind}", "--threshold", 50000)[0] == 0
    found = tifffile.imread("m.tif") > 0 if kind == "tif" else np.load("m.npy")
    np.testing.assert_array_equal(found, stack > 50000)
    assert run("run", "a.tif", "-m", f"m.{kind}", "-o", "o.tif")[0] == 0
    filled = tifffile.imread("o.tif")
    np.testing.assert_array_equal(filled[stack < 50000], stack[stack < 50000])
    assert np.abs(filled.astype(int) - SMOOTH).max() <= 10
    tifffile.imwrite("b.tif", stack[0], imagej=True, metadata={"axes": "CYX"})
    run("mask", "b.tif", "-o", "m.png", "--threshold", 50000)
    np.testing.assert_array_equal(pixels("m.png"), (stack[0] > 50000).any(0) * 255)


def test_folders_of_pictures_give_folders_of_masks(run):
    for name in ("a.png", "b.jpg", "c.tif"):
        Path("in").mkdir(exist_ok=True)
        Image.fromarray((COLUMNS * 4).astype(np.uint8)).save(f"in/{name}", quality=100)
    Path("in/bad.png").write_bytes(b"no picture")
    status, out, err = run("mask", "in", "-o", "masks", "--threshold", "150")
    assert (status, out) == (1, "3 masks written in masks, 1 failed\n")
    assert "bad.png" in err
    assert sorted(each.name for each in Path("masks").iterdir()) == ["a.png", "b.png", "c.tif"]
    np.testing.assert_array_equal(pixels("masks/a.png"), (COLUMNS * 4 > 150) * 255)
    Path("in/bad.png").unlink()
    assert run("run", "in", "-m", "masks", "-o", "out")[:2] == (0, "3 filled in out\n")


def test_mask_refuses_what_cannot_work(run):
    np.save("a.npy", np.zeros((3, 40, 50), np.uint8))
    np.save("c.npy", np.zeros((40, 50), np.complex64))
    Path("there.png").write_bytes(b"precious")
    for words, expected in (
        (["a.npy", "-o", "m.png"], "single picture. Choose TIFF or NPY"),
        (["a.npy", "-o", "m.jpg"], "cannot hold labels: JPEG blurs numbers"),
        (["a.npy", "-o", "m.npy", "--axes", "YX"], "'YX'"),
        (["c.npy", "-o", "m.npy"], "complex64"),
        (["a.npy", "-o", "there.png"], "there.png exists"),
        (["no.npy", "-o", "m.png"], "no.npy does not exist"),
    ):
        status, out, err = run("mask", *words, "--threshold", "1")
        assert (status, out) == (1, "")
        assert expected in err
    assert Path("there.png").read_bytes() == b"precious"
