"""What the commands share: how they complain, and what of a failure is the person's to mend."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_inpaint.errors import FileError, InpaintError

PROG = "napari-inpaint"
FAILURES = (InpaintError, OSError, MemoryError)


def complain(message: str) -> None:
    """Print to stderr, above a progress bar and not into it."""
    from tqdm import tqdm

    tqdm.write(f"{PROG}: {message}", file=sys.stderr)


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in.

    Raises
    ------
    FileError
        If that is impossible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {path} cannot be made: {error.strerror or error}.") from error
