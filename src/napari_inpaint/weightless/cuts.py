"""Pieces: hole pixels that are copied with the same shift, with borders where nobody sees them.

A labelling gives each hole pixel p a shift l(p), and p is copied from p + l(p). It costs

    E(l) = sum_p D(p, l(p)) + sum_pq V(p, q)                                                   (1)

    V(p, q) = |I(p + l(p)) - I(p + l(q))|^2 + |I(q + l(p)) - I(q + l(q))|^2                    (2)

over all pairs of neighbours: nothing inside of a piece, and little where two pieces agree at both
sides of their border. I has the colours and their gradients. A known pixel is copied from itself,
so that V is also what the hole's rim costs. D is given by the caller, and high where p + l(p) may
not be copied.

A move offers a shift to all pixels, or to some, and takes the best set of takers by a minimum cut.

Sources: Pritch, Kav-Venaki, Peleg, "Shift-map image editing", 2009, and He, Sun, "Statistics of
patch offsets for image completion", 2012, for (1); Kwatra et al., "Graphcut textures", 2003, for
(2); Boykov, Veksler, Zabih, "Fast approximate energy minimization via graph cuts", 2001, for the
moves; Rother et al., "Digital tapestry", 2005, for cutting off what is not submodular.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

FORBIDDEN = 100.0
"""Cost of a pixel copied from where nothing may be copied from."""
SCALE = 1e5
"""Minimum cuts count in whole numbers."""


def squares(a: Floats, b: Floats) -> Floats:
    """Return |a - b|^2 (n,) of (n, D) arrays."""
    difference = a - b
    result: Floats = np.einsum("ij,ij->i", difference, difference)
    return result


class Board:
    """What a labelling is played on: one size of a picture, its hole and its pairs of neighbours.

    Parameters
    ----------
    planes : (H, W, D) float32 array
        I of equation 2, the hole included (where it is only met at borders).
    allowed : (H, W) bool array
        Where may be copied from.
    hole : (H, W) bool array
    kinds : (H, W) int array
        Classes, below 0 = undecided; hole pixels are copied from their own class.
    liking : callable
        Takes the numbers (m,) of hole pixels and the rows and columns (m,) that they would be
        copied from, and returns what that costs, (m,).
    """

    def __init__(
        self,
        planes: Floats,
        allowed: Bools,
        hole: Bools,
        kinds: Ints,
        liking: Callable[[Ints, Ints, Ints], Floats],
    ) -> None:
        self.height, self.width = hole.shape
        # A rim of one pixel, for the neighbours of pixels that are copied from the picture's edge.
        padded = np.pad(planes, ((1, 1), (1, 1), (0, 0)), mode="edge")
        self.stride = self.width + 2
        self.flat: Floats = padded.reshape(-1, planes.shape[2])
        self.allowed, self.hole, self.kinds, self.liking = allowed, hole, kinds, liking
        self.y, self.x = np.nonzero(hole)
        self.at = (self.y + 1) * self.stride + self.x + 1
        self.kind = np.where(np.isin(kinds[hole], kinds[allowed]), kinds[hole], -1)
        number = np.full((self.height + 2, self.stride), -1, np.int64)
        number[1:-1, 1:-1][hole] = np.arange(len(self.y))
        inside = np.zeros(number.shape, bool)
        inside[1:-1, 1:-1] = True
        number, inside = number.ravel(), inside.ravel()
        pairs, rim = [], []
        for step in (1, self.stride, -1, -self.stride):
            beside = number[self.at + step]
            if step > 0:
                pairs.append(np.stack([np.flatnonzero(beside >= 0), beside[beside >= 0]]))
            known = np.flatnonzero((beside < 0) & inside[self.at + step])
            rim.append(np.stack([known, self.at[known] + step]))
        self.p, self.q = np.concatenate(pairs, 1)
        self.pairs_of = np.full((len(self.y), 4), -1)
        for column, (mine, first) in enumerate(
            ((pairs[0][0], 0), (pairs[0][1], 0), (pairs[1][0], 1), (pairs[1][1], 1))
        ):
            self.pairs_of[mine, column] = np.arange(len(mine)) + first * pairs[0].shape[1]
        self.rim, self.beyond = np.concatenate(rim, 1)

    def pairs_with(self, who: Ints) -> Ints:
        """Return the numbers of the pairs in which any of these hole pixels (m,) is."""
        if 2 * len(who) > len(self.y):
            among = np.zeros(len(self.y), bool)
            among[who] = True
            return np.flatnonzero(among[self.p] | among[self.q])
        pairs = np.unique(self.pairs_of[who])
        return pairs[pairs >= 0]

    def flat_shift(self, shifts: Ints) -> Ints:
        """Return shifts (..., 2) as differences of places in ``flat``."""
        result: Ints = shifts[..., 0] * self.stride + shifts[..., 1]
        return result

    def told(self, places: Ints, shifts: Ints) -> Floats:
        """Return I at places (n,) moved by flat shifts (n,), or as near as the picture goes."""
        return self.flat.take(places + shifts, 0, mode="clip")

    def cost(self, shifts: Ints, who: Ints) -> Floats:
        """Return D and the rim's V for hole pixels ``who`` (m,), copied by shifts (m, 2)."""
        y, x = self.y[who] + shifts[:, 0], self.x[who] + shifts[:, 1]
        fits = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        y, x = y.clip(0, self.height - 1), x.clip(0, self.width - 1)
        fits &= self.allowed[y, x]
        wanted = self.kind[who]
        total = self.liking(who, y, x) + FORBIDDEN * ~fits
        total += FORBIDDEN / 10 * ((wanted >= 0) & (self.kinds[y, x] != wanted))
        position = np.full(len(self.y), -1, np.int64)
        position[who] = np.arange(len(who))
        mine = position[self.rim]
        beyond, mine = self.beyond[mine >= 0], mine[mine >= 0]
        step = squares(self.told(beyond, self.flat_shift(shifts)[mine]), self.flat[beyond])
        result: Floats = total + np.bincount(mine, 2 * step, len(who))
        return result

    def forbidden(self, labels: Ints) -> Bools:
        """Return which hole pixels (M,) would be copied from where they may not."""
        return self.cost(labels, np.arange(len(self.y))) >= FORBIDDEN / 10


class Labelling:
    """Shifts (M, 2) of a board's hole pixels, and what equation 1 says of them."""

    def __init__(self, board: Board, labels: Ints) -> None:
        self.board, self.labels = board, labels.copy()
        self.single = np.zeros(len(labels), np.float32)
        pairs, planes = len(board.p), board.flat.shape[1]
        self.p_by_p, self.q_by_p, self.p_by_q, self.q_by_q = np.empty(
            (4, pairs, planes), np.float32
        )
        self.pair = np.empty(pairs, np.float32)
        self.refresh(np.arange(len(labels)), np.arange(pairs))

    def refresh(self, who: Ints, pairs: Ints) -> None:
        """Compute what the hole pixels ``who``, and these pairs, say and cost."""
        board, shifts = self.board, self.board.flat_shift(self.labels)
        p, q = board.p[pairs], board.q[pairs]
        self.single[who] = board.cost(self.labels[who], who)
        self.p_by_p[pairs] = board.told(board.at[p], shifts[p])
        self.q_by_p[pairs] = board.told(board.at[q], shifts[p])
        self.p_by_q[pairs] = board.told(board.at[p], shifts[q])
        self.q_by_q[pairs] = board.told(board.at[q], shifts[q])
        self.pair[pairs] = squares(self.p_by_p[pairs], self.p_by_q[pairs])
        self.pair[pairs] += squares(self.q_by_p[pairs], self.q_by_q[pairs])

    def offer(self, shift: Ints, to: Bools) -> bool:
        """Let the pixels ``to`` (M,) take a shift (2,), or not; return whether any did."""
        board = self.board
        who = np.flatnonzero(to)
        gain = board.cost(np.broadcast_to(shift, (len(who), 2)), who) - self.single[who]
        possible = gain < FORBIDDEN / 20
        who, gain = who[possible], gain[possible]
        position = np.full(len(to), -1, np.int64)
        position[who] = np.arange(len(who))
        pairs = board.pairs_with(who)
        p, q = position[board.p[pairs]], position[board.q[pairs]]
        flat = self.board.flat_shift(shift)
        new_p = board.told(board.at[board.p[pairs]], flat)
        new_q = board.told(board.at[board.q[pairs]], flat)
        # What a pair costs now, with q alone moved, and with p alone moved; with both, nothing.
        now = self.pair[pairs]
        q_moved = squares(self.p_by_p[pairs], new_p) + squares(self.q_by_p[pairs], new_q)
        p_moved = squares(new_p, self.p_by_q[pairs]) + squares(new_q, self.q_by_q[pairs])
        both, p_alone, q_alone = (p >= 0) & (q >= 0), q < 0, p < 0
        cut = np.minimum(now, q_moved + p_moved)
        gain += np.bincount(p[p_alone], (p_moved - now)[p_alone], len(who))
        gain += np.bincount(q[q_alone], (q_moved - now)[q_alone], len(who))
        gain += np.bincount(p[both], (p_moved - cut)[both], len(who))
        gain -= np.bincount(q[both], p_moved[both], len(who))
        if not (gain < 0).any():
            return False
        takes = least_cut(gain, p[both], q[both], (q_moved + p_moved - cut)[both])
        takers = who[takes]
        takers = takers[(self.labels[takers] != shift).any(1)]
        if not len(takers):
            return False
        self.labels[takers] = shift
        self.refresh(takers, board.pairs_with(takers))
        return True


def least_cut(gain: Floats, p: Ints, q: Ints, apart: Floats) -> Bools:
    """Choose takers (m,): each costs ``gain`` (m,), q without its p costs ``apart`` (n,)."""
    takes, gain = np.zeros(len(gain), bool), gain.copy()
    unsure = np.ones(len(gain), bool)
    # Most pixels lose, or win, whatever the others do: settle these first, cuts are slow.
    for _ in range(8):
        most = gain + np.bincount(q, apart, len(gain))
        least = gain - np.bincount(p, apart, len(gain))
        wins, loses = unsure & (most < 0), unsure & (least >= 0)
        takes |= wins
        unsure &= ~(wins | loses)
        lost_p, won_q = loses[p] & unsure[q], wins[q] & unsure[p]
        gain += np.bincount(q[lost_p], apart[lost_p], len(gain))
        gain -= np.bincount(p[won_q], apart[won_q], len(gain))
        left = unsure[p] & unsure[q]
        p, q, apart = p[left], q[left], apart[left]
        if not (wins.any() or loses.any()):
            break
    who = np.flatnonzero(unsure)
    if len(who):
        position = np.empty(len(gain), np.int64)
        position[who] = np.arange(len(who))
        takes[who] = cut_graph(gain[who], position[p], position[q], apart)
    return takes


def cut_graph(gain: Floats, p: Ints, q: Ints, apart: Floats) -> Bools:
    """Do what `least_cut` does, by a maximum flow; who takes is at the sink's side."""
    count = len(gain)
    here, ends = np.arange(count), np.repeat([count, count + 1], count)
    row = np.concatenate([p, ends[:count], here])
    column = np.concatenate([q, here, ends[count:]])
    capacity = np.concatenate([apart, gain.clip(0), (-gain).clip(0)]) * SCALE
    # With ways back of no capacity, the flow comes in the graph's own order.
    capacity = np.concatenate([capacity.clip(max=1e8), np.zeros(len(row))]).astype(np.int32)
    row, column = np.concatenate([row, column]), np.concatenate([column, row])
    order = np.argsort(row * (count + 2) + column)
    first = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count + 2))])
    sparse = capacity[order], column[order].astype(np.int32), first.astype(np.int32)
    graph = csr_matrix(sparse, shape=(count + 2, count + 2))
    graph.data -= maximum_flow(graph, count, count + 1).flow.data
    graph.eliminate_zeros()
    takes = np.ones(count + 2, bool)
    takes[breadth_first_order(graph, count, return_predecessors=False)] = False
    return takes[:count]


def expanded(board: Board, labels: Ints, shifts: Ints, sweeps: int) -> Ints:
    """Offer each of the shifts (K, 2) to all hole pixels, then what is taken, again and again."""
    state = Labelling(board, labels)
    everybody = np.ones(len(labels), bool)
    for _ in range(sweeps):
        taken = [state.offer(shift, everybody) for shift in shifts]
        if not any(taken):
            break
        shifts = shifts_in(state.labels)[0]
    return state.labels


def shifts_in(labels: Ints) -> tuple[Ints, Ints]:
    """Return the different shifts (K, 2) of a labelling (M, 2), and which each pixel has (M,)."""
    span = 1 << 20  # as one number each: faster than comparing rows
    unique, which = np.unique(labels[:, 0] * span + labels[:, 1] + span // 2, return_inverse=True)
    return np.stack([unique // span, unique % span - span // 2], 1), which


def moved_borders(board: Board, labels: Ints, reach: int) -> Ints:
    """Offer each piece's shift to the pixels within ``reach`` px of it."""
    state = Labelling(board, labels)
    size = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    y, x = board.y - board.y.min(), board.x - board.x.min()
    own = np.zeros((int(y.max()) + 1, int(x.max()) + 1), np.uint8)
    for shift in shifts_in(labels)[0]:
        mine = (state.labels[:, 0] == shift[0]) & (state.labels[:, 1] == shift[1])
        own[y, x] = mine
        near = (cv2.dilate(own, size)[y, x] > 0) & ~mine
        if near.any():
            state.offer(shift, near)
    return state.labels


def nudged(board: Board, labels: Ints) -> Ints:
    """Move whole pieces by one pixel, where their borders fit better then."""
    unique, piece = shifts_in(labels)
    count, who = len(unique), np.arange(len(labels))
    border = piece[board.p] != piece[board.q]
    pairs = np.concatenate([[board.p, board.q], [board.q, board.p]], 1)[:, np.tile(border, 2)]
    mine, other = pairs
    flat = board.flat_shift(labels)
    theirs = (board.told(board.at[each], flat[other]) for each in (mine, other))
    their_mine, their_other = theirs
    ways = np.array([[0, 0], [0, 1], [0, -1], [1, 0], [-1, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]])
    energy = np.empty((len(ways), count))
    for number, way in enumerate(ways):
        ahead = flat[mine] + board.flat_shift(way)
        step = squares(board.told(board.at[mine], ahead), their_mine)
        step += squares(board.told(board.at[other], ahead), their_other)
        energy[number] = np.bincount(piece[mine], step, count)
        energy[number] += np.bincount(piece, board.cost(labels + way, who), count)
    gain = energy[0] - energy.min(0)
    # Two that touch do not move at once: the one that gains less waits.
    beside = np.zeros(count)
    np.maximum.at(beside, piece[mine], gain[piece[other]])
    best = np.where((gain > 0) & (gain >= beside), energy.argmin(0), 0)
    result: Ints = labels + ways[best][piece]
    return result
