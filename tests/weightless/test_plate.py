"""The thin plate, against the equation that it solves."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from napari_inpaint.weightless.membrane import membrane
from napari_inpaint.weightless.plate import holes_of, laplacian, thin_plate, v_cycle


def blob(size=48):
    """A round bump (1, 1, size, size) and a hole that covers a part of it and of the border."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    image = 0.2 + 0.6 * torch.exp(-((x - 24.0) ** 2 + (y - 20.0) ** 2) / 200)
    known = torch.ones(1, 1, size, size)
    known[..., 10:30, 27:42] = 0  # its top stays known: the plate keeps to the known range
    known[..., 40:, 5:15] = 0
    return image[None, None], known


def solved(image, known):
    """Solve equation 1 by a factorised matrix."""
    size = image.shape[-1]
    steps = sparse.diags([np.ones(size - 1), np.ones(size - 1)], [1, -1]).tolil()
    along = sparse.csr_matrix(steps - sparse.diags(np.asarray(steps.sum(1)).ravel()))
    one = sparse.identity(size)
    laplace = sparse.kron(one, along) + sparse.kron(along, one)
    bending = (laplace @ laplace).tocsr()
    u = image[0, 0].double().numpy().ravel().copy()
    at = (known[0, 0].numpy() == 0).ravel()
    u[at] = 0
    u[at] = spsolve(bending[at][:, at].tocsc(), -(bending @ u)[at])
    return torch.from_numpy(u.reshape(size, size)).float()


def test_thin_plate_solves_its_equation():
    image, known = blob()
    expected = solved(image, known)
    errors = [(thin_plate(image, known, cycles=n)[0, 0] - expected).abs().max() for n in (0, 2, 30)]
    assert errors[0] > 3 * errors[1]
    assert errors[2] < 1e-5


def test_a_round_top_goes_on_where_a_membrane_is_flat():
    image, known = blob()
    hole = known == 0
    error = (thin_plate(image, known) - image)[hole].square().mean()
    assert error < 0.1 * (membrane(image, known) - image)[hole].square().mean()


def test_every_cycle_lowers_the_energy():
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 3, 37, 50, generator=generator)
    hole = (torch.rand(2, 1, 37, 50, generator=generator) < 0.7).float()
    hole[..., 5:30, 10:40] = 1
    holes = holes_of(hole, 5)
    energies = [laplacian(u).square().sum().item()]
    for _ in range(4):
        u = v_cycle(u, holes, 6)
        energies.append(laplacian(u).square().sum().item())
    assert energies == sorted(energies, reverse=True)
    assert energies[2] < 0.5 * energies[0]


def test_laplacian_is_mirrored_at_the_border():
    u = torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]])
    expected = torch.tensor([[[[1.0 + 3, -1 + 6], [-3 + 4, -6 - 4]]]])
    assert torch.equal(laplacian(u), expected)


def test_thin_plate_stays_within_what_is_known():
    image = torch.zeros(1, 2, 32, 32)
    image[..., 10:] = torch.arange(22.0) / 21
    image[:, 1] = 0.5
    known = torch.ones(1, 1, 32, 32)
    known[..., 16:] = 0
    filled = thin_plate(image, known)
    assert filled[:, 0].max() == image[..., :16][:, 0].max()
    assert (filled[:, 1] == 0.5).all()
    assert torch.equal(filled[..., :16], image[..., :16])


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 65)])
def test_thin_plate_takes_any_size_and_mask(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    for known in (torch.zeros(2, 1, *size), torch.ones(2, 1, *size)):
        filled = thin_plate(image, known)
        assert torch.equal(filled, image if known.all() else torch.full_like(image, 0.5))


def test_thin_plate_fills_each_picture_of_a_batch_by_itself():
    image, known = blob()
    other = torch.ones_like(known)
    other[..., 5:40, 20:30] = 0
    both = thin_plate(torch.cat([image, 1 - image]), torch.cat([known, other]))
    torch.testing.assert_close(both[:1], thin_plate(image, known))
    torch.testing.assert_close(both[1:], thin_plate(1 - image, other))
