"""Which axes of a picture those of a mask are: by the names that files give, else by lengths."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from napari_inpaint.arrays.axes import Axes
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import FileError
from napari_inpaint.files import formats
from napari_inpaint.files.picture import Picture

Places = tuple[int, ...]
"""For each axis of a mask, the place among the picture's axes of the one that it is."""


@dataclass(frozen=True)
class Fitted:
    """A hole that lies over a picture.

    Attributes
    ----------
    hole : bool array
        Of the picture's spatial axes, and of C if each channel has its own holes; a view.
    by_channel : bool
    notes : tuple of str
        What was guessed, each a sentence.
    """

    hole: Hole
    by_channel: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A mask and the picture that it is for.

    Attributes
    ----------
    source, picture : Picture
        The mask's file, and the picture's.
    axes : Axes
        The picture's, as they will be worked on.
    said : str or None
        The picture's axes as a person names them.
    said_of_mask : str or None
        The mask's axes, without colours, as a person names them.
    """

    source: Picture
    picture: Picture
    axes: Axes
    said: str | None = None
    said_of_mask: str | None = None

    def letters(self, hole: Hole) -> str | None:
        """Return the names of the mask's axes without colours; None where they have none."""
        source, said = self.source, self.said_of_mask
        if said is not None:
            letters = said.upper()
            plain = letters.isalpha() and len({*letters}) == len(letters)
            if not plain or not {"Y", "X"} <= {*letters} or len(letters) != hole.ndim:
                raise FileError(
                    f"--mask-axes needs a different letter for each axis of {source.path}, Y and X "
                    f"among them; got {said!r} for the shape {hole.shape}."
                )
            return letters
        if source.axes is None or source.made_up:
            return None
        return source.axes.replace(source.samples, "") if source.samples else source.axes

    def names(self) -> list[str]:
        """Return all names that the picture's axes have, by a person's and by its file's word."""
        picture, names = self.picture, []
        if self.said_of_mask:
            return [self.axes.letters]
        if self.said:
            names.append(self.axes.letters)
        if picture.axes and not picture.made_up and picture.axes not in names:
            names.append(picture.axes)
        return names


def fit(hole: Hole, pair: Pair) -> Fitted:
    """Lay a mask over its picture.

    Where both name their axes, names decide: axes that the mask lacks are repeated, others have
    the picture's length, or 1. TIFF files name them as their programs know them, PNG and the like
    have Y and X; letters that tifffile makes up for nameless axes (Q, I) are no names. Where one of
    both names nothing, a mask has all of the picture's spatial axes in its order, or Y and X
    alone, or those leading axes that its lengths allow, if there is one way only. A mask with an
    axis C as long as the picture's has other holes in each channel.

    Parameters
    ----------
    hole : bool array
        The mask's axes, without those of colours.
    pair : Pair

    Raises
    ------
    FileError
        If it does not fit, or fits in several ways.
    """
    letters, names = pair.letters(hole), pair.names()
    if hole.ndim == 2:
        hole = formats.upright(hole, pair.picture)
    if letters is None or not names:
        return _by_lengths(hole, pair)
    found = {places for each in names if (places := _named(hole, letters, each, pair)) is not None}
    if not found:
        raise FileError(_mismatch(hole, letters, names[0], pair))
    if len(found) > 1:
        raise FileError(
            f"{pair.source.path} has the axes {letters!r}, which are others by --axes "
            f"{names[0]} than by {pair.picture.path}, which says {names[1]!r}. Say what the mask's "
            f"axes are, in the letters of --axes: --mask-axes."
        )
    return _laid(hole, found.pop(), pair.axes)


def _named(hole: Hole, letters: str, names: str, pair: Pair) -> Places | None:
    """Return the places of a mask's axes by their names; None if they do not fit.

    However the other axes are called, its slices are those of the picture.
    """
    shape, places = pair.axes.shape, []
    if {names.find(each) for each in "YX"} != {pair.axes.letters.index(each) for each in "YX"}:
        return None
    for letter, length in zip(letters, hole.shape, strict=True):
        at = names.find(letter)
        repeated = length == 1 and letter not in "YX"
        if not repeated and (at < 0 or shape[at] != length):
            return None
        places.append(at)
    return tuple(places)


def _by_lengths(hole: Hole, pair: Pair) -> Fitted:
    letters, shape = pair.axes.letters, pair.axes.shape
    plane = tuple(letters.index(each) for each in letters if each in "YX")
    spatial = tuple(k for k, each in enumerate(letters) if each != "C")
    leading = tuple(k for k in spatial if k not in plane)
    if hole.shape == shape and "C" in letters:
        if pair.axes.is_photo:
            return _of_colours(hole)
        return _laid(hole, tuple(range(hole.ndim)), pair.axes)
    if hole.ndim == len(spatial):
        ways = [spatial]
    elif 2 <= hole.ndim < len(spatial):
        ways = [(*some, *plane) for some in itertools.combinations(leading, hole.ndim - 2)]
    else:
        ways = []
    ways = [way for way in ways if _fits(hole, way, pair.axes)]
    if not ways:
        raise FileError(_unfitting(hole, pair))
    if len(ways) > 1:
        named = ["".join(letters[k] for k in way) for way in ways]
        raise FileError(
            f"{pair.source.path} has the shape {hole.shape} and no names of axes: over "
            f"{pair.picture.path}, {letters!r} with shape {shape}, it may be "
            f"{' or '.join(named)}. Say which, for example with --mask-axes {named[-1]}."
        )
    notes: tuple[str, ...] = ()
    if hole.ndim > 2 and hole.ndim < len(spatial) and ways[0] != (*leading, *plane)[-hole.ndim :]:
        taken = "".join(letters[k] for k in ways[0])
        notes = (f"its axes, which have no names, are taken for {taken} by their lengths",)
    fitted = _laid(hole, ways[0], pair.axes)
    return Fitted(fitted.hole, fitted.by_channel, notes)


def _fits(hole: Hole, places: Places, axes: Axes) -> bool:
    return all(
        length == axes.shape[at] or (length == 1 and axes.letters[at] not in "YX")
        for length, at in zip(hole.shape, places, strict=True)
    )


def _of_colours(hole: Hole) -> Fitted:
    """Take a nameless (..., Y, X, 3) mask for one of colours."""
    marked: Hole = np.logical_or.reduce(hole, axis=-1)
    alike = (hole == hole[..., :1]).all()
    notes = () if alike else ("its last axis is taken for colours, and any of them makes a hole",)
    return Fitted(marked, notes=notes)


def _laid(hole: Hole, places: Places, axes: Axes) -> Fitted:
    """Put a mask's axes where the picture has them, and repeat what is not there."""
    kept = [k for k, at in enumerate(places) if at >= 0]
    hole = hole.reshape([hole.shape[k] for k in kept])
    at = [places[k] for k in kept]
    hole = hole.transpose(np.argsort(at))
    channel = axes.letters.find("C")
    missing = [k for k in range(len(axes.letters)) if k not in at]
    hole = np.expand_dims(hole, missing)
    by_channel = channel >= 0 and hole.shape[channel] > 1
    if by_channel:
        first = hole.take([0], axis=channel)
        by_channel = not (hole == first).all()
        hole = hole if by_channel else first
    shape = axes.shape
    if channel >= 0 and not by_channel:
        hole, shape = hole.squeeze(channel), axes.spatial_shape
    return Fitted(np.broadcast_to(hole, shape), by_channel)


def _mismatch(hole: Hole, letters: str, names: str, pair: Pair) -> str:
    if letters == "YX":
        return _unfitting(hole, pair)
    lengths = dict(zip(names, pair.axes.shape, strict=True))
    reasons = [
        f"{letter} is missing there" if letter not in lengths else f"{letter} has another length"
        for letter, length in zip(letters, hole.shape, strict=True)
        if lengths.get(letter) != length and (length != 1 or letter in "YX")
    ]
    return (
        f"{pair.source.path} has the axes {letters!r} with shape {hole.shape}, but "
        f"{pair.picture.path} has {names!r} with shape {pair.axes.shape}: {', '.join(reasons)}. "
        "Draw the mask on the same picture, or say what its axes are with --mask-axes."
    )


def _unfitting(hole: Hole, pair: Pair) -> str:
    axes = pair.axes
    slices = " or of a single (Y, X) slice" if axes.leading else ""
    text = (
        f"{pair.source.path} has the shape {hole.shape}, but {pair.picture.path} with axes "
        f"{axes.letters!r} and shape {axes.shape} needs a mask of {axes.spatial_shape}{slices}"
    )
    if "C" not in axes.letters and hole.shape == axes.shape[:-1]:
        return f"{text}. If the picture's last axis holds channels, say so: --axes …YXC."
    if hole.ndim == 2:
        return f"{text}. Draw the mask on the same picture."
    return f"{text}. Draw the mask on the same picture, or say what its axes are with --mask-axes."
