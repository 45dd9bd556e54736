"""Cover an area with overlapping tiles whose weights are smooth and sum to one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.errors import OptionError


@dataclass(frozen=True)
class Tile:
    """A window of an area.

    Attributes
    ----------
    rows, columns : slice
        Where it is, px.
    weights : (H, W) float32 array
        How much it counts at each of its pixels; over all tiles these sum to one.
    """

    rows: slice
    columns: slice
    weights: npt.NDArray[np.float32]

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the tile in an (H, W, …) array."""
        return self.rows, self.columns


def cover(shape: tuple[int, int], tile: int, overlap: int) -> list[Tile]:
    """Cover an area with tiles, all of one size.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the area, px.
    tile : int
        Largest height and width of a tile, px.
    overlap : int
        Least px that neighbours share, smaller than ``tile``.

    Raises
    ------
    OptionError
        If the overlap is not smaller than the tile.
    """
    if not 0 <= overlap < tile:
        raise OptionError(f"overlap must be from 0 to {tile - 1} px (tile - 1); got {overlap}.")
    rows, columns = (_windows(length, min(tile, length), overlap) for length in shape)
    return [
        Tile(
            slice(y, y + len(down)),
            slice(x, x + len(across)),
            np.outer(down, across).astype(np.float32),
        )
        for y, down in rows
        for x, across in columns
    ]


def _windows(length: int, tile: int, overlap: int) -> list[tuple[int, npt.NDArray[np.float64]]]:
    """Return start and weights of each window along one axis."""
    count = 1 if tile == length else math.ceil((length - overlap) / (tile - min(overlap, tile - 1)))
    starts = [round(k * (length - tile) / max(count - 1, 1)) for k in range(count)]
    # a bump that falls smoothly towards both ends and stays above zero
    bump = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += bump
    return [(start, bump / total[start : start + tile]) for start in starts]
