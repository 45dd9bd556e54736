"""What a recipe is: everything that decides what a training makes, but for the pictures."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.weightless.patches import PatchMatch
from training.data.dataset import Augment
from training.networks.layers import Network


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
    """L1 of features, summed over the layers and over what ``features_of`` names."""
    perceptual_distance: float = 0.0
    """Squared distance of unit features inside the hole, as ``evaluate`` measures it."""
    style: float = 0.0
    """L1 of the features' Gram matrices, summed alike."""
    features_of: tuple[Literal["composite", "prediction", "coarse"], ...] = ("composite",)
    """What the feature terms look at; "coarse": each prediction at a coarser scale, enlarged."""
    square: float = 0.0
    """Mean square inside the hole: nearer to the truth in dB, where L1 paints what is likeliest."""
    decibels: float = 0.0
    """PSNR inside the hole, negated: each picture counts alike, however hard it is."""
    total_variation: float = 0.0
    """L1 of neighbours' differences in the composite, inside the hole grown by one pixel."""
    coarse: float = 0.0
    """L1 of the predictions at coarser scales."""
    segmentation: float = 0.0
    """Cross-entropy of the class maps."""
    adversarial: float = 0.0
    """What the discriminator says of the fill."""
    feature_matching: float = 0.0
    """L1 of the discriminator's features of the fill and of the truth."""


@dataclass(frozen=True)
class Discriminator:
    """What the fill is judged by: its network, what that sees, and how it learns.

    It sees images (3 channels), then the hole, then class probabilities, as far as asked for.
    """

    network: Callable[..., nn.Module]
    """Makes it; its answer is that of `MultiScalePatchGAN`."""
    loss: Literal["hinge", "non-saturating", "minimax"] = "hinge"
    """A key of `losses.GANS`."""
    lr: float = 1.0
    """Its learning rate, as a multiple of the network's."""
    sees: Literal["composite", "prediction", "hole", "features"] = "composite"
    """What of a fill: "hole" is the prediction there, and zero elsewhere; "features" are those of
    the first image that the feature terms look at. Truths are seen whole."""
    sees_hole: bool = True
    """Whether it is shown where the hole is."""
    sees_classes: bool = False
    """Whether it is shown class probabilities: one-hot labels beside the truth."""
    known_is_real: bool = False
    """Whether it learns to call a fill's known pixels real, and only the hole's pixels fake."""
    r1: float = 0.0
    """What the squared gradient of its scores of truths counts in its loss (R1)."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training with settings of its own."""

    steps: int
    """How many steps it has."""
    size: int
    """Side of the square crops, px."""
    batch: int
    """Crops in a step, on each device."""
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
    """What is drawn: a key of `drawn.SCENES`."""
    share: float = 1.0
    """How much of what is trained on they are; with 1, no folder is needed."""
    size: int = 256
    """Their side, px."""


@dataclass(frozen=True)
class DataSource:
    """A set of pictures that an artifact saw, and the terms under which it may be used."""

    name: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A configuration; ``recipes.py`` has them all, each a difference to another one."""

    name: str
    title: str
    """What a person reads in the list of models."""
    summary: str
    source: str
    """The paper; goes into the manifest."""
    network: Callable[[], Network]
    """Makes the untrained network."""
    phases: tuple[Phase, ...]
    """What is trained, one after another."""
    betas: tuple[float, float]
    """Decay per step of Adam's two averages, of the gradient and of its square."""
    decay: float
    """AdamW's weight decay: per step, weights shrink by this times the rate; 0 is plain Adam."""
    clip: float | None
    """Largest norm of a step's gradient, the discriminator's likewise; None: as it comes."""
    ema: float
    """Decay per step of the averaged weights, which are exported; with 0 they are the last ones."""
    domain: str = "photo"
    """What the pictures show: "photo", "fluorescence", ...; goes into the manifest."""
    classes: tuple[ClassInfo, ...] = ()
    """In the order of the class map's ids; empty for pictures without class maps."""
    unlabelled: bool = False
    """Whether pictures without class maps are taken too, to learn filling alone."""
    instances: bool = False
    """Whether the labels are instances: they become background, inside and boundary."""
    split: str = ""
    """Name of the list of validation files in ``data/splits/``; "" keeps every twentieth."""
    losses: LossWeights = field(default_factory=LossWeights)
    """What the network learns from."""
    features: Literal["vgg16", "efficientnet-lite0"] = "vgg16"
    """What the feature terms look through; without VGG-16's weights, a bank of random filters."""
    vgg_layers: tuple[str, ...] = ("pool1", "pool2", "pool3")
    """Which of VGG-16's layers."""
    shift: int = 0
    """Before features are taken, the truth and its fill are rolled alike, by less than this many
    px: a feature network's strides see every pixel alike then, and no grid is learned from them."""
    discriminator: Discriminator | None = None
    """What the network learns from besides."""
    holes: tuple[str, ...] = ("irregular",)
    """Kinds of holes, keys of `holes.KINDS`."""
    hole_share: tuple[float, float] = (0.1, 0.5)
    """Smallest and largest share of hole pixels in a training crop."""
    zoom: float = 2.5
    """Crops cover up to ``zoom * size`` px of the picture before they are shrunk."""
    short_side: int = 0
    """Pictures are shrunk to this short side, px, when they are read; 0 keeps them."""
    drawn: Drawn | None = None
    """Drawn scenes among the pictures, or in their place."""
    augment: Augment = field(default_factory=Augment)
    """What is varied at random beside the crop."""
    seed: int = 0
    """With a step's number, all that chance depends on."""
    working_size: int = 256
    """Wider holes are filled at reduced size first, px."""
    context: int = 64
    """Known margin that the network wants around a hole, px."""
    training_data: tuple[DataSource, ...] = ()
    """What the artifact saw; goes into the manifest."""
    licence: str = "BSD-3-Clause"
    """Terms of the artifact; goes into the manifest."""
    channels: int | None = 3
    """Channels of the images that the network takes; None: any."""
    patches: Callable[[], PatchMatch] | None = None
    """Gives the artifact's fill its detail, from patches of the surroundings."""

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
