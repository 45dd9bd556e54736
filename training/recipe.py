"""What a recipe is: everything that decides what a training makes, but for the pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from napari_inpaint.backend import ClassInfo
from training.data import Augment
from training.layers import Network
from training.patchmatch import PatchMatch


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
    square: float = 0.0
    """Mean square inside the hole: nearer to the truth in dB, where L1 paints what is likeliest."""
    decibels: float = 0.0
    """PSNR inside the hole, negated: each picture counts alike, however hard it is."""
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

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from the start of the phase."""
        half_cosine = (1 + math.cos(math.pi * step / self.steps)) / 2
        return self.lr_end + (self.lr - self.lr_end) * half_cosine


@dataclass(frozen=True)
class Drawn:
    """Scenes that a program draws, alone or among the pictures of a folder."""

    scenes: str
    """Who draws them: a key of `training.drawn.SCENES`."""
    share: float = 1.0
    """How much of what is trained on they are; with 1, no folder is needed."""
    size: int = 256
    """Their side, px."""


@dataclass(frozen=True)
class DataSource:
    """A set of pictures that an artifact saw, and the terms under which it may be used."""

    name: str
    licence: str


@dataclass(frozen=True)
class Recipe:
    """A configuration; `training.recipes` has them all, each a difference to another one."""

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
    unlabelled: bool = False
    """Whether pictures without class maps are taken too, to learn filling alone."""
    instances: bool = False
    """Whether the labels are instances: they become background, inside and boundary."""
    split: str = ""
    """Name of the list of validation files in ``training/splits``; "" keeps every twentieth."""
    losses: LossWeights = field(default_factory=LossWeights)
    discriminator: Callable[..., nn.Module] | None = None
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
    drawn: Drawn | None = None
    """Drawn scenes among the pictures, or in their place."""
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

    def phase_at(self, step: int) -> tuple[int, int]:
        """Return the index of the phase that ``step`` belongs to, and the step's place in it."""
        for index, phase in enumerate(self.phases):
            if step < phase.steps:
                return index, step
            step -= phase.steps
        raise ValueError(f"{self.name} ends before that step.")
