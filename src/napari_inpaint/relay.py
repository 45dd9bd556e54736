"""Pass on what a generator yields, put into other words; used where work consists of parts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")


def relay(steps: Generator[A, None, T], say: Callable[[A], B]) -> Generator[B, None, T]:
    """Yield ``say(step)`` for each step, and return what the steps return."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield say(step)
