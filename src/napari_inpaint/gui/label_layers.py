"""Labels layers that hold a class for each pixel: made, told apart from others, compared."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_inpaint.arrays.instances import inside_class, split_instances
from napari_inpaint.arrays.labels import UNDECIDED, VOID
from napari_inpaint.errors import LabelsError
from napari_inpaint.gui import messages
from napari_inpaint.gui.image_layers import brush_size, placement, show, spatial_shape
from napari_inpaint.gui.result_layers import PROVENANCE, beneath_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.components import LayerList
    from numpy.typing import NDArray

    from napari_inpaint.arrays.labels import ClassInfo
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.fill.segment import Segmentation
    from napari_inpaint.gui.image_layers import MaskLayer
    from napari_inpaint.gui.planes import Planes

# The map that segmenting an image again may complete or replace, if nobody painted on it.
_maps: weakref.WeakKeyDictionary[Image, weakref.ref[Labels]] = weakref.WeakKeyDictionary()


def is_map(layer: Layer) -> bool:
    """Whether a layer came from Segment; its metadata then holds the map as it came."""
    return isinstance(layer, Labels) and "map" in layer.metadata.get(PROVENANCE, {})


def map_of(image: Image | None, layers: LayerList) -> Labels | None:
    """Return the map that the image was segmented into last, if it is still open."""
    held = _maps.get(image) if image is not None else None
    labels = held() if held else None
    return labels if labels in layers else None


def class_names(labels: Labels) -> list[str] | None:
    """Return the classes of a map; None for a layer that did not come from Segment."""
    return labels.metadata[PROVENANCE]["classes"] if is_map(labels) else None


def place_map(
    layers: LayerList,
    image: Image,
    mask: MaskLayer | None,
    planes: Planes,
    segmentation: Segmentation,
    provenance: Mapping[str, Any],
) -> Labels:
    """Show a segmentation as a Labels layer `<image> · labels`, and return that layer.

    The map that the image was segmented into before is completed and brought up to date, unless
    somebody painted on the planes that were segmented now, or it has other classes: then this is
    a new layer, and the other one is only hidden.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers; the image is one of them.
    image, mask : layer
        What was segmented. The map is put beneath the mask.
    planes : Planes
        The planes that were segmented.
    segmentation : Segmentation
        Of these planes.
    provenance : mapping
        What made it; stored, with the names of the classes and the map as it came, as
        `layer.metadata["napari_inpaint"]`.
    """
    names = [each.name for each in segmentation.classes]
    labels = map_of(image, layers)
    if labels is not None and (class_names(labels) != names or is_edited(labels, image, planes)):
        labels.visible = False
        labels = None
    new = labels is None
    labels = labels or _new_map(image, segmentation)
    came = as_segmented(labels)
    came = np.zeros_like(labels.data) if came is None else came.copy()
    for array in (labels.data, came):
        planes.write(segmentation.labels, array)
    labels.metadata = {PROVENANCE: {**provenance, "classes": names, "map": came}}
    show(labels)
    labels.refresh()
    if new:  # and known as a map from the first, or it would be offered as a mask
        layers.insert(beneath_mask(layers, image, mask), labels)
        _maps[image] = weakref.ref(labels)
    return labels


def _new_map(image: Image, segmentation: Segmentation) -> Labels:
    classes = segmentation.classes
    names = [messages.YOU_DECIDE, *(each.name for each in classes)]
    colours: dict[int | None, str] = {None: "gray", UNDECIDED: "transparent", VOID: "transparent"}
    colours |= {number: each.colour for number, each in enumerate(classes, start=1)}
    labels = Labels(
        np.zeros(spatial_shape(image), segmentation.labels.dtype),
        name=f"{image.name} · labels",
        colormap=colours,
        features={"index": range(len(names)), "class": names},
        **placement(image),
    )
    labels.brush_size = brush_size(image)
    return labels


def as_segmented(labels: Labels) -> NDArray[Any] | None:
    """Return the map as it came; None for a layer that did not come from Segment."""
    came: NDArray[Any] | None = labels.metadata.get(PROVENANCE, {}).get("map")
    return came


def is_edited(labels: Labels, image: Image, planes: Planes) -> bool:
    """Whether somebody changed a map on these planes since it came."""
    if spatial_shape(labels) != spatial_shape(image):
        return True
    came = as_segmented(labels)
    return came is None or not np.array_equal(planes.cut(labels.data), planes.cut(came))


def changes(
    labels: Labels,
    image: Image,
    planes: Planes,
    now: NDArray[Any],
    hole: NDArray[np.bool_],
    classes: Sequence[ClassInfo],
) -> str:
    """Say what a person changed in the hole: "road→sky +1", "as segmented".

    Parameters
    ----------
    labels, image : layer
        The labels that lie on the image.
    planes : Planes
        The planes that are looked at.
    now : (N, h, w) array
        The labels on these planes.
    hole : (N, h, w) bool array
        Where it is looked.
    classes : sequence of ClassInfo
        What the ids mean.

    Returns
    -------
    str
        The largest change, and how many more there are; of labels that did not come from Segment,
        which layer it was.
    """
    came = as_segmented(labels)
    if came is None or came.shape != spatial_shape(image):
        return f"from {labels.name}"
    before, after = planes.cut(came)[hole], now[hole]
    changed = before != after
    pairs = np.stack([before[changed], after[changed]], axis=1)
    if not len(pairs):
        return "as segmented"
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    names = {number: each.name for number, each in enumerate(classes, start=1)}
    largest = kinds[counts.argmax()]
    named = "→".join(names.get(int(number), messages.YOU_DECIDE) for number in largest)
    return named if len(kinds) == 1 else f"{named} +{len(kinds) - 1}"


def shares(values: NDArray[Any], classes: Sequence[ClassInfo]) -> str:
    """Say which classes labels have, the largest first: "road 62 %, pavement 38 %"."""
    counts = np.bincount(values.ravel(), minlength=len(classes) + 1)[1:]
    order = [at for at in np.argsort(-counts, kind="stable") if counts[at]]
    named = [f"{classes[at].name} {messages.percent(counts[at] / values.size)}" for at in order[:3]]
    more = f" and {len(order) - 3} more" if len(order) > 3 else ""
    return ", ".join(named) + more


def has_boundary(classes: Sequence[ClassInfo]) -> bool:
    """Whether maps of these classes can be split into instances."""
    try:
        inside_class(classes)
    except LabelsError:
        return False
    return True


def split_planes(
    maps: NDArray[Any], classes: Sequence[ClassInfo], progress: Progress
) -> NDArray[np.int32]:
    """Split maps, (N, h, w), into instances, numbered through all of them."""
    instances = np.zeros(maps.shape, np.int32)
    for at, plane in enumerate(maps):
        progress(at * plane.size, maps.size)
        found = split_instances(plane, classes)
        instances[at] = np.where(found > 0, found + instances.max(), 0)
    return instances
