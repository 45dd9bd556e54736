"""The widget Segment and guide: see what stands behind the mask, repaint it, fill accordingly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_inpaint.errors import InpaintError
from napari_inpaint.gui import guide_runs, label_layers, messages
from napari_inpaint.gui.base_form import SLICE
from napari_inpaint.gui.base_widget import LayerWidget, follow
from napari_inpaint.gui.guide_form import COUNT, DOUBTS, SPLIT, GuideForm
from napari_inpaint.gui.guide_runs import Scene
from napari_inpaint.gui.image_layers import fit_problem, mask_problem, show
from napari_inpaint.gui.planes import is_empty, select_planes
from napari_inpaint.gui.result_layers import has_fills, outline
from napari_inpaint.gui.variant_layers import VariantLayers
from napari_inpaint.gui.worker import report

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox, Widget
    from napari.layers import Layer
    from napari.viewer import Viewer

    from napari_inpaint.arrays.labels import ClassInfo
    from napari_inpaint.fill.segment import Segmentation
    from napari_inpaint.gui.order import Order

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
        else:
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
        hollow = unseen or self._hollow()
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
        image, mask = self.image.value, self.mask.value
        if self.backend.chosen is None:
            return messages.NO_GUIDE
        if problem := self.backend.problem:
            return problem
        if image is None:
            return messages.NO_IMAGE
        if mask is not None and (problem := mask_problem(mask, image)):
            return problem
        if image.ndim > 2 and self.what.value == SLICE and self._plane()[1] is None:
            return messages.NO_SLICE
        return None

    def _hollow(self) -> str | None:
        """Say what is missing to have a hole, or None; the image and the mask fit."""
        mask = self.mask.value
        if mask is None:
            return messages.MASK_FIRST if self.class_map.value is None else messages.MASK_NEXT
        axes, only = self._plane()
        if is_empty(mask, axes, only):
            return messages.PAINT_FIRST if is_empty(mask, axes) else messages.EMPTY_SLICE
        return None

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

    def _scene(self, hole_needed: bool, seed: int) -> Scene | None:
        """Return what is chosen now; None, and the reason said, if it cannot be worked on."""
        image, mask = self.image.value, self.mask.value
        axes, only = self._plane()
        if not hole_needed and mask is not None and is_empty(mask, axes, only):
            mask = None
        try:
            planes = select_planes(image, mask, axes, only)
        except InpaintError as error:
            self._say(report(error))
            return None
        layers, labels = self._viewer.layers, self.class_map.value
        options = self.chosen_options(planes.axes_letters)
        options = replace(options, seed=options.seed + seed)
        return Scene(layers, image, mask, labels, planes, only, options, self._classes())

    def _begin(
        self,
        hole_needed: bool,
        order_of: Callable[[Scene], Order],
        show: Callable[[Scene, Order, Any], str],
        seed: int = 0,
    ) -> None:
        scene = self._scene(hole_needed, seed)
        if scene is not None:
            order = order_of(scene)
            self._launch(order, lambda result: show(scene, order, result))

    def _start_segmenting(self) -> None:
        self._stale = False
        self._begin(False, guide_runs.segmenting, self._show_map)

    def _show_map(self, scene: Scene, order: Order, found: Segmentation) -> str:
        labels, text = guide_runs.show_map(scene, order, found)
        self.class_map.value = labels
        self._painted = False
        self._viewer.layers.selection.active = labels
        return text

    def _start_filling(self) -> None:
        labels = self.class_map.value
        self._begin(True, lambda scene: guide_runs.filling(scene, labels), guide_runs.show_fill)

    def _start_doubting(self) -> None:
        self._begin(True, guide_runs.doubting, guide_runs.show_reliability)

    def _start_splitting(self) -> None:
        labels = self.class_map.value
        self._begin(
            False, lambda scene: guide_runs.splitting(scene, labels), guide_runs.show_instances
        )

    # --- variants ---------------------------------------------------------------------------

    def _start_drawing(self) -> None:
        show, seed = self._show_variants, self._drawn
        self._begin(True, lambda scene: guide_runs.drawing(scene, COUNT), show, seed)

    def _show_variants(self, scene: Scene, order: Order, drawn: list[Any]) -> str:
        new = guide_runs.show_variants(scene, order, drawn, self._drawn + 1)
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
