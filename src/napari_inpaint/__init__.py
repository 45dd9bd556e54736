"""Fill holes in images: paint a mask, get the hole filled, every other pixel bit-identical.

The names load on first use: importing this package imports neither torch nor Qt nor napari.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import Backend, BackendInfo, ClassInfo, hookimpl
    from .errors import InpaintError
    from .registry import list_backends
    from .segmentation import Segmentation
    from .stacks import inpaint, segment, variants
    from .variation import Variant

_HOMES = {
    "Backend": "backend",
    "BackendInfo": "backend",
    "ClassInfo": "backend",
    "InpaintError": "errors",
    "Segmentation": "segmentation",
    "Variant": "variation",
    "hookimpl": "backend",
    "inpaint": "stacks",
    "list_backends": "registry",
    "segment": "stacks",
    "variants": "stacks",
}

__all__ = [
    "Backend",
    "BackendInfo",
    "ClassInfo",
    "InpaintError",
    "Segmentation",
    "Variant",
    "hookimpl",
    "inpaint",
    "list_backends",
    "segment",
    "variants",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
