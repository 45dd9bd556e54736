"""Seams hidden: the steps of colour at the borders of copied pieces are spread over the pieces.

The copies Q (what each hole pixel p is copied from) become the fill Q + h, where for all pairs of
neighbours, a known one being copied from itself,

    sum_pq w (h_p - h_q - e)^2 + k sum_p h_p^2    is least,    k = 0.002                       (1)

    e = g - (Q_p - Q_q),    g = mean of both copies' own gradients from q to p                 (2)
    w = 1 / (1 + (|e| / t)^4)                                                                  (3)

At the rim g is the copy's gradient. Only steps of less than t are spread: a larger one is an edge
of things, whose colours would bleed into each other.

Source: Perez, Gangnet, Blake, "Poisson image editing", 2003. w and k are ours.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix, csc_matrix, diags
from scipy.sparse.linalg import cg, splu

from napari_inpaint.weightless.cuts import Board, Floats, Ints

BETWEEN, AT_RIM = 0.05, 0.1
"""t at borders between pieces, and at the hole's rim."""
KEEP = 0.002
"""k: corrections reach some 20 px where nothing holds them."""


DIRECTLY = 60000
"""Unknowns at most that are solved for directly; more take too much memory."""


def smaller(steps: Floats, limit: float) -> Floats:
    """Return w (n,) of equation 3 for steps (n, C)."""
    result: Floats = 1 / (1 + np.square(np.square(steps).mean(1) / limit**2))
    return result


def solved(system: csc_matrix, wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Solve for the corrections (M, C), which are ``wanted`` at the pixels' pairs."""
    if len(wanted) > DIRECTLY:
        weight = diags(1 / system.diagonal())
        found = [cg(system, each, rtol=1e-3, maxiter=300, M=weight)[0] for each in wanted.T]
        return np.stack(found, 1)
    solver = splu(
        system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    result: npt.NDArray[np.float64] = solver.solve(wanted)
    return result


def blended(board: Board, labels: Ints, channels: int) -> Floats:
    """Return the hole's pixels (M, C): copies with their seams hidden.

    Parameters
    ----------
    board : Board
    labels : (M, 2) int array
        Shifts.
    channels : int
        Colours: the first planes of the board's.
    """
    count, p, q, rim = len(labels), board.p, board.q, board.rim
    shifts = board.flat_shift(labels)
    copies = board.told(board.at, shifts)[:, :channels]
    border = np.flatnonzero(shifts[p] != shifts[q])
    one, other = p[border], q[border]
    between = np.zeros((len(p), channels), np.float32)
    between[border] = (copies[other] - copies[one]) / 2
    between[border] += board.told(board.at[one], shifts[other])[:, :channels] / 2
    between[border] -= board.told(board.at[other], shifts[one])[:, :channels] / 2
    beyond = board.beyond
    outside = (board.flat[beyond] - board.told(beyond, shifts[rim]))[:, :channels]
    weight, weight_rim = smaller(between, BETWEEN), smaller(outside, AT_RIM)
    between, outside = between * weight[:, None], outside * weight_rim[:, None]
    wanted = np.stack(
        [
            np.bincount(p, between[:, c], count)
            - np.bincount(q, between[:, c], count)
            + np.bincount(rim, outside[:, c], count)
            for c in range(channels)
        ],
        1,
    )
    total = np.bincount(p, weight, count) + np.bincount(q, weight, count) + KEEP
    total += np.bincount(rim, weight_rim, count)
    here = np.arange(count)
    values = np.concatenate([total, -weight, -weight])
    row, column = np.concatenate([here, p, q]), np.concatenate([here, q, p])
    system = coo_matrix((values, (row, column)), shape=(count, count)).tocsc()
    result: Floats = (copies + solved(system, wanted)).astype(np.float32)
    return result
