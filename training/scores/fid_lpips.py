"""FID and LPIPS: distances in the features of trained networks, whose weights the user brings.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
2017 (FID). Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
2018 (LPIPS).

The files are those that most tools of the field keep:

- ``inception-2015-12-05.pt``: the Inception network of the original FID as TorchScript, published
  with NVIDIA's StyleGAN2-ADA; clean-fid downloads it as well. It resizes pictures by itself.
- ``alexnet-owt-7be5be79.pth``: torchvision's AlexNet.
- ``alex.pth``: LPIPS's linear weights, version 0.1; the package ``lpips`` brings them along as
  ``lpips/weights/v0.1/alex.pth``.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.networks.weights import read_saved, take
from training.scores.metrics import Image

INCEPTION = "NVIDIA's inception-2015-12-05.pt (TorchScript)"


def batch_of(image: Image) -> Tensor:
    """Turn (H, W, 3) uint8 into (1, 3, H, W) uint8."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def _load_torchscript(path: Path) -> torch.jit.ScriptModule:
    """Load a file of somebody else's, in float32, for the CPU."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        network: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")
    return network.float().eval()


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return the Fréchet distance of two sets of features, each taken for a Gaussian.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, with means m and covariances C.

    Parameters
    ----------
    first, second : (N, D) and (M, D) float arrays
        Two features at least; sample covariances, divided by N - 1.
    """
    mean1, mean2 = first.mean(0), second.mean(0)
    # With C1 = A^T A and C2 = B^T B, the trace of the root is the sum of A B^T's singular values.
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second))
    trace = (a**2).sum() + (b**2).sum() - 2 * np.linalg.norm(a @ b.T, "nuc")
    return float(((mean1 - mean2) ** 2).sum() + trace)


class FID:
    """Fréchet Inception distance between two sets of pictures; 0 = the same.

    It depends on how many pictures there are: with few, it is far too large. Compare it between
    the rows of one table only.

    Parameters
    ----------
    inception : Path
        ``inception-2015-12-05.pt``. TorchScript runs code: use a file that you trust.

    Raises
    ------
    ValueError
        If the file is something else.
    """

    def __init__(self, inception: Path) -> None:
        try:
            self.network = _load_torchscript(inception)
            shape = self._features(np.zeros((64, 64, 3), np.uint8)).shape
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"Expected {INCEPTION}, {inception} is something else.") from error
        if shape != (2048,):
            raise ValueError(f"Expected {INCEPTION}, {inception} gives features {shape}.")

    def _features(self, image: Image) -> NDArray[np.float64]:
        with torch.inference_mode():
            features: Tensor = self.network(batch_of(image), return_features=True)
        return features[0].double().numpy()

    def __call__(self, fills: Sequence[Image], truths: Sequence[Image]) -> float:
        """Compare (H, W, 3) uint8 pictures; the order has no influence."""
        first, second = (np.stack([self._features(x) for x in s]) for s in (fills, truths))
        return frechet_distance(first, second)


class LPIPS(nn.Module):
    """Learned perceptual distance of two pictures, version 0.1 with AlexNet; 0 = the same.

    At every pixel of five layers the features are scaled to length 1; the squared differences are
    weighted per channel, summed, averaged over the pixels and summed over the layers.

    Parameters
    ----------
    alexnet : Path
        torchvision's state dict.
    linear : Path
        LPIPS's ``alex.pth``.

    Raises
    ------
    FileNotFoundError, ValueError
        If one of the files is something else.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, alexnet: Path, linear: Path) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, 4, 2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )
        saved = read_saved(alexnet, "torchvision's weights of AlexNet")
        for conv, place in zip(self.layers, (0, 3, 6, 8, 10), strict=True):
            assert isinstance(conv, nn.Conv2d)
            take(saved, f"features.{place}", conv, alexnet)
        self.linear = nn.ModuleList(
            nn.Conv2d(channels, 1, 1, bias=False) for channels in (64, 192, 384, 256, 256)
        )
        saved = read_saved(linear, "LPIPS's linear weights for AlexNet (alex.pth)")
        for number, conv in enumerate(self.linear):
            assert isinstance(conv, nn.Conv2d)
            take(saved, f"lin{number}.model.1", conv, linear)
        # ImageNet's mean and deviation, for pictures in [-1, 1]
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450])[:, None, None])

    def features(self, image: Image) -> list[Tensor]:
        """Return the five layers' features (1, C, h, w), of length 1 at every pixel."""
        x = (batch_of(image).float() / 127.5 - 1 - self.shift) / self.scale
        features = []
        for number, conv in enumerate(self.layers):
            x = F.relu(conv(F.max_pool2d(x, 3, 2) if number in (1, 2) else x))
            features.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return features

    @torch.inference_mode()
    def forward(self, fill: Image, truth: Image) -> float:
        """Compare two (H, W, 3) uint8 pictures of at least 32 px."""
        total = 0.0
        for conv, a, b in zip(self.linear, self.features(fill), self.features(truth), strict=True):
            total += conv((a - b).square()).mean().item()
        return total
