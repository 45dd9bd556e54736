"""Convolution and pixel shuffle in float64 without torch, for the tests of the networks."""

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


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
