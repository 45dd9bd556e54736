from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import napari_inpaint as ni
from napari_inpaint.arrays import instances
from napari_inpaint.cli.parser import main

DARK = np.where(np.arange(50) < 25, 0, 255) * np.ones((40, 1), int)
RGB = np.stack([DARK] * 3, -1).astype(np.uint8)
HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 22:40] = True


@pytest.fixture
def run(capsys, add_painter):
    """Run the command with a backend that segments and guides; return status, stdout, stderr."""
    backend = add_painter()

    def run_command(*words, backend=backend):
        status = main([*map(str, words), "--backend", backend])
        return status, *capsys.readouterr()

    return run_command


def save(path, array):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def names(folder):
    return sorted(each.name for each in Path(folder).iterdir())


def test_segment_writes_labels_with_the_hole_and_prints_the_classes(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    status, out, err = run("segment", "a.png", "-m", "mask.png", "-o", "new/labels.png")
    assert (status, err) == (0, "")
    expected = np.where(HOLE | (DARK == 0), 1, 2)
    np.testing.assert_array_equal(pixels("new/labels.png"), expected)
    lines = out.splitlines()
    assert "new/labels.png: 2,000 px segmented by painter on cpu in" in lines[0]
    assert lines[1].split() == ["ID", "CLASS", "COLOUR", "SHARE"]
    assert lines[3].split() == ["2", "bright", "#e0e0e0", f"{(expected == 2).mean():.1%}"]
    assert lines[4].split() == ["3", "gold", "#ffd700", "0.0%"]
    assert names("new") == ["labels.png"]


def test_segment_without_a_mask_sees_everything(run):
    save("a.png", RGB)
    assert run("segment", "a.png", "-o", "l.tif")[0] == 0
    np.testing.assert_array_equal(tifffile.imread("l.tif"), np.where(DARK == 0, 1, 2))


def test_segment_writes_confidence_and_reliability_beside(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    extras = ["--confidence", "c.tif", "--reliability", "new/r.png"]
    assert run("segment", "a.png", "-m", "mask.png", "-o", "l.npy", *extras)[0] == 0
    np.testing.assert_allclose(tifffile.imread("c.tif"), np.where(HOLE, 0.7, 0.9), atol=1e-6)
    np.testing.assert_array_equal(pixels("new/r.png"), np.where(HOLE, 64, 255))


def test_segment_keeps_an_imagej_stack_a_stack(run):
    stack = np.stack([DARK, DARK[:, ::-1]]).astype(np.uint16) * 100
    about = {"axes": "TYX", "unit": "um", "finterval": 60.0}
    tifffile.imwrite("cells.tif", stack, imagej=True, metadata=about)
    assert run("segment", "cells.tif", "-o", "l.tif")[0] == 0
    with tifffile.TiffFile("l.tif") as out:
        assert out.series[0].axes == "TYX"
        assert out.imagej_metadata["unit"] == "um"
        np.testing.assert_array_equal(out.asarray(), np.where(stack == 0, 1, 2))
    status, _, err = run("segment", "cells.tif", "-o", "l.png")
    assert status == 1
    assert "Choose TIFF or NPY" in err


def test_segment_folder_goes_on_after_bad_files_and_counts_all(run):
    for name in ("a.png", "b.jpg", "b_mask.png"):
        save(f"in/{name}", HOLE if "mask" in name else RGB)
    save("in/a-mask.png", HOLE)
    Path("in/bad.png").write_bytes(b"no picture")
    save("in/lonely.png", RGB)
    status, out, err = run("segment", "in", "-m", "in", "-o", "out", "--confidence", "sure")
    assert status == 1
    assert out.splitlines()[0] == "2 segmented in out, 2 failed"
    assert "bad.png" in err
    assert "lonely.png has no mask in in; expected lonely or lonely_mask" in err
    assert names("out") == names("sure") == ["a.png", "b.png"]  # a JPEG would blur ids
    assert out.count("SHARE") == 1
    before = Path("out/a.png").read_bytes()
    status, out, _ = run("segment", "in/a.png", "in/b.jpg", "-o", "out")
    assert (status, out) == (
        0,
        "0 segmented in out, 2 skipped (exist already; --overwrite redoes them)\n",
    )
    assert Path("out/a.png").read_bytes() == before


def test_segment_numbers_objects(run, add_painter):
    classes = [ni.ClassInfo(each, "#000000") for each in ("background", "nucleus", "boundary")]
    add_painter("nuclei", classes=classes)
    image = np.zeros((40, 50), np.uint8)
    image[5:15, 5:15] = image[20:30, 30:44] = 255
    save("a.png", image)
    status, out, _ = run("segment", "a.png", "-o", "n.png", "--instances", backend="nuclei")
    assert status == 0
    assert "n.png: 2 objects segmented by nuclei" in out
    expected = instances.split_instances(np.where(image, 2, 1), classes)
    np.testing.assert_array_equal(pixels("n.png"), expected)
    assert expected.max() == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.png", "-o", "l.jpg"], "JPEG blurs numbers"),
        (["a.png", "-o", "a.png", "--overwrite"], "is the picture itself"),
        (["a.png", "-m", "mask.png", "-o", "mask.png", "--overwrite"], "mask.png is a mask"),
        (["a.png", "-o", "there.png"], "there.png exists. Add --overwrite"),
        (["a.png", "-o", "l.png", "--confidence", "there.png"], "there.png exists"),
        (["a.png", "-o", "l.png", "--confidence", "l.png"], "overwritten by --confidence"),
        (["a.png", "-o", "l.png", "--confidence", "a.png", "--overwrite"], "overwritten by"),
        (["a.png", "there.png", "-o", "out", "--confidence", "c.tif"], "name a folder"),
        (["a.png", "-o", "l.png", "--instances"], 'class "boundary"'),
        (["a.png", "-m", "small.png", "-o", "l.png"], "(20, 50)"),
        (["nothere.png", "-o", "l.png"], "nothere.png does not exist"),
    ],
)
def test_segment_refuses_what_cannot_work_and_writes_nothing(run, room, words, expected):
    save("a.png", RGB)
    save("there.png", RGB)
    save("mask.png", HOLE)
    save("small.png", HOLE[:20])
    before = {each: each.read_bytes() for each in room.iterdir()}
    status, out, err = run("segment", *words)
    assert status == 1
    assert expected in err + out
    assert "Traceback" not in err
    assert {each: each.read_bytes() for each in room.iterdir() if each.is_file()} == before


def test_segment_names_the_backends_that_can(run):
    save("a.png", RGB)
    status, _, err = run("segment", "a.png", "-o", "l.png", backend="telea")
    assert status == 1
    assert "'telea' does not provide 'segment', only inpaint. Backends that do: painter" in err


def test_reliability_without_a_mask_is_wrong_usage(run, capsys):
    save("a.png", RGB)
    with pytest.raises(SystemExit) as caught:
        run("segment", "a.png", "-o", "l.png", "--reliability", "r.png")
    assert caught.value.code == 2
    assert "goes with --mask" in capsys.readouterr().err


def test_run_fills_from_labels_that_segment_wrote_and_a_person_changed(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    run("segment", "a.png", "-m", "mask.png", "-o", "l.png")
    with Image.open("l.png") as opened:
        labels = np.asarray(opened).copy()
        labels[:15] = 3
        changed = Image.fromarray(labels)
        changed.putpalette(opened.getpalette())
        changed.save("l.png")
    words = ["run", "a.png", "-m", "mask.png", "--labels", "l.png", "-o", "o.png", "--texture", 0]
    status, out, _ = run(*words)
    assert status == 0
    assert "filled by painter" in out
    filled = pixels("o.png")
    np.testing.assert_array_equal(filled[~HOLE], RGB[~HOLE])
    assert (filled[10:15][HOLE[10:15]] == 255).all()
    assert (filled[15:20][HOLE[15:20]] == 64).all()


def test_run_matches_labels_by_name_and_says_what_is_missing(run):
    for name in ("a", "b", "c"):
        save(f"in/{name}.png", RGB)
    save("mask.png", HOLE)
    save("labels/a.png", np.full((40, 50), 2, np.uint8))
    save("labels/b_labels.tif", np.full((40, 50), 9, np.uint8))
    words = ["run", "in", "-m", "mask.png", "--labels", "labels", "-o", "out", "--texture", 0]
    status, out, err = run(*words)
    assert (status, out) == (1, "1 filled in out, 2 failed\n")
    assert "b.png: The labels hold 9" in err
    assert "1 = dark, 2 = bright, 3 = gold" in err
    assert "c.png has no labels in labels; expected c or c_labels" in err
    assert (pixels("out/a.png")[HOLE] == 191).all()


def test_run_with_labels_refuses_a_backend_without_guide_before_reading(run):
    Path("broken.png").write_bytes(b"")
    save("mask.png", HOLE)
    save("l.png", HOLE.astype(np.uint8))
    words = ["run", "broken.png", "-m", "mask.png", "--labels", "l.png", "-o", "o.png"]
    status, _, err = run(*words, backend="telea")
    assert status == 1
    assert "'telea' does not provide 'guide'" in err
