"""Convolution, enlarging, pixel shuffle in float64 without torch, for the tests of networks."""

import numpy as np
from scipy import ndimage


def convolve(x, weight, bias=None, *, mode="constant", dilation=1):
    """x (C, H, W), weight (O, C, k, k) with odd k; the size is kept, by zeros or by "mirror"."""
    outputs, channels, k, _ = weight.shape
    kernel = np.zeros((outputs, channels, (k - 1) * dilation + 1, (k - 1) * dilation + 1))
    kernel[..., ::dilation, ::dilation] = weight
    y = np.zeros((outputs, *x.shape[1:]))
    for o, c in np.ndindex(outputs, channels):
        y[o] += ndimage.correlate(x[c], kernel[o, c], mode=mode)
    return y if bias is None else y + bias[:, None, None]


def pixel_shuffle(x):
    """(4C, H, W) to (C, 2H, 2W)."""
    y = np.zeros((len(x) // 4, 2 * x.shape[1], 2 * x.shape[2]))
    for c, i, j in np.ndindex(y.shape):
        y[c, i, j] = x[4 * c + 2 * (i % 2) + j % 2, i // 2, j // 2]
    return y


def bilinear(image, size):
    """Enlarge (C, h, w) bilinearly: pixels are squares, the border is repeated."""
    _, height, width = image.shape
    out = np.zeros((len(image), *size))
    for y, x in np.ndindex(size):
        v = min(max((y + 0.5) * height / size[0] - 0.5, 0), height - 1)
        u = min(max((x + 0.5) * width / size[1] - 0.5, 0), width - 1)
        i, j = int(v), int(u)
        k, m = min(i + 1, height - 1), min(j + 1, width - 1)
        top = (1 - (u - j)) * image[:, i, j] + (u - j) * image[:, i, m]
        bottom = (1 - (u - j)) * image[:, k, j] + (u - j) * image[:, k, m]
        out[:, y, x] = (1 - (v - i)) * top + (v - i) * bottom
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
