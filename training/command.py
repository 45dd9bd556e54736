"""What the commands share: errors that their user can mend, in one line; what code they ran."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from napari_inpaint.errors import InpaintError


def command(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate a command: what its user can mend ends it with one line and exit status 1."""

    @wraps(main)
    def guarded() -> None:
        try:
            main()
        except KeyboardInterrupt:
            sys.exit(130)  # as a shell reports Ctrl-C
        except (FloatingPointError, InpaintError, OSError, ValueError) as error:
            sys.exit(f"{Path(sys.argv[0]).stem}: {error}")

    return guarded


def at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type: whole numbers from ``least``."""

    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least}, got {text!r}")
        return int(text)

    return whole


def new_file(*suffixes: str) -> Callable[[str], Path]:
    """Return an argparse type: a file with one of these suffixes, in a folder that exists."""

    def writable(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in suffixes or path.is_dir():
            raise argparse.ArgumentTypeError(f"expected a file *{' or *'.join(suffixes)}: {path}")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
        return path

    return writable


def commit() -> str:
    """Return the commit that this code stands at, with "+" if it was changed since."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "unknown"
