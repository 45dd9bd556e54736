import itertools
import json

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_inpaint import inpaint
from napari_inpaint.arrays import intensity
from napari_inpaint.backends import artifacts
from napari_inpaint.errors import BackendError, Cancelled, DtypeError, InpaintError, ShapeError


def same_bytes(one, other):
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def ramp(shape=(100, 120), dtype="uint16", scale=100):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (scale * (y + 2 * x) / 3).astype(dtype)


def square(shape=(100, 120), top=40, left=50, size=12):
    hole = np.zeros(shape, bool)
    hole[top : top + size, left : left + size] = True
    return hole


def noise(image, mask):
    """Garbage in [0, 1] everywhere, known pixels included."""
    return torch.rand_like(image)


@pytest.fixture
def broken_backend(add_backend):
    return add_backend(noise, name="noise", context=8, working_size=32)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_known_pixels_are_bit_identical_whatever_comes(add_backend, data):
    draw = data.draw
    backend = draw(st.sampled_from(["noise", "noise-rgb", "telea", "navier-stokes", "biharmonic"]))
    if backend.startswith("noise"):
        channels = 3 if backend.endswith("rgb") else None
        add_backend(noise, name=backend, context=8, working_size=32, channels=channels)
    axes = draw(st.sampled_from(["YX", "YXC", "CYX", "ZYX", "TCYX", "YXZ"]))
    lengths = {"T": 2, "Z": 2, "C": draw(st.integers(1, 5))}
    lengths |= {"Y": draw(st.integers(1, 80)), "X": draw(st.integers(1, 80))}
    if axes == "YXC" and draw(st.booleans()):
        lengths["C"] = 3  # a photograph, whose fill gets pieces of its surroundings
    shape = [lengths[each] for each in axes]
    dtype = np.dtype(draw(st.sampled_from(intensity.SUPPORTED)))
    dtype = dtype.newbyteorder(draw(st.sampled_from("<>")))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    count = int(np.prod(shape))
    if dtype == np.bool_:
        image = rng.random(shape) > 0.5
    else:
        image = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)
    if draw(st.booleans()):
        image = np.repeat(image, 2, axis=-1)[..., ::2]  # a view with gaps
    spatial_axes = axes.replace("C", "")
    spatial = [lengths[each] for each in spatial_axes]
    mask = rng.random(spatial) < draw(st.sampled_from([0, 0.01, 0.3, 0.9, 1]))
    mask |= np.arange(spatial[-1]) < draw(st.integers(0, 90))
    options = {
        "dilate": draw(st.integers(0, 3)),
        "feather": draw(st.integers(0, 3)),
        "strategy": draw(st.sampled_from(["auto", "crop", "resize"])),
        "texture": draw(st.sampled_from(["auto", 0.3, 1])),
    }
    mask = mask.astype(draw(st.sampled_from(["bool", "uint8", "int32", "float32"])))
    before, mask_before = image.copy(), mask.copy()
    hole = grown_hole(image, mask, axes, options["dilate"])
    if np.moveaxis(hole, [spatial_axes.index("Y"), spatial_axes.index("X")], [-2, -1]).all(
        axis=(-2, -1)
    ).all():  # fmt: skip
        with pytest.raises(ShapeError, match="nothing known"):
            inpaint(image, mask, backend=backend, axes=axes, **options)
        return
    filled = inpaint(image, mask, backend=backend, axes=axes, **options)
    assert same_bytes(image, before)
    assert same_bytes(mask, mask_before)
    assert filled.shape == image.shape
    assert filled.dtype == image.dtype
    assert type(filled) is np.ndarray
    known = ~hole
    if "C" in axes:
        known = np.repeat(np.expand_dims(known, axes.index("C")), lengths["C"], axes.index("C"))
    assert same_bytes(filled[known], image[known])
    if dtype.kind == "f":
        assert np.isfinite(filled).all()


def grown_hole(image, mask, axes, dilate):
    """Say by brute force what is hole; of the mask's shape."""
    finite = np.isfinite(image)
    hole = (mask != 0) | ~(finite.all(axis=axes.index("C")) if "C" in axes else finite)
    spatial = axes.replace("C", "")
    grown = hole.copy()
    for dy, dx in itertools.product(range(-dilate, dilate + 1), repeat=2):
        if dy * dy + dx * dx <= dilate * dilate:
            moved = shifted(hole, dy, spatial.index("Y"))
            grown |= shifted(moved, dx, spatial.index("X"))
    return grown


def shifted(array, by, axis):
    result = np.zeros_like(array)
    length = array.shape[axis]
    if abs(by) < length:
        to, source = [slice(None)] * array.ndim, [slice(None)] * array.ndim
        to[axis] = slice(max(by, 0), length + min(by, 0))
        source[axis] = slice(max(-by, 0), length + min(-by, 0))
        result[tuple(to)] = array[tuple(source)]
    return result


@pytest.mark.parametrize("dtype", [each for each in intensity.SUPPORTED if each != "bool"])
@pytest.mark.parametrize("backend", ["telea", "navier-stokes", "biharmonic"])
def test_ramp_is_continued_in_every_type(dtype, backend):
    image = ramp(dtype=dtype, scale=0.7 if dtype in ("uint8", "float16") else 50)
    hole = square()
    filled = inpaint(np.where(hole, image.dtype.type(0), image), hole, backend=backend)
    assert filled.dtype == image.dtype
    difference = np.abs(filled[hole].astype(float) - image[hole].astype(float)).max()
    assert difference < 0.05 * float(image.max())


def test_bool_image_is_filled_with_bool():
    image = np.zeros((40, 40), bool)
    image[:, 20:] = True
    hole = square((40, 40), 15, 5, 6) | square((40, 40), 15, 28, 6)
    filled = inpaint(image ^ hole, hole)
    np.testing.assert_array_equal(filled, image)


def test_floats_between_zero_and_one_are_not_special():
    small, large = ramp(dtype="float64", scale=1e-9), ramp(dtype="float64", scale=1e9)
    one, other = inpaint(small, square()), inpaint(large, square())
    np.testing.assert_allclose(one * 1e18, other, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_constant_surroundings_give_that_constant(dtype, broken_backend):
    image = np.full((50, 50), 17, dtype)
    hole = square((50, 50), 10, 10, 20)
    image[hole] = 99
    assert (inpaint(image, hole, backend=broken_backend) == 17).all()


def test_garbage_in_the_hole_has_no_influence():
    hole = square()
    results = []
    for garbage in (0, 65535, 1234):
        image = ramp()
        image[hole] = garbage
        results.append(inpaint(image, hole))
    assert same_bytes(results[0], results[1])
    assert same_bytes(results[0], results[2])


def test_nan_and_infinite_pixels_are_filled_with_an_empty_mask():
    image = ramp(dtype="float32")
    image[10, 10], image[30, 40], image[99, 119] = np.nan, np.inf, -np.inf
    filled = inpaint(image, np.zeros(image.shape, bool), backend="biharmonic")
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(filled[[10, 30], [10, 40]], [1000, 3666.7], rtol=0.01)


def test_empty_mask_gives_an_equal_copy_and_loads_nothing(add_backend):
    def fail(device):
        raise AssertionError("loaded")

    image = ramp()
    name = add_backend(noise, on_load=fail)
    filled = inpaint(image, np.zeros(image.shape, bool), backend=name)
    assert same_bytes(filled, image)
    assert not np.shares_memory(filled, image)


def test_full_mask_is_an_error_before_any_work(add_backend):
    def fail(device):
        raise AssertionError("loaded")

    name = add_backend(noise, on_load=fail)
    with pytest.raises(ShapeError, match="covers the whole image"):
        inpaint(ramp(), np.ones((100, 120), bool), backend=name)


def test_mask_that_becomes_full_by_dilation_or_nan_is_an_error():
    hole = ~square((20, 20), 9, 9, 2)
    with pytest.raises(ShapeError, match="whole image"):
        inpaint(np.zeros((20, 20)), hole, dilate=3)
    with pytest.raises(ShapeError, match="whole image"):
        inpaint(np.full((20, 20), np.nan), np.zeros((20, 20), bool))


def test_full_slices_of_a_stack_are_named():
    mask = np.zeros((2, 12, 30, 30), bool)
    mask[1, 3] = mask[0, 7] = True
    with pytest.raises(ShapeError, match=r"Z=7.*T=1 Z=3.*seen by itself"):
        inpaint(np.zeros((2, 12, 30, 30)), mask, along="none")
    mask[:] = True
    with pytest.raises(ShapeError, match="and 16 more"):
        inpaint(np.zeros((2, 12, 30, 30)), mask)


@pytest.mark.parametrize("axes", ["YXC", None])
def test_four_bands_are_all_filled(axes):
    """Near infrared behind red, green and blue is no transparency."""
    bands = np.random.default_rng(0).integers(100, 2000, (64, 64, 4)).astype(np.uint16)
    hole = square((64, 64), 20, 20, 10)
    bands[hole] = 0
    filled = inpaint(bands, hole, axes=axes, backend="telea")
    assert (filled[hole] >= 100).all()
    assert same_bytes(filled[~hole], bands[~hole])


@pytest.mark.parametrize("axes", ["CYX", "YXC"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_network_for_rgb_fills_any_number_of_channels(add_backend, axes, channels):
    def mean(image, mask):
        known = 1 - mask
        level = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return level.expand_as(image)

    image = np.ones((channels, 64, 64), np.float32) * np.arange(1, channels + 1)[:, None, None]
    image[:, ::2] *= 3
    hole = square((64, 64), 20, 20, 8)
    image = image if axes == "CYX" else np.moveaxis(image, 0, -1)
    name = add_backend(mean, channels=3)
    filled = inpaint(image, hole, backend=name, axes=axes, texture=0)
    filled = filled if axes == "CYX" else np.moveaxis(filled, -1, 0)
    colours = 3 if axes == "YXC" and channels == 4 else channels
    for number in range(colours):
        np.testing.assert_allclose(filled[number][hole], 2 * (number + 1), rtol=0.02)


def test_rgb_of_bytes_reaches_the_network_divided_by_255(add_backend):
    seen = []

    def watch(image, mask):
        seen.append(image)
        return image

    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 51, np.arange(64)
    inpaint(image, square((64, 64), 20, 20, 8), backend=add_backend(watch, channels=3))
    (tensor,) = seen
    assert tensor[0, :, 0, 5].tolist() == [1.0, np.float32(51 / 255), np.float32(5 / 255)]


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (3, 3), (1, 200), (17, 5), (63, 65), (129, 31)])
def test_odd_and_tiny_sizes_are_filled(shape):
    image = np.full(shape, 9, np.uint8)
    hole = np.zeros(shape, bool)
    hole.flat[0] = True
    image[hole] = 200
    for backend in ("telea", "navier-stokes", "biharmonic"):
        assert (inpaint(image, hole, backend=backend) == 9).all()


def test_single_pixel_image_can_only_be_empty_or_full():
    one = np.array([[5]], np.uint8)
    assert inpaint(one, np.array([[0]])).tolist() == [[5]]
    with pytest.raises(ShapeError, match="whole image"):
        inpaint(one, np.array([[1]]))


@pytest.mark.parametrize("edge", ["top", "left", "corner", "frame", "stripe"])
def test_holes_at_the_border_are_filled(edge):
    image = ramp(dtype="float32")
    hole = np.zeros(image.shape, bool)
    if edge == "top":
        hole[:6] = True
    elif edge == "left":
        hole[:, :6] = True
    elif edge == "corner":
        hole[-9:, -9:] = True
    elif edge == "frame":
        hole[:] = True
        hole[4:-4, 4:-4] = False
    else:
        hole[:, 60:64] = True
    filled = inpaint(np.where(hole, np.nan, image), hole)
    assert np.abs(filled - image)[hole].max() < 0.12 * image.max()


def test_hole_larger_than_the_working_size_is_filled_in_tiles(add_backend):
    sizes = []

    def mean(image, mask):
        sizes.append(image.shape[-1])
        known = 1 - mask
        level = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return level.expand_as(image)

    name = add_backend(mean, working_size=64, context=16)
    image = np.full((300, 300), 10.0)
    image[:, ::2] = 20
    filled = inpaint(image, square((300, 300), 40, 40, 220), backend=name, batch_size=1)
    assert len(sizes) == 10  # once at a quarter of the size, then nine tiles
    assert max(sizes) == 128
    np.testing.assert_allclose(filled[square((300, 300), 40, 40, 220)], 15, atol=1.5)


@pytest.mark.parametrize(("strategy", "largest"), [("crop", 256), ("resize", 64), ("auto", 128)])
def test_strategy_decides_how_large_the_model_sees(add_backend, strategy, largest):
    sizes = []

    def watch(image, mask):
        sizes.append(max(image.shape[2:]))
        return image

    name = add_backend(watch, working_size=64, context=16)
    inpaint(ramp((320, 320)), square((320, 320), 40, 40, 220), backend=name, strategy=strategy)
    assert max(sizes) == largest
    assert len(sizes) == 1 or strategy == "auto"


def test_cost_follows_the_hole(add_backend):
    seen = []

    def watch(image, mask):
        seen.append(image.shape[2] * image.shape[3])
        return image

    name = add_backend(watch, context=32)
    for size in (256, 2048):
        inpaint(np.ones((size, size), np.uint8), square((size, size), 100, 90, 64), backend=name)
    assert seen == [128 * 128] * 2


def test_many_small_holes_share_batches(add_backend):
    calls = []

    def watch(image, mask):
        calls.append(tuple(image.shape))
        return image

    name = add_backend(watch, context=8)
    mask = np.zeros((4000, 400), bool)
    mask[20::200, 200] = True
    inpaint(np.ones(mask.shape, np.uint8), mask, backend=name, batch_size=5)
    assert calls == [(5, 1, 64, 64)] * 4


def test_slices_of_a_stack_share_batches_and_are_filled_each_from_itself(add_backend):
    calls = []

    def mean(image, mask):
        calls.append(len(image))
        known = 1 - mask
        level = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
        return level.expand_as(image)

    stack = np.arange(6, dtype=np.uint16)[:, None, None] * np.ones((6, 40, 40), np.uint16)
    filled = inpaint(stack, square((40, 40), 10, 10, 5), backend=add_backend(mean), batch_size=4)
    assert calls == [4, 2]
    np.testing.assert_array_equal(filled, stack)


def test_mask_of_one_slice_leaves_the_others_alone(broken_backend):
    stack = np.random.default_rng(0).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    mask = np.zeros(stack.shape, np.uint8)
    mask[1, 5:9, 5:9] = 255
    filled = inpaint(stack, mask, backend=broken_backend)
    changed = filled != stack
    assert changed[1].any()
    assert not changed[mask == 0].any()


def test_dilate_fills_a_rim_around_the_mask(broken_backend):
    image = np.random.default_rng(0).integers(0, 60000, (60, 60)).astype(np.uint16)
    filled = inpaint(image, square((60, 60), 20, 20, 10), backend=broken_backend, dilate=2)
    changed = filled != image
    assert changed[19, 20:30].any()
    assert changed[18, 20:30].any()
    assert not changed[:18].any()


def test_feather_makes_the_step_at_the_rim_smaller(add_backend):
    name = add_backend(lambda image, mask: torch.ones_like(image))
    image = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    hole = square((64, 64), 20, 20, 20)
    hard = inpaint(image, hole, backend=name)
    soft = inpaint(image, hole, backend=name, feather=4)
    assert abs(soft[30, 20] - image[30, 19]) < 0.5 * abs(hard[30, 20] - image[30, 19])
    assert soft[30, 30] == hard[30, 30]


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(lambda a: a.astype(">u2"), id="big-endian"),
        pytest.param(lambda a: np.asfortranarray(a), id="fortran"),
        pytest.param(lambda a: np.repeat(a, 2, axis=1)[:, ::2], id="gaps"),
        pytest.param(lambda a: a[::-1][::-1], id="reversed twice"),
        pytest.param(lambda a: a.view(type("Mine", (np.ndarray,), {})), id="subclass"),
    ],
)
def test_memory_layout_does_not_matter(strange):
    plain = inpaint(ramp(), square())
    filled = inpaint(strange(ramp()), square())
    assert type(filled) is np.ndarray
    assert filled.flags.writeable
    np.testing.assert_array_equal(filled, plain)


def test_read_only_and_repeated_memory_is_no_problem():
    image = np.broadcast_to(np.arange(100, dtype=np.float32), (100, 100))
    filled = inpaint(image, square((100, 100)))
    assert filled.flags.writeable
    np.testing.assert_allclose(filled, image, atol=1)


def test_same_input_and_seed_give_the_same(broken_backend):
    image, hole = ramp(), square()
    one = inpaint(image, hole, backend=broken_backend, seed=3)
    assert same_bytes(one, inpaint(image, hole, backend=broken_backend, seed=3))
    assert not same_bytes(one, inpaint(image, hole, backend=broken_backend, seed=4))


@pytest.mark.parametrize(
    ("image", "mask", "error"),
    [
        (np.zeros((8, 8), np.int64), np.zeros((8, 8), bool), DtypeError),
        (np.zeros((8, 8)), np.zeros((8, 9), bool), ShapeError),
        (np.zeros((8, 8)), np.full((8, 8), 0.5), DtypeError),
        (np.zeros((8, 8), object), np.zeros((8, 8), bool), DtypeError),
    ],
)
def test_what_does_not_fit_is_said_before_the_backend_is_loaded(image, mask, error, add_backend):
    def fail(device):
        raise AssertionError("loaded")

    with pytest.raises(error):
        inpaint(image, mask, backend=add_backend(noise, on_load=fail))


def test_failing_backend_leaves_the_image_alone(add_backend):
    image = ramp()
    before = image.copy()
    name = add_backend(lambda image, mask: image * np.nan)
    with pytest.raises(BackendError, match="NaN"):
        inpaint(image, square(), backend=name)
    assert same_bytes(image, before)


def test_progress_counts_hole_pixels_up_to_all():
    mask, told = np.zeros((600, 600), bool), []
    mask[10:20, 10:20] = mask[500:520, 500:520] = True
    inpaint(
        np.ones(mask.shape),
        mask,
        backend="telea",
        batch_size=1,
        progress=lambda *step: told.append(step),
    )
    assert told == [(0, 500), (100, 500), (500, 500)]


def test_large_hole_comes_back_between_tiles(add_backend):
    name, done = add_backend(lambda image, mask: image, working_size=64, context=16), []
    hole = square((400, 400), 40, 40, 300)
    inpaint(
        ramp((400, 400)),
        hole,
        backend=name,
        batch_size=1,
        progress=lambda now, total: done.append(now),
    )
    assert len(done) > 15
    assert done == sorted(done)
    assert done[-1] == hole.sum()


def test_tiles_of_a_large_hole_count_as_its_own_pixels(add_backend):
    name, told = add_backend(lambda image, mask: image, working_size=64, context=16), []
    hole = square((500, 500), 40, 40, 300)
    hole[450:460, 450:460] = True
    inpaint(
        ramp((500, 500)),
        hole,
        backend=name,
        batch_size=1,
        progress=lambda *step: told.append(step),
    )
    done = [each for each, _ in told]
    assert {total for _, total in told} == {hole.sum()}
    assert done[:2] == [0, 100]  # the small region comes first
    assert 100 < done[2] < 100 + 90_000 / 4
    assert done == sorted(done)
    assert done[-2:] == [hole.sum(), hole.sum()]  # its last tile, then the whole


def test_cancelled_run_ends_before_the_next_batch(add_backend):
    calls = []

    def watch(image, mask):
        calls.append(1)
        return image

    def stop(done, total):
        if len(calls) >= 3:
            raise Cancelled

    name = add_backend(watch, working_size=64, context=16)
    large = square((400, 400), 40, 40, 300)
    with pytest.raises(Cancelled, match="nothing was changed"):
        inpaint(ramp((400, 400)), large, backend=name, batch_size=1, progress=stop)
    assert len(calls) == 3


def test_thin_hole_is_filled_at_reduced_size_too(add_backend):
    name = add_backend(noise, working_size=32, context=8)
    image = ramp((200, 200), dtype="float32")
    image[np.arange(200), np.arange(200)] = np.nan
    filled = inpaint(image, np.zeros(image.shape, bool), backend=name, strategy="resize")
    expected = ramp((200, 200), dtype="float32")
    assert np.abs(filled - expected).max() < 0.05 * expected.max()


def test_run_that_is_cancelled_at_once_loads_nothing(add_backend):
    def fail(device):
        raise AssertionError("loaded")

    def stop(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        inpaint(ramp(), square(), backend=add_backend(noise, on_load=fail), progress=stop)


def test_out_of_memory_is_warned_about_and_the_result_is_the_same(add_backend):
    def hungry(image, mask):
        if len(image) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return image * 0 + 0.5

    name = add_backend(hungry)
    stack = np.stack([ramp()] * 4)
    with pytest.warns(RuntimeWarning, match=r"Out of memory.*batch 2.*again with.*batch 1"):
        filled = inpaint(stack, square(), backend=name, batch_size=2)
    assert same_bytes(filled, inpaint(stack, square(), backend=name, batch_size=1))


def test_artifact_fills_through_the_pipeline(save_artifact):
    path = save_artifact()
    artifacts.trust(path)
    image = np.zeros((50, 50, 3), np.uint8)
    image[:5] = 200
    hole = square((50, 50), 10, 10, 9)
    filled = inpaint(image, hole, backend=path)
    assert (filled[hole] == 64).all()  # a quarter of 255
    assert same_bytes(filled[~hole], image[~hole])


def test_cancelling_is_an_error_of_this_package():
    assert issubclass(Cancelled, InpaintError)


# --- what was filled ------------------------------------------------------------------------


def test_report_says_what_was_hole_and_what_made_it():
    image, hole = ramp(), square()
    filled = inpaint(image, hole, backend="telea", dilate=2, report=True)
    changed = filled.image != image
    assert (changed <= filled.hole).all()
    assert filled.pixels == filled.hole.sum() == 16 * 16 - 12  # a disc of 2 px leaves corners
    assert filled.holes == 1
    record = filled.record
    assert json.loads(json.dumps(record)) == record
    assert (record["backend"], record["device"], record["artifact"]) == ("telea", "cpu", None)
    assert record["options"] == {
        **{"axes": "YX", "along": "auto", "max_gap": 2, "texture": "auto", "dilate": 2},
        **{"feather": 0, "context": None, "strategy": "auto"},
        **{"batch_size": 8, "seed": 0, "missing": [], "fill_missing": "all"},
    }
    assert record["time"].endswith("+00:00")
    assert record["seconds"] > 0


def test_missing_pixels_are_joined_before_the_hole_grows():
    image = ramp(dtype="float32")
    image[70, 20] = np.nan
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    disc = (y - 70) ** 2 + (x - 20) ** 2 <= 9
    filled = inpaint(image, square(), backend="telea", dilate=3, report=True)
    np.testing.assert_array_equal(filled.hole & (y > 60), disc)
    assert filled.holes == 2
    assert (filled.image[disc] != image[disc]).all()


@pytest.mark.parametrize("axes", ["ZYX", "YXZ", "YZX"])
def test_reported_hole_lies_on_the_image_whatever_its_axes(axes):
    stack = np.moveaxis(np.stack([ramp((40, 50))] * 3), 0, axes.index("Z"))
    plane = square((40, 50), 10, 20, 6)
    holes = np.moveaxis(np.stack([plane, plane & False, plane]), 0, axes.index("Z"))
    for dilate in (0, 1):
        filled = inpaint(stack, holes, axes=axes, backend="telea", dilate=dilate, report=True)
        assert filled.hole.shape == stack.shape
        assert (holes <= filled.hole).all()
        assert (filled.image == stack)[~filled.hole].all()
        assert filled.holes == 2
        assert filled.pixels == (72 if dilate == 0 else 2 * (36 + 24))


def test_reported_hole_is_not_the_mask_itself():
    hole = square()
    reported = inpaint(ramp(), hole, backend="telea", report=True).hole
    hole[:] = False
    assert reported.sum() == 144


def test_file_that_was_run_is_recorded_by_its_hash(save_artifact):
    path = save_artifact()
    digest = artifacts.trust(path)
    image = np.zeros((50, 50, 3), np.uint8)
    record = inpaint(image, square((50, 50), 10, 10, 9), backend=path, report=True).record
    assert (record["artifact"], record["backend"]) == (digest, str(path))
    empty = inpaint(image, np.zeros((50, 50), bool), backend=path, report=True).record
    assert empty["artifact"] is None  # nothing was run


@pytest.mark.parametrize("lazy", [False, True])
def test_what_auto_stands_for_is_settled_once(monkeypatch, lazy):
    asked = []
    monkeypatch.setattr(
        "napari_inpaint.fill.plan.choose_backend", lambda *_: asked.append(1) or "telea"
    )
    stack = np.stack([ramp()] * 4)
    filled = inpaint(da.from_array(stack) if lazy else stack, square())
    np.asarray(filled)
    assert asked == [1]
