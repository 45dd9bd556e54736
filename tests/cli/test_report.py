"""What `run --report` writes beside a result, and the options of stacks."""

import json

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

RNG = np.random.default_rng(0)


def volume(*shape):
    smooth = gaussian_filter(RNG.normal(size=shape), (2, 4, 4)[-len(shape) :], mode="wrap")
    return (20_000 + 5_000 * smooth / smooth.std()).astype(np.uint16)


def save(room, shape=(10, 64, 64)):
    """Write a stack with a hole that moves; return the truth and the hole."""
    truth, hole = volume(*shape), np.zeros(shape, bool)
    for z in range(shape[0]):
        hole[z, 10 + 3 * z : 24 + 3 * z, 20:36] = True
    axes = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    damaged = np.where(hole, 0, truth).astype(np.uint16)
    tifffile.imwrite(room / "stack.tif", damaged, imagej=True, metadata=axes)
    tifffile.imwrite(room / "mask.tif", hole.astype(np.uint8) * 255, metadata={"axes": "ZYX"})
    return truth, hole


def decibels(filled, truth, hole):
    off = (filled[hole].astype(float) - truth[hole]) ** 2
    return 10 * np.log10(5_000**2 / off.mean())


def test_report_says_what_was_filled_how_far_it_may_be_off_and_what_made_it(room, run):
    truth, hole = save(room)
    words = ("run", "stack.tif", "-m", "mask.tif", "-o", "out.tif", "--report")
    status, out, _ = run(*words, backend="auto")
    assert status == 0
    assert "expected error" in out
    filled, error = tifffile.imread("out.tif"), tifffile.imread("out_error.tif")
    np.testing.assert_array_equal(tifffile.imread("out_hole.tif"), hole * np.uint8(255))
    assert error.dtype == np.float32
    assert (error[~hole] == 0).all()
    off = np.abs(filled.astype(float) - truth)[hole]
    assert 0.8 < np.mean(off <= 1.645 * error[hole]) < 1
    with tifffile.TiffFile("out_error.tif") as tif:
        assert tif.series[0].axes == "ZYX"
        assert tif.imagej_metadata["spacing"] == 0.5
    record = json.loads((room / "out_record.json").read_text())
    assert record["backend"] == "jury"
    assert (record["image"], record["mask"]) == ("stack.tif", "mask.tif")
    assert record["pixels"] == hole.sum()
    assert sum(record["shares"].values()) > 0.98
    assert record["expected error"] > 0


def test_npy_gets_a_report_in_npy(room, run):
    truth, hole = save(room)
    np.save("a.npy", np.where(hole, 0, truth))
    np.save("m.npy", hole)
    assert run("run", "a.npy", "-m", "m.npy", "-o", "b.npy", "--report", backend="auto")[0] == 0
    np.testing.assert_array_equal(np.load("b_hole.npy"), hole)
    assert np.load("b_error.npy").shape == truth.shape


def test_report_replaces_nothing_unasked(room, run):
    save(room)
    (room / "out_error.tif").write_text("mine")
    words = ("run", "stack.tif", "-m", "mask.tif", "-o", "out.tif", "--report")
    status, _, err = run(*words)
    assert status == 1
    assert "out_error.tif exists" in err
    assert not (room / "out.tif").exists()
    assert run(*words, "--overwrite")[0] == 0
    assert tifffile.imread("out_error.tif").shape == (10, 64, 64)


def test_neighbours_are_seen_unless_none_are_wanted(room, run):
    truth, hole = save(room)
    words = ("run", "stack.tif", "-m", "mask.tif", "-o")
    assert run(*words, "with.tif", backend="auto")[0] == 0
    assert run(*words, "without.tif", "--along", "none", backend="auto")[0] == 0
    with_, without = (
        decibels(tifffile.imread(x), truth, hole) for x in ("with.tif", "without.tif")
    )
    assert with_ > without + 3
    status, _, err = run(*words, "other.tif", "--along", "T", backend="auto")
    assert status == 1
    assert "'T'" in err
    assert "ZYX" in err


def test_missing_slices_are_filled_up_to_the_gap_that_is_allowed(room, run):
    truth, hole = save(room)
    hole[4:7] = True
    tifffile.imwrite("gap.tif", hole.astype(np.uint8) * 255, metadata={"axes": "ZYX"})
    words = ("run", "stack.tif", "-m", "gap.tif", "-o", "out.tif")
    status, _, err = run(*words)
    assert status == 1
    assert "Z=4, Z=5, Z=6" in err
    assert run(*words, "--max-gap", "3")[0] == 0
    assert decibels(tifffile.imread("out.tif"), truth, hole) > 0


def test_texture_adds_noise(room, run):
    image = RNG.normal(500, 40, (64, 64)).astype(np.uint16)
    hole = np.zeros((64, 64), np.uint8)
    hole[20:44, 20:44] = 255
    tifffile.imwrite("a.tif", image)
    tifffile.imwrite("m.tif", hole)
    words = ("run", "a.tif", "-m", "m.tif", "-o")
    assert run(*words, "smooth.tif", backend="biharmonic")[0] == 0
    assert run(*words, "rough.tif", "--texture", "1", backend="biharmonic")[0] == 0
    smooth, rough = (tifffile.imread(x)[hole > 0].std() for x in ("smooth.tif", "rough.tif"))
    assert rough > 1.1 * smooth
    status, _, err = run(*words, "other.tif", "--texture", "2")
    assert status == 1
    assert "texture must be a number from 0 to 1" in err


def test_texture_of_a_photograph_is_auto_or_a_number(room, run):
    image = RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    hole = np.zeros((64, 64), np.uint8)
    hole[20:44, 20:44] = 255
    tifffile.imwrite("a.tif", image, photometric="rgb")
    tifffile.imwrite("m.tif", hole)
    rough = []
    for number, words in enumerate(([], ["--texture", "auto"], ["--texture", "0"])):
        name = f"{number}.tif"
        assert run("run", "a.tif", "-m", "m.tif", "-o", name, "--report", *words)[0] == 0
        rough.append(tifffile.imread(name)[hole > 0].std())
        record = json.loads((room / f"{number}_record.json").read_text())
        assert record["options"]["texture"] == ("auto" if number < 2 else 0)
    assert rough[0] == rough[1] > 1.2 * rough[2]


@pytest.mark.parametrize("word", ["much", "nan", "Auto", ""])
def test_texture_that_is_neither_is_named(room, run, capsys, word):
    with pytest.raises(SystemExit):
        run("run", "a.tif", "-o", "o.tif", "--texture", word)
    err = capsys.readouterr().err
    assert f"argument --texture: expected auto or a number from 0 to 1, got {word!r}" in err


def test_folder_gets_a_report_for_each_picture(room, run):
    save(room)
    (room / "in").mkdir()
    for name in ("a", "b"):
        (room / "in" / f"{name}.tif").write_bytes((room / "stack.tif").read_bytes())
    assert run("run", "in", "-m", "mask.tif", "-o", "out", "--report")[0] == 0
    names = {each.name for each in (room / "out").iterdir()}
    assert names == {
        f"{x}{y}" for x in "ab" for y in (".tif", "_hole.tif", "_error.tif", "_record.json")
    }


CHANNELS = {"imagej": True, "metadata": {"axes": "CYX"}}


def test_hole_in_one_channel_is_filled_from_the_others(room, run):
    base = volume(64, 64).astype(float)
    image = np.stack([base / 4 + 500, 1.5 * base, 60_000 - base]).astype(np.uint16)
    hole = np.zeros(image.shape, bool)
    hole[0, 10:34, 10:34] = hole[2, 36:56, 30:54] = True
    tifffile.imwrite("a.tif", np.where(hole, 0, image).astype(np.uint16), **CHANNELS)
    tifffile.imwrite("m.tif", hole.astype(np.uint8) * 255, **CHANNELS)
    errors = []
    for way in ("auto", "none"):
        words = ("run", "a.tif", "-m", "m.tif", "-o", f"{way}.tif", "--along", way)
        assert run(*words, backend="auto")[0] == 0
        filled = tifffile.imread(f"{way}.tif").astype(float)
        assert (filled[~hole] == image[~hole]).all()
        errors.append(np.abs(filled - image)[hole].mean())
    assert errors[0] < 0.2 * errors[1]


def test_channel_that_is_masked_as_a_whole_is_not_invented_from_others(room, run):
    image = np.stack([volume(32, 32)] * 3)
    hole = np.zeros(image.shape, np.uint8)
    hole[1] = 255
    tifffile.imwrite("a.tif", image, **CHANNELS)
    tifffile.imwrite("m.tif", hole, **CHANNELS)
    status, _, err = run("run", "a.tif", "-m", "m.tif", "-o", "o.tif", backend="auto")
    assert status == 1
    assert "wholly" in err
