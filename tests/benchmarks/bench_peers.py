"""What the pipeline adds to those who do the work: OpenCV, scikit-image, a bare network."""

import cv2
import numpy as np
import pytest
import torch
from skimage.data import coffee
from skimage.restoration import inpaint_biharmonic

from napari_inpaint import inpaint
from napari_inpaint.backends.registry import get_backend

SIZE = 256
RADIUS = 5  # px: what both backends of OpenCV look at


@pytest.fixture
def scene():
    image = np.ascontiguousarray(coffee()[60 : 60 + SIZE, 150 : 150 + SIZE])
    hole = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(hole, (100, 120), 45, 1, thickness=-1)
    return image, hole


@pytest.mark.parametrize(
    ("backend", "method"), [("telea", cv2.INPAINT_TELEA), ("navier-stokes", cv2.INPAINT_NS)]
)
@pytest.mark.parametrize("who", ["OpenCV", "here"])
def test_opencv(benchmark, scene, backend, method, who):
    benchmark.group = backend
    image, hole = scene
    if who == "OpenCV":
        benchmark(cv2.inpaint, image, hole, RADIUS, method)
    else:
        benchmark(inpaint, image, hole, backend=backend, texture=0)


@pytest.mark.parametrize("who", ["scikit-image", "here"])
def test_biharmonic(benchmark, scene, who):
    benchmark.group = "biharmonic"
    image, hole = scene[0], np.zeros((SIZE, SIZE), bool)
    hole[100:140, 90:130] = True
    if who == "here":
        benchmark.pedantic(
            inpaint, (image, hole), {"backend": "biharmonic", "texture": 0}, rounds=5
        )
    else:
        benchmark.pedantic(inpaint_biharmonic, (image, hole), {"channel_axis": -1}, rounds=5)


@pytest.mark.parametrize("who", ["the network alone", "here"])
def test_network(benchmark, scene, who):
    benchmark.group = "blend-photo, 256 px"
    image, hole = scene
    if who == "here":
        benchmark.pedantic(
            inpaint,
            (image, hole),
            {"backend": "blend-photo", "device": "cpu", "texture": 0},
            rounds=5,
            warmup_rounds=1,
        )
        return
    model = get_backend("blend-photo").load(torch.device("cpu"))
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        benchmark.pedantic(
            model.inpaint,
            (pixels, torch.from_numpy(hole)[None, None].float()),
            rounds=5,
            warmup_rounds=1,
        )
