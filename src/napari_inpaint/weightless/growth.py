"""Growth: what a hole may be filled with, at sizes at which it is a few patches wide.

Patches around the hole look for their likest, and each hole pixel becomes the mean of what the
matches of all patches over it say, again and again: Wexler, Shechtman, Irani, "Space-Time
Completion of Video", 2007. At the coarsest size the hole is filled from its rim inwards, and all
patches are compared with all (Newson et al., "Video inpainting of complex scenes", 2014); later
sizes improve the matches by PatchMatch. Planes beside the colours hold the roughness
(``leading.py``), so that a texture is continued by one as rough.

The guess P takes part as far as it leads (``leading.py``): once by its colours' blur and then,
less, by its colours: before each search the fill U becomes

    U' = U + lead * blur(P - U),    U' + lead / 2 * (P - U')                                   (1)

Where nothing has grown yet, the guess stands in, and counts lead, but 0.05 at least. What has
grown counts less by a factor of 1.3 for each pixel of depth, but 0.1 at least.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_inpaint.weightless.leading import depth_in
from napari_inpaint.weightless.matching import (
    Query,
    Scene,
    at_places,
    blur,
    enlarge_field,
    field_of,
    make_scene,
    patches,
    rows_of,
    search,
)
from napari_inpaint.weightless.patches import double, halve, vote

RADIUS = 3
"""Patches have 7 px a side."""
FADE = 1.3
ROUNDS = 8  # at the coarsest size
LATER_ROUNDS = 2


class Size(NamedTuple):
    """A picture at one size; H and W are those of this size."""

    image: Tensor
    """(C, H, W) in [0, 1], 0 where it is not known."""
    known: Tensor
    """(1, H, W), 1 where all of a pixel is known."""
    free: Tensor
    """(1, H, W), 1 where all of a pixel may be copied from."""
    classes: Tensor
    """(H, W) int64, below 0 = undecided."""
    guess: Tensor
    """(C, H, W) in [0, 1]."""
    lead: Tensor
    """(1, H, W) in [0, 1], as far as the guess leads."""
    rough: Tensor
    """(2, H, W), roughness."""

    @property
    def usable(self) -> Tensor:
        """(H, W) bool: middles of patches that may be copied from."""
        k = 2 * RADIUS + 1
        beyond = F.pad(1 - self.free, [RADIUS] * 4, value=1.0)
        return F.max_pool2d(beyond, k, 1)[0] == 0

    @property
    def planes(self) -> Tensor:
        """(C + 2, H, W): colours and roughness, weighed as patches are compared."""
        weight = 6 * (self.image.shape[0] / 3) ** 0.5
        return torch.cat([self.image, weight * self.rough])

    def halved(self) -> "Size":
        """Return the picture at half the size; odd sides are rounded up."""
        share = halve(self.known)
        weight = share.clamp(min=1e-6)
        return Size(
            halve(self.image * self.known) / weight,
            (share == 1).to(share.dtype),
            (halve(self.free) == 1).to(share.dtype),
            self.classes[::2, ::2],
            halve(self.guess),
            halve(self.lead),
            halve(self.rough * self.known) / weight,
        )


def scene_of(size: Size) -> Scene:
    """Return what patches look for, and among what."""
    scene = make_scene(size.planes, size.known, size.classes, RADIUS, stride=1)
    usable = at_places(size.usable, RADIUS)
    kinds = torch.where(torch.isin(scene.kind, scene.kind[usable]), scene.kind, -1)
    return scene._replace(usable=usable, kind=kinds)


def led(fill: Tensor, size: Size) -> Tensor:
    """Return a fill (C + 2, H, W) led by the guess: equation 1."""
    colours, rough = fill[:-2], fill[-2:]
    lead = size.lead * (1 - size.known)
    colours = colours + lead * blur((size.guess - colours) * (1 - size.known), 2)
    return torch.cat([colours + lead / 2 * (size.guess - colours), rough])


def ask(scene: Scene, fill: Tensor, colours_count: Tensor, roughness_counts: Tensor) -> Query:
    """Take the targets from a fill (C + 2, H, W); its pixels count so much, (1, H, W)."""
    width = fill.shape[2]
    counts = torch.cat(
        [colours_count.expand(fill.shape[0] - 2, -1, -1), roughness_counts.expand(2, -1, -1)]
    )
    weight = patches(rows_of(counts, RADIUS), scene.at, width, RADIUS)
    weight = (weight / weight.sum(1, keepdim=True).clamp(min=1e-6)).sqrt()
    target = patches(rows_of(fill, RADIUS), scene.at, width, RADIUS)
    return Query(rows_of(scene.image, RADIUS), -target * weight, weight)


def likest(scene: Scene, query: Query, places: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Compare each target with all patches (S, D) at ``places`` (S,): the likest, the distance."""
    weighed = 2 * query.weight * query.target
    distance = weighed @ values.t() + query.weight.square() @ values.square().t()
    wanted = scene.kind[scene.at][:, None]
    if bool((wanted >= 0).any()):
        distance += 2.0 * ((wanted >= 0) & (scene.kind[places] != wanted))
    least, which = distance.min(1)
    return places[which], (least + query.target.square().sum(1)).clamp(min=0)


def sprouted(size: Size) -> tuple[Scene, Tensor, Tensor, Tensor]:
    """Fill the coarsest size: its scene, the field (n,), the distances (N,), and the fill."""
    scene, depth, one = scene_of(size), depth_in(size.known), torch.ones_like(size.known)
    places = torch.nonzero(scene.usable)[:, 0]
    values = patches(rows_of(scene.image, RADIUS), places, size.image.shape[2], RADIUS)
    deepest = float(depth.max())
    fill = torch.where(size.known > 0, size.planes, F.pad(size.guess, [0, 0, 0, 0, 0, 2]))
    trust = torch.where(size.known > 0, one, (FADE**-depth).clamp(min=0.1))
    field, distance = field_of(scene, scene.at), torch.zeros(0)
    for turn in range(ROUNDS):
        grown = depth <= 2 * turn
        if 2 * turn >= deepest:
            grown = torch.ones_like(grown)
        stands_in = torch.cat([size.guess, fill[-2:]])
        asked = torch.where(grown, led(fill, size), stands_in) if turn else fill
        counts = trust * torch.where(grown, one, size.lead.clamp(min=0.05))
        query = ask(scene, asked, counts, trust * grown)
        match, distance = likest(scene, query, places, values)
        field = field_of(scene, match)
        fill = vote(scene, fill, field, distance, copy=False)
    return scene, field, distance, fill


def grown(sizes: list[Size], seed: int) -> tuple[Tensor, Tensor]:
    """Fill the first of these sizes, beginning with the last.

    Returns
    -------
    Tensor
        (C + 2, H, W), colours and roughness.
    Tensor
        (M, 2) int64: rows and columns from each hole pixel to the middle of its patch's match.
    """
    scene, field, distance, fill = sprouted(sizes[-1])
    for level in range(len(sizes) - 2, -1, -1):
        size, coarse = sizes[level], scene
        scene = scene_of(size)
        field = field_of(scene, enlarge_field(field, coarse, scene, level + 1000 * seed))
        fill = torch.where(size.known > 0, size.planes, double(fill, size.planes))
        fill = vote(scene, fill, field, torch.ones(scene.at.shape), copy=False)
        trust = (FADE ** (-depth_in(size.known) / 2)).clamp(min=0.1)
        trust = torch.where(size.known > 0, torch.ones_like(trust), trust)
        for turn in range(LATER_ROUNDS):
            query = ask(scene, led(fill, size), trust, trust)
            salt = 100 * level + turn + 1000 * seed
            field, distance = search(scene, query, field, 16, salt)
            fill = vote(scene, fill, field, distance, copy=False)
    wide = fill.shape[2] + 2 * RADIUS
    y, x = torch.nonzero(scene.unknown[0], as_tuple=True)
    match = field[y * wide + x]
    return fill, torch.stack([match // wide - y, match % wide - x], 1)
