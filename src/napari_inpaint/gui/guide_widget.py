"""The widget Segment and guide: see what stands behind the mask, repaint it, fill accordingly."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui import guide_runs, label_layers, messages
from napari_inpaint.gui.base_choice import follow, how_to_mark
from napari_inpaint.gui.base_widget import LayerWidget
from napari_inpaint.gui.guide_form import COUNT, DOUBTS, SPLIT, GuideForm
from napari_inpaint.gui.guide_runs import Scene
from napari_inpaint.gui.image_layers import fit_problem, show
from napari_inpaint.gui.result_layers import has_fills, outline
from napari_inpaint.gui.selection import Selection
from napari_inpaint.gui.variant_layers import VariantLayers
from napari_inpaint.gui.worker import report

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox, Widget
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_inpaint.arrays.labels import ClassInfo
    from napari_inpaint.fill.segment import Segmentation
    from napari_inpaint.gui.order import Order
    from napari_inpaint.gui.planes import Planes

PAINTING = ("paint", "fill", "polygon")  # modes of a Labels layer


class GuideWidget(LayerWidget, GuideForm):
    """Segments an image, hole included, and fills the hole as the labels say.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self._stale = self._painted = False
        self._drawn = 0  # variants; the seed grows with them, so that new ones differ
        self._variants = VariantLayers(napari_viewer.layers)
        super().__init__(napari_viewer)

    def _connect(self) -> None:
        super()._connect()
        self.picker.picked.connect(self._pick)
        self.segment.changed.connect(self._start_segmenting)
        self.fill.changed.connect(self._start_filling)
        self.variants.changed.connect(self._start_drawing)
        self.reliability.changed.connect(self._start_doubting)
        self.split.changed.connect(self._start_splitting)
        self.previous.changed.connect(lambda: self._show_variant(-1))
        self.following.changed.connect(lambda: self._show_variant(+1))
        self.keep.changed.connect(self._keep_variant)
        self.drop.changed.connect(self._drop_variants)

    # --- layers and classes -----------------------------------------------------------------

    def label_layers(self, field: Widget) -> list[Any]:
        """Return the layers that can hold labels."""
        return self._layers(Labels)

    @property
    def _fields(self) -> dict[str, ComboBox]:
        return {**super()._fields, "labels": self.class_map}

    def _fitting(self, new_image: bool) -> dict[str, Any]:
        chosen = super()._fitting(new_image)
        labels = self.class_map.value
        if new_image and labels is None:
            labels = label_layers.map_of(chosen["image"], self._viewer.layers)
        return {**chosen, "labels": labels}

    def _watch(self, name: str, before: Layer | None, after: Layer | None) -> None:
        super()._watch(name, before, after)
        if name == "mask":
            follow(before, after, ("labels_update", "data"), self._mask_changed)
            self._stale = self._chosen.get("labels") is not None
        elif name == "labels":
            follow(before, after, ("labels_update",), self._labels_painted)
            follow(before, after, ("selected_label", "mode"), self._mark_class)
            self._painted = False

    def _mask_changed(self, *_: Any) -> None:
        self._stale = True

    def _labels_painted(self, *_: Any) -> None:
        self._painted = True

    def _classes(self) -> tuple[ClassInfo, ...]:
        info = self.backend.info
        return info.classes if info is not None else ()

    def _pick(self, number: int) -> None:
        """Make the labels ready to be painted with a class; 0 rubs out."""
        labels = self.class_map.value
        if labels is None:
            return
        self._viewer.dims.ndisplay = 2
        show(labels)
        self._viewer.layers.selection.active = labels
        outline(self.mask.value, self.image.value)
        if number == 0:
            labels.mode = "erase"
        else:
            labels.selected_label = number
            if labels.mode not in PAINTING:
                labels.mode = "paint"
        self.refresh()

    def _mark_class(self, *_: Any) -> None:
        labels = self.class_map.value
        if labels is None:
            self.picker.mark(-1)
        else:
            self.picker.mark(0 if labels.mode == "erase" else labels.selected_label)

    # --- what to do next --------------------------------------------------------------------

    def refresh(self, *_: Any) -> None:
        """Say what to do next, and enable what can be pressed."""
        super().refresh()
        running = self._run is not None
        unseen = self._unseen()
        hollow = unseen or (None if running else self._hollow())  # a run reads enough
        unguided = self._unguided() if unseen is None else unseen
        self.show_backend(self.backend.info)
        self.show_position(self._variants.at, len(self._variants.open))
        self.picker.setEnabled(unguided is None)
        self._mark_class()
        for button, missing, tip in (
            (self.segment, unseen, "Name what each pixel shows, in a Labels layer."),
            (self.fill, unguided or hollow, "Fill the mask as the labels say, in a new layer."),
            (self.variants, hollow, f"Fill the mask in {COUNT} different ways, to choose from."),
            (self.reliability, hollow, DOUBTS),
            (self.split, unguided, SPLIT),
        ):
            button.enabled = not running and missing is None
            button.tooltip = missing or tip
        self.hint.value = "" if running else unseen or self._next(hollow, unguided)

    def _unseen(self) -> str | None:
        """Say what is missing to segment the image, or None."""
        if self.backend.chosen is None:
            return messages.NO_GUIDE
        if problem := self.backend.problem:
            return problem
        if self.image.value is None:
            return messages.NO_IMAGE
        return self._problem()

    def _hollow(self) -> str | None:
        """Say what is missing to have a hole, or None; the image and the mask fit."""
        mask, (_, only) = self.mask.value, self._plane()
        if self._marked(only) is not False or self._has_missing(only):
            return None
        if mask is None:
            return messages.MASK_FIRST if self.class_map.value is None else messages.MASK_NEXT
        if only and self._marked(None):
            return messages.EMPTY_SLICE
        return f"{how_to_mark(mask)} {messages.THEN_SEGMENT}"

    def _unguided(self) -> str | None:
        """Say what is missing to have labels, or None; the image and the mask fit."""
        labels = self.class_map.value
        if labels is None:
            return messages.NO_LABELS
        if labels is self.mask.value:
            return messages.SAME_LAYER
        names = label_layers.class_names(labels)
        if names is not None and names != [each.name for each in self._classes()]:
            return messages.other_classes(labels.name)
        return fit_problem(labels, self.image.value, "labels", "Segment")

    def _next(self, hollow: str | None, unguided: str | None) -> str:
        """Say what to do next; nothing hinders segmenting."""
        labels, image = self.class_map.value, self.image.value
        if labels is None:
            return hollow or messages.SEGMENT
        if unguided or hollow:
            return unguided or hollow or ""
        if len(self._variants.open) > 1:
            return messages.FLIP
        if not labels.visible and has_fills(self._viewer.layers, image):
            return messages.COMPARE
        if self._stale and label_layers.is_map(labels):
            return messages.STALE
        return messages.FILL if self._painted else messages.REPAINT

    # --- running ----------------------------------------------------------------------------

    def _scene(self, needs_hole: bool, guided: bool, seed: int) -> Scene:
        """Return what is chosen now.

        Raises
        ------
        InpaintError
            If the mask does not fit the image.
        """
        image, mask, labels = self.image.value, self.mask.value, self.class_map.value
        selection = Selection.of(
            *(image, mask, *self._plane()),
            missing=self._sought,
            labels=labels if guided else None,
            needs_hole=needs_hole,
        )
        options = self.chosen_options(selection.letters)
        options = replace(options, seed=options.seed + seed)
        backend = messages.backend(self.backend.chosen or "")
        layers, classes = self._viewer.layers, self._classes()
        return Scene(layers, image, mask, labels, selection, options, backend, classes)

    def _begin(
        self,
        order_of: Callable[[Scene], Order],
        show: Callable[[Scene, Order, Planes, Any], str],
        *,
        needs_hole: bool = True,
        guided: bool = False,
        seed: int = 0,
    ) -> None:
        try:
            scene = self._scene(needs_hole, guided, seed)
        except InpaintError as error:
            self._say(report(error))
            return
        order = order_of(scene)
        self._launch(order, lambda planes, result: show(scene, order, planes, result))

    def _start_segmenting(self) -> None:
        self._stale = False
        self._begin(guide_runs.segmenting, self._show_map, needs_hole=False)

    def _show_map(self, scene: Scene, order: Order, planes: Planes, found: Segmentation) -> str:
        labels, text = guide_runs.show_map(scene, order, planes, found)
        self.class_map.value = labels
        self._painted = False
        self._viewer.layers.selection.active = labels
        return text

    def _start_filling(self) -> None:
        labels = self.class_map.value
        order_of = functools.partial(guide_runs.filling, labels=labels)
        self._begin(order_of, guide_runs.show_fill, guided=True)

    def _start_doubting(self) -> None:
        self._begin(guide_runs.doubting, guide_runs.show_reliability)

    def _start_splitting(self) -> None:
        show = guide_runs.show_instances
        self._begin(guide_runs.splitting, show, needs_hole=False, guided=True)

    # --- variants ---------------------------------------------------------------------------

    def _start_drawing(self) -> None:
        order_of = functools.partial(guide_runs.drawing, count=COUNT)
        self._begin(order_of, self._show_variants, seed=self._drawn)

    def _show_variants(self, scene: Scene, order: Order, planes: Planes, drawn: list[Any]) -> str:
        new = guide_runs.show_variants(scene, order, planes, drawn, self._drawn + 1)
        self._drawn += len(new)
        self._variants.add(new)
        how = order.how(drawn[-1].record)
        return f"{messages.count(len(new), 'variant')} drawn {how}.{scene.hide()}"

    def _show_variant(self, step: int) -> None:
        self._variants.show(self._variants.at + step)
        self.refresh()

    def _keep_variant(self) -> None:
        kept = self._variants.keep()
        self._say(f"Kept “{kept.name}”.")
        self.refresh()

    def _drop_variants(self) -> None:
        self._variants.drop()
        self._say("All variants were removed.")
        self.refresh()
