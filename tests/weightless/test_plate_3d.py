"""The thin plate in stacks, against the equation that it solves."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from napari_inpaint.weightless import plate
from napari_inpaint.weightless.plate_3d import (
    LEAST,
    MOST,
    halvings,
    laplacian,
    steepness,
    thin_plate_3d,
    v_cycle,
)

DEPTH, SIDE = 7, 28
RATIOS = [1 / 16, 0.5, 2.0, 16.0]


def bump(depth=DEPTH, side=SIDE):
    """A bump (1, 1, D, H, W) whose top stays known, and a hole that is another in each slice."""
    z, y, x = torch.meshgrid(*map(torch.arange, (depth, side, side)), indexing="ij")
    distance = (x - 15.0) ** 2 + (y - 12.0) ** 2 + 6 * (z - depth / 2) ** 2
    image = 0.2 + 0.6 * torch.exp(-distance / 150)
    known = torch.ones(1, 1, depth, side, side)
    for at in range(depth):
        known[..., at, 6 + at : 16 + at, 17:25] = 0
        known[..., at, 22:, 3:10] = 0  # at the border, in all slices
    return image[None, None], known


def second_difference(length):
    """Return the matrix of u[i - 1] - 2 u[i] + u[i + 1], mirrored at the border."""
    beside = sparse.diags([np.ones(length - 1), np.ones(length - 1)], [1, -1], (length, length))
    return sparse.csr_matrix(beside - sparse.diags(np.asarray(beside.sum(1)).ravel()))


def solved(image, known, s):
    """Solve L L u = 0 of equation 1 in the holes by a factorised matrix; keep the known range."""
    depth, height, width = image.shape[2:]
    ones = [sparse.identity(length) for length in (depth, height, width)]
    along, down, across = map(second_difference, (depth, height, width))
    laplace = s * sparse.kron(along, sparse.kron(ones[1], ones[2]))
    laplace = laplace + sparse.kron(ones[0], sparse.kron(down, ones[2]))
    laplace = laplace + sparse.kron(ones[0], sparse.kron(ones[1], across))
    bending = (laplace @ laplace).tocsr()
    u = image[0, 0].double().numpy().ravel().copy()
    at = (known[0, 0].numpy() == 0).ravel()
    u[at] = 0
    u[at] = spsolve(bending[at][:, at].tocsc(), -(bending @ u)[at])
    filled = torch.from_numpy(u.reshape(depth, height, width)).float()
    return filled.clamp(image[known > 0].min(), image[known > 0].max())


def waves(depth=48, side=32, along=48, across=16):
    """A sum of waves with these lengths along the axis, and in both directions of the plane."""
    z, y, x = torch.meshgrid(*map(torch.arange, (depth, side, side)), indexing="ij")
    turn = 2 * torch.pi
    total = torch.sin(turn * x / across) + torch.sin(turn * y / across)
    return (total + torch.sin(turn * z / along))[None, None]


@pytest.mark.parametrize("s", RATIOS)
def test_thin_plate_solves_its_equation_however_far_slices_are(s):
    image, known = bump()
    expected = solved(image, known, s)
    errors = [
        (thin_plate_3d(image, known, s, cycles=n)[0, 0] - expected).abs().max() for n in (0, 3, 30)
    ]
    assert errors[0] > 3 * errors[1]
    assert errors[2] < 2e-5


def test_the_solutions_for_two_ratios_differ():
    """Else the test above would say nothing of s."""
    image, known = bump()
    near, far = (solved(image, known, s) for s in (4.0, 0.5))
    assert (near - far).abs().max() > 0.01


@pytest.mark.parametrize("s", RATIOS)
def test_laplacian_is_that_of_the_equation(s):
    u = torch.rand(1, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    along, down, across = (torch.from_numpy(second_difference(n).toarray()) for n in (3, 4, 5))
    u = u.double()
    expected = s * torch.einsum("ij,abjyx->abiyx", along, u)
    expected += torch.einsum("ij,abzjx->abzix", down, u)
    expected += torch.einsum("ij,abzyj->abzyi", across, u)
    torch.testing.assert_close(laplacian(u, s), expected)


@pytest.mark.parametrize("s", RATIOS)
def test_every_cycle_lowers_the_energy(s):
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(2, 2, 6, 21, 26, generator=generator)
    hole = (torch.rand(2, 1, 6, 21, 26, generator=generator) < 0.7).float()
    hole[..., 4:18, 5:20] = 1
    halves, ratios = halvings(tuple(u.shape[2:]), s, 5)
    holes = [hole]
    for half in halves:
        holes.append((half.mean(holes[-1]) > 0.999).float())
    energies = [laplacian(u, s).square().sum().item()]
    for _ in range(4):
        u = v_cycle(u, holes, halves, ratios, 6)
        energies.append(laplacian(u, s).square().sum().item())
    assert energies == sorted(energies, reverse=True)
    assert energies[2] < 0.5 * energies[0]


def test_known_pixels_are_as_they_were_and_what_is_in_the_hole_is_not_read():
    image, known = bump()
    filled = thin_plate_3d(image, known)
    assert torch.equal(filled[known > 0], image[known > 0])
    garbage = torch.where(known > 0, image, torch.full_like(image, 1e6))
    assert torch.equal(thin_plate_3d(garbage, known), filled)


def test_stack_that_is_known_wholly_comes_back():
    image = torch.rand(2, 3, 4, 9, 11, generator=torch.Generator().manual_seed(1))
    assert torch.equal(thin_plate_3d(image, torch.ones(2, 1, 4, 9, 11)), image)


def test_one_slice_is_filled_as_a_picture():
    image, known = bump(depth=1)
    expected = solved(image, known, 1.0)
    assert (thin_plate_3d(image, known, cycles=30)[0, 0] - expected).abs().max() < 2e-5
    flat = plate.thin_plate(image[:, :, 0], known[:, :, 0], cycles=30)
    assert (thin_plate_3d(image, known, cycles=30)[:, :, 0] - flat).abs().max() < 2e-5


@pytest.mark.parametrize(("along", "across"), [(48, 16), (16, 16), (16, 32)])
def test_steepness_is_the_square_of_how_much_the_stack_is_stretched(along, across):
    image = waves(along=along, across=across)
    known = torch.ones_like(image)
    expected = (np.sin(np.pi / across) / np.sin(np.pi / along)) ** 2  # of steps of whole pixels
    assert expected == pytest.approx((along / across) ** 2, rel=0.04)
    # only the steps across the border are missing from whole waves
    assert steepness(image, known) == pytest.approx(expected, rel=0.03)


def test_steepness_looks_at_known_pixels_only():
    image = waves()
    known = (torch.rand(image.shape, generator=torch.Generator().manual_seed(2)) > 0.3).float()
    expected = steepness(image, torch.ones_like(image))
    assert steepness(image, known) == pytest.approx(expected, rel=0.03)
    garbage = torch.where(known > 0, image, torch.full_like(image, 1e4))
    assert steepness(garbage, known) == steepness(image, known)


def test_steepness_of_all_channels_is_one_number():
    image = waves()
    both = torch.cat([image, -2 * image], 1)
    known = torch.ones_like(image)
    assert steepness(both, known) == pytest.approx(steepness(image, known), rel=1e-4)


def test_steepness_keeps_within_bounds_where_an_axis_says_nothing():
    equal = waves(depth=1).expand(1, 1, 6, 32, 32)
    levels = torch.arange(6.0).view(1, 1, 6, 1, 1).expand(1, 1, 6, 32, 32)
    known = torch.ones(1, 1, 6, 32, 32)
    assert steepness(equal, known) == MOST
    assert steepness(levels, known) == LEAST
    assert LEAST <= steepness(levels * 0, known) <= MOST


def test_the_ratio_is_measured_where_none_is_given():
    image, known = bump()
    s = steepness(image, known)
    assert torch.equal(thin_plate_3d(image, known), thin_plate_3d(image, known, s))
    assert not torch.equal(thin_plate_3d(image, known), thin_plate_3d(image, known, 2 * s))


def test_slice_that_is_missing_wholly_comes_back_nearly():
    image = waves(depth=12, along=24, across=24)[..., :24, :24]
    known = torch.ones_like(image)
    known[:, :, 5] = 0
    error = (thin_plate_3d(image, known) - image)[:, :, 5].square().mean().sqrt()
    mean = (image[:, :, 4] + image[:, :, 6]) / 2
    line = (mean - image[:, :, 5]).square().mean().sqrt()
    assert error < 0.01 * image.std()
    assert error < line


def test_first_slice_is_continued_from_those_behind_it():
    image = waves(depth=12, along=48, across=24)[..., :24, :24]
    known = torch.ones_like(image)
    known[:, :, 0] = 0
    filled = thin_plate_3d(image, known)
    assert torch.equal(filled[:, :, 1:], image[:, :, 1:])
    assert (filled - image)[:, :, 0].abs().max() < 0.15 * (image.max() - image.min())


def test_thin_plate_stays_within_what_is_known_of_each_channel():
    image = torch.zeros(1, 3, 5, 24, 24)
    image[:, 0, ..., 8:] = torch.arange(16.0) / 15
    image[:, 1] = 0.5
    image[:, 2] = -image[:, 0]
    known = torch.ones(1, 1, 5, 24, 24)
    known[..., 13:] = 0
    filled = thin_plate_3d(image, known)
    seen = image[..., :13]
    assert filled[:, 0].max() == seen[:, 0].max()
    assert filled[:, 2].min() == seen[:, 2].min()
    assert filled[:, 0].min() == 0
    assert (filled[:, 1] == 0.5).all()
    assert torch.equal(filled[..., :13], seen)


@pytest.mark.parametrize(
    "size", [(1, 1, 1), (2, 1, 1), (1, 1, 9), (3, 5, 3), (2, 5, 65), (9, 2, 2)]
)
@pytest.mark.parametrize("s", [None, LEAST, MOST])
def test_thin_plate_takes_any_size(size, s):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    known = torch.ones(2, 1, *size)
    assert torch.equal(thin_plate_3d(image, known, s), image)
    known.view(2, -1)[:, 1:] = 0  # one pixel is known
    filled = thin_plate_3d(image, known, s)
    first = image[:, :, :1, :1, :1]
    torch.testing.assert_close(filled, first.expand_as(filled))


def test_each_stack_of_a_batch_is_filled_by_itself():
    image, known = bump()
    other = torch.ones_like(known)
    other[..., 2:5, 5:20, 10:20] = 0
    both = thin_plate_3d(torch.cat([image, 1 - image]), torch.cat([known, other]), 2.0)
    torch.testing.assert_close(both[:1], thin_plate_3d(image, known, 2.0))
    torch.testing.assert_close(both[1:], thin_plate_3d(1 - image, other, 2.0))
