"""Where what a run gives is put: layers on the image's pixels, with the record of their making."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils import Colormap

from napari_inpaint.gui.image_layers import PLACEMENT, placement, show, spatial_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari.components import LayerList

    from napari_inpaint.gui.image_layers import MaskLayer

Held: TypeAlias = "weakref.WeakKeyDictionary[Image, weakref.ref[Image]]"

PROVENANCE = "napari_inpaint"  # the key in `layer.metadata`
OUTLINE = 200  # an outline is this part of the image's shorter side wide
FAINT, SHOWN = 0.3, 0.7  # opacity of shapes
# Covers what is doubted, and lets the picture show where the model is sure.
DOUBT = Colormap(
    [[0.8, 0, 0.5, 0.9], [1, 0.6, 0, 0.75], [1, 1, 0.4, 0]], controls=[0, 0.5, 1], name="doubt"
)
# What was made from an image layer: the layers that further runs update, and all fills. Held by
# identity, so that neither a namesake nor a duplicate that the person keeps is ever overwritten.
_results: Held = weakref.WeakKeyDictionary()
_reliability: Held = weakref.WeakKeyDictionary()
_fills: weakref.WeakKeyDictionary[Image, weakref.WeakSet[Image]] = weakref.WeakKeyDictionary()


def provenance(
    image: Image,
    mask: MaskLayer | None,
    made: Mapping[str, Any],
    only: tuple[int, ...] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the record of a run: plain values, fit for JSON.

    Keys: those of `Plan.record`; image and mask (names of the layers), slice (where the sliders
    stood; None: all slices); earlier, the record of the result that one slice was added to; input,
    the image's own record if it is itself filled.
    """
    record = {
        **made,
        "image": image.name,
        "mask": None if mask is None else mask.name,
        "slice": None if only is None else list(only),
    }
    if earlier is not None:
        record["earlier"] = dict(earlier)
    if PROVENANCE in image.metadata:
        record["input"] = image.metadata[PROVENANCE]
    return record


def result_of(image: Image, layers: LayerList) -> Image | None:
    """Return the layer that earlier fills of this image went to, if it is still open."""
    held = _results.get(image)
    result = held() if held else None
    return result if result in list(layers) else None


def place_result(
    layers: LayerList, image: Image, data: Any, provenance: Mapping[str, Any]
) -> Image:
    """Show a filled image as a layer of its own, and return that layer.

    The first time a layer `<image> · inpainted` is put above the image, with everything that
    says how the image lies and looks. Later fills of the same image update it: where it lies is
    taken from the image again, how it looks stays as the person left it.

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
    result = result_of(image, layers)
    if result is None:
        result = place_fill(layers, image, data, "inpainted", provenance)
        _results[image] = weakref.ref(result)
        return result
    result.data = data
    result.metadata = {**image.metadata, PROVENANCE: dict(provenance)}
    _place_like(result, image)
    result.visible = True
    return result


def _place_like(layer: Layer, image: Image) -> None:
    """Let a layer lie where an image lies; what is so already is left, for napari draws anew."""
    for name in PLACEMENT:
        before, wanted = getattr(layer, name), getattr(image, name)
        if name == "affine":
            same = np.array_equal(before.affine_matrix, wanted.affine_matrix)
        elif name in ("units", "axis_labels"):
            same = before == wanted
        else:
            same = np.array_equal(before, wanted)
        if not same:
            setattr(layer, name, wanted)


def place_fill(
    layers: LayerList, image: Image, data: Any, what: str, provenance: Mapping[str, Any]
) -> Image:
    """Show a filled image as a new layer `<image> · <what>` above the image's other fills.

    Parameters
    ----------
    layers, image, data, provenance
        As in `place_result`.
    what : str
        What sets it apart; napari numbers a name that exists already.
    """
    _, state, _ = image.as_layer_data_tuple()
    state.pop("locked_data_level", None)  # the fill has one level
    state |= {
        "name": f"{image.name} · {what}",
        "metadata": {**image.metadata, PROVENANCE: dict(provenance)},
        "multiscale": False,
        "visible": True,
    }
    fill = Image(data, **state)
    layers.insert(above_fills(layers, image), fill)
    _fills.setdefault(image, weakref.WeakSet()).add(fill)
    return fill


def has_fills(layers: LayerList, image: Image) -> bool:
    """Whether something that this image was filled with is still open."""
    return any(fill in layers for fill in _fills.get(image, ()))


def above_fills(layers: LayerList, image: Image) -> int:
    """Return the place above the image and all its fills."""
    made = _fills.get(image, ())
    return 1 + max(at for at, layer in enumerate(layers) if layer is image or layer in made)


def beneath_mask(layers: LayerList, image: Image, mask: MaskLayer | None) -> int:
    """Return the place above the image's fills where the mask's outline is still seen."""
    if mask not in layers:
        return len(layers)
    return max(above_fills(layers, image), list(layers).index(mask))


def reliability_of(image: Image, layers: LayerList) -> Image | None:
    """Return the layer that shows how reliable this image's fill is, if it is still open."""
    return layer_over(_reliability, image, layers)


def place_reliability(
    layers: LayerList,
    image: Image,
    mask: MaskLayer | None,
    data: Any,
    provenance: Mapping[str, Any],
) -> Image:
    """Show how reliable a fill is, 1 = reliable, as the layer `<image> · reliability`."""
    look = {"name": f"{image.name} · reliability", "colormap": DOUBT}
    return place_over(_reliability, layers, image, mask, data, provenance, look)


def layer_over(held: Held, image: Image, layers: LayerList) -> Image | None:
    """Return the layer that is held for an image, if it is still open and fits."""
    kept = held.get(image)
    layer = kept() if kept else None
    if layer is None or layer not in layers or layer.data.shape != spatial_shape(image):
        return None
    return layer


def place_over(
    held: Held,
    layers: LayerList,
    image: Image,
    mask: MaskLayer | None,
    data: Any,
    provenance: Mapping[str, Any],
    look: Mapping[str, Any],
) -> Image:
    """Show what there is to say of a fill, from 0 to 1, above it.

    Parameters
    ----------
    held : mapping
        The layers that show it already, by their images: such a layer is updated.
    layers, image, provenance
        As in `place_result`.
    mask : layer or None
        Whose outline is to be seen.
    data : array
        Of the image's spatial shape.
    look : mapping
        Name and colormap of a new layer.
    """
    layer = layer_over(held, image, layers)
    metadata = {PROVENANCE: dict(provenance)}
    if layer is not None:
        layer.data = data
        layer.metadata = metadata
        layer.visible = True
        return layer
    layer = Image(
        data,
        rgb=False,
        contrast_limits=(0, 1),
        blending="translucent",
        metadata=metadata,
        **placement(image),
        **look,
    )
    layers.insert(beneath_mask(layers, image, mask), layer)
    held[image] = weakref.ref(layer)
    return layer


def hide_under_fill(image: Image, covering: Iterable[Layer | None]) -> str:
    """Hide what would keep a fill from being seen, and say so of the image itself."""
    for layer in covering:
        if layer is not None:
            layer.visible = False
    if not image.visible or image.blending not in ("additive", "minimum"):
        return ""
    image.visible = False  # both together would look like neither
    return f" “{image.name}” is hidden: its blending would mix it with the fill."


def outline(mask: MaskLayer | None, image: Image) -> None:
    """Show the mask so that what lies beneath it is seen."""
    if mask is None:
        return
    show(mask)
    if isinstance(mask, Labels):
        mask.contour = max(1, round(min(spatial_shape(image)[-2:]) / OUTLINE))
    else:
        mask.opacity = FAINT


def solid(mask: MaskLayer) -> None:
    """Show the mask as it is drawn."""
    show(mask)
    if isinstance(mask, Labels):
        mask.contour = 0
    elif mask.opacity == FAINT:
        mask.opacity = SHOWN
