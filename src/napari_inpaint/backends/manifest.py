"""The artifact's manifest: what a ``.pt`` file says of itself, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from napari_inpaint.errors import ArtifactError

SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What an artifact says of itself.

    The fields up to ``summary``, and ``scores``, are those of ``BackendInfo``; the rest say how it
    was made.

    Attributes
    ----------
    classes : tuple of dict
        ``{"name": ..., "colour": "#rrggbb"}`` in the order of the probabilities' channels.
    version : str
        The artifact's version.
    network, recipe : str
        The network's and the recipe's name in ``training/``.
    training_data : tuple of dict
        ``{"name": ..., "licence": ...}`` for each data set that was seen in training.
    commit : str
        The repository's commit when the artifact was made.
    scores : dict
        Names to numbers, or to tables of them.
    torch_version : str
        That wrote the file.
    extra : dict
        Fields that this version does not know; kept, and written back by ``to_json``.

    Raises
    ------
    ArtifactError
        If a field has the wrong type, or ``schema`` is newer than this version knows.
    """

    name: str
    title: str
    provides: tuple[str, ...]
    channels: int | None = None
    classes: tuple[dict[str, str], ...] = ()
    multiple: int = 1
    context: int = 32
    working_size: int = 512
    domain: str = ""
    textured: bool = False
    licence: str = ""
    source: str = ""
    summary: str = ""
    version: str = ""
    network: str = ""
    recipe: str = ""
    training_data: tuple[dict[str, str], ...] = ()
    commit: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    torch_version: str = ""
    schema: int = SCHEMA
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _is_int(self.schema):
            raise _wrong("schema", "a whole number", self.schema)
        if self.schema > SCHEMA:
            raise ArtifactError(
                f"The manifest has schema {self.schema}; this version of napari-inpaint reads up "
                f"to schema {SCHEMA}. Update napari-inpaint to use this artifact."
            )
        for name in ("provides", "classes", "training_data"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)):
                raise _wrong(name, "a list", value)
            object.__setattr__(self, name, tuple(value))
        for each in fields(self):
            check, expected = _CHECKS[str(each.type)]
            value = getattr(self, each.name)
            if not check(value):
                raise _wrong(each.name, expected, value)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read a manifest; unknown fields land in ``extra``.

        Raises
        ------
        ArtifactError
            If the text is not a JSON object, lacks a field, has one of the wrong type, or has a
            newer schema.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"The manifest is not valid JSON: {error}.") from error
        if not isinstance(data, dict):
            raise _wrong("as a whole", "a JSON object", data)
        known = {each.name for each in fields(cls)} - {"extra"}
        values = {name: data[name] for name in known & data.keys()}
        values.setdefault("schema", None)  # a file has to say it, a call need not
        missing = {"name", "title", "provides"} - data.keys()
        if missing:
            raise ArtifactError(f"The manifest lacks the field(s) {', '.join(sorted(missing))}.")
        return cls(**values, extra={name: data[name] for name in data.keys() - known})

    def to_json(self) -> str:
        """Write the manifest, unknown fields included, as indented JSON with sorted keys."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        extra = data.pop("extra")
        return json.dumps(extra | data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _wrong(name: str, expected: str, value: object) -> ArtifactError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ArtifactError(f"Manifest field {name!r} must be {expected}; got {shown}.")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: tuple[object, ...]) -> bool:
    return all(isinstance(each, str) for each in value)


def _are_tables(value: tuple[object, ...]) -> bool:
    return all(
        isinstance(each, Mapping) and _are_texts((*each.keys(), *each.values())) for each in value
    )


# by the field's annotation, which is text in this module
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "text"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "int": (lambda value: _is_int(value) and value >= 1, "a whole number from 1 up"),
    "int | None": (
        lambda value: value is None or (_is_int(value) and value >= 1),
        "a whole number from 1 up, or null",
    ),
    "tuple[str, ...]": (_are_texts, "a list of texts"),
    "tuple[dict[str, str], ...]": (_are_tables, "a list of objects with texts"),
    "dict[str, Any]": (lambda value: isinstance(value, dict), "an object"),
}
