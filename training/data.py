"""Folders of pictures, decoded once and cropped at random.

A sample depends on the seed and on its index alone, so a resumed training continues with exactly
the samples that it would have seen.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from training.masks import irregular

Image = NDArray[np.uint8]

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
SPLITS = Path(__file__).with_name("splits")


def read_split(name: str) -> dict[str, str]:
    """Return the validation files of a data set: file name to the start of its SHA-256.

    ``splits/<name>.txt`` holds one ``<hash>  <file name>`` a line; those are never trained on.
    """
    rows = (SPLITS / f"{name}.txt").read_text().split("\n")
    return {file: digest for digest, file in (row.split("  ", 1) for row in rows if row)}


def list_images(folder: Path, split: str, *, validation: bool) -> list[Path]:
    """List the training or the validation pictures of a folder.

    Parameters
    ----------
    folder : Path
        Searched recursively for JPEG, PNG and TIFF files.
    split : str
        Name of the split file, or "" for a folder of one's own: every twentieth file, in the order
        of the names' hashes, is then kept apart for validation.
    validation : bool
        Which of the two sides to return.

    Raises
    ------
    FileNotFoundError
        If the folder holds no picture of that side.
    ValueError
        If a validation file's content is not what the split was made with.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    kept = read_split(split) if split else {}
    if kept:
        chosen = [p for p in files if (p.name in kept) == validation]
    else:
        names = sorted(files, key=lambda p: hashlib.sha256(p.name.encode()).hexdigest())
        held = set(names[::20])
        chosen = [p for p in files if (p in held) == validation]
    if not chosen:
        side = "validation" if validation else "training"
        raise FileNotFoundError(
            f"Expected {side} pictures ({', '.join(sorted(SUFFIXES))}) under {folder}, found none "
            f"among {len(files)} pictures. Check --data."
        )
    if validation:
        for path in chosen:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if kept and not digest.startswith(kept[path.name]):
                raise ValueError(
                    f"{path.name} is not the file that the split {split!r} was made with "
                    f"({digest[:16]}, expected {kept[path.name]}). Scores would not compare."
                )
    return chosen


def load_image(path: Path, short_side: int = 0) -> Image:
    """Decode a picture to (H, W, 3) uint8 RGB.

    ``short_side`` (px) shrinks a picture whose short side is longer; 0 keeps the size.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path} cannot be read as a picture. Remove it from the folder.")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    scale = short_side / min(rgb.shape[:2])
    if short_side and scale < 1:
        size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(rgb, np.uint8)


def load_images(paths: list[Path], short_side: int = 0) -> list[Image]:
    """Decode many pictures into memory, in parallel."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda path: load_image(path, short_side), paths))


def to_tensor(image: Image) -> Tensor:
    """Turn (H, W, C) uint8 into a (C, H, W) float32 tensor in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def random_crop(rng: np.random.Generator, image: Image, size: int, zoom: float) -> Image:
    """Cut a random square, shrink it to ``size`` px, flip it half of the time.

    The square's side is drawn between ``size`` and ``zoom * size``, as far as the picture allows;
    a smaller picture is enlarged.
    """
    height, width = image.shape[:2]
    short = min(height, width)
    side = round(rng.uniform(min(size, short), min(size * zoom, short)))
    y, x = rng.integers(height - side + 1), rng.integers(width - side + 1)
    crop = image[y : y + side, x : x + side]
    method = cv2.INTER_AREA if side >= size else cv2.INTER_LINEAR
    crop = np.asarray(cv2.resize(crop, (size, size), interpolation=method), np.uint8)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def centre_crop(image: Image, size: int) -> Image:
    """Cut the central square of ``size`` px; a smaller picture is enlarged to fit."""
    short = min(image.shape[:2])
    if short < size:
        scale = size / short
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), np.uint8
        )
    y, x = (image.shape[0] - size) // 2, (image.shape[1] - size) // 2
    return image[y : y + size, x : x + size]


class HoleDataset(Dataset[tuple[Tensor, Tensor]]):
    """Random crops with random holes: sample ``i`` is ``(image, hole)``.

    ``image`` is (3, size, size) float32 in [0, 1], ``hole`` is (1, size, size) float32, 1 = hole.
    """

    def __init__(
        self,
        images: list[Image],
        size: int,
        zoom: float,
        hole_share: tuple[float, float],
        seed: tuple[int, ...],
    ) -> None:
        self.images, self.size, self.zoom = images, size, zoom
        self.hole_share, self.seed = hole_share, seed

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([*self.seed, index])
        image = self.images[int(rng.integers(len(self.images)))]
        crop = random_crop(rng, image, self.size, self.zoom)
        hole = irregular(rng, self.size, self.size, *self.hole_share)
        return to_tensor(crop), torch.from_numpy(hole).float()[None]
