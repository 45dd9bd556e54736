"""Every loss against its formula written out, in float64."""

import numpy as np
import pytest
import torch

from training import losses


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    prediction, target = rng.random((2, 2, 3, 7, 5))
    hole = (rng.random((2, 1, 7, 5)) < 0.4).astype(float)
    return tuple(torch.tensor(a) for a in (prediction, target, hole))


def test_hole_l1_counts_hole_pixels_and_divides_by_all(case):
    prediction, target, hole = (a.numpy() for a in case)
    total = sum(
        abs(prediction[n, c, y, x] - target[n, c, y, x])
        for n, c, y, x in np.ndindex(prediction.shape)
        if hole[n, 0, y, x]
    )
    assert losses.hole_l1(*case).item() == pytest.approx(total / prediction.size)


def test_total_variation_looks_at_pairs_inside_the_dilated_hole(case):
    image, hole = case[0].numpy(), case[2].numpy()[:, 0].astype(bool)
    grown = np.zeros_like(hole)
    n, height, width = hole.shape
    for i, y, x in np.argwhere(hole):
        grown[i, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
    across = down = 0.0
    for i, c, y, x in np.ndindex(image.shape):
        if x + 1 < width and grown[i, y, x] and grown[i, y, x + 1]:
            across += abs(image[i, c, y, x + 1] - image[i, c, y, x])
        if y + 1 < height and grown[i, y, x] and grown[i, y + 1, x]:
            down += abs(image[i, c, y + 1, x] - image[i, c, y, x])
    expected = across / (n * 3 * height * (width - 1)) + down / (n * 3 * (height - 1) * width)
    assert losses.total_variation(case[0], case[2]).item() == pytest.approx(expected)


def test_total_variation_is_zero_for_a_constant_picture(case):
    assert losses.total_variation(torch.full_like(case[0], 0.3), case[2]).item() == 0


def test_gram_is_the_mean_product_of_channels():
    features = np.random.default_rng(1).normal(size=(2, 3, 5, 4))
    expected = np.einsum("nchw,ndhw->ncd", features, features) / (3 * 5 * 4)
    np.testing.assert_allclose(losses.gram(torch.tensor(features)), expected)


def test_style_ignores_where_a_texture_stands_and_perceptual_does_not():
    features = torch.rand(1, 4, 6, 6)
    rolled = features.roll(2, -1)
    assert losses.style([rolled], [features]).item() == pytest.approx(0, abs=1e-6)
    assert losses.perceptual([rolled], [features]).item() == pytest.approx(
        (rolled - features).abs().mean().item()
    )


def test_style_and_perceptual_sum_over_layers():
    a, b = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 2, 2)
    zero = [torch.zeros_like(a), torch.zeros_like(b)]
    both = losses.style([a, b], zero)
    assert both.item() == pytest.approx(
        losses.gram(a).abs().mean().item() + losses.gram(b).abs().mean().item()
    )
    assert losses.perceptual([a, b], zero).item() == pytest.approx((a.mean() + b.mean()).item())


def test_terms_leave_known_pixels_out_of_the_composite(case):
    prediction, target, hole = (a.float() for a in case)
    repaired = torch.where(hole > 0, target, prediction)
    terms = losses.inpainting_terms(
        losses.FilterBank(4), repaired, target, hole, features_of_prediction=False
    )
    assert terms["style"].item() == 0
    assert terms["hole"].item() == 0
    assert terms["known"].item() > 0


def test_features_of_the_prediction_add_to_those_of_the_composite(case):
    arguments = tuple(a.float() for a in case)
    bank = losses.FilterBank(4)
    with_prediction = losses.inpainting_terms(bank, *arguments, features_of_prediction=True)
    composite_only = losses.inpainting_terms(bank, *arguments, features_of_prediction=False)
    added = losses.style(bank(arguments[0]), bank(arguments[1]))
    assert with_prediction["style"].item() == pytest.approx(
        (composite_only["style"] + added).item()
    )


def test_filter_bank_is_the_same_everywhere_and_blind_to_brightness():
    image = torch.rand(1, 3, 32, 32)
    first, second = losses.FilterBank(8)(image), losses.FilterBank(8)(image + 0.2)
    assert [f.shape[-1] for f in first] == [32, 16, 8]
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(first[0][inside], second[0][inside], atol=1e-5, rtol=0)


def test_vgg16_reads_torchvision_weights_and_returns_three_pools(tmp_path):
    state, channels = {}, 3
    for index, width in {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256}.items():
        state[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3) * 0.05
        state[f"features.{index}.bias"] = torch.randn(width)
        channels = width
    torch.save(state, tmp_path / "vgg16.pth")
    image = torch.rand(1, 3, 32, 32)
    features = losses.VGG16(tmp_path / "vgg16.pth")(image)
    assert [tuple(f.shape[1:]) for f in features] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x = (image - mean) / std
    for index in (0, 2):
        x = torch.conv2d(
            x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
        ).relu()
    torch.testing.assert_close(features[0], torch.max_pool2d(x, 2))
