"""What the buttons of Segment and guide run, and how that is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_inpaint import masks
from napari_inpaint._worker import Job
from napari_inpaint.classmap import dtype_for
from napari_inpaint.pipeline import inpaint_steps
from napari_inpaint.segmentation import segment_steps
from napari_inpaint.variation import variants_steps

from . import maps, words
from .layers import pixels, placement, spatial_shape
from .order import Order
from .results import (
    hide_under_fill,
    outline,
    place_fill,
    place_reliability,
    reliability_of,
)

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_inpaint._worker import Outcome, Steps
    from napari_inpaint.backend import ClassInfo
    from napari_inpaint.segmentation import Segmentation
    from napari_inpaint.variation import Variant

    from .layers import MaskLayer
    from .planes import Planes


@dataclass(frozen=True)
class Scene:
    """What was chosen when a button was pressed.

    Attributes
    ----------
    layers : LayerList
        The viewer's layers.
    image, mask, labels : layer
        The mask is None where nothing is hole; the labels are None before the first Segment.
    planes : Planes
        Of the image, to work on.
    only : tuple of int or None
        Where the sliders stood; None: all slices.
    options : mapping
        As the form has them.
    classes : tuple of ClassInfo
        Of the backend.
    """

    layers: LayerList
    image: Image
    mask: MaskLayer | None
    labels: Labels | None
    planes: Planes
    only: tuple[int, ...] | None
    options: Mapping[str, Any]
    classes: tuple[ClassInfo, ...]

    def order(
        self,
        title: str,
        doing: str,
        steps: Steps,
        finish: Callable[[Any], Any],
        read: Callable[[], NDArray[Any]] | None = None,
    ) -> Order:
        """Return the order to run these steps on the planes, or on what else is read."""
        job = Job(
            title=f"{title} {self.image.name}",
            read=read or self.planes.read,
            mask=self.planes.hole,
            axes="ZYXC" if self.image.rgb and read is None else "ZYX",
            options=self.options,
            steps=steps,
            finish=finish,
        )
        return Order(job, self.image, self.mask, self.only, pixels(self.image).shape, doing)

    def hole(self) -> NDArray[np.bool_]:
        """Return what is filled on the planes, (N, h, w): the mask, grown as the form says."""
        grown = [masks.dilate(plane, self.options["dilate"]) for plane in self.planes.hole]
        return np.stack(grown)

    def whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return planes of labels, (N, h, w), as a map that lies on the image, else 0."""
        labels = np.zeros(spatial_shape(self.image), dtype_for(len(self.classes)))
        self.planes.write(values, labels)
        return labels

    def hide(self) -> str:
        """Hide what covers a fill, and say so where it is not plain."""
        doubt = reliability_of(self.image, self.layers)
        return hide_under_fill(self.image, [self.mask, self.labels, doubt])


# --- Segment --------------------------------------------------------------------------------


def segmenting(scene: Scene) -> Order:
    """Return the order for a map of classes."""
    return scene.order("Segment", "Segmenting", segment_steps, lambda found: found)


def show_map(scene: Scene, order: Order, outcome: Outcome) -> tuple[Labels, str]:
    """Show the map as a Labels layer; return it, and what to say."""
    found: Segmentation = outcome.data
    labels = maps.place_map(
        *(scene.layers, scene.image, scene.mask, scene.planes, found), order.record(outcome)
    )
    outline(scene.mask, scene.image)
    if (doubt := reliability_of(scene.image, scene.layers)) is not None:
        doubt.visible = False
    hole = scene.hole()
    where, values = (
        ("Behind the mask", found.labels[hole]) if hole.any() else ("Seen", found.labels)
    )
    text = f"Segmented {order.how(outcome)}. {where}: {maps.shares(values, found.classes)}."
    return labels, text


# --- Fill from labels -----------------------------------------------------------------------


def filling(scene: Scene, labels: Labels) -> Order:
    """Return the order for a fill that is guided by the labels as they are now."""
    now = maps.labels_on(labels, scene.image, scene.planes)
    base = pixels(scene.image)

    def finish(filled: NDArray[Any]) -> tuple[Any, str, NDArray[Any]]:
        hole = scene.hole()
        what = maps.changes(labels, scene.image, scene.planes, now, hole, scene.classes)
        return scene.planes.paste(filled, base), what, scene.whole(now)

    return scene.order("Fill", "Filling", partial(inpaint_steps, labels=now), finish)


def show_fill(scene: Scene, order: Order, outcome: Outcome) -> str:
    """Show the fill as a layer named after what was changed; return what to say."""
    data, what, labels = outcome.data
    record = order.record(outcome) | _guided_by(scene, labels)
    if scene.labels is not None:
        record["labels"] = scene.labels.name
    fill = place_fill(scene.layers, scene.image, data, what, record)
    return f"{order.done(outcome)} New layer: “{fill.name}”.{scene.hide()}"


def _guided_by(scene: Scene, labels: NDArray[Any]) -> dict[str, Any]:
    return {"classes": [each.name for each in scene.classes], "map": labels}


# --- Variants -------------------------------------------------------------------------------


def drawing(scene: Scene, count: int) -> Order:
    """Return the order for several fills of the same hole."""
    base = pixels(scene.image)

    def finish(variants: list[Variant]) -> list[tuple[Any, NDArray[Any]]]:
        hole = scene.hole()
        seen: set[bytes] = set()
        different = []
        for each in variants:
            inside = each.labels[hole].tobytes()
            if inside not in seen:
                seen.add(inside)
                pasted = scene.planes.paste(each.filled, base)
                different.append((pasted, scene.whole(each.labels)))
        return different

    steps = partial(variants_steps, count=count)
    return scene.order("Draw variants of", "Drawing variants", steps, finish)


def show_variants(scene: Scene, order: Order, outcome: Outcome, first: int) -> list[Image]:
    """Show the fills as layers, numbered from `first` up; return them."""
    layers = []
    for number, (data, labels) in enumerate(outcome.data, start=first):
        record = order.record(outcome) | _guided_by(scene, labels) | {"variant": number}
        what = f"variant {number}"
        layers.append(place_fill(scene.layers, scene.image, data, what, record))
    return layers


# --- Reliability ----------------------------------------------------------------------------


def doubting(scene: Scene) -> Order:
    """Return the order for how reliable a fill is, and which share of the hole is not."""
    earlier = reliability_of(scene.image, scene.layers)
    base = _ones(scene.image) if earlier is None else earlier.data

    def finish(found: Segmentation) -> tuple[Any, float]:
        reliable = np.asarray(found.reliability)
        doubted = float((reliable[scene.hole()] < words.RELIABLE).mean())
        return scene.planes.paste(reliable, base), doubted

    return scene.order("Reliability of", "Looking for doubts", segment_steps, finish)


def show_reliability(scene: Scene, order: Order, outcome: Outcome) -> str:
    """Show how reliable a fill is as an image over it; return what to say."""
    data, doubted = outcome.data
    record = order.record(outcome) | {"threshold": words.RELIABLE, "unreliable": doubted}
    place_reliability(scene.layers, scene.image, scene.mask, data, record)
    if scene.labels is not None:
        scene.labels.visible = False
    outline(scene.mask, scene.image)
    return f"{words.percent(doubted)} of the hole is unreliable, says {order.backend}."


def _ones(image: Image) -> Any:
    """Return ones on the image's pixels: lazily, where the image is not in memory."""
    shape = spatial_shape(image)
    if isinstance(pixels(image), np.ndarray):
        return np.ones(shape, np.float32)
    import dask.array as da

    return da.ones(shape, dtype=np.float32)


# --- Split into instances -------------------------------------------------------------------


def splitting(scene: Scene, labels: Labels) -> Order:
    """Return the order for numbered objects from a map of classes."""

    def steps(values: NDArray[Any], mask: Any, **_: Any) -> Any:
        return maps.split_steps(values, scene.classes)

    def finish(instances: NDArray[np.int32]) -> NDArray[np.int32]:
        whole = np.zeros(spatial_shape(scene.image), np.int32)
        scene.planes.write(instances, whole)
        return whole

    now = maps.labels_on(labels, scene.image, scene.planes)
    return scene.order("Split", "Splitting", steps, finish, read=lambda: now)


def show_instances(scene: Scene, order: Order, outcome: Outcome) -> str:
    """Show numbered objects as a new Labels layer; return what to say."""
    layer = Labels(outcome.data, name=f"{scene.image.name} · instances", **placement(scene.image))
    scene.layers.append(layer)
    if scene.labels is not None:
        scene.labels.visible = False
    objects = words.count(int(outcome.data.max()), "object")
    return f"{objects}, in the new layer “{layer.name}”."
