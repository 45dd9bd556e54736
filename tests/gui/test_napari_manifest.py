"""napari's manifest: it is valid, its commands exist, its samples open."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from npe2 import PluginManifest


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-inpaint")


def test_every_command_resolves(manifest):
    manifest.validate_imports()
    commands = {command.id for command in manifest.contributions.commands}
    assert {"napari-inpaint.inpaint", "napari-inpaint.guide"} <= commands


@pytest.mark.parametrize(("menu", "name"), [("filter", "inpaint"), ("segment", "guide")])
def test_widget_is_in_its_menu(manifest, menu, name):
    (item,) = manifest.contributions.menus[f"napari/layers/{menu}"]
    assert item.command == f"napari-inpaint.{name}"


@pytest.mark.parametrize(
    ("sample", "shape", "rgb"),
    [
        ("photo", (400, 600, 3), True),
        ("stack", (48, 130, 130), False),
        ("nuclei", (130, 130), False),
    ],
)
def test_sample_opens_as_image_with_its_mask(make_napari_viewer, sample, shape, rgb):
    viewer = make_napari_viewer()
    image, mask = viewer.open_sample("napari-inpaint", sample)
    assert isinstance(image, Image)
    assert isinstance(mask, Labels)
    assert image.data.shape == shape
    assert image.rgb == rgb
    assert mask.data.shape == image.data.shape[: image.ndim]
    assert 0 < np.count_nonzero(mask.data) < mask.data.size / 2
    assert image.metadata["credit"]
    assert mask.axis_labels == image.axis_labels
