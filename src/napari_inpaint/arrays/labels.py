"""Integer class maps: k is the k-th class of a backend, 0 and 255 leave a pixel to the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.errors import DtypeError, LabelsError, OptionError

Labels = npt.NDArray[np.uint16]

UNDECIDED = 0
VOID = 255
"""What data sets write where nobody said a class; an id like any other if there are so many."""


@dataclass(frozen=True)
class ClassInfo:
    """One class that a segmenting backend knows.

    Attributes
    ----------
    name : str
        What a person reads, "building".
    colour : str
        ``#rrggbb``.

    Raises
    ------
    OptionError
        If one of them is something else.
    """

    name: str
    colour: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise OptionError(f"name must be text; got {self.name!r}.")
        if not isinstance(self.colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", self.colour):
            raise OptionError(f"colour must be '#rrggbb'; got {self.colour!r}.")


def dtype_for(count: int) -> np.dtype[Any]:
    """Return the type of labels of so many classes; uint8 has place for 0 and 255 besides."""
    return np.dtype(np.uint8 if count < VOID else np.uint16)


def check_label_dtype(dtype: npt.DTypeLike) -> None:
    """Check that labels are integers.

    Raises
    ------
    DtypeError
        If they are not.
    """
    if np.dtype(dtype).kind not in "iu":
        raise DtypeError(
            f"Labels are integers, 0 = undecided and k = the k-th class; these are of type "
            f"{np.dtype(dtype).name}. Convert them, for example with labels.astype('uint8')."
        )


def as_labels(labels: npt.NDArray[Any], classes: Sequence[ClassInfo], backend: str) -> Labels:
    """Return labels of one type, with 0 wherever the model is to decide.

    Parameters
    ----------
    labels : array of integers
        1 to K = the classes; 0, and 255 if there are fewer classes than that, = undecided. Where
        the backend has no classes of its own, any numbers from 1 up, which become 1 to K.
    classes : sequence of ClassInfo
        The backend's, in the order of the ids from 1 up.
    backend : str
        Its name, for the error's text.

    Raises
    ------
    LabelsError
        If any other number occurs.
    """
    if not classes:
        return numbered(labels)
    count = len(classes)
    usable = (labels >= 0) & (labels <= count)
    void = (labels == VOID) & ~usable
    if not (usable | void).all():
        raise LabelsError(_unknown(np.unique(labels[~(usable | void)]), classes, backend))
    return np.where(void, UNDECIDED, labels).astype(np.uint16)


def numbered(labels: npt.NDArray[Any]) -> Labels:
    """Return labels with the numbers that occur, 0 aside, replaced by 1 to K in their order.

    Raises
    ------
    LabelsError
        If one is negative, or there are more than a uint16 holds.
    """
    ids, places = np.unique(labels, return_inverse=True)
    if ids.size and ids[0] < 0:
        raise LabelsError(
            f"The labels hold {ids[0]}. Give each class a number from 1 up, and 0 to pixels that "
            "are left to the backend."
        )
    decided = ids[ids != UNDECIDED]
    if len(decided) > np.iinfo(np.uint16).max:
        raise LabelsError(
            f"The labels hold {len(decided):,} different numbers; at most 65,535 are possible."
        )
    return np.searchsorted(decided, ids, side="right").astype(np.uint16)[places]


def one_hot(labels: Labels, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return (..., K) probabilities that are exactly one-hot wherever a label is decided."""
    ids = np.arange(1, probabilities.shape[-1] + 1)
    certain = (labels[..., np.newaxis] == ids).astype(np.float32)
    return np.where(labels[..., np.newaxis] == UNDECIDED, probabilities, certain)


def stack_labels(labels: Sequence[Labels | None]) -> Labels | None:
    """Return a batch of the labels of a guided fill; None for a fill that is not guided."""
    present = [each for each in labels if each is not None]
    return np.stack(present) if present else None


def _unknown(ids: npt.NDArray[Any], classes: Sequence[ClassInfo], backend: str) -> str:
    shown = ", ".join(map(str, ids[:5])) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
    known = ", ".join(f"{number} = {each.name}" for number, each in enumerate(classes, start=1))
    return (
        f"The labels hold {shown}, which the backend {backend!r} has no class for. It has "
        f"{known}; 0 and 255 leave a pixel to the model. Change the labels to these."
    )
