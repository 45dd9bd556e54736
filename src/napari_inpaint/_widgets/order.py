"""One press of the Inpaint button: what it was made of, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import words
from .layers import provenance

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint._worker import Filled, Job
    from napari_inpaint.pipeline import Step

    from .layers import MaskLayer


@dataclass(frozen=True)
class Order:
    """What a run was started with.

    Attributes
    ----------
    job : Job
        What runs.
    image, mask : layer
        What it was made of.
    only : tuple of int or None
        The one slice that is filled; None: all.
    earlier : mapping or None
        The record of the result that the slice is added to.
    """

    job: Job
    image: Image
    mask: MaskLayer
    only: tuple[int, ...] | None
    earlier: Mapping[str, Any] | None

    def record(self, filled: Filled) -> dict[str, Any]:
        """Return the provenance of what it gave."""
        return provenance(self.image, self.mask, self.job.options, filled, self.only, self.earlier)

    def running(self, step: Step, left: float | None) -> str:
        """Say what happens now: "Filling with telea: 40%, about 3.0 s left"."""
        if not step.total:
            return step.message
        text = f"Filling with {words.backend(self.job.options['backend'])}"
        if step.done:
            text += f": {step.done / step.total:.0%}"
        if left is not None and step.done < step.total:
            text += f", about {words.duration(left)} left"
        return text

    def done(self, filled: Filled) -> str:
        """Say what was done: "Filled 140 px in 1 hole with telea on the CPU in 0.2 s."."""
        text = f"Filled {words.count(filled.pixels, 'px')} in {words.count(filled.holes, 'hole')}"
        if self.image.ndim > 2:
            text += f" on {words.count(len(self.job.mask), 'slice')}"
        return text + (
            f" with {words.backend(self.job.options['backend'])}"
            f" on the {words.device(filled.device)} in {words.duration(filled.seconds)}."
        )
