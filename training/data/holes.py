"""Random holes, drawn from an explicit generator: True = hole, as everywhere.

`draw_hole` is what a training asks; every kind of hole has a name in `KINDS`. Whatever the kind,
the share of hole pixels lies in the asked range exactly. Sizes are relative to the short side, so
that a small crop sees the same holes as a large one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Canvas = NDArray[np.uint8]
Painter = Callable[[np.random.Generator, Canvas], None]
Kind = Callable[[np.random.Generator, int, int, float, float], Mask]

#: Hole shares of the evaluation protocol, as (low, high) fractions of the image.
AREA_BINS = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5))

ATTEMPTS = 100
"""Shapes that may overshoot in a row before one of them is cut to measure."""


def _stroke(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one bent brush stroke with round ends, up to as long as the image is wide."""
    height, width = canvas.shape
    side = min(height, width)
    brush = max(1, round(side * rng.uniform(0.03, 0.15)))
    point = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(2, 9))):
        angle += rng.normal(0, 0.9)
        step = side * rng.uniform(0.05, 0.3) * np.array([np.cos(angle), np.sin(angle)])
        end = np.clip(point + step, 0, [width - 1, height - 1])
        cv2.line(canvas, tuple(map(int, point)), tuple(map(int, end)), 1, brush, cv2.LINE_8)
        point = end


def _ellipse(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one filled ellipse."""
    height, width = canvas.shape
    side = min(height, width)
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    axes = tuple(max(1, int(side * r)) for r in rng.uniform(0.03, 0.2, 2))
    cv2.ellipse(canvas, centre, axes, rng.uniform(0, 180), 0, 360, 1, cv2.FILLED)


def _disc(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one filled disc."""
    height, width = canvas.shape
    radius = max(1, round(min(height, width) * rng.uniform(0.03, 0.2)))
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    cv2.circle(canvas, centre, radius, 1, cv2.FILLED)


def _box(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one filled upright box."""
    height, width = canvas.shape
    side = min(height, width)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    h, w = (max(1, int(side * r)) for r in rng.uniform(0.1, 0.4, 2))
    canvas[max(0, y - h // 2) : y + (h + 1) // 2, max(0, x - w // 2) : x + (w + 1) // 2] = 1


def _blob(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw a compact shape with a wavy outline, as one paints over an object."""
    height, width = canvas.shape
    side = min(height, width)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones_like(angle)
    for wave in range(2, 6):
        phase, high = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5 / wave)
        radius += high * np.cos(wave * angle + phase)
    radii = side * rng.uniform(0.06, 0.25) * rng.uniform(0.6, 1.6, 2)
    centre = rng.uniform(0, 1, 2) * (width, height)
    outline = centre + radius[:, None] * radii * np.stack([np.cos(angle), np.sin(angle)], 1)
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    outline = centre + (outline - centre) @ rotation
    cv2.fillPoly(canvas, [outline.round().astype(np.int32)], 1)


def _mixed(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw a stroke, less often an ellipse, now and then a box."""
    (_stroke, _ellipse, _box)[rng.choice(3, p=[0.7, 0.2, 0.1])](rng, canvas)


@dataclass(frozen=True)
class Brush:
    """How LaMa draws one of its classes of holes; lengths in px of an image of 256 px."""

    width: int
    length: int
    box: tuple[int, int] = (0, 0)
    """Smallest and largest side of a box."""
    margin: int = 0
    """Distance of boxes from the image border."""
    boxes: float = 0.0
    """Share of the masks that are made of boxes; the others are made of strokes."""


#: Source: Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions",
#: 2021, and its published settings. There a mask has 1 to 5 strokes (4 to 50 thin ones) or 1 to 4
#: boxes, whatever area they cover; here it has as many as its share needs.
THICK = Brush(width=100, length=200, box=(30, 150), margin=10, boxes=0.5)
MEDIUM = Brush(width=50, length=100, box=(10, 50), boxes=0.25)
THIN = Brush(width=10, length=40)


def _lama_stroke(rng: np.random.Generator, canvas: Canvas, brush: Brush) -> None:
    """Draw up to five segments; each has its own direction, at most 4 rad from one axis."""
    height, width = canvas.shape
    scale = min(height, width) / 256
    x, y = rng.random() * width, rng.random() * height
    mirror = -1 if rng.random() < 0.5 else 1
    segments = int(rng.integers(1, 6))
    for angle, length, thickness in rng.random((segments, 3)).tolist():
        reach = scale * (10 + length * brush.length)
        end_x = min(max(x + reach * math.sin(mirror * 4 * angle), 0), width)
        end_y = min(max(y + reach * math.cos(mirror * 4 * angle), 0), height)
        px = max(1, round(scale * (5 + thickness * brush.width)))
        cv2.line(canvas, (int(x), int(y)), (int(end_x), int(end_y)), 1, px)
        x, y = end_x, end_y


def _lama_box(rng: np.random.Generator, canvas: Canvas, brush: Brush) -> None:
    """Draw one upright box off the border."""
    height, width = canvas.shape
    scale = min(height, width) / 256
    margin = min(round(scale * brush.margin), (min(height, width) - 1) // 2)
    room = (height - 2 * margin, width - 2 * margin)
    sides = scale * rng.uniform(*brush.box, 2)
    h, w = (min(max(1, round(s)), r) for s, r in zip(sides.tolist(), room, strict=True))
    y, x = (margin + int(rng.integers(r - s + 1)) for s, r in zip((h, w), room, strict=True))
    canvas[y : y + h, x : x + w] = 1


def _dust(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw what lies on a slide: many specks, now and then a curled hair or a straight scratch."""
    height, width = canvas.shape
    scale = min(height, width) / 256
    choice = rng.random()
    if choice < 0.7:
        places = rng.random((8, 2)) * (width, height)
        radii = scale * rng.lognormal(0.4, 0.6, 8)
        for (x, y), r in zip(places.astype(int).tolist(), radii.tolist(), strict=True):
            cv2.circle(canvas, (x, y), round(r), 1, cv2.FILLED)
        return
    turns = rng.normal(0, 0.5 if choice < 0.85 else 0.02, 8)
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
    step = scale * rng.uniform(4, 12) * (1 if choice < 0.85 else 3)
    steps = step * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = rng.random(2) * (width, height) + np.cumsum(steps, 0)
    px = max(1, round(scale * rng.uniform(1, 2.5)))
    cv2.polylines(canvas, [points.astype(np.int32)], False, 1, px)


def _dead_line(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw a dead row or column, whole or from a border to somewhere, 1 to 3 px wide."""
    rows = canvas if rng.random() < 0.5 else canvas.T
    at, px = int(rng.integers(rows.shape[0])), int(rng.choice((1, 1, 1, 2, 3)))
    length = rows.shape[1] if rng.random() < 0.7 else int(rng.integers(1, rows.shape[1] + 1))
    start = 0 if rng.random() < 0.5 else rows.shape[1] - length
    rows[at : at + px, start : start + length] = 1


def _counts(height: int, width: int, low: float, high: float) -> tuple[int, int]:
    """Return how many hole pixels at least and at most make a share within [low, high]."""
    if not 0 < low < high <= 1:
        raise ValueError(f"Expected 0 < low < high <= 1, got low={low}, high={high}.")
    area = height * width
    least, most = math.ceil(low * area), math.floor(high * area)
    if least > most:
        raise ValueError(
            f"No hole covers {low:.2%} to {high:.2%} of {height} x {width} px. Widen the range."
        )
    return least, most


def _trim(rng: np.random.Generator, canvas: Canvas, before: Canvas, count: int) -> None:
    """Cut the newest shape along a straight line until ``count`` hole pixels are left in all."""
    y, x = np.nonzero(canvas > before)
    angle = rng.uniform(0, 2 * np.pi)
    order = np.argsort(y * np.sin(angle) + x * np.cos(angle), kind="stable")
    drop = order[count - cv2.countNonZero(before) :]
    canvas[y[drop], x[drop]] = 0


def _fill(
    rng: np.random.Generator, height: int, width: int, low: float, high: float, paint: Painter
) -> Mask:
    """Paint shapes until a share of the image, drawn between low and high, is hole."""
    least, most = _counts(height, width, low, high)
    area = height * width
    target = rng.uniform(low, high)
    canvas = np.zeros((height, width), np.uint8)
    count = overshot = 0
    while count / area < target or count < least:
        before = canvas.copy()
        paint(rng, canvas)
        count = cv2.countNonZero(canvas)
        if count <= most:
            overshot = 0
            continue
        overshot += 1
        if overshot == ATTEMPTS:
            _trim(rng, canvas, before, most)
            break
        canvas = before  # too much: forget this shape, draw another
        count = cv2.countNonZero(canvas)
        target = min(target, rng.uniform(low, high))
    return canvas.astype(bool)


def irregular(
    rng: np.random.Generator, height: int, width: int, low: float = 0.1, high: float = 0.5
) -> Mask:
    """Draw strokes, ellipses and a few boxes until a share of the image is hole.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    height, width : int
        Size in px.
    low, high : float
        The share of hole pixels lies in [low, high], exactly.

    Returns
    -------
    numpy.ndarray
        (height, width) bool, True = hole.

    Raises
    ------
    ValueError
        If no number of pixels makes such a share.
    """
    return _fill(rng, height, width, low, high, _mixed)


def _lama(
    rng: np.random.Generator, height: int, width: int, low: float, high: float, brush: Brush
) -> Mask:
    """Draw strokes or, for some of the masks, boxes."""
    shape = _lama_box if rng.random() < brush.boxes else _lama_stroke
    return _fill(rng, height, width, low, high, partial(shape, brush=brush))


def _centre(rng: np.random.Generator, height: int, width: int, low: float, high: float) -> Mask:
    """Draw one box in the middle, with the proportions of the image."""
    least, most = _counts(height, width, low, high)
    count = int(rng.integers(least, most + 1))
    h = max(1, round(math.sqrt(count * height / width)))
    w = math.ceil(count / h)
    y, x = (height - h) // 2, (width - w) // 2
    canvas = np.zeros((height, width), np.uint8)
    canvas[y : y + h, x : x + w] = 1
    if cv2.countNonZero(canvas) > most:
        _trim(rng, canvas, np.zeros_like(canvas), most)
    return canvas.astype(bool)


def _gaps(rng: np.random.Generator, height: int, width: int, low: float, high: float) -> Mask:
    """Set pixels 2, 3 or 4 px apart, as enlarging does: the gaps between them are the hole."""
    least, most = _counts(height, width, low, high)
    fitting = []
    for factor in (2, 3, 4):
        mask = np.ones((height, width), bool)
        mask[(factor - 1) // 2 :: factor, (factor - 1) // 2 :: factor] = False
        if least <= np.count_nonzero(mask) <= most:
            fitting.append(mask)
    if not fitting:
        raise ValueError(
            "Gaps between pixels 2, 3 or 4 px apart cover about 75 %, 89 % or 94 % of an image; "
            f"asked were {low:.1%} to {high:.1%} of {height} x {width} px. Widen the range."
        )
    return fitting[int(rng.integers(len(fitting)))]


#: Every kind of hole by its name: (rng, height, width, low, high) to a mask.
KINDS: dict[str, Kind] = {
    "irregular": irregular,
    "thick": partial(_lama, brush=THICK),
    "medium": partial(_lama, brush=MEDIUM),
    "thin": partial(_lama, brush=THIN),
    "strokes": partial(_fill, paint=_stroke),
    "discs": partial(_fill, paint=_disc),
    "ellipses": partial(_fill, paint=_ellipse),
    "boxes": partial(_fill, paint=_box),
    "blobs": partial(_fill, paint=_blob),
    "centre": _centre,
    "dust": partial(_fill, paint=_dust),
    "dead-lines": partial(_fill, paint=_dead_line),
    "gaps": _gaps,
}


def _off_border(
    rng: np.random.Generator, height: int, width: int, kind: Kind, low: float, high: float
) -> Mask:
    """Draw a hole at least a sixteenth of the short side (and 1 px) away from the border."""
    margin = max(1, min(height, width) // 16)
    inside = (height - 2 * margin, width - 2 * margin)
    least, most = _counts(height, width, low, high)
    room = max(0, inside[0]) * max(0, inside[1])
    if room < most:
        raise ValueError(
            f"A hole of up to {high:.0%} of {height} x {width} px cannot stay {margin} px away "
            "from the border. Ask for smaller holes."
        )
    # Half a pixel more on either side: rounding must not move a bound by one pixel.
    mask = kind(rng, *inside, (least - 0.5) / room, min(1.0, (most + 0.5) / room))
    return np.pad(mask, margin)


def _to_border(rng: np.random.Generator, mask: Mask) -> Mask:
    """Move a hole, unless it touches the border, until it does."""
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        return mask
    axis = int(rng.integers(2))
    lines = np.flatnonzero(mask.any(axis=1 - axis))
    shift = -int(lines[0]) if rng.random() < 0.5 else mask.shape[axis] - 1 - int(lines[-1])
    return np.roll(mask, shift, axis)  # what is rolled around is known


def draw_hole(
    rng: np.random.Generator,
    height: int,
    width: int,
    kinds: Sequence[str] = ("irregular",),
    low: float = 0.1,
    high: float = 0.5,
    border: bool | None = None,
) -> Mask:
    """Draw a hole of one of some kinds, each as likely as the others.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    height, width : int
        Size in px.
    kinds : sequence of str
        Keys of `KINDS`; name one twice to have it twice as often.
    low, high : float
        The share of hole pixels lies in [low, high], exactly.
    border : bool, optional
        True: the hole touches the border of the image; False: it stays a sixteenth of the short
        side away; None: as it comes.

    Returns
    -------
    numpy.ndarray
        (height, width) bool, True = hole.

    Raises
    ------
    ValueError
        For a kind that does not exist, or a share that no hole can have.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        raise ValueError(f"Expected kinds of holes among {sorted(KINDS)}, got {list(kinds)}.")
    name = kinds[int(rng.integers(len(kinds)))] if len(kinds) > 1 else kinds[0]
    if border is False:
        return _off_border(rng, height, width, KINDS[name], low, high)
    mask = KINDS[name](rng, height, width, low, high)
    return _to_border(rng, mask) if border else mask
