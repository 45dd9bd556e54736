"""Where a guess leads the copies that fill a hole, and where they overrule it.

A guess tells what is smooth. Where the surroundings are restless everywhere, as in grass, its
colours are means of what it cannot know, and no patch has them; where they are quiet but for an
edge, as at a horizon, it is right. So it leads by

    lead = s^2 / (s^2 + v),    s = 0.06 on the scale [0, 1]                                    (1)
    v    = exp mean log (I - G * I)^2    local means over known pixels, G a Gaussian of 8 px   (2)

with v carried into the hole like a membrane. The mean of logarithms is small beside an edge, where
few pixels are far from the mean, and large in a texture, where most are.

A guess that has less detail than what is around it does not know better, but less. All of its lead
falls by

    min(1, (d + 0.003) / (D + 0.003))^2                                                        (3)

with d the mean gradient of the guess deep in the hole, D that of the known pixels around, both
blurred by 1 px at a size at which the hole is some 30 px wide.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_inpaint.weightless.matching import blur
from napari_inpaint.weightless.membrane import membrane

QUIET = 0.06
"""s of equation 1."""
SPAN = 8
"""Deviation of equation 2's Gaussian, px."""


def mean_around(x: Tensor, known: Tensor) -> Tensor:
    """Return local means of (C, H, W) over the known pixels (1, H, W) alone."""
    return blur(x * known, SPAN) / blur(known, SPAN).clamp(min=1e-3)


def lead_of_guess(image: Tensor, known: Tensor) -> Tensor:
    """Return equation 1, (1, H, W), for an image (C, H, W) with known pixels (1, H, W)."""
    detail = (image - mean_around(image, known)).square().mean(0, keepdim=True)
    told = known * (blur(known, SPAN) > 0.2)
    restless = membrane(mean_around((detail + 1e-6).log(), known)[None], told[None])[0].exp()
    return QUIET**2 / (QUIET**2 + restless)


def depth_in(known: Tensor) -> Tensor:
    """Return how far (1, H, W) hole pixels are from the rim, px; 0 where it is known."""
    hole = (known[0] == 0).numpy().astype(np.uint8)
    return torch.from_numpy(cv2.distanceTransform(hole, cv2.DIST_L2, 3))[None]


def share_of_detail(fill: Tensor, known: Tensor) -> float:
    """Return equation 3 for a picture (C, H, W) that is a guess where it is not known (1, H, W)."""
    smooth = blur(fill, 1)
    across, down = smooth[:, :-1, 1:], smooth[:, 1:, :-1]
    step = (torch.stack([across, down]) - smooth[:, :-1, :-1]).square().sum((0, 1)).sqrt()
    inside, outside = (depth_in(each)[0, :-1, :-1] for each in (known, 1 - known))
    radius = float(inside.max())
    deep, ring = inside > radius / 3, (outside > 1) & (outside < 2 * radius)
    if not bool(deep.any()) or not bool(ring.any()):
        return 1.0
    ratio = (step[deep].mean() + 0.003) / (step[ring].mean() + 0.003)
    return min(1.0, float(ratio)) ** 2


def roughness(image: Tensor, known: Tensor) -> Tensor:
    """Return |dx| and |dy| (2, H, W) of an image (C, H, W), means of channels; 0 where not known.

    Their local means tell textures apart that have the same colours. Without them blurred patches
    match everything best (Newson et al., "Video inpainting of complex scenes", 2014).
    """
    across = (image[:, :, 1:] - image[:, :, :-1]).abs().mean(0, keepdim=True)
    down = (image[:, 1:] - image[:, :-1]).abs().mean(0, keepdim=True)
    across = across * known[:, :, 1:] * known[:, :, :-1]
    down = down * known[:, 1:] * known[:, :-1]
    return torch.cat([F.pad(across, [0, 1]), F.pad(down, [0, 0, 0, 1])])
