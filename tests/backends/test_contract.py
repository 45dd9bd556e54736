import dataclasses

import pytest

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends.contract import BackendInfo
from napari_inpaint.errors import OptionError


def info(**fields):
    return BackendInfo(**{"name": "mean-fill", "title": "Mean", "provides": {"inpaint"}, **fields})


@pytest.mark.parametrize("provides", [{"inpaint"}, ["inpaint"], ("inpaint",), iter(["inpaint"])])
def test_provides_is_a_frozenset_whatever_came(provides):
    assert info(provides=provides).provides == frozenset({"inpaint"})


def test_classes_become_a_tuple_and_info_stays_hashable():
    road = ClassInfo("road", "#804080")
    assert info(classes=[road]).classes == (road,)
    assert hash(info(classes=[road])) == hash(info(classes=(road,)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        info().name = "other"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "Mean Fill"}, "name"),
        ({"name": "auto"}, "name"),
        ({"name": None}, "name"),
        ({"title": " "}, "title"),
        ({"provides": "inpaint"}, "provides"),
        ({"provides": ()}, "provides"),
        ({"provides": {"paint"}}, "provides"),
        ({"provides": None}, "provides"),
        ({"channels": 0}, "channels"),
        ({"channels": True}, "channels"),
        ({"channels": 3.0}, "channels"),
        ({"multiple": 0}, "multiple"),
        ({"context": -1}, "context"),
        ({"working_size": "256"}, "working_size"),
        ({"domain": None}, "domain"),
        ({"textured": 1}, "textured"),
        ({"textured": None}, "textured"),
        ({"classes": ["road"]}, "classes"),
    ],
)
def test_info_names_the_field_when_a_value_is_wrong(fields, named):
    with pytest.raises(OptionError, match=f"^{named} must be "):
        info(**fields)


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345g", None])
def test_class_needs_a_hexadecimal_colour(colour):
    with pytest.raises(OptionError, match="#rrggbb"):
        ClassInfo("road", colour)
