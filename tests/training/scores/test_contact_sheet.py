"""Contact sheets."""

import numpy as np
import pytest
from PIL import Image

from training.data.pictures import Picture
from training.scores import contact_sheet, objects
from training.scores.cases import Row, make_cases
from training.scores.contact_sheet import GAP, draw_contact_sheet, draw_fills


@pytest.fixture
def columns():
    """Return columns of one colour each, by title."""

    def make(count, size=256, lines=3):
        tile = np.ones((size, size, 3), np.uint8)
        return {f"method-{i}": [tile * np.uint8(20 * i)] * lines for i in range(count)}

    return make


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(("count", "width"), [(2, 516), (7, 1816), (8, 1956), (11, 1954)])
def test_sheet_is_shrunk_to_what_a_page_shows(columns, tmp_path, count, width):
    draw_contact_sheet(columns(count), {}, tmp_path / "sheet.jpg")
    assert opened(tmp_path / "sheet.jpg").shape[1] == width


def test_columns_stand_in_their_order_below_their_titles(columns, tmp_path):
    draw_contact_sheet(columns(4, size=64), {"method-1": "17.4 dB"}, tmp_path / "sheet.png")
    drawn = opened(tmp_path / "sheet.png")
    assert drawn[-1, [10, 78, 146, 214], 0].tolist() == [0, 20, 40, 60]
    head = drawn[: -(3 * 64 + 2 * GAP)]
    dark = (head < 128).all(-1)
    assert all(dark[:, x : x + 64].any() for x in (0, 68, 136, 204))
    ink = [(head[:, x : x + 64] < 200).sum() for x in (0, 68)]
    assert ink[1] > 1.2 * ink[0]  # the note


def test_long_title_stays_in_its_column(columns, tmp_path):
    tiles = columns(1, size=96)["method-0"]
    title = "distilled-inpainting-photo"
    draw_contact_sheet({title: tiles, "": tiles}, {}, tmp_path / "sheet.png")
    drawn = opened(tmp_path / "sheet.png")
    head = drawn[: -(3 * 96 + 2 * GAP)]
    assert (head[:, :96] < 128).any()
    assert (head[:, 96:] == 255).all()


def test_pictures_are_no_narrower_than_asked(columns, tmp_path):
    draw_contact_sheet(columns(12, size=256), {}, tmp_path / "shrunk.png", 192)
    assert opened(tmp_path / "shrunk.png").shape[1] == 12 * (192 + GAP) - GAP
    draw_contact_sheet(columns(3, size=128, lines=2), {}, tmp_path / "grown.png", 192)
    drawn = opened(tmp_path / "grown.png")
    assert drawn.shape[1] == 3 * (192 + GAP) - GAP
    assert drawn[-1, [10, 206, 402], 0].tolist() == [0, 20, 40]


@pytest.fixture
def drawn(monkeypatch):
    """Keep what would be drawn."""
    kept = {}

    def keep(columns, notes, path, least):
        kept.update(columns, notes=notes, least=least)

    monkeypatch.setattr(contact_sheet, "draw_contact_sheet", keep)
    return kept


def test_sheet_shows_other_pictures_and_all_shares(tmp_path, drawn):
    for count, different, lines in ((24, 12, 12), (5, 5, 12), (1, 1, 4)):
        grey = [np.full((32, 32, 3), 10 * number, np.uint8) for number in range(count)]
        cases = make_cases([Picture(each) for each in grey], 32)
        rows = {name: Row(fills=[case.image for case in cases]) for name in ("mean", "a", "telea")}
        draw_fills(rows, {"telea": "x", "a": "y"}, cases, tmp_path / "sheet.png")
        assert list(drawn) == ["input", "truth", "telea", "a", "notes", "least"]
        assert drawn["least"] == 1
        assert len({each.tobytes() for each in drawn["truth"]}) == different
        inputs = {each.tobytes() for each in drawn["input"]}
        assert len(drawn["input"]) == len(inputs) == lines
        hole = contact_sheet.HOLE_COLOUR
        shares = sorted((each == hole).all(-1).mean() for each in drawn["input"])
        assert shares[0] < 0.2
        assert shares[-1] > 0.4


def test_sheet_of_objects_shows_their_surroundings(tmp_path, drawn):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 96, 3), np.uint8) for _ in range(3)]
    flat = [np.full((96, 96, 3), 10 * number, np.uint8) for number in range(9)]
    cases = make_cases([Picture(each) for each in noise + flat], 96, "objects")
    fills = [np.where(case.mask[..., None], 255, case.image).astype(np.uint8) for case in cases]
    draw_fills({"a": Row(fills)}, {"a": "x"}, cases, tmp_path / "sheet.png", crop=True)
    assert drawn["least"] == 192
    assert {len(drawn[name]) for name in ("input", "truth", "a")} == {12}
    holes = [(each == contact_sheet.HOLE_COLOUR).all(-1) for each in drawn["input"]]
    assert all(hole.shape == (48, 48) for hole in holes)
    whole = {case.mask[objects.window(case.mask)].tobytes() for case in cases}
    assert all(hole.tobytes() in whole for hole in holes)
    for hole, filled in zip(holes, drawn["a"], strict=True):
        assert (filled[hole] == 255).all()
    noisy = [each.std() > 20 for each in drawn["truth"]]
    assert noisy == [False, True] * 6  # plain and texture by turns


def test_note_says_what_was_measured():
    scores = {"hole dB": 17.26, "texture": 11.6, "perceptual": 41.2}
    assert contact_sheet.sheet_note(scores) == "17.3 dB, texture 12, perceptual 41"
    del scores["perceptual"]
    assert contact_sheet.sheet_note(scores) == "17.3 dB, texture 12"
