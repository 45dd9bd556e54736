"""One press of a button: what was chosen then, what is done, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_inpaint.fill.inpaint import JURY
from napari_inpaint.gui import messages
from napari_inpaint.gui.image_layers import pixels
from napari_inpaint.gui.result_layers import provenance

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint.fill.inpaint import Filled
    from napari_inpaint.fill.plan import Options
    from napari_inpaint.fill.progress import Progress
    from napari_inpaint.gui.image_layers import MaskLayer
    from napari_inpaint.gui.planes import Planes
    from napari_inpaint.gui.selection import Selection

OF_GAPS = ("line ", "flow ", "regression ")  # begin the names of what fills missing slices


@dataclass(frozen=True)
class Order:
    """What a run was started with.

    Attributes
    ----------
    title : str
        What the progress bar says.
    selection : Selection
        What is worked on.
    work : callable
        What is done with the planes that were chosen from it, outside the main thread.
    image, mask : layer
        What it is made of.
    options : Options
        As the form had them.
    backend : str
        Name of the backend that is asked, as people say it.
    doing : str
        What the run does, "Filling".
    earlier : mapping or None
        The record of the result that the slice is added to.
    """

    title: str
    selection: Selection
    work: Callable[[Planes, Progress], Any]
    image: Image
    mask: MaskLayer | None
    options: Options
    backend: str
    doing: str = "Filling"
    earlier: Mapping[str, Any] | None = None

    def is_outdated(self, layers: Any) -> bool:
        """Whether the image was closed, or other data put into it, since the run began."""
        return self.image not in layers or pixels(self.image).shape != self.selection.array.shape

    def record(self, planes: Planes, made: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provenance of what it gave, from the record of the run.

        What was filled in a row lies along the image's own axes.
        """
        mask = self.mask if planes.marked else None
        made = {**made, "options": {**made["options"], "axes": self.options.axes}}
        return provenance(self.image, mask, made, self.selection.only, self.earlier)

    def running(self, done: int, total: int, left: float | None) -> str:
        """Say what happens now: "Filling with telea: 40%, about 3.0 s left"."""
        text = f"{self.doing} with {self.backend}"
        if done:
            text += f": {done / total:.0%}"
        if left is not None and done < total:
            text += f", about {messages.duration(left)} left"
        return text

    def done(self, planes: Planes, filled: Filled) -> str:
        """Say what was filled: "Filled 140 px in 1 hole with telea on the CPU in 0.2 s."."""
        count = messages.count
        text = f"Filled {count(filled.pixels, 'px')} in {count(filled.holes, 'hole')}"
        if self.image.ndim > 2:
            text += f" on {count(len(planes.indices), 'slice')}"
        return f"{text} {self.how(filled.record)}."

    def how(self, made: Mapping[str, Any]) -> str:
        """Say how something was made: "with telea on the CPU in 0.2 s"."""
        by = f"with {messages.backend(Path(made['backend']))}"
        if made["backend"] == JURY:
            by = messages.sources(made["shares"])
        elif any(name.startswith(OF_GAPS) for name in made.get("shares", ())):
            by += ", missing slices from their neighbours,"
        where, time = messages.device(made["device"]), messages.duration(made["seconds"])
        return f"{by} on the {where} in {time}"
