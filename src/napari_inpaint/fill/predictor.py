"""Arrays → tensors → a loaded backend → arrays, within the memory that there is."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import tiling
from napari_inpaint.arrays.labels import Labels, numbered, one_hot
from napari_inpaint.backends.contract import Backend
from napari_inpaint.backends.torchscript import Loaded
from napari_inpaint.errors import BackendError, InpaintError
from napari_inpaint.fill.device import Footprint, is_out_of_memory, run_within_memory

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.float32]

KEPT_MODELS = 2
TOLERANCE = 0.02  # of a sum of probabilities: some devices compute in half precision
FILLING = frozenset({"inpaint", "guide", "inpaint_stack"})
FAR = 0.5  # a fill overshoots by less; beyond it are numbers of another convention
_models: list[tuple[Backend, Any, Any]] = []  # backend, device, what it loaded; latest last
_loading = threading.Lock()


class Predictor:
    """Runs one backend on batches of arrays of any number of channels.

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

    Attributes
    ----------
    artifact : str or None
        The SHA-256 of the file that was run last; None before, and for a backend without one.
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
        self.artifact: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the backend runs now."""
        return self.footprint.device

    def __call__(
        self, images: Pixels, holes: npt.NDArray[np.bool_], labels: Labels | None = None
    ) -> Pixels:
        """Fill a batch.

        Parameters
        ----------
        images : (N, H, W, C) float32 array
            In [0, 1], zero in the hole.
        holes : (N, H, W) bool array
            True = hole.
        labels : (N, H, W) uint16 array, optional
            Classes to be guided by, counted from 1; 0 leaves a pixel to the model.

        Returns
        -------
        (N, H, W, C) float32 array

        Raises
        ------
        BackendError
            If the backend raises, or returns a wrong shape, or numbers that are not finite or far
            outside of [0, 1].
        """
        channels = self.info.channels or images.shape[-1]
        if labels is None:
            answer = self._ask("inpaint", channels, images, holes[..., np.newaxis])
        else:
            if not self.info.classes:
                labels = numbered(labels)  # as few classes as there are here
            guiding = one_hot(labels, self._guess(images, holes, int(labels.max())))
            answer = self._ask("guide", channels, images, holes[..., np.newaxis], guiding)
        filled = answer[:, 0] if channels == images.shape[-1] else answer.mean(axis=2)
        return np.moveaxis(filled, 1, -1)

    def fill_stack(self, stack: Pixels, hole: npt.NDArray[np.bool_]) -> Pixels:
        """Fill a stack (D, H, W, C) in [0, 1], zero in its hole (D, H, W), as a whole.

        Raises
        ------
        BackendError
            As in filling; or if the memory does not suffice.
        """
        sides = [-side % self.info.multiple for side in stack.shape[1:3]]
        more = ((0, 0), (0, sides[0]), (0, sides[1]))
        image = np.moveaxis(np.pad(stack, (*more, (0, 0)), "reflect"), -1, 0)
        mask = np.pad(hole, more, "reflect").astype(np.float32)
        channels = self.info.channels or len(image)
        if channels != len(image):  # each channel by itself, as grey
            image = image[:, None].repeat(channels, axis=1)
        else:
            image = image[None]
        masks = np.broadcast_to(mask, (len(image), 1, *mask.shape))

        def ask(footprint: Footprint) -> Pixels:
            model = _loaded(self.backend, footprint.device)
            self.artifact = model.sha256 if isinstance(model, Loaded) else None
            return self._predict(model, "inpaint_stack", channels, [image, masks], footprint)

        answer, used = run_within_memory(ask, replace(self.footprint, batch=1, tile=1), self.report)
        self.footprint = replace(self.footprint, device=used.device)
        filled: Pixels = answer[0] if channels == stack.shape[-1] else answer.mean(axis=1)
        return np.moveaxis(filled, 0, -1)[:, : stack.shape[1], : stack.shape[2]]

    def segment(self, images: Pixels, holes: npt.NDArray[np.bool_]) -> Pixels:
        """Return the class probabilities (N, H, W, K) of a batch, in [0, 1], the hole included.

        Where the model takes fewer channels than there are, they are the mean over channels.

        Raises
        ------
        BackendError
            As in filling; or if what the backend returns are no probabilities.
        """
        answer = self._ask("segment", len(self.info.classes), images, holes[..., np.newaxis])
        total = answer.sum(axis=2)
        if answer.min() < -TOLERANCE or np.abs(total - 1).max() > TOLERANCE:
            raise BackendError(
                f"The backend {self.info.name!r} must return class probabilities, from 0 up and "
                f"with the sum 1; it returned numbers from {answer.min():.3g} with sums up to "
                f"{total.max():.3g}. Please tell its authors."
            )
        probabilities: Pixels = np.moveaxis(answer.mean(axis=1), 1, -1).clip(0, 1)
        return probabilities

    def reliability(self, images: Pixels, holes: npt.NDArray[np.bool_]) -> Pixels:
        """Return how reliable a fill of a batch is, (N, H, W) in [0, 1], 1 = reliable.

        Raises
        ------
        BackendError
            As in filling.
        """
        answer = self._ask("reliability", 1, images, holes[..., np.newaxis])
        reliable: Pixels = answer.mean(axis=(1, 2)).clip(0, 1)
        return reliable

    def _guess(self, images: Pixels, holes: npt.NDArray[np.bool_], highest: int) -> Pixels:
        if "segment" in self.info.provides:
            return self.segment(images, holes)
        # A single class would be certain everywhere: nothing could be left to the backend.
        count = len(self.info.classes) or max(2, highest)
        return np.full((*holes.shape, count), 1 / count, np.float32)

    def _ask(self, method: str, outputs: int, images: Pixels, *maps: npt.NDArray[Any]) -> Pixels:
        """Ask the model for (N, G, outputs, H, W).

        G is 1; or, where the model wants another number of channels, each channel is asked about
        by itself, as grey in as many equal channels as the model wants, and G counts them.
        """
        count, height, width, channels = images.shape
        wanted = self.info.channels or channels
        pixels, groups = np.moveaxis(images, -1, 1), 1
        if wanted != channels:
            pixels = pixels.reshape(count * channels, 1, height, width).repeat(wanted, axis=1)
            groups = channels
        more = [np.moveaxis(each, -1, 1).astype(np.float32).repeat(groups, axis=0) for each in maps]
        whole = replace(self.footprint, tile=min(self.footprint.tile, max(height, width)))
        ask = functools.partial(self._answer, method, outputs, (pixels, *more))
        result, used = run_within_memory(ask, whole, self.report)
        limit = self.footprint.tile if used.tile == whole.tile else used.tile
        self.footprint = replace(used, tile=limit)
        return result.reshape(count, groups, outputs, height, width)

    def _answer(
        self, method: str, outputs: int, inputs: tuple[Pixels, ...], footprint: Footprint
    ) -> Pixels:
        """Ask about (N, C, H, W) inputs in batches, and in tiles where they are too large."""
        model = _loaded(self.backend, footprint.device)
        self.artifact = model.sha256 if isinstance(model, Loaded) else None
        count, _, height, width = inputs[0].shape
        chunks = [slice(at, at + footprint.batch) for at in range(0, count, footprint.batch)]
        result = np.zeros((count, outputs, height, width), np.float32)
        for tile in self._tiles(height, width, footprint.tile):
            for at in chunks:
                part = [each[at, :, *tile.window] for each in inputs]
                answer = self._predict(model, method, outputs, part, footprint)
                result[at, :, *tile.window] += tile.weights * answer
        return result

    def _tiles(self, height: int, width: int, limit: int) -> list[tiling.Tile]:
        """Return tiles no larger than a limit, px: one, where all fits into it."""
        tile = max(limit // self.info.multiple, 1) * self.info.multiple
        if max(height, width) <= limit:
            tile = max(height, width)
        return tiling.cover((height, width), tile, min(2 * self.info.context, tile // 2))

    def _predict(
        self, model: Any, method: str, outputs: int, inputs: list[Pixels], footprint: Footprint
    ) -> Pixels:
        import torch

        # copies: a backend may write into what it gets, and a retry needs the original
        tensors = [
            torch.tensor(np.ascontiguousarray(each), device=footprint.device) for each in inputs
        ]
        devices = [footprint.device] if footprint.device.type == "cuda" else []
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices):
                self._seed(footprint.device)
                result = getattr(model, method)(*tensors)
        except InpaintError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise BackendError(
                f"The backend {self.info.name!r} failed: {type(error).__name__}: {error}"
            ) from error
        values = self._checked(result, (len(inputs[0]), outputs, *inputs[0].shape[2:]))
        if method in FILLING and (values.min() < -FAR or values.max() > 1 + FAR):
            raise BackendError(
                f"The backend {self.info.name!r} must fill with numbers in [0, 1]; it returned "
                f"some from {values.min():.3g} to {values.max():.3g}. Nothing was changed. Please "
                "tell its authors."
            )
        return values

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
        for method in sorted(backend.info.provides):
            if not callable(getattr(model, method, None)):
                raise BackendError(
                    f"The backend {name!r} says that it provides {method}, but what it loaded has "
                    "no such method. Please tell its authors."
                )
        _models.append((backend, device, model))
        del _models[:-KEPT_MODELS]
        return model
