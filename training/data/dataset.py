"""Folders of pictures, with or without labels, decoded once and cropped at random.

A sample depends on the seed and on its index alone, so a resumed training continues with exactly
the samples that it would have seen. ``folders.py`` says how folders may look.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.data.folders import list_sources, read_classes
from training.data.holes import draw_hole
from training.data.pictures import UNLABELLED, Picture, load_picture

Batch = tuple[Tensor, Tensor, Tensor]
"""Samples of `HoleDataset`: image (N, 3, H, W) float32 in [0, 1], hole (N, 1, H, W) float32 with
1 = hole, and labels (N, H, W) int64 with 255 = unlabelled."""


def load_pictures(
    folder: Path,
    split: str,
    *,
    validation: bool | None,
    short_side: int = 0,
    instances: bool = False,
    cache: Path | None = None,
    at_most: int | None = None,
) -> list[Picture]:
    """Decode one side of a folder into memory, in whatever layout it is.

    Parameters
    ----------
    folder : Path
        In one of the layouts of ``folders.py``.
    split : str
        Name of a file list in ``splits/``, or "".
    validation : bool or None
        The validation side; else the training side; None: both.
    short_side : int
        Shrink to this short side, px; 0 keeps the size.
    instances : bool
        The labels are instances: they become background, inside and boundary.
    cache : Path, optional
        Decode into this folder once, and read from there as it is needed: for what does not fit
        into memory.
    at_most : int, optional
        Take no more than this many, at even distances.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is nothing to load, or a file is not what it should be; it is named.
    """
    sources = list_sources(folder, split, validation=validation)
    sources = sources[:: -(-len(sources) // at_most) if at_most else 1]
    classes = read_classes(folder)
    load = partial(load_picture, short_side=short_side, classes=classes, instances=instances)
    with ThreadPoolExecutor() as pool:
        if cache is None:
            pictures = list(pool.map(load, sources))
        else:
            times = [[path.stat().st_mtime_ns for path in each if path] for each in sources]
            key = repr((folder.resolve(), sources, times, short_side, classes, instances))
            path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"
            pictures = _mapped(path, lambda: pool.map(load, sources))
    maps = [picture.labels for picture in pictures if picture.labels is not None]
    if maps and not instances and all(np.isin(each, (0, UNLABELLED)).all() for each in maps):
        raise ValueError(
            f"All labels under {folder} are 0 or 255, and 255 means unlabelled. "
            "Save the ids of the classes, from 0."
        )
    return pictures


def _mapped(path: Path, decode: Callable[[], Iterable[Picture]]) -> list[Picture]:
    """Return pictures as views of a file that holds them one after another."""
    index = path.with_suffix(".json")
    if not index.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        rows = []
        with temporary.open("wb") as file:
            for picture in decode():
                rows.append([(p.dtype.str, p.shape) for p in picture if p is not None])
                for array in picture:
                    file.write(b"" if array is None else array.tobytes())
        os.replace(temporary, path)
        index.write_text(json.dumps(rows))
    content = np.memmap(path, np.uint8, "r")
    pictures, start = [], 0
    for row in json.loads(index.read_text()):
        arrays = []
        for dtype, shape in row:
            stop = start + int(np.prod(shape)) * np.dtype(dtype).itemsize
            arrays.append(content[start:stop].view(dtype).reshape(shape))
            start = stop
        pictures.append(Picture(*arrays))
    return pictures


def to_tensor(image: NDArray[Any]) -> Tensor:
    """Turn (H, W, C) uint8 or uint16 into a (C, H, W) float32 tensor in [0, 1]."""
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).float() / np.iinfo(image.dtype).max


@dataclass(frozen=True)
class Augment:
    """What is varied at random beside the crop."""

    flip: bool = True
    """Left and right are swapped half of the time."""
    turn: bool = False
    """Turned by a multiple of 90°: for microscopy, where no side is up."""
    gain: float = 0.0
    """Pixels are multiplied by up to 1 + gain, or divided by it."""
    gamma: float = 0.0
    """Pixels are raised to a power up to 1 + gamma, or to its inverse."""


def random_crop(
    rng: np.random.Generator, picture: Picture, size: int, zoom: float, augment: Augment
) -> Picture:
    """Cut a random square, shrink it to ``size`` px, flip and turn it.

    The square's side is drawn between ``size`` and ``zoom * size`` px, as far as the picture
    allows; a smaller picture is enlarged.

    Returns
    -------
    Picture
        (size, size, 3) of the picture's type, and (size, size) labels if it has any.
    """
    height, width = picture.image.shape[:2]
    short = min(height, width)
    side = round(rng.uniform(min(size, short), min(size * zoom, short)))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    flip = augment.flip and rng.random() < 0.5
    turns = int(rng.integers(4)) if augment.turn else 0

    def cut(array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        window = array[y : y + side, x : x + side]
        square = cv2.resize(window, (size, size), interpolation=interpolation)
        return np.rot90(square[:, ::-1] if flip else square, turns)

    image = cut(picture.image, cv2.INTER_AREA if side >= size else cv2.INTER_LINEAR)
    if picture.labels is None:
        return Picture(image)
    return Picture(image, cut(picture.labels, cv2.INTER_NEAREST_EXACT))


def centre_crop(image: NDArray[Any], size: int) -> NDArray[Any]:
    """Cut the central square of ``size`` px out of an image (H, W, C) or of labels (H, W).

    What is smaller is enlarged to fit: images bilinearly, labels by the nearest pixel.
    """
    short = min(image.shape[:2])
    if short < size:
        method = cv2.INTER_NEAREST_EXACT if image.ndim == 2 else cv2.INTER_LINEAR
        scale = size / short
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    y, x = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[y : y + size, x : x + size]


class HoleDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Random crops with random holes: sample ``i`` is ``(image, hole, labels)``.

    ``image`` is (3, size, size) float32 in [0, 1], ``hole`` is (1, size, size) float32, 1 = hole,
    ``labels`` is (size, size) int64, 255 = unlabelled (everywhere, if the picture has no labels).

    Parameters
    ----------
    pictures : sequence of Picture
        What to crop.
    size : int
        Side of the crops, px.
    zoom : float
        Crops cover up to ``zoom * size`` px of the picture before they are shrunk.
    hole_share : tuple of float
        Smallest and largest share of hole pixels.
    seed : tuple of int
        With the index, all that a sample depends on.
    kinds : sequence of str
        Kinds of holes, keys of `holes.KINDS`.
    augment : Augment
        What else is varied.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        size: int,
        zoom: float,
        hole_share: tuple[float, float],
        seed: tuple[int, ...],
        kinds: Sequence[str] = ("irregular",),
        augment: Augment = Augment(),
    ) -> None:
        self.pictures, self.size, self.zoom = pictures, size, zoom
        self.hole_share, self.seed = hole_share, seed
        self.kinds, self.augment = kinds, augment

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([*self.seed, index])
        picture = self.pictures[int(rng.integers(len(self.pictures)))]
        crop = random_crop(rng, picture, self.size, self.zoom, self.augment)
        hole = draw_hole(rng, self.size, self.size, self.kinds, *self.hole_share)
        image = to_tensor(crop.image)
        if self.augment.gamma:
            image = image ** float((1 + self.augment.gamma) ** rng.uniform(-1, 1))
        if self.augment.gain:
            image = (image * float((1 + self.augment.gain) ** rng.uniform(-1, 1))).clamp(0, 1)
        if crop.labels is None:
            labels = torch.full((self.size, self.size), UNLABELLED)
        else:
            labels = torch.from_numpy(np.ascontiguousarray(crop.labels)).long()
        return image, torch.from_numpy(hole).float()[None], labels
