"""What a run works on: taken down when a button is pressed, read in the run's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points, Shapes

from napari_inpaint.errors import InpaintError, ShapeError
from napari_inpaint.fill.plan import Options, Plan, plan
from napari_inpaint.gui.drawn import Discs, Outlines
from napari_inpaint.gui.image_layers import COLOURS, mask_problem, pixels, spatial_shape
from napari_inpaint.gui.kinds import Missing
from napari_inpaint.gui.marks import Held, Marks, Painted, Spot, all_positions
from napari_inpaint.gui.planes import Planes, lazy, planes_last
from napari_inpaint.gui.slabs import Slab

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_inpaint.gui.image_layers import Axes, Index, MaskLayer
    from napari_inpaint.gui.planes import Box

MARGIN = 512  # px around the holes that are read of an image that is not in memory


@dataclass(frozen=True)
class Selection:
    """What was chosen, so that no layer has to be looked at any more.

    Attributes
    ----------
    array : array
        The image.
    shape : tuple of int
        The image's spatial shape.
    axes : tuple of int
        Its two axes in which a plane lies.
    only : tuple of int or None
        Position of the one plane to work on; None: all that have a hole.
    marks : Marks or None
        What the mask marks; None without a mask.
    missing : Missing or None
        Which pixels of the image are hole besides; None: none.
    labels : Held or None
        What guides the fill.
    needs_hole : bool
        Whether there is nothing to do where nothing is hole; else all planes are worked on then.
    options : Options or None
        Those of a fill in which slices may see their neighbours, with the letters of the image's
        axes, a plane's last; None: each plane is worked on by itself.
    """

    array: Any
    shape: tuple[int, ...]
    axes: Axes
    only: Index | None
    marks: Marks | None
    missing: Missing | None
    labels: Held | None
    needs_hole: bool
    options: Options | None = None

    @classmethod
    def of(
        cls,
        image: Image,
        mask: MaskLayer | None,
        axes: Axes,
        only: Index | None = None,
        *,
        missing: Missing | None = None,
        labels: Labels | None = None,
        needs_hole: bool = True,
        options: Options | None = None,
    ) -> Selection:
        """Take down what is chosen; this takes some ms, whatever the size of the layers.

        Parameters
        ----------
        image, mask, axes, only, missing, needs_hole, options
            See the attributes.
        labels : Labels, optional
            A layer that fits the image.

        Raises
        ------
        InpaintError
            If the mask does not fit the image.
        """
        if mask is not None and (problem := mask_problem(mask, image)):
            raise InpaintError(problem)
        return cls(
            *(pixels(image), spatial_shape(image), axes, only),
            None if mask is None else marks_of(mask, image),
            missing,
            None if labels is None else Held.of(labels, image),
            needs_hole,
            options,
        )

    @property
    def shared(self) -> bool:
        """Whether what is painted before `read` has ended would be read, too."""
        return any(each is not None and each.shared for each in (self.marks, self.labels))

    @property
    def letters(self) -> str:
        """What the axes of the planes are, "ZYX" or "ZYXC"."""
        return "ZYXC" if len(self.array.shape) > len(self.shape) else "ZYX"

    @property
    def in_memory(self) -> bool:
        """Whether the image is; else only what is needed of it is read."""
        return isinstance(self.array, np.ndarray)

    def read(self, check: Callable[[], None] = lambda: None) -> Planes:
        """Choose the planes to work on, and copy what is hole there.

        Of an image that is not in memory little is read: where the mask marks something, and
        values that mean missing were not named, missing pixels count around the marks only.

        Parameters
        ----------
        check : callable
            Called now and then; what it raises ends the reading.

        Raises
        ------
        InpaintError
            If nothing is hole there, the mask covers a plane that no other can tell of, or the
            options do not fit the image.
        """
        source = self._source()
        settled = None
        if self.options is not None:
            settled = plan(source.shape, source.dtype, self.options)
        near = self._marked(check, settled)
        marked = {index: near[index] for index in self._positions(near) if index in near}
        everywhere = not marked and not self.needs_hole
        missing = {} if everywhere else self._missing(check, self.in_memory or not marked)
        every = self._positions(all_positions(self.shape, self.axes))
        indices = [*every] if everywhere else sorted(marked.keys() | missing.keys())
        if not indices:
            raise InpaintError(self._nothing())
        height, width = (self.shape[axis] for axis in self.axes)
        box = (slice(0, height), slice(0, width))
        if not self.in_memory and not everywhere:
            box = _around([*marked.values(), *missing.values()], box)
        hole = np.zeros((len(indices), *(cut.stop - cut.start for cut in box)), bool)
        for plane, index in zip(hole, indices, strict=True):
            if index in marked:
                marked[index].draw(plane, (box[0].start, box[1].start))
        labels = None
        if self.labels is not None:
            read = [self.labels.plane(self.axes, index)[box] for index in indices]
            labels = np.stack(read)
        together = settled is not None and bool(settled.neighbours)
        if settled is not None and not settled.weighs:  # but for what is missing wholly
            together &= any(self._is_whole(marked.get(i), missing.get(i)) for i in indices)
        return Planes(
            *(source, self.axes, indices, box, hole, bool(marked), labels),
            only=self.only is not None,
            plan=settled,
            near=near if together else None,
        )

    def _positions(self, every: Iterable[Index]) -> Iterable[Index]:
        return every if self.only is None else [self.only]

    def _marked(self, check: Callable[[], None], settled: Plan | None) -> dict[Index, Spot]:
        """Return what is marked on the planes on which something is, and on those they see."""
        spots: dict[Index, Spot] = {}
        if self.marks is None:
            return spots
        alone = settled is None or not settled.neighbours
        for index in self._seen(settled) or self.marks.positions(self.axes):
            check()
            spot = self.marks.spot(self.axes, index)
            if spot is None:
                continue
            if alone and self._is_whole(spot):
                raise ShapeError(self._covered(index))
            spots[index] = spot
        return spots

    def _seen(self, settled: Plan | None) -> list[Index] | None:
        """Return the positions of the one plane, if it is one, and of those that it sees."""
        if self.only is None:
            return None
        if settled is None:
            return [self.only]
        seen = Slab.of(settled, self.only, alone=True).seen
        return [*product(*(range(each.start, each.stop) for each in seen))]

    def _missing(self, check: Callable[[], None], seek: bool) -> dict[Index, Spot]:
        """Return what is missing on the planes on which something is, where that is looked for."""
        spots: dict[Index, Spot] = {}
        missing, source = self.missing, self._source()
        if missing is None or not missing.possible(source) or not (seek or missing.values):
            return spots
        for index in self._positions(all_positions(self.shape, self.axes)):
            check()
            there = missing.where(np.asarray(source[index]))
            if there is not None:
                spots[index] = Spot.of(there)
        return spots

    def _is_whole(self, *spots: Spot | None) -> bool:
        """Whether spots together are a whole plane: nothing of it is known."""
        there = [each for each in spots if each is not None]
        if sum(each.hole.size for each in there) < self._plane_size:
            return False
        plane = np.zeros([self.shape[axis] for axis in self.axes], bool)
        for spot in there:
            spot.draw(plane)
        return bool(plane.all())

    @property
    def _plane_size(self) -> int:
        return self.shape[self.axes[0]] * self.shape[self.axes[1]]

    def _source(self) -> Any:
        array = self.array if self.in_memory else lazy(self.array)
        source = planes_last(array, self.axes, len(self.shape))
        return source[..., :COLOURS] if self.letters.endswith("C") else source

    def _covered(self, index: Index) -> str:
        """Say that the mask covers a plane."""
        name = "" if self.marks is None else self.marks.name
        where = f" at slice {', '.join(map(str, index))}" if index else ""
        other = ", or choose neighbours under More options" if index and self.options else ""
        return (
            f"The mask “{name}” covers the whole image{where}: nothing known is left to fill it "
            f"from. Mask less of it{other}."
        )

    def _nothing(self) -> str:
        """Say that nothing is hole."""
        where = "" if self.only is None or len(self.shape) == 2 else " on this slice"
        if self.marks is None:
            return f"No pixel is missing{where}. Choose a mask, or press New mask and paint."
        return f"The mask “{self.marks.name}” is empty{where}. Paint over what should be filled."


def _around(spots: list[Spot], box: Box) -> Box:
    """Return the box around spots, with what a model may look at, that lies in a box."""
    rows, columns = box
    return (
        slice(
            max(min(each.top for each in spots) - MARGIN, rows.start),
            min(max(each.bottom for each in spots) + MARGIN, rows.stop),
        ),
        slice(
            max(min(each.left for each in spots) - MARGIN, columns.start),
            min(max(each.right for each in spots) + MARGIN, columns.stop),
        ),
    )


def marks_of(mask: MaskLayer, image: Image) -> Marks:
    """Take down what a mask marks now; a mask that fits the image (see `mask_problem`)."""
    if isinstance(mask, Shapes):
        return Outlines.of(mask, image)
    if isinstance(mask, Points):
        return Discs.of(mask, image)
    return Painted(mask.name, spatial_shape(image), Held.of(mask, image))
