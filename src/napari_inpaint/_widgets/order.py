"""One press of a button: what it was made of, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import words
from .layers import pixels
from .results import provenance

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_inpaint._worker import Job, Outcome
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
        What it was made of; the mask is None where nothing is hole.
    only : tuple of int or None
        The one slice that is worked on; None: all.
    shape : tuple of int
        Of the image's array when the run began.
    doing : str
        What the run does, "Filling".
    earlier : mapping or None
        The record of the result that the slice is added to.
    """

    job: Job
    image: Image
    mask: MaskLayer | None
    only: tuple[int, ...] | None
    shape: tuple[int, ...]
    doing: str = "Filling"
    earlier: Mapping[str, Any] | None = None

    def is_outdated(self, layers: Any) -> bool:
        """Whether the image was closed, or other data put into it, since the run began."""
        return self.image not in layers or pixels(self.image).shape != self.shape

    def record(self, outcome: Outcome) -> dict[str, Any]:
        """Return the provenance of what it gave."""
        return provenance(self.image, self.mask, self.job.options, outcome, self.only, self.earlier)

    def running(self, step: Step, left: float | None) -> str:
        """Say what happens now: "Filling with telea: 40%, about 3.0 s left"."""
        if not step.total:
            return step.message
        text = f"{self.doing} with {self.backend}"
        if step.done:
            text += f": {step.done / step.total:.0%}"
        if left is not None and step.done < step.total:
            text += f", about {words.duration(left)} left"
        return text

    def done(self, outcome: Outcome) -> str:
        """Say what was filled: "Filled 140 px in 1 hole with telea on the CPU in 0.2 s."."""
        text = f"Filled {words.count(outcome.pixels, 'px')} in {words.count(outcome.holes, 'hole')}"
        if self.image.ndim > 2:
            text += f" on {words.count(len(self.job.mask), 'slice')}"
        return f"{text} {self.how(outcome)}."

    def how(self, outcome: Outcome) -> str:
        """Say how something was made: "with telea on the CPU in 0.2 s"."""
        where = words.device(outcome.device)
        return f"with {self.backend} on the {where} in {words.duration(outcome.seconds)}"

    @property
    def backend(self) -> str:
        """The backend's name as people say it."""
        return words.backend(self.job.options["backend"])
