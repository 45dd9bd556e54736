"""Trainings that differ in their network alone, compared.

Differences are paired over the cases and averaged over seeds and holes; their 95 % intervals come
from resampling pictures, because the holes in one picture are no independent cases. They say
nothing about other seeds: each seed's own difference stands beside them.
"""

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.scores import metrics
from training.scores.tables import SHARES, markdown

RESAMPLES = 1_000

Run = dict[str, Any]
"""What one training came to: lists per picture, and within each per hole share."""


def means(runs: list[Run], pictures: NDArray[np.intp] | slice = slice(None)) -> dict[str, float]:
    """Average an arm's runs.

    Parameters
    ----------
    runs : list of Run
        One per seed.
    pictures : array of int or slice
        Which pictures count; one that is named twice counts twice.

    Returns
    -------
    dict
        "hole dB", also by hole share, and how much more of it the largest holes have than the
        smallest; "SSIM"; and "mIoU hole", of all pixels together, if there are class maps.
    """
    decibel = np.stack([run["hole dB"] for run in runs])[:, pictures]  # (seeds, pictures, shares)
    shares = decibel.mean((0, 1))
    found = {"hole dB": float(decibel.mean())}
    found |= {name: float(value) for name, value in zip(SHARES, shares, strict=True)}
    found["largest less smallest"] = float(shares[-1] - shares[0])
    found["SSIM"] = float(np.stack([run["SSIM"] for run in runs])[:, pictures].mean())
    if "class counts" in runs[0]:
        counts = [np.asarray(run["class counts"])[pictures].sum((0, 1)) for run in runs]
        found["mIoU hole"] = float(np.mean([metrics.mean_iou(each) for each in counts]))
    return found


def differences(runs: list[Run], others: list[Run]) -> dict[str, tuple[float, float, float]]:
    """Return by how much an arm exceeds another in each of `means`, with the 95 % interval."""
    count = len(runs[0]["hole dB"])
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        pictures = rng.integers(count, size=count)
        here, there = means(runs, pictures), means(others, pictures)
        drawn.append([here[key] - there[key] for key in here])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    here, there = means(runs), means(others)
    return {
        key: (here[key] - there[key], float(low[i]), float(high[i])) for i, key in enumerate(here)
    }


def comparison_tables(arms: dict[str, list[Run]]) -> str:
    """Draw the arms' means, and every later arm less every earlier one, as Markdown tables.

    Parameters
    ----------
    arms : dict of list of Run
        Each arm's runs, one per seed, in the same order.
    """
    digits = {"SSIM": 4, "mIoU hole": 3}
    averages = {name: means(runs) for name, runs in arms.items()}
    columns = [key for key in next(iter(averages.values())) if key != "largest less smallest"]
    rows = []
    for name, runs in arms.items():
        seconds = np.mean([run["CPU seconds"] for run in runs])
        values = [f"{averages[name][key]:.{digits.get(key, 2)}f}" for key in columns]
        rows.append([name, f"{runs[0]['parameters'] / 1e6:.2f} M", f"{seconds:.0f}", *values])
    found = [markdown(["arm", "parameters", "CPU s", *columns], rows)]
    rows = []
    for earlier, later in combinations(arms, 2):
        pairs = zip(arms[later], arms[earlier], strict=True)
        seeds = [means([a])["hole dB"] - means([b])["hole dB"] for a, b in pairs]
        cells = [f"{later} less {earlier}", ", ".join(f"{value:+.2f}" for value in seeds)]
        for key, (value, low, high) in differences(arms[later], arms[earlier]).items():
            n = digits.get(key, 2)
            text = f"{value:+.{n}f}"
            cells.append(text if key in SHARES else f"{text} ({low:+.{n}f} to {high:+.{n}f})")
        rows.append(cells)
    heads = [key if key in SHARES else f"{key} (95 %)" for key in averages[earlier]]
    found.append(markdown(["difference", "each seed, dB", *heads], rows))
    return "\n\n".join(found)
