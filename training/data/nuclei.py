"""Fluorescent nuclei drawn by a program, with exact labels, never the same twice.

``drawn.py`` puts them into trainings.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays.labels import ClassInfo
from training.data.pictures import Picture, instance_classes, stretch
from training.data.streets import smooth_noise

Instances = NDArray[np.uint16]

#: What the ids of `instance_classes` mean for nuclei.
NUCLEI = (
    ClassInfo("background", "#303030"),
    ClassInfo("nucleus", "#2ca02c"),
    ClassInfo("boundary", "#ffbf00"),
)


def _outline(rng: np.random.Generator, radius: float, bumps: float) -> NDArray[np.floating]:
    """Return the (32, 2) outline, px, of an ellipse-like blob around 0."""
    angles = np.arange(32) * (np.pi / 16)
    order = np.arange(2, 6)[:, None]
    phase, height = rng.uniform(0, 7, (4, 1)), rng.normal(0, bumps, (4, 1)) / order
    reach = radius * (1 + (height * np.cos(order * angles + phase)).sum(0))
    x, y = reach * np.cos(angles), rng.uniform(0.6, 1) * reach * np.sin(angles)
    turn = rng.uniform(0, math.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    return np.array([x * cos - y * sin, x * sin + y * cos]).T


def _place(rng: np.random.Generator, size: int, radius: float) -> Instances:
    """Return (size, size) instances, 0 = background, that touch but do not overlap."""
    instances = np.zeros((size, size), np.uint16)
    crowded, bumps = rng.uniform(0, 0.8), rng.uniform(0.02, 0.2)
    centres: list[tuple[float, float]] = []
    for _ in range(max(1, round(rng.uniform(0.03, 0.4) * size**2 / (2.5 * radius**2)))):
        x, y = rng.uniform(0, size, 2).tolist()
        if centres and rng.random() < crowded:  # beside another one
            angle, step = rng.uniform(0, 7), 2 * radius * rng.uniform(0.8, 1.2)
            x, y = centres[int(rng.integers(len(centres)))]
            x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        outline = _outline(rng, radius * rng.lognormal(0, 0.15), bumps)
        corners = np.rint(outline + np.array([x, y])).astype(np.int32)
        low, high = np.clip((corners.min(0), corners.max(0) + 1), 0, size).astype(np.int32)
        window = instances[low[1] : high[1], low[0] : high[0]]
        if not window.size:
            continue
        shape = np.zeros(window.shape, np.uint8)
        cv2.fillPoly(shape, [corners - low], 1)
        free = (shape > 0) & (window == 0)
        if free.sum() > 0.8 * cv2.countNonZero(shape):
            centres.append((x, y))
            window[free] = len(centres)
    return instances


def draw_instances(rng: np.random.Generator, size: int) -> tuple[NDArray[np.uint16], Instances]:
    """Draw nuclei as a camera counts their photons.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    size : int
        Side in px.

    Returns
    -------
    image, instances : numpy.ndarray
        (size, size) uint16 each; 0 is the background of the instances.
    """
    radius = float(np.exp(rng.uniform(np.log(4), np.log(22))))
    instances = _place(rng, size, radius)
    brightness = rng.lognormal(0, rng.uniform(0.1, 0.5), int(instances.max()) + 1)
    brightness[0] = 0
    depth = cv2.distanceTransform((instance_classes(instances) == 1).view(np.uint8), cv2.DIST_L2, 3)
    dome = 0.6 + 0.4 * np.minimum(1, depth / np.float32(0.4 * radius))
    grain, contrast = rng.uniform(1.5, max(2, 0.5 * radius)), np.float32(rng.uniform(0.02, 0.25))
    chromatin = np.clip(1 + contrast * smooth_noise(rng, size, size, grain), 0.2, 3)
    light = brightness.astype(np.float32)[instances] * dome * chromatin
    # The point-spread function: a sharp core, and a wide halo of what is out of focus.
    core = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.6, 1.5))
    halo = cv2.GaussianBlur(light, (0, 0), rng.uniform(4, 8))
    ground = rng.uniform(0.005, 0.08) * np.exp(0.4 * smooth_noise(rng, size, size, size / 2))
    photons = rng.uniform(60, 1500) * (core + rng.uniform(0.02, 0.2) * halo + ground)
    noise = 3 * rng.standard_normal(photons.shape, np.float32)
    counts = 100 + rng.uniform(1, 8) * rng.poisson(photons) + noise
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16), instances


def draw_nuclei(rng: np.random.Generator, size: int) -> Picture:
    """Draw nuclei: (size, size, 3) uint16, labels background 0, inside 1, boundary 2."""
    image, instances = draw_instances(rng, size)
    return Picture(stretch(image), instance_classes(instances))
