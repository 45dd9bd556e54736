"""Fills to choose from: one is shown at a time; no window needed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_inpaint.gui.variant_layers import VariantLayers


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 5)), name="image")
    return viewer


def added(viewer, variants, *names):
    layers = [viewer.add_image(np.zeros((4, 5)), name=name) for name in names]
    variants.add(layers)
    return layers


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible and layer.name != "image"]


def test_flipping_shows_one_at_a_time_and_goes_round(viewer):
    variants = VariantLayers(viewer.layers)
    added(viewer, variants, "a", "b", "c")
    seen = []
    for step in (0, 1, 1, 1, -1):
        variants.show(variants.at + step)
        seen.append(shown(viewer))
    assert seen == [["a"], ["b"], ["c"], ["a"], ["c"]]
    assert viewer.layers.selection.active.name == "c"


def test_new_ones_come_behind_those_that_are_there(viewer):
    variants = VariantLayers(viewer.layers)
    added(viewer, variants, "a", "b")
    added(viewer, variants, "c", "d")
    assert [each.name for each in variants.open] == ["a", "b", "c", "d"]
    assert shown(viewer) == ["c"]
    assert variants.at == 2


def test_keeping_one_removes_the_others_only(viewer):
    variants = VariantLayers(viewer.layers)
    added(viewer, variants, "a", "b", "c")
    variants.show(1)
    assert variants.keep().name == "b"
    assert [layer.name for layer in viewer.layers] == ["image", "b"]
    assert variants.open == []
    added(viewer, variants, "d")
    variants.drop()
    assert [layer.name for layer in viewer.layers] == ["image", "b"]


def test_layers_removed_by_hand_count_no_more(viewer):
    variants = VariantLayers(viewer.layers)
    first, second, _ = added(viewer, variants, "a", "b", "c")
    viewer.layers.remove(first)
    assert variants.at == 0
    variants.show(variants.at)
    assert shown(viewer) == ["b"]
    viewer.layers.remove(second)
    assert variants.keep().name == "c"
