"""Smooth fills: what the known pixels alone say of a hole, without weights.

`membrane` changes as little from pixel to pixel as it can. `coherent_fill` does so along the edges
that run into the hole, so that they go on inside it::

    J  = G * (grad u grad u^T)    the known pixels' structure tensor, summed over channels    (1)
    J / tr J                      goes into the hole like a membrane                          (2)
    w_d = ((1 - g) 3 sin^16(d, n) + g) / |d|^2    for the eight neighbours d of a pixel       (3)
    g   = k / (k + |l1 - l2|)     k = 0.01, l1, l2 the eigenvalues of (2), and n its first
                                  eigenvector, across the edge                                (4)
    u   = sum_d w_d u_d / sum_d w_d    again and again, from coarse to fine                   (5)

Where the surroundings have no direction, g is near 1 and (5) is the membrane's.

Sources: Bornemann, Deuflhard, "The cascadic multigrid method for elliptic problems", 1996;
Weickert, Welk, "Tensor field interpolation with PDEs", 2006, for (2); Bornemann, März, "Fast image
inpainting based on coherence transport", 2007, for filling along the tensor's direction. Here all
hole pixels are in balance at once, where the last one fills them one after another.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_inpaint.weightless.membrane import enlarge, mean_of_known, membranes, pyramid


def gaussian_blur(x: Tensor) -> Tensor:
    """Blur by a Gaussian with a deviation of 1 px; zeros lie beyond the border."""
    channels = x.shape[1]
    t = torch.arange(-3, 4, device=x.device)
    kernel = torch.exp(-t * t / 2.0)
    kernel = (kernel / kernel.sum()).to(x.dtype)
    across, down = kernel.view(1, 1, 1, 7), kernel.view(1, 1, 7, 1)
    y = F.conv2d(x, across.expand(channels, 1, 1, 7), padding=[0, 3], groups=channels)
    y = F.conv2d(y, down.expand(channels, 1, 7, 1), padding=[3, 0], groups=channels)
    return y.to(x.dtype)  # mixed precision convolves in half


def structure(image: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return J / tr J of equation 1 and where it can be told.

    Parameters
    ----------
    image, known : Tensor
        (N, C, H, W) and its mask (N, 1, H, W), 1 = known.

    Returns
    -------
    tuple of Tensor
        (N, 3, H, W), the elements xx, xy and yy; and a mask (N, 1, H, W), 1 near pixels whose four
        neighbours are known.
    """
    x = F.pad(image, [1, 1, 1, 1], mode="replicate")
    across = (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, :-2]) / 2
    down = (x[:, :, 2:, 1:-1] - x[:, :, :-2, 1:-1]) / 2
    k = F.pad(known, [1, 1, 1, 1])
    sure = known * k[:, :, 1:-1, 2:] * k[:, :, 1:-1, :-2] * k[:, :, 2:, 1:-1] * k[:, :, :-2, 1:-1]
    products = torch.stack([across * across, across * down, down * down], 1).sum(2)
    weight = gaussian_blur(sure)
    tensor = gaussian_blur(products * sure) / weight.clamp(min=1e-4)
    trace = tensor[:, :1] + tensor[:, 2:]
    return tensor / (trace + 1e-8), (weight > 0.05).to(known.dtype)


def edge_weights(tensor: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Weigh neighbours by equations 3 and 4.

    Parameters
    ----------
    tensor : Tensor
        (M, 3), the elements of J / tr J.
    dx, dy : Tensor
        (8,) steps to the neighbours, px.

    Returns
    -------
    Tensor
        (M, 8), summing to one.
    """
    xx, xy, yy = tensor[:, 0], tensor[:, 1], tensor[:, 2]
    angle = torch.atan2(2 * xy, xx - yy) / 2
    coherence = torch.sqrt((xx - yy).square() + 4 * xy.square())
    free = (0.01 / (0.01 + coherence))[:, None]
    length = (dx * dx + dy * dy).to(tensor.dtype)
    sine = dy * torch.cos(angle)[:, None] - dx * torch.sin(angle)[:, None]
    along = (sine.square() / length) ** 8
    weights = ((1 - free) * 3 * along + free) / length
    return weights / weights.sum(1, keepdim=True)


def along_edges(fill: Tensor, known: Tensor, tensor: Tensor, sweeps: int) -> Tensor:
    """Take equation 5 ``sweeps`` times.

    Parameters
    ----------
    fill : Tensor
        (N, C, H, W), the fill so far.
    known : Tensor
        (N, 1, H, W), 1 = known.
    tensor : Tensor
        (N, 3, H, W), J / tr J, the hole included.
    """
    n, channels, height, width = fill.shape
    at = torch.nonzero(known.flatten() == 0)[:, 0]
    if at.shape[0] == 0:
        return fill
    dx = torch.tensor([1, -1, 0, 0, 1, -1, -1, 1], device=fill.device)
    dy = torch.tensor([0, 0, 1, -1, 1, -1, 1, -1], device=fill.device)
    x, y = at % width, at // width % height
    row = (y[:, None] + dy).clamp(0, height - 1)
    column = (x[:, None] + dx).clamp(0, width - 1)
    beside = (at - y * width - x)[:, None] + row * width + column  # (M, 8)
    weights = edge_weights(tensor.permute(0, 2, 3, 1).reshape(-1, 3)[at], dx, dy)
    # Only hole pixels are computed; a sum of weighted rows is what embedding_bag is made for.
    pixels = fill.permute(0, 2, 3, 1).reshape(-1, channels).contiguous()
    for _ in range(sweeps):
        means = F.embedding_bag(beside, pixels, mode="sum", per_sample_weights=weights)
        pixels = pixels.index_copy(0, at, means)
    return pixels.reshape(n, height, width, channels).permute(0, 3, 1, 2)


def coherent_fill(image: Tensor, known: Tensor, levels: int = 8, sweeps: int = 40) -> Tensor:
    """Fill holes smoothly along the edges that run into them (equations 1 to 5).

    Parameters
    ----------
    image, known : Tensor
        (N, C, H, W) and its mask (N, 1, H, W), 1 = known.
    levels : int
        Halvings; what is still unknown then becomes the mean of the known pixels.
    sweeps : int
        Means taken at each size.

    Returns
    -------
    Tensor
        (N, C, H, W), equal to ``image`` where it is known.
    """
    images, masks = pyramid(image, known, levels)
    tensor, told = structure(image, known)
    pooled, told_of = pyramid(tensor, told, levels)
    tensors = membranes(pooled, told_of, 4)
    fill = mean_of_known(images[-1], masks[-1])
    for i in range(levels, -1, -1):
        fill = enlarge(fill, images[i], masks[i])
        fill = along_edges(fill, masks[i], tensors[i], sweeps)
    return fill
