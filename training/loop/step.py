"""One step: the terms of the loss, and what is learned from them."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.data.dataset import Batch
from training.loop import losses
from training.loop.checkpoint import TrainingState
from training.networks.layers import Outputs
from training.recipe import Discriminator, Phase, Recipe

Seen = Tensor | list[Tensor]
"""What a discriminator sees: images (N, C, H, W), or features layer by layer."""


def look(
    recipe: Recipe, phase: Phase, step: int, extract: nn.Module, outputs: Outputs, batch: Batch
) -> losses.Features | None:
    """Take the features that a step's terms need; None if they need none."""
    image, hole, _ = batch
    weights, settings = recipe.losses, recipe.discriminator
    for_terms = weights.perceptual or weights.style or weights.perceptual_distance
    judged = phase.adversarial and settings is not None and settings.sees == "features"
    if not for_terms and not judged:
        return None
    fills = losses.looked_at(weights, outputs.images, image, hole)
    if recipe.shift:
        shifts = np.random.default_rng([recipe.seed, step, 1]).integers(recipe.shift, size=2)
        image, hole, *fills = (x.roll(shifts.tolist(), (2, 3)) for x in (image, hole, *fills))
    with torch.no_grad():
        truth = extract(image)
    return losses.Features(truth, [extract(fill) for fill in fills], hole)


def network_terms(
    recipe: Recipe, outputs: Outputs, batch: Batch, features: losses.Features | None
) -> dict[str, Tensor]:
    """Compute the terms that need no discriminator, those that count nothing left out."""
    image, hole, labels = batch
    weights = recipe.losses
    terms = losses.pixel_terms(weights, outputs.images[0], image, hole)
    if features is not None:
        terms |= losses.feature_terms(weights, features)
    if weights.coarse:
        terms["coarse"] = losses.coarse_l1(outputs.images[1:], image)
    if weights.segmentation:
        terms["segmentation"] = losses.segmentation_loss(outputs, labels, hole)
    return terms


def discriminator_input(
    settings: Discriminator, image: Tensor, hole: Tensor, probabilities: Tensor, labels: Tensor
) -> Tensor:
    """Put together what a discriminator sees.

    Parameters
    ----------
    settings : Discriminator
        Says which of these.
    image, hole : Tensor
        (N, 3, H, W) and (N, 1, H, W).
    probabilities, labels : Tensor
        (N, K, H, W) and (N, H, W); unlabelled pixels have no class in any map.

    Returns
    -------
    Tensor
        (N, C, H, W), C up to 4 + K.
    """
    seen = [image]
    if settings.sees_hole:
        seen.append(hole)
    if settings.sees_classes:
        seen.append(probabilities * (labels != 255)[:, None])
    return torch.cat(seen, 1)


def fill_for_discriminator(
    settings: Discriminator, prediction: Tensor, image: Tensor, hole: Tensor
) -> Tensor:
    """Return what a discriminator sees of a fill, (N, 3, H, W)."""
    if settings.sees == "prediction":
        return prediction
    outside = image if settings.sees == "composite" else torch.zeros_like(image)
    return torch.where(hole > 0, prediction, outside)


def truth_and_fill(
    recipe: Recipe,
    settings: Discriminator,
    outputs: Outputs,
    batch: Batch,
    features: losses.Features | None,
) -> tuple[Seen, Seen]:
    """Return what the discriminator sees of the truth and of the fill."""
    image, hole, labels = batch
    if features is not None and settings.sees == "features":
        return features.truth, features.fills[0]
    fill = fill_for_discriminator(settings, outputs.images[0], image, hole)
    true_classes = classes = image  # not looked at without classes
    if settings.sees_classes:
        known = labels.where(labels != 255, 0)
        one_hot = F.one_hot(known, len(recipe.classes)).permute(0, 3, 1, 2)
        true_classes, classes = one_hot.to(image.dtype), outputs.logits[0].softmax(1)
    return (
        discriminator_input(settings, image, hole, true_classes, labels),
        discriminator_input(settings, fill, hole, classes, labels),
    )


def train_discriminator(
    recipe: Recipe,
    settings: Discriminator,
    state: TrainingState,
    fabric: Fabric,
    seen: tuple[Seen, Seen],
    hole: Tensor,
) -> Tensor:
    """Learn to tell fills from truths, for one step; return the loss.

    Parameters
    ----------
    recipe, settings
        What is trained.
    state : TrainingState
        Its discriminator learns.
    fabric : Fabric
        Device and precision.
    seen : tuple of Tensor
        What `truth_and_fill` returns.
    hole : Tensor
        (N, 1, H, W).
    """
    assert state.discriminator is not None
    assert state.discriminator_optimizer is not None
    gan = losses.GANS[settings.loss]
    real, fake = (
        [x.detach() for x in each] if isinstance(each, list) else each.detach() for each in seen
    )
    of_fake = state.discriminator(fake)
    inputs = real if isinstance(real, list) else [real]
    if settings.r1:  # Fabric's wrapper allows no gradient but that of `fabric.backward`
        for x in inputs:
            x.requires_grad_()
        with fabric.autocast():
            of_real = state.discriminator.module(real)
    else:
        of_real = state.discriminator(real)
    only_in = hole if settings.known_is_real else None
    loss = torch.stack(
        [
            losses.discriminator_loss(gan, truth[-1], fill[-1], only_in)
            for truth, fill in zip(of_real, of_fake, strict=True)
        ]
    ).mean()
    if settings.r1:
        slopes = losses.gradient_penalty([scale[-1] for scale in of_real], inputs)
        loss = loss + settings.r1 * slopes
    learn(recipe, fabric, loss, state.discriminator, state.discriminator_optimizer)
    return loss.detach()


def learn(recipe: Recipe, fabric: Fabric, loss: Tensor, network: Any, optimizer: Any) -> None:
    """Take one step down a loss."""
    optimizer.zero_grad()
    fabric.backward(loss)
    if recipe.clip is not None:  # asking here whether all is finite would make a GPU wait
        fabric.clip_gradients(network, optimizer, max_norm=recipe.clip, error_if_nonfinite=False)
    optimizer.step()


def adversarial_terms(
    recipe: Recipe, settings: Discriminator, state: TrainingState, seen: tuple[Seen, Seen]
) -> dict[str, Tensor]:
    """Ask the discriminator about the fills; parameters as in `train_discriminator`."""
    assert state.discriminator is not None
    real, fake = seen
    terms = {}
    state.discriminator.requires_grad_(False)
    features = state.discriminator(fake)
    if recipe.losses.adversarial:
        costs = [losses.GANS[settings.loss].network(scale[-1]).mean() for scale in features]
        terms["adversarial"] = torch.stack(costs).mean()
    if recipe.losses.feature_matching:
        with torch.no_grad():
            true_features = state.discriminator(real)
        terms["feature_matching"] = losses.feature_matching(features, true_features)
    state.discriminator.requires_grad_(True)
    return terms


def train_step(
    recipe: Recipe,
    phase: Phase,
    state: TrainingState,
    fabric: Fabric,
    extract: nn.Module,
    batch: Batch,
) -> dict[str, Tensor]:
    """Learn from one batch.

    Returns
    -------
    dict of Tensor
        The loss, each of its terms, not weighted, and the discriminator's loss: scalars.
    """
    image, hole, labels = batch
    image = image.contiguous(memory_format=torch.channels_last)
    batch = image, hole, labels
    state.network.train()
    if phase.freeze_encoder_norm:
        state.network.freeze_encoder_norm()
    rate = phase.learning_rate(recipe.phase_at(state.step)[1])
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    guided = np.random.default_rng([recipe.seed, state.step]).random() < phase.teacher
    outputs = state.network.outputs(image, hole, labels if guided else None)
    with fabric.autocast():
        features = look(recipe, phase, state.step, extract, outputs, batch)
    terms = network_terms(recipe, outputs, batch, features)
    noted: dict[str, Tensor] = {}
    settings = recipe.discriminator
    if settings is not None and state.discriminator_optimizer is not None and phase.adversarial:
        for group in state.discriminator_optimizer.param_groups:
            group["lr"] = rate * settings.lr
        seen = truth_and_fill(recipe, settings, outputs, batch, features)
        where = hole if features is None or settings.sees != "features" else features.hole
        noted["discriminator"] = train_discriminator(recipe, settings, state, fabric, seen, where)
        terms |= adversarial_terms(recipe, settings, state, seen)
    loss = torch.stack([getattr(recipe.losses, name) * term for name, term in terms.items()]).sum()
    learn(recipe, fabric, loss, state.network, state.optimizer)
    state.average.update_parameters(state.network.module)
    state.step += 1
    return {"loss": loss.detach()} | noted | terms


def check_finite(step: int, phase: Phase, terms: dict[str, Tensor], state: TrainingState) -> None:
    """Refuse to go on once a loss or a weight is not finite: no later step mends a weight.

    Raises
    ------
    FloatingPointError
        Naming the terms' values.
    """
    learned = [*state.network.parameters()]
    if state.discriminator is not None:
        learned += state.discriminator.parameters()
    good = torch.stack([x.detach().isfinite().all() for x in (terms["loss"], *learned)])
    if not good.all():
        what = f"weights after step {step} are" if good[0] else f"loss of step {step} is"
        values = {name: round(term.item(), 4) for name, term in terms.items()}
        raise FloatingPointError(
            f"The {what} not finite; {phase.batch} crops of {phase.size} px gave {values}. "
            "The checkpoint holds the last good state; lower the learning rate."
        )
