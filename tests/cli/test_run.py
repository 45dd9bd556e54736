import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from napari_inpaint import api
from napari_inpaint.arrays import masks
from napari_inpaint.backends import artifacts, auto, registry
from napari_inpaint.backends.scores import comparisons
from napari_inpaint.cli.parser import main
from napari_inpaint.samples import pictures

RNG = np.random.default_rng(0)
GREY = np.linspace(0, 250, 40 * 50).reshape(40, 50).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY // 2], -1)
HOLE = np.zeros((40, 50), bool)
HOLE[10:20, 12:30] = True


def save(path, array):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def names(folder):
    return sorted(each.name for each in Path(folder).iterdir())


def known_pixels_kept(filled, image, hole):
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert (filled[hole] != image[hole]).any()


def test_run_fills_the_hole_and_nothing_else(run):
    damaged = RGB.copy()
    damaged[HOLE] = (255, 0, 255)
    save("a.png", damaged)
    save("mask.png", HOLE)
    status, out, err = run("run", "a.png", "--mask", "mask.png", "-o", "new/out.png")
    assert (status, err) == (0, "")
    assert "new/out.png: 180 px (9.0%) filled by telea on cpu" in out
    filled = pixels("new/out.png")
    known_pixels_kept(filled, damaged, HOLE)
    expected = api.inpaint(damaged, HOLE, backend="telea", axes="YXC")
    np.testing.assert_array_equal(filled, expected)
    assert names("new") == ["out.png"]


def test_run_passes_its_options_on(run):
    noisy = RNG.integers(0, 256, (40, 50), np.uint8)
    save("a.png", noisy)
    save("mask.png", HOLE)
    options = ["--dilate", 2, "--feather", 3, "--context", 7, "--strategy", "crop"]
    run("run", "a.png", "-m", "mask.png", "-o", "out.png", *options)
    expected = api.inpaint(
        noisy, HOLE, backend="telea", dilate=2, feather=3, context=7, strategy="crop"
    )
    np.testing.assert_array_equal(pixels("out.png"), expected)
    plain = api.inpaint(noisy, HOLE, backend="telea")
    assert (plain != expected).any()


def test_run_keeps_alpha_and_depth(run):
    rgba = np.dstack([RGB, np.where(np.arange(50) < 20, 0, 255) * np.ones((40, 1))])
    save("a.png", rgba.astype(np.uint8))
    save("mask.png", HOLE)
    assert run("run", "a.png", "-m", "mask.png", "-o", "out.tif")[0] == 0
    out = tifffile.imread("out.tif")
    np.testing.assert_array_equal(out[..., 3], rgba[..., 3])
    known_pixels_kept(out[..., :3], RGB, HOLE)


def test_run_fills_an_imagej_stack_with_a_mask_for_each_slice(run):
    sample = pictures.stack()
    about = {"axes": "TYX", "unit": "um", "finterval": 60.0, "min": 2000.0, "max": 40000.0}
    options = {"imagej": True, "resolution": (3, 3), "metadata": about}
    tifffile.imwrite("cells.tif", sample.image[:6], **options)
    tifffile.imwrite("mask.tif", sample.mask[:6].astype(np.uint8))
    assert run("run", "cells.tif", "-m", "mask.tif", "-o", "out.tif")[0] == 0
    with tifffile.TiffFile("out.tif") as out:
        assert out.series[0].axes == "TYX"
        assert out.imagej_metadata["unit"] == "um"
        assert out.imagej_metadata["max"] == 40000.0
        assert out.pages[0].resolution == (3, 3)
        filled = out.asarray()
    assert filled.dtype == np.uint16
    known_pixels_kept(filled, sample.image[:6], sample.mask[:6])
    for t in range(6):
        assert np.abs(filled[t][sample.mask[t]].mean() - sample.truth[t].mean()) < 8000


def test_run_fills_channels_of_an_ome_tiff_with_one_mask(run):
    data = RNG.integers(0, 4000, (3, 2, 40, 50), np.uint16)
    about = {"axes": "ZCYX", "PhysicalSizeX": 0.2, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite("a.ome.tif", data, metadata=about, compression="zlib")
    save("mask.png", HOLE)
    assert run("run", "a.ome.tif", "-m", "mask.png", "-o", "out.ome.tif")[0] == 0
    with tifffile.TiffFile("a.ome.tif") as old, tifffile.TiffFile("out.ome.tif") as new:
        assert new.ome_metadata == old.ome_metadata
        filled = new.asarray()
    np.testing.assert_array_equal(filled[..., ~HOLE], data[..., ~HOLE])
    assert (filled[..., HOLE] != data[..., HOLE]).any(axis=-1).all()


def test_run_counts_what_was_filled_and_not_what_was_painted(run):
    """100 px are painted; grown by 3 px in each of five slices, many more are filled."""
    rng = np.random.default_rng(0)
    stack = rng.integers(100, 4000, (5, 60, 70)).astype(np.uint16)
    mask = np.zeros((60, 70), np.uint8)
    mask[10:14, 10:15] = mask[40, 20:60:2] = 1
    mask[30, 30] = 0
    np.save("stack.npy", stack)
    np.save("mask.npy", np.stack([mask] * 5))
    words = ["-m", "mask.npy", "-o", "out.npy", "--axes", "TYX", "--dilate", 3]
    status, out, _ = run("run", "stack.npy", *words)
    hole = np.stack([masks.dilate(mask > 0, 3)] * 5)
    changed = np.load("out.npy") != stack
    assert status == 0
    assert (changed <= hole).all()
    assert changed.sum() > 0.99 * hole.sum()
    assert f"{hole.sum():,} px ({hole.mean():.1%}) filled by telea" in out


def test_run_takes_axes_from_the_command_line(run):
    data = RNG.integers(0, 256, (40, 50, 5), np.uint8)
    np.save("a.npy", data)
    save("mask.png", HOLE)
    status, _, err = run("run", "a.npy", "-m", "mask.png", "-o", "out.npy")
    assert status == 1
    assert "(40, 50, 5)" in err
    assert run("run", "a.npy", "-m", "mask.png", "-o", "out.npy", "--axes", "YXC")[0] == 0
    known_pixels_kept(np.load("out.npy"), data, HOLE)


def test_run_says_that_jpeg_changes_known_pixels(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    status, _, err = run("run", "a.png", "-m", "mask.png", "-o", "out.jpg")
    assert status == 0
    assert "JPEG" in err
    assert "PNG" in err


def test_run_with_an_empty_mask_writes_an_equal_picture(run):
    save("a.png", RGB)
    save("mask.png", HOLE & False)
    status, out, _ = run("run", "a.png", "-m", "mask.png", "-o", "out.png")
    assert status == 0
    assert "mask is empty" in out
    np.testing.assert_array_equal(pixels("out.png"), RGB)


def test_run_keeps_an_existing_result_unless_told(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    Path("out.png").write_bytes(b"precious")
    status, out, err = run("run", "a.png", "-m", "mask.png", "-o", "out.png")
    assert (status, out) == (1, "")
    assert "out.png exists" in err
    assert "--overwrite" in err
    assert Path("out.png").read_bytes() == b"precious"
    assert run("run", "a.png", "-m", "mask.png", "-o", "out.png", "--overwrite")[0] == 0
    known_pixels_kept(pixels("out.png"), RGB, HOLE)


def test_run_never_writes_over_its_inputs(run):
    save("a.png", RGB)
    save("mask.png", HOLE)
    before = Path("a.png").read_bytes(), Path("mask.png").read_bytes()
    status, _, err = run("run", "a.png", "-m", "mask.png", "-o", "a.png")
    assert status == 1
    assert "a.png is the picture itself" in err
    status, _, err = run("run", "a.png", "-m", "mask.png", "-o", "mask.png", "--overwrite")
    assert status == 1
    assert "mask.png is a mask" in err
    assert (Path("a.png").read_bytes(), Path("mask.png").read_bytes()) == before
    assert run("run", "a.png", "-m", "mask.png", "-o", "a.png", "--overwrite")[0] == 0
    known_pixels_kept(pixels("a.png"), RGB, HOLE)


def test_folder_run_goes_on_after_bad_files_and_lists_them(run):
    for name in ("a", "b", "c"):
        save(f"in/{name}.png", RGB)
    save("in/lonely.png", RGB)
    Path("in/bad.png").write_bytes(b"no picture")
    Path("in/notes.txt").write_text("not for us")
    save("masks/a.png", HOLE)
    save("masks/b_mask.tif", HOLE)
    save("masks/c.png", HOLE[:30])
    save("masks/bad.png", HOLE)
    status, out, err = run("run", "in", "--mask", "masks", "-o", "out")
    assert status == 1
    assert out == "2 filled in out, 3 failed\n"
    failed = [line for line in err.splitlines() if "failed:" in line]
    assert [Path(line.split()[2].rstrip(":")).name for line in failed] == [
        *("bad.png", "c.png", "lonely.png")
    ]
    assert "(30, 50)" in failed[1]
    assert "(40, 50)" in failed[1]
    assert "100%" in err  # the progress bar
    assert names("out") == ["a.png", "b.png"]


def test_folder_run_skips_what_exists(run):
    for name in ("a", "b"):
        save(f"in/{name}.png", RGB)
    save("mask.png", HOLE)
    assert run("run", "in", "-m", "mask.png", "-o", "out")[:2] == (0, "2 filled in out\n")
    Path("out/a.png").write_bytes(b"precious")
    status, out, _ = run("run", "in", "-m", "mask.png", "-o", "out")
    assert (status, out) == (
        0,
        "0 filled in out, 2 skipped (exist already; --overwrite redoes them)\n",
    )
    assert Path("out/a.png").read_bytes() == b"precious"
    run("run", "in", "-m", "mask.png", "-o", "out", "--overwrite")
    assert Path("out/a.png").read_bytes() == Path("out/b.png").read_bytes()


def test_folder_run_with_pictures_and_masks_side_by_side(run):
    for name in ("a", "b"):
        save(f"in/{name}.jpg", RGB)
        save(f"in/{name}_mask.png", HOLE)
    status, out, err = run("run", "in", "-m", "in", "-o", "out", "--format", "png")
    assert (status, out) == (0, "2 filled in out\n")
    assert "JPEG" not in err
    assert names("out") == ["a.png", "b.png"]


def test_folder_run_does_not_take_the_only_mask_for_a_picture(run):
    save("in/a.png", RGB)
    save("in/mask.png", HOLE)
    assert run("run", "in", "-m", "./in/mask.png", "-o", "out")[:2] == (0, "1 filled in out\n")
    assert names("out") == ["a.png"]


def test_folder_run_replaces_pictures_but_not_masks_when_told(run):
    save("in/a.png", RGB)
    mask = save("in/a-mask.png", HOLE)
    before = mask.read_bytes()
    status, _, err = run("run", "in", "-m", "in", "-o", "in")
    assert status == 1
    assert "is the picture itself" in err
    assert run("run", "in", "-m", "in", "-o", "in", "--overwrite")[0] == 0
    known_pixels_kept(pixels("in/a.png"), RGB, HOLE)
    assert mask.read_bytes() == before


def test_folder_run_refuses_two_masks_for_one_picture(run):
    save("in/a.png", RGB)
    save("masks/a.png", HOLE)
    save("masks/a.tif", HOLE)
    status, _, err = run("run", "in", "-m", "masks", "-o", "out")
    assert status == 1
    assert "several masks" in err
    assert "a.tif" in err


def test_glob_patterns_choose_pictures(run):
    for name in ("a1.png", "a2.png", "b.png"):
        save(f"in/{name}", RGB)
    save("mask.png", HOLE)
    status, out, _ = run("run", "in/a*.png", "-m", "mask.png", "-o", "out", "--format", "tif")
    assert (status, out) == (0, "2 filled in out\n")
    assert names("out") == ["a1.tif", "a2.tif"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothere.png", "-m", "mask.png", "-o", "o.png"], "nothere.png does not exist"),
        (["a.png", "-m", "nothere.png", "-o", "o.png"], "nothere.png does not exist"),
        (["empty", "-m", "mask.png", "-o", "out"], "empty has no picture"),
        (["*.gif", "-m", "mask.png", "-o", "out"], "*.gif has no picture"),
        (["a.png", "b/a.png", "-m", "mask.png", "-o", "out"], "would both be written"),
        (["a.png", "b/a.png", "-m", "mask.png", "-o", "o.png"], "name a folder"),
        (["a.png", "-m", "mask.png", "-o", "o.xyz"], "'.xyz'"),
        (["a.png", "-m", "mask.png", "-o", "o.gif"], "GIF files hold 256 colours"),
        (["a.png", "-o", "o.png"], "a.png has no hole: no mask was given"),
        (["a.png", "-m", "mask.png", "-o", "o.png", "--missing", "-9999"], "-9999"),
        (["a.png", "-o", "o.png", "--pad", "40"], "height of 40 px, of which a margin"),
        (["a.png", "-m", "mask.png", "-o", "mask.png/"], "mask.png/ is a file"),
        (["floats.npy", "-m", "mask.png", "-o", "o.png"], "float32"),
        (["deep.png", "-m", "mask.png", "-o", "o.jpg"], "uint16"),
        (["a.png", "-m", "mask.png", "-o", "o.png", "--device", "abacus"], "'abacus'"),
        (["a.png", "-m", "mask.png", "-o", "o.png", "--axes", "ZYX"], "ZYX"),
        (["a.png", "-m", "full.png", "-o", "o.png"], "full.png marks 100.0% of its pixels"),
        (["a.png", "-m", "full.png", "-o", "o.png", "--no-invert-mask"], "the whole image"),
        (["a.png", "-m", "small.png", "-o", "o.png"], "(20, 50)"),
    ],
)
def test_run_refuses_what_cannot_work_and_writes_nothing(run, room, words, expected):
    save("a.png", RGB)
    save("b/a.png", RGB)
    save("mask.png", HOLE)
    save("full.png", HOLE | True)
    save("small.png", HOLE[:20])
    save("deep.png", GREY * np.uint16(3))
    np.save("floats.npy", GREY.astype(np.float32))
    Path("empty").mkdir()
    before = sorted(room.rglob("*"))
    status, out, err = run("run", *words)
    assert (status, out) == (1, "")
    assert err.startswith("napari-inpaint: error: ")
    assert expected in err
    assert "Traceback" not in err
    assert sorted(room.rglob("*")) == before


def test_run_writes_other_formats(run):
    photo = np.kron(RGB, np.ones((2, 2, 1), np.uint8))
    hole = np.kron(HOLE, np.ones((2, 2), bool))
    save("mask.png", hole)
    for name, options in (
        *(("a.webp", {"lossless": True}), ("a.bmp", {}), ("a.gif", {}), ("lossy.webp", {})),
        *(("a.jfif", {"format": "JPEG"}), ("a.jpe", {"format": "JPEG"})),
    ):
        Image.fromarray(photo).save(name, **options)
        with Image.open(name) as opened:
            shown = np.asarray(opened.convert("RGB"))
        out = "gif.png" if name == "a.gif" else f"o-{name}"
        status, _, err = run("run", name, "-m", "mask.png", "-o", out)
        assert status == 0
        assert ("is a WebP without loss" in err) == (name == "lossy.webp")
        if out.endswith(("jfif", "jpe")):
            assert "JPEG compresses every pixel anew" in err
        else:
            known_pixels_kept(pixels(out), shown, hole)


def test_folder_run_writes_pictures_from_gif_files_as_png_and_says_so(run):
    save("in/a.gif", GREY)
    frames = [Image.fromarray(each) for each in (GREY, GREY[::-1])]
    frames[0].save("in/moving.gif", save_all=True, append_images=frames[1:])
    save("mask.png", HOLE)
    status, out, err = run("run", "in", "-m", "mask.png", "-o", "out")
    assert (status, out) == (1, "1 filled in out, 1 failed\n")
    assert "GIF holds 256 colours, so pictures from GIF files are written as PNG" in err
    assert "a PNG file has no place for an array of shape (2, 40, 50) (TYX)" in err
    known_pixels_kept(pixels("out/a.png"), GREY, HOLE)
    assert run("run", "in/moving.gif", "-m", "mask.png", "-o", "moving.tif")[0] == 0
    moving = tifffile.imread("moving.tif")
    np.testing.assert_array_equal(moving[:, ~HOLE], np.stack([GREY, GREY[::-1]])[:, ~HOLE])


def test_run_suggests_the_nearest_backend_before_reading_anything(run):
    Path("broken.png").write_bytes(b"")
    save("mask.png", HOLE)
    status, _, err = run("run", "broken.png", "-m", "mask.png", "-o", "o.png", backend="tela")
    assert status == 1
    assert "'telea'" in err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["run", "a.png"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--dilate", "-1"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--batch-size", "0"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--format", "tif"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--trust"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--missing", "x"],
        ["run", "a.png", "-m", "m.png", "-o", "o.png", "--mask-threshold", "nan"],
        ["run", "a.png", "-o", "o.png", "--invert-mask"],
        ["run", "a.png", "-o", "o.png", "--fill-missing", "masked"],
        ["run", "a.png", "-o", "o.png", "--pad", "0"],
        ["run", "a.png", "-o", "o.png", "--pad", "1,2"],
        ["run", "a.png", "-o", "o.png", "--pad", "-1"],
        ["mask", "a.png", "-o", "o.png"],
        ["mask", "a.png", "-o", "o.png", "--hot", "--saturated"],
        ["paint"],
    ],
)
def test_wrong_usage_exits_with_2(words, capsys):
    save("a.png", RGB)
    save("m.png", HOLE)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: napari-inpaint" in capsys.readouterr().err


class Half(torch.nn.Module):
    """Fills with one half."""

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return image * (1 - mask) + 0.5 * mask


MANIFEST = {
    **{"schema": 1, "name": "half", "title": "Fills with one half", "provides": ["inpaint"]},
    **{"channels": 3, "domain": "photo", "licence": "CC0-1.0", "network": "none"},
    "training_data": [{"name": "nothing at all", "licence": "none"}],
    "scores": {"photos": {"hole dB": 12.345678, "SSIM": 0.5}},
    "classes": [{"name": "sky", "colour": "#4682b4"}],
}


@pytest.fixture
def artifact(room):
    path = room / "half.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(Half())
        torch.jit.save(scripted, path, _extra_files={"manifest.json": json.dumps(MANIFEST)})
    return path


def test_run_asks_once_for_consent_to_a_foreign_artifact(run, artifact):
    save("a.png", RGB)
    save("mask.png", HOLE)
    words = ["run", "a.png", "-m", "mask.png", "-o", "o.png", "--overwrite"]
    status, _, err = run(*words, backend="half.pt")
    assert status == 1
    assert "--trust" in err
    assert not Path("o.png").exists()
    assert run(*words, "--trust", backend="half.pt")[0] == 0
    known_pixels_kept(pixels("o.png"), RGB, HOLE)
    status, out, _ = run(*words, backend="half.pt")
    assert status == 0
    assert "filled by half" in out
    artifact.write_bytes(artifact.read_bytes() + b"x")
    Path("o.png").unlink()
    status, _, err = run(*words, backend="half.pt")
    assert status == 1
    assert "has changed since you trusted it" in err
    assert not Path("o.png").exists()


def test_info_describes_without_consent_and_without_torch(run, artifact):
    status, out, _ = run("info", "half.pt")
    assert status == 0
    for word in (
        *("Fills with one half", "CC0-1.0", "nothing at all (none)", "photos · hole dB: 12.35"),
        *("sky", "not trusted yet", artifacts.sha256(artifact)),
    ):
        assert word in out
    code = "import sys; from napari_inpaint.cli.parser import main; main(['info', 'half.pt'])\n"
    code += "print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False"
    assert done.stdout == out


def test_info_shows_scores_as_a_table_with_its_own_row_first(run):
    _, out, _ = run("info", "sgenet-street")
    at = out.splitlines().index(next(line for line in out.splitlines() if "mIoU known" in line))
    head, own, other = out.splitlines()[at : at + 3]
    assert head.split("  ")[0] == "scores"
    (table,) = registry.get_backend("sgenet-street").info.scores.values()
    row = table["sgenet-street"]
    assert own.split()[:2] == ["sgenet-street", f"{row['hole dB']:.4g}"]
    assert own.index(f"{row['mIoU hole']:.4g}", head.index("mIoU hole")) == head.index("mIoU hole")
    assert other.split()[0] == "biharmonic"
    assert "95 %" not in out


def test_info_tells_trusted_from_changed_and_prints_json(run, artifact):
    artifacts.trust(artifact)
    described = json.loads(run("info", "half.pt", "--json")[1])
    assert described["trust"] == "trusted by you"
    assert described["sha256"] == artifacts.sha256(artifact)
    assert described["bytes"] == artifact.stat().st_size
    assert described["manifest"]["scores"] == MANIFEST["scores"]
    artifact.write_bytes(artifact.read_bytes() + b"x")
    assert "refused" in json.loads(run("info", "half.pt", "--json")[1])["trust"]


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_info_refuses_what_is_no_artifact(run, artifact, content):
    artifact.write_bytes(artifact.read_bytes()[:700] if content is None else content)
    status, out, err = run("info", "half.pt")
    assert (status, out) == (1, "")
    assert "not a TorchScript file" in err


def test_backends_lists_who_provides_what_and_what_is_broken(run, monkeypatch):
    broken = registry.BrokenBackend("rotten", "some-package", "ImportError: no module named x")
    monkeypatch.setattr(registry, "broken_backends", lambda: [broken])
    status, out, _ = run("backends")
    assert status == 0
    header, *rows = out.split("\n\n")[0].splitlines()
    assert header.split() == ["NAME", "PROVIDES", "CHANNELS", "PROVIDER", "TITLE"]
    telea = next(row for row in rows if row.startswith("telea "))
    assert telea.split()[:4] == ["telea", "inpaint", "any", "napari-inpaint"]
    assert telea.index("napari-inpaint") == header.index("PROVIDER")
    scores = out.split("\n\n")[1].splitlines()
    pconv = next(row for row in scores if row.startswith("pconv-photo "))
    info = registry.get_backend("pconv-photo").info
    found, *_ = comparisons(info)
    beside = found.others[found.reference]
    assert f"{found.own.hole_db:.1f} ({beside.hole_db:.1f})" in pconv
    assert pconv.split()[-1] == found.reference
    chosen = f"colour                     {auto.choose_backend(3)}"
    assert chosen in out.splitlines()
    assert out.splitlines()[-1].split(maxsplit=2) == [
        *("rotten", "some-package", "ImportError: no module named x")
    ]
    listed = json.loads(run("backends", "--json")[1])
    assert {each["name"] for each in listed["backends"]} >= {"telea", "navier-stokes", "biharmonic"}
    assert listed["broken"][0]["distribution"] == "some-package"
    assert listed["auto"]["other images"] == auto.choose_backend(None)
    scores = {each["name"]: each["scores"] for each in listed["backends"]}
    assert scores["pconv-photo"] == info.scores


def test_backends_loads_neither_torch_nor_napari(own_backends):
    code = (
        f"import sys; from napari_inpaint.cli.parser import main{own_backends}main(['backends'])\n"
        "print({'torch', 'skimage', 'napari', 'qtpy', 'cv2'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


def test_demo_writes_before_and_after_and_scores(run):
    status, out, _ = run("demo", "-o", "pictures")
    assert status == 0
    assert names("pictures") == ["photo.png", "stack.png"]
    assert str(Path("pictures/photo.png")) in out
    assert out.count("dB in the hole (OpenCV's Telea:") == 2
    sheet = pixels("pictures/photo.png").astype(int)
    sample = pictures.photo()
    third = sheet.shape[1] // 3
    assert third == 600
    panels = [sheet[-400:, i * third : (i + 1) * third] for i in range(3)]
    np.testing.assert_array_equal(panels[2], sample.truth)
    np.testing.assert_array_equal(panels[1][~sample.mask], sample.truth[~sample.mask])
    damage = np.abs(sample.image.astype(int) - sample.truth)[sample.mask].mean()
    assert np.abs(panels[1] - panels[2])[sample.mask].mean() < damage / 3


def test_interrupt_leaves_no_partial_file_and_exits_with_130(room):
    for number in range(40):
        save(f"in/{number:02d}.png", np.kron(RGB, np.ones((10, 10, 1), np.uint8)))
    save("mask.png", np.kron(HOLE, np.ones((10, 10), bool)))
    command = [
        sys.executable,
        "-c",
        "import sys; from napari_inpaint.cli.parser import main; sys.exit(main())",
    ]
    words = ["run", "in", "-m", "mask.png", "-o", "out", "--backend", "telea"]
    process = subprocess.Popen(
        [*command, *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a job in the background has SIGINT ignored, and would hand that down
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(room.glob("out/*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err.splitlines()[-1]
    assert "Traceback" not in err
    done = names("out")
    assert 0 < len(done) < 40
    assert {pixels(room / "out" / name).shape for name in done} == {(400, 500, 3)}


def test_installed_command_answers():
    command = Path(sys.executable).with_name("napari-inpaint")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["napari-inpaint", "0.1.0"]
