"""The command: rows, tables, sheets, and what is recorded."""

import json
import sys

import cv2
import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor

from napari_inpaint.artifacts import read_manifest
from training import evaluate, export
from training.data import Picture
from training.scoring import Row, make_cases


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
    """An artifact of one channel whose file was renamed."""
    facts = {"schema": 1, "name": "quarter", "title": "Quarter", "provides": ["inpaint", "segment"]}
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


def test_mean_fill_is_the_mean_of_the_known_pixels():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    fill = evaluate.fill_mean(image, mask)
    torch.testing.assert_close(fill[0, :, 0, 0], image[..., 4:].mean((2, 3))[0])
    assert torch.equal(fill[..., 4:], image[..., 4:])


def test_artifact_of_one_channel_is_asked_about_each_channel():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    fill = evaluate.Channelwise(Quarter())(image, mask)
    assert fill.shape == image.shape
    expected = image[..., 4:].mean((2, 3))[0] / 2 + 0.125
    torch.testing.assert_close(fill[0, :, 0, 0], expected)
    assert torch.equal(fill[..., 4:], image[..., 4:])


def test_artifact_of_one_channel_is_asked_once_about_grey():
    class Counting(Quarter):
        asked = 0

        def forward(self, image, mask):
            Counting.asked += len(image)
            return super().forward(image, mask)

    image, mask = torch.rand(1, 1, 8, 8).expand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    fill = evaluate.Channelwise(Counting())(image, mask)
    assert Counting.asked == 1
    assert torch.equal(fill[:, 0], fill[:, 2])


def test_maps_of_an_artifact_of_one_channel_are_the_mean_over_channels():
    image, mask = torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    artifact = evaluate.Channelwise(Quarter())
    torch.testing.assert_close(artifact.segment(image, mask)[0, 0], image[0].mean(0))
    assert not hasattr(artifact, "reliability")


def test_scores_are_recorded_under_the_artifacts_own_name(evaluated, pictures, one_channel):
    rows = evaluated(one_channel, "--data", pictures, "--size", "64", "--record")
    (protocol, recorded) = next(iter(read_manifest(one_channel).scores.items()))
    assert protocol == "pictures, 64 px"
    assert {*recorded} == {"telea", "navier-stokes", "biharmonic", "quarter"}
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
    assert hole["mean"] == pytest.approx(13.0, abs=0.1)
    assert hole["biharmonic"] > hole["mean"] + 15


def test_planes_of_a_stack_are_scored(evaluated, tmp_path):
    stack = np.random.default_rng(0).normal(100, 30, (5, 2, 40, 48)).astype(np.float32)
    stack[0, 0, :3] = np.nan
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "TCYX"})
    scores = tmp_path / "scores.json"
    evaluated("--data", tmp_path / "stack.tif", "--size", "40", "--json", scores)
    assert json.loads(scores.read_text())["mean"]["fills"] == 10 * 4


def test_sheet_shows_other_pictures_and_all_shares(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(evaluate.sheet, "draw", lambda columns, notes, path: drawn.update(columns))
    for count, different, lines in ((24, 12, 12), (5, 5, 12), (1, 1, 4)):
        grey = [np.full((32, 32, 3), 10 * number, np.uint8) for number in range(count)]
        cases = make_cases([Picture(each) for each in grey], 32)
        rows = {name: Row(fills=[case.image for case in cases]) for name in ("mean", "a", "telea")}
        evaluate.draw_sheet(rows, {"telea": "x", "a": "y"}, cases, tmp_path / "sheet.png")
        assert list(drawn) == ["input", "truth", "telea", "a"]
        assert len({each.tobytes() for each in drawn["truth"]}) == different
        inputs = {each.tobytes() for each in drawn["input"]}
        assert len(drawn["input"]) == len(inputs) == lines
        shares = sorted((each == evaluate.HOLE_COLOUR).all(-1).mean() for each in drawn["input"])
        assert shares[0] < 0.2
        assert shares[-1] > 0.4


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
