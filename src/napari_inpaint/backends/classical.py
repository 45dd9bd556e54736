"""Backends without weights: OpenCV's, scikit-image's, and those of ``weightless/``."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.backends.contract import BackendInfo, hookimpl

if TYPE_CHECKING:
    import torch


RADIUS = 5  # px around each pixel that OpenCV's methods look at; 3 is faster and 0.1 dB worse
LEVELS = 65535  # OpenCV's Telea is wrong for floats, and 8 bits would show as bands
ROUNDING = 1e-3  # levels of 8 bits
SCORES = "scores.json"

# (H, W, C) float32 in [0, 1] and (H, W) bool → (H, W, C)
Fill = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Classical:
    """Functions on tensors as a backend: there is nothing to load.

    Attributes
    ----------
    info : BackendInfo
    inpaint, guide : callable
        As the contract has them; None for what the backend does not provide.
    """

    info: BackendInfo
    inpaint: Callable[..., torch.Tensor]
    guide: Callable[..., torch.Tensor] | None = None

    def load(self, device: torch.device) -> Classical:
        """Return itself."""
        return self


def telea(image: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """March inwards from the hole's rim, averaging along the normal."""
    import cv2

    return _with_opencv(image, hole, cv2.INPAINT_TELEA)


def navier_stokes(image: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Continue lines of equal intensity into the hole."""
    import cv2

    return _with_opencv(image, hole, cv2.INPAINT_NS)


def biharmonic(image: npt.NDArray[Any], hole: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Solve for the smoothest surface that meets the hole's rim in value and slope."""
    from skimage.restoration import inpaint_biharmonic

    filled: npt.NDArray[Any] = inpaint_biharmonic(image, hole, channel_axis=-1)
    return filled


def on_arrays(fill: Fill, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Fill image (N, C, H, W) in [0, 1] where mask (N, 1, H, W) is 1, on the CPU in any case."""
    import torch

    holes = mask[:, 0].cpu().numpy() > 0.5
    pixels = image.permute(0, 2, 3, 1).cpu().numpy()
    filled = np.stack(
        [
            np.where(hole[..., np.newaxis], fill(each, hole), each) if hole.any() else each
            for each, hole in zip(pixels, holes, strict=True)
        ]
    )
    result = torch.from_numpy(filled.clip(0, 1).astype(np.float32))
    return result.permute(0, 3, 1, 2).to(image.device)


def coherence(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Carry the known pixels on along the edges that run into the hole."""
    from napari_inpaint.weightless.coherence import coherent_fill

    image, hole = _blanked(image, mask)
    return coherent_fill(image, 1 - hole).clamp(0, 1)


def patchmatch(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Put pieces of the surroundings where a smooth fill leads."""
    from napari_inpaint.weightless.textured import textured

    image, hole = _blanked(image, mask)
    return textured(image, hole, coherence(image, hole))


def patchmatch_guided(
    image: torch.Tensor, mask: torch.Tensor, probabilities: torch.Tensor
) -> torch.Tensor:
    """Fill the hole with patches of the classes that ``probabilities`` (N, K, H, W) say.

    Any number of classes; where all are equal, any patch will do. Colours come from the patches
    too: a smooth guess has those of whatever is around.
    """
    import torch

    from napari_inpaint.weightless.patches import PatchMatch

    undecided = probabilities.amax(1) == probabilities.amin(1)
    classes = torch.where(undecided, -1, probabilities.argmax(1))
    image, hole = _blanked(image, mask)
    return PatchMatch().copied(image, hole, coherence(image, hole), classes)


@hookimpl
def napari_inpaint_backends() -> list[Classical]:
    """Return the five."""
    opencv: dict[str, Any] = {
        "provides": {"inpaint"},
        "context": 16,
        "working_size": 512,
        "licence": "Apache-2.0",
        "source": "https://docs.opencv.org/4.x/df/d3d/tutorial_py_inpainting.html",
    }
    own: dict[str, Any] = {"context": 64, "working_size": 256, "licence": "BSD-3-Clause"}
    return [
        Classical(
            BackendInfo(
                name="telea",
                title="Telea (fast marching)",
                summary="Fast; for scratches and small holes.",
                **opencv,
            ),
            functools.partial(on_arrays, telea),
        ),
        Classical(
            BackendInfo(
                name="navier-stokes",
                title="Navier-Stokes (isophotes)",
                summary="Fast; continues edges a little better than Telea.",
                **opencv,
            ),
            functools.partial(on_arrays, navier_stokes),
        ),
        Classical(
            BackendInfo(
                name="biharmonic",
                title="Biharmonic (smooth surface)",
                provides={"inpaint"},
                context=16,
                # the cost of one solve grows with the cube of the hole's width
                working_size=96,
                licence="BSD-3-Clause",
                source="https://scikit-image.org/docs/stable/api/skimage.restoration.html",
                summary="Smooth; good for fluorescence and for holes up to some 30 px.",
            ),
            functools.partial(on_arrays, biharmonic),
        ),
        Classical(
            BackendInfo(
                name="coherence",
                title="Coherence",
                provides={"inpaint"},
                source='Weickert, Welk, "Tensor field interpolation with PDEs", 2006',
                summary="Smooth, along the edges that run into the hole; any kind of image.",
                scores=recorded_scores("coherence"),
                **own,
            ),
            coherence,
        ),
        Classical(
            BackendInfo(
                name="patchmatch",
                title="PatchMatch",
                provides={"inpaint", "guide"},
                source='Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm", 2009',
                summary="Pieces of the surroundings, found coarse to fine; any kind of image.",
                textured=True,
                scores=recorded_scores("patchmatch"),
                **own,
            ),
            patchmatch,
            patchmatch_guided,
        ),
    ]


def _blanked(image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the middle of the range into the hole; return the image and the hole, 0 or 1."""
    import torch

    hole = mask > 0.5
    return torch.where(hole, 0.5, image), hole.to(image.dtype)


def recorded_scores(name: str) -> dict[str, Any]:
    """Return the scores that ``training.evaluate`` recorded for a backend that is no file."""
    text = (importlib.resources.files("napari_inpaint.backends") / SCORES).read_text("utf-8")
    tables: dict[str, dict[str, Any]] = json.loads(text)
    return tables.get(name, {})


def _with_opencv(
    image: npt.NDArray[Any], hole: npt.NDArray[np.bool_], method: int
) -> npt.NDArray[Any]:
    import cv2

    mask = hole.astype(np.uint8)
    filled: npt.NDArray[Any]
    bytes_ = image * np.float32(255)
    if image.shape[-1] == 3 and np.abs(bytes_ - np.rint(bytes_)).max() < ROUNDING:
        # a photo of 8 bits, at once: the way through the hole is found once for all three
        filled = cv2.inpaint(np.rint(bytes_).astype(np.uint8), mask, RADIUS, method)
        return filled.astype(np.float32) / 255
    levels = np.rint(image * LEVELS).astype(np.uint16)
    planes = [
        cv2.inpaint(np.ascontiguousarray(levels[..., channel]), mask, RADIUS, method)
        for channel in range(image.shape[-1])
    ]
    filled = np.stack(planes, axis=-1).astype(np.float32) / LEVELS
    return filled
