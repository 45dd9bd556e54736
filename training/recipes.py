"""Every training configuration by name; each is a difference to another one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from torch import nn

from napari_inpaint.backend import ClassInfo
from training.data import Augment
from training.isnet import ISNet
from training.lama import LaMa
from training.layers import MultiScalePatchGAN, Network
from training.patchmatch import PatchMatch, SmoothFill
from training.pconv import PConvUNet
from training.rn import RN
from training.sgenet import SGENet
from training.spgnet import SPGNet


@dataclass(frozen=True)
class LossWeights:
    """What each term of the sum counts; a term that counts nothing is not computed."""

    known: float = 1.0
    """L1 outside the hole."""
    hole: float = 6.0
    """L1 inside the hole."""
    per_hole_pixel: bool = False
    """Whether both L1 terms are divided by the hole's share, as EdgeConnect's family does."""
    perceptual: float = 0.0
    style: float = 0.0
    features_of_prediction: bool = False
    """Whether the feature terms look at the raw prediction too, not at the composite alone."""
    total_variation: float = 0.0
    coarse: float = 0.0
    """L1 of the predictions at coarser scales."""
    segmentation: float = 0.0
    """Cross-entropy of the class maps."""
    adversarial: float = 0.0
    feature_matching: float = 0.0


@dataclass(frozen=True)
class Phase:
    """A stretch of training with settings of its own."""

    steps: int
    size: int
    """Side of the square crops, px."""
    batch: int
    lr: float
    """Learning rate at the start of the phase; it falls to ``lr_end`` along half a cosine."""
    lr_end: float
    freeze_encoder_norm: bool = False
    """PConv's fine-tuning: encoder batch norms in evaluation mode."""
    adversarial: bool = True
    """Whether the discriminator, where the recipe has one, takes part."""
    teacher: float = 0.0
    """Share of the steps in which true labels guide the fill, as if a person had painted them."""


@dataclass(frozen=True)
class DataSource:
    """A set of pictures that an artifact saw, and the terms under which it may be used."""

    name: str
    licence: str


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training makes, but for the pictures."""

    name: str
    title: str
    """What a person reads in the list of models."""
    summary: str
    source: str
    """The paper."""
    network: Callable[[], Network]
    phases: tuple[Phase, ...]
    domain: str = "photo"
    """What the pictures show: "photo", "fluorescence", ...; goes into the manifest."""
    classes: tuple[ClassInfo, ...] = ()
    """In the order of the class map's ids; empty for pictures without class maps."""
    instances: bool = False
    """Whether the labels are instances: they become background, inside and boundary."""
    split: str = ""
    """Name of the list of validation files in ``training/splits``; "" keeps every twentieth."""
    losses: LossWeights = field(default_factory=LossWeights)
    discriminator: Callable[[], nn.Module] | None = None
    """Sees image, hole and, with ``discriminate_maps``, class probabilities."""
    discriminate_maps: bool = False
    gan: Literal["hinge", "non-saturating"] = "hinge"
    discriminator_lr: float = 1.0
    """The discriminator's learning rate, as a multiple of the network's."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of Adam."""
    holes: tuple[str, ...] = ("irregular",)
    """Kinds of holes, names from `training.masks.KINDS`."""
    hole_share: tuple[float, float] = (0.1, 0.5)
    """Smallest and largest share of hole pixels in a training crop."""
    zoom: float = 2.5
    """Crops cover up to ``zoom * size`` px of the picture before they are shrunk."""
    short_side: int = 0
    """Pictures are shrunk to this short side when they are read; 0 keeps them."""
    augment: Augment = field(default_factory=Augment)
    ema: float = 0.999
    """Decay per step of the averaged weights, which are the ones that are exported."""
    clip: float = 1.0
    """Largest norm of a step's gradient."""
    seed: int = 0
    working_size: int = 256
    """Wider holes are filled at reduced size first, px."""
    context: int = 64
    """Known margin that the network wants around a hole, px."""
    training_data: tuple[DataSource, ...] = ()
    licence: str = "BSD-3-Clause"
    channels: int | None = 3
    """Channels of the images that the network takes; None: any."""
    patches: Callable[[], PatchMatch] | None = None
    """Gives the artifact's fill its detail, from patches of the surroundings."""

    def build(self) -> Network:
        """Make the untrained network."""
        return self.network()

    @property
    def steps(self) -> int:
        """Steps of all phases together."""
        return sum(phase.steps for phase in self.phases)


def tiny(*phases: Phase) -> tuple[Phase, ...]:
    """Shrink phases to two steps of small crops: the way from data to artifact, in seconds."""
    return tuple(replace(phase, steps=2, size=64, batch=2) for phase in phases)


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

STREET = (
    ClassInfo("sky", "#4682b4"),
    ClassInfo("building", "#7f5f4f"),
    ClassInfo("pole", "#c0c0c0"),
    ClassInfo("road", "#804080"),
    ClassInfo("pavement", "#f423e8"),
    ClassInfo("tree", "#3f8f3f"),
    ClassInfo("sign", "#dcdc00"),
    ClassInfo("fence", "#be9999"),
    ClassInfo("car", "#3050d0"),
    ClassInfo("pedestrian", "#dc143c"),
    ClassInfo("bicyclist", "#ff8c00"),
)
NUCLEI = (
    ClassInfo("background", "#303030"),
    ClassInfo("nucleus", "#2ca02c"),
    ClassInfo("boundary", "#ffbf00"),
)

_PATCHGAN = partial(MultiScalePatchGAN, scales=1, channels=4)
_PATCHGAN_SLIM = partial(MultiScalePatchGAN, scales=1, channels=4, base=32)

# ---------------------------------------------------------------------------------------- PConv

_PCONV_PAPER = Recipe(
    name="pconv-paper",
    title="PConv (paper size)",
    summary="U-Net of partial convolutions, as published.",
    source='Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", 2018',
    network=partial(PConvUNet, base=64, levels=7),
    losses=LossWeights(
        perceptual=0.05, style=120, total_variation=0.1, features_of_prediction=True
    ),
    phases=(
        Phase(steps=500_000, size=256, batch=16, lr=2e-4, lr_end=2e-4),
        Phase(steps=500_000, size=256, batch=16, lr=5e-5, lr_end=5e-5, freeze_encoder_norm=True),
    ),
)
_PCONV_PHOTO = replace(
    _PCONV_PAPER,
    name="pconv-photo",
    title="PConv, photos",
    summary="Partial convolutions, trained on photographs; detail from the surroundings' patches.",
    network=partial(PConvUNet, base=32, levels=6, residual=True),
    split="photos",
    training_data=(PHOTOS,),
    # The filter bank's Gram matrices are some twenty times smaller than VGG's.
    losses=LossWeights(perceptual=0.05, style=2_000, total_variation=0.1),
    phases=(
        Phase(steps=2_486, size=128, batch=16, lr=1e-3, lr_end=6e-4),
        Phase(steps=650, size=128, batch=16, lr=6e-4, lr_end=6e-5),
        Phase(steps=250, size=192, batch=8, lr=1e-4, lr_end=1e-5, freeze_encoder_norm=True),
    ),
    # Chosen on training pictures: 0.4 dB above Telea at four fifths of its texture distance.
    patches=partial(PatchMatch, blur=4, strength=0.8),
)
_PCONV_SMOKE = replace(
    _PCONV_PAPER,
    name="pconv-smoke",
    network=partial(PConvUNet, base=4, levels=5),
    phases=(
        Phase(steps=6, size=64, batch=2, lr=1e-3, lr_end=1e-3),
        Phase(steps=2, size=64, batch=2, lr=1e-3, lr_end=1e-4, freeze_encoder_norm=True),
    ),
)

# ----------------------------------------------------------------------------------- PatchMatch

_PATCHMATCH = Recipe(
    name="patchmatch",
    title="PatchMatch",
    summary="Patches of the surroundings, found coarse to fine; no weights, any kind of image.",
    source='Barnes et al., "PatchMatch: A Randomized Correspondence Algorithm", 2009',
    network=SmoothFill,
    phases=(),
    domain="",
    channels=None,
    patches=PatchMatch,
)

# ------------------------------------------------------------------------- Region normalisation

_RN_PAPER = Recipe(
    name="rn-paper",
    title="RN (paper size)",
    summary="Region normalisation in an encoder-decoder, as published.",
    source='Yu et al., "Region Normalization for Image Inpainting", 2020',
    network=RN,
    losses=LossWeights(known=0, hole=1, per_hole_pixel=True, adversarial=0.1),
    discriminator=_PATCHGAN,
    gan="non-saturating",
    discriminator_lr=0.1,
    betas=(0.0, 0.9),
    phases=(Phase(steps=1_200_000, size=256, batch=14, lr=1e-4, lr_end=1e-5),),
)
_RN_PHOTO = replace(
    _RN_PAPER,
    name="rn-photo",
    title="RN, photos",
    summary="Region normalisation, trained on photographs.",
    network=partial(RN, base=24, blocks=8),
    losses=LossWeights(known=1, hole=6, perceptual=0.05, style=2_000, adversarial=0.01),
    discriminator=_PATCHGAN_SLIM,
    gan="hinge",
    discriminator_lr=1.0,
    betas=(0.5, 0.99),
    split="photos",
    training_data=(PHOTOS,),
    phases=(
        Phase(steps=8_000, size=128, batch=8, lr=5e-4, lr_end=2e-4, adversarial=False),
        Phase(steps=4_000, size=128, batch=8, lr=2e-4, lr_end=2e-5),
    ),
)
_RN_SMOKE = replace(
    _RN_PAPER,
    name="rn-smoke",
    network=partial(RN, base=4, blocks=1),
    discriminator=partial(MultiScalePatchGAN, scales=1, channels=4, base=4),
    phases=tiny(*_RN_PAPER.phases),
)

# ---------------------------------------------------------------------------------------- ISNet

_ISNET_PAPER = Recipe(
    name="isnet-paper",
    title="ISNet (paper size)",
    summary="Two interacting branches, as published.",
    source='Li et al., "Interactive Separation Network for Image Inpainting", 2020',
    network=partial(ISNet, use_mask=False),
    losses=LossWeights(
        known=1,
        hole=1,
        per_hole_pixel=True,
        perceptual=0.1,
        style=250,
        adversarial=0.1,
        feature_matching=10,
    ),
    discriminator=_PATCHGAN,
    discriminator_lr=0.1,
    betas=(0.0, 0.9),
    phases=(Phase(steps=500_000, size=256, batch=6, lr=1e-4, lr_end=1e-4),),
)
_ISNET_PHOTO = replace(
    _ISNET_PAPER,
    name="isnet-photo",
    title="ISNet, photos",
    summary="Interactive separation, trained on photographs.",
    network=partial(ISNet, base=12, blocks=2, use_mask=True),
    losses=_RN_PHOTO.losses,
    discriminator=_PATCHGAN_SLIM,
    discriminator_lr=1.0,
    betas=(0.5, 0.99),
    split="photos",
    training_data=(PHOTOS,),
    phases=_RN_PHOTO.phases,
)
_ISNET_SMOKE = replace(
    _ISNET_PAPER,
    name="isnet-smoke",
    network=partial(ISNet, base=4, blocks=1),
    discriminator=partial(MultiScalePatchGAN, scales=1, channels=4, base=4),
    phases=tiny(*_ISNET_PAPER.phases),
)

# ----------------------------------------------------------------------------------------- LaMa

_LAMA_PAPER = Recipe(
    name="lama-paper",
    title="LaMa-Fourier (paper size)",
    summary="Fast Fourier convolutions, as published.",
    source='Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", 2022',  # noqa: E501
    network=partial(LaMa, base=64, blocks=9),
    losses=LossWeights(known=10, hole=0, perceptual=30, adversarial=10, feature_matching=100),
    discriminator=partial(MultiScalePatchGAN, scales=1, channels=4, strided=4, norm="batch"),
    gan="non-saturating",
    discriminator_lr=0.1,
    holes=("thick", "boxes"),
    phases=(Phase(steps=1_000_000, size=256, batch=30, lr=1e-3, lr_end=1e-3),),
)
_LAMA_PHOTO = replace(
    _LAMA_PAPER,
    name="lama-photo",
    title="LaMa, photos",
    summary="Fast Fourier convolutions, trained on photographs.",
    network=partial(LaMa, base=24, blocks=9),
    losses=LossWeights(
        known=1, hole=6, perceptual=0.05, style=2_000, adversarial=0.02, feature_matching=1
    ),
    discriminator=_PATCHGAN_SLIM,
    gan="hinge",
    discriminator_lr=1.0,
    betas=(0.5, 0.99),
    holes=("irregular", "thick", "boxes"),
    split="photos",
    training_data=(PHOTOS,),
    phases=_RN_PHOTO.phases,
)
_LAMA_SMOKE = replace(
    _LAMA_PAPER,
    name="lama-smoke",
    network=partial(LaMa, base=4, blocks=1),
    discriminator=partial(MultiScalePatchGAN, scales=1, channels=4, base=4, norm="batch"),
    phases=tiny(*_LAMA_PAPER.phases),
)

# -------------------------------------------------------------------------------------- SPG-Net

_SPGNET_PAPER = Recipe(
    name="spgnet-paper",
    title="SPG-Net (paper size)",
    summary="Completes the class map, then fills from it, as published.",
    source='Song et al., "SPG-Net: Segmentation Prediction and Guidance Network for Image Inpainting", 2018',  # noqa: E501
    network=partial(SPGNet, classes=8),
    classes=generic_classes(8),
    losses=LossWeights(
        known=1, hole=6, perceptual=10, segmentation=1, adversarial=1, feature_matching=10
    ),
    discriminator=partial(MultiScalePatchGAN, scales=3, channels=12),
    discriminate_maps=True,
    discriminator_lr=4.0,
    betas=(0.0, 0.9),
    phases=(
        Phase(steps=15_000, size=256, batch=4, lr=1e-4, lr_end=1e-4, teacher=1),
        Phase(steps=60_000, size=256, batch=4, lr=1e-4, lr_end=1e-4),
    ),
)
_SPGNET_STREET = replace(
    _SPGNET_PAPER,
    name="spgnet-street",
    title="SPG-Net, streets",
    summary="Completes and follows a class map of a street scene.",
    network=partial(SPGNet, classes=11, base=16, blocks=6, fold=2, residual=True),
    classes=STREET,
    domain="street",
    # Detail comes from patches, so the network need not please a discriminator.
    losses=LossWeights(known=1, hole=6, segmentation=0.2),
    discriminator=None,
    discriminate_maps=False,
    betas=(0.9, 0.99),
    training_data=(CAMVID,),
    licence="research use only",
    phases=(
        Phase(steps=600, size=128, batch=8, lr=1e-3, lr_end=1e-3, teacher=1),
        Phase(steps=3_900, size=128, batch=8, lr=1e-3, lr_end=1e-4, teacher=0.3),
        Phase(steps=500, size=192, batch=4, lr=1e-4, lr_end=1e-5, teacher=0.3),
    ),
)
_SPGNET_NUCLEI = replace(
    _SPGNET_STREET,
    name="spgnet-nuclei",
    title="SPG-Net, nuclei",
    summary="Completes and follows a map of background, nuclei and their boundaries.",
    network=partial(SPGNet, classes=3, base=16, blocks=6, fold=2, residual=True),
    classes=NUCLEI,
    instances=True,
    domain="fluorescence",
    split="nuclei",
    training_data=(DSB,),
    licence="CC0-1.0",
    augment=Augment(turn=True),
    holes=("irregular", "thick", "discs"),
    zoom=1.5,
    phases=(
        Phase(steps=400, size=128, batch=8, lr=1e-3, lr_end=1e-3, teacher=1),
        Phase(steps=3_200, size=128, batch=8, lr=1e-3, lr_end=1e-4, teacher=0.3),
        Phase(steps=400, size=192, batch=4, lr=1e-4, lr_end=1e-5, teacher=0.3),
    ),
)
_SPGNET_SMOKE = replace(
    _SPGNET_PAPER,
    name="spgnet-smoke",
    network=partial(SPGNet, classes=3, base=4, blocks=1),
    classes=generic_classes(3),
    discriminator=partial(MultiScalePatchGAN, scales=2, channels=7, base=4),
    phases=tiny(*_SPGNET_PAPER.phases),
)

# -------------------------------------------------------------------------------------- SGE-Net

_SGENET_PAPER = Recipe(
    name="sgenet-paper",
    title="SGE-Net (paper size)",
    summary="Guides the fill by a class map and doubts it where it is unsure, as published.",
    source='Liao et al., "Guidance and Evaluation: Semantic-Aware Image Inpainting for Mixed Scenes", 2020',  # noqa: E501
    network=partial(SGENet, classes=8),
    classes=generic_classes(8),
    losses=LossWeights(
        known=1, hole=1, coarse=0.5, perceptual=0.1, segmentation=1, adversarial=0.05
    ),
    discriminator=partial(MultiScalePatchGAN, scales=3, channels=4),
    betas=(0.5, 0.999),
    phases=(Phase(steps=300_000, size=256, batch=8, lr=2e-4, lr_end=2e-4),),
)
_SGENET_STREET = replace(
    _SGENET_PAPER,
    name="sgenet-street",
    title="SGE-Net, streets",
    summary="Guides the fill of a street scene by its class map, and says where it is unsure.",
    network=partial(SGENet, classes=11, base=16, hidden=32, fold=2, residual=True),
    classes=STREET,
    domain="street",
    losses=LossWeights(known=1, hole=6, coarse=0.5, segmentation=0.2),
    discriminator=None,
    betas=(0.9, 0.99),
    training_data=(CAMVID,),
    licence="research use only",
    phases=(
        Phase(steps=4_500, size=128, batch=8, lr=1e-3, lr_end=1e-4, teacher=0.3),
        Phase(steps=500, size=192, batch=4, lr=1e-4, lr_end=1e-5, teacher=0.3),
    ),
)
_SGENET_SMOKE = replace(
    _SGENET_PAPER,
    name="sgenet-smoke",
    network=partial(SGENet, classes=3, base=4, hidden=4),
    classes=generic_classes(3),
    discriminator=partial(MultiScalePatchGAN, scales=2, channels=4, base=4),
    phases=tiny(*_SGENET_PAPER.phases),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        _PCONV_PAPER,
        _PCONV_PHOTO,
        _PCONV_SMOKE,
        _PATCHMATCH,
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
        _SPGNET_NUCLEI,
        _SPGNET_SMOKE,
        _SGENET_PAPER,
        _SGENET_STREET,
        _SGENET_SMOKE,
    )
}
