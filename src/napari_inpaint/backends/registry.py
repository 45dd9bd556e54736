"""Discover, check and list backends; one that is broken takes no other down."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

import pluggy

from napari_inpaint.backends import contract
from napari_inpaint.backends.contract import PROJECT, Backend, BackendInfo
from napari_inpaint.errors import UnknownBackendError

GROUP = "napari_inpaint.backends"
OWN_DISTRIBUTION = "napari-inpaint"


@dataclass(frozen=True)
class BrokenBackend:
    """A backend, or a whole package of them, that cannot be used, and why."""

    name: str
    distribution: str
    error: str


@dataclass
class Discovery:
    """What was found: usable backends with who provides them, and broken ones."""

    backends: dict[str, Backend] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)
    broken: list[BrokenBackend] = field(default_factory=list)


def list_backends() -> list[BackendInfo]:
    """Return what every usable backend says of itself, sorted by name."""
    return [backend.info for _, backend in sorted(_installed().backends.items())]


def providing(needs: Collection[str]) -> list[BackendInfo]:
    """Return what every usable backend that has these methods says of itself, sorted by name."""
    return [info for info in list_backends() if {*needs} <= {*info.provides}]


def broken_backends() -> list[BrokenBackend]:
    """Return the backends that cannot be used, each with its distribution and its error."""
    return list(_installed().broken)


def get_backend(name: str) -> Backend:
    """Return the backend with this name.

    Raises
    ------
    UnknownBackendError
        If there is none; the text lists the nearest names.
    """
    found = _installed()
    if name in found.backends:
        return found.backends[name]
    raise UnknownBackendError(_unknown(str(name), found))


def provider(name: str) -> str:
    """Return the distribution that provides the backend with this name.

    Raises
    ------
    UnknownBackendError
        If there is none; the text lists the nearest names.
    """
    get_backend(name)
    return _installed().providers[name]


def refresh() -> None:
    """Forget what was discovered; the next question looks again."""
    _installed.cache_clear()


def discover(entry_points: Iterable[importlib.metadata.EntryPoint]) -> Discovery:
    """Ask each entry point for its backends.

    Each gets a plugin manager of its own: in a shared one, a plugin that fails to validate stays
    registered, and one that raises loses the answers of all.

    Parameters
    ----------
    entry_points : iterable of EntryPoint
        In any order. On duplicate names the built-in backend wins, then the first by entry
        point's and distribution's name; the loser is listed as broken.
    """
    found = Discovery()
    ordered = sorted(
        entry_points,
        key=lambda each: (_distribution(each) != OWN_DISTRIBUTION, each.name, _distribution(each)),
    )
    for entry_point in ordered:
        distribution = _distribution(entry_point)
        for name, outcome in _backends_of(entry_point):
            if not isinstance(outcome, str) and name in found.backends:
                outcome = f"the name {name!r} is taken by {found.providers[name]}"
            if isinstance(outcome, str):
                found.broken.append(BrokenBackend(name, distribution, outcome))
            else:
                found.backends[name] = outcome
                found.providers[name] = distribution
    return found


@functools.cache
def _installed() -> Discovery:
    return discover(_entry_points())


def _entry_points() -> Iterable[importlib.metadata.EntryPoint]:
    return importlib.metadata.entry_points(group=GROUP)


def _distribution(entry_point: importlib.metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else "unknown distribution"


def _backends_of(
    entry_point: importlib.metadata.EntryPoint,
) -> Iterator[tuple[str, Backend | str]]:
    """Yield (name, backend) for each usable backend of a package, (name, error) for the others."""
    try:
        offered = _ask(entry_point)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's code does
        yield entry_point.name, _describe(error)
        return
    for each in offered:
        try:
            yield _checked(each)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            yield entry_point.name, _describe(error)


def _ask(entry_point: importlib.metadata.EntryPoint) -> list[object]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(contract)
    plugin = entry_point.load()
    manager.register(plugin, entry_point.name)
    manager.check_pending()  # refuses misspelt hooks
    if not manager.hook.napari_inpaint_backends.get_hookimpls():
        raise TypeError(
            f"{entry_point.value} has no hook napari_inpaint_backends: define a function of that "
            "name and mark it with @napari_inpaint.hookimpl"
        )
    return [each for answer in manager.hook.napari_inpaint_backends() for each in answer]


def _checked(offered: object) -> tuple[str, Backend]:
    backend: Backend = offered  # type: ignore[assignment]
    if not isinstance(backend.info, BackendInfo):
        raise TypeError(f"info must be a BackendInfo; got {type(backend.info).__name__}")
    if not callable(backend.load):
        raise TypeError("load must be a method load(device)")
    return backend.info.name, backend


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _unknown(name: str, found: Discovery) -> str:
    names = sorted(found.backends)
    reason = [each.error for each in found.broken if each.name == name]
    if reason:
        return f"The backend {name!r} is installed but broken: {reason[0]}."
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return (
        f"There is no backend {name!r}.{hint} Installed: {', '.join(names) or 'none'}. "
        "A path to a TorchScript file ends in .pt."
    )
