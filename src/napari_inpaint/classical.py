"""Backends without weights: OpenCV's Telea and Navier-Stokes, scikit-image's biharmonic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .backend import BackendInfo, hookimpl

if TYPE_CHECKING:
    import torch

RADIUS = 5  # px around each pixel that OpenCV's methods look at; 3 is faster and 0.1 dB worse
LEVELS = 65535  # OpenCV's Telea is wrong for floats, and 8 bits would show as bands

# (H, W, C) float32 in [0, 1] and (H, W) bool → (H, W, C)
Fill = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Classical:
    """A function on arrays, as a backend. It runs on the CPU, whatever the device."""

    info: BackendInfo
    fill: Fill

    def load(self, device: torch.device) -> Classical:
        """Return itself: there is nothing to load."""
        return self

    def inpaint(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Fill image (N, C, H, W) in [0, 1] where mask (N, 1, H, W) is 1."""
        import torch

        holes = mask[:, 0].cpu().numpy() > 0.5
        pixels = image.permute(0, 2, 3, 1).cpu().numpy()
        filled = np.stack(
            [
                np.where(hole[..., np.newaxis], self.fill(each, hole), each) if hole.any() else each
                for each, hole in zip(pixels, holes, strict=True)
            ]
        )
        result = torch.from_numpy(filled.clip(0, 1).astype(np.float32))
        return result.permute(0, 3, 1, 2).to(image.device)


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


@hookimpl
def napari_inpaint_backends() -> list[Classical]:
    """Return the three."""
    opencv = "https://docs.opencv.org/4.x/df/d3d/tutorial_py_inpainting.html"
    return [
        Classical(
            BackendInfo(
                name="telea",
                title="Telea (fast marching)",
                provides={"inpaint"},
                context=16,
                working_size=512,
                licence="Apache-2.0",
                source=opencv,
                summary="Fast; for scratches and small holes.",
            ),
            telea,
        ),
        Classical(
            BackendInfo(
                name="navier-stokes",
                title="Navier-Stokes (isophotes)",
                provides={"inpaint"},
                context=16,
                working_size=512,
                licence="Apache-2.0",
                source=opencv,
                summary="Fast; continues edges a little better than Telea.",
            ),
            navier_stokes,
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
            biharmonic,
        ),
    ]


def _with_opencv(
    image: npt.NDArray[Any], hole: npt.NDArray[np.bool_], method: int
) -> npt.NDArray[Any]:
    import cv2

    mask = hole.astype(np.uint8)
    levels = np.rint(image * LEVELS).astype(np.uint16)
    planes = [
        cv2.inpaint(np.ascontiguousarray(levels[..., channel]), mask, RADIUS, method)
        for channel in range(image.shape[-1])
    ]
    filled: npt.NDArray[Any] = np.stack(planes, axis=-1).astype(np.float32) / LEVELS
    return filled
