"""The contract for backends: all that a third party imports.

A backend package declares an entry point in the group ``napari_inpaint.backends`` whose module
has a function ``napari_inpaint_backends`` marked with ``@hookimpl`` that returns its backends.
Listing must be cheap: import heavy libraries in ``load``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.errors import OptionError

if TYPE_CHECKING:
    import torch

PROJECT = "napari_inpaint"
METHODS = frozenset({"inpaint", "segment", "guide", "reliability", "inpaint_stack"})

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def napari_inpaint_backends() -> Iterable[Backend]:  # type: ignore[empty-body]
    """Return this package's backends; called once, when backends are listed."""


@dataclass(frozen=True)
class BackendInfo:
    """What a backend is and can do; everything that is shown before it is loaded.

    Attributes
    ----------
    name : str
        Unique: lower-case letters, digits, ".", "_" and "-", as in "mean-fill".
    title : str
        What a person reads in a list.
    provides : collection of str
        Names of the methods that the loaded backend has: "inpaint", "segment", "guide",
        "reliability", "inpaint_stack". Any iterable of strings is accepted and kept as a frozenset.
    channels : int or None
        How many channels its tensors have; None: any.
    classes : tuple of ClassInfo
        In the order of the probabilities' channels.
    multiple : int
        Heights and widths are padded to multiples of this, px.
    context : int
        Known margin that it wants to see around a hole, px.
    working_size : int
        Holes wider than this, px, are filled at reduced size first.
    domain : str
        "photo", "fluorescence", …: what "auto" goes by; "": any.
    textured : bool
        Whether its fills have the texture of their surroundings; other fills of photographs get
        it afterwards, unless that is not wanted (``texture=0``).
    licence, source, summary : str
        The terms of the weights or the method; where it comes from; one sentence about it.
    scores : mapping
        How good it is, beside other backends, as ``python -m training.evaluate`` records it:
        ``{"photos, 256 px": {name: {"hole dB": 16.9, "SSIM": 0.815, "texture": 20.6, …}, …}}``,
        where one name is its own.

    Raises
    ------
    OptionError
        If a field has a value that it cannot have; the text names it.
    """

    name: str
    title: str
    provides: Collection[str]
    channels: int | None = None
    classes: tuple[ClassInfo, ...] = ()
    multiple: int = 1
    context: int = 32
    working_size: int = 512
    domain: str = ""
    textured: bool = False
    licence: str = ""
    source: str = ""
    summary: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for text in ("name", "title", "domain", "licence", "source", "summary"):
            value = getattr(self, text)
            _require(isinstance(value, str), text, "text", value)
        _require(
            bool(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name)) and self.name != "auto",
            "name",
            'lower-case letters, digits, ".", "_" and "-" (and not "auto")',
            self.name,
        )
        _require(bool(self.title.strip()), "title", "a text to show", self.title)
        self._normalise_provides()
        _require(isinstance(self.textured, bool), "textured", "True or False", self.textured)
        _require(
            self.channels is None or _is_count(self.channels),
            "channels",
            "a whole number from 1 up, or None for any",
            self.channels,
        )
        for size in ("multiple", "context", "working_size"):
            value = getattr(self, size)
            _require(_is_count(value), size, "a whole number of pixels from 1 up", value)
        object.__setattr__(self, "classes", tuple(self.classes))
        _require(
            all(isinstance(each, ClassInfo) for each in self.classes),
            "classes",
            "ClassInfo(name, colour) for each class",
            self.classes,
        )
        _require(isinstance(self.scores, Mapping), "scores", "tables by data", self.scores)
        object.__setattr__(self, "scores", dict(self.scores))

    def _normalise_provides(self) -> None:
        expected = f"some of {sorted(METHODS)}"
        usable = not isinstance(self.provides, str) and isinstance(self.provides, Iterable)
        _require(usable, "provides", expected, self.provides)
        provides = frozenset(self.provides)
        _require(bool(provides) and provides <= METHODS, "provides", expected, self.provides)
        object.__setattr__(self, "provides", provides)


class Backend(Protocol):
    """What ``napari_inpaint_backends`` returns: a description, and a way to load the model."""

    @property
    def info(self) -> BackendInfo:
        """What the backend is and can do; must be cheap."""
        ...

    def load(self, device: torch.device) -> Any:
        """Return the object that has the methods named in ``info.provides``.

        All take and return float32 tensors on ``device``, and may be called from any thread:

        - ``inpaint(image, mask)``: image (N, C, H, W) in [0, 1], zero in the hole; mask
          (N, 1, H, W), 1 = hole; returns (N, C, H, W) in [0, 1].
        - ``segment(image, mask)``: class probabilities (N, K, H, W), the hole included.
        - ``guide(image, mask, probabilities)``: probabilities (N, K, H, W), one-hot where a
          person painted; returns (N, C, H, W). A backend without "segment" gets equal ones where
          nobody did; one without ``classes`` gets as many as a region's labels have, at least 2.
        - ``reliability(image, mask)``: (N, 1, H, W) in [0, 1], 1 = reliable.
        - ``inpaint_stack(image, mask)``: image (N, C, D, H, W) in [0, 1], zero in the hole; mask
          (N, 1, D, H, W), 1 = hole; D = slices along z or t; returns (N, C, D, H, W) in [0, 1].
          With "auto" it is one of the candidates that a jury weighs wherever slices have
          neighbours; a backend that was named fills stacks with it.
        """
        ...


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _require(condition: bool, field: str, expected: str, value: object) -> None:
    if not condition:
        raise OptionError(f"{field} must be {expected}; got {value!r}.")
