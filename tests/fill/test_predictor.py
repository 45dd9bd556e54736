import numpy as np
import pytest
import torch

from napari_inpaint.backends import registry
from napari_inpaint.errors import BackendError
from napari_inpaint.fill import device, predictor
from napari_inpaint.fill.predictor import Predictor

CPU = torch.device("cpu")


@pytest.fixture
def predict(add_backend):
    """Make a predictor of a function; what it reports lands in `reports`."""

    def make(function, batch_size=8, where=CPU, seed=0, **fields):
        backend = registry.get_backend(add_backend(function, **fields))
        made = Predictor(backend, where, batch_size, seed, reports.append)
        made.reports = reports
        return made

    reports = []
    return make


def picture(count=2, channels=3, size=64):
    images = np.random.default_rng(0).random((count, size, size, channels), np.float32)
    holes = np.zeros((count, size, size), bool)
    holes[:, 10:30, 20:40] = True
    return images, holes


def test_tensors_have_the_shape_the_range_and_the_polarity_of_the_contract(predict):
    def check(image, mask):
        assert image.shape == (2, 3, 64, 64)
        assert mask.shape == (2, 1, 64, 64)
        assert image.dtype == mask.dtype == torch.float32
        assert mask[:, :, 10:30, 20:40].min() == 1
        assert mask.sum() == 2 * 400
        return image

    images, holes = picture()
    np.testing.assert_array_equal(predict(check)(images, holes), images)


@pytest.mark.parametrize(
    ("channels", "wanted", "shape"),
    [
        (3, 3, (2, 3, 64, 64)),
        (5, None, (2, 5, 64, 64)),
        (1, 3, (2, 3, 64, 64)),
        (2, 3, (4, 3, 64, 64)),
        (5, 3, (10, 3, 64, 64)),
        (3, 1, (6, 1, 64, 64)),
    ],
)
def test_other_channel_counts_are_given_one_by_one_as_grey(predict, channels, wanted, shape):
    shapes = []

    def identity(image, mask):
        shapes.append(tuple(image.shape))
        assert (image == image[:, :1]).all() or channels == wanted or wanted is None
        return image

    images, holes = picture(channels=channels)
    filled = predict(identity, channels=wanted, batch_size=16)(images, holes)
    assert shapes == [shape]
    np.testing.assert_allclose(filled, images, atol=1e-6)


def test_grey_is_the_mean_of_the_three_channels(predict):
    def tint(image, mask):
        return torch.ones_like(image) * torch.tensor([0.1, 0.2, 0.6])[:, None, None]

    images, holes = picture(channels=1)
    np.testing.assert_allclose(predict(tint, channels=3)(images, holes), 0.3, atol=1e-6)


def test_batch_size_is_the_most_at_once(predict):
    sizes = []

    def watch(image, mask):
        sizes.append(len(image))
        return image

    predict(watch, batch_size=2)(*picture(count=5))
    assert sizes == [2, 2, 1]


def test_backend_may_write_into_its_tensors(predict):
    images, holes = picture()
    before = images.copy()
    predict(lambda image, mask: image.zero_())(images, holes)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (lambda image: image[:, :, 1:], r"\(2, 3, 63, 64\)"),
        (lambda image: image[:, :1], r"\(2, 1, 64, 64\)"),
        (lambda image: image.numpy(), "ndarray"),
        (lambda image: None, "NoneType"),
        (lambda image: image * np.nan, "NaN"),
        (lambda image: image / 0, "NaN or infinite"),
    ],
)
def test_wrong_result_is_an_error_that_names_the_backend(predict, result, reason):
    with pytest.raises(BackendError, match=rf"'fake'.*{reason}"):
        predict(lambda image, mask: result(image))(*picture())


def test_backend_that_raises_is_an_error_that_keeps_the_cause(predict):
    def fail(image, mask):
        raise KeyError("layer7")

    with pytest.raises(BackendError, match=r"'fake' failed: KeyError: 'layer7'") as caught:
        predict(fail)(*picture())
    assert isinstance(caught.value.__cause__, KeyError)


def test_backend_without_the_method_is_an_error(predict):
    class NoMethod:
        info = registry.get_backend("telea").info

        def load(self, device):
            return object()

    with pytest.raises(BackendError, match="no such method"):
        Predictor(NoMethod(), CPU, 1, 0, print)(*picture())


def test_same_seed_gives_the_same_and_leaves_torch_alone(predict):
    def noise(image, mask):
        return torch.rand_like(image)

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = predict(noise, seed=5)(*picture())
    torch.rand(3)
    np.testing.assert_array_equal(predict(noise, seed=5)(*picture()), first)
    assert (predict(noise, seed=6)(*picture()) != first).any()
    torch.manual_seed(1)
    predict(noise)(*picture())
    assert torch.equal(torch.get_rng_state(), state)


def test_model_is_loaded_once_for_several_predictors(add_backend):
    loads = []
    name = add_backend(lambda image, mask: image, on_load=loads.append)
    for _ in range(3):
        Predictor(registry.get_backend(name), CPU, 1, 0, print)(*picture())
    assert loads == [CPU]
    assert len(predictor._models) <= predictor.KEPT_MODELS


def test_out_of_memory_halves_the_batch_and_remembers(predict):
    sizes = []

    def hungry(image, mask):
        sizes.append(len(image))
        if len(image) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return image

    images, holes = picture(count=8)
    fill = predict(hungry)
    np.testing.assert_array_equal(fill(images, holes), images)
    fill(images, holes)
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert len(fill.reports) == 2


def test_out_of_memory_halves_the_tile_and_blends(predict):
    def hungry(image, mask):
        if image.shape[-1] > 128:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return image

    images, holes = picture(count=1, size=512)
    fill = predict(hungry, batch_size=1)
    np.testing.assert_allclose(fill(images, holes), images, atol=1e-5)
    assert [text.rpartition("tiles of ")[2] for text in fill.reports] == ["256 px.", "128 px."]
    assert fill.device == CPU
    assert fill.artifact is None


def test_tiles_of_a_model_that_disagrees_with_itself_show_no_seam(predict):
    calls = []

    def moody(image, mask):
        if image.shape[-1] > 128:
            raise MemoryError
        calls.append(1)
        return torch.full_like(image, len(calls) % 2)

    images, holes = picture(count=1, size=256)
    filled = predict(moody, batch_size=1, context=32)(images, holes)
    assert filled.max() - filled.min() > 0.9
    for axis in (1, 2):
        assert np.abs(np.diff(filled, axis=axis)).max() < 0.1


def test_small_batch_does_not_shrink_later_large_ones(predict):
    seen = []

    def watch(image, mask):
        seen.append(tuple(image.shape))
        return image

    fill = predict(watch)
    fill(*picture(size=64))
    fill(*picture(size=256))
    assert seen == [(2, 3, 64, 64), (2, 3, 256, 256)]


def test_tiles_keep_to_the_multiple_of_the_model(predict):
    def picky(image, mask):
        assert image.shape[-1] % 48 == 0
        if image.shape[-1] > 200:
            raise MemoryError
        return image

    images, holes = picture(count=1, size=48 * 9)  # half of it is no multiple of 48
    fill = predict(picky, batch_size=1, multiple=48, context=8)
    np.testing.assert_allclose(fill(images, holes), images, atol=1e-5)


def test_last_resort_is_the_cpu_where_the_model_is_loaded_again(predict, monkeypatch):
    loads = []

    def load(where):
        loads.append(str(where))
        if where.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    images, holes = picture(count=1)
    fill = predict(lambda image, mask: image, where=torch.device("cuda"), on_load=load)
    np.testing.assert_array_equal(fill(images, holes), images)
    assert loads[-1] == "cpu"
    assert fill.footprint.device == CPU
    assert "cpu" in fill.reports[-1]


def test_load_that_raises_is_an_error_that_names_backend_and_device(predict):
    def load(where):
        raise OSError("disk is gone")

    with pytest.raises(BackendError, match=r"'fake' could not be loaded on cpu: OSError: disk"):
        predict(lambda image, mask: image, on_load=load)(*picture())


def test_smallest_footprint_on_the_cpu_ends_with_an_error(predict):
    def hungry(image, mask):
        raise MemoryError

    with pytest.raises(BackendError, match="memory does not suffice"):
        predict(hungry)(*picture())
    assert device.SMALLEST_TILE > 64


@pytest.mark.parametrize(("answer", "said"), [(102.0, "to 102"), (-0.8, "from -0.8")])
def test_fill_far_outside_the_range_is_an_error_and_a_little_overshoot_is_none(
    predict, answer, said
):
    images, holes = picture()
    with pytest.raises(BackendError, match=rf"numbers in \[0, 1\]; .*{said}.*Nothing was changed"):
        predict(lambda image, mask: image * 0 + answer)(images, holes)
    assert predict(lambda image, mask: image + 0.2)(images, holes).max() > 1


@pytest.mark.parametrize(
    "text",
    [
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 400000000000000 bytes. Error code 12 (Cannot allocate memory)",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 8 GB)",
        "std::bad_alloc",
    ],
)
def test_memory_that_runs_out_is_known_by_its_words(predict, text):
    sizes = []

    def hungry(image, mask):
        sizes.append(len(image))
        if len(image) > 1:
            raise RuntimeError(text)
        return image

    images, holes = picture()
    np.testing.assert_array_equal(predict(hungry)(images, holes), images)
    assert sizes[:2] == [2, 2]  # eight, four and two at once are the same two
    assert sizes[-2:] == [1, 1]
