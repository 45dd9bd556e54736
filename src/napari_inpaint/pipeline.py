"""Fill holes in arrays: scale → regions → tiles → predict → blend → composite."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from . import axes as axes_of
from . import device as devices
from . import intensity, masks, registry
from .axes import Axes
from .backend import Backend
from .errors import BackendError, Cancelled, OptionError, ShapeError
from .masks import Region
from .multiscale import Scale, fill
from .predictor import Predictor
from .torchscript import open_artifact

STEP = 64  # px: regions have heights and widths that are multiples of this, so that sizes repeat
STRATEGIES = ("auto", "crop", "resize")
FALLBACK = "biharmonic"


@dataclass(frozen=True)
class Options:
    """Everything that a person can set, each default only here.

    Attributes
    ----------
    dilate : int
        Grow the hole by this, px.
    feather : int
        Blend the fill into its surroundings over this width inside the hole, px.
    context : int or None
        Known margin around a hole that the model sees, px; None: what the backend asks for.
    strategy : str
        For holes larger than the backend's working size: "crop" fills them at full resolution
        only, "resize" at reduced size only, "auto" at reduced size first and then again along
        the rim.
    batch_size : int
        Regions or tiles at once; halved when memory runs out.
    seed : int
        For backends that draw random numbers.

    Raises
    ------
    OptionError
        If a value is of the wrong type or out of range.
    """

    dilate: int = 0
    feather: int = 0
    context: int | None = None
    strategy: str = "auto"
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"dilate": 0, "feather": 0, "batch_size": 1, "seed": 0}
        if self.context is not None:
            least["context"] = 1
        for name, low in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise OptionError(f"{name} must be a whole number from {low} up; got {value!r}.")
        if self.strategy not in STRATEGIES:
            raise OptionError(
                f"strategy must be one of {', '.join(STRATEGIES)}; got {self.strategy!r}."
            )


@dataclass(frozen=True)
class Step:
    """How far a run is: ``done`` of ``total`` hole pixels, and what happens, in words."""

    done: int
    total: int
    message: str


@dataclass(frozen=True)
class Plan:
    """What a run would do, settled before it begins."""

    axes: Axes
    backend: Backend
    device: devices.ResolvedDevice
    options: Options


def choose_backend(channels: int | None) -> str:
    """Return the name of the backend that "auto" stands for.

    Parameters
    ----------
    channels : int or None
        Of the image: three or four mean colour; None: no channel axis.
    """
    domain = "photo" if channels in (3, 4) else "fluorescence"
    fitting = [
        info.name
        for info in registry.list_backends()
        if info.domain == domain
        and "inpaint" in info.provides
        and registry.provider(info.name) == registry.OWN_DISTRIBUTION
    ]
    return fitting[0] if fitting else FALLBACK


def plan(
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    backend: str | os.PathLike[str] = "auto",
    device: str = "auto",
    axes: str | None = None,
    labels: object = None,
    **options: Any,
) -> Plan:
    """Check everything that can be checked without reading a pixel.

    Parameters
    ----------
    shape, dtype
        Of the image.
    backend, device, axes, labels, **options
        As ``inpaint`` takes them.

    Raises
    ------
    InpaintError
        Of the kind that fits what is wrong.
    """
    unknown = sorted(options.keys() - Options.__dataclass_fields__.keys())
    if unknown:
        raise OptionError(
            f"There is no option {', '.join(unknown)}. "
            f"There are: {', '.join(Options.__dataclass_fields__)}."
        )
    intensity.check_dtype(dtype)
    named = axes_of.parse(axes, shape)
    return Plan(
        named, _resolved(backend, named, labels), devices.resolve(device), Options(**options)
    )


def inpaint(
    image: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **settings: Any,
) -> npt.NDArray[Any]:
    """Fill the holes of an array; ``napari_inpaint.inpaint`` says how.

    Raises
    ------
    Cancelled
        Soon after ``cancelled()`` returns True.
    InpaintError
        Of other kinds, before any work begins, or if the backend fails.
    """
    steps = inpaint_steps(image, mask, **settings)
    while True:
        if cancelled is not None and cancelled():
            steps.close()
            raise Cancelled("The run was cancelled; nothing was changed.")
        try:
            step = next(steps)
        except StopIteration as end:
            filled: npt.NDArray[Any] = end.value
            return filled
        if progress is not None:
            progress(step.done, step.total)


def inpaint_steps(
    image: npt.ArrayLike, mask: npt.ArrayLike, **settings: Any
) -> Generator[Step, None, npt.NDArray[Any]]:
    """Fill the holes of an array, and come back between batches.

    Parameters
    ----------
    image, mask, **settings
        As ``napari_inpaint.inpaint`` takes them, without ``progress`` and ``cancelled``.

    Returns
    -------
    generator
        Yields ``Step``; its return value is the filled array. Closing it ends the run.

    Raises
    ------
    InpaintError
        All checks happen in the call itself, not at the first ``next()``.
    """
    pixels = np.asarray(image)
    settled = plan(pixels.shape, pixels.dtype, **settings)
    hole = settled.axes.mask_view(masks.as_hole(np.asarray(mask)))
    work = _regions(settled, settled.axes.image_view(pixels), hole)
    return _run(settled, pixels, work)


Job = tuple[tuple[int, ...], Region]


def _resolved(backend: str | os.PathLike[str], axes: Axes, labels: object) -> Backend:
    if isinstance(backend, str) and backend == "auto":
        backend = choose_backend(axes.channels if axes.colours == 3 else None)
    if isinstance(backend, os.PathLike) or str(backend).endswith(".pt"):
        found: Backend = open_artifact(backend)
    else:
        found = registry.get_backend(backend)
    info = found.info
    needed = "inpaint" if labels is None else "guide"
    if needed not in info.provides:
        able = [each.name for each in registry.list_backends() if needed in each.provides]
        raise BackendError(
            f"The backend {info.name!r} does not provide {needed!r}, only "
            f"{', '.join(sorted(info.provides))}. Backends that do: {', '.join(able) or 'none'}."
        )
    if labels is not None:
        raise OptionError("This version cannot fill from labels. Leave labels out.")
    return found


def _regions(settled: Plan, view: npt.NDArray[Any], hole: masks.Hole) -> list[Job]:
    """Find the regions of all slices, or say which slices have nothing known."""
    scale = _scale(settled)
    jobs: list[Job] = []
    full: list[tuple[int, ...]] = []
    for index in np.ndindex(view.shape[:-3]):
        bad = masks.not_finite(view[index])
        here = hole[index] if bad is None else hole[index] | bad
        if not here.any():
            continue
        here = masks.dilate(here, settled.options.dilate)
        if here.all():
            full.append(index)
            continue
        found = masks.regions(here, scale.context, scale.working_size, scale.step)
        jobs += [(index, region) for region in found]
    if full:
        raise ShapeError(_nothing_known(full, settled.axes))
    return jobs


def _nothing_known(full: list[tuple[int, ...]], axes: Axes) -> str:
    cause = "The mask (with NaN and infinite pixels, which are always hole) covers"
    if not axes.leading:
        return f"{cause} the whole image: nothing known is left to fill it from. Mask less of it."
    names = [
        " ".join(f"{letter}={at}" for letter, at in zip(axes.leading, index, strict=True))
        for index in full
    ]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{cause} these slices wholly: {shown}. Each slice is filled by itself, so nothing known "
        "is left to fill them from. Mask less of them, or leave them out."
    )


def _scale(settled: Plan) -> Scale:
    info, options = settled.backend.info, settled.options
    return Scale(
        info.working_size,
        options.context or info.context,
        -(-STEP // info.multiple) * info.multiple,
        options.batch_size,
    )


def _run(
    settled: Plan, pixels: npt.NDArray[Any], jobs: list[Job]
) -> Generator[Step, None, npt.NDArray[Any]]:
    result = np.array(pixels, order="K", copy=True, subok=False)
    if not jobs:
        return result
    options, info = settled.options, settled.backend.info
    source, target = settled.axes.image_view(pixels), settled.axes.image_view(result)
    scale = _scale(settled)
    predictor = Predictor(
        settled.backend, settled.device.device, options.batch_size, options.seed, _warn
    )
    total = sum(int(region.own.sum()) for _, region in jobs)
    done = 0
    yield Step(0, total, f"{info.title} on {settled.device.device}")
    for batch in _batches(jobs, scale, options):
        scaled = [_Scaled.of(source[index], region) for index, region in batch]
        size = sum(int(region.own.sum()) for _, region in batch)
        if _is_large(batch[0][1], scale, options):
            (only,) = scaled
            steps = fill(only.image, only.region.hole, predictor, scale, options.strategy == "auto")
            predictions = [(yield from _pixels_done(steps, done, size, total, info.title))]
        else:
            predictions = list(
                predictor(
                    np.stack([each.image for each in scaled]),
                    np.stack([each.region.hole for each in scaled]),
                )
            )
        for (index, _), each, prediction in zip(batch, scaled, predictions, strict=True):
            each.composite(prediction, target[index], options.feather)
        done += size
        yield Step(done, total, info.title)
    return result


@dataclass(frozen=True)
class _Scaled:
    """A region's pixels in [0, 1]."""

    region: Region
    image: npt.NDArray[np.float32]
    limits: intensity.Limits

    @classmethod
    def of(cls, pixels: npt.NDArray[Any], region: Region) -> _Scaled:
        seen = masks.crop(pixels, region.box)
        limits = intensity.limits_of(seen, region.hole)
        return cls(region, intensity.to_unit(seen, region.hole, limits), limits)

    def composite(
        self, prediction: npt.NDArray[np.float32], target: npt.NDArray[Any], feather: int
    ) -> None:
        """Write a prediction into a (Y, X, C) slice, and only where this region's hole is."""
        if feather:
            prediction = masks.feather(prediction, self.image, self.region.hole, feather)
        rows, columns = np.nonzero(self.region.own)
        values = intensity.from_unit(prediction[rows, columns], self.limits, target.dtype)
        target[rows + self.region.box.top, columns + self.region.box.left] = values


def _is_large(region: Region, scale: Scale, options: Options) -> bool:
    if options.strategy == "crop":
        return False
    area = masks.bounds(region.hole)
    return max(area.bottom - area.top, area.right - area.left) > scale.working_size


def _batches(jobs: list[Job], scale: Scale, options: Options) -> Iterator[list[Job]]:
    """Put regions of one size together; large ones stay alone."""
    by_size = sorted(jobs, key=lambda job: job[1].hole.shape)
    for _, same in groupby(by_size, key=lambda job: job[1].hole.shape):
        waiting: list[Job] = []
        for job in same:
            if _is_large(job[1], scale, options):
                yield [job]
                continue
            waiting.append(job)
            if len(waiting) == options.batch_size:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


def _pixels_done(
    steps: Generator[float, None, npt.NDArray[np.float32]],
    done: int,
    size: int,
    total: int,
    message: str,
) -> Generator[Step, None, npt.NDArray[np.float32]]:
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            filled: npt.NDArray[np.float32] = end.value
            return filled
        yield Step(done + int(share * size), total, message)


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)
