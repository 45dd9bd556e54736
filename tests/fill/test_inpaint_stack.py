"""Backends that fill stacks as wholes: candidates of "auto", or named."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import napari_inpaint as ni
from napari_inpaint.errors import BackendError

RNG = np.random.default_rng(0)


def volume(*shape):
    smooth = gaussian_filter(RNG.normal(size=shape), 2, mode="wrap")
    return (1000 + 100 * smooth / smooth.std()).astype(np.float32)


def holes(shape):
    hole = np.zeros(shape, bool)
    for z in range(shape[0]):
        hole[z, 8 + 2 * z : 20 + 2 * z, 10:26] = True
    return hole


@pytest.fixture
def add_stack_filler(add_backend):
    """Add a backend with a method for stacks alone; returns its name."""

    def add(inpaint_stack, name="volumes", **fields):
        methods = {"inpaint_stack": inpaint_stack}
        return add_backend(None, name, methods=methods, provides={"inpaint_stack"}, **fields)

    return add


def half(image, mask):
    return torch.where(mask > 0, torch.full_like(image, 0.5), image)


def test_named_backend_gets_stacks_with_their_holes_and_fills_them(add_stack_filler):
    seen = []

    def watch(image, mask):
        seen.append((image.shape, mask.shape, float(image[mask.expand_as(image) > 0].abs().max())))
        return half(image, mask)

    image, hole = volume(6, 64, 64), holes((6, 64, 64))
    result = ni.inpaint(image, hole, backend=add_stack_filler(watch), report=True)
    assert result.record["backend"] == "volumes"
    assert result.shares == {"volumes z": 1.0}
    assert np.ptp(result.image[hole]) < 1e-3
    np.testing.assert_array_equal(result.image[~hole], image[~hole])
    for shape, mask_shape, in_hole in seen:
        assert shape[:2] == mask_shape[:2] == (1, 1)
        assert shape[2:] == mask_shape[2:]
        assert shape[2] == 6
        assert in_hole == 0


def test_colours_go_together_or_one_by_one_as_the_backend_wants(add_stack_filler):
    shapes = []

    def watch(image, mask):
        shapes.append(image.shape[:2])
        return half(image, mask)

    image, hole = np.stack([volume(4, 64, 64)] * 3, axis=-1), holes((4, 64, 64))
    ni.inpaint(image, hole, axes="ZYXC", backend=add_stack_filler(watch, "any"))
    assert {*shapes} == {(1, 3)}
    shapes.clear()
    ni.inpaint(image, hole, axes="ZYXC", backend=add_stack_filler(watch, "grey", channels=1))
    assert {*shapes} == {(3, 1)}


def test_sizes_are_padded_to_the_multiple_that_it_wants(add_stack_filler):
    sizes = []

    def watch(image, mask):
        sizes.append(image.shape[3:])
        return half(image, mask)

    image, hole = volume(4, 70, 64), holes((4, 70, 64))
    ni.inpaint(image, hole, backend=add_stack_filler(watch, multiple=48))
    assert all(side % 48 == 0 for size in sizes for side in size)


def test_auto_does_not_believe_a_bad_one(add_stack_filler):
    image, hole = volume(8, 64, 64), holes((8, 64, 64))
    add_stack_filler(half)
    shares = ni.inpaint(image, hole, report=True).shares
    assert shares.get("volumes z", 0) < 0.1


def test_auto_believes_a_good_one(add_stack_filler):
    image, hole = volume(8, 64, 64), holes((8, 64, 64))

    def knows(stack, mask):
        """Return the truth, on the scale on which known pixels are seen."""
        seen = stack[0, 0].numpy()
        where = (mask[0, 0].numpy() == 0) & (seen > 0.05) & (seen < 0.95)
        slope, offset = np.polyfit(image[where], seen[where], 1)
        truth = torch.from_numpy((image * slope + offset).astype(np.float32))
        return torch.where(mask > 0, truth, stack)

    plain = ni.inpaint(image, hole)
    add_stack_filler(knows, "oracle")
    good = ni.inpaint(image, hole, report=True)
    assert good.shares["oracle z"] > 0.5
    errors = [np.abs(each - image)[hole].mean() for each in (plain, good.image)]
    assert errors[1] < 0.6 * errors[0]


def test_one_that_fails_is_left_out_of_auto_with_a_warning_and_ends_a_run_that_named_it(
    add_stack_filler,
):
    def fail(image, mask):
        raise ValueError("no weights here")

    image, hole = volume(6, 64, 64), holes((6, 64, 64))
    plain = ni.inpaint(image, hole)
    name = add_stack_filler(fail)
    with pytest.warns(RuntimeWarning, match="Left out.*no weights here"):
        filled = ni.inpaint(image, hole)
    assert np.abs(filled - plain)[hole].max() < 20
    with pytest.raises(BackendError, match="no weights here"):
        ni.inpaint(image, hole, backend=name)


@pytest.mark.parametrize("wrong", ["shape", "nan"])
def test_what_it_returns_is_checked(add_stack_filler, wrong):
    def answer(image, mask):
        return image[:, :, :-1] if wrong == "shape" else image * float("nan")

    image, hole = volume(6, 64, 64), holes((6, 64, 64))
    with pytest.raises(BackendError, match=r"shape|NaN"):
        ni.inpaint(image, hole, backend=add_stack_filler(answer))


def test_single_image_is_refused_by_a_backend_for_stacks_alone(add_stack_filler):
    with pytest.raises(BackendError, match="does not provide 'inpaint'"):
        ni.inpaint(volume(64, 64), holes((1, 64, 64))[0], backend=add_stack_filler(half))
