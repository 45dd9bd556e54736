"""Several fills of the same hole, each from another plausible label map."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .axes import Axes
from .classmap import UNDECIDED
from .errors import OptionError, ShapeError
from .masks import Hole
from .pipeline import Step, holes, inpaint_steps
from .planning import Options, plan
from .relay import relay
from .sampling import sample_labels
from .segmentation import Segmentation, segment_steps

NEEDS = frozenset({"segment", "guide"})
TEMPERATURES = (1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0)
"""Of the attempts to draw a map that differs from all before it."""
DIFFERENT = 0.1  # of the hole's pixels: maps that differ in fewer look the same


@dataclass(frozen=True)
class Variant:
    """One way to fill a hole.

    Attributes
    ----------
    labels : uint8 or uint16 array
        Of the image's spatial axes; what the fill was guided by in the hole, and the most probable
        classes elsewhere. k = the k-th of the backend's classes, from 1 up.
    filled : array
        Of the image's shape and type.
    """

    labels: npt.NDArray[Any]
    filled: npt.NDArray[Any]


def variants_steps(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    count: int = 4,
    seed: int = Options.seed,
    **settings: Any,
) -> Generator[Step, None, list[Variant]]:
    """Fill a hole in several ways, and come back between batches.

    Parameters
    ----------
    image, mask, count, seed, **settings
        As ``napari_inpaint.variants`` takes them, without ``progress`` and ``cancelled``.

    Returns
    -------
    generator
        Yields ``Step``; its return value is the list of ``Variant``. Closing it ends the run.

    Raises
    ------
    InpaintError
        All checks happen in the call itself, not at the first ``next()``.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise OptionError(f"count must be a whole number from 1 up; got {count!r}.")
    pixels = np.asarray(image)
    settled = plan(pixels.shape, pixels.dtype, needs=NEEDS, seed=seed, **settings)
    hole = np.zeros(settled.axes.spatial_shape, bool)
    view = settled.axes.spatial_view(hole)
    for index, here in holes(settled, pixels, mask):
        view[index] = here
    if not hole.any():
        raise ShapeError("The mask is empty: there is no hole to fill in several ways.")
    segmenting = {
        name: value
        for name, value in settings.items()
        if name in ("backend", "device", "axes", "context", "batch_size")
    }
    steps = segment_steps(pixels, hole, probabilities=True, seed=seed, **segmenting)
    filling = settings | {"seed": seed, "dilate": 0}  # the hole is dilated already
    return _run(settled.axes, pixels, hole, count, steps, filling)


def _run(
    axes: Axes,
    pixels: npt.NDArray[Any],
    hole: Hole,
    count: int,
    steps: Generator[Step, None, Segmentation],
    filling: dict[str, Any],
) -> Generator[Step, None, list[Variant]]:
    size = int(hole.sum())
    total = hole.size + count * size
    found = yield from relay(steps, _later(0, total))
    probabilities = axes.spatial_view(np.asarray(found.probabilities))
    variants: list[Variant] = []
    maps = _maps(probabilities, axes.spatial_view(hole), count, filling["seed"])
    for number, drawn in enumerate(maps):
        labels = np.empty_like(found.labels)
        axes.spatial_view(labels)[...] = drawn
        guided = inpaint_steps(pixels, hole, labels=np.where(hole, labels, UNDECIDED), **filling)
        done = hole.size + number * size
        variants.append(Variant(labels, (yield from relay(guided, _later(done, total)))))
    return variants


def _maps(
    probabilities: npt.NDArray[Any], hole: Hole, count: int, seed: int
) -> Iterator[npt.NDArray[Any]]:
    """Yield the most probable map, then others that differ, as far as the classes allow it."""
    found = [sample_labels(probabilities, hole, seed, temperature=0)]
    yield found[0]
    for number in range(1, count):
        most = -1.0
        for attempt, temperature in enumerate(TEMPERATURES):
            drawn = sample_labels(probabilities, hole, (seed, number, attempt), temperature)
            apart = min(float((drawn != each)[hole].mean()) for each in found)
            if apart > most:
                most, kept = apart, drawn
            if most >= DIFFERENT:
                break
        found.append(kept)
        yield kept


def _later(done: int, total: int) -> Callable[[Step], Step]:
    """Say a step of a part as one of the whole, of which so much was done before."""
    return lambda step: Step(done + step.done, total, step.message)
