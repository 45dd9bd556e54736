"""One picture and its labels, from their files to arrays."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as pillow

from napari_inpaint.arrays import axes
from napari_inpaint.arrays.intensity import limits_of, to_unit
from napari_inpaint.files import formats
from training.data.folders import CITYSCAPES_IDS, CITYSCAPES_SUFFIX, Class, Source

Pixels = NDArray[Any]  # uint8 or uint16
Labels = NDArray[np.uint8]

UNLABELLED = 255


class Picture(NamedTuple):
    """A decoded picture."""

    image: Pixels
    """(H, W, 3) uint8 or uint16 RGB"""
    labels: Labels | None = None
    """(H, W) class ids from 0; 255 = unlabelled"""


def stretch(pixels: NDArray[Any]) -> Pixels:
    """Map (H, W) or (H, W, C) pixels to the whole range of their type, as the plugin does.

    Grey becomes three equal channels. The limits are robust percentiles of each channel, with
    headroom: what the network sees in training is what it sees inside napari.
    """
    channels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    nothing = np.zeros(pixels.shape[:2], bool)
    unit = to_unit(channels, nothing, limits_of(channels, nothing))
    top = np.iinfo(pixels.dtype).max
    stretched = np.rint(unit * np.float32(top)).astype(pixels.dtype)
    return np.repeat(stretched, 3, axis=2) if pixels.ndim == 2 else stretched


def _decode(path: Path) -> Pixels:
    """Read a picture at its own size: (H, W, 3) uint8 or uint16 RGB."""
    pixels: NDArray[Any] | None
    if path.suffix.lower() in (".tif", ".tiff"):
        try:
            pixels = tifffile.imread(path)
        except (OSError, RuntimeError, ValueError):  # tifffile's and imagecodecs' own errors
            pixels = None
    else:
        pixels = cv2.imread(str(path), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        if pixels is not None and pixels.ndim == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if pixels is None or not pixels.size:
        raise ValueError(f"{path} cannot be read as a picture. Remove it from the folder.")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3]  # without alpha
    plane = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not plane or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"Expected a grey or RGB picture of 8 or 16 bits, {path} holds {pixels.dtype} pixels "
            f"of shape {pixels.shape}. Save each plane as a file of its own (evaluate also takes "
            "a stack itself)."
        )
    return pixels if pixels.dtype == np.uint8 and pixels.ndim == 3 else stretch(pixels)


def _shrink(array: NDArray[Any], short_side: int, interpolation: int) -> NDArray[Any]:
    """Shrink (H, W, ...) to a short side in px, unless it is shorter or ``short_side`` is 0."""
    scale = short_side / min(array.shape[:2])
    if not 0 < scale < 1:
        return array
    size = (round(array.shape[1] * scale), round(array.shape[0] * scale))
    return np.asarray(cv2.resize(array, size, interpolation=interpolation))


def in_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Return uint8 or uint16 pixels as uint8, rounded."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    return np.rint(pixels / 257).astype(np.uint8)


def load_planes(path: Path) -> list[Picture]:
    """Decode the planes of a stack (TIFF or NPY, any type the plugin takes) to 8-bit RGB.

    Each plane is stretched by itself, in each channel (see ``stretch``); grey becomes three equal
    channels, of other channels than three each is a picture.

    Raises
    ------
    InpaintError
        If the file cannot be read, or is no image.
    """
    file = formats.read(path)
    named = axes.parse(file.axes, file.array.shape)
    view = named.image_view(file.array)
    planes = view.reshape(-1, *view.shape[-3:])
    if named.colours != 3:
        planes = np.moveaxis(planes, -1, 1).reshape(-1, *planes.shape[1:3], 1)
    pictures = []
    for plane in planes:
        unknown = ~np.isfinite(plane).all(-1)
        if unknown.all():
            continue
        unit = to_unit(plane, unknown, limits_of(plane, unknown))
        image = np.rint(unit * np.float32(255)).astype(np.uint8)
        pictures.append(Picture(np.repeat(image, 3 // image.shape[2], axis=2)))
    return pictures


def _from_colours(pixels: NDArray[np.uint8], classes: tuple[Class, ...]) -> Labels:
    """Turn (H, W, 3) colours into class ids; a colour that no class has is unlabelled."""
    labels = np.full(pixels.shape[:2], UNLABELLED, np.uint8)
    for number, (_, colour) in enumerate(classes):
        labels[(pixels == np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)).all(-1)] = number
    return labels


def _decode_labels(path: Path, classes: tuple[Class, ...], instances: bool) -> NDArray[Any]:
    """Read (H, W) class ids (uint8), or instance numbers of any integer type."""
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            labels: NDArray[Any] = tifffile.imread(path)
        else:
            with pillow.open(path) as file:
                labels = np.asarray(file)  # of a palette's pixels, the numbers
    except (OSError, RuntimeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as labels: {error}. Replace it.") from error
    if labels.ndim == 3 and classes and not instances:
        return _from_colours(labels[..., :3], classes)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise ValueError(
            f"Expected one whole number a pixel, {path} holds {labels.dtype} of shape "
            f"{labels.shape}. Coloured maps need a classes.csv that tells their colours."
        )
    if instances:
        return labels
    if path.name.endswith(CITYSCAPES_SUFFIX):
        return np.asarray(CITYSCAPES_IDS[labels])
    wrong = labels[(labels < 0) | (labels > UNLABELLED)]
    if classes:
        wrong = labels[(labels >= len(classes)) & (labels != UNLABELLED)]
    if wrong.size:
        limit = len(classes) or UNLABELLED
        raise ValueError(
            f"Expected class ids from 0 to {limit - 1}, or 255 for unlabelled, {path} holds "
            f"{wrong.max()}. Are these instances? Then say so (--instances)."
        )
    return labels.astype(np.uint8)


def instance_classes(instances: NDArray[Any]) -> Labels:
    """Turn (H, W) uint8 or uint16 instances, 0 = background, into three classes.

    They are background 0, inside 1 and boundary 2.
    The boundary is 2 px wide: the pixels on both sides of every edge, also between two instances
    that touch.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    boundary = cv2.dilate(instances, cross) != cv2.erode(instances, cross)
    return np.where(boundary, np.uint8(2), (instances > 0).view(np.uint8))


def highest_class(maps: Iterable[Labels]) -> int:
    """Return the highest id in (H, W) class maps; 0 if there is none."""
    return max((int(each[each != UNLABELLED].max(initial=0)) for each in maps), default=0)


def load_picture(
    source: Source,
    short_side: int = 0,
    classes: tuple[Class, ...] = (),
    instances: bool = False,
) -> Picture:
    """Decode a picture and its labels.

    8-bit RGB stays as it is; grey and 16-bit pictures are stretched (see `stretch`) and keep their
    type.

    Parameters
    ----------
    source : Source
        Its files.
    short_side : int
        Shrink to this short side, px; 0 keeps the size.
    classes : tuple of Class
        What the ids mean; needed for maps that are coloured pictures.
    instances : bool
        The labels are instances: they become background, inside and boundary.

    Raises
    ------
    ValueError
        If a file is broken or does not hold what it should; it is named.
    """
    image = _decode(source.image)
    if source.labels is None:
        return Picture(_shrink(image, short_side, cv2.INTER_AREA))
    labels = _decode_labels(source.labels, classes, instances)
    if labels.shape != image.shape[:2]:
        raise ValueError(
            f"{source.labels} has the shape {labels.shape}, its picture {image.shape[:2]}. "
            "Labels must have the size of their picture."
        )
    if instances and labels.dtype not in (np.uint8, np.uint16):  # which OpenCV can shrink
        labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint16)
    labels = _shrink(labels, short_side, cv2.INTER_NEAREST_EXACT)
    image = _shrink(image, short_side, cv2.INTER_AREA)
    return Picture(image, instance_classes(labels) if instances else labels)
