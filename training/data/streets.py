"""Streets drawn by a program, with exact labels, never the same twice.

``drawn.py`` puts them into trainings.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_inpaint.arrays.labels import ClassInfo
from training.data.pictures import Picture

Floats = NDArray[np.floating]
Bytes = NDArray[np.uint8]
Outline = list[tuple[float, float]]

#: What the ids of `draw_street` mean: CamVid's eleven classes.
STREET = (
    ClassInfo("sky", "#4682b4"),
    ClassInfo("building", "#7f5f4f"),
    ClassInfo("pole", "#c0c0c0"),
    ClassInfo("road", "#804080"),
    ClassInfo("pavement", "#f423e8"),
    ClassInfo("tree", "#3f8f3f"),
    ClassInfo("sign", "#dcdc00"),
    ClassInfo("fence", "#be9999"),
    ClassInfo("car", "#3050d0"),
    ClassInfo("pedestrian", "#dc143c"),
    ClassInfo("bicyclist", "#ff8c00"),
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)

NEAR, FAR = 4.0, 50.0
"""Distances from the camera between which things stand, m."""
KERB, WALL = 4.0, 7.0
"""Where the pavement begins and where it ends, m from the middle of the road."""
BLACK = np.full(3, 0.05, np.float32)


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> Floats:
    """Return (height, width) float32 noise, about ±1, whose blobs are ``grain`` px wide."""
    cells = (max(2, math.ceil(height / grain)), max(2, math.ceil(width / grain)))
    coarse = rng.standard_normal(cells, np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _colour(rng: np.random.Generator, low: float, high: float, saturation: float) -> Floats:
    """Return a colour (3,) between two brightnesses in [0, 1]; more are warm than cold."""
    tint = rng.uniform(-saturation, saturation, 3).tolist()
    if rng.random() < 0.7:
        tint.sort(reverse=True)
    grey, mean = rng.uniform(low, high), sum(tint) / 3
    return np.array([grey * (1 + each - mean) for each in tint], np.float32)


def _box(left: float, bottom: float, right: float, top: float) -> Outline:
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


@dataclass(frozen=True)
class _Street:
    """A canvas, and the camera that looks along the street.

    The world: x m right of the middle of the road, y m above it, z m away.
    """

    rng: np.random.Generator
    image: Bytes
    labels: Bytes
    focal: float
    """px"""
    horizon: float
    """px from the top"""
    middle: float
    """Where the road ends, px from the left."""
    haze: Floats
    light: float
    eye: float = 1.6

    def project(self, x: float, y: float, z: float) -> tuple[int, int]:
        """Return where a point of the world is seen, (x, y) px."""
        scale = self.focal / z
        return round(self.middle + scale * x), round(self.horizon + scale * (self.eye - y))

    def hazy(self, colour: Floats, z: float) -> Floats:
        """Return how colours (..., 3) in [0, 1] look from afar, about [0, 255]."""
        clear = math.exp(-z / 150)
        return np.asarray((255 * clear * self.light) * colour + (255 - 255 * clear) * self.haze)

    def fill(self, points: Any, colour: Floats, label: int, z: float) -> None:
        """Fill a polygon (px) with one colour, and its labels."""
        corners = np.array(points, np.int32)
        cv2.fillPoly(self.image, [corners], self.hazy(colour, z).tolist())
        cv2.fillPoly(self.labels, [corners], label)

    def stand(self, x: float, z: float, outline: Outline, colour: Floats, label: int) -> None:
        """Fill a flat outline of (right, up) m that stands at (x, z) and faces the camera."""
        self.fill([self.project(x + u, v, z) for u, v in outline], colour, label, z)

    def disc(self, x: float, y: float, z: float, radius: float, colour: Floats, label: int) -> None:
        """Fill a disc, in m, that faces the camera."""
        centre, px = self.project(x, y, z), max(1, round(self.focal * radius / z))
        cv2.circle(self.image, centre, px, self.hazy(colour, z).tolist(), -1)
        cv2.circle(self.labels, centre, px, label, -1)

    def side(
        self, x: float, near: float, far: float, height: float, texture: Floats, label: int
    ) -> None:
        """Fill what stands along the street with a texture, whose left end is near."""
        ends = ((height, near), (height, far), (0, far), (0, near))
        corners = np.array([self.project(x, y, z) for y, z in ends], np.int32)
        limit = np.array(self.labels.shape[::-1])
        low, high = np.clip(corners.min(0), 0, limit), np.clip(corners.max(0) + 1, 0, limit)
        if (high <= low).any():
            return
        inside = corners - low.astype(np.int32)
        width, height_px = (high - low).tolist()
        mask = np.zeros((height_px, width), np.uint8)
        cv2.fillPoly(mask, [inside], 1)
        h, w = texture.shape[:2]
        source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        warp = cv2.getPerspectiveTransform(source, inside.astype(np.float32))
        hazy = self.hazy(texture, (near + far) / 2).clip(0, 255).astype(np.uint8)
        seen = cv2.warpPerspective(hazy, warp, (width, height_px), borderMode=cv2.BORDER_REPLICATE)
        window = self.image[low[1] : high[1], low[0] : high[0]]
        np.copyto(window, np.asarray(seen, np.uint8), where=mask.view(bool)[..., None])
        cv2.fillPoly(self.labels, [corners], label)


def _backdrop(street: _Street) -> None:
    """Draw the sky with clouds, and hills with trees along the horizon."""
    rng, side = street.rng, len(street.image)
    small = side // 4  # a sky has no edges
    y = np.linspace(0, 1, small)[:, None, None]
    zenith = street.haze * (np.array((0.35, 0.55, 0.85)) ** rng.uniform(0, 1))
    clouds = smooth_noise(rng, small, small, small / 3) + smooth_noise(rng, small, small, small / 8)
    clouds = np.clip(clouds - rng.uniform(-0.5, 1.5), 0, 1)[..., None] * (1 - y)
    sky = (zenith * (1 - y) + street.haze * y) * (1 - clouds) + 0.95 * clouds
    street.image[:] = cv2.resize((255 * np.clip(sky, 0, 1)).astype(np.uint8), (side, side))
    street.labels[:] = SKY
    ridge = street.horizon - side * np.abs(0.03 + 0.02 * smooth_noise(rng, 1, 24, 3)[0])
    points = [*zip(np.linspace(0, side, 24), ridge, strict=True), (side, side), (0, side)]
    street.fill(points, rng.uniform((0.1, 0.15, 0.05), (0.3, 0.35, 0.2)), TREE, FAR)


def _ground(street: _Street) -> None:
    """Draw the road with its marks, and the pavements with their slabs."""
    rng, near, far = street.rng, 1.0, 400.0
    slab = _colour(rng, 0.35, 0.6, 0.1)

    def strip(left: float, right: float, a: float, b: float, colour: Floats, label: int) -> None:
        ends = ((left, a), (right, a), (right, b), (left, b))
        street.fill([street.project(x, 0, z) for x, z in ends], colour, label, a)

    strip(-300, 300, near, far, slab, PAVEMENT)
    for z in np.arange(2, 14, 1.2).tolist() if rng.random() < 0.7 else ():
        strip(-WALL - 3, WALL + 3, z, z + 0.04, 0.8 * slab, PAVEMENT)
    strip(-KERB, KERB, near, far, _colour(rng, 0.25, 0.45, 0.05), ROAD)
    for x in (-KERB, KERB):
        strip(x - 0.08, x + 0.08, near, far, 1.3 * slab, PAVEMENT)
    paint = _colour(rng, 0.8, 1, 0.15)
    for z in np.arange(rng.uniform(1, 3), 40, rng.uniform(3, 6)).tolist():
        strip(-0.07, 0.07, z, z + 1.5, paint, ROAD)
    below = street.image[round(street.horizon) + 1 :]
    height, width = below.shape[:2]
    grain = smooth_noise(rng, height, width, 2) + smooth_noise(rng, height, width, 12)
    worn = below * (1 + np.float32(0.05) * grain)[..., None]
    np.copyto(below, np.clip(worn, 0, 255).astype(np.uint8))


def _wall(rng: np.random.Generator, length: float, height: float, px: float) -> Floats:
    """Draw a house front, ``px`` to a metre: plaster, bricks or boards, with windows."""
    h, w = round(px * height), round(px * length)
    shade = 1 + 0.06 * smooth_noise(rng, h, w, 2) + 0.08 * smooth_noise(rng, h, w, 2 * px)
    kind = rng.integers(3)
    if kind == 1:
        rows, columns = h // 3 + 1, w // 6 + 2
        bricks = rng.normal(1, 0.12, (rows, columns)).repeat(3, 0).repeat(6, 1)[:h]
        shade *= np.where(np.arange(h)[:, None] % 6 < 3, bricks[:, :w], bricks[:, 3 : w + 3])
        shade[::3] *= 1.2  # mortar
    elif kind == 2:
        lines = shade if rng.random() < 0.5 else shade.T
        lines[:: int(rng.integers(3, 9))] *= 0.75
    wall = _colour(rng, 0.3, 0.8, 0.3) * shade[..., None]
    storey, gap = (max(5, int(px * rng.uniform(*r))) for r in ((2.6, 3.6), (1.6, 3.5)))
    tall, wide = int(storey * rng.uniform(0.4, 0.65)), int(gap * rng.uniform(0.35, 0.7))
    y, x = np.arange(h)[:, None] % storey, np.arange(w) % gap
    frame = (y <= tall + 1) & (x <= wide + 1)
    pane = (y > 0) & (y <= tall) & (x > 0) & (x <= wide)
    bright = rng.uniform(0.6, 1.6, (h // storey + 1, w // gap + 1)).astype(np.float32)
    bright = bright.repeat(storey, 0).repeat(gap, 1)[:h, :w]
    wall[frame] = _colour(rng, 0.6, 0.8, 0.1)
    wall[pane] = _colour(rng, 0.05, 0.3, 0.2) * bright[pane, None]
    return wall


def _houses(street: _Street, way: int) -> None:
    """Line one side of the street with houses, far ones first, now and then with a gap."""
    rng = street.rng
    shade = rng.uniform(0.6, 1)
    ends = (np.cumsum(rng.uniform(9, 18, 5)) - rng.uniform(0, 8)).tolist()
    for near, far in zip([1.0, *ends][-2::-1], ends[::-1], strict=True):
        x, height, pitch = way * (WALL + rng.uniform(0, 1.5)), rng.uniform(5, 13), rng.uniform(0, 3)
        if rng.random() < 0.15:
            continue
        gable = [
            (0.0, 0.0),
            (0, height),
            (way * 4, height + pitch),
            (way * 9, height),
            (way * 9, 0),
        ]
        street.stand(x, near, gable, 0.7 * shade * _colour(rng, 0.4, 0.6, 0.3), BUILDING)
        ridge = x + way * 4, height + pitch
        roof = [(*ridge, near), (*ridge, far), (x, height, far), (x, height, near)]
        roof_colour = shade * _colour(rng, 0.2, 0.4, 0.4)
        street.fill([street.project(*p) for p in roof], roof_colour, BUILDING, near)
        px = min(8.0, max(2.5, street.focal / near / 2))
        wall = shade * _wall(rng, far - near, height, px)
        street.side(x, near, far, height, wall, BUILDING)


def _tree(street: _Street, x: float, z: float) -> None:
    """Draw a trunk and a crown of many leafy discs, lit from above."""
    rng, height, radius = street.rng, street.rng.uniform(4, 8), street.rng.uniform(1.2, 2.5)
    street.stand(x, z, _box(-0.15, 0, 0.15, height), _colour(rng, 0.15, 0.3, 0.2), TREE)
    leaves = rng.uniform((0.15, 0.25, 0.05), (0.4, 0.5, 0.2))
    spots = rng.normal(0, 0.45 * radius, (50, 2))
    bright = np.clip(0.75 + 0.25 * spots[:, 1] / radius + rng.normal(0, 0.12, 50), 0.2, 2)
    sizes = radius * rng.uniform(0.1, 0.35, 50)
    for (u, v), b, r in zip(spots.tolist(), bright.tolist(), sizes.tolist(), strict=True):
        street.disc(x + u, height + v, z, r, leaves * b, TREE)


def _car(street: _Street, x: float, z: float) -> None:
    """Draw a car from behind, with its shadow on the road."""
    rng, tall = street.rng, street.rng.uniform(1.35, 1.9)
    paint = _colour(rng, 0.1, 0.9, 0.5)
    shadow = [street.project(x + u, 0, z + v) for u, v in ((-1, 0), (1, 0), (1.1, 1), (-1.1, 1))]
    street.fill(shadow, BLACK, ROAD, z)
    parts = [
        *((_box(u, 0, u + 0.25, 0.5), BLACK) for u in (-0.8, 0.55)),
        ([(-0.85, 0.85), (0.85, 0.85), (0.65, tall), (-0.65, tall)], 0.9 * paint),
        ([(-0.72, 0.92), (0.72, 0.92), (0.58, tall - 0.1), (-0.58, tall - 0.1)], 3 * BLACK),
        (_box(-0.87, 0.25, 0.87, 0.9), paint),
        (_box(-0.87, 0.25, 0.87, 0.4), 0.5 * paint),
        *((_box(u, 0.65, u + 0.25, 0.8), np.array([0.6, 0.05, 0.05])) for u in (-0.8, 0.55)),
        (_box(-0.25, 0.5, 0.25, 0.62), np.array([0.9, 0.85, 0.4])),
    ]
    for outline, colour in parts:
        street.stand(x, z, outline, colour, CAR)


def _person(street: _Street, x: float, z: float) -> None:
    """Draw somebody who walks on the pavement, or rides a bicycle on the road."""
    rng, gait = street.rng, street.rng.uniform(0, 0.15)
    label, up = (BICYCLIST, 0.35) if abs(x) < KERB else (PEDESTRIAN, 0.0)
    trousers, coat = _colour(rng, 0.05, 0.6, 0.4), _colour(rng, 0.05, 0.8, 0.5)
    if label == BICYCLIST:
        street.stand(x, z, _box(-0.04, 0, 0.04, 0.7), BLACK, label)
        street.stand(x, z, _box(-0.3, 0.95, 0.3, 1.0), BLACK, label)
    for way in (-1, 1):
        foot = way * (0.08 + gait)
        leg = [(foot - 0.06, up), (foot + 0.06, up), (way * 0.15, 0.85 + up), (0, 0.85 + up)]
        street.stand(x, z, leg, trousers, label)
    body = [(-0.2, 0.8 + up), (0.2, 0.8 + up), (0.24, 1.45 + up), (-0.24, 1.45 + up)]
    street.stand(x, z, body, coat, label)
    skin = rng.uniform((0.3, 0.2, 0.15), (0.85, 0.65, 0.55))
    street.disc(x, 1.6 + up, z, 0.13, skin, label)


def _pole(street: _Street, x: float, z: float) -> None:
    """Draw a lamp post, or a shorter post with a sign."""
    rng, tall = street.rng, street.rng.uniform(2.4, 7)
    grey = _colour(rng, 0.1, 0.5, 0.1)
    street.stand(x, z, _box(-0.06, 0, 0.06, tall), grey, POLE)
    if tall > 4.5:
        reach = -math.copysign(1.2, x)
        street.stand(x, z, _box(0, tall, reach, tall + 0.1), grey, POLE)
        return
    paint, square = _colour(rng, 0.3, 0.7, 0.9), rng.random() < 0.5
    for radius, colour in ((0.38, np.full(3, 0.9)), (0.3, paint)):
        if square:
            plate = _box(-radius, tall - radius, radius, tall + radius)
            street.stand(x, z, plate, colour, SIGN)
        else:
            street.disc(x, tall, z, radius, colour, SIGN)


def _fence(street: _Street, x: float, z: float) -> None:
    """Draw a fence along the pavement, with boards that one can tell apart."""
    rng, height = street.rng, street.rng.uniform(0.8, 1.8)
    boards = np.tile(_colour(rng, 0.2, 0.7, 0.3), (8, 60, 1))
    boards[:, ::4] *= 0.6
    boards[:2] *= 1.2
    where, far = math.copysign(WALL - 0.3, x), z + rng.uniform(3, 10)
    street.side(where, z, far, height, boards, FENCE)


def _photograph(rng: np.random.Generator, image: Bytes) -> Bytes:
    """Take a picture: exposure, a lens that may be out of focus, sensor noise."""
    blur = rng.uniform(0.3, 1.1) if rng.random() < 0.7 else rng.uniform(1.1, 2)
    light = cv2.GaussianBlur(image, (0, 0), blur) * np.float32(1 / 255)
    light *= (rng.uniform(0.7, 1.2) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)
    light = np.asarray(cv2.pow(light, rng.uniform(0.75, 1.2)))
    noise = np.float32(rng.uniform(0.002, 0.025)) * rng.standard_normal(light.shape, np.float32)
    light += noise * np.sqrt(np.float32(0.1) + light)
    return np.asarray(np.rint(light.clip(0, 1) * 255), np.uint8)


def draw_street(rng: np.random.Generator, size: int) -> Picture:
    """Draw a street with houses, trees, cars and people.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    size : int
        Side in px.

    Returns
    -------
    Picture
        (size, size, 3) uint8, and labels whose ids are places in `STREET`. The image is drawn at
        twice the size and shrunk; each label is the class of one of a pixel's four quarters.
    """
    side = 2 * size
    street = _Street(
        rng,
        np.empty((side, side, 3), np.uint8),
        np.empty((side, side), np.uint8),
        focal=side * rng.uniform(0.6, 1.1),
        horizon=side * rng.uniform(0.35, 0.55),
        middle=side * rng.uniform(0.25, 0.75),
        haze=rng.uniform((0.6, 0.65, 0.7), (0.95, 0.95, 1)).astype(np.float32),
        light=rng.uniform(0.6, 1.1),
    )
    _backdrop(street)
    _ground(street)
    for way in (-1, 1):
        if rng.random() < 0.85:
            _houses(street, way)
    things = []
    for kind, most in ((_tree, 4), (_car, 5), (_person, 6), (_pole, 4), (_fence, 2)):
        for z in NEAR * (FAR / NEAR) ** rng.random(int(rng.integers(most + 1))):
            on_road = kind is _car or (kind is _person and rng.random() < 0.3)
            where = rng.uniform(1, KERB - 1) if on_road else rng.uniform(KERB + 0.5, WALL)
            things.append((float(z), float(rng.choice((-1, 1)) * where), kind))
    for z, x, kind in sorted(things, key=lambda thing: -thing[0]):
        kind(street, x, z)
    small = cv2.resize(street.image, (size, size), interpolation=cv2.INTER_AREA)
    return Picture(_photograph(rng, np.asarray(small, np.uint8)), street.labels[1::2, 1::2].copy())
