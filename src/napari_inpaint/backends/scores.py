"""Scores of backends, as ``training.evaluate`` writes them into manifests, read for use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_inpaint.backends.contract import BackendInfo


@dataclass(frozen=True)
class Score:
    """How near to the truth fills are, and how like it they look.

    Attributes
    ----------
    hole_db : float
        PSNR over hole pixels, dB; higher is better.
    ssim : float
        Structural similarity of the whole image, up to 1; higher is better, and it likes blur.
    texture : float
        Distance from the truth's texture inside the hole; lower is better, 0 = the same.
    perceptual : float or None
        Distance from the truth inside the hole in the features of a trained network, 0 to 100;
        lower is better. None: it was not measured.
    """

    hole_db: float
    ssim: float
    texture: float
    perceptual: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A backend and others, mostly classical ones, on the same holes of the same pictures.

    Attributes
    ----------
    data : str
        What was filled, "photos, 256 px".
    own : Score
        The backend's own.
    others : dict of str to Score
        By the names of backends; at least one.
    """

    data: str
    own: Score
    others: dict[str, Score]

    @property
    def reference(self) -> str:
        """The name of the other that comes nearest to the truth, in dB."""
        return max(sorted(self.others), key=lambda name: self.others[name].hole_db)


def comparisons(info: BackendInfo) -> list[Comparison]:
    """Return the tables that hold a backend's own row and others; what is no such table is left."""
    found = []
    for data, table in sorted(info.scores.items()):
        if not isinstance(table, Mapping):
            continue
        rows = {name: score for name, row in table.items() if (score := _read(row)) is not None}
        own = rows.pop(info.name, None)
        if own is not None and rows:
            found.append(Comparison(data, own, rows))
    return found


def _read(row: Any) -> Score | None:
    if not isinstance(row, Mapping):
        return None
    decibels, ssim, texture = (_number(row.get(name)) for name in ("hole dB", "SSIM", "texture"))
    if decibels is None or ssim is None or texture is None:
        return None
    return Score(decibels, ssim, texture, _number(row.get("perceptual")))


def _number(value: Any) -> float | None:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if real and math.isfinite(value) else None
