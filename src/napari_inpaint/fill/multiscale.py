"""Fill a hole that is larger than a model's working size: coarse first, then its rim in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks, tiling
from napari_inpaint.arrays.boxes import Box, bounds, crop, grow
from napari_inpaint.arrays.labels import Labels, stack_labels
from napari_inpaint.arrays.masks import Hole

Pixels = npt.NDArray[np.float32]

# (N, H, W, C) in [0, 1], (N, H, W) and, in guided fills, (N, H, W) → (N, H, W, C)
Predict = Callable[[Pixels, Hole, Labels | None], Pixels]

Report = Callable[[float], None]

COARSE_SHARE = 0.25  # of the work: a level has a quarter of the pixels of the next


@dataclass(frozen=True)
class Scale:
    """What a model works on best.

    Attributes
    ----------
    working_size : int
        Widest hole that it fills well at once, px.
    context : int
        Known margin that it wants to see, px.
    step : int
        Heights and widths that it takes are multiples of this, px.
    batch_size : int
        Most samples at once.
    batch_pixels : int
        Most pixels at once, if that leaves one sample.
    """

    working_size: int
    context: int
    step: int
    batch_size: int
    batch_pixels: int

    def batch(self, height: int, width: int) -> int:
        """Return how many samples of this size, px, to take at once."""
        return max(1, min(self.batch_size, self.batch_pixels // (height * width)))

    @property
    def tile(self) -> int:
        """Height and width of a tile, px."""
        return -(-(self.working_size + 2 * self.context) // self.step) * self.step


def fill_large(
    image: Pixels,
    hole: Hole,
    predict: Predict,
    scale: Scale,
    *,
    refine: bool,
    labels: Labels | None = None,
    report: Report = lambda share: None,
) -> Pixels:
    """Fill a hole of any size.

    Whatever lies deeper in the hole than half the working size is taken from a fill at half
    resolution, which is made in the same way. With it as known, the rest is filled in tiles.

    Parameters
    ----------
    image : (H, W, C) float32 array
        In [0, 1], zero in the hole.
    hole : (H, W) bool array
        True = hole; some pixels are, some are not.
    predict : callable
        Takes and returns a batch.
    scale : Scale
        What the model works on best, px.
    refine : bool
        Whether to fill again at full resolution what was filled at reduced size.
    labels : (H, W) uint16 array, optional
        To be guided by.
    report : callable
        Called with the share that is done, from 0 to 1, between batches; what it raises ends all.
    """
    if not hole.any():  # it was thinner than a pixel of the reduced size
        return image
    area = bounds(hole)
    if max(area.bottom - area.top, area.right - area.left) <= scale.working_size:
        (whole, all_hole, wide), back = _padded(image, hole, labels, scale.step)
        only: Pixels = predict(whole[np.newaxis], all_hole[np.newaxis], stack_labels([wide]))[0]
        return only[back]
    depth, reach = masks.depth(hole), scale.working_size // 2
    share = 0.0
    if not refine or depth.max() > reach:
        share = COARSE_SHARE if refine else 1.0
        (even, even_hole, wide), back = _padded(image, hole, labels, 2)
        coarse = fill_large(
            *_halve(even, even_hole),
            predict,
            scale,
            refine=refine,
            labels=None if wide is None else wide[::2, ::2],
            report=lambda done: report(share * done),
        )
        image = np.where(hole[..., np.newaxis], _double(coarse)[back], image)
    if not refine:
        return image
    rim = hole & (depth <= reach)
    rest = 1 - share
    refined = _fill_in_tiles(
        image, rim, predict, scale, labels, lambda done: report(share + rest * done)
    )
    if share:
        # what was refined turns smoothly into what was not
        shown: Pixels = np.clip(2 * (1 - depth / reach), 0, 1).astype(np.float32)[..., np.newaxis]
        refined = shown * refined + (1 - shown) * image
    return np.where(rim[..., np.newaxis], refined, image)


def _fill_in_tiles(
    image: Pixels,
    hole: Hole,
    predict: Predict,
    scale: Scale,
    labels: Labels | None,
    report: Report,
) -> Pixels:
    (image, hole, labels), back = _padded(image, hole, labels, scale.step)
    cover = tiling.cover((hole.shape[0], hole.shape[1]), scale.tile, 2 * scale.context)
    tiles = [tile for tile in cover if hole[tile.window].any()]
    result = np.zeros_like(image)
    size = scale.batch(*cover[0].weights.shape)
    for start in range(0, len(tiles), size):
        batch = tiles[start : start + size]
        filled = predict(
            np.stack([_blank(image[tile.window], hole[tile.window]) for tile in batch]),
            np.stack([hole[tile.window] for tile in batch]),
            stack_labels([None if labels is None else labels[tile.window] for tile in batch]),
        )
        for tile, each in zip(batch, filled, strict=True):
            result[tile.window] += tile.weights[..., np.newaxis] * each
        report((start + len(batch)) / len(tiles))
    return result[back]


def _padded(
    image: Pixels, hole: Hole, labels: Labels | None, step: int
) -> tuple[tuple[Pixels, Hole, Labels | None], tuple[slice, slice]]:
    """Reflect all up to multiples of a step; also return the index of the original."""
    height, width = hole.shape
    box = grow(Box(0, 0, height, width), 0, step, (height, width))
    back = (slice(-box.top, height - box.top), slice(-box.left, width - box.left))
    wide = None if labels is None else crop(labels, box)
    return (crop(image, box), crop(hole, box), wide), back


def _blank(image: Pixels, hole: Hole) -> Pixels:
    return np.where(hole[..., np.newaxis], np.float32(0), image)


def _halve(image: Pixels, hole: Hole) -> tuple[Pixels, Hole]:
    """Average the known pixels of each 2 × 2 block; blocks without any are hole."""
    height, width, channels = image.shape
    blocks = (height // 2, 2, width // 2, 2)
    known = (~hole).reshape(blocks).sum(axis=(1, 3), dtype=np.float32)
    sums = image.reshape(*blocks, channels).sum(axis=(1, 3))
    return sums / np.maximum(known, 1)[..., np.newaxis], known == 0


def _double(image: Pixels) -> Pixels:
    import cv2

    size = (2 * image.shape[1], 2 * image.shape[0])
    # plane by plane: OpenCV takes four channels at most
    planes = [
        cv2.resize(np.ascontiguousarray(image[..., channel]), size, interpolation=cv2.INTER_CUBIC)
        for channel in range(image.shape[-1])
    ]
    return np.stack(planes, axis=-1).clip(0, 1)
