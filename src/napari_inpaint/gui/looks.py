"""Whether something is painted, or missing, in layers too large to be waited for.

What is small is looked through at once. In what is not, one pixel that was found is a witness:
as long as it is there, the answer is known, however large the layer is. Where there is none, the
layer is looked through in another thread.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.gui.image_layers import pixels, plane_of
from napari_inpaint.gui.kinds import Marked, Sought
from napari_inpaint.gui.marks import SMALL, all_positions, any_label
from napari_inpaint.gui.worker import in_background

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from napari_inpaint.gui.image_layers import Axes, Index

    Pixel = tuple[int, ...]  # where it lies, along the spatial axes
    Key = tuple[Axes, Index] | None  # a plane; None: all


@dataclass(frozen=True)
class _Where:
    """Which planes of a layer a question is about: the one at `only`, or all."""

    axes: Axes
    only: Index | None

    @property
    def key(self) -> Key:
        """What answers are kept under."""
        return None if self.only is None else (self.axes, self.only)

    def covers(self, pixel: Pixel) -> bool:
        """Whether a pixel lies there."""
        return self.only in (None, tuple(i for k, i in enumerate(pixel) if k not in self.axes))

    def bytes(self, array: Any, ndim: int) -> int:
        """Return how much there is to look through."""
        lengths = [n for k, n in enumerate(array.shape[:ndim]) if k in self.axes or not self.only]
        return int(math.prod([*lengths, *array.shape[ndim:], array.dtype.itemsize]))

    def positions(self, shape: tuple[int, ...], near: Index) -> list[Index]:
        """Return the planes, from one on and round."""
        if self.only is not None:
            return [self.only]
        every = [*all_positions(shape, self.axes)]
        first = every.index(near) if near in every else 0
        return every[first:] + every[:first]


@dataclass
class _Known:
    """What is known of one kind of pixel in one array."""

    array: Any
    ndim: int  # spatial axes
    sought: Sought
    witnesses: dict[Index, Pixel] = field(default_factory=dict)  # one for each slice
    nowhere: set[Key] = field(default_factory=set)
    unreadable: set[Key] = field(default_factory=set)
    before: dict[Key, bool] = field(default_factory=dict)  # the last answers

    def answer(self, where: _Where) -> bool | None:
        """Return what is known without looking."""
        for slices, pixel in [*self.witnesses.items()]:
            if where.covers(pixel):
                if self.is_true(pixel):
                    return True
                del self.witnesses[slices]
        return False if {where.key, None} & self.nowhere else None

    def learn(self, where: _Where, found: Pixel | None) -> bool:
        """Take in the result of a look."""
        if found is None:
            self.nowhere.add(where.key)
        else:
            self.witnesses[found[:-2]] = found
        return found is not None

    def forget(self) -> None:
        """Take in that the array changed somewhere; a witness is asked again each time."""
        self.nowhere.clear()
        self.unreadable.clear()
        if not self.in_memory:
            self.witnesses.clear()

    def is_true(self, pixel: Pixel) -> bool:
        """Whether a pixel that was found is still of the kind."""
        if not self.in_memory:
            return True  # as far as known: to read it may take long
        return self.sought.where(self.array[pixel][np.newaxis, np.newaxis]) is not None

    @property
    def in_memory(self) -> bool:
        """Whether a pixel can be read while the person waits."""
        return isinstance(self.array, np.ndarray)

    def look(self, where: _Where, near: Index, stop: threading.Event) -> Pixel | None:
        """Look for one such pixel, until told to stop."""
        shape = self.array.shape[: self.ndim]
        for index in where.positions(shape, near):
            plane = plane_of(self.array, where.axes, index)
            rows = max(1, SMALL // max(1, plane[:1].nbytes)) if self.in_memory else len(plane)
            for start in range(0, len(plane), rows):
                if stop.is_set():
                    return None
                there = self.sought.where(np.asarray(plane[start : start + rows]))
                if there is not None:
                    y, x = np.unravel_index(int(there.argmax()), there.shape)
                    inside = {where.axes[0]: int(y) + start, where.axes[1]: int(x)}
                    others = iter(index)
                    return tuple(
                        inside[k] if k in inside else next(others) for k in range(self.ndim)
                    )
        return None


class Looks:
    """Answers at once, or later; looks through much in another thread only.

    Parameters
    ----------
    answered : callable
        Called in the main thread when it is worthwhile to ask again.
    """

    def __init__(self, answered: Callable[[], None]) -> None:
        self._answered = answered
        self._known: weakref.WeakKeyDictionary[Layer, dict[Sought, _Known]]
        self._known = weakref.WeakKeyDictionary()
        self._looking_in: Layer | None = None
        self._stop = threading.Event()

    def has(
        self, layer: Image | Labels, sought: Sought, axes: Axes, only: Index | None, near: Index
    ) -> bool | None:
        """Return whether there are such pixels in a layer.

        Parameters
        ----------
        layer : Image or Labels
            Where to look.
        sought : Sought
            What for.
        axes : tuple of int
            The two spatial axes of the layer in which its planes lie.
        only : tuple of int or None
            Position of the one plane to look at; None: all.
        near : tuple of int
            Position at which to begin.

        Returns
        -------
        bool or None
            What was so before the last change, if that is not known yet; None if nothing is. Then
            `answered` will be called.
        """
        known, where = self._of(layer, sought), _Where(axes, only)
        answer = known.answer(where)
        if answer is None and known.in_memory and where.bytes(known.array, layer.ndim) <= SMALL:
            answer = known.learn(where, known.look(where, near, threading.Event()))
        if answer is None:
            if where.key not in known.unreadable:
                self._look(layer, known, where, near)
            return known.before.get(where.key)
        known.before[where.key] = answer
        return answer

    def is_clear(self, layer: Labels) -> None:
        """Take in that nothing is painted in a layer."""
        self._of(layer, Marked()).nowhere.add(None)

    def changed(self, layer: Layer) -> None:
        """Take in that a layer changed somewhere."""
        for known in self._known.get(layer, {}).values():
            known.forget()
        if self._looking_in is layer:
            self.stop()

    def painted(self, layer: Labels, region: tuple[slice, ...]) -> None:
        """Take in that a region of a Labels layer changed."""
        self.changed(layer)
        known = self._of(layer, Marked())
        before = known.witnesses.get(tuple(cut.start for cut in region[:-2]))
        if not known.in_memory or (before is not None and known.is_true(before)):
            return
        block = known.array[region]
        if block.nbytes <= SMALL and any_label(block):
            inside = np.unravel_index(int((block != 0).argmax()), block.shape)
            found = tuple(int(at) + cut.start for at, cut in zip(inside, region, strict=True))
            known.witnesses[found[:-2]] = found

    def stop(self) -> None:
        """Look no further; what is still of interest will be asked again."""
        self._stop.set()

    def _of(self, layer: Image | Labels, sought: Sought) -> _Known:
        kinds, array = self._known.setdefault(layer, {}), pixels(layer)
        if sought not in kinds or kinds[sought].array is not array:
            kinds[sought] = _Known(array, layer.ndim, sought)
        return kinds[sought]

    def _look(self, layer: Layer, known: _Known, where: _Where, near: Index) -> None:
        """Look in another thread; one at a time, what else is asked will be asked again."""
        if self._looking_in is not None:
            return
        stop = threading.Event()
        self._looking_in, self._stop = layer, stop

        def keep(found: Pixel | Exception | None) -> None:
            self._looking_in = None
            if isinstance(found, Exception):
                known.unreadable.add(where.key)  # whoever presses the button will see why
            elif not stop.is_set():
                known.learn(where, found)
            self._answered()

        in_background(lambda: known.look(where, near, stop), keep)
