import dask
import dask.array as da
import numpy as np
import pytest
import torch

import napari_inpaint as ni
from napari_inpaint.errors import BackendError, Cancelled, DtypeError, OptionError, ShapeError

RNG = np.random.default_rng(0)


def photo(shape=(130, 97)):
    return RNG.integers(0, 2, (*shape, 1)).astype(np.uint8).repeat(3, axis=-1) * 255


def square(shape=(130, 97), top=20, left=30, size=40):
    hole = np.zeros(shape, bool)
    hole[top : top + size, left : left + size] = True
    return hole


def segmenter(add_backend, function, count=2, **fields):
    classes = [ni.ClassInfo(f"class {k}", "#000000") for k in range(count)]
    methods = {"segment": function}
    return add_backend(None, methods=methods, provides={"segment"}, classes=classes, **fields)


def test_segmentation_has_classes_confidence_and_reliability_of_the_backend(add_painter):
    image, hole = photo(), square()
    found = ni.segment(image, hole, backend=add_painter(), probabilities=True)
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, np.where(hole | (image[..., 0] == 0), 1, 2))
    assert found.confidence.dtype == np.float32
    np.testing.assert_allclose(found.confidence, np.where(hole, 0.7, 0.9), atol=1e-6)
    assert [each.name for each in found.classes] == ["dark", "bright", "gold"]
    np.testing.assert_allclose(found.reliability, np.where(hole, 0.25, 1), atol=1e-6)
    assert (found.reliability[~hole] == 1).all()
    assert found.probabilities.dtype == np.float16
    assert found.probabilities.shape == (130, 97, 3)
    np.testing.assert_allclose(found.probabilities[hole], [[0.7, 0.3, 0]] * 1600, atol=1e-3)


def test_without_mask_nothing_is_hole_and_no_reliability_is_given(add_painter):
    image = photo()
    found = ni.segment(image, backend=add_painter())
    np.testing.assert_array_equal(found.labels, np.where(image[..., 0] == 0, 1, 2))
    assert found.reliability is None
    assert found.probabilities is None
    without = add_painter("plain", provides={"segment"})
    assert ni.segment(image, square(), backend=without).reliability is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (63, 65), (200, 333), (130, 97)])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_tiled_equals_untiled_for_a_model_that_acts_per_pixel(add_painter, shape, batch_size):
    image, hole = photo(shape), square(shape)
    hole &= np.arange(shape[1]) > 0
    whole = add_painter("whole", working_size=4096)
    tiled = add_painter("tiled", working_size=32, context=8)
    options = {"probabilities": True, "batch_size": batch_size}
    one = ni.segment(image, hole, axes="YXC", backend=whole, **options)
    other = ni.segment(image, hole, axes="YXC", backend=tiled, **options)
    np.testing.assert_array_equal(other.labels, one.labels)
    for name in ("confidence", "reliability", "probabilities"):
        assert getattr(other, name).shape[:2] == shape
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), atol=1e-3)


def test_tiles_have_the_size_the_model_wants_and_share_batches(add_backend):
    seen = []

    def segment(image, mask):
        seen.append(tuple(image.shape))
        return torch.full((len(image), 2, *image.shape[2:]), 0.5)

    sizes = {"working_size": 100, "context": 14}
    name = segmenter(add_backend, segment, **sizes)
    ni.segment(np.zeros((2, 300, 128), np.uint8), backend=name, batch_size=4)
    assert seen == [(4, 1, 128, 128), (2, 1, 128, 128)]


def test_tiles_are_blended_without_a_seam(add_backend):
    def segment(image, mask):
        # says another thing on the left than on the right of each tile
        right = torch.linspace(0, 1, image.shape[-1]).expand(len(image), 1, *image.shape[2:])
        return torch.cat([right, 1 - right], 1)

    sizes = {"working_size": 64, "context": 32}
    name = segmenter(add_backend, segment, **sizes)
    found = ni.segment(np.zeros((64, 1024)), backend=name, probabilities=True)
    steps = np.abs(np.diff(found.probabilities[0, :, 0].astype(float)))
    assert np.ptp(found.probabilities[0, :, 0]) > 0.5
    assert steps.max() < 0.1


@pytest.mark.parametrize("axes", ["ZYX", "YXZ", "TCYX", "ZYXC", "CYX", "YXC"])
def test_labels_have_the_spatial_axes_of_the_image_in_its_own_order(add_painter, axes):
    lengths = {"T": 2, "Z": 3, "C": 3, "Y": 40, "X": 30}
    bright = RNG.random([lengths[each] for each in axes if each != "C"]) > 0.5
    image = bright.astype(np.float32)
    if "C" in axes:
        image = np.repeat(np.expand_dims(image, axes.index("C")), 3, axes.index("C"))
    found = ni.segment(image, axes=axes, backend=add_painter(), probabilities=True)
    np.testing.assert_array_equal(found.labels, bright + 1)
    assert found.probabilities.shape == (*bright.shape, 3)
    np.testing.assert_allclose(found.probabilities[..., 1], np.where(bright, 0.9, 0.1), atol=1e-3)


def test_each_slice_is_scaled_by_its_own_known_pixels(add_painter):
    bright = RNG.random((3, 40, 40)) > 0.5
    stack = ((1 + bright) * [[[10]], [[1000]], [[20000]]]).astype(np.uint16)
    mask = square((40, 40), 5, 5, 9)
    stack[:, mask] = 65535
    found = ni.segment(stack, mask, backend=add_painter())
    np.testing.assert_array_equal(found.labels, np.where(mask, 1, bright + 1))


def test_garbage_in_the_hole_has_no_influence(add_painter):
    hole = square()
    results = []
    for garbage in (0, np.nan, 1e9):
        image = photo().astype(np.float32)
        image[:] = np.arange(97)[:, None] % 7
        image[hole] = garbage
        results.append(ni.segment(image, hole, backend=add_painter()).labels)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_model_for_three_channels_segments_any_number_as_their_mean(add_backend):
    def segment(image, mask):
        assert image.shape[1] == 3
        return torch.cat([image[:, :1], 1 - image[:, :1]], 1)

    name = segmenter(add_backend, segment, channels=3)
    image = np.zeros((2, 32, 32), bool)
    image[0] = True
    found = ni.segment(image, axes="CYX", backend=name, probabilities=True)
    np.testing.assert_array_equal(found.probabilities, np.full((32, 32, 2), 0.5))


def test_many_classes_take_sixteen_bits(add_backend):
    count = 300

    def segment(image, mask):
        certain = torch.zeros(len(image), count, *image.shape[2:])
        certain[:, 290] = 1
        return certain

    name = segmenter(add_backend, segment, count)
    found = ni.segment(np.zeros((8, 8)), backend=name)
    assert found.labels.dtype == np.uint16
    assert (found.labels == 291).all()


def test_progress_is_told_between_batches_and_ends_with_all_pixels(add_painter):
    name, told = add_painter(working_size=32, context=8), []
    image = np.zeros((2, 200, 100), np.uint8)
    found = ni.segment(image, backend=name, batch_size=2, progress=lambda *step: told.append(step))
    assert found.labels.shape == (2, 200, 100)
    assert len(told) > 10
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, 40000), (40000, 40000))


def test_cancelled_segmentation_ends_before_the_next_batch(add_painter):
    told = []

    def stop(done, total):
        told.append(done)
        if len(told) > 3:
            raise Cancelled

    name = add_painter(working_size=32, context=8)
    with pytest.raises(Cancelled):
        ni.segment(np.zeros((400, 400)), backend=name, batch_size=1, progress=stop)
    assert len(told) == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda image: torch.ones(1, 2, 64, 64), r"\(1, 3, 64, 64\); it returned \(1, 2"),
        (lambda image: torch.full((1, 3, 64, 64), 5.0), r"probabilities.*sums up to 15"),
        (lambda image: torch.tensor([2.0, -1, 0])[:, None, None].expand(1, 3, 64, 64), "from -1"),
        (lambda image: torch.full((1, 3, 64, 64), torch.nan), "NaN"),
    ],
)
def test_what_is_no_probability_is_an_error_that_names_the_backend(add_painter, answer, reason):
    from napari_inpaint.backends import registry

    name = add_painter()
    registry.get_backend(name).methods["segment"] = lambda image, mask: answer(image)
    with pytest.raises(BackendError, match=rf"'painter' must return.*{reason}|'painter' ret.*NaN"):
        ni.segment(np.zeros((64, 64)), backend=name)


def test_whatever_is_wrong_is_said_before_any_work(add_painter):
    name = add_painter()
    with pytest.raises(BackendError, match=r"'telea' does not provide 'segment'.*do: painter"):
        ni.segment(np.zeros((8, 8)), backend="telea")
    with pytest.raises(ShapeError, match="covers the whole image: nothing known"):
        ni.segment(np.zeros((8, 8)), np.ones((8, 8)), backend=name)
    with pytest.raises(ShapeError, match="mask has the shape"):
        ni.segment(np.zeros((8, 8)), np.ones((8, 9)), backend=name)
    with pytest.raises(DtypeError, match="int64"):
        ni.segment(np.zeros((8, 8), int), backend=name)
    with pytest.raises(OptionError, match="batch_size"):
        ni.segment(np.zeros((8, 8)), backend=name, batch_size=0)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("ZYX", (3, 60, 70)),
        ("YXC", (60, 70, 3)),
        ("TCZYX", (2, 2, 2, 60, 70)),
        ("XYZ", (60, 70, 2)),
    ],
)
def test_lazy_stack_is_segmented_like_one_in_memory(add_painter, axes, shape, masked):
    image = RNG.integers(0, 255, shape).astype(np.uint8)
    plane = (60, 70) if axes != "XYZ" else (60, 70, 1)
    hole = np.zeros(plane, bool) if masked else None
    if masked:
        hole[20:30, 30:44] = True
    settings = {"axes": axes, "backend": add_painter(), "probabilities": True}
    expected = ni.segment(image, hole, **settings)
    lazy = ni.segment(da.from_array(image, chunks=20), hole, **settings)
    for name in ("labels", "confidence", "reliability", "probabilities"):
        wanted, got = getattr(expected, name), getattr(lazy, name)
        if wanted is None:
            assert got is None
            continue
        assert isinstance(got, da.Array)
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        np.testing.assert_array_equal(got.compute(), wanted)
    assert lazy.classes == expected.classes


def test_lazy_stack_is_looked_at_when_it_is_computed_and_each_slice_once(add_backend):
    calls = []

    def watch(image, mask):
        calls.append(len(image))
        return torch.full((len(image), 2, *image.shape[2:]), 0.5)

    found = ni.segment(da.zeros((4, 40, 40)), backend=segmenter(add_backend, watch))
    assert calls == []
    found.labels[2].compute()
    assert calls == [1]
    labels, confidence = dask.compute(found.labels, found.confidence)
    assert sum(calls) == 1 + 4
    assert labels.max() == 1
    assert confidence.min() == 0.5


def test_lazy_stack_is_checked_before_it_is_computed(add_painter):
    image, name = da.zeros((3, 40, 40)), add_painter()
    with pytest.raises(ShapeError, match="mask has the shape"):
        ni.segment(image, np.zeros((8, 9)), backend=name)
    with pytest.raises(BackendError, match="does not provide 'segment'"):
        ni.segment(image, backend="telea")


def test_variants_refuse_lazy_arrays_with_what_to_do():
    with pytest.raises(OptionError, match=r"one slice at a time"):
        ni.variants(da.zeros((3, 8, 8)), np.zeros((8, 8)))
