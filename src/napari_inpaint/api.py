"""The public functions on arrays: ``inpaint``, ``segment`` and ``variants``.

NumPy arrays are filled at once, dask and zarr arrays lazily, slice by slice or in blocks of slices.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from napari_inpaint.errors import OptionError
from napari_inpaint.fill.inpaint import Filled, fill_image
from napari_inpaint.fill.lazy import fill_lazily, is_lazy, segment_lazily
from napari_inpaint.fill.plan import Options, plan
from napari_inpaint.fill.progress import Progress
from napari_inpaint.fill.segment import SEGMENTS, Segmentation, segment_image
from napari_inpaint.fill.variants import VARIES, Variant, draw_variants

F = TypeVar("F", bound=Callable[..., Any])


def _showing_options(function: F) -> F:
    """Let ``help()`` and completion name the options that ``**options`` stands for."""
    signature = inspect.signature(function)
    named = [each for each in signature.parameters.values() if each.name != "options"]
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(each.name, kind, default=each.default, annotation=each.type)
        for each in fields(Options)
    ]
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*named, *options]
    )
    return function


@_showing_options
def inpaint(
    image: Any,
    mask: Any = None,
    *,
    labels: Any = None,
    source: Any = None,
    report: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Any:
    """Fill the holes of an image or a stack; every known pixel stays bit-identical.

    Parameters
    ----------
    image : NumPy, dask or zarr array
        (..., Y, X) or (..., Y, X, C) of bool, uint8/16/32, int16/32 or float16/32/64. All channels
        are data: alpha, where there is one, should be left out.
    mask : NumPy or dask array, optional
        Non-zero = hole. Shape of the image's spatial axes, or (Y, X) for a whole stack; bool,
        integers, or floats that are all 0 or 1. Missing pixels are hole as well: NaN and infinite
        ones, what a masked array masks, and those with a value that ``missing`` names.
    labels : NumPy or dask array of integers, optional
        What to fill with, for backends that provide "guide": k = the k-th of the backend's
        ``classes``, from 1 up; 0 and 255 leave a pixel to the model. A backend without classes of
        its own ("patchmatch") takes any numbers, 0 = undecided. Shape of the image's spatial
        axes, or (Y, X) for a whole stack. They count in the hole and in its context.
    source : NumPy array, optional
        Where the texture of a photograph may be copied from: non-zero = may; shapes and types as
        for the mask. Without it, all that is known.
    report : bool
        Return a `Filled`: the image, all that was hole, the expected error of every filled pixel
        in the image's units, how much each candidate counted, and the record of what made it.
    progress : callable, optional
        Called with (done, total) hole pixels between batches. What it raises ends the run:
        ``napari_inpaint.errors.Cancelled``, to cancel. Not called for lazy arrays.
    **options
        backend, device, axes, along, max_gap, texture, dilate, feather, context, strategy,
        batch_size, seed, missing and fill_missing: see ``napari_inpaint.fill.plan.Options``, which
        has every default.

    Returns
    -------
    array or Filled
        New, of the image's shape and element type; NumPy for NumPy, lazy dask for dask and zarr,
        and for a masked array one that masks what is still missing.

    Raises
    ------
    InpaintError
        Before any work begins, if something does not fit; while it runs, if the backend fails.

    Examples
    --------
    >>> filled = napari_inpaint.inpaint(image, mask)
    >>> filled = napari_inpaint.inpaint(stack, mask, axes="ZYX", backend="telea")
    >>> ground = napari_inpaint.inpaint(elevation, missing=-9999)
    """
    image = _array(image)
    settled = plan(image.shape, image.dtype, Options.of(options), labels=labels)
    if is_lazy(image):
        if source is not None:
            raise OptionError(
                "source is for arrays in memory. Take one slice at a time: "
                "inpaint(numpy.asarray(image[t]), mask[t], source=source[t], …)."
            )
        if report:
            raise OptionError(
                "report=True takes arrays in memory, for a lazy image is filled when it is "
                "computed. Take one slice at a time: inpaint(numpy.asarray(image[t]), …)."
            )
        return fill_lazily(settled, image, mask, labels)
    filled: Filled = fill_image(settled, image, mask, labels, progress, source=source, error=report)
    return replace(filled, hole=filled.hole.copy()) if report else filled.image


@_showing_options
def segment(
    image: Any,
    mask: Any = None,
    *,
    probabilities: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Segmentation:
    """Say which class each pixel of an image or a stack has, the hole included.

    Stacks are segmented slice by slice, large slices in overlapping tiles whose probabilities are
    blended.

    Parameters
    ----------
    image, mask
        As ``inpaint`` takes them; without a mask only NaN and infinite pixels are hole. What is
        in the hole is never read.
    probabilities : bool
        Whether to return the probabilities of all classes; they take 2 bytes a pixel and class.
    progress : callable, optional
        Called with (done, total) pixels between batches, as in ``inpaint``.
    **options
        As ``inpaint`` takes them; those that count here are backend ("auto": the shipped artifact
        that segments photos or street scenes if there are three colours, else fluorescence or
        nuclei), device, axes, dilate, context (tiles overlap by twice that), batch_size and seed.

    Returns
    -------
    Segmentation
        Labels, confidence, classes, and what else the backend and the arguments give; its arrays
        are lazy dask for a dask or zarr image. Compute them together (``dask.compute``), so that
        each slice is looked at once.

    Raises
    ------
    InpaintError
        Before any work begins, if something does not fit; while it runs, if the backend fails.

    Examples
    --------
    >>> found = napari_inpaint.segment(image, mask, backend="sgenet-street")
    >>> found.classes[found.labels[0, 0] - 1].name
    'sky'
    """
    image = _array(image)
    settled = plan(image.shape, image.dtype, Options.of(options), needs=SEGMENTS)
    if is_lazy(image):
        return segment_lazily(settled, image, mask, probabilities=probabilities)
    return segment_image(settled, image, mask, probabilities=probabilities, progress=progress)


@_showing_options
def variants(
    image: Any,
    mask: Any,
    *,
    count: int = 4,
    progress: Progress | None = None,
    **options: Any,
) -> list[Variant]:
    """Fill a hole in several ways, each guided by another plausible label map.

    Parameters
    ----------
    image, mask
        As ``inpaint`` takes them; NumPy only.
    count : int
        How many; the first is guided by the most probable map, the others by maps drawn from the
        probabilities, so that each differs from all before it if the backend is not too sure.
    progress : callable, optional
        Called with (done, total) pixels between batches, as in ``inpaint``.
    **options
        As ``inpaint`` takes them; the backend has to provide "segment" and "guide", and the seed
        is that of the drawing too.

    Returns
    -------
    list of Variant
        Each with its labels and its filled image.

    Raises
    ------
    InpaintError
        Before any work begins, if something does not fit; while it runs, if the backend fails.

    Examples
    --------
    >>> sunny, shady = napari_inpaint.variants(image, mask, count=2, backend="sgenet-street")
    >>> sunny.filled.shape == image.shape
    True
    """
    if is_lazy(image):
        raise OptionError(
            "variants() takes arrays in memory; this one is lazy. Take one slice at a time: "
            "variants(numpy.asarray(image[t]), …)."
        )
    image = _array(image)
    settled = plan(image.shape, image.dtype, Options.of(options), needs=VARIES)
    return draw_variants(settled, image, mask, count, progress)


def _array(image: Any) -> Any:
    """Return an array: lazy and masked ones as they are, all else as NumPy has it."""
    return image if is_lazy(image) or isinstance(image, np.ndarray) else np.asarray(image)
