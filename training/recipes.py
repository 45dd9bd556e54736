"""Every training configuration by name; each is a difference to another one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from training.pconv import PConvUNet


@dataclass(frozen=True)
class LossWeights:
    """What each term of the sum counts. Defaults: PConv's published weights."""

    known: float = 1.0
    hole: float = 6.0
    perceptual: float = 0.05
    style: float = 120.0
    total_variation: float = 0.1

    features_of_prediction: bool = True
    """Whether the feature terms look at the raw prediction too, not at the composite alone."""


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
    network: Callable[[], nn.Module]
    phases: tuple[Phase, ...]
    domain: str
    """What the pictures show: "photo", "fluorescence", ...; goes into the manifest."""
    split: str
    """Name of the list of validation files in ``training/splits``; "" keeps every twentieth."""
    losses: LossWeights = LossWeights()
    hole_share: tuple[float, float] = (0.1, 0.5)
    """Smallest and largest share of hole pixels in a training crop."""
    zoom: float = 2.5
    """Crops cover up to ``zoom * size`` px of the picture before they are shrunk."""
    short_side: int = 0
    """Pictures are shrunk to this short side when they are read; 0 keeps them."""
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

    def build(self) -> nn.Module:
        """Make the untrained network."""
        return self.network()

    @property
    def steps(self) -> int:
        """Steps of all phases together."""
        return sum(phase.steps for phase in self.phases)


_PCONV_PAPER = Recipe(
    name="pconv-paper",
    title="PConv (paper size)",
    summary="U-Net of partial convolutions, as published.",
    source='Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions", 2018',
    network=partial(PConvUNet, base=64, levels=7),
    phases=(
        Phase(steps=500_000, size=256, batch=16, lr=2e-4, lr_end=2e-4),
        Phase(steps=500_000, size=256, batch=16, lr=5e-5, lr_end=5e-5, freeze_encoder_norm=True),
    ),
    domain="photo",
    split="",
)

_PCONV_PHOTO = replace(
    _PCONV_PAPER,
    name="pconv-photo",
    title="PConv, photos",
    summary="Partial convolutions, trained on photographs: structure and colour, soft detail.",
    training_data=(
        DataSource(
            "1,529 photographs from openly licensed software and textbooks",
            "CC0, public domain, CC BY, CC BY-SA, Unsplash, Pexels",
        ),
    ),
    network=partial(PConvUNet, base=32, levels=7),
    split="photos",
    # The filter bank's Gram matrices are some twenty times smaller than VGG's.
    losses=LossWeights(style=2_000, features_of_prediction=False),
    phases=(
        Phase(steps=5_500, size=128, batch=16, lr=1e-3, lr_end=3e-4),
        Phase(steps=500, size=192, batch=8, lr=2e-4, lr_end=1e-5, freeze_encoder_norm=True),
    ),
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

RECIPES = {recipe.name: recipe for recipe in (_PCONV_PAPER, _PCONV_PHOTO, _PCONV_SMOKE)}
