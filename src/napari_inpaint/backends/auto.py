"""Which backend "auto" stands for: alone, or as one of the candidates that a jury weighs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from napari_inpaint.backends import registry
from napari_inpaint.backends.contract import BackendInfo
from napari_inpaint.backends.scores import Score, comparisons
from napari_inpaint.errors import BackendError

FALLBACK = "biharmonic"
FILLS = frozenset({"inpaint"})
DB_MARGIN, SSIM_MARGIN = 0.3, 0.02  # more than this below the reference is clearly farther
TEXTURE_PER_DB = 10.0  # so half the blur of classical fills is worth somewhat more than 1 dB
PERCEPTUAL_PER_DB = 6.7  # so two points are worth the margin of 0.3 dB


def choose_backend(channels: int | None, needs: Collection[str] = FILLS) -> str:
    """Return the name of the backend that "auto" stands for.

    The rule: candidates are the shipped artifacts for the image's domain (photographs if there is
    colour, else fluorescence) and the classical fills beside them in the tables of scores that
    their manifests hold, all measured on validation pictures. In each table the classical fill
    with the highest PSNR in the hole is the reference. Compared are dB in the hole, to which 6.7
    points less of perceptual distance (more alike to a network that knows objects) add 1 dB, where
    both rows have one. Whoever is clearly farther from the truth than the reference, by more than
    0.3 of these dB or by more than 0.02 in SSIM, is out. Of the others "auto" takes the one with
    the greatest gain over the reference: these dB, and 1 more for 10 points less of texture
    distance (less blur). What stands in several tables, strokes and objects alike, counts with its
    worst. Where no artifact of the domain has scores, "auto" is "biharmonic".

    Where more than filling is asked for, the candidates are the shipped artifacts that provide
    it, those for street scenes only if no other does, and none is out, for no classical
    fill could take its place. The same gain decides between them, whatever is asked for, so that
    the labels of one step fit the next.

    Parameters
    ----------
    channels : int or None
        How many the image has: three or four mean colour; None: no channel axis.
    needs : collection of str
        Methods that it has to provide.

    Raises
    ------
    BackendError
        If no shipped backend fits, and filling is not all that is asked for; the text names the
        backends that can.
    """
    colour = channels in (3, 4)
    own = {
        each.name: each
        for each in registry.providing(needs)
        if registry.provider(each.name) == registry.OWN_DISTRIBUTION
    }
    if needs == FILLS:
        domain = "photo" if colour else "fluorescence"
        gains = _gains((each for each in own.values() if each.domain == domain), gate=True)
        good = [name for name in sorted(own.keys() & gains.keys()) if gains[name] > -math.inf]
        return max(good, key=gains.__getitem__, default=FALLBACK)
    for domain in ("photo", "street") if colour else ("fluorescence",):
        able = [each for each in own.values() if each.domain == domain]
        if able:
            gains = _gains(able, gate=False)
            return max(able, key=lambda each: gains.get(each.name, -math.inf)).name
    raise BackendError(
        f'backend="auto" finds no shipped backend that provides {quoted(needs)} for '
        f"{'colour images' if colour else 'images of this kind'}. Name another, or a .pt file. "
        f"Backends that do: {listed(registry.providing(needs))}."
    )


def quoted(methods: Collection[str]) -> str:
    """Return names of methods as a sentence has them."""
    return " and ".join(map(repr, sorted(methods)))


def listed(infos: Collection[BackendInfo]) -> str:
    """Return the names of backends as a sentence has them."""
    return ", ".join(each.name for each in infos) or "none is installed"


def _gains(artifacts: Iterable[BackendInfo], *, gate: bool) -> dict[str, float]:
    """Return the lowest gain, in dB, of everything that stands in the artifacts' tables."""
    lowest: dict[str, float] = {}
    for artifact in artifacts:
        for table in comparisons(artifact):
            reference = table.others[table.reference]
            for name, score in {**table.others, artifact.name: table.own}.items():
                gain = _gain(score, reference, gate=gate)
                lowest[name] = min(gain, lowest.get(name, math.inf))
    return lowest


def _gain(score: Score, reference: Score, *, gate: bool) -> float:
    # rounded, for what is recorded as 0.3 dB below is not more than 0.3 dB below
    closer = score.hole_db - reference.hole_db
    if score.perceptual is not None and reference.perceptual is not None:
        closer += (reference.perceptual - score.perceptual) / PERCEPTUAL_PER_DB
    closer = round(closer, 6)
    if gate and (closer < -DB_MARGIN or round(score.ssim - reference.ssim, 6) < -SSIM_MARGIN):
        return -math.inf
    return closer + (reference.texture - score.texture) / TEXTURE_PER_DB
