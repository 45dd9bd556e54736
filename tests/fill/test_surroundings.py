"""Pieces of the surroundings in fills of photographs, through the whole way."""

import json

import dask.array as da
import numpy as np
import pytest
import torch

import napari_inpaint as ni
from napari_inpaint.backends import artifacts
from napari_inpaint.errors import Cancelled, OptionError, ShapeError
from napari_inpaint.weightless import textured as stage

SIZE = 96


def photo(*leading, seed=0, size=SIZE):
    """Noise around 102 in each colour."""
    rng = np.random.default_rng(seed)
    return rng.normal(102, 25, (*leading, size, size, 3)).clip(0, 254).astype(np.uint8)


def two_halves(size=SIZE):
    """Red noise on the left, blue noise on the right."""
    image = photo(size=size) // 4
    image[:, : size // 2, 0] += 150
    image[:, size // 2 :, 2] += 150
    return image


def square(top=34, left=34, side=30, size=SIZE):
    hole = np.zeros((size, size), bool)
    hole[top : top + side, left : left + side] = True
    return hole


@pytest.fixture
def wide(monkeypatch):
    """Take each hole for a wide one: copies alone say what stands in it."""
    monkeypatch.setattr(stage, "NARROW", 0)
    monkeypatch.setattr(stage, "WIDE", 1)


@pytest.fixture
def flat(add_backend):
    """A third party's backend whose fills are a plain of 0.4, 102 of 255."""
    return add_backend(lambda image, mask: torch.full_like(image, 0.4), name="flat")


# --- where it takes part --------------------------------------------------------------------


def test_photograph_that_a_third_party_fills_gets_the_texture_of_its_surroundings(flat, wide):
    image, hole = photo(), square()
    filled = ni.inpaint(image, hole, backend=flat)
    assert filled[hole].std() == pytest.approx(image.std(), rel=0.15)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    plain = ni.inpaint(image, hole, backend=flat, texture=0)
    assert (plain[hole] == 102).all()
    half = ni.inpaint(image, hole, backend=flat, texture=0.2)
    assert 2 < half[hole].std() < 0.7 * filled[hole].std()


def test_what_has_texture_already_is_left_alone_but_where_more_is_asked_for(add_backend):
    flat = add_backend(lambda image, mask: torch.full_like(image, 0.4), textured=True)
    image, hole = photo(), square()
    assert (ni.inpaint(image, hole, backend=flat)[hole] == 102).all()
    assert ni.inpaint(image, hole, backend=flat, texture=1)[hole].std() > 15


@pytest.mark.parametrize("textured", [False, True])
def test_file_says_in_its_manifest_whether_its_fills_have_texture(save_artifact, textured):
    about = {"schema": 1, "name": "tiny", "title": "Tiny", "provides": ["inpaint"], "channels": 3}
    path = save_artifact(json.dumps(about | {"textured": textured}))
    artifacts.trust(path)
    filled = ni.inpaint(photo(), square(), backend=path)[square()]
    assert (filled == 64).all() == textured


@pytest.mark.parametrize("axes", ["CYX", "TYX", "YXC"])
def test_what_is_no_photograph_gets_nothing_unasked(flat, axes):
    lengths = {"C": 2 if axes == "YXC" else 3, "T": 3, "Y": 60, "X": 60}
    image = np.random.default_rng(0).normal(500, 40, [lengths[each] for each in axes])
    hole = square(20, 20, 20, 60)
    filled = ni.inpaint(image, hole, backend=flat, axes=axes, along="none")
    inside = filled[hole] if axes == "YXC" else filled[:, hole].T
    assert inside.std(axis=0).max() < 1e-6


# --- what it copies -------------------------------------------------------------------------


def test_labels_say_from_where_texture_is_copied(add_painter, wide):
    image, hole = two_halves(), square(34, 56, 30)  # wholly on the right
    labels = np.where(np.arange(SIZE) < SIZE // 2, 1, 2) * np.ones((SIZE, 1), int)
    labels[hole] = 1
    name = add_painter()
    red = ni.inpaint(image, hole, labels=labels, backend=name)[hole].astype(int)
    assert (red[:, 0] - red[:, 2]).min() > 50
    labels[hole] = 2
    blue = ni.inpaint(image, hole, labels=labels, backend=name)[hole].astype(int)
    assert (blue[:, 2] - blue[:, 0]).min() > 50


def test_source_says_from_where_texture_is_copied(flat, wide):
    image, hole = two_halves(), square(34, 8, 26)  # wholly on the left
    right = np.arange(SIZE) * np.ones((SIZE, 1), np.uint8) > 60
    filled = ni.inpaint(image, hole, source=right, backend=flat)
    inside = filled[hole].astype(int)
    assert (inside[:, 2] - inside[:, 0]).min() > 50
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    free = ni.inpaint(image, hole, backend=flat)[hole].astype(int)
    assert (free[:, 0] - free[:, 2]).mean() > 50
    everything = ni.inpaint(image, hole, source=np.ones(hole.shape), backend=flat)
    np.testing.assert_array_equal(everything[hole], free)


def test_narrow_hole_takes_its_detail_from_the_source(flat):
    image, hole = np.full((SIZE, SIZE, 3), 102, np.uint8), square(40, 20, 16)
    image[:, 48:] = photo()[:, 48:]
    right = np.arange(SIZE) * np.ones((SIZE, 1)) >= 48
    rough = ni.inpaint(image, hole, source=right, backend=flat)[hole]
    smooth = ni.inpaint(image, hole, source=~right, backend=flat)[hole]
    assert rough.std() > 10
    assert smooth.std() < 2
    assert rough.mean() == pytest.approx(102, abs=5), "the colour is the guess's"


def test_sources_of_a_stack_may_be_one_or_one_for_each_slice(wide):
    stack, hole = np.stack([two_halves()] * 2), square(34, 34, 28)
    left = np.arange(SIZE) * np.ones((SIZE, 1)) < 34
    options = {"axes": "TYXC", "backend": "telea", "along": "none"}
    one = ni.inpaint(stack, hole, source=left, **options)
    assert (one[:, hole, 0].astype(int) - one[:, hole, 2]).min() > 50
    each = ni.inpaint(stack, hole, source=np.stack([left, left[:, ::-1]]), **options)
    np.testing.assert_array_equal(each[0], one[0])
    assert (each[1, hole, 2].astype(int) - each[1, hole, 0]).min() > 50


@pytest.mark.parametrize(
    ("image", "options"),
    [
        pytest.param(photo(), {"texture": 0}, id="no texture"),
        pytest.param(photo(), {"backend": "patchmatch"}, id="texture already"),
        pytest.param(photo()[..., 0], {"texture": 1}, id="grey"),
        pytest.param(photo(2), {"axes": "TYXC", "backend": "auto", "texture": 1}, id="weighed"),
    ],
)
def test_source_is_refused_where_nothing_is_copied(image, options):
    with pytest.raises(OptionError, match=r"this fill copies none.*Leave source out"):
        ni.inpaint(image, square(), source=~square(), **{"backend": "telea"} | options)


def test_source_of_another_shape_or_of_a_lazy_image_is_refused_before_any_work(add_backend):
    def fail(device):
        raise AssertionError("loaded")

    name = add_backend(lambda image, mask: image, on_load=fail)
    with pytest.raises(ShapeError, match="source has the shape"):
        ni.inpaint(photo(), square(), source=square()[1:], backend=name)
    with pytest.raises(OptionError, match=r"source is for arrays in memory.*image\[t\]"):
        ni.inpaint(da.from_array(photo()), square(), source=square(), backend=name)


# --- what it holds to -----------------------------------------------------------------------


@pytest.mark.parametrize("texture", [1, 0.4])
def test_twins_of_other_types_are_filled_alike(flat, texture):
    image, hole = photo(), square()
    image[0, 0] = 255
    told = {"backend": flat, "texture": texture}
    eight = ni.inpaint(image, hole, **told)[hole]
    sixteen = ni.inpaint(image.astype(np.uint16) * 257, hole, **told)[hole] / 257
    unit = ni.inpaint(image.astype(np.float32) / 255, hole, **told)[hole] * 255
    large = ni.inpaint(image.astype(np.float64), hole, **told)[hole]
    for twin in (sixteen, unit, large):
        assert np.abs(twin - eight).max() < 0.51


def test_fill_that_is_brighter_than_all_that_is_known_stays_as_bright(add_backend):
    bright = add_backend(lambda image, mask: torch.full_like(image, 0.9))
    filled = ni.inpaint(photo() // 2, square(side=16), backend=bright)[square(side=16)]
    assert filled.mean() == pytest.approx(229.5, abs=3)


@pytest.mark.parametrize("value", [np.nan, 0])
@pytest.mark.parametrize("texture", [1, 0.5])
def test_missing_pixels_beside_the_hole_stay_and_are_not_copied(value, texture):
    image, hole = photo() // 2 + 100, square(20, 20, 34)  # nothing known is below 100
    image = image.astype(np.float32) if np.isnan(value) else image
    missing = np.zeros(hole.shape, bool)
    missing[10:70, 54:57] = missing[24:44, 57:90] = True
    image[missing] = value
    told = {"backend": "coherence", "missing": value, "fill_missing": "masked"}
    filled = ni.inpaint(image, hole, texture=texture, **told)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    smooth = ni.inpaint(image, hole, texture=0, **told)
    assert filled[hole].std() > 1.5 * smooth[hole].std()
    beside = hole & (np.arange(SIZE) > 48)
    assert filled[beside].min() > 90
    assert filled[beside].mean() == pytest.approx(151, abs=6)


@pytest.mark.parametrize("seed", [0, 5])
def test_the_same_call_gives_the_same_fill(flat, wide, seed):
    image, hole = photo(size=140), square(40, 40, 60, 140)
    one = ni.inpaint(image, hole, backend=flat, seed=seed)
    np.testing.assert_array_equal(ni.inpaint(image, hole, backend=flat, seed=seed), one)


def test_what_is_asked_for_reaches_each_hole(monkeypatch, flat):
    seen, fill = [], stage.textured

    def watch(image, hole, guess, strength, classes, source, seed):
        seen.append((strength, seed))
        return fill(image, hole, guess, strength, classes, source, seed)

    monkeypatch.setattr(stage, "textured", watch)
    hole = square(5, 5, 8) | square(80, 80, 8)
    ni.inpaint(photo(), hole, backend=flat, texture=0.7, seed=5)
    assert seen == [(0.7, 5)] * 2


def test_lazy_stack_of_photographs_is_filled_like_one_in_memory():
    stack, holes = photo(3), np.stack([square(), square(10, 50, 34), square(0, 0, 0)])
    told = {"axes": "TYXC", "backend": "telea", "along": "none"}
    filled = ni.inpaint(stack, holes, **told)
    assert filled[0][holes[0]].std() > 1.2 * ni.inpaint(stack, holes, texture=0, **told)[0][
        holes[0]
    ].std()  # fmt: skip
    lazy = ni.inpaint(da.from_array(stack, chunks=(2, 50, 96, 3)), holes, **told)
    np.testing.assert_array_equal(lazy.compute(), filled)


def test_cancelled_stage_ends_before_the_next_hole(monkeypatch, flat):
    image, hole = photo(size=220), np.zeros((220, 220), bool)
    hole[20:28, 20:28] = hole[20:28, 180:188] = hole[180:188, 100:108] = True
    calls, told, fill = [], [], stage.textured

    def watch(*given):
        calls.append(1)
        return fill(*given)

    def stop(done, total):
        told.append((done, total))
        if len(calls) == 2:
            raise Cancelled

    monkeypatch.setattr(stage, "textured", watch)
    before = image.copy()
    with pytest.raises(Cancelled):
        ni.inpaint(image, hole, backend=flat, progress=stop)
    assert len(calls) == 2
    assert told[-1] == (192, 192), "all of it is filled; its texture is no progress"
    np.testing.assert_array_equal(image, before)


def test_expected_error_is_that_of_the_textured_fill(flat):
    image, hole = photo(size=140), np.zeros((140, 140), bool)
    hole[10:34, 20:40] = hole[90:114, 30:50] = hole[50:74, 95:115] = True
    found = {
        texture: ni.inpaint(image, hole, backend=flat, texture=texture, report=True)
        for texture in (0, 1)
    }
    errors = {texture: each.error[hole].mean() for texture, each in found.items()}
    assert errors[1] > 1.15 * errors[0]
    for each in found.values():
        off = np.abs(each.image.astype(float) - image)[hole]
        assert 0.82 < np.mean(off <= 1.645 * each.error[hole]) < 0.98


@pytest.mark.parametrize("texture", ["auto", 0.0, 0.5])
def test_record_says_what_was_asked_for(flat, texture):
    record = ni.inpaint(photo(), square(side=8), backend=flat, texture=texture, report=True).record
    assert json.loads(json.dumps(record))["options"]["texture"] == texture
