"""Contact sheets."""

import numpy as np
import pytest
from PIL import Image

from training.scores.contact_sheet import GAP, draw_contact_sheet


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
