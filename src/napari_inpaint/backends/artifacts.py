"""Find, verify and describe ``.pt`` artifacts, without executing them; the trust list."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import platformdirs

from napari_inpaint.backends.manifest import Manifest
from napari_inpaint.errors import ArtifactError, UntrustedArtifactError

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1 << 20  # bytes; a larger one is no manifest but an attack on memory


def shipped() -> list[Path]:
    """Return the artifacts that came with this package, sorted by name.

    Only files that the package's own list of hashes names: lying in the folder is not enough.
    """
    folder = _exported()
    return sorted(folder / name for name in _shipped_hashes() if (folder / name).is_file())


def read_manifest(path: str | os.PathLike[str]) -> Manifest | None:
    """Return what an artifact says of itself; None for a TorchScript file that says nothing.

    Only the zip archive's directory and the manifest are read; nothing is executed.

    Raises
    ------
    ArtifactError
        If the file cannot be read, is truncated or no TorchScript file, or has a bad manifest.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            text = _manifest_text(archive, path)
    except zipfile.BadZipFile as error:
        raise ArtifactError(
            f"{path} is not a TorchScript file, or it is truncated ({error}). "
            "Download or export it again."
        ) from error
    except (zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ArtifactError(f"The manifest in {path} cannot be unpacked: {error}.") from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from error
    if text is None:
        return None
    try:
        return Manifest.from_json(text)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the file's SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(_read(Path(path))).hexdigest()


def verify(path: str | os.PathLike[str]) -> bytes:
    """Check a file against the shipped and the trusted hashes, and return its contents.

    The contents come from the same read as the hash, so that what is loaded is what was checked.

    Raises
    ------
    UntrustedArtifactError
        If nobody has consented to this file yet.
    ArtifactError
        If it cannot be read, is shipped but differs from what was shipped, or changed after
        somebody consented to it.
    """
    path = Path(path).resolve()
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if path.parent == _exported().resolve() and path.name in _shipped_hashes():
        if digest != _shipped_hashes()[path.name]:
            raise ArtifactError(
                f"{path} is not the file that was shipped: it was tampered with or is truncated "
                f"(SHA-256 {digest}). Reinstall napari-inpaint."
            )
        return content
    trusted = _trusted()
    if digest in trusted.values():
        return content
    if str(path) in trusted:
        raise ArtifactError(
            f"{path} has changed since you trusted it (SHA-256 was {trusted[str(path)]}, is "
            f"{digest}). If the change is meant, trust it again; if not, do not run it."
        )
    raise UntrustedArtifactError(path, digest)


def is_trusted(path: str | os.PathLike[str]) -> bool:
    """Return whether ``verify`` would let this file through."""
    try:
        verify(path)
    except ArtifactError:
        return False
    return True


def trust(path: str | os.PathLike[str]) -> str:
    """Consent to a file: store its hash in the user's configuration folder, and return it.

    Raises
    ------
    ArtifactError
        If the file, or the list of trusted files, cannot be read or written.
    """
    path = Path(path).resolve()
    digest = sha256(path)
    entries = _trusted() | {str(path): digest}
    store = _trust_file()
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        # a whole new file under another name, so that no reader ever sees half of one
        with tempfile.NamedTemporaryFile("w", dir=store.parent, delete=False) as file:
            json.dump(entries, file, indent=2, sort_keys=True)
        os.replace(file.name, store)
    except OSError as error:
        raise ArtifactError(f"The list of trusted files {store} cannot be written: {error}.") from (
            error
        )
    return digest


def _manifest_text(archive: zipfile.ZipFile, path: Path) -> bytes | None:
    # torch wraps all in one folder: <name>/code/…, <name>/extra/manifest.json
    names = archive.namelist()
    root = names[0].split("/")[0] if names else ""
    if not any(name.startswith(f"{root}/code/") for name in names):
        raise ArtifactError(
            f"{path} is a zip archive but not TorchScript: it holds no code. A checkpoint or a "
            "state dict has to be exported first (python -m training.export)."
        )
    name = f"{root}/extra/{MANIFEST}"
    if name not in names:
        return None
    if archive.getinfo(name).file_size > LARGEST_MANIFEST:
        raise ArtifactError(f"The manifest in {path} is larger than {LARGEST_MANIFEST} bytes.")
    return archive.read(name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from error


def _exported() -> Path:
    return Path(str(importlib.resources.files("napari_inpaint.exported")))


def _shipped_hashes() -> dict[str, str]:
    text = (importlib.resources.files("napari_inpaint.backends") / "artifacts.sha256").read_text(
        "ascii"
    )
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name: digest for digest, name in lines}


def _trust_file() -> Path:
    return platformdirs.user_config_path("napari-inpaint", appauthor=False) / "trusted.json"


def _trusted() -> dict[str, str]:
    store = _trust_file()
    try:
        entries = json.loads(store.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"The list of trusted files {store} cannot be read: {error}. Repair or delete it."
        ) from error
    if not isinstance(entries, dict) or not all(isinstance(each, str) for each in entries.values()):
        raise ArtifactError(f"{store} must map paths to hashes, as JSON. Repair or delete it.")
    return entries
