import math

import pytest

from napari_inpaint.backends.contract import BackendInfo
from napari_inpaint.backends.scores import Score, comparisons

OWN = {"hole dB": 16.9, "SSIM": 0.815, "texture": 20, "ms": 900}
TELEA = {"hole dB": 16.6, "SSIM": 0.824, "texture": 26.1}
SMOOTH = {"hole dB": 16.0, "SSIM": 0.828, "texture": 28.7}


def info(scores, name="mine"):
    return BackendInfo(name=name, title="Mine", provides={"inpaint"}, scores=scores)


def test_table_is_read_with_the_classical_fill_nearest_to_the_truth_as_reference():
    table = {"biharmonic": SMOOTH, "mine": OWN, "telea": TELEA}
    (found,) = comparisons(info({"photos, 256 px": table}))
    assert found.data == "photos, 256 px"
    assert found.own == Score(16.9, 0.815, 20.0)
    assert found.others == {"telea": Score(16.6, 0.824, 26.1), "biharmonic": Score(16, 0.828, 28.7)}
    assert found.reference == "telea"


def test_perceptual_distance_is_read_where_it_was_measured():
    measured = {"mine": OWN | {"perceptual": 40.5}, "telea": TELEA | {"perceptual": math.nan}}
    (found,) = comparisons(info({"photos": measured | {"biharmonic": SMOOTH}}))
    assert found.own == Score(16.9, 0.815, 20.0, 40.5)
    assert found.others["telea"].perceptual is None
    assert found.others["biharmonic"].perceptual is None


def test_several_tables_come_sorted_by_their_data():
    table = {"mine": OWN, "telea": TELEA}
    assert [each.data for each in comparisons(info({"b": table, "a": table}))] == ["a", "b"]


@pytest.mark.parametrize(
    "scores",
    [
        {},
        {"hole dB": 16.9},
        {"photos": {}},
        {"photos": {"mine": OWN}},
        {"photos": {"telea": TELEA}},
        {"photos": {"other": OWN, "telea": TELEA}},
        {"photos": {"mine": {"2 x": 30.1}, "bicubic": {"2 x": 29.0}}},
        {"photos": {"mine": OWN | {"SSIM": "good"}, "telea": TELEA}},
        {"photos": {"mine": OWN | {"texture": None}, "telea": TELEA}},
        {"photos": {"mine": OWN | {"hole dB": math.nan}, "telea": TELEA}},
        {"photos": {"mine": OWN | {"hole dB": True}, "telea": TELEA}},
        {"photos": {"mine": [1, 2], "telea": TELEA}},
        {"photos": {"mine": OWN, "telea": 16.6}},
    ],
)
def test_what_compares_nothing_is_left(scores):
    assert comparisons(info(scores)) == []
