"""Every training configuration by name; each is a difference to another one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.weightless.patches import PatchMatch
from training.data.dataset import Augment
from training.data.nuclei import NUCLEI
from training.data.streets import STREET
from training.networks.blend import Blend
from training.networks.isnet import ISNet
from training.networks.lama import LaMa
from training.networks.layers import MultiScalePatchGAN, Network
from training.networks.pconv import PConvUNet
from training.networks.projected import ProjectedGAN
from training.networks.rn import RN
from training.networks.sgenet import SGENet
from training.networks.spgnet import ImageAndMapGAN, SPGNet
from training.recipe import DataSource, Discriminator, Drawn, LossWeights, Phase, Recipe


def smoke(
    paper: Recipe,
    network: Callable[[], Network],
    discriminator: dict[str, int] | None = None,
    **changes: Any,
) -> Recipe:
    """Shrink a paper's recipe to two steps a phase: the way from data to artifact, in seconds.

    Parameters
    ----------
    paper : Recipe
        What is shrunk.
    network : callable
        Makes a small network.
    discriminator : dict of int, optional
        Settings of the discriminator, beside 4 channels in its first layer.
    **changes
        Other fields of the recipe.
    """
    small: dict[str, Any] = {
        "phases": tuple(replace(phase, steps=2, size=64, batch=2) for phase in paper.phases)
    }
    if paper.discriminator is not None:
        tiny = partial(paper.discriminator.network, base=4, **(discriminator or {}))
        small["discriminator"] = replace(paper.discriminator, network=tiny)
    name = paper.name.split("-")[0] + "-smoke"
    return replace(paper, name=name, title=name, network=network, **(small | changes))


def generic_classes(count: int) -> tuple[ClassInfo, ...]:
    """Name classes by their number, for class maps of one's own."""
    greys = [round(255 * i / max(1, count - 1)) for i in range(count)]
    return tuple(ClassInfo(f"class {i}", f"#{g:02x}{g:02x}{g:02x}") for i, g in enumerate(greys))


PHOTOS = DataSource(
    "1,529 photographs from openly licensed software and textbooks",
    "CC0, public domain, CC BY, CC BY-SA, Unsplash, Pexels",
)
CAMVID = DataSource("CamVid, 367 frames with class maps", "research use only")
DSB = DataSource("DSB 2018, fluorescence nuclei, corrected labels", "CC0")
DRAWN_STREETS = DataSource("streets drawn by training/data/streets.py", "BSD-3-Clause")

_PATCHGAN = partial(MultiScalePatchGAN, scales=1)

#: Plain Adam; no gradient is clipped, no weights are averaged: the papers, unless they say more.
_PUBLISHED: dict[str, Any] = {"decay": 0.0, "clip": None, "ema": 0.0}
#: What the networks share that are trained here; each says by itself how its weights are averaged.
_OURS: dict[str, Any] = {"betas": (0.9, 0.99), "decay": 0.01, "clip": 1.0}
#: What the slim networks share that are trained on photographs: they add to a smooth fill what a
#: network trained on ImageNet sees in the truth, and what its features tell from a fill.
_ON_PHOTOS: dict[str, Any] = {
    "features": "efficientnet-lite0",
    "shift": 32,
    "losses": LossWeights(
        known=1,
        hole=3,
        decibels=0.1,
        perceptual_distance=3,
        features_of=("composite",),
        adversarial=0.15,
        feature_matching=0.5,
    ),
    "discriminator": Discriminator(ProjectedGAN, lr=0.5, sees="features", known_is_real=True),
    "holes": ("irregular", "thick", "blobs", "boxes"),
    "hole_share": (0.05, 0.6),
    "zoom": 1.5,
    "split": "photos",
    "training_data": (PHOTOS,),
    "phases": (
        Phase(steps=200, size=128, batch=8, lr=1e-5, lr_end=3e-4, adversarial=False),
        Phase(steps=1_000, size=128, batch=8, lr=3e-4, lr_end=3e-4, adversarial=False),
        Phase(steps=2_500, size=128, batch=8, lr=3e-4, lr_end=1e-5),
    ),
    "ema": 0.998,
    **_OURS,
    "betas": (0.5, 0.99),
}
#: What the slim guided networks share that are trained on streets. Detail comes from patches of the
#: same class, so the network need not please a discriminator.
_ON_STREETS: dict[str, Any] = {
    "classes": STREET,
    "domain": "street",
    "discriminator": None,
    "training_data": (CAMVID,),
    "licence": "research use only",
    "patches": partial(PatchMatch, blur=3, strength=1.35),
    **_OURS,
}

# ---------------------------------------------------------------------------------------- Blend

_BLEND_PHOTO = Recipe(
    name="blend-photo",
    title="Blend, photos",
    summary="Weighs smooth fills, learned from photographs.",
    source='Wolpert, "Stacked generalization", 1992',
    network=Blend,
    split="photos",
    training_data=(PHOTOS,),
    losses=LossWeights(known=0, hole=0, decibels=0.25),
    ema=0.998,
    phases=(
        Phase(steps=1_000, size=64, batch=16, lr=2e-3, lr_end=1e-3),
        Phase(steps=1_700, size=128, batch=16, lr=1e-3, lr_end=1e-4),
        Phase(steps=250, size=256, batch=4, lr=2e-4, lr_end=1e-5),
    ),
    **_OURS,
)
_BLEND_SMOKE = smoke(_BLEND_PHOTO, partial(Blend, base=4, depth=1))

# ---------------------------------------------------------------------------------------- PConv

_PCONV_PAPER = Recipe(
    name="pconv-paper",
    title="PConv (paper size)",
    summary="U-Net of partial convolutions, at its published size.",
    source='Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", 2018',
    network=partial(PConvUNet, base=64, levels=7),
    losses=LossWeights(
        perceptual=0.05,
        style=120,
        features_of=("composite", "prediction"),
        total_variation=0.1,
    ),
    phases=(
        Phase(steps=500_000, size=256, batch=16, lr=2e-4, lr_end=2e-4),
        Phase(steps=500_000, size=256, batch=16, lr=5e-5, lr_end=5e-5, freeze_encoder_norm=True),
    ),
    betas=(0.9, 0.999),
    **_PUBLISHED,
)
_PCONV_PHOTO = replace(
    _PCONV_PAPER,
    name="pconv-photo",
    title="PConv, photos",
    summary="Partial convolutions, trained on photographs.",
    network=partial(PConvUNet, base=32, levels=6, residual=True),
    **_ON_PHOTOS,
)
_PCONV_UPSCALE = replace(
    _PCONV_PAPER,
    name="pconv-upscale",
    title="PConv, enlarging",
    summary="Partial convolutions that fill the gaps between pixels set apart, to enlarge images.",
    network=partial(PConvUNet, base=24, levels=4, residual=True),
    split="photos",
    training_data=(PHOTOS,),
    losses=LossWeights(known=0, hole=1),
    holes=("gaps",),
    hole_share=(0.7, 0.95),
    zoom=1.5,
    phases=(
        Phase(steps=2_000, size=128, batch=8, lr=1e-3, lr_end=1e-4),
        Phase(steps=200, size=128, batch=8, lr=1e-4, lr_end=1e-5, freeze_encoder_norm=True),
    ),
    ema=0.999,
    **_OURS,
)
_PCONV_SMOKE = smoke(
    _PCONV_PAPER,
    partial(PConvUNet, base=4, levels=5),
    phases=(
        Phase(steps=6, size=64, batch=2, lr=1e-3, lr_end=1e-3),
        Phase(steps=2, size=64, batch=2, lr=1e-3, lr_end=1e-4, freeze_encoder_norm=True),
    ),
)

# ------------------------------------------------------------------------- Region normalisation

_RN_PAPER = Recipe(
    name="rn-paper",
    title="RN (paper size)",
    summary="Region normalisation in an encoder-decoder, at its published size.",
    source='Yu et al., "Region Normalization for Image Inpainting", 2020',
    network=RN,
    losses=LossWeights(known=0, hole=1, per_hole_pixel=True, adversarial=0.1),
    discriminator=Discriminator(
        _PATCHGAN, loss="non-saturating", lr=0.1, sees="prediction", sees_hole=False
    ),
    # Ten epochs of Places2; from the third on, each has four fifths of the rate before.
    phases=tuple(
        Phase(steps=129_000, size=256, batch=14, lr=rate, lr_end=rate)
        for rate in (1e-4 * 0.8 ** max(0, epoch - 1) for epoch in range(10))
    ),
    betas=(0.0, 0.9),
    **_PUBLISHED,
)
_RN_PHOTO = replace(
    _RN_PAPER,
    name="rn-photo",
    title="RN, photos",
    summary="Region normalisation, trained on photographs.",
    network=partial(RN, base=24, blocks=4, space_to_depth=2, residual=True),
    **_ON_PHOTOS,
)
_RN_SMOKE = smoke(
    _RN_PAPER,
    partial(RN, base=4, blocks=1),
    phases=(Phase(steps=2, size=64, batch=2, lr=1e-4, lr_end=1e-4),),
)

# ---------------------------------------------------------------------------------------- ISNet

_ISNET_PAPER = Recipe(
    name="isnet-paper",
    title="ISNet (paper size)",
    summary="Two interacting branches, at their published size.",
    source='Li et al., "Interactive Separation Network for Image Inpainting", 2020',
    network=partial(ISNet, use_mask=False),
    losses=LossWeights(
        known=1,
        hole=1,
        per_hole_pixel=True,
        perceptual=0.1,
        style=250,
        features_of=("prediction",),
        adversarial=0.1,
        # 10 for the sum over four layers, of which the term is the mean
        feature_matching=40,
    ),
    vgg_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    discriminator=Discriminator(_PATCHGAN, lr=0.1, sees="hole", sees_hole=False),
    phases=(Phase(steps=500_000, size=256, batch=6, lr=1e-4, lr_end=1e-4),),
    betas=(0.0, 0.9),
    **_PUBLISHED,
)
_ISNET_PHOTO = replace(
    _ISNET_PAPER,
    name="isnet-photo",
    title="ISNet, photos",
    summary="Interactive separation, trained on photographs.",
    network=partial(ISNet, base=16, blocks=2, space_to_depth=2, residual=True),
    **_ON_PHOTOS,
)
_ISNET_SMOKE = smoke(_ISNET_PAPER, partial(ISNet, base=4, blocks=1))

# ----------------------------------------------------------------------------------------- LaMa

_LAMA_PAPER = Recipe(
    name="lama-paper",
    title="LaMa-Fourier (paper size)",
    summary="Fast Fourier convolutions, at their published size.",
    source='Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", 2022',  # noqa: E501
    network=partial(LaMa, base=64, blocks=9),
    losses=LossWeights(
        known=10,
        hole=0,
        perceptual=30,
        features_of=("prediction",),
        adversarial=10,
        feature_matching=100,
    ),
    discriminator=Discriminator(
        partial(_PATCHGAN, strided=4, norm="batch"),
        loss="non-saturating",
        lr=0.1,
        sees="prediction",
        sees_hole=False,
        known_is_real=True,
        r1=0.001,
    ),
    holes=("thick",),
    phases=(Phase(steps=1_000_000, size=256, batch=30, lr=1e-3, lr_end=1e-3),),
    betas=(0.9, 0.999),
    **_PUBLISHED | {"clip": 1.0},
)
_LAMA_PHOTO = replace(
    _LAMA_PAPER,
    name="lama-photo",
    title="LaMa, photos",
    summary="Fast Fourier convolutions, trained on photographs.",
    network=partial(LaMa, base=64, blocks=9, halvings=2, space_to_depth=2, residual=True),
    **_ON_PHOTOS,
)
_LAMA_SMOKE = smoke(_LAMA_PAPER, partial(LaMa, base=4, blocks=1))

# -------------------------------------------------------------------------------------- SPG-Net

_SPGNET_PAPER = Recipe(
    name="spgnet-paper",
    title="SPG-Net (paper size)",
    summary="Completes the class map, then fills from it; of paper size.",
    source='Song et al., "SPG-Net: Segmentation Prediction and Guidance Network for Image Inpainting", 2018',  # noqa: E501
    network=partial(SPGNet, classes=8),
    classes=generic_classes(8),
    losses=LossWeights(
        known=1,
        hole=6,
        perceptual=10,
        features_of=("prediction",),
        segmentation=1,
        # 1 and 10 for each of two discriminators, of which these terms are the mean; and 4 times
        # as much for pix2pixHD's weights of the layers
        adversarial=2,
        feature_matching=80,
    ),
    vgg_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    discriminator=Discriminator(
        partial(ImageAndMapGAN, classes=8),
        lr=4.0,
        sees="prediction",
        sees_hole=False,
        sees_classes=True,
    ),
    phases=(
        Phase(steps=15_000, size=256, batch=4, lr=1e-4, lr_end=1e-4, teacher=1),
        Phase(steps=60_000, size=256, batch=4, lr=1e-4, lr_end=1e-4),
    ),
    betas=(0.0, 0.9),
    **_PUBLISHED,
)
_SPGNET_STREET = replace(
    _SPGNET_PAPER,
    name="spgnet-street",
    title="SPG-Net, streets",
    summary="Completes and follows a class map of a street scene.",
    network=partial(
        SPGNet, classes=11, base=16, blocks=4, space_to_depth=2, skips=True, residual=True
    ),
    losses=LossWeights(known=1, hole=6, segmentation=0.2),
    phases=(
        Phase(steps=100, size=128, batch=8, lr=1e-3, lr_end=1e-3, teacher=1),
        Phase(steps=350, size=128, batch=8, lr=1e-3, lr_end=2e-5, teacher=0.3),
    ),
    ema=0.99,
    **_ON_STREETS,
)
_SPGNET_FLUORESCENCE = replace(
    _SPGNET_STREET,
    name="spgnet-fluorescence",
    title="SPG-Net, fluorescence",
    summary="Completes and follows a map of background, nuclei and their boundaries.",
    network=partial(
        SPGNet,
        classes=3,
        base=16,
        blocks=4,
        space_to_depth=2,
        skips=True,
        residual=True,
        with_plate=True,
    ),
    classes=NUCLEI,
    instances=True,
    unlabelled=True,
    domain="fluorescence",
    split="nuclei",
    losses=LossWeights(known=0.2, hole=6, square=20, decibels=0.05, segmentation=0.2),
    training_data=(DSB, PHOTOS),
    ema=0.995,
    licence="BSD-3-Clause",
    augment=Augment(turn=True),
    holes=("irregular", "thick", "discs"),
    hole_share=(0.03, 0.5),
    zoom=1.5,
    phases=(
        Phase(steps=300, size=128, batch=8, lr=1e-3, lr_end=1e-3, teacher=1),
        Phase(steps=2_300, size=128, batch=8, lr=1e-3, lr_end=5e-5, teacher=0.3),
        Phase(steps=900, size=128, batch=8, lr=5e-4, lr_end=1e-5, teacher=0.3),
        Phase(steps=1_500, size=128, batch=8, lr=6e-4, lr_end=1e-5, teacher=0.3),
        Phase(steps=1_000, size=128, batch=8, lr=6e-4, lr_end=1e-5, teacher=0.3),
    ),
    # Noise goes on in thin holes too.
    patches=partial(PatchMatch, blur=3, strength=1.0, rim=2),
)
_SPGNET_SMOKE = smoke(
    _SPGNET_PAPER,
    partial(SPGNet, classes=3, base=4, blocks=1),
    discriminator={"classes": 3, "scales": 2},
    classes=generic_classes(3),
)

# -------------------------------------------------------------------------------------- SGE-Net

_SGENET_PAPER = Recipe(
    name="sgenet-paper",
    title="SGE-Net (paper size)",
    summary="Guides the fill by a class map and doubts it where it is unsure; of paper size.",
    source='Liao et al., "Guidance and Evaluation: Semantic-Aware Image Inpainting for Mixed Scenes", 2020',  # noqa: E501
    network=partial(SGENet, classes=8),
    classes=generic_classes(8),
    losses=LossWeights(
        known=1,
        hole=1,
        coarse=1,
        perceptual=0.1,
        features_of=("prediction", "coarse"),
        segmentation=1,
        adversarial=0.05,
    ),
    vgg_layers=("relu2_2", "relu3_3", "relu4_3"),
    discriminator=Discriminator(
        MultiScalePatchGAN, loss="minimax", sees="prediction", sees_hole=False
    ),
    phases=(Phase(steps=300_000, size=256, batch=8, lr=2e-4, lr_end=2e-4),),
    betas=(0.5, 0.999),
    **_PUBLISHED,
)
_SGENET_STREET = replace(
    _SGENET_PAPER,
    name="sgenet-street",
    title="SGE-Net, streets",
    summary="Guides the fill of a street scene by its class map, and says where it is unsure.",
    network=partial(SGENet, classes=11, base=16, hidden=32, space_to_depth=2, residual=True),
    losses=LossWeights(known=1, hole=6, decibels=0.05, coarse=0.5, segmentation=0.2),
    phases=(
        Phase(steps=2_700, size=128, batch=8, lr=1e-3, lr_end=1e-4, teacher=0.3),
        Phase(steps=200, size=192, batch=4, lr=1e-4, lr_end=1e-5, teacher=0.3),
        Phase(steps=1_800, size=128, batch=8, lr=7e-4, lr_end=2e-5, teacher=0.3),
        Phase(steps=1_000, size=128, batch=8, lr=5e-4, lr_end=1e-5, teacher=0.3),
    ),
    ema=0.999,
    **_ON_STREETS,
)
_SGENET_DRAWN = replace(
    _SGENET_STREET,
    name="sgenet-drawn",
    title="SGE-Net, drawn streets",
    summary="Guides the fill of a street by its class map; trained on drawn streets, without data.",
    drawn=Drawn("street", size=192),
    zoom=1.5,
    training_data=(DRAWN_STREETS,),
    licence="BSD-3-Clause",
)
_SGENET_SMOKE = smoke(
    _SGENET_PAPER,
    partial(SGENet, classes=3, base=4, hidden=4),
    discriminator={"scales": 2},
    classes=generic_classes(3),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        _BLEND_PHOTO,
        _BLEND_SMOKE,
        _PCONV_PAPER,
        _PCONV_PHOTO,
        _PCONV_UPSCALE,
        _PCONV_SMOKE,
        _RN_PAPER,
        _RN_PHOTO,
        _RN_SMOKE,
        _ISNET_PAPER,
        _ISNET_PHOTO,
        _ISNET_SMOKE,
        _LAMA_PAPER,
        _LAMA_PHOTO,
        _LAMA_SMOKE,
        _SPGNET_PAPER,
        _SPGNET_STREET,
        _SPGNET_FLUORESCENCE,
        _SPGNET_SMOKE,
        _SGENET_PAPER,
        _SGENET_STREET,
        _SGENET_DRAWN,
        _SGENET_SMOKE,
    )
}
