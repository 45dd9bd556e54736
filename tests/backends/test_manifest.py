import json

import pytest

from napari_inpaint.backends.manifest import SCHEMA, Manifest
from napari_inpaint.errors import ArtifactError

FULL = {
    "schema": 1,
    "name": "pconv-photo",
    "title": "PConv",
    "provides": ["inpaint"],
    "channels": 3,
    "classes": [{"name": "road", "colour": "#804080"}],
    "multiple": 32,
    "context": 48,
    "working_size": 256,
    "domain": "photo",
    "textured": True,
    "licence": "BSD-3-Clause",
    "source": "https://example.org",
    "summary": "Fills photos.",
    "version": "1",
    "network": "pconv",
    "recipe": "pconv-photo",
    "training_data": [{"name": "photos", "licence": "CC0-1.0"}],
    "commit": "abc",
    "scores": {"hole_psnr": 20.5},
    "torch_version": "2.13.0",
}


def test_json_round_trip_keeps_every_field_and_unknown_ones():
    text = json.dumps(FULL | {"colour_of_the_sky": ["blue"]})
    manifest = Manifest.from_json(text)
    assert manifest.extra == {"colour_of_the_sky": ["blue"]}
    assert manifest.training_data == ({"name": "photos", "licence": "CC0-1.0"},)
    assert json.loads(manifest.to_json()) == json.loads(text)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_only_name_title_provides_and_schema_are_needed():
    manifest = Manifest.from_json(
        '{"schema": 1, "name": "a", "title": "A", "provides": ["inpaint"]}'
    )
    assert (manifest.channels, manifest.multiple, manifest.scores) == (None, 1, {})
    assert manifest.textured is False


def test_newer_schema_is_refused_and_says_to_update():
    with pytest.raises(ArtifactError, match=f"schema {SCHEMA + 1}.*Update napari-inpaint"):
        Manifest.from_json(json.dumps(FULL | {"schema": SCHEMA + 1, "provides": {"new": "form"}}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "1"),
        ("schema", 0),
        ("schema", None),
        ("schema", True),
        ("name", 3),
        ("title", None),
        ("provides", "inpaint"),
        ("provides", [1]),
        ("channels", "3"),
        ("channels", 0),
        ("classes", [{"name": 1}]),
        ("classes", {"road": "#804080"}),
        ("multiple", 1.5),
        ("context", True),
        ("working_size", None),
        ("textured", 1),
        ("textured", "true"),
        ("textured", None),
        ("training_data", ["photos"]),
        ("scores", []),
        ("commit", 7),
    ],
)
def test_wrong_type_is_refused_with_the_field_named(field, value):
    with pytest.raises(ArtifactError, match=f"'{field}' must be"):
        Manifest.from_json(json.dumps(FULL | {field: value}))


@pytest.mark.parametrize("field", ["schema", "name", "title", "provides"])
def test_missing_field_is_named(field):
    with pytest.raises(ArtifactError, match=field):
        Manifest.from_json(json.dumps({k: v for k, v in FULL.items() if k != field}))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "null", '"text"', b"\xff\xfe\x00"])
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(ArtifactError, match="JSON"):
        Manifest.from_json(text)
