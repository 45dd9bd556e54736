"""Kinds of pixels that are looked for: painted ones, missing ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_inpaint.arrays import masks
from napari_inpaint.gui.image_layers import COLOURS
from napari_inpaint.gui.marks import any_label

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sought(Protocol):
    """A kind of pixel."""

    def where(self, block: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return where such pixels are in a part of a plane, (h, w); None: nowhere."""


@dataclass(frozen=True)
class Marked:
    """Pixels with a label."""

    def where(self, block: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return where (h, w) labels are not 0."""
        return block != 0 if any_label(block) else None


@dataclass(frozen=True)
class Missing:
    """Pixels of an image that say nothing.

    Attributes
    ----------
    values : tuple of float
        What counts as missing besides NaN and infinite values.
    """

    values: tuple[float, ...] = ()

    def possible(self, array: Any) -> bool:
        """Whether an image of this type can have such pixels."""
        return np.dtype(array.dtype).kind == "f" or bool(self.values)

    def where(self, block: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Return where (h, w) or (h, w, C) pixels are missing; alpha does not count."""
        coloured = block[..., :COLOURS] if block.ndim > 2 else block[..., np.newaxis]
        return masks.missing_pixels(coloured, self.values)
