"""How far a run is, and how it ends early: one callback."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total), px, before the first batch and after each one. Whatever it raises ends
the run; to cancel it, raise ``Cancelled``."""


def ignore(done: int, total: int) -> None:
    """Be a `Progress` that nobody looks at."""


def part_of(progress: Progress, before: int, total: int) -> Progress:
    """Return what a part reports to: its pixels, with those done ``before``, of a larger total."""
    return lambda done, _: progress(before + done, total)


def share_of(progress: Progress, before: int, size: int, total: int) -> Callable[[float], None]:
    """Return what a part of ``size`` px reports to as a share of itself, from 0 to 1."""
    return lambda share: progress(before + int(share * size), total)
