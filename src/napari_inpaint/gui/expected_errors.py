"""How far off the pixels of a fill may be, shown as a layer above it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils import Colormap

from napari_inpaint.gui import messages
from napari_inpaint.gui.planes import uniform
from napari_inpaint.gui.result_layers import layer_over, place_over

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import LayerList
    from napari.layers import Image

    from napari_inpaint.fill.inpaint import Filled
    from napari_inpaint.gui.image_layers import MaskLayer
    from napari_inpaint.gui.planes import Planes
    from napari_inpaint.gui.result_layers import Held

MOST = 99  # percent of the errors are told apart by their colour
# Nothing was filled where it is 0; the least error is seen.
COLOURS = Colormap(
    [[1, 1, 0.4, 0], [1, 1, 0.4, 0.4], [1, 0.6, 0, 0.75], [0.8, 0, 0.5, 0.9]],
    controls=[0, 0.01, 0.5, 1],
    name="expected error",
)

_layers: Held = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Errors:
    """What was told of a fill, in the image's units.

    Attributes
    ----------
    data : float32 array
        On the image's pixels, the largest of the colours; 0 where nothing was filled, NaN where
        it cannot be told.
    typical : float
        The median of what was filled now.
    most : float
        What almost all of `data` stays below; of a lazy image, almost all of what was filled now.
    """

    data: Any
    typical: float
    most: float

    @classmethod
    def of(cls, filled: Filled, planes: Planes, before: Any) -> Errors | None:
        """Return the errors of planes, added to those `before`; None if none can be told."""
        error = filled.error
        if error is None:
            return None
        if error.ndim > filled.hole.ndim:
            error = error.max(axis=-1)
        told = error[filled.hole & np.isfinite(error)]
        if not len(told):
            return None
        data = planes.paste(error, before)
        shown = data[data > 0] if isinstance(data, np.ndarray) else told
        most = np.percentile(shown, MOST) if len(shown) else 0
        return cls(data, float(np.median(told)), float(most))


def errors_before(image: Image, layers: LayerList, *, more: bool) -> Any:
    """Return what errors are pasted into: those shown already if there are more now, or zeros."""
    layer = layer_over(_layers, image, layers) if more else None
    return uniform(image, 0) if layer is None else layer.data


def place_errors(
    layers: LayerList,
    image: Image,
    mask: MaskLayer | None,
    errors: Errors | None,
    provenance: Mapping[str, Any],
) -> str:
    """Show errors as the layer `<image> · expected error`, and return what to say of them.

    Without any, a layer that shows those of an earlier fill is hidden.
    """
    before = layer_over(_layers, image, layers)
    if errors is None:
        if before is not None:
            before.visible = False
        return ""
    look = {"name": f"{image.name} · expected error", "colormap": COLOURS}
    layer = place_over(_layers, layers, image, mask, errors.data, provenance, look)
    layer.contrast_limits = (0, errors.most or 1)
    if (bar := getattr(layer, "colorbar", None)) is not None:  # napari 0.6 has none
        bar.visible = True
    return messages.expected(errors.typical)
