"""Layers to arrays, without Qt: where a layer lies, and whether a mask fits an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_inpaint.gui import messages
from napari_inpaint.gui.sample_layers import MASK_COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Axes = tuple[int, int]  # the two spatial axes of an image in which a plane lies
    Index = tuple[int, ...]  # its position along the others

MaskLayer: TypeAlias = Labels | Shapes | Points
COLOURS = 3  # of RGB and of RGBA
PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def pixels(layer: Image | Labels) -> Any:
    """Return the array of a layer; of a multiscale layer its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def spatial_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Return the shape of a layer's array without the colour axis."""
    return tuple(pixels(layer).shape[: layer.ndim])


def colours(image: Image | None) -> int | None:
    """Return how many colours of an image are filled: 3, for its alpha stays; None if grey."""
    return COLOURS if image is not None and image.rgb else None


def plane_of(array: Any, axes: Axes, index: Index) -> Any:
    """Return a plane of an array, (H, W) or (H, W, C).

    Parameters
    ----------
    array : array
        NumPy (then this is a view of it), or anything that can be indexed like it.
    axes : tuple of int
        The two spatial axes in which the plane lies, the lower one first.
    index : tuple of int
        Its position along the other spatial axes.
    """
    at = iter(index)
    return array[tuple(slice(None) if i in axes else next(at) for i in range(len(index) + 2))]


def mask_problem(mask: MaskLayer, image: Image) -> str | None:
    """Say why the mask does not fit the image, or None if it does; what is drawn always does."""
    return fit_problem(mask, image, "mask", "New mask") if isinstance(mask, Labels) else None


def fit_problem(labels: Labels, image: Image, role: str, button: str) -> str | None:
    """Say why a Labels layer does not fit the image, or None if it does.

    It fits if it lies on the image's pixels: the same shape (or Y, X alone, which then counts for
    every slice) at the same place.

    Parameters
    ----------
    labels, image : layer
        What is compared.
    role : str
        What the layer is used for, as the person reads it.
    button : str
        What can be pressed to get one that fits.
    """
    shape, expected = spatial_shape(labels), spatial_shape(image)
    name = messages.short(labels.name)
    if shape not in (expected, expected[-2:]):
        return (
            f"The {role} “{name}” has the shape {shape}, the image has {expected}. Choose another "
            f"one, or press {button}."
        )
    corners = np.vstack([np.zeros(len(shape)), np.diag(np.subtract(shape, 1))])
    matrix, offset = to_pixels(labels, image)
    if not np.allclose((corners @ matrix.T + offset)[:, -len(shape) :], corners, atol=0.5):
        return (
            f"The {role} “{name}” lies elsewhere than the image: scale or position differ. Copy "
            f"the image's spatial metadata to it, or press {button}."
        )
    return None


def to_pixels(layer: Layer, image: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how a layer's data lie in the image's pixels.

    Returns
    -------
    matrix : (image.ndim, layer.ndim) array
    offset : (image.ndim,) array
        ``points @ matrix.T + offset`` are the points in pixels.
    """
    steps = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)])
    placed = np.array([image.world_to_data(layer.data_to_world(step)) for step in steps])
    return (placed[1:] - placed[0]).T, placed[0]


def show(layer: Layer) -> None:
    """Make a layer visible; napari would put the brush away if it is visible already."""
    if not layer.visible:
        layer.visible = True


def placement(image: Image) -> dict[str, Any]:
    """Return all that says where the image lies, as arguments of a layer on its pixels."""
    return {name: getattr(image, name) for name in PLACEMENT}


def new_mask(image: Image) -> Labels:
    """Return an empty Labels layer on the image's pixels, ready to paint.

    It covers all slices, and lies where the image lies.
    """
    shape = spatial_shape(image)
    mask = Labels(
        np.zeros(shape, dtype=np.uint8),
        name=f"{image.name} · mask",
        colormap=MASK_COLOURS,
        **placement(image),
    )
    mask.brush_size = brush_size(image)
    mask.mode = "paint"
    return mask


def brush_size(image: Image) -> int:
    """Return a brush about a twentieth of the image's shorter side wide, 2 to 40 px."""
    return min(max(round(min(spatial_shape(image)[-2:]) / 20), 2), 40)
