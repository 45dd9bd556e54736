"""What a run will do, settled once before it begins: backend, device, axes, options."""

from __future__ import annotations

import difflib
import functools
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import intensity
from napari_inpaint.arrays.axes import Axes, parse
from napari_inpaint.arrays.labels import Labels, as_labels, check_label_dtype
from napari_inpaint.backends import registry
from napari_inpaint.backends.auto import FILLS, choose_backend, listed, quoted
from napari_inpaint.backends.contract import Backend
from napari_inpaint.backends.torchscript import open_artifact
from napari_inpaint.errors import BackendError, OptionError
from napari_inpaint.fill.device import ResolvedDevice, resolve
from napari_inpaint.fill.multiscale import Scale
from napari_inpaint.fill.predictor import Predictor

REACH = 4  # slices: neighbours farther away say little; `weightless.neighbours` looks no farther
STEP = 64  # px: regions have heights and widths that are multiples of this, so that sizes repeat
CPU_BATCH = 1 << 18  # px: on the CPU, more at once saves no time but delays a cancel
GPU_BATCH = 1 << 24
AUTO = "auto"
STRATEGIES = ("auto", "crop", "resize")
FILL_MISSING = ("all", "masked")
NEIGHBOURS = "TZQI"  # along these axes slices are near each other; Q and I are pages without a name
MOST_AXES = 2  # along which neighbours are seen
GUIDED_FILLS = frozenset({"guide"})
STACKS = frozenset({"inpaint_stack"})


@dataclass(frozen=True)
class Options:
    """Everything that a person can set, each default only here.

    Attributes
    ----------
    backend : str or path
        A name from ``list_backends()``, a path to a ``.pt`` file, or "auto": what has the best
        scores among what ships for photos, if there are three colours, else for fluorescence (see
        ``backends.auto.choose_backend``), and no backend for holes up to four pixels wide, unless
        labels guide the fill (see ``fill.thin``).
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    axes : str or None
        One letter an axis, as in "YX", "YXC", "ZYX", "TCZYX". None: a last axis of 3 or 4 behind a
        (Y, X) at least 16 wide is C, and the axes in front are, from the right, Z, T and others.
    along : str
        Along which axes slices see their neighbours: letters, "auto": T and Z (and pages whose
        axis has no name), or "none". A backend that was named fills each slice by itself in any
        case, unless it provides "inpaint_stack"; but for slices of which nothing is known.
    max_gap : int
        So many slices in a row may be missing as wholes, if their neighbours are seen.
    texture : float or str
        How much of what the surroundings have is put into the fill, from 0, nearest to the truth,
        to 1, most natural: in single photographs pieces of the surroundings, elsewhere noise as
        the known pixels have it. "auto": 1 for photographs, unless the backend's fills have
        texture already; else 0, for fills may be measured or averaged.
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
    missing : tuple of float
        Values (a single number too) that say that a pixel is missing; NaN and infinite ones
        always do. In pictures of three channels of unsigned integers a pixel is missing where all
        channels have the value, in all others where any has.
    fill_missing : str
        "all": every missing pixel is hole. "masked": those that the mask does not mark are
        neither filled nor read as known.

    Raises
    ------
    OptionError
        If a value is of the wrong type or out of range.
    """

    backend: str | os.PathLike[str] = "auto"
    device: str = "auto"
    axes: str | None = None
    along: str = "auto"
    max_gap: int = 2
    texture: float | str = AUTO
    dilate: int = 0
    feather: int = 0
    context: int | None = None
    strategy: str = "auto"
    batch_size: int = 8
    seed: int = 0
    missing: tuple[float, ...] = ()
    fill_missing: str = "all"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Return options by their names, the others at their defaults.

        Raises
        ------
        OptionError
            If there is none of that name; the text lists the nearest ones.
        """
        names = list(cls.__dataclass_fields__)
        if unknown := sorted(given.keys() - {*names}):
            near = difflib.get_close_matches(unknown[0], names, n=2, cutoff=0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise OptionError(
                f"There is no option {', '.join(unknown)}.{hint} There are: {', '.join(names)}."
            )
        return cls(**given)

    def __post_init__(self) -> None:
        if not isinstance(self.backend, (str, os.PathLike)):
            raise OptionError(
                f"backend must be a name or the path of a file; got {self.backend!r}."
            )
        least = {"dilate": 0, "feather": 0, "batch_size": 1, "seed": 0, "max_gap": 0}
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
        if self.fill_missing not in FILL_MISSING:
            raise OptionError(
                f"fill_missing must be one of {', '.join(FILL_MISSING)}; got {self.fill_missing!r}."
            )
        given: Any = self.texture
        number = isinstance(given, Real) and not isinstance(given, bool)
        if given != AUTO and not (number and 0 <= given <= 1):
            raise OptionError(f'texture must be a number from 0 to 1, or "auto"; got {given!r}.')
        if not isinstance(self.along, str) or not self.along.isalpha():
            raise OptionError(
                f'along must be "auto", "none", or letters of axes, as in "Z"; got {self.along!r}.'
            )
        given = self.missing
        values = given if isinstance(given, Sequence) else (given,)
        if not all(isinstance(each, Real) and not isinstance(each, bool) for each in values):
            raise OptionError(f"missing must be a number, or several; got {self.missing!r}.")
        object.__setattr__(self, "missing", tuple(map(float, values)))
        if self.texture != AUTO:
            object.__setattr__(self, "texture", float(self.texture))


@dataclass(frozen=True)
class Plan:
    """What a run will do; made by `plan`, and handed down to all that takes part in it."""

    axes: Axes
    backend: Backend
    device: ResolvedDevice
    options: Options
    neighbours: str = ""
    """The axes, in the image's order, along which slices see each other."""
    weighs: bool = False
    """Whether a jury weighs several candidates, of which the backend is one; else it fills alone,
    but for slices of which nothing is known."""

    @property
    def halo(self) -> int:
        """How many slices on either side a slice sees."""
        return max(REACH, self.options.max_gap + 2)

    @property
    def copies(self) -> bool:
        """Whether texture is pieces of the surroundings, as in photographs; else it is noise."""
        return self.axes.is_photo and not self.weighs

    @property
    def texture(self) -> float:
        """How much texture the fill gets, from 0 to 1."""
        asked = self.options.texture
        if asked == AUTO:
            return float(self.copies and not self.backend.info.textured)
        return float(asked)

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

    @property
    def fills_thin(self) -> bool:
        """Whether thin holes are filled without the backend: where nobody asked for this one.

        In stacks neighbours know more of them.
        """
        return self.options.backend == "auto" and not self.neighbours

    def stack_backends(self) -> list[Backend]:
        """Return the backends that fill stacks as wholes and take part here."""
        if not self.neighbours:
            return []
        if self.options.backend != "auto":
            return [self.backend] if self.weighs else []
        return [registry.get_backend(each.name) for each in registry.providing(STACKS)]

    def of_block(self, shape: tuple[int, ...]) -> Plan:
        """Return the plan for a part of the image, of this shape."""
        return replace(self, axes=Axes(self.axes.letters, shape))

    def guiding(self, labels: npt.NDArray[Any] | None) -> Labels | None:
        """Return the labels that guide a fill, (leading…, Y, X), 1 to K and 0 = undecided.

        Raises
        ------
        ShapeError, LabelsError
            If they do not fit the image or the backend's classes.
        """
        if labels is None:
            return None
        info = self.backend.info
        ids = as_labels(labels, info.classes, info.name)
        return self.axes.mask_view(ids, "label map")

    def predictor(self, backend: Backend | None = None) -> Predictor:
        """Return what runs the backend, or another, and warns when memory runs out."""
        return Predictor(
            backend or self.backend,
            self.device.device,
            self.options.batch_size,
            self.options.seed,
            lambda text: warnings.warn(text, RuntimeWarning, stacklevel=2),
        )

    def record(self, predictor: Predictor, seconds: float) -> dict[str, Any]:
        """Return what made a result: plain values, fit for JSON.

        Keys: version (of this package), backend, artifact (the SHA-256 of the file that was run;
        None where none was), device, options, time (UTC, ISO 8601, of the end), seconds.
        """
        options = asdict(self.options) | {"axes": self.axes.letters}
        return {
            "version": _version(),
            "backend": self._backend_name(),
            "artifact": predictor.artifact,
            "device": str(predictor.device),
            "options": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in options.items()
                if name not in ("backend", "device")
            },
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        }

    def _backend_name(self) -> str:
        """Return the name, or the path, by which `capable` finds the backend."""
        if isinstance(self.options.backend, os.PathLike) or self.options.backend.endswith(".pt"):
            return str(self.options.backend)
        return self.backend.info.name

    def __reduce__(self) -> tuple[Any, ...]:
        # by its name: other processes have backends, and loaded models, of their own
        name = self._backend_name()
        return _unpickled, (
            self.axes,
            name,
            self.device,
            self.options,
            self.neighbours,
            self.weighs,
        )


def plan(
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    options: Options,
    *,
    needs: Collection[str] | None = None,
    labels: Any = None,
) -> Plan:
    """Check everything that can be checked without reading a pixel, and settle what will be done.

    Parameters
    ----------
    shape : tuple of int
        The image's, all its axes.
    dtype : dtype
        The image's element type.
    options : Options
        What was asked for.
    needs : collection of str, optional
        Methods that the backend has to provide; by default what filling needs, with labels or
        without.
    labels : array, optional
        Those of a guided fill; only its shape and type are looked at.

    Raises
    ------
    InpaintError
        The kind that fits what is wrong: `ShapeError`, `DtypeError`, `BackendError`, …
    """
    intensity.check_holds(intensity.check_dtype(dtype), options.missing)
    axes = parse(options.axes, shape)
    needs = needs or (FILLS if labels is None else GUIDED_FILLS)
    backend = options.backend
    if isinstance(backend, str) and backend == "auto":
        backend = choose_backend(axes.channels if axes.colours == 3 else None, needs)
    neighbours = _neighbours(axes, options) if needs == FILLS else ""
    # a photograph's fill has its detail already: what is nearest to the truth would lose it
    weighs = options.backend == "auto" and needs == FILLS and not (axes.is_photo and not neighbours)
    if needs == FILLS and neighbours and options.backend != "auto":
        # a backend that fills stacks needs not fill slices
        weighs = STACKS <= {*_found(options.backend).info.provides}
        needs = STACKS if weighs else needs
    device = resolve(options.device)
    settled = Plan(axes, capable(backend, needs), device, options, neighbours, weighs)
    if labels is not None:
        labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
        check_label_dtype(labels.dtype)
        axes.mask_letters(labels.shape, "label map")
    return settled


def _neighbours(axes: Axes, options: Options) -> str:
    """Return the axes along which slices see each other.

    Raises
    ------
    OptionError
        If axes are named that there are not.
    """
    named = options.along.upper()
    if named in ("AUTO", "NONE"):
        wanted = NEIGHBOURS if named == "AUTO" else ""
    else:
        wanted = named
        lacking = [each for each in named if each not in axes.leading]
        if lacking or len({*named}) < len(named) or len(named) > MOST_AXES:
            raise OptionError(
                f"along names one or two axes besides Y, X and C; got {options.along!r}, and the "
                f"image's axes are {axes.letters!r}."
            )
    lengths = dict(zip(axes.letters, axes.shape, strict=True))
    there = [each for each in wanted if each in axes.leading and lengths[each] > 1]
    return "".join(each for each in axes.leading if each in there[:MOST_AXES])


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
    found = _found(backend)
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


@functools.cache
def _version() -> str:
    return version("napari-inpaint")  # reads a file, at every call


def _found(backend: str | os.PathLike[str]) -> Backend:
    if isinstance(backend, os.PathLike) or backend.endswith(".pt"):
        return open_artifact(backend)
    return registry.get_backend(backend)


def _unpickled(axes: Axes, backend: str, *settled: Any) -> Plan:
    return Plan(axes, _found(backend), *settled)
