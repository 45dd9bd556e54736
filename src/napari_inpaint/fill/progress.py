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


class Repeating:
    """A `Progress` that can report the same again, so that what is no progress can be cancelled.

    Parameters
    ----------
    progress : Progress
        What it reports to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = (0, 1)

    def __call__(self, done: int, total: int) -> None:
        """Report."""
        self._last = (done, total)
        self._progress(done, total)

    def again(self, done: int = 0, total: int = 1) -> None:
        """Report as last time, whatever a part says of itself."""
        self._progress(*self._last)
