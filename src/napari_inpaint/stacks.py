"""The public functions on arrays: ``inpaint``, ``segment`` and ``variants``.

NumPy arrays are filled at once, dask and zarr arrays lazily, slice by slice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import lazy, pipeline, segmentation, variation
from .errors import OptionError
from .pipeline import Options
from .segmentation import Segmentation
from .variation import Variant


def inpaint(
    image: Any,
    mask: Any,
    *,
    backend: str | os.PathLike[str] = "auto",
    device: str = "auto",
    axes: str | None = None,
    labels: Any = None,
    dilate: int = Options.dilate,
    feather: int = Options.feather,
    context: int | None = Options.context,
    strategy: str = Options.strategy,
    batch_size: int = Options.batch_size,
    seed: int = Options.seed,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Any:
    """Fill the holes of an image or a stack; every known pixel stays bit-identical.

    Parameters
    ----------
    image : NumPy, dask or zarr array
        (..., Y, X) or (..., Y, X, C) of bool, uint8/16/32, int16/32 or float16/32/64. The fourth
        channel of RGBA passes through.
    mask : NumPy or dask array
        Non-zero = hole. Shape of the image's spatial axes, or (Y, X) for a whole stack; bool,
        integers, or floats that are all 0 or 1. NaN and infinite pixels of the image are always
        hole as well.
    backend : str or path
        A name from ``list_backends()``, a path to a ``.pt`` file, or "auto": what has the best
        scores among what ships for photos, if there are three colours, else for fluorescence (see
        ``napari_inpaint.selection.choose_backend``). With labels, one that provides "guide".
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    axes : str, optional
        One letter an axis, as in "YX", "YXC", "ZYX", "TCZYX". By default, a last axis of 3 or 4
        behind a (Y, X) at least 16 wide is C, and everything in front is filled slice by slice.
    labels : NumPy or dask array of integers, optional
        What to fill with, for backends that provide "guide": k = the k-th of the backend's
        ``classes``, from 1 up; 0 and 255 leave a pixel to the model. A backend without classes of
        its own ("patchmatch") takes any numbers, 0 = undecided. Shape of the image's spatial
        axes, or (Y, X) for a whole stack. They count in the hole and in its context.
    dilate, feather, context, strategy, batch_size, seed
        See ``napari_inpaint.pipeline.Options``; lengths in px.
    progress : callable, optional
        Called with (done, total) hole pixels between batches. NumPy only.
    cancelled : callable, optional
        Asked between batches; True ends the run with ``Cancelled``. NumPy only.

    Returns
    -------
    array
        New, of the image's shape and element type; NumPy for NumPy, lazy dask for dask and zarr.

    Raises
    ------
    InpaintError
        Before any work begins, if something does not fit; while it runs, if the backend fails.

    Examples
    --------
    >>> filled = napari_inpaint.inpaint(image, mask)
    >>> filled = napari_inpaint.inpaint(stack, mask, axes="ZYX", backend="telea")
    """
    settings: dict[str, Any] = {
        "backend": backend,
        "device": device,
        "axes": axes,
        "dilate": dilate,
        "feather": feather,
        "context": context,
        "strategy": strategy,
        "batch_size": batch_size,
        "seed": seed,
    }
    if not lazy.is_lazy(image):
        settings |= {"progress": progress, "cancelled": cancelled}
        return pipeline.inpaint(image, mask, labels=labels, **settings)
    return lazy.fill(image, mask, labels, settings)


def segment(
    image: Any,
    mask: Any = None,
    *,
    backend: str | os.PathLike[str] = "auto",
    device: str = "auto",
    axes: str | None = None,
    context: int | None = Options.context,
    batch_size: int = Options.batch_size,
    seed: int = Options.seed,
    probabilities: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Segmentation:
    """Say which class each pixel of an image or a stack has, the hole included.

    Stacks are segmented slice by slice, large slices in overlapping tiles whose probabilities are
    blended.

    Parameters
    ----------
    image, mask
        As ``inpaint`` takes them; without a mask only NaN and infinite pixels are hole. What is
        in the hole is never read.
    backend : str or path
        A name from ``list_backends()``, a path to a ``.pt`` file, or "auto": the shipped artifact
        that segments photos or street scenes if there are three colours, else fluorescence or
        nuclei.
    device, axes
        As ``inpaint`` takes them.
    context, batch_size, seed
        See ``napari_inpaint.pipeline.Options``; tiles overlap by twice the context, px.
    probabilities : bool
        Whether to return the probabilities of all classes; they take 2 bytes a pixel and class.
    progress : callable, optional
        Called with (done, total) pixels between batches. NumPy only.
    cancelled : callable, optional
        Asked between batches; True ends the run with ``Cancelled``. NumPy only.

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
    settings: dict[str, Any] = {
        "backend": backend,
        "device": device,
        "axes": axes,
        "context": context,
        "batch_size": batch_size,
        "seed": seed,
    }
    if lazy.is_lazy(image):
        return lazy.segment(image, mask, settings, probabilities=probabilities)
    settings |= {"probabilities": probabilities, "progress": progress, "cancelled": cancelled}
    return segmentation.segment(image, mask, **settings)


def variants(
    image: Any,
    mask: Any,
    *,
    count: int = 4,
    seed: int = Options.seed,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    **settings: Any,
) -> list[Variant]:
    """Fill a hole in several ways, each guided by another plausible label map.

    Parameters
    ----------
    image, mask
        As ``inpaint`` takes them; NumPy only.
    count : int
        How many; the first is guided by the most probable map, the others by maps drawn from the
        probabilities, so that each differs from all before it if the backend is not too sure.
    seed : int
        Of the drawing, and of backends that draw random numbers.
    progress : callable, optional
        Called with (done, total) pixels between batches.
    cancelled : callable, optional
        Asked between batches; True ends the run with ``Cancelled``.
    **settings
        backend, device, axes, dilate, feather, context, strategy and batch_size, as ``inpaint``
        takes them; the backend has to provide "segment" and "guide".

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
    if lazy.is_lazy(image):
        raise OptionError(
            "variants() takes arrays in memory; this one is lazy. Take one slice at a time: "
            "variants(numpy.asarray(image[t]), …)."
        )
    steps = variation.variants_steps(image, mask, count=count, seed=seed, **settings)
    return pipeline.finish(steps, progress, cancelled)
