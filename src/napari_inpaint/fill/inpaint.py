"""Fill holes in arrays: find them, fill them in the way that the plan says, tell what was done.

With "auto" candidates are weighed (`stacks`, `blocks`); a backend that was named fills region by
region (`by_backend`); thin holes need neither (`thin`).
"""

from __future__ import annotations

import functools
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.axes import Axes
from napari_inpaint.arrays.labels import Labels
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.arrays.regions import count_holes
from napari_inpaint.backends.contract import Backend
from napari_inpaint.errors import BackendError, OptionError
from napari_inpaint.fill.blocks import Slices
from napari_inpaint.fill.by_backend import fill_regions
from napari_inpaint.fill.candidates import Fill, Others
from napari_inpaint.fill.holes import Holes, find_holes
from napari_inpaint.fill.measured import FillSlice, measure_errors
from napari_inpaint.fill.plan import Plan
from napari_inpaint.fill.predictor import Predictor
from napari_inpaint.fill.progress import Progress, Repeating, ignore, part_of
from napari_inpaint.fill.stacks import fill_stacks
from napari_inpaint.fill.texture import add_noise, copy_surroundings
from napari_inpaint.fill.thin import fill_thin_holes

THIN, JURY = "thin plate", "jury"
"""What a record names as backend where no single one was asked: all holes were thin; candidates
were weighed."""


@dataclass(frozen=True)
class Filled:
    """What a fill gave.

    Attributes
    ----------
    image : array
        The filled image, new; of the image's shape and element type.
    hole : bool array
        All that was filled, of the image's spatial axes: the mask, NaN and infinite pixels, both
        grown as the options say. May be a read-only view of the mask.
    record : dict
        What made it; see `Plan.record`. Besides, thin: how many pixels of thin holes were filled
        without the backend; and where candidates were weighed, shares: by their names, how much
        each counted.
    error : float32 array or None
        The expected error of each filled pixel, in the image's units and of its shape, 0 where
        nothing was filled, NaN where it cannot be told; None, unless it was asked for.
    """

    image: npt.NDArray[Any]
    hole: Hole
    record: dict[str, Any]
    error: npt.NDArray[np.float32] | None = None

    @property
    def shares(self) -> dict[str, float]:
        """How much each candidate counted; they sum to 1, or there are none."""
        shares: dict[str, float] = self.record.get("shares", {})
        return shares

    @functools.cached_property
    def pixels(self) -> int:
        """How many pixels were filled, colours counted once."""
        return int(np.count_nonzero(self.hole))

    @functools.cached_property
    def holes(self) -> int:
        """How many holes they make up, counted in each slice."""
        letters = self.record["options"]["axes"]
        return count_holes(Axes(letters, self.image.shape).spatial_view(self.hole))

    def counted(self) -> Filled:
        """Return itself, counted: where counting large arrays must not be waited for later."""
        _ = self.pixels, self.holes
        return self


def fill_image(
    plan: Plan,
    image: npt.ArrayLike,
    mask: npt.ArrayLike | None,
    labels: npt.ArrayLike | None = None,
    progress: Progress | None = None,
    *,
    source: npt.ArrayLike | None = None,
    error: bool = False,
    core: Slices | None = None,
) -> Filled:
    """Fill the holes of an array.

    Parameters
    ----------
    plan : Plan
        Made for this image.
    image, mask, labels, source
        As ``napari_inpaint.inpaint`` takes them; without a mask only missing pixels are hole.
    progress : callable, optional
        Called with (done, total) hole pixels; see `Progress`.
    error : bool
        Whether to tell the expected error, too.
    core : tuple of slice, optional
        Which slices along the plan's neighbour axes are filled; the others are only seen.

    Raises
    ------
    InpaintError
        Before the backend is loaded, if something does not fit; while it runs, if it fails.
    """
    holes = find_holes(plan, image, mask, core)
    guiding = plan.guiding(None if labels is None else np.asarray(labels))
    pixels, free = np.asarray(image), _source_view(plan, source)
    filled = fill_holes(plan, pixels, holes, guiding, progress, source=free, error=error, core=core)
    if not isinstance(image, np.ma.MaskedArray):
        return filled
    still = np.ma.getmaskarray(image).copy()
    plan.axes.image_view(still)[holes.fill] = False
    return replace(filled, image=np.ma.MaskedArray(filled.image, still))


def fill_holes(
    plan: Plan,
    pixels: npt.NDArray[Any],
    holes: Holes,
    labels: Labels | None = None,
    progress: Progress | None = None,
    *,
    source: Hole | None = None,
    error: bool = False,
    core: Slices | None = None,
) -> Filled:
    """Fill what is hole, as it is: nothing is added to it.

    Parameters
    ----------
    labels : (leading…, Y, X) uint16 array, optional
        Classes to be guided by, counted from 1; 0 leaves a pixel to the backend.
    source : (leading…, Y, X) bool array, optional
        What texture may be copied from; without it, all that is known.
    error, core
        As in `fill_image`.
    """
    start, progress = time.perf_counter(), progress or ignore
    predictor = plan.predictor()
    result = np.array(pixels, order="K", copy=True, subok=False)
    errors = np.zeros(result.shape, np.float32) if error else None
    view = None if errors is None else plan.axes.image_view(errors)
    target = plan.axes.image_view(result)
    run = _Run(plan, predictor, target, source, view, Repeating(progress))
    more = run.fill(holes, labels, core) if holes.fill.any() else {}
    record = plan.record(predictor, time.perf_counter() - start) | {"thin": 0} | more
    return Filled(result, plan.axes.image_order(holes.fill), record, errors)


def _source_view(plan: Plan, source: npt.ArrayLike | None) -> Hole | None:
    """Return what may be copied from, (leading…, Y, X).

    Raises
    ------
    OptionError
        If nothing would be copied, so that it says nothing.
    """
    if source is None:
        return None
    if not (plan.texture and plan.copies):
        raise OptionError(
            "source says where texture is copied from, and this fill copies none: that is for "
            "photographs, with texture above 0. Leave source out."
        )
    return plan.axes.mask_view(masks.as_hole(np.asarray(source)), "source")


@dataclass(frozen=True)
class _Run:
    """One fill of an array, in place.

    Attributes
    ----------
    target : (leading…, Y, X, C) array
    source : (leading…, Y, X) bool array or None
        What texture may be copied from.
    errors : (leading…, Y, X, C) float32 array or None
        Where the expected errors are written to, if they are asked for.
    """

    plan: Plan
    predictor: Predictor
    target: npt.NDArray[Any]
    source: Hole | None
    errors: npt.NDArray[np.float32] | None
    progress: Repeating

    def fill(self, holes: Holes, labels: Labels | None, core: Slices | None) -> dict[str, Any]:
        """Fill some holes; return what the record says of it besides."""
        plan, total = self.plan, int(np.count_nonzero(holes.fill))
        self.progress(0, total)
        gaps = holes.unknown.all(axis=(-2, -1), keepdims=True) & bool(plan.neighbours)
        rest, thin = Holes(holes.fill & ~gaps, holes.unknown), 0
        if plan.fills_thin and labels is None:
            rest, thin = self._fill_thin(rest)
            self.progress(thin, total)
        more: dict[str, Any] = {"thin": thin}
        if thin == total:
            more |= {"backend": THIN, "device": "cpu"}
        weighed = rest.fill if plan.weighs else np.zeros_like(rest.fill)
        if not plan.weighs and rest.fill.any():
            self._fill_by_backend(rest, labels, thin, total)
        weighed = weighed | (holes.fill & gaps)
        if weighed.any():
            others = self._others()
            report = part_of(self.progress, total - int(np.count_nonzero(weighed)), total)
            # what the backend has filled is as good as known for a slice that lies beside it
            dark = rest.unknown if plan.weighs else rest.unknown & ~rest.fill
            parts = (self.target, weighed, dark)
            more["shares"] = fill_stacks(plan, *parts, others, self.errors, report, core)
            by_one = others.alone or not plan.weighs
            if not (by_one and rest.fill.any()):
                more["backend"] = JURY
        if plan.texture and not plan.copies:
            along = [plan.axes.leading.index(each) for each in plan.neighbours]
            asked = plan.texture, plan.options.seed
            add_noise(self.target, holes.fill, holes.unknown, *asked, along)
        return more

    def _others(self) -> Others:
        """Return the candidates that are backends."""
        plan = self.plan
        named = plan.options.backend != "auto"
        stack = {
            each.info.name: self._as_stack_fill(each, named=named) for each in plan.stack_backends()
        }
        alone = named and bool(stack)
        plane = {} if alone else {plan.backend.info.name: self._in_plane}
        return Others(plane, stack, alone)

    def _as_stack_fill(self, backend: Backend, *, named: bool) -> Fill:
        """Return a backend as a fill of stacks; where nobody named it, it may fail."""
        predictor = self.predictor if named else self.plan.predictor(backend)

        def fill(stack: npt.NDArray[np.float32], hole: Hole) -> npt.NDArray[np.float32]:
            try:
                return predictor.fill_stack(stack, hole)
            except BackendError as error:
                if named:
                    raise
                warnings.warn(f"Left out: {error}", RuntimeWarning, stacklevel=2)
                return np.full_like(stack, np.nan)

        return fill

    def _fill_thin(self, holes: Holes) -> tuple[Holes, int]:
        """Fill thin holes; return what is left, and how many pixels were filled."""
        left, unknown, count = fill_thin_holes(self.target, holes.fill, holes.unknown)
        if count:
            self._measure(fill_thin_holes, Holes(holes.fill & ~left, holes.unknown))
        return Holes(left, unknown), count

    def _fill_by_backend(self, holes: Holes, labels: Labels | None, done: int, total: int) -> None:
        """Fill holes with the one backend, and with pieces of their surroundings."""
        asked = self.plan, self.predictor
        fill_regions(*asked, self.target, holes, labels, self.progress, done, total)
        self._copy_surroundings(self.target, holes, labels, self.source)

        def again(pixels: npt.NDArray[Any], fill: Hole, unknown: Hole) -> None:
            holes = Holes(fill, unknown)
            fill_regions(*asked, pixels, holes, None, self.progress.again, 0, 1)
            self._copy_surroundings(pixels, holes, None, None)

        if labels is None:  # what a person says of a hole is not known of pseudo-holes
            self._measure(again, holes)
        elif self.errors is not None:
            self.errors[holes.fill] = np.nan

    def _copy_surroundings(
        self,
        pixels: npt.NDArray[Any],
        holes: Holes,
        labels: Labels | None,
        source: Hole | None,
    ) -> None:
        """Give the fills of photographs their texture, in place."""
        plan = self.plan
        if plan.texture and plan.copies:
            copy_surroundings(
                pixels,
                holes.fill,
                holes.unknown,
                plan.texture,
                plan.options.seed,
                labels=labels,
                source=source,
                report=self.progress.again,
            )

    def _measure(self, fill: FillSlice, holes: Holes) -> None:
        """Write the expected errors of what was filled, if they are asked for."""
        if self.errors is not None:
            context = self.plan.scale.context
            measure_errors(fill, self.target, holes, context, self.errors)

    def _in_plane(self, slices: npt.NDArray[np.float32], hole: Hole) -> npt.NDArray[np.float32]:
        """Fill slices (N, H, W, C) in [0, 1] with the plan's backend."""
        filled = slices.copy()
        asked = self.plan, self.predictor
        fill_regions(*asked, filled, Holes(hole, hole), None, self.progress.again, 0, 1)
        return filled
