"""What can go wrong, as errors whose text a person can act on."""

from __future__ import annotations

from pathlib import Path


class InpaintError(Exception):
    """Base of every error that this package raises on purpose.

    The text says what was expected, what came and what to do; it is shown to people as it is.
    """


class ShapeError(InpaintError):
    """Image, mask, labels or axes do not fit each other, or nothing known is left to fill from."""


class DtypeError(InpaintError):
    """An array's element type is not supported."""


class LabelsError(InpaintError):
    """Labels hold an id that is no class of the backend; the text lists those that are."""


class OptionError(InpaintError):
    """An option has a value that it cannot have."""


class DeviceError(InpaintError):
    """The device that was asked for is not there."""


class UnknownBackendError(InpaintError):
    """No backend has this name; the text lists the nearest ones."""


class BackendError(InpaintError):
    """A backend raised, or returned a wrong shape or numbers that are not finite."""


class ArtifactError(InpaintError):
    """An artifact is unreadable, truncated, tampered with, or of a newer schema."""


class UntrustedArtifactError(ArtifactError):
    """An artifact that is not shipped here, and to which nobody has consented yet.

    Attributes
    ----------
    path : Path
        The file.
    sha256 : str
        Its hash, as ``artifacts.trust(path)`` would store it.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        super().__init__(
            f"{path} is not one of the shipped artifacts and has not been trusted yet "
            f"(SHA-256 {sha256}). A TorchScript file is a program: run it only if you trust where "
            "it comes from. To consent once, confirm the dialog in napari, pass --trust on the "
            "command line, or call napari_inpaint.backends.artifacts.trust(path)."
        )


class FileError(InpaintError):
    """A picture cannot be read, or its file format cannot hold what is to be written."""


class Cancelled(InpaintError):
    """The run was cancelled; nothing was changed. A progress callback raises it to end a run."""

    def __init__(self, text: str = "The run was cancelled; nothing was changed.") -> None:
        super().__init__(text)
