"""Which candidate to believe, and how far: measured where the truth is known.

Shapes like the holes are laid over known pixels (pseudo-holes), and all candidates fill them too.
With e the errors of the candidates there, the weights of the mix are those that would have come
nearest to the truth::

    E = <e e^T>,    w = argmin w^T E w,    w >= 0, sum w = 1                                  (1)

by depth in the hole, and by what neighbours know of the pixel. A group of few pixels leans on the
whole: E = (sum e e^T + n0 E_whole) / (n + n0).

The expected error is measured on the mix itself, by depth and by how far the candidates are from
each other, a = sum w (c - mix)^2: where they disagree, they err. It is such that 90 % of the
pseudo-holes' true values lie within 1.645 of it, as with a normal distribution. The weights that it
is measured with come from the other half of the pseudo-holes: their own would flatter them.

Sources: Wolpert, "Stacked generalization", 1992, for (1); Krogh, Vedelsby, "Neural network
ensembles, cross validation, and active learning", 1995, for the disagreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_inpaint.fill.candidates import NEAR, Found

Floats = npt.NDArray[np.floating]

DEPTHS = (1.5, 3.5, 7.5)  # px: where the next group of pixels begins
KNOTS = (1.0, 2.5, 5.5, 10.0)  # px: where these groups' weights hold
GAPS = NEAR + 1
LEAN = 400  # pixels that the whole counts for, in a group
PRIOR = 1_000  # pixels that the prior counts for, in the whole
SHARED = 0.8  # of the candidates' errors: what they have in common
CAUTION = 1_500  # pixels: on so many independent ones, errors are 1.4 times what they are on many
BINS = 5  # of disagreement
ROUNDING = 1e-6  # of the range: that of float32, no error of a fill
TINY = 1e-12  # of the range, squared
FEW = 40  # pixels: fewer say nothing of a quantile
WITHIN, DEVIATIONS = 0.9, 1.645
USUAL = {"coherence": 1.0, "thin plate": 2.0}
"""Mean squared errors beside the coherent fill's, as usual; others are as good as any."""


@dataclass(frozen=True)
class Verdict:
    """What was measured.

    Attributes
    ----------
    names : tuple of str
        The K candidates.
    weights : (gaps, depths, K) array
        At the depths `KNOTS`; between them they are interpolated, so that no ring is seen.
    errors : (C, depths, bins) array
        The expected error, for some disagreements of the candidates.
    apart : (depths, bins) array
        These disagreements.
    """

    names: tuple[str, ...]
    weights: Floats
    errors: Floats
    apart: Floats

    def mixed(self, found: Found) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the mix of candidates (N, C), and its expected error (N, C)."""
        blank = next(iter(found.values.values()))
        values = np.stack([found.values.get(name, blank) for name in self.names], axis=-1)
        mix, apart = _mix(values, _weights_at(self.weights, found.depth, found.gap))
        errors = np.zeros_like(mix)
        for group, share in enumerate(_knots(found.depth)):
            for channel in range(mix.shape[1]):
                table = self.errors[min(channel, len(self.errors) - 1), group]
                errors[:, channel] += share * np.interp(apart, self.apart[group], table)
        return mix, errors

    def shares(self, found: Found) -> dict[str, float]:
        """Return for how many pixels each candidate counted."""
        total = _weights_at(self.weights, found.depth, found.gap).sum(axis=0)
        return dict(zip(self.names, total.tolist(), strict=True))

    @property
    def used(self) -> frozenset[str]:
        """The names of the candidates that have a weight anywhere."""
        counted = self.weights.max(axis=(0, 1)) > 0
        return frozenset(np.array(self.names)[counted].tolist())


def judge(
    found: Sequence[Found],
    truth: Sequence[Floats],
    names: Sequence[str],
    independent: float = np.inf,
    *,
    evenly: bool = False,
) -> Verdict:
    """Weigh candidates by what they said of pseudo-holes.

    Parameters
    ----------
    found : sequence of Found
        Of some parts of an image.
    truth : sequence of (N, C) arrays
        What is true there.
    names : sequence of str
        The candidates. If they said nothing, they get their usual weights, and the expected error
        is NaN: it cannot be told.
    independent : float
        How many of these pixels tell something new. Few of them have seen little of what there is:
        errors are expected to be greater than there.
    evenly : bool
        Whether all parts count alike for the weights, however large their errors are: of a few
        slices, a single one that is unlike its neighbours would decide.
    """
    if not found:
        nothing = np.empty((0, 1, len(names))), np.empty(0, np.float32), np.empty(0, np.int8)
        weights, unknown = _weights(*nothing, names), np.full((1, len(KNOTS), 1), np.nan)
        return Verdict(tuple(names), weights, unknown, np.zeros((len(KNOTS), 1)))
    values = np.concatenate(
        [np.stack([each.values[name] for name in names], axis=-1) for each in found]
    )
    right = np.concatenate(truth)
    depth = np.concatenate([each.depth for each in found])
    gap = np.concatenate([each.gap for each in found])
    wrong = values.astype(np.float64) - right[..., None]
    if evenly:
        sizes = [len(each) for each in truth]
        parts = np.split(wrong, np.cumsum(sizes)[:-1])
        usual = [_geometric_mean((each**2).mean(axis=(0, 1))) for each in parts]
        wrong /= np.repeat(np.sqrt(usual), sizes)[:, None, None]
    half = np.arange(len(wrong)) * 2 // len(wrong)  # neighbouring pixels are in the same half
    off, apart = np.empty(right.shape), np.empty(len(right))
    for part in (0, 1):
        mine, others = half == part, half != part
        weights = _weights(wrong[others], depth[others], gap[others], names)
        mix, apart[mine] = _mix(values[mine], _weights_at(weights, depth[mine], gap[mine]))
        off[mine] = np.abs(mix - right[mine])
    middles, errors = _errors(off, apart, depth)
    errors *= np.sqrt(1 + CAUTION / max(independent, 1))
    return Verdict(tuple(names), _weights(wrong, depth, gap, names), errors, middles)


def _knots(depth: npt.NDArray[np.float32]) -> Floats:
    """Return how much each of the `KNOTS` counts at some depths, (knots, N)."""
    return np.stack([np.interp(depth, KNOTS, row) for row in np.eye(len(KNOTS))])


def _weights_at(
    weights: Floats, depth: npt.NDArray[np.float32], gap: npt.NDArray[np.int8]
) -> Floats:
    """Return the weights of N pixels, (N, K)."""
    result = np.zeros((len(depth), weights.shape[-1]))
    for group, share in enumerate(_knots(depth)):
        result += share[:, None] * weights[gap, group]
    return result


def _mix(
    values: Floats, weights: Floats
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weighted means (N, C), and how far the candidates are from them, (N,)."""
    mix = np.einsum("nck,nk->nc", values, weights)
    apart = np.einsum("nck,nk->n", (values - mix[..., None]) ** 2, weights)
    return mix.astype(np.float32), np.sqrt(apart).astype(np.float32)


def _weights(
    wrong: Floats, depth: npt.NDArray[np.float32], gap: npt.NDArray[np.int8], names: Sequence[str]
) -> Floats:
    """Return the weights (gaps, depths, K) of errors (N, C, K)."""

    def mean(chosen: npt.NDArray[np.bool_], whole: Floats, lean: float) -> Floats:
        """Return E of equation 1 over some pixels, leaning on the whole's."""
        some = wrong[chosen]
        products = np.einsum("nck,ncl->kl", some, some) / wrong.shape[1]
        result: Floats = (products + lean * whole) / (len(some) + lean)
        return result

    prior = _prior(names)
    every = np.ones(len(wrong), bool)
    scale = 1.0
    if len(wrong):
        scale = _geometric_mean((wrong**2).mean(axis=(0, 1)))
    whole = mean(every, scale * prior, PRIOR)
    groups = np.digitize(depth, DEPTHS)
    weights = np.empty((GAPS, len(KNOTS), len(names)))
    for level in range(GAPS):
        here = mean(gap == level, whole, LEAN)
        for group in range(len(KNOTS)):
            weights[level, group] = _best(mean((gap == level) & (groups == group), here, LEAN))
    return weights


def _geometric_mean(squares: Floats) -> float:
    """Return this mean of candidates' squared errors: where one of them is right, it is small."""
    return float(np.exp(np.log(squares + TINY).mean()))


def _prior(names: Sequence[str]) -> Floats:
    """Return E as it usually is, with a mean of about 1."""
    usual = np.array([USUAL.get(name, 1.0) for name in names])
    together = np.sqrt(np.outer(usual, usual))
    return SHARED * together + (1 - SHARED) * np.diag(usual)


def _best(products: Floats) -> Floats:
    """Solve equation 1."""
    from scipy.optimize import nnls

    count = len(products)
    scale = max(np.trace(products) / count, 1e-30)
    root = np.linalg.cholesky(products / scale + 1e-6 * np.eye(count)).T
    heavy = 1e3 * np.ones((1, count))  # a row that makes the sum 1
    weights, _ = nnls(np.vstack([root, heavy]), np.r_[np.zeros(count), 1e3])
    weights[weights < 1e-3] = 0
    result: Floats = weights / weights.sum()
    return result


def _errors(off: Floats, apart: Floats, depth: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Return some disagreements at each depth, and the expected errors there."""
    groups, channels = np.digitize(depth, DEPTHS), off.shape[1]
    middles, errors = np.zeros((len(KNOTS), BINS)), np.zeros((channels, len(KNOTS), BINS))
    for group in range(len(KNOTS)):
        mine = groups == group
        if np.count_nonzero(mine) < FEW:
            mine = np.ones(len(depth), bool)
        steps = np.quantile(apart[mine], np.arange(1, BINS) / BINS)
        number = np.digitize(apart[mine], steps)  # equal ones are in the same bin
        bins = [
            each for each in (number == n for n in range(BINS)) if np.count_nonzero(each) >= FEW
        ]
        bins = bins or [np.ones(len(number), bool)]
        for n in range(BINS):  # where there are fewer, the last one stands for the others
            some = bins[min(n, len(bins) - 1)]
            middles[group, n] = np.median(apart[mine][some])
            errors[:, group, n] = np.quantile(off[mine][some], WITHIN, axis=0) / DEVIATIONS
    errors[errors < ROUNDING] = 0
    return middles, errors


def summary(names: Mapping[str, float]) -> dict[str, float]:
    """Return shares that sum to one, the greatest first, fit for a record."""
    total = sum(names.values()) or 1.0
    ordered = sorted(names.items(), key=lambda each: -each[1])
    return {
        name: round(float(share / total), 3) for name, share in ordered if share / total >= 0.0005
    }
