"""What a run will do, settled and checked before it begins: backend, device, axes, options."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import axes as axes_of
from . import classmap, intensity, registry
from . import device as devices
from .axes import Axes
from .backend import Backend
from .errors import BackendError, OptionError
from .multiscale import Scale
from .selection import FILLS, choose_backend, listed, quoted
from .torchscript import open_artifact

STEP = 64  # px: regions have heights and widths that are multiples of this, so that sizes repeat
CPU_BATCH = 1 << 18  # px: on the CPU, more at once saves no time but delays a cancel
GPU_BATCH = 1 << 24
STRATEGIES = ("auto", "crop", "resize")
GUIDED_FILLS = frozenset({"guide"})


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
        Most regions or tiles at once; fewer when they are large or memory runs out.
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
class Plan:
    """What a run would do, settled before it begins."""

    axes: Axes
    backend: Backend
    device: devices.ResolvedDevice
    options: Options

    @property
    def scale(self) -> Scale:
        """What the backend works on best, as the options have it."""
        info = self.backend.info
        return Scale(
            info.working_size,
            self.options.context or info.context,
            -(-STEP // info.multiple) * info.multiple,
            self.options.batch_size,
            CPU_BATCH if self.device.device.type == "cpu" else GPU_BATCH,
        )


def plan(
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    backend: str | os.PathLike[str] = "auto",
    device: str = "auto",
    axes: str | None = None,
    labels: Any = None,
    needs: Collection[str] | None = None,
    **options: Any,
) -> Plan:
    """Check everything that can be checked without reading a pixel.

    Parameters
    ----------
    shape, dtype
        Of the image.
    backend, device, axes, labels, **options
        As ``inpaint`` takes them; of labels, what is no pixel.
    needs : collection of str, optional
        Methods that the backend has to provide; by default what filling needs, with labels or
        without.

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
    needs = needs or (FILLS if labels is None else GUIDED_FILLS)
    if isinstance(backend, str) and backend == "auto":
        backend = choose_backend(named.channels if named.colours == 3 else None, needs)
    settled = Plan(named, capable(backend, needs), devices.resolve(device), Options(**options))
    if labels is not None:
        labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
        classmap.check_dtype(labels.dtype)
        named.mask_letters(labels.shape, "label map")
    return settled


def capable(backend: str | os.PathLike[str], needs: Collection[str]) -> Backend:
    """Return the backend with this name, or for this file, if it can do what is needed.

    Parameters
    ----------
    backend : str or path
        A name, or a path to a ``.pt`` file; not "auto".
    needs : collection of str
        Methods that it has to provide.

    Raises
    ------
    BackendError
        If it lacks some; the text names the backends that have them.
    InpaintError
        Of other kinds, if there is no such backend or its file cannot be read.
    """
    if isinstance(backend, os.PathLike) or str(backend).endswith(".pt"):
        found: Backend = open_artifact(backend)
    else:
        found = registry.get_backend(str(backend))
    info = found.info
    missing = {*needs} - {*info.provides}
    if missing:
        raise BackendError(
            f"The backend {info.name!r} does not provide {quoted(missing)}, only "
            f"{', '.join(sorted(info.provides))}. Backends that do: "
            f"{listed(registry.providing(needs))}."
        )
    # One that only guides may do without classes of its own: they are those of the labels.
    if {"segment", "guide"} & {*needs} and "segment" in info.provides and not info.classes:
        raise BackendError(
            f"The backend {info.name!r} provides {quoted(needs)}, but does not say which classes "
            "there are. Please tell its authors."
        )
    return found
