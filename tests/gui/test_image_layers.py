"""Layers ↔ arrays: where a result goes, what it carries, which masks fit; no window needed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_inpaint.gui.image_layers import mask_problem, new_mask
from napari_inpaint.gui.result_layers import place_result, provenance, result_of

PLACED = {
    "scale": (2, 0.5, 0.25),
    "translate": (4, 5, 6),
    "rotate": 30,
    "shear": (0.1, 0, 0),
    "affine": np.diag([1, 2, 2, 1.0]),
    "units": ("um", "um", "um"),
    "axis_labels": ("z", "y", "x"),
}


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def assert_placed_alike(layer, image):
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(layer, name), getattr(image, name), err_msg=name)
    np.testing.assert_allclose(layer.affine.affine_matrix, image.affine.affine_matrix)
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels


def test_result_lies_and_looks_like_the_image(viewer):
    image = viewer.add_image(
        np.arange(60, dtype=np.uint16).reshape(3, 4, 5),
        name="cells",
        **PLACED,
        colormap="magma",
        contrast_limits=(10, 30),
        gamma=0.7,
        opacity=0.8,
        interpolation2d="linear",
        blending="additive",
        visible=False,
        metadata={"stage": 7},
    )
    viewer.add_labels(np.zeros((3, 4, 5), np.uint8), name="mask")
    result = place_result(viewer.layers, image, image.data + 1, {"backend": "x"})
    assert [layer.name for layer in viewer.layers] == ["cells", "cells · inpainted", "mask"]
    assert_placed_alike(result, image)
    for name in ("contrast_limits", "gamma", "opacity", "interpolation2d", "blending", "rgb"):
        assert getattr(result, name) == getattr(image, name), name
    assert result.colormap.name == "magma"
    assert result.metadata == {"stage": 7, "napari_inpaint": {"backend": "x"}}
    assert result.visible
    assert image.metadata == {"stage": 7}


def test_result_of_colour_image_is_colour(viewer):
    image = viewer.add_image(np.zeros((20, 20, 3), np.uint8), rgb=True)
    grey = viewer.add_image(np.zeros((20, 40, 3), np.uint8), rgb=False)
    assert place_result(viewer.layers, image, image.data, {}).rgb
    assert not place_result(viewer.layers, grey, grey.data, {}).rgb


def test_second_result_updates_the_first_and_keeps_its_look(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    first = place_result(viewer.layers, image, np.ones((4, 5)), {"run": 1})
    first.contrast_limits = (0, 9)
    first.visible = False
    image.scale = (3, 3)
    second = place_result(viewer.layers, image, np.full((4, 5), 2.0), {"run": 2})
    assert second is first
    assert (first.data == 2).all()
    assert first.contrast_limits == [0, 9]
    assert first.visible
    assert first.metadata["napari_inpaint"] == {"run": 2}
    np.testing.assert_array_equal(first.scale, (3, 3))


def test_only_the_result_itself_is_updated(viewer):
    image = viewer.add_image(np.zeros((4, 5)), name="a")
    namesake = viewer.add_image(np.full((4, 5), 7.0), name="a · inpainted")
    assert result_of(image, viewer.layers) is None
    result = place_result(viewer.layers, image, np.ones((4, 5)), {})
    duplicate = viewer.add_layer(Image.create(*result.as_layer_data_tuple()))
    viewer.layers.remove(result)
    assert result_of(image, viewer.layers) is None
    place_result(viewer.layers, image, np.full((4, 5), 2.0), {})
    assert (namesake.data == 7).all()
    assert (duplicate.data == 1).all()


def test_multiscale_image_gets_a_single_scale_result(viewer):
    fine = np.zeros((64, 64), np.float32)
    image = viewer.add_image([fine, fine[::2, ::2]], multiscale=True)
    result = place_result(viewer.layers, image, fine + 1, {})
    assert not result.multiscale
    assert result.data.shape == (64, 64)


def test_provenance_is_plain_and_names_what_it_was_made_from():
    image = Image(np.zeros((4, 5)), name="a", metadata={"napari_inpaint": {"backend": "first"}})
    made = {"backend": "second", "device": "cpu", "options": {"dilate": 2}}
    record = provenance(image, new_mask(image), made, only=(3,), earlier={"backend": "third"})
    assert json.loads(json.dumps(record)) == record
    assert made.items() <= record.items()
    assert (record["image"], record["mask"], record["slice"]) == ("a", "a · mask", [3])
    assert record["input"] == {"backend": "first"}
    assert record["earlier"] == {"backend": "third"}
    assert provenance(image, None, made)["mask"] is None


def test_new_mask_lies_on_the_image_ready_to_paint():
    image = Image(np.zeros((3, 64, 80)), name="cells", **PLACED)
    mask = new_mask(image)
    assert mask.name == "cells · mask"
    assert mask.data.shape == (3, 64, 80)
    assert not mask.data.any()
    assert_placed_alike(mask, image)
    assert mask.mode == "paint"
    assert mask.brush_size == 3
    assert mask_problem(mask, image) is None


def test_new_mask_of_a_colour_image_has_no_colour_axis():
    image = Image(np.zeros((2, 64, 80, 3), np.uint8), rgb=True)
    assert new_mask(image).data.shape == (2, 64, 80)


def test_mask_of_another_shape_is_refused_with_both_shapes():
    problem = mask_problem(Labels(np.zeros((10, 12), int)), Image(np.zeros((64, 80))))
    assert "(10, 12)" in problem
    assert "(64, 80)" in problem


@pytest.mark.parametrize("placed", [{"scale": (2, 2)}, {"translate": (0, 9)}, {"rotate": 10}])
def test_mask_that_lies_elsewhere_is_refused(placed):
    image, mask = Image(np.zeros((64, 80))), Labels(np.zeros((64, 80), int), **placed)
    assert "lies elsewhere" in mask_problem(mask, image)
