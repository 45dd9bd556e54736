"""Pictures to try a fill on: a photo, a microscopy stack and nuclei, with damage that is known.

The damage is drawn into good pictures, so `Sample.truth` holds what a perfect fill would restore.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent
STACK = "cancer_cell_migration.tif"
STACK_CREDIT = "Tinevez, J.-Y. & Jacquemet, G., Zenodo record 5206107 (cropped); CC BY 4.0"


@dataclass(frozen=True)
class Sample:
    """A damaged picture, where the damage is, and the picture without it.

    Attributes
    ----------
    name : str
        Short name, fit for a file name.
    title : str
        What one sees, fit for a menu.
    image : ndarray
        The damaged picture, laid out as `axes` says.
    mask : ndarray of bool
        The hole, `image`'s shape without the channel axis. True = hole.
    truth : ndarray
        The undamaged picture: `image`'s shape and dtype, equal to it outside the hole.
    axes : str
        One letter per axis of `image`.
    credit : str
        Who made the picture, and its terms.
    """

    name: str
    title: str
    image: NDArray[Any]
    mask: NDArray[np.bool_]
    truth: NDArray[Any]
    axes: str
    credit: str


def photo() -> Sample:
    """Return a cup of coffee, (400, 600, 3) uint8: a print with scratches, a crease and stains."""
    from skimage.data import coffee

    truth = np.asarray(coffee())
    image = truth.copy()
    height, width = truth.shape[:2]
    mask = np.zeros((height, width), bool)
    for colour, where in (
        ((242, 236, 222), _scratches(height, width)),
        ((92, 62, 38), _stains(height, width)),
    ):
        image[where] = colour
        mask |= where
    return Sample(
        name="photo",
        title="Scratched photo (coffee)",
        image=image,
        mask=mask,
        truth=truth,
        axes="YXC",
        credit="Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0; from scikit-image",
    )


def stack() -> Sample:
    """Return migrating cell nuclei, (48, 130, 130) uint16: with dust, a dead line and debris."""
    from tifffile import imread

    truth = imread(FOLDER / STACK)
    image = truth.copy()
    still, drifting = _dust_and_dead_line(truth.shape), _debris(truth.shape)
    image[still] = 0
    image[drifting] = np.iinfo(image.dtype).max
    return Sample(
        name="stack",
        title="Time series with dust and debris (cell nuclei)",
        image=image,
        mask=still | drifting,
        truth=truth,
        axes="TYX",
        credit=STACK_CREDIT,
    )


def nuclei() -> Sample:
    """Return the stack's last frame, (130, 130) uint16: two nuclei and a gap are lost.

    For a fill that is guided by labels: paint nuclei where they should be.
    """
    from tifffile import imread

    truth = imread(FOLDER / STACK)[-1]
    height, width = truth.shape
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    for box in ((28, 44, 88, 72), (90, 64, 124, 104)):  # left, top, right, bottom
        draw.ellipse(box, fill=1)
    mask = np.asarray(canvas)
    image = truth.copy()
    image[mask] = 0
    return Sample(
        name="nuclei",
        title="Nuclei to repaint",
        image=image,
        mask=mask,
        truth=truth,
        axes="YX",
        credit=STACK_CREDIT,
    )


def _scratches(height: int, width: int) -> NDArray[np.bool_]:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    crease = [(466, 0), (458, 70), (470, 150), (455, 240), (462, 320), (450, 400)]
    draw.line(crease, fill=1, width=9, joint="curve")
    for scratch in (
        [(0, 82), (90, 96), (210, 84), (330, 104), (420, 96)],
        [(30, 400), (70, 300), (96, 214), (104, 150)],
        [(180, 214), (240, 282), (330, 336), (400, 352)],
        [(500, 60), (552, 130), (600, 164)],
        [(500, 330), (540, 296), (600, 280)],
    ):
        draw.line(scratch, fill=1, width=4, joint="curve")
    return np.asarray(canvas)


def _stains(height: int, width: int) -> NDArray[np.bool_]:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    # Blots of several drops each: (x, y, radius).
    for x, y, radius in (
        *((528, 214, 20), (546, 228, 13), (520, 236, 10)),
        *((40, 150, 15), (54, 160, 11)),
        *((268, 26, 11), (282, 32, 8)),
        *((152, 330, 15), (166, 342, 12), (148, 346, 8)),
        *((380, 190, 9), (372, 198, 7)),
    ):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    return np.asarray(canvas)


def _dust_and_dead_line(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Draw what stays where it is in every frame: on the optics, on the chip."""
    frames, height, width = shape
    y, x = np.mgrid[:height, :width]
    dust = np.zeros((height, width), bool)
    for centre_y, centre_x, radius in ((38, 30, 5), (86, 96, 6), (106, 42, 4)):
        dust |= np.hypot(y - centre_y, x - centre_x) <= radius
    dust[:, 70:72] = True
    return np.repeat(dust[np.newaxis], frames, axis=0)


def _debris(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Draw a bright speck that drifts through the field, turning, from frame 4 to frame 43."""
    frames, height, width = shape
    t, y, x = np.mgrid[:frames, :height, :width]
    dy, dx = y - (118 - 2.3 * t), x - (6 + 2.6 * t)
    turn = 0.12 * t
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    inside: NDArray[np.bool_] = (along / 8) ** 2 + (across / 4.5) ** 2 <= 1
    inside[(t < 4) | (t > 43)] = False
    return inside
