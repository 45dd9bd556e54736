"""One press of a button: what was chosen then, what is done, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class Order:
    """What a run was started with.

    Attributes
    ----------
    title : str
        What the progress bar says.
    work : callable
        What runs, all of it outside the main thread.
    image, mask : layer
        What it is made of; the mask is None where nothing is hole.
    planes : Planes
        The slices of the image that are worked on.
    only : tuple of int or None
        The one slice that is worked on; None: all.
    options : Options
        As the form had them.
    shape : tuple of int
        The shape of the image's array when the run began.
    doing : str
        What the run does, "Filling".
    earlier : mapping or None
        The record of the result that the slice is added to.
    """

    title: str
    work: Callable[[Progress], Any]
    image: Image
    mask: MaskLayer | None
    planes: Planes
    only: tuple[int, ...] | None
    options: Options
    shape: tuple[int, ...]
    doing: str = "Filling"
    earlier: Mapping[str, Any] | None = None

    def is_outdated(self, layers: Any) -> bool:
        """Whether the image was closed, or other data put into it, since the run began."""
        return self.image not in layers or pixels(self.image).shape != self.shape

    def record(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provenance of what it gave, from the record of the run."""
        return provenance(self.image, self.mask, made, self.only, self.earlier)

    def running(self, done: int, total: int, left: float | None) -> str:
        """Say what happens now: "Filling with telea: 40%, about 3.0 s left"."""
        text = f"{self.doing} with {self.backend}"
        if done:
            text += f": {done / total:.0%}"
        if left is not None and done < total:
            text += f", about {messages.duration(left)} left"
        return text

    def done(self, filled: Filled) -> str:
        """Say what was filled: "Filled 140 px in 1 hole with telea on the CPU in 0.2 s."."""
        count = messages.count
        text = f"Filled {count(filled.pixels, 'px')} in {count(filled.holes, 'hole')}"
        if self.image.ndim > 2:
            text += f" on {count(len(self.planes.indices), 'slice')}"
        return f"{text} {self.how(filled.record)}."

    def how(self, made: Mapping[str, Any]) -> str:
        """Say how something was made: "with telea on the CPU in 0.2 s"."""
        where = messages.device(made["device"])
        return f"with {self.backend} on the {where} in {messages.duration(made['seconds'])}"

    @property
    def backend(self) -> str:
        """The backend's name as people say it."""
        return messages.backend(self.options.backend)
