"""Layers to arrays, without Qt: what a mask marks, and whether it fits an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui import messages
from napari_inpaint.gui.sample_layers import MASK_COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

MaskLayer: TypeAlias = Labels | Shapes
PLACEMENT = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def pixels(layer: Image | Labels) -> Any:
    """Return the array of a layer; of a multiscale layer its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def spatial_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Return the shape of a layer's array without the colour axis."""
    return tuple(pixels(layer).shape[: layer.ndim])


def channels(image: Image | None) -> int | None:
    """Return the length of an image's colour axis: 3 or 4; None if it has none."""
    return int(pixels(image).shape[-1]) if image is not None and image.rgb else None


def mask_problem(mask: MaskLayer, image: Image) -> str | None:
    """Say why the mask does not fit the image, or None if it does; a Shapes layer always does."""
    return None if isinstance(mask, Shapes) else fit_problem(mask, image, "mask", "New mask")


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
    if not np.allclose(_in_pixels(corners, labels, image)[:, -len(shape) :], corners, atol=0.5):
        return (
            f"The {role} “{name}” lies elsewhere than the image: scale or position differ. Copy "
            f"the image's spatial metadata to it, or press {button}."
        )
    return None


def _in_pixels(points: NDArray[Any], layer: MaskLayer, image: Image) -> NDArray[np.float64]:
    """Return points of a layer, (N, D) in its data, as (N, image.ndim) in the image's pixels."""
    return np.array([image.world_to_data(layer.data_to_world(point)) for point in points])


def hole_of(mask: MaskLayer, image: Image) -> Any:
    """Return the mask as an array with the image's spatial shape, non-zero = hole."""
    return _rasterise(mask, image) if isinstance(mask, Shapes) else spread(mask, image)


def spread(labels: Labels, image: Image) -> Any:
    """Return the array of a Labels layer with the image's spatial shape, repeated for slices."""
    shape, array = spatial_shape(image), pixels(labels)
    return array if tuple(array.shape) == shape else np.broadcast_to(np.asarray(array), shape)


def _rasterise(shapes: Shapes, image: Image) -> NDArray[np.bool_]:
    """Return what the shapes cover, (..., Y, X) in the image's pixels, True = hole.

    Each shape is filled on the slice on which it was drawn; shapes of a two-dimensional layer
    are filled on every slice.
    """
    shape = spatial_shape(image)
    hole = np.zeros(shape, dtype=bool)
    on_slice: dict[tuple[int, ...], list[tuple[NDArray[Any], str]]] = {}
    for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
        points = _in_pixels(vertices, shapes, image)
        where = np.round(points[:, :-2]).astype(int)
        if shapes.ndim < image.ndim:
            index: tuple[int, ...] = ()
        elif (where != where[0]).any():
            raise InpaintError(
                f"A shape of “{shapes.name}” does not lie within one slice of “{image.name}”. "
                "Draw it with the last two axes shown, or use a Labels layer as mask."
            )
        else:
            index = tuple(int(i) for i in where[0])
        if all(0 <= i < n for i, n in zip(index, shape, strict=False)):
            on_slice.setdefault(index, []).append((points[:, -2:], kind))
    for index, drawn in on_slice.items():
        flat = Shapes([points for points, _ in drawn], shape_type=[kind for _, kind in drawn])
        hole[index] |= flat.to_labels(shape[-2:]) > 0
    return hole


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
