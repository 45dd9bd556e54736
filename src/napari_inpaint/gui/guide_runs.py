"""What the buttons of Segment and guide run, and how that is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_inpaint.arrays.labels import dtype_for
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.plan import GUIDED_FILLS, Options, Plan, plan
from napari_inpaint.fill.segment import SEGMENTS, segment_image
from napari_inpaint.fill.variants import VARIES, draw_variants
from napari_inpaint.gui import label_layers, messages
from napari_inpaint.gui.image_layers import pixels, placement
from napari_inpaint.gui.order import Order
from napari_inpaint.gui.planes import uniform
from napari_inpaint.gui.result_layers import (
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

    from napari_inpaint.arrays.labels import ClassInfo
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.fill.segment import Segmentation
    from napari_inpaint.gui.image_layers import MaskLayer
    from napari_inpaint.gui.planes import Planes
    from napari_inpaint.gui.selection import Selection

RELIABLE = SEGMENTS | {"reliability"}


@dataclass(frozen=True)
class Scene:
    """What was chosen when a button was pressed.

    Attributes
    ----------
    layers : LayerList
        The viewer's layers.
    image, mask, labels : layer
        The labels are None before the first Segment.
    selection : Selection
        What of them is worked on.
    options : Options
        As the form has them.
    backend : str
        Name of the backend, as people say it.
    classes : tuple of ClassInfo
        What the backend's labels 1 to K mean.
    """

    layers: LayerList
    image: Image
    mask: MaskLayer | None
    labels: Labels | None
    selection: Selection
    options: Options
    backend: str
    classes: tuple[ClassInfo, ...]

    def order(self, title: str, doing: str, work: Callable[[Planes, Progress], Any]) -> Order:
        """Return the order to do this work."""
        return Order(
            *(f"{title} {self.image.name}", self.selection, work, self.image, self.mask),
            options=self.options,
            backend=self.backend,
            doing=doing,
        )

    def read(self, planes: Planes, needs: Collection[str]) -> tuple[NDArray[Any], Plan]:
        """Return the planes' pixels, and the plan for them."""
        read, labels = planes.read(), planes.labels if needs == GUIDED_FILLS else None
        return read, plan(read.shape, read.dtype, self.options, needs=needs, labels=labels)

    def whole(self, planes: Planes, values: NDArray[Any]) -> NDArray[Any]:
        """Return planes of labels, (N, h, w), as a map that lies on the image, else 0."""
        labels = np.zeros(self.selection.shape, dtype_for(len(self.classes)))
        planes.write(values, labels)
        return labels

    def hide(self) -> str:
        """Hide what covers a fill, and say so where it is not plain."""
        doubt = reliability_of(self.image, self.layers)
        return hide_under_fill(self.image, [self.mask, self.labels, doubt])


# --- Segment --------------------------------------------------------------------------------


def segmenting(scene: Scene) -> Order:
    """Return the order for a map of classes."""

    def work(planes: Planes, progress: Progress) -> Segmentation:
        read, settled = scene.read(planes, SEGMENTS)
        return segment_image(settled, read, planes.hole, progress=progress)

    return scene.order("Segment", "Segmenting", work)


def show_map(scene: Scene, order: Order, planes: Planes, found: Segmentation) -> tuple[Labels, str]:
    """Show the map as a Labels layer; return it, and what to say."""
    mask, record = scene.mask if planes.marked else None, order.record(planes, found.record)
    labels = label_layers.place_map(scene.layers, scene.image, mask, planes, found, record)
    outline(mask, scene.image)
    if (doubt := reliability_of(scene.image, scene.layers)) is not None:
        doubt.visible = False
    behind = found.labels[found.hole]
    where, values = ("Behind the mask", behind) if behind.size else ("Seen", found.labels)
    shares = label_layers.shares(values, found.classes)
    return labels, f"Segmented {order.how(found.record)}. {where}: {shares}."


# --- Fill from labels -----------------------------------------------------------------------


@dataclass(frozen=True)
class _GuidedFill:
    """What a guided fill gave: it, pasted into the image, what was changed, and its labels."""

    filled: Filled
    data: Any
    change: str
    labels: NDArray[Any]


def filling(scene: Scene, labels: Labels) -> Order:
    """Return the order for a fill that is guided by the labels as they are now."""
    base = pixels(scene.image)

    def work(planes: Planes, progress: Progress) -> _GuidedFill:
        read, settled = scene.read(planes, GUIDED_FILLS)
        now = np.asarray(planes.labels)
        filled = fill_image(settled, read, planes.hole, now, progress)
        change = label_layers.changes(labels, scene.image, planes, now, filled.hole, scene.classes)
        pasted = planes.paste(filled.image, base)
        return _GuidedFill(filled.counted(), pasted, change, scene.whole(planes, now))

    return scene.order("Fill", "Filling", work)


def show_fill(scene: Scene, order: Order, planes: Planes, done: _GuidedFill) -> str:
    """Show the fill as a layer named after what was changed; return what to say."""
    record = order.record(planes, done.filled.record) | _guided_by(scene, done.labels)
    if scene.labels is not None:
        record["labels"] = scene.labels.name
    fill = place_fill(scene.layers, scene.image, done.data, done.change, record)
    return f"{order.done(planes, done.filled)} New layer: “{fill.name}”.{scene.hide()}"


def _guided_by(scene: Scene, labels: NDArray[Any]) -> dict[str, Any]:
    return {"classes": [each.name for each in scene.classes], "map": labels}


# --- Variants -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drawn:
    """A variant, pasted into the image, and its labels."""

    record: Mapping[str, Any]
    data: Any
    labels: NDArray[Any]


def drawing(scene: Scene, count: int) -> Order:
    """Return the order for several fills of the same hole."""
    base = pixels(scene.image)

    def work(planes: Planes, progress: Progress) -> list[_Drawn]:
        read, settled = scene.read(planes, VARIES)
        variants = draw_variants(settled, read, planes.hole, count, progress)
        # The classes may allow fewer: each is shown once.
        different = {each.labels[each.hole].tobytes(): each for each in reversed(variants)}
        return [
            _Drawn(
                *(each.record, planes.paste(each.filled, base), scene.whole(planes, each.labels))
            )
            for each in reversed(different.values())
        ]

    return scene.order("Draw variants of", "Drawing variants", work)


def show_variants(
    scene: Scene, order: Order, planes: Planes, drawn: list[_Drawn], first: int
) -> list[Image]:
    """Show the fills as layers, numbered from `first` up; return them."""
    layers = []
    for number, each in enumerate(drawn, start=first):
        record = order.record(planes, each.record) | {"variant": number}
        record |= _guided_by(scene, each.labels)
        what = f"variant {number}"
        layers.append(place_fill(scene.layers, scene.image, each.data, what, record))
    return layers


# --- Reliability ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Doubts:
    """How reliable a fill is, on the image's pixels, and which share of the hole is not."""

    record: Mapping[str, Any]
    data: Any
    share: float


def doubting(scene: Scene) -> Order:
    """Return the order for how reliable a fill is, and which share of the hole is not."""
    earlier = reliability_of(scene.image, scene.layers)
    base = uniform(scene.image, 1) if earlier is None else earlier.data

    def work(planes: Planes, progress: Progress) -> _Doubts:
        read, settled = scene.read(planes, RELIABLE)
        found = segment_image(settled, read, planes.hole, progress=progress)
        reliable = np.asarray(found.reliability)
        share = float((reliable[found.hole] < messages.RELIABLE).mean())
        return _Doubts(found.record, planes.paste(reliable, base), share)

    return scene.order("Reliability of", "Looking for doubts", work)


def show_reliability(scene: Scene, order: Order, planes: Planes, doubts: _Doubts) -> str:
    """Show how reliable a fill is as an image over it; return what to say."""
    record = order.record(planes, doubts.record)
    record |= {"threshold": messages.RELIABLE, "unreliable": doubts.share}
    place_reliability(scene.layers, scene.image, scene.mask, doubts.data, record)
    if scene.labels is not None:
        scene.labels.visible = False
    outline(scene.mask, scene.image)
    return f"{messages.percent(doubts.share)} of the hole is unreliable, says {order.backend}."


# --- Split into instances -------------------------------------------------------------------


def splitting(scene: Scene) -> Order:
    """Return the order for numbered objects from a map of classes."""

    def work(planes: Planes, progress: Progress) -> NDArray[np.int32]:
        whole = np.zeros(scene.selection.shape, np.int32)
        maps = np.asarray(planes.labels)
        planes.write(label_layers.split_planes(maps, scene.classes, progress), whole)
        return whole

    return scene.order("Split", "Splitting", work)


def show_instances(scene: Scene, order: Order, planes: Planes, instances: NDArray[np.int32]) -> str:
    """Show numbered objects as a new Labels layer; return what to say."""
    layer = Labels(instances, name=f"{scene.image.name} · instances", **placement(scene.image))
    scene.layers.append(layer)
    if scene.labels is not None:
        scene.labels.visible = False
    objects = messages.count(int(instances.max()), "object")
    return f"{objects}, in the new layer “{layer.name}”."
