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
    from .stacks import inpaint

_HOMES = {
    "Backend": "backend",
    "BackendInfo": "backend",
    "ClassInfo": "backend",
    "InpaintError": "errors",
    "hookimpl": "backend",
    "inpaint": "stacks",
    "list_backends": "registry",
}

__all__ = [
    "Backend",
    "BackendInfo",
    "ClassInfo",
    "InpaintError",
    "hookimpl",
    "inpaint",
    "list_backends",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
