"""Which mask, or which labels, goes with a picture by its name."""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_inpaint.errors import FileError
from napari_inpaint.files import formats

# NAME_mask and NAME-mask, as most do; NAME_mask001, LaMa; NAME_cp_masks, cellpose; mask_NAME
SAYING = {
    "mask": (r"(.+)[_-]masks?\d*", r"(.+)_cp_masks", r"masks?[_-](.+)"),
    "labels": (r"(.+)[_-]labels?", r"labels?[_-](.+)"),
}
"""What names of companions look like, whatever the case; the group is the picture's name."""
PLAIN = re.compile(r".+[_-](mask\d*|labels)", re.IGNORECASE)
"""Names that stand for a companion even where its picture is not there."""


@dataclass(frozen=True)
class Companions:
    """The masks, or the labels, of pictures.

    Attributes
    ----------
    what : str
        "mask" or "labels".
    files : sequence of Path
        What was found where they were asked for.
    pictures : sequence of Path
        The pictures that they are for.
    """

    what: str
    files: Sequence[Path]
    pictures: Sequence[Path]

    def of(self, picture: Path) -> Path | None:
        """Return the file that goes with a picture, if there is one.

        One whose name says what it is goes before one with the picture's own name. Upper and
        lower case, and ways to write accents, count only where several pictures differ in them
        alone. Each file goes with the picture of the longest name that it fits.

        Raises
        ------
        FileError
            If there are several.
        """
        stem = _composed(formats.stem(picture))
        for saying in (True, False):
            fitting: list[Path] = [
                *self._by_owner.get((saying, stem), ()),
                *self._by_owner.get((saying, stem.casefold(), "any case"), ()),
            ]
            fitting = [each for each in dict.fromkeys(fitting) if not each.samefile(picture)]
            if len(fitting) > 1:
                names = " and ".join(map(str, fitting))
                kinds = "masks" if self.what == "mask" else "files of labels"
                raise FileError(f"{picture} has several {kinds}, {names}; leave one of them.")
            if fitting:
                (found,) = fitting
                return found
        return None

    def missing(self, picture: Path, where: str) -> str:
        """Say what was expected of a picture that has none."""
        stem = formats.stem(picture)
        text = f"{picture} has no {self.what} in {where}; expected {stem} or {stem}_{self.what}"
        there = {formats.stem(each).casefold(): each.name for each in self._free}
        near = difflib.get_close_matches(stem.casefold(), there, n=3, cutoff=0.5)
        names = ", ".join(there[each] for each in near or [*there][:3])
        if not names:
            return f"{text} with any suffix."
        shown = f"The nearest there: {names}" if near else f"There are {names}"
        shown += "" if near or len(there) <= 3 else f" and {len(there) - 3} more"
        return f"{text} with any suffix. {shown}."

    @functools.cached_property
    def _free(self) -> list[Path]:
        """What is no picture itself."""
        taken = {each.resolve() for each in self.pictures}
        return [each for each in self.files if each.resolve() not in taken]

    @functools.cached_property
    def _by_owner(self) -> Mapping[tuple[bool | str, ...], list[Path]]:
        """Files by whether their names say what they are, and by the name of their picture."""
        exact = {_composed(formats.stem(each)) for each in self.pictures}
        folded = {each.casefold() for each in exact}
        by_owner: dict[tuple[bool | str, ...], list[Path]] = defaultdict(list)
        for file in self._free:
            for base, saying in sorted(_bases(file, self.what), key=lambda each: -len(each[0])):
                if base in exact:
                    by_owner[saying, base].append(file)
                    break
                if base.casefold() in folded:
                    by_owner[saying, base.casefold(), "any case"].append(file)
                    break
        return by_owner


def without_companions(pictures: Sequence[Path], files: Sequence[Path], what: str) -> list[Path]:
    """Return the pictures less those masks, or labels, that lie among them.

    A single file is one; of several, those whose names end in "_mask" and the like, and those
    whose names fit one of the pictures.
    """
    inside = {each.resolve() for each in files}
    stems = {_composed(formats.stem(each)).casefold() for each in pictures}

    def is_companion(picture: Path) -> bool:
        if picture.resolve() not in inside:
            return False
        plain = PLAIN.fullmatch(formats.stem(picture))
        bases = (base.casefold() for base, saying in _bases(picture, what) if saying)
        return len(files) == 1 or plain is not None or any(each in stems for each in bases)

    return [each for each in pictures if not is_companion(each)] or list(pictures)


def _bases(file: Path, what: str) -> Iterator[tuple[str, bool]]:
    """Yield what the file's picture may be called, and whether the file's name says what it is."""
    stem = _composed(formats.stem(file))
    yield stem, False
    for pattern in SAYING[what]:
        if found := re.fullmatch(pattern, stem, re.IGNORECASE):
            yield found[1], True


def _composed(name: str) -> str:
    """Return a name with accents in one way: a Mac's file system takes them apart."""
    return unicodedata.normalize("NFC", name)
