import numpy as np
import pytest
import torch

from napari_inpaint.backends import classical
from napari_inpaint.backends.scores import comparisons

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
    alone = torch.cat([backend.inpaint(image, each) for each in (mask, other)])
    # atan2 and the like round the last elements of a vector otherwise than the rest
    assert (both - alone).abs().max() <= 1e-6


def test_scores_of_the_backends_without_a_file_are_recorded():
    for name in ("coherence", "patchmatch"):
        found = {each.data: each for each in comparisons(BACKENDS[name].info)}
        assert set(found) == {"photos, 256 px", "photos, objects, 384 px"}
        for each in found.values():
            assert each.own.perceptual < each.others[each.reference].perceptual
            assert each.own.texture < each.others[each.reference].texture


def test_patchmatch_copies_from_the_class_that_was_painted():
    y = torch.arange(64)[:, None].expand(64, 64)
    image = torch.where(y < 32, 0.2, 0.8)[None, None].expand(1, 3, 64, 64)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 8:24, 24:40] = 1  # wholly where it is dark
    above = (y < 32).float()[None, None]
    own = torch.cat([above, 1 - above], 1)
    other = torch.where(mask > 0, 1 - own, own)
    undecided = torch.full_like(own, 0.5)
    hole = mask.expand_as(image) > 0
    blank = image * (1 - mask)
    fills = [BACKENDS["patchmatch"].guide(blank, mask, each)[hole] for each in (own, other)]
    assert (fills[0] - 0.2).abs().max() < 0.01
    assert (fills[1] - 0.8).abs().max() < 0.01
    free = BACKENDS["patchmatch"].guide(blank, mask, undecided)[hole]
    assert torch.isfinite(free).all()


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
