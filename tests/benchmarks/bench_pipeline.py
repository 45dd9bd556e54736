"""How the cost of a fill follows the hole: `pytest tests/benchmarks/bench_pipeline.py`.

One hole of 64 px should cost about the same in a small and in a large image, whatever the backend;
what remains of the image's size is one copy and, for floats, one look for NaN.
"""

import cv2
import numpy as np
import pytest

from napari_inpaint import inpaint


def scene(size, dtype, channels=()):
    rng = np.random.default_rng(0)
    image = (rng.random((size, size, *channels)) * 200).astype(dtype)
    hole = np.zeros((size, size), bool)
    at = size // 3
    hole[at : at + 64, at : at + 64] = True
    return image, hole


@pytest.mark.parametrize("backend", ["auto", "telea", "biharmonic"])
@pytest.mark.parametrize("size", [256, 1024, 4096])
@pytest.mark.parametrize(
    ("dtype", "channels"), [("uint8", (3,)), ("uint16", ()), ("float32", ())], ids=str
)
def test_one_hole(benchmark, backend, size, dtype, channels):
    image, hole = scene(size, dtype, channels)
    benchmark.group = f"{backend} {dtype}{channels}"
    filled = benchmark(inpaint, image, hole, backend=backend, device="cpu")
    assert (filled[~hole] == image[~hole]).all()


@pytest.mark.parametrize("holes", [100, 1000, 5000])
def test_dust(benchmark, holes):
    rng = np.random.default_rng(0)
    image = (rng.random((2048, 2048)) * 60000).astype(np.uint16)
    hole = np.zeros(image.shape, bool)
    hole[rng.integers(0, 2048, holes), rng.integers(0, 2048, holes)] = True
    benchmark.group = "dust in 2048²"
    filled = benchmark.pedantic(inpaint, (image, hole), {"backend": "telea"}, rounds=2)
    assert (filled[~hole] == image[~hole]).all()


@pytest.mark.parametrize("backend", ["auto", "biharmonic"])
def test_hot_pixels(benchmark, backend):
    rng = np.random.default_rng(0)
    image = (rng.random((4096, 4096)) * 60000).astype(np.uint16)
    hole = np.zeros(image.shape, bool)
    hole[rng.integers(0, 4096, 2000), rng.integers(0, 4096, 2000)] = True
    benchmark.group = "2,000 hot pixels in 4096²"
    filled = benchmark.pedantic(inpaint, (image, hole), {"backend": backend}, rounds=2)
    assert (filled[~hole] == image[~hole]).all()


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colours"])
def test_scratch(benchmark, channels):
    rng = np.random.default_rng(0)
    image = (rng.random((2048, 2048, *channels)) * 200).astype(np.uint8)
    hole = np.zeros((2048, 2048), np.uint8)
    cv2.line(hole, (5, 100), (2040, 1900), 1, thickness=3)
    benchmark.group = "a scratch of 3 px across 2048²"
    benchmark.pedantic(inpaint, (image, hole), {"device": "cpu"}, rounds=2)
