"""Fills of one hole to choose from: layers of which one is shown at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import LayerList
    from napari.layers import Image


class VariantLayers:
    """The variants that the person has neither kept nor dropped yet.

    Layers that were removed by hand count no more.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.
    """

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._all: list[Image] = []
        self._shown: Image | None = None

    @property
    def open(self) -> list[Image]:
        """The variants that are there."""
        return [each for each in self._all if each in self._layers]

    @property
    def at(self) -> int:
        """Which of them is shown, from 0 up."""
        return self.open.index(self._shown) if self._shown in self.open else 0

    def add(self, variants: Sequence[Image]) -> None:
        """Put new ones behind those that are there, and show the first new one."""
        self._all = [*self.open, *variants]
        self.show(len(self._all) - len(variants))

    def show(self, at: int) -> None:
        """Show one of them and hide the others; counting goes round."""
        there = self.open
        self._shown = there[at % len(there)]
        for each in there:
            each.visible = each is self._shown
        self._layers.selection.active = self._shown

    def keep(self) -> Image:
        """Remove all but the one that is shown, and return it."""
        there = self.open
        kept = there[self.at]
        self._all = []
        for each in there:
            if each is not kept:
                self._layers.remove(each)
        kept.visible = True
        self._layers.selection.active = kept
        return kept

    def drop(self) -> None:
        """Remove all of them."""
        there, self._all = self.open, []
        for each in there:
            self._layers.remove(each)
