"""PatchMatch: fill a hole with patches of its surroundings.

Papers: Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm
for Structural Image Editing", 2009 (search); Wexler, Shechtman, Irani, "Space-Time Completion of
Video", 2007 (votes, coarse to fine).

For a patch T around each pixel near the hole, find the wholly known patch S with the least

    d(T, S) = sum(w . (T - S)^2) / sum(w),    w = 1 where known, falling with depth      (1)

by trying the neighbours' matches and random ones; then give each hole pixel the mean of what the
matches of all patches over it say, weighted by exp(-d / 2 s^2) (2). Repeat, from coarse to fine.

It starts from a guess, a smooth fill or a network's prediction. Patches Q give the detail that a
network trained for pixel errors paints away; the guess P keeps the colours, which patches from far
off may miss (3):

    fill = P + strength * ((Q - P) - blur(Q - P))

With a class map, a patch of the hole looks among patches of its own class alone, as far as the
surroundings have any: d counts 2 more for another class, and no two patches' colours differ by
more than 1.

Deviations, and why:

- Tensor operations only, so that it scripts and runs on CUDA: all pixels try their neighbours'
  matches at once, at distances of 4, 2 and 1 px, instead of one after the other in raster order.
- Pseudo-random numbers come from a hash of pixel and round: the same image gets the same fill,
  whatever else is in the batch.
- Above the coarsest size every second pixel in both directions has a patch: each hole pixel still
  gets twelve votes, at a quarter of the cost.
- One direction (coherence). Completeness, the other one, asks for all of the source to appear in
  the result, which a hole cannot do.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import Network
from training.smooth import coherent_fill


def patches(image: Tensor, radius: int) -> Tensor:
    """Return (H * W, C * k * k) patches of a (C, H, W) image, k = 2 * radius + 1."""
    padded = F.pad(image[None], [radius, radius, radius, radius], mode="replicate")
    return F.unfold(padded, 2 * radius + 1)[0].t().contiguous()


def patches_at(image: Tensor, radius: int, at: Tensor) -> Tensor:
    """Return `patches` of the pixels ``at`` alone, (N, C * k * k)."""
    width = image.shape[2]
    padded = F.pad(image[None], [radius, radius, radius, radius], mode="replicate")[0]
    side, wide = 2 * radius + 1, width + 2 * radius
    k = torch.arange(side, device=at.device)
    offsets = (k[:, None] * wide + k).flatten()
    corners = at // width * wide + at % width
    values = padded.flatten(1)[:, corners[:, None] + offsets]
    return values.transpose(0, 1).flatten(1)


def halved(image: Tensor) -> Tensor:
    """Return the mean of 2 x 2 blocks of a (C, H, W) image; odd sides are rounded up."""
    return F.avg_pool2d(image[None], 2, ceil_mode=True, count_include_pad=False)[0]


def grown(mask: Tensor, radius: int) -> Tensor:
    """Grow a (1, H, W) mask of 0 and 1 by a square of this radius, px."""
    return F.max_pool2d(mask[None], 2 * radius + 1, 1, radius)[0]


def scattered(index: Tensor, salt: int, limit: int) -> Tensor:
    """Return a whole number in [0, limit) for each index, as good as random."""
    x = (index * 73856093 + salt * 19349663) & 0x7FFFFFFF
    x = ((x >> 13) ^ x) * 60493 & 0x7FFFFFFF
    x = ((x >> 11) ^ x) * 19990303 & 0x7FFFFFFF
    return ((x >> 7) ^ x) % limit


def distances(target: Tensor, weight: Tensor, source: Tensor, match: Tensor) -> Tensor:
    """Equation 1 for each target (N, D) and the source patch (H * W, D) that it is matched with.

    Each row of the weights (N, D) sums to one.
    """
    return (source[match].sub_(target).square_().mul_(weight)).sum(1)


class SmoothFill(Network):
    """A guess without weights: the known pixels, carried on along the edges."""

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict an image that is smooth in its hole; see `coherent_fill`."""
        return coherent_fill(image, 1 - hole)


class Matcher(nn.Module):
    """The search at one size: tries neighbours' matches, then places ever nearer to one's own."""

    def forward(
        self,
        target: Tensor,
        weight: Tensor,
        source: Tensor,
        usable: Tensor,
        field: Tensor,
        at: Tensor,
        size: list[int],
        stride: int,
        radius: int,
        salt: int,
    ) -> tuple[Tensor, Tensor]:
        """Improve the matches of the pixels ``at``.

        Parameters
        ----------
        target, weight : Tensor
            (N, D) patches to be matched, and what each of their elements counts.
        source : Tensor
            (H * W, D) patches to match them with.
        usable : Tensor
            (H * W,) bool, which source patches may be taken.
        field : Tensor
            (H * W,) the match of every pixel so far, as an index.
        at : Tensor
            (N,) indices of the targets' pixels.
        size : list of int
            H, W.
        stride : int
            Distance of neighbouring targets, px.
        radius : int
            The first random place lies up to so far from the present match, px.
        salt : int
            Makes this call's random places differ from another's.

        Returns
        -------
        tuple of Tensor
            The field, and the distances (N,) of its matches ``at``.
        """
        height, width = size[0], size[1]
        field = field.clone()
        y, x = at // width, at % width
        best = distances(target, weight, source, field[at])
        for reach in [4, 2, 1]:
            for way in [[0, 1], [0, -1], [1, 0], [-1, 0]]:
                dy, dx = way[0] * reach * stride, way[1] * reach * stride
                near = (y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1)
                row, column = field[near] // width - dy, field[near] % width - dx
                inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
                distance = distances(target, weight, source, place)
                better = inside & usable[place] & (distance < best)
                best = torch.where(better, distance, best)
                field[at] = torch.where(better, place, field[at])
        while radius >= 1:
            noise = salt * 1000 + radius
            span = 2 * radius + 1
            row = field[at] // width + scattered(at, 2 * noise, span) - radius
            column = field[at] % width + scattered(at, 2 * noise + 1, span) - radius
            place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            distance = distances(target, weight, source, place)
            better = usable[place] & (distance < best)
            best = torch.where(better, distance, best)
            field[at] = torch.where(better, place, field[at])
            radius = radius // 2
        return field, best


class PatchMatch(nn.Module):
    """Coarse-to-fine completion.

    Parameters
    ----------
    radius : int
        Patches have ``2 * radius + 1`` px a side.
    levels : int
        Sizes, each half the one before; fewer where the image is small.
    rounds : int
        Searches and votes per size.
    trust : float
        What a hole pixel at the rim counts in equation 1; it falls by a quarter per px of depth.
    blur : int
        Deviation of equation 3's Gaussian, px; 0 leaves the colours to the patches.
    strength : float
        How much of the detail is taken, equation 3. Less is nearer to the truth in pixel errors,
        more in texture.
    """

    def __init__(
        self,
        radius: int = 3,
        levels: int = 4,
        rounds: int = 3,
        trust: float = 0.3,
        blur: int = 6,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        self.radius, self.levels, self.rounds = radius, levels, rounds
        self.trust, self.blur, self.strength = trust, blur, strength
        self.matcher = Matcher()

    def forward(
        self, image: Tensor, hole: Tensor, guess: Tensor, classes: Tensor | None = None
    ) -> Tensor:
        """Fill the hole.

        Parameters
        ----------
        image : Tensor
            (N, C, H, W) in [0, 1].
        hole : Tensor
            (N, 1, H, W), 1 = hole.
        guess : Tensor
            (N, C, H, W) in [0, 1], what the hole may look like.
        classes : Tensor, optional
            (N, H, W) int64, any number of classes from 0, the hole included.

        Returns
        -------
        Tensor
            (N, C, H, W) in [0, 1], equal to ``image`` outside the hole.
        """
        filled: list[Tensor] = []
        for i in range(image.shape[0]):
            kinds = torch.zeros(hole.shape[2:], dtype=torch.long, device=image.device)
            if classes is not None:
                kinds = classes[i]
            filled.append(self.complete(image[i], hole[i], guess[i], kinds))
        return torch.stack(filled)

    def complete(self, image: Tensor, hole: Tensor, guess: Tensor, classes: Tensor) -> Tensor:
        """Fill one image (C, H, W) with its class map (H, W)."""
        start = torch.where(hole > 0, guess, image)
        images, knowns, guesses, maps = [image], [1 - hole], [start], [classes]
        while len(images) < self.levels and min(images[-1].shape[1], images[-1].shape[2]) >= 32:
            share = halved(knowns[-1])
            smaller = halved(images[-1] * knowns[-1]) / share.clamp(min=1e-6)
            images.append(smaller)
            knowns.append((share >= 0.5).to(share.dtype))
            guesses.append(halved(guesses[-1]))
            maps.append(maps[-1][::2, ::2])
        if bool((hole == 0).all()) or bool((knowns[-1] == 0).all()):
            return start
        filled = torch.where(knowns[-1] > 0, images[-1], guesses[-1])
        field = torch.zeros(0, dtype=torch.long, device=image.device)
        level = len(images) - 1
        while level >= 0:
            if level < len(images) - 1:
                size = [images[level].shape[1], images[level].shape[2]]
                filled = F.interpolate(filled[None], size=size, mode="bilinear")[0]
                filled = torch.where(knowns[level] > 0, images[level], filled)
                field = enlarged(field, size)
            coarsest = level == len(images) - 1
            filled, field = self.refine(
                images[level], knowns[level], maps[level], filled, field, level, coarsest
            )
            level -= 1
        detail = filled - start
        if self.blur > 0:
            detail = detail - blurred(detail, self.blur)
        filled = (start + self.strength * detail).clamp(0.0, 1.0)
        return torch.where(hole > 0, filled, image)

    def refine(
        self,
        image: Tensor,
        known: Tensor,
        classes: Tensor,
        filled: Tensor,
        field: Tensor,
        level: int,
        coarsest: bool,
    ) -> tuple[Tensor, Tensor]:
        """Search and vote at one size; return the fill and the field of matches."""
        height, width, r = image.shape[1], image.shape[2], self.radius
        unknown = 1 - known
        index = torch.arange(height * width, device=image.device)
        # Source patches lie in the image and are wholly known; failing that, known in the middle.
        beyond = F.pad(unknown, [r, r, r, r], value=1.0)
        usable = grown(beyond, r)[0, r : r + height, r : r + width].flatten() == 0
        if not bool(usable.any()):
            usable = known.flatten() > 0
        kind = classes.flatten()
        # A pixel whose class the surroundings lack may take any patch.
        bound = torch.isin(kind, kind[usable])
        anywhere = index[usable][scattered(index, level + 7, int(usable.sum()))]
        for k in range(int(kind.max()) + 1):
            places = index[usable & (kind == k)]
            if places.shape[0] > 0:
                own = places[scattered(index, level + 7, places.shape[0])]
                anywhere = torch.where(kind == k, own, anywhere)
        field = anywhere if field.shape[0] == 0 else torch.where(usable[field], field, anywhere)
        field = torch.where(usable, index, field)

        stride = 1 if coarsest else 2
        on_grid = (index // width % stride == 0) & (index % width % stride == 0)
        at = index[(grown(unknown, r).flatten() > 0) & on_grid]
        one_hot = F.one_hot(kind).to(image.dtype)
        source = torch.cat([patches(image * known, r), one_hot], 1)
        counts = torch.where(unknown > 0, self.trust * torch.exp(-0.29 * depth(unknown)), known)
        weight = patches_at(counts, r, at).repeat(1, image.shape[0])
        weight = weight / weight.sum(1, keepdim=True)
        weight = torch.cat([weight, bound[at, None].to(weight.dtype).expand_as(one_hot[at])], 1)
        turns = self.rounds + (self.rounds if coarsest else 0) - (1 if level == 0 else 0)
        for turn in range(turns):
            target = torch.cat([patches_at(filled, r, at), one_hot[at]], 1)
            # Below the coarsest size the matches are about right already.
            reach = max(height, width) if coarsest else 16
            field, distance = self.matcher(
                target, weight, source, usable, field, at, [height, width], stride, reach,
                level * 10 + turn,
            )  # fmt: skip
            last = level == 0 and turn == turns - 1
            votes = vote(image, kind.where(bound, -1), distance, field[at], at, r, last)
            filled = torch.where(known > 0, image, torch.where(votes[0] > 0, votes[1], filled))
        return filled, field


def depth(unknown: Tensor, limit: int = 16) -> Tensor:
    """Return each hole pixel's distance to the nearest known one, px, up to a limit; (1, H, W)."""
    left = unknown
    total = torch.zeros_like(unknown)
    for _ in range(limit):
        total = total + left
        left = 1 - grown(1 - left, 1)
    return total


def blurred(image: Tensor, deviation: int) -> Tensor:
    """Blur a (C, H, W) image by a Gaussian of this deviation, px; zeros lie beyond the border."""
    reach = 3 * deviation
    x = torch.arange(-reach, reach + 1, device=image.device).to(image.dtype)
    kernel = torch.exp(-x * x / (2 * deviation * deviation))
    kernel = kernel / kernel.sum()
    planes = F.conv2d(image[:, None], kernel[None, None, None], padding=[0, reach])
    return F.conv2d(planes, kernel[None, None, :, None], padding=[reach, 0])[:, 0]


def enlarged(field: Tensor, size: list[int]) -> Tensor:
    """Carry a field of matches to twice the size (H, W)."""
    height, width = size[0], size[1]
    coarse_height, coarse_width = (height + 1) // 2, (width + 1) // 2
    index = torch.arange(height * width, device=field.device)
    y, x = index // width, index % width
    parent = field[(y // 2).clamp(max=coarse_height - 1) * coarse_width + x // 2]
    row = (parent // coarse_width * 2 + y % 2).clamp(0, height - 1)
    return row * width + (parent % coarse_width * 2 + x % 2).clamp(0, width - 1)


def vote(
    image: Tensor,
    kind: Tensor,
    distance: Tensor,
    match: Tensor,
    at: Tensor,
    radius: int,
    last: bool,
) -> tuple[Tensor, Tensor]:
    """Equation 2: return the sum of the weights (1, H, W) and the mean of the votes (C, H, W).

    A pixel of class ``kind`` (H * W,) listens to pixels of its class alone, to all if it is -1. The
    ``last`` vote prefers the best match and the patch's middle, for a mean of many blurs.
    """
    channels, height, width = image.shape[0], image.shape[1], image.shape[2]
    scale = distance.mean() * (0.25 if last else 1.0) + 1e-8
    certainty = torch.exp(-distance / (2 * scale)).clamp(min=1e-12)
    total = torch.zeros(height * width, device=image.device)
    sums = torch.zeros(channels, height * width, device=image.device)
    values = image.reshape(channels, height * width)
    spread = 1.0 if last else 2.0
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            y, x = at // width + dy, at % width + dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            row = (match // width + dy).clamp(0, height - 1)
            column = (match % width + dx).clamp(0, width - 1)
            middle = math.exp(-(dy * dy + dx * dx) / (2 * spread * spread))
            place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
            voter = row * width + column
            heard = inside & ((kind[place] < 0) | (kind[place] == kind[voter]))
            weight = certainty * heard * middle
            total.index_add_(0, place, weight)
            sums.index_add_(1, place, values[:, voter] * weight)
    mean = sums / total.clamp(min=1e-30)
    return total.reshape(1, height, width), mean.reshape(channels, height, width)
