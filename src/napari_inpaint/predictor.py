"""Arrays → tensors → a loaded backend → arrays, within the memory that there is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import tiling
from .backend import Backend
from .device import Footprint, is_out_of_memory, run_within_memory
from .errors import BackendError, InpaintError

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.float32]

KEPT_MODELS = 2
_models: list[tuple[Backend, Any, Any]] = []  # backend, device, what it loaded; latest last
_loading = threading.Lock()


class Predictor:
    """Runs one backend's ``inpaint`` on arrays of any number of channels.

    Parameters
    ----------
    backend : Backend
        Loaded on the first prediction, and kept for later ones.
    device : torch.device
        Where to begin; the CPU is the last resort when memory runs out.
    batch_size : int
        Samples at once, to begin with.
    seed : int
        Of torch's random numbers, for each call anew.
    report : callable
        Gets a sentence whenever memory ran out.
    """

    def __init__(
        self,
        backend: Backend,
        device: torch.device,
        batch_size: int,
        seed: int,
        report: Callable[[str], None],
    ) -> None:
        self.backend = backend
        self.info = backend.info
        self.seed = seed
        self.report = report
        self.footprint = Footprint(device, batch_size, tile=1 << 30)

    def __call__(self, images: Pixels, holes: npt.NDArray[np.bool_]) -> Pixels:
        """Predict a batch.

        Parameters
        ----------
        images : (N, H, W, C) float32 array
            In [0, 1], zero in the hole.
        holes : (N, H, W) bool array
            True = hole.

        Returns
        -------
        (N, H, W, C) float32 array

        Raises
        ------
        BackendError
            If the backend raises, or returns a wrong shape or numbers that are not finite.
        """
        count, height, width, channels = images.shape
        wanted = self.info.channels or channels
        pixels = np.moveaxis(images, -1, 1)
        masks = holes[:, np.newaxis].astype(np.float32)
        if wanted != channels:
            # each channel by itself, as grey in as many equal channels as the model wants
            pixels = pixels.reshape(count * channels, 1, height, width).repeat(wanted, axis=1)
            masks = masks.repeat(channels, axis=0)
        whole = replace(self.footprint, tile=min(self.footprint.tile, max(height, width)))
        result, used = run_within_memory(
            lambda footprint: self._run(pixels, masks, footprint), whole, self.report
        )
        limit = self.footprint.tile if used.tile == whole.tile else used.tile
        self.footprint = replace(used, tile=limit)
        if wanted != channels:
            result = result.mean(axis=1).reshape(count, channels, height, width)
        return np.moveaxis(result, 1, -1)

    def _run(self, pixels: Pixels, masks: Pixels, footprint: Footprint) -> Pixels:
        """Predict (N, C, H, W) pixels in batches, and in tiles where they are too large."""
        model = _loaded(self.backend, footprint.device)
        chunks = [
            slice(start, start + footprint.batch)
            for start in range(0, len(pixels), footprint.batch)
        ]
        if max(pixels.shape[2:]) <= footprint.tile:
            parts = [self._predict(model, pixels[at], masks[at], footprint) for at in chunks]
            return np.concatenate(parts)
        tile = max(footprint.tile // self.info.multiple, 1) * self.info.multiple
        overlap = min(2 * self.info.context, tile // 2)
        result = np.zeros_like(pixels)
        for each in tiling.plan((pixels.shape[2], pixels.shape[3]), tile, overlap):
            for at in chunks:
                area = (at, slice(None), *each.window)
                result[area] += each.weights * self._predict(
                    model, pixels[area], masks[area], footprint
                )
        return result

    def _predict(self, model: Any, pixels: Pixels, masks: Pixels, footprint: Footprint) -> Pixels:
        import torch

        # copies: a backend may write into what it gets, and a retry needs the original
        image = torch.tensor(np.ascontiguousarray(pixels), device=footprint.device)
        mask = torch.tensor(np.ascontiguousarray(masks), device=footprint.device)
        devices = [footprint.device] if footprint.device.type == "cuda" else []
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices):
                self._seed(footprint.device)
                result = model.inpaint(image, mask)
        except InpaintError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise BackendError(
                f"The backend {self.info.name!r} failed: {type(error).__name__}: {error}"
            ) from error
        return self._checked(result, pixels.shape)

    def _seed(self, device: torch.device) -> None:
        import torch

        if device.type == "cpu":
            # torch.manual_seed would note the call for a GPU that may come, with a stack trace
            torch.default_generator.manual_seed(self.seed)
        else:
            torch.manual_seed(self.seed)

    def _checked(self, result: object, shape: tuple[int, ...]) -> Pixels:
        import torch

        if not isinstance(result, torch.Tensor) or tuple(result.shape) != shape:
            got = tuple(result.shape) if isinstance(result, torch.Tensor) else type(result).__name__
            raise BackendError(
                f"The backend {self.info.name!r} must return a tensor of shape {shape}; it "
                f"returned {got}. Please tell its authors."
            )
        values: Pixels = result.float().cpu().numpy()
        if not np.isfinite(values).all():
            raise BackendError(
                f"The backend {self.info.name!r} returned NaN or infinite numbers. "
                "Nothing was changed; try another backend."
            )
        return values


def _loaded(backend: Backend, device: torch.device) -> Any:
    """Return the loaded model; the last few are kept, since every slice of a lazy stack asks."""
    with _loading:
        for kept in _models:
            if kept[0] is backend and kept[1] == device:
                return kept[2]
        name = backend.info.name
        try:
            model = backend.load(device)
        except InpaintError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise BackendError(
                f"The backend {name!r} could not be loaded on {device}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not callable(getattr(model, "inpaint", None)):
            raise BackendError(
                f"The backend {name!r} says that it provides inpaint, but what it loaded has no "
                "such method. Please tell its authors."
            )
        _models.append((backend, device, model))
        del _models[:-KEPT_MODELS]
        return model
