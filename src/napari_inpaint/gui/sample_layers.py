"""The bundled pictures as napari layers: each an image, and the mask of its damage above it."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_inpaint.samples import pictures

MASK_COLOURS = {None: "magenta", 0: "transparent"}  # seen on photos and on grey images alike

LayerData = tuple[Any, dict[str, Any], str]


def photo() -> list[LayerData]:
    """Return the scratched photo and its mask."""
    return _layers(pictures.photo())


def stack() -> list[LayerData]:
    """Return the stack with dust and debris and its mask."""
    return _layers(pictures.stack())


def nuclei() -> list[LayerData]:
    """Return the nuclei and the mask of what is lost."""
    return _layers(pictures.nuclei())


def _layers(sample: pictures.Sample) -> list[LayerData]:
    axis_labels = tuple(sample.axes.replace("C", "").lower())
    image = {
        "name": sample.name,
        "rgb": "C" in sample.axes,
        "axis_labels": axis_labels,
        "metadata": {"credit": sample.credit},
    }
    mask = {
        "name": f"{sample.name} · mask",
        "axis_labels": axis_labels,
        "colormap": MASK_COLOURS,
    }
    return [(sample.image, image, "image"), (sample.mask.astype(np.uint8), mask, "labels")]
