"""The backend that runs an artifact: the only module of this package that touches torch.jit."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends import artifacts
from napari_inpaint.backends.contract import BackendInfo, hookimpl
from napari_inpaint.backends.manifest import Manifest
from napari_inpaint.errors import ArtifactError, BackendError, OptionError

if TYPE_CHECKING:
    import torch


class Convention(NamedTuple):
    """In which numbers a model answers: black, and from there to white."""

    black: float
    span: float


UNIT = Convention(0, 1)
CONVENTIONS = (UNIT, Convention(-1, 2), Convention(0, 255))
PROBE = 128  # px
ALIKE = 0.1  # of the span: how far known pixels may come back changed


class ArtifactBackend:
    """A TorchScript file as a backend.

    Parameters
    ----------
    path : path-like
        Where the ``.pt`` file lies.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()

    @functools.cached_property
    def info(self) -> BackendInfo:
        """What the file says of itself; read without executing it.

        Raises
        ------
        ArtifactError
            If it is no TorchScript file, or its manifest cannot be used.
        """
        manifest = artifacts.read_manifest(self.path)
        return _foreign(self.path) if manifest is None else _described(manifest, self.path)

    def content(self) -> bytes:
        """Return the file's bytes, checked against the shipped and the trusted hashes.

        Raises
        ------
        UntrustedArtifactError
            If nobody has consented to this file yet.
        ArtifactError
            If it cannot be read, changed, or was tampered with.
        """
        return artifacts.verify(self.path)

    def load(self, device: torch.device) -> Loaded:
        """Verify the file, load it, and move it to a device.

        Raises
        ------
        UntrustedArtifactError
            If nobody has consented to this file yet.
        ArtifactError
            If it changed, was tampered with, is truncated, or torch cannot load it.
        """
        import torch

        info = self.info
        content = self.content()
        try:
            with warnings.catch_warnings():
                # deprecated upstream, and supported here: this module is the only place
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                module = torch.jit.load(io.BytesIO(content), map_location="cpu")
        except Exception as error:  # a damaged file fails in torch in many ways
            reason = str(error).strip().split("\n")[0]
            raise ArtifactError(
                f"torch {torch.__version__} cannot load {self.path}: {reason} "
                "Export it again, or update torch."
            ) from error
        missing = sorted(each for each in info.provides if not hasattr(module, _METHODS[each]))
        if missing:
            raise ArtifactError(
                f"{self.path} says that it provides {', '.join(missing)}, but has no such method. "
                "Export it again."
            )
        module = module.float().eval().to(device)
        if device.type != "mps":
            module = module.to(memory_format=torch.channels_last)
        loaded = Loaded(module, info, hashlib.sha256(content).hexdigest())
        if artifacts.read_manifest(self.path) is not None:
            return loaded
        return replace(loaded, answers=_convention(loaded, device, self.path))


@dataclass(frozen=True)
class Loaded:
    """A loaded artifact.

    Attributes
    ----------
    module : torch.jit.ScriptModule
    info : BackendInfo
    sha256 : str
        Hash of the very bytes that were loaded, 64 hexadecimal digits.
    answers : Convention
        In which numbers it fills.
    """

    module: Any
    info: BackendInfo
    sha256: str
    answers: Convention = UNIT

    def inpaint(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill image (N, C, H, W) in [0, 1] where mask (N, 1, H, W) is 1."""
        answer = self._call("inpaint", image, mask)
        return answer if self.answers is UNIT else (answer - self.answers.black) / self.answers.span

    def segment(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return class probabilities (N, K, H, W)."""
        return self._call("segment", image, mask)

    def guide(
        self, image: torch.Tensor, mask: torch.Tensor, probabilities: torch.Tensor
    ) -> torch.Tensor:
        """Fill image (N, C, H, W) according to class probabilities (N, K, H, W)."""
        return self._call("guide", image, mask, probabilities)

    def reliability(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return how reliable a fill is, (N, 1, H, W) in [0, 1]."""
        return self._call("reliability", image, mask)

    def inpaint_stack(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill image (N, C, D, H, W) in [0, 1] where mask (N, 1, D, H, W) is 1."""
        return self._call("inpaint_stack", image, mask)

    def _call(self, method: str, *tensors: torch.Tensor) -> torch.Tensor:
        import torch

        if method not in self.info.provides:
            raise BackendError(
                f"{self.info.name} does not provide {method}; it provides "
                f"{', '.join(sorted(self.info.provides))}."
            )
        run: Callable[..., torch.Tensor] = getattr(self.module, _METHODS[method])
        stack = tensors[0].ndim == 5
        layout = torch.channels_last_3d if stack else torch.channels_last
        # sizes change from call to call, and each new one would be profiled and compiled
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return run(*(each.contiguous(memory_format=layout) for each in tensors))


_METHODS = {
    "inpaint": "forward",
    "segment": "segment",
    "guide": "guide",
    "reliability": "reliability",
    "inpaint_stack": "inpaint_stack",
}


def open_artifact(path: str | os.PathLike[str]) -> ArtifactBackend:
    """Return the backend for a file: the same object as long as the file stays the same.

    Raises
    ------
    ArtifactError
        If the file cannot be read.
    """
    path = Path(path).expanduser().resolve()
    try:
        status = path.stat()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _opened(path, status.st_mtime_ns, status.st_size)


@hookimpl
def napari_inpaint_backends() -> list[ArtifactBackend]:
    """Return the artifacts that came with this package."""
    return [ArtifactBackend(path) for path in artifacts.shipped()]


@functools.lru_cache(maxsize=8)
def _opened(path: Path, modified: int, size: int) -> ArtifactBackend:
    return ArtifactBackend(path)


def _foreign(path: Path) -> BackendInfo:
    """Describe a file that says nothing of itself, by the convention of most published ones."""
    return BackendInfo(
        name=re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).lstrip("._-") or "artifact",
        title=path.name,
        provides={"inpaint"},
        channels=3,
        multiple=8,
        context=64,
        textured=True,  # what is published without a manifest is a generative network
        source=str(path),
        summary="A TorchScript file without a manifest: RGB in [0, 1], mask 1 = hole.",
    )


def _convention(loaded: Loaded, device: torch.device, path: Path) -> Convention:
    """Find out in which numbers a file answers that says nothing of itself: ask it once.

    Raises
    ------
    ArtifactError
        If its answer is in no numbers that are known.
    """
    import torch

    y, x = torch.meshgrid(*(torch.linspace(0, 1, PROBE),) * 2, indexing="ij")
    image = torch.stack([0.1 + 0.8 * y, 0.9 - 0.8 * x, 0.1 + 0.4 * (x + y)])[None].to(device)
    mask = torch.zeros(1, 1, PROBE, PROBE, device=device)
    mask[..., 48:80, 48:80] = 1
    try:
        with torch.inference_mode():
            answer = loaded.inpaint(image * (1 - mask), mask).float()
    except Exception:  # noqa: BLE001 - not at this size; at others its answers are checked
        return UNIT
    if answer.shape != image.shape or not torch.isfinite(answer).all():
        return UNIT
    known = (mask == 0).expand_as(image)
    for each in CONVENTIONS:
        shown = (answer - each.black) / each.span
        if (shown - image)[known].abs().mean() < ALIKE:
            return each
    # It gives no known pixels back: its range has to say it.
    low, high = float(answer.min()), float(answer.max())
    for each in CONVENTIONS:
        slack = ALIKE * each.span
        if each.black - slack <= low and high <= each.black + each.span + slack:
            return each
    raise ArtifactError(
        f"{path} answers in numbers from {low:.3g} to {high:.3g}, and does not give known pixels "
        "back. Expected were 0 to 1, 0 to 255 or -1 to 1. Give it a manifest, or export it so that "
        "it fills in [0, 1]."
    )


def _described(manifest: Manifest, path: Path) -> BackendInfo:
    try:
        return BackendInfo(
            name=manifest.name,
            title=manifest.title,
            provides=manifest.provides,
            channels=manifest.channels,
            classes=tuple(ClassInfo(**each) for each in manifest.classes),
            multiple=manifest.multiple,
            context=manifest.context,
            working_size=manifest.working_size,
            domain=manifest.domain,
            textured=manifest.textured,
            licence=manifest.licence,
            source=manifest.source,
            summary=manifest.summary,
            scores=manifest.scores,
        )
    except (OptionError, TypeError) as error:
        raise ArtifactError(f"The manifest in {path} cannot be used: {error}") from error
