"""Layers to arrays and back, without Qt: what a mask marks, and where a result goes."""

from __future__ import annotations

import weakref
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_inpaint._sample_data import MASK_COLOURS
from napari_inpaint.errors import InpaintError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import LayerList
    from numpy.typing import NDArray

    from napari_inpaint._worker import Filled

MaskLayer: TypeAlias = Labels | Shapes
PROVENANCE = "napari_inpaint"  # the key in `layer.metadata`

# The result layer that belongs to an image layer. Held by identity, so that neither a layer of
# the same name nor a duplicate that the person keeps is ever overwritten.
_results: weakref.WeakKeyDictionary[Image, weakref.ref[Image]] = weakref.WeakKeyDictionary()


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
    """Say why the mask does not fit the image, or None if it does.

    A Labels layer fits if it lies on the image's pixels: the same shape (or Y, X alone, which
    then counts for every slice) at the same place. A Shapes layer fits every image.
    """
    if isinstance(mask, Shapes):
        return None
    shape, expected = spatial_shape(mask), spatial_shape(image)
    if shape not in (expected, expected[-2:]):
        return (
            f"The mask “{mask.name}” has the shape {shape}, the image “{image.name}” {expected}. "
            "Choose a mask made on this image, or press New mask."
        )
    corners = np.vstack([np.zeros(len(shape)), np.diag(np.subtract(shape, 1))])
    if not np.allclose(_in_pixels(corners, mask, image)[:, -len(shape) :], corners, atol=0.5):
        return (
            f"The mask “{mask.name}” lies elsewhere than the image “{image.name}”: its scale or "
            "position differs. Right-click the image, Copy to clipboard, Copy all spatial "
            "metadata; then paste it to the mask. Or press New mask."
        )
    return None


def _in_pixels(points: NDArray[Any], layer: MaskLayer, image: Image) -> NDArray[np.float64]:
    """Return points of a layer, (N, D) in its data, as (N, image.ndim) in the image's pixels."""
    return np.array([image.world_to_data(layer.data_to_world(point)) for point in points])


def hole_of(mask: MaskLayer, image: Image) -> Any:
    """Return the mask as an array with the image's spatial shape, non-zero = hole."""
    shape = spatial_shape(image)
    if isinstance(mask, Shapes):
        return _rasterise(mask, image)
    holes = pixels(mask)
    return holes if tuple(holes.shape) == shape else np.broadcast_to(np.asarray(holes), shape)


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


def result_of(image: Image, layers: LayerList) -> Image | None:
    """Return the layer that earlier fills of this image went to, if it is still open."""
    held = _results.get(image)
    result = held() if held else None
    return result if result in list(layers) else None


def provenance(
    image: Image,
    mask: MaskLayer,
    options: Mapping[str, Any],
    filled: Filled,
    only: tuple[int, ...] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the record of a fill: plain values, fit for JSON.

    Keys: version (of this package), backend, artifact (the SHA-256 of the file that was run;
    None for a backend without one), device, options, image and mask (names of the layers), slice
    (where the sliders stood; None: all slices), time (UTC, ISO 8601), seconds; earlier, the
    record of the result that one slice was added to; input, the image's own record if it is
    itself filled.
    """
    record = {
        "version": version("napari-inpaint"),
        "backend": str(options["backend"]),
        "artifact": filled.artifact,
        "device": filled.device,
        "options": {
            name: value for name, value in options.items() if name not in ("backend", "device")
        },
        "image": image.name,
        "mask": mask.name,
        "slice": None if only is None else list(only),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(filled.seconds, 3),
    }
    if earlier is not None:
        record["earlier"] = dict(earlier)
    if PROVENANCE in image.metadata:
        record["input"] = image.metadata[PROVENANCE]
    return record


def place_result(
    layers: LayerList, image: Image, data: Any, provenance: Mapping[str, Any]
) -> Image:
    """Show a filled image as a layer of its own, and return that layer.

    The first time a layer `<image> · inpainted` is put directly above the image, with
    everything that says how the image lies and looks. Later fills of the same image update it:
    where it lies is taken from the image again, how it looks stays as the person left it.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers; the image is one of them.
    image : Image
        The layer that was filled.
    data : array
        The filled image, with the image's shape and dtype.
    provenance : mapping
        What made it; stored as `layer.metadata["napari_inpaint"]`.
    """
    metadata = {**image.metadata, PROVENANCE: dict(provenance)}
    result = result_of(image, layers)
    if result is not None:
        result.data = data
        result.metadata = metadata
        for name in ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"):
            setattr(result, name, getattr(image, name))
        result.visible = True
        return result
    _, state, _ = image.as_layer_data_tuple()
    state.pop("locked_data_level", None)  # the result has one level
    state |= {
        "name": f"{image.name} · inpainted",
        "metadata": metadata,
        "multiscale": False,
        "visible": True,
    }
    result = Image(data, **state)
    layers.insert(list(layers).index(image) + 1, result)
    _results[image] = weakref.ref(result)
    return result


def new_mask(image: Image) -> Labels:
    """Return an empty Labels layer on the image's pixels, ready to paint.

    It covers all slices, lies where the image lies, and its brush is about a twentieth of the
    image's shorter side wide, 40 px at most.
    """
    shape = spatial_shape(image)
    mask = Labels(
        np.zeros(shape, dtype=np.uint8),
        name=f"{image.name} · mask",
        colormap=MASK_COLOURS,
        scale=image.scale,
        translate=image.translate,
        rotate=image.rotate,
        shear=image.shear,
        affine=image.affine,
        units=image.units,
        axis_labels=image.axis_labels,
    )
    mask.brush_size = min(max(round(min(shape[-2:]) / 20), 2), 40)
    mask.mode = "paint"
    return mask
