"""Fills from labels, through all layers: `inpaint(labels=...)`."""

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_inpaint as ni
from napari_inpaint.arrays import intensity, masks
from napari_inpaint.backends import registry
from napari_inpaint.errors import BackendError, DtypeError, LabelsError, ShapeError

RNG = np.random.default_rng(0)
GREYS = np.array([0, 64, 191, 255])  # of dark, bright and gold, as the painter fills RGB
UNDECIDED = 32  # the hole is probably dark, and half as bright where nobody painted


def photo(shape=(100, 120)):
    return RNG.integers(0, 256, (*shape, 3)).astype(np.uint8)


def square(shape=(100, 120), top=30, left=40, size=30):
    hole = np.zeros(shape, bool)
    hole[top : top + size, left : left + size] = True
    return hole


def test_fill_follows_the_labels_and_leaves_the_rest_to_the_model(add_painter):
    image, hole = photo(), square()
    labels = np.zeros(hole.shape, np.int64)
    labels[30:40], labels[40:45], labels[45:50], labels[90:] = 2, 3, 255, 1
    filled = ni.inpaint(image, hole, labels=labels, backend=add_painter(), texture=0)
    expected = np.where(np.isin(labels, (1, 2, 3)), GREYS[np.minimum(labels, 3)], UNDECIDED)
    np.testing.assert_array_equal(filled[hole], expected[hole][:, None].repeat(3, axis=1))
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_different_labels_differ_only_where_the_labels_differ(add_painter):
    image, hole, name = photo(), square(), add_painter()
    one, other = np.ones(hole.shape, np.uint8), np.ones(hole.shape, np.uint8)
    other[35:80, 20:60] = 3
    fills = [ni.inpaint(image, hole, labels=each, backend=name, texture=0) for each in (one, other)]
    changed = (fills[0] != fills[1]).any(axis=-1)
    np.testing.assert_array_equal(changed, hole & (one != other))


def test_undecided_labels_are_the_same_for_0_and_255(add_painter):
    image, hole, name = photo(), square(), add_painter()
    for undecided in (0, 255):
        labels = np.full(hole.shape, undecided, np.uint8)
        filled = ni.inpaint(image, hole, labels=labels, backend=name, texture=0)
        assert (filled[hole] == UNDECIDED).all()


def test_guide_gets_the_models_own_probabilities_where_nobody_painted(add_painter):
    image, hole, name = photo(), square(), add_painter()
    methods = registry.get_backend(name).methods
    seen, guide = [], methods["guide"]

    def watch(image, mask, probabilities):
        seen.append((mask, probabilities, methods["segment"](image, mask)))
        return guide(image, mask, probabilities)

    methods["guide"] = watch
    labels = np.where(np.arange(120) < 55, 2, 0) * np.ones((100, 1), np.int32)
    ni.inpaint(image, hole, labels=labels, backend=name)
    ((mask, probabilities, own),) = seen
    assert mask.sum() == hole.sum()
    painted = probabilities[:, 1] == 1
    assert painted.any()
    assert (~painted).any()
    columns = painted[0].all(dim=0)
    assert (painted[0] == columns).all()  # in the context too
    assert torch.equal(probabilities.movedim(1, -1)[~painted], own.movedim(1, -1)[~painted])


def test_backend_that_guides_and_does_not_segment_gets_even_probabilities(add_painter):
    name = add_painter(provides={"guide"})
    seen = []
    registry.get_backend(name).methods["guide"] = lambda image, mask, p: seen.append(p) or image
    labels = np.where(square(size=5), 3, 0)
    ni.inpaint(photo(), square(), labels=labels, backend=name)
    found = np.unique(seen[0].movedim(1, -1).reshape(-1, 3).numpy(), axis=0)
    np.testing.assert_allclose(found, [[0, 0, 1], [1 / 3, 1 / 3, 1 / 3]], atol=1e-6)


def test_backend_without_classes_gets_those_of_the_labels(add_painter):
    name = add_painter(provides={"guide"}, classes=())
    seen = []
    registry.get_backend(name).methods["guide"] = lambda image, mask, p: seen.append(p) or image
    labels = np.where(square(size=5), 70_000, np.where(square(size=9), 7, 0))
    ni.inpaint(photo(), square(), labels=labels, backend=name)
    ni.inpaint(photo(), square(), labels=np.where(labels == 7, 7, 0), backend=name)
    two, one = (np.unique(p.movedim(1, -1).reshape(-1, 2).numpy(), axis=0) for p in seen)
    np.testing.assert_array_equal(two, [[0, 1], [0.5, 0.5], [1, 0]])
    np.testing.assert_array_equal(one, [[0.5, 0.5], [1, 0]])  # what is undecided stays so


def test_negative_labels_are_refused_by_a_backend_without_classes(add_painter):
    name = add_painter(provides={"guide"}, classes=())
    with pytest.raises(LabelsError, match=r"hold -3\. Give each class a number from 1 up"):
        ni.inpaint(photo(), square(), labels=np.full((100, 120), -3), backend=name)


@pytest.mark.parametrize("strategy", ["auto", "crop", "resize"])
def test_hole_larger_than_the_working_size_is_guided_everywhere(add_painter, strategy):
    shape = (300, 280)
    image, hole = photo(shape), square(shape, 40, 30, 210)
    labels = np.where(np.arange(280) < 140, 1, 3) * np.ones((300, 1), np.uint8)
    name = add_painter(working_size=64, context=16)
    filled = ni.inpaint(image, hole, labels=labels, backend=name, strategy=strategy, texture=0)
    inner = hole & (np.abs(np.arange(280) - 139.5) > 12)  # enlarging blurs the line between them
    inner &= masks.depth(hole) > (12 if strategy == "resize" else 0)  # and so the hole's rim
    np.testing.assert_allclose(filled[inner][:, 0], GREYS[labels[inner]], atol=1)
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_model_for_three_channels_guides_each_of_five_by_itself(add_painter):
    image = RNG.random((5, 64, 64)).astype(np.float32)
    image[:, 0, 0], image[:, 0, 1] = 0, 1
    hole = square((64, 64), 20, 20, 20)
    filled = ni.inpaint(
        image, hole, axes="CYX", labels=np.full((64, 64), 3), backend=add_painter(channels=3)
    )
    np.testing.assert_allclose(filled[:, hole], 1, atol=1e-6)  # gold is 1: the brightest known
    np.testing.assert_array_equal(filled[:, ~hole], image[:, ~hole])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_known_pixels_are_bit_identical_in_guided_fills(add_painter, data):
    draw = data.draw
    axes = draw(st.sampled_from(["YX", "YXC", "CYX", "ZYX", "TCYX", "YXZ"]))
    lengths = {"T": 2, "Z": 2, "C": draw(st.integers(1, 5))}
    lengths |= {"Y": draw(st.integers(1, 80)), "X": draw(st.integers(2, 80))}
    if axes == "YXC" and draw(st.booleans()):
        lengths["C"] = 3  # a photograph, whose fill gets pieces of its surroundings
    shape = [lengths[each] for each in axes]
    dtype = np.dtype(draw(st.sampled_from(intensity.SUPPORTED)))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    image = rng.integers(0, 2 if dtype.kind == "b" else 200, shape).astype(dtype)
    spatial = [lengths[each] for each in axes if each != "C"]
    plane = [lengths["Y"], lengths["X"]]
    mask = rng.random(draw(st.sampled_from([spatial, plane]))) < draw(st.sampled_from([0.02, 0.5]))
    known = dict.fromkeys("YX", 0)
    letters = axes.replace("C", "") if mask.ndim == len(spatial) else "YX"
    mask[tuple(known.get(letter, slice(None)) for letter in letters)] = False
    labels = rng.choice([0, 1, 2, 3, 255], draw(st.sampled_from([spatial, plane])))
    labels = labels.astype(draw(st.sampled_from(["uint8", "int16", "int64"])))
    name = add_painter(working_size=32, context=8, channels=draw(st.sampled_from([None, 3])))
    before = image.copy(), labels.copy()
    filled = ni.inpaint(image, mask, axes=axes, labels=labels, backend=name)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(labels, before[1])
    assert filled.shape == image.shape
    assert filled.dtype == image.dtype
    hole = np.broadcast_to(aligned(mask, letters, axes), shape)
    assert filled[~hole].tobytes() == image[~hole].tobytes()


def aligned(mask, letters, axes):
    """Give a mask the axes of its image, of length 1 where it has none."""
    order = [each for each in axes if each in letters]
    mask = mask.transpose([letters.index(each) for each in order])
    return mask.reshape([mask.shape[order.index(each)] if each in order else 1 for each in axes])


def test_lazy_stack_is_guided_like_one_in_memory(add_painter):
    stack = RNG.integers(0, 4000, (3, 60, 70)).astype(np.uint16)
    hole, name = square((60, 70), 20, 20, 15), add_painter()
    each = RNG.choice([0, 1, 2, 3, 255], stack.shape)
    for labels in (each, each[0]):
        expected = ni.inpaint(stack, hole, labels=labels, backend=name)
        for given_as in (labels, da.from_array(labels, chunks=20)):
            lazy = ni.inpaint(da.from_array(stack), hole, labels=given_as, backend=name)
            assert isinstance(lazy, da.Array)
            np.testing.assert_array_equal(lazy.compute(), expected)


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (np.full((100, 120), 4), LabelsError, "hold 4.*1 = dark, 2 = bright, 3 = gold; 0 and 255"),
        (np.full((100, 120), -1), LabelsError, "hold -1"),
        (np.ones((100, 120)), DtypeError, "integers.*float64"),
        (np.ones((100, 120), bool), DtypeError, "bool"),
        (np.ones((100, 119), int), ShapeError, r"label map has the shape \(100, 119\)"),
        (np.ones((100, 120, 3), int), ShapeError, "a label map has no channels"),
        ([[1, 2]], ShapeError, r"\(1, 2\)"),
    ],
)
def test_wrong_labels_are_named_before_any_work(add_painter, labels, error, text):
    name = add_painter()
    with pytest.raises(error, match=text):
        ni.inpaint(photo(), square(), labels=labels, backend=name)
    with pytest.raises(error, match=text):
        ni.inpaint(da.from_array(photo()), square(), labels=labels, backend=name)


def test_backend_that_cannot_be_guided_names_those_that_can(add_painter):
    add_painter()
    labels = np.ones((100, 120), int)
    with pytest.raises(BackendError, match=r"'telea' does not provide 'guide'.*do: painter"):
        ni.inpaint(photo(), square(), labels=labels, backend="telea")
