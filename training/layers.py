"""What three or more networks share."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """All that a network predicts in training; `forward` returns the finest image alone."""

    images: list[Tensor]
    """Predictions (N, 3, h, w) on the scale [0, 1], the finest (full size) first."""
    logits: list[Tensor]
    """Class scores (N, K, h, w) before the softmax, the finest first; empty without classes."""
