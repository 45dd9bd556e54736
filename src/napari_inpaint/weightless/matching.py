"""Patches that look for their likest: the search of PatchMatch, at one size of an image.

Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm for
Structural Image Editing", 2009. What is done with the matches stands in ``patches.py``, with
the equations and the deviations.

A *place* is the index of a patch in the image padded on all sides by the patches' radius, rows one
after the other: that of its upper left corner. Moving by one pixel is adding 1, by one row adding
the padded width. Places whose middle lies beyond the image are never usable.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Scene(NamedTuple):
    """One size of the image, and what is asked there."""

    image: Tensor
    """(C, H, W)."""
    unknown: Tensor
    """(1, H, W), 1 = hole."""
    kind: Tensor
    """(n,) int64: the class at each place's middle; below 0 where any patch will do."""
    usable: Tensor
    """(n,) bool: the places that may be copied from."""
    at: Tensor
    """(N,) places of the targets, the patches that look for a match."""
    radius: int
    stride: int
    """Distance of neighbouring targets, px."""


def rows_of(planes: Tensor, radius: int) -> Tensor:
    """Return (m, k * C): what each place's patch has in its first row, k = 2 * radius + 1."""
    channels, width, k = planes.shape[0], planes.shape[2] + 2 * radius, 2 * radius + 1
    # One row more below, so that patches beyond the last column end inside too.
    padded = F.pad(planes[None], [radius, radius, radius, radius + 1])[0]
    values = padded.permute(1, 2, 0).contiguous()
    count = values.shape[0] * width - k + 1
    return values.as_strided([count, k * channels], [channels, 1]).contiguous()


def patches(rows: Tensor, places: Tensor, width: int, radius: int) -> Tensor:
    """Return (N, k * k * C), the patches at ``places`` (N,) of an image of this width."""
    k = 2 * radius + 1
    each = places[:, None] + torch.arange(k, device=places.device) * (width + 2 * radius)
    return rows.index_select(0, each.flatten()).reshape(places.shape[0], k * rows.shape[1])


def at_places(plane: Tensor, radius: int) -> Tensor:
    """Return (n,): the (H, W) plane at the middle of each place's patch, 0 beyond the image."""
    return F.pad(plane, [0, 2 * radius]).flatten()[: plane.shape[0] * (plane.shape[1] + 2 * radius)]


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Return ``values[index]`` of a flat tensor (n,), of the index's shape; faster."""
    return values.index_select(0, index.flatten()).reshape(index.shape)


def grown(mask: Tensor, radius: int) -> Tensor:
    """Grow a (1, H, W) mask of 0 and 1 by a square of this radius, px."""
    high = F.max_pool2d(mask[None], [2 * radius + 1, 1], 1, [radius, 0])
    return F.max_pool2d(high, [1, 2 * radius + 1], 1, [0, radius])[0]


def blur(image: Tensor, deviation: int) -> Tensor:
    """Blur a (C, H, W) image by a Gaussian of this deviation, px; zeros lie beyond the border.

    Computed at reduced size: the result has no detail anyway.
    """
    factor = max(1, deviation // 2)
    small = F.avg_pool2d(image[None], factor, ceil_mode=True, count_include_pad=False)[0]
    reach = 3 * deviation // factor
    x = torch.arange(-reach, reach + 1, device=image.device).to(image.dtype)
    kernel = torch.exp(-x * x / (2 * (deviation / factor) ** 2))
    kernel = kernel / kernel.sum()
    small = F.conv2d(small[:, None], kernel[None, None, None], padding=[0, reach])
    small = F.conv2d(small, kernel[None, None, :, None], padding=[reach, 0])
    size = [small.shape[2] * factor, small.shape[3] * factor]
    large = F.interpolate(small, size=size, mode="bilinear", align_corners=False)
    return large[:, 0, : image.shape[1], : image.shape[2]]


def scattered(index: Tensor, salt: int, limit: int) -> Tensor:
    """Return a whole number in [0, limit) for each index, as good as random."""
    x = (index * 73856093 + salt * 19349663) & 0x7FFFFFFF
    x = ((x >> 13) ^ x) * 60493 & 0x7FFFFFFF
    x = ((x >> 11) ^ x) * 19990303 & 0x7FFFFFFF
    return ((x >> 7) ^ x) % limit


def make_scene(image: Tensor, known: Tensor, classes: Tensor, radius: int, stride: int) -> Scene:
    """Find what may be copied from, and which patches look for a match.

    Parameters
    ----------
    image, known, classes : Tensor
        (C, H, W), (1, H, W) with 1 = known, (H, W) int64.
    radius, stride : int
        Patches have ``2 * radius + 1`` px a side; targets are ``stride`` px apart.
    """
    height, width = image.shape[1], image.shape[2]
    unknown, places = 1 - known, torch.arange(height * (width + 2 * radius), device=image.device)
    # Source patches lie in the image and are wholly known; failing that, known in the middle.
    beyond = F.pad(unknown, [radius, radius, radius, radius], value=1.0)
    touched = grown(beyond, radius)[0, radius : radius + height, radius : radius + width]
    usable = at_places(1 - touched, radius) > 0
    if not bool(usable.any()):
        usable = at_places(known[0], radius) > 0
    # A pixel whose class the surroundings lack may take any patch.
    kind = at_places(classes, radius)
    if bool((kind >= 0).any()):
        kind = torch.where(torch.isin(kind, kind[usable]), kind, -1)
    grid = torch.zeros_like(unknown[0])
    grid[::stride, ::stride] = grown(unknown, radius)[0, ::stride, ::stride]
    at = places[at_places(grid, radius) > 0]
    return Scene(image, unknown, kind, usable, at, radius, stride)


def anywhere(scene: Scene, salt: int) -> Tensor:
    """Return a random usable place for each target, of its own class if there is one."""
    at, wanted = scene.at, scene.kind[scene.at]
    places = torch.arange(scene.usable.shape[0], device=at.device)[scene.usable]
    found = places[scattered(at, salt, places.shape[0])]
    kinds = scene.kind[places]
    for k in torch.unique(wanted[wanted >= 0]):
        own = places[kinds == k]
        found = torch.where(wanted == k, own[scattered(at, salt, own.shape[0])], found)
    return found


def enlarge_field(field: Tensor, coarse: Scene, fine: Scene, salt: int) -> Tensor:
    """Carry the coarse targets' matches to the targets of twice the size: (N,) places.

    A target takes the match of the coarse target nearest above and left of it, and as much to the
    right and below; a random one, where that may not be copied from.
    """
    wide, narrow = fine.image.shape[2] + 2 * fine.radius, coarse.image.shape[2] + 2 * coarse.radius
    y, x = fine.at // wide, fine.at % wide
    row = y // 2 // coarse.stride * coarse.stride
    column = x // 2 // coarse.stride * coarse.stride
    match = field[row * narrow + column]
    row = y + 2 * (match // narrow - row)
    column = (x + 2 * (match % narrow - column)).clamp(0, wide - 1)
    place = (row * wide + column).clamp(0, fine.usable.shape[0] - 1)
    # Holes too thin to be seen at the coarse size have no match yet; one nearby is likelier.
    found = anywhere(fine, salt)
    for reach in [32, 16, 8, 4]:
        down = scattered(fine.at, 2 * (salt + reach), 2 * reach + 1) - reach
        right = scattered(fine.at, 2 * (salt + reach) + 1, 2 * reach + 1) - reach
        near = (fine.at + down * wide + right).clamp(0, fine.usable.shape[0] - 1)
        found = torch.where(fine.usable[near], near, found)
    return torch.where(fine.usable[place], place, found)


def field_of(scene: Scene, match: Tensor) -> Tensor:
    """Return the matches (n,) of all places: ``match`` (N,) at the targets, itself elsewhere."""
    places = torch.arange(scene.usable.shape[0], device=match.device)
    return places.index_copy(0, scene.at, match)


class Query(NamedTuple):
    """What is compared in a search; see `ask`."""

    rows: Tensor
    """`rows_of` the image that is searched."""
    target: Tensor
    """(N, D): the targets times ``weight``, negative."""
    weight: Tensor
    """(N, D): the root of what each element counts; squares sum to one."""


def ask(scene: Scene, filled: Tensor, trust: float) -> Query:
    """Take the targets from a fill (C, H, W); hole pixels at a straight rim count ``trust``."""
    width, radius = filled.shape[2], scene.radius
    # A straight rim has half of its surroundings known, the depth of a hole has nothing.
    near = 2 * blur(1 - scene.unknown, 4).clamp(min=0.03)
    counts = torch.where(scene.unknown > 0, trust * near, 1.0)
    weight = patches(rows_of(counts, radius), scene.at, width, radius)
    weight = (weight / (weight.sum(1, keepdim=True) * filled.shape[0])).sqrt()
    weight = weight.repeat_interleave(filled.shape[0], 1)
    target = patches(rows_of(filled, radius), scene.at, width, radius)
    return Query(rows_of(scene.image, radius), -target * weight, weight)


def distances(scene: Scene, query: Query, places: Tensor) -> Tensor:
    """Equation 1 for each target and the patches at its candidates ``places`` (M, N): (M, N)."""
    source = patches(query.rows, places.flatten(), scene.image.shape[2], scene.radius)
    source = source.reshape(places.shape[0], places.shape[1], query.target.shape[1])
    difference = query.target.addcmul(source, query.weight)
    distance: Tensor = torch.linalg.vector_norm(difference, dim=2).square()
    wanted = scene.kind[scene.at]
    other = (wanted >= 0) & (gather(scene.kind, places) != wanted)
    return distance + 2.0 * other.to(distance.dtype)


def better(
    scene: Scene, query: Query, match: Tensor, best: Tensor, places: Tensor
) -> tuple[Tensor, Tensor]:
    """Take the best of the candidates ``places`` (M, N), where it beats the match so far (N,)."""
    places = places.clamp(0, scene.usable.shape[0] - 1)
    distance = distances(scene, query, places).masked_fill(~gather(scene.usable, places), 1e9)
    least, which = distance.min(0)
    place = places.gather(0, which[None])[0]
    return torch.where(least < best, place, match), torch.minimum(least, best)


def search(
    scene: Scene, query: Query, field: Tensor, reach: int, salt: int
) -> tuple[Tensor, Tensor]:
    """Improve the targets' matches: try neighbours' ones, then places near one's own.

    Parameters
    ----------
    scene : Scene
    query : Query
    field : Tensor
        (n,) the match of every place so far.
    reach : int
        Random places lie up to so far from the present match, px.
    salt : int
        Makes this call's random places differ from another's.

    Returns
    -------
    tuple of Tensor
        The field, and the distances (N,) of the targets' matches.
    """
    at, wide = scene.at, scene.image.shape[2] + 2 * scene.radius
    match = field[at]
    best = distances(scene, query, match[None])[0]
    ways = torch.tensor([[1], [-1], [wide], [-wide]], device=at.device)
    for far in [4, 2, 1]:
        if far % scene.stride == 0:
            shift = ways * far
            near = gather(field, (at + shift).clamp(0, field.shape[0] - 1)) - shift
            match, best = better(scene, query, match, best, near)
            field = field.index_copy(0, at, match)
    # Ever nearer, in a direction of its own for each target.
    halvings = [1]
    while 2 * halvings[-1] <= reach:
        halvings.append(2 * halvings[-1])
    fold = torch.tensor(halvings, device=at.device)[:, None]
    down = scattered(at, 2 * salt, 2 * reach + 1) - reach
    right = scattered(at, 2 * salt + 1, 2 * reach + 1) - reach
    jump = torch.div(down, fold, rounding_mode="trunc") * wide
    jump = jump + torch.div(right, fold, rounding_mode="trunc")
    match, best = better(scene, query, match, best, match + jump)
    return field.index_copy(0, at, match), best
