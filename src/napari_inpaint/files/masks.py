"""What a mask file says: which of its pixels are hole, and which pixels of the picture these are.

The only place where a file's transparency, palette, depth and axes are turned into a hole, in this
order; `mask_axes` does the last. A guess that is not safe is an error that names the option which
settles it, and a guess that is made is said in a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays.axes import parse
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats, mask_axes, mask_values
from napari_inpaint.files.mask_axes import Pair
from napari_inpaint.files.picture import Picture

LARGEST = 0.5  # of a mask's pixels: more hole than this looks inverted
CLEAR = 0.6  # of a mask's pixels: the larger of two parts is clearly so from here on
FAINT = 0.02  # of full: alpha nearer than this to an end counts as being there
NUANCE = 8  # levels of 255 that a palette's colours may be off black or a shade
FEW = 16  # colours: a picture has more, a drawing may have as many
RESTLESS = 0.2  # of pixels with another neighbour: photos are above, areas of colour below
SAMPLE = 1 << 18  # pixels: about as many are enough to know a photo by


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a person says that mask files are to be read.

    Attributes
    ----------
    threshold : float or None
        Hole is what is above it, on the file's own scale; None: as the values look.
    invert : bool or None
        Whether hole and known are exchanged, after the threshold. False: not, however large the
        hole is; None: not, and a hole of more than half of the pixels is refused.
    axes : str or None
        One letter for each axis of the files; None: as they say.
    """

    threshold: float | None = None
    invert: bool | None = None
    axes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mask:
    """The hole of a picture.

    Attributes
    ----------
    hole : bool array
        True = hole. Of the picture's spatial axes, in its order; may be a read-only view.
    by_channel : bool
        Whether each channel has its own holes: the picture's C is among the axes then.
    notes : tuple of str
        What was guessed, each a sentence.
    """

    hole: Hole
    by_channel: bool = False
    notes: tuple[str, ...] = ()


def read(
    path: Path, picture: Picture, reading: Reading | None = None, *, axes: str | None = None
) -> Mask:
    """Read the hole of a picture.

    - *Transparency* decides where the file has some, see `_by_alpha`.
    - *Palettes* of black and shades of one colour are drawings, and their colours count: black is
      known, whatever index it has. All other palettes stand for labels, whose colours mean nothing
      (one of them may well be black), and the indices count: 0 is known.
    - *Colours* count as their brightest channel.
    - *Depth*: what is not zero is hole, labels too; `mask_values.by_value` has more, for grounds
      that are not exactly 0. Files with lossy compression, which blurs edges, are cut at half.
    - *Axes*: see `mask_axes.fit`. A mask drawn on the pixels as they are stored is turned together
      with a picture that its EXIF data turns.

    Parameters
    ----------
    path : Path
        The mask's file.
    picture : Picture
        As `formats.read` returns it.
    reading : Reading, optional
        What a person says of the mask.
    axes : str, optional
        What a person says the picture's axes are.

    Raises
    ------
    FileError
        If the file is broken, can be read in two ways, looks inverted, or does not fit.
    ShapeError
        If `axes` does not fit the picture.
    """
    reading = reading or Reading()
    worked_on = parse(axes or picture.axes, picture.array.shape)
    source = formats.read(path)
    if source.array.ndim < 2:
        raise FileError(
            f"{path} has the shape {source.array.shape}; a mask has at least the axes Y and X."
        )
    hole, notes = _marked(source, reading)
    if reading.invert:
        hole = ~hole
        notes = (*notes, "then hole and known are exchanged") if notes else ()
    share = float(hole.mean()) if hole.size else 0.0
    if reading.invert is None and share > LARGEST:
        taken = "".join(f" ({note})" for note in notes)
        raise FileError(
            f"{path} marks {share:.1%} of its pixels as hole{taken}, which looks inverted. If hole "
            "and known are exchanged in it, add --invert-mask; to fill that much, --no-invert-mask."
        )
    fitted = mask_axes.fit(hole, Pair(source, picture, worked_on, axes, reading.axes))
    notes = (*source.notes, *notes, *fitted.notes)
    return Mask(hole=fitted.hole, by_channel=fitted.by_channel, notes=notes)


def _marked(source: Picture, reading: Reading) -> tuple[Hole, tuple[str, ...]]:
    """Return what the file marks, of its axes without those of colours; and what was guessed."""
    values = _values(source)
    visible = None if source.alpha is None else _above(source.alpha, 0.5)
    if visible is not None and (visible.all() or not visible.any()):
        visible = None  # alpha that says nothing: some programs leave it empty
    if reading.threshold is not None:
        hole: Hole = values > reading.threshold
        return (hole if visible is None else hole & visible), ()
    if visible is None or source.alpha is None:
        return mask_values.by_value(source, values)
    return _by_alpha(source, source.alpha, values, reading)


def _values(source: Picture) -> NDArray[Any]:
    """Return one value a pixel: that of the brightest colour, or the index of a label."""
    if source.indices is None:
        return _brightness(source)
    used, first = np.unique(source.indices, return_index=True)
    colours = source.array.reshape(source.indices.size, -1)[first].astype(int)
    levels = colours.max(axis=1)
    black, brightest = levels <= NUANCE, colours[levels.argmax()]
    shades = np.outer(levels, brightest) / max(levels.max(), 1)
    if black.any() and np.abs(colours - shades).max() <= NUANCE:
        return _brightness(source)
    if black.any() and used[0] == 0 and not black[0] and source.alpha is None:
        raise FileError(
            f"{source.path} has a palette of several colours in which black is not the first "
            "index: by its colours black is known, by its indices what has the first one. Save it "
            "as a grey or RGB picture."
        )
    return source.indices


def _brightness(source: Picture) -> NDArray[Any]:
    if not source.samples or source.axes is None:
        return source.array
    brightest: NDArray[Any] = source.array.max(axis=source.axes.index(source.samples))
    return brightest


def _by_alpha(
    source: Picture, alpha: NDArray[Any], values: NDArray[Any], reading: Reading
) -> tuple[Hole, tuple[str, ...]]:
    """Decide by transparency.

    - The visible part is a picture of many colours: a photo, in which the hole was erased. The
      transparent part is the hole.
    - It is of few colours, black among others: a mask on a transparent ground. Its colours count,
      if it covers most of the file.
    - It is of one colour, or of few without black: strokes on a transparent ground, or a layer in
      which the hole was erased. The hole is the part that is clearly the smaller one.

    What is half transparent belongs to the hole, in either reading.
    """
    faint = 0.5 if source.lossy else FAINT
    visible, drawn, erased = _above(alpha, 0.5), _above(alpha, faint), ~_above(alpha, 1 - faint)
    share = float(visible.mean())
    if _is_photo(source, visible):
        return erased, ("its transparent part is the hole, for the rest is a picture",)
    brightness = _brightness(source)
    black = brightness[visible] <= (mask_values.full_scale(brightness) / 2 if source.lossy else 0)
    if black.any() and not black.all():
        if share >= CLEAR:
            hole, notes = mask_values.by_value(source, np.where(visible, values, 0))
            note = "its transparent part is known, and the colours of the rest say what is hole"
            return hole, (note, *notes)
    elif share <= 1 - CLEAR:
        return drawn, ("its visible part is the hole, the transparent one is known",)
    elif share >= CLEAR:
        return erased, ("its transparent part is the hole, the visible one is known",)
    if reading.invert is not None:
        return drawn, ("its visible part is the hole",)
    raise FileError(
        f"{source.path} is {share:.0%} visible and else transparent: either part may be the hole. "
        "Add --no-invert-mask if it is the visible one, --invert-mask if it is the transparent one."
    )


def _is_photo(source: Picture, visible: Hole) -> bool:
    """Say whether the visible part has many colours, and neighbours that differ."""
    array = source.array
    if source.samples and source.axes:
        array = np.moveaxis(array, source.axes.index(source.samples), -1)
    else:
        array = array[..., np.newaxis]
    rows = slice(None, None, max(1, visible.size // SAMPLE))
    array, visible = array[..., rows, :, :], visible[..., rows, :]
    if array.dtype.kind in "iu" and source.lossy:
        array = array >> 4  # compression smears one colour into several
    pairs = visible[..., 1:] & visible[..., :-1]
    differ = (array[..., 1:, :] != array[..., :-1, :]).any(axis=-1) & pairs
    if np.count_nonzero(differ) <= RESTLESS * np.count_nonzero(pairs):
        return False
    seen = array[visible]
    return len(np.unique(seen, axis=0)) > FEW


def _above(alpha: NDArray[Any], share: float) -> Hole:
    """Return where alpha is more than a share of full."""
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else mask_values.full_scale(alpha)
    part: Hole = alpha > share * full
    return part
