import numpy as np
import pytest
import torch

from napari_inpaint import classical

BACKENDS = {each.info.name: each for each in classical.napari_inpaint_backends()}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request):
    return BACKENDS[request.param]


def gradient(channels=3, size=48):
    y, x = torch.meshgrid(torch.linspace(0.2, 0.8, size), torch.linspace(0.2, 0.8, size),
                          indexing="ij")  # fmt: skip
    image = torch.stack([y if k % 2 else x for k in range(channels)])[None]
    mask = torch.zeros(1, 1, size, size)
    mask[..., 15:30, 18:33] = 1
    return image, mask


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 7])
def test_gradient_is_continued_in_every_channel(backend, channels):
    image, mask = gradient(channels)
    filled = backend.load(torch.device("cpu")).inpaint(image * (1 - mask), mask)
    assert filled.shape == image.shape
    assert filled.dtype == torch.float32
    assert (filled - image).abs().max() < 0.08


def test_known_pixels_come_back_and_the_hole_is_not_read(backend):
    image, mask = gradient()
    clean = backend.inpaint(image * (1 - mask), mask)
    dirty = backend.inpaint(image * (1 - mask) + mask, mask)
    assert torch.equal(clean, dirty)
    known = mask.expand_as(image) == 0
    assert torch.equal(clean[known], image[known])


def test_batch_is_filled_one_by_one(backend):
    image, mask = gradient()
    other = torch.roll(mask, 5, dims=-1)
    both = backend.inpaint(torch.cat([image, image]), torch.cat([mask, other]))
    assert torch.equal(both[:1], backend.inpaint(image, mask))
    assert torch.equal(both[1:], backend.inpaint(image, other))


def test_empty_mask_changes_nothing(backend):
    image, mask = gradient()
    assert torch.equal(backend.inpaint(image, mask * 0), image)


def test_fill_has_more_levels_than_eight_bits(backend):
    """A ramp over 1 % of the range has three levels in 8 bits."""
    image, mask = gradient(1)
    image = 0.5 + (image - 0.5) / 60
    filled = backend.inpaint(image * (1 - mask), mask)
    hole = mask[0, 0] == 1
    assert len(np.unique(filled[0, 0][hole].numpy())) > 50
    assert (filled - image).abs().max() < 0.002


def test_prediction_stays_in_range_beside_black_and_white(backend):
    torch.manual_seed(0)
    image = (torch.rand(1, 1, 64, 64) > 0.5).float()
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:40, 20:40] = 1
    filled = backend.inpaint(image * (1 - mask), mask)
    assert filled.min() >= 0
    assert filled.max() <= 1
