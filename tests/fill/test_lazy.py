import pickle

import dask
import dask.array as da
import numpy as np
import pytest

import napari_inpaint as ni
from napari_inpaint.errors import BackendError, OptionError, ShapeError, UnknownBackendError
from napari_inpaint.fill.plan import Options, plan


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    return rng.integers(0, 5000, (4, 60, 70)).astype(np.uint16)


@pytest.fixture
def mask():
    hole = np.zeros((60, 70), bool)
    hole[20:28, 30:40] = True
    return hole


def test_dask_gives_lazy_dask_equal_to_numpy(stack, mask):
    lazy = ni.inpaint(da.from_array(stack, chunks=(2, 30, 35)), mask, backend="telea")
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == stack.dtype
    assert lazy.chunks == ((1, 1, 1, 1), (60,), (70,))
    np.testing.assert_array_equal(lazy.compute(), ni.inpaint(stack, mask, backend="telea"))


def test_dask_loads_nothing_until_it_is_computed_and_then_only_what_is_asked(
    stack, mask, add_backend
):
    calls = []

    def watch(image, mask):
        calls.append(len(image))
        return image

    lazy = ni.inpaint(da.from_array(stack), mask, backend=add_backend(watch))
    assert calls == []
    lazy[2].compute()
    assert calls == [1]


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("CYX", (3, 60, 70)), ("ZCYX", (2, 2, 60, 70)), ("ZYXC", (2, 60, 70, 4)), ("YX", (60, 70))],
)
def test_channels_stay_together_in_dask(axes, shape, mask):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    lazy = ni.inpaint(da.from_array(image, chunks=20), mask, axes=axes, backend="navier-stokes")
    expected = ni.inpaint(image, mask, axes=axes, backend="navier-stokes")
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_dask_mask_may_have_all_slices(stack, mask):
    holes = np.zeros(stack.shape, bool)
    holes[1], holes[3] = mask, mask[::-1]
    expected = ni.inpaint(stack, holes, backend="telea")
    for each in (holes, da.from_array(holes, chunks=(2, 10, 10))):
        lazy = ni.inpaint(da.from_array(stack), each, backend="telea")
        np.testing.assert_array_equal(lazy.compute(), expected)


def test_numpy_image_takes_a_dask_mask(stack, mask):
    filled = ni.inpaint(stack, da.from_array(mask), backend="telea")
    assert type(filled) is np.ndarray
    np.testing.assert_array_equal(filled, ni.inpaint(stack, mask, backend="telea"))


def test_zarr_gives_lazy_dask(stack, mask):
    class Array:
        """As much of a zarr array as is used, so that the tests need no zarr."""

        __module__ = "zarr.core.array"
        shape, dtype, ndim, chunks = stack.shape, stack.dtype, stack.ndim, (1, 60, 70)

        def __getitem__(self, at):
            return stack[at]

    lazy = ni.inpaint(Array(), mask, backend="telea")
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy.compute(), ni.inpaint(stack, mask, backend="telea"))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"backend": "tela"}, UnknownBackendError),
        ({"axes": "YX"}, ShapeError),
        ({"labels": np.zeros((60, 70), int), "backend": "telea"}, BackendError),
    ],
)
def test_dask_is_checked_when_it_is_built(stack, mask, settings, error):
    with pytest.raises(error):
        ni.inpaint(da.from_array(stack), mask, **settings)
    with pytest.raises(ShapeError):
        ni.inpaint(da.from_array(stack), mask[:-1])


def test_list_of_lists_is_an_image():
    filled = ni.inpaint([[1.0, 1.0, np.nan]], [[0, 0, 0]])
    assert filled.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize(
    "options",
    [{"backend": "navier-stokes"}, {"dilate": 3}, {"feather": 4}, {"context": 5}, {"seed": 1}],
)
def test_two_options_never_share_a_result(stack, mask, options):
    image = da.from_array(stack)
    settings = [{"backend": "telea"}, {"backend": "telea"} | options]
    lazy = [ni.inpaint(image, mask, **each) for each in settings]
    assert lazy[0].name != lazy[1].name
    for got, each in zip(dask.compute(*lazy), settings, strict=True):
        np.testing.assert_array_equal(got, ni.inpaint(stack, mask, **each))
    assert ni.inpaint(image, mask, **settings[0]).name == lazy[0].name


def test_segmentations_with_and_without_probabilities_share_nothing(stack, mask, add_painter):
    image, name = da.from_array(stack), add_painter()
    plain = ni.segment(image, mask, backend=name)
    both = ni.segment(image, mask, backend=name, probabilities=True)
    labels, again, shares = dask.compute(plain.labels, both.labels, both.probabilities)
    np.testing.assert_array_equal(labels, again)
    assert shares.shape == (*stack.shape, 3)


def test_report_of_a_lazy_fill_is_refused_with_the_way_out(stack, mask):
    with pytest.raises(OptionError, match="one slice at a time"):
        ni.inpaint(da.from_array(stack), mask, report=True)


def test_plan_goes_to_other_processes_by_the_backends_name(save_artifact):
    path = save_artifact()
    for backend in ("telea", path):
        settled = plan((8, 8, 3), "uint8", Options(backend=backend, device="cpu", dilate=2))
        again = pickle.loads(pickle.dumps(settled))
        assert again.backend is settled.backend
        assert (again.axes, again.options) == (settled.axes, settled.options)
        assert again.device == settled.device
