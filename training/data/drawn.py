"""Scenes drawn by a program, with exact labels: alone, or among the pictures of a folder."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.data.nuclei import draw_nuclei
from training.data.pictures import Picture
from training.data.streets import draw_street

Scene = Callable[[np.random.Generator, int], Picture]

#: Who draws what: (rng, size) to a picture with labels.
SCENES: dict[str, Scene] = {"street": draw_street, "nuclei": draw_nuclei}

VALIDATION = 2**32
"""No training has this seed: scenes for validation are never trained on."""


def validation_scenes(name: str, count: int, size: int) -> list[Picture]:
    """Draw the scenes that networks are validated on: always the same ones.

    Parameters
    ----------
    name : str
        Key of `SCENES`.
    count : int
        How many.
    size : int
        Their side, px.
    """
    return [SCENES[name](np.random.default_rng([VALIDATION, i]), size) for i in range(count)]


class Mixture(Sequence[Picture]):
    """Pictures and, in a share of all draws, scenes that are new each time.

    A `HoleDataset` takes it in place of a list of pictures.

    Parameters
    ----------
    pictures : sequence of Picture
        Real ones; there may be none if ``share`` is 1.
    draw_picture : callable
        (rng, size) to Picture: one of `SCENES`.
    size : int
        Side of the scenes, px.
    share : float
        How much of the whole is drawn, in [0, 1].
    seed : int
        Scene ``i`` depends on this and on ``i`` alone.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        draw_picture: Scene,
        size: int,
        share: float,
        seed: int = 0,
    ) -> None:
        if not 0 <= share <= 1 or (share < 1 and not pictures):
            raise ValueError(
                "Expected a share of drawn scenes in [0, 1], and 1 where there are no pictures; "
                f"got {share} and {len(pictures)} pictures."
            )
        self.pictures, self.draw_picture = pictures, draw_picture
        self.size, self.share, self.seed = size, share, seed

    def __len__(self) -> int:
        return 1 << 40  # so many that hardly one is drawn twice

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"Expected an index from 0 to {len(self) - 1}, got {index}.")
        if index >= (1 - self.share) * len(self):
            return self.draw_picture(np.random.default_rng([self.seed, index]), self.size)
        return self.pictures[index % len(self.pictures)]
