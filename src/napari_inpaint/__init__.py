"""Fill holes in images: paint a mask, get the hole filled, every other pixel bit-identical.

The names load on first use: importing this package imports neither torch nor Qt nor napari.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_inpaint.api import inpaint, segment, variants
    from napari_inpaint.arrays.labels import ClassInfo
    from napari_inpaint.backends.contract import Backend, BackendInfo, hookimpl
    from napari_inpaint.backends.registry import list_backends
    from napari_inpaint.errors import InpaintError
    from napari_inpaint.fill.inpaint import Filled
    from napari_inpaint.fill.segment import Segmentation
    from napari_inpaint.fill.variants import Variant

_HOMES = {
    "Backend": "backends.contract",
    "BackendInfo": "backends.contract",
    "ClassInfo": "arrays.labels",
    "Filled": "fill.inpaint",
    "InpaintError": "errors",
    "Segmentation": "fill.segment",
    "Variant": "fill.variants",
    "hookimpl": "backends.contract",
    "inpaint": "api",
    "list_backends": "backends.registry",
    "segment": "api",
    "variants": "api",
}

__all__ = [
    "Backend",
    "BackendInfo",
    "ClassInfo",
    "Filled",
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
