"""Put the probabilities of overlapping tiles together, holding few rows of a slice at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import intensity, masks
from .masks import Box, Hole
from .tiling import Tile

Pixels = npt.NDArray[np.float32]


class Mosaic:
    """A (Y, X) slice while its tiles come in; only the rows that more are to come for are kept."""

    def __init__(
        self,
        pixels: npt.NDArray[Any],
        hole: Hole,
        box: Box,
        tiles: list[Tile],
        classes: int,
        targets: Sequence[Any],
    ) -> None:
        self.pixels, self.hole, self.box = pixels, hole, box
        self.limits = intensity.limits_of(pixels, hole)
        self.last = tiles[-1]
        self.classes = classes
        self.labels, self.confidence, self.reliability, self.probabilities = targets
        depth = classes + (self.reliability is not None)
        height = tiles[0].weights.shape[0]
        self.band = np.zeros((height, box.right - box.left, depth), np.float32)
        self.top = 0  # of the band, in the box

    def look(self, tile: Tile) -> tuple[Pixels, Hole]:
        """Return what the model sees of a tile."""
        window = Box(
            tile.rows.start + self.box.top,
            tile.columns.start + self.box.left,
            tile.rows.stop + self.box.top,
            tile.columns.stop + self.box.left,
        )
        hole = masks.crop(self.hole, window)
        return intensity.to_unit(masks.crop(self.pixels, window), hole, self.limits), hole

    def add(self, tile: Tile, answer: Pixels) -> None:
        """Blend in what the model said of a tile; tiles come row by row, from the top."""
        self._settle(tile.rows.start - self.top)
        self.band[:, tile.columns] += tile.weights[..., np.newaxis] * answer
        if tile is self.last:
            self._settle(len(self.band))

    def _settle(self, count: int) -> None:
        """Write so many rows out, and move the band down by them."""
        start = self.top + self.box.top
        height, width = self.hole.shape
        rows = slice(max(start, 0), max(min(start + count, height), 0))
        left = -self.box.left
        ready = self.band[rows.start - start : rows.stop - start, left : left + width]
        probabilities = ready[..., : self.classes]
        self.labels[rows] = probabilities.argmax(axis=-1) + 1
        self.confidence[rows] = np.minimum(probabilities.max(axis=-1), 1)
        if self.reliability is not None:
            self.reliability[rows] = np.where(self.hole[rows], ready[..., -1], 1).clip(0, 1)
        if self.probabilities is not None:
            self.probabilities[rows] = probabilities
        self.band = np.concatenate([self.band[count:], np.zeros_like(self.band[:count])])
        self.top += count
