"""One step: the terms of the loss, and what is learned from them."""

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from training import losses
from training.layers import Outputs
from training.recipe import Phase, Recipe
from training.state import State

Batch = tuple[Tensor, Tensor, Tensor]
"""Image (N, 3, H, W), hole (N, 1, H, W) and labels (N, H, W): a batch of `HoleDataset`."""


def network_terms(
    recipe: Recipe, extract: nn.Module, outputs: Outputs, batch: Batch
) -> dict[str, Tensor]:
    """Compute the terms that need no discriminator, those that count nothing left out."""
    image, hole, labels = batch
    weights = recipe.losses
    prediction = outputs.images[0]
    terms = losses.pixel_terms(prediction, image, hole)
    if weights.per_hole_pixel:
        share = hole.mean().clamp(min=1e-3)
        terms |= {"hole": terms["hole"] / share, "known": terms["known"] / share}
    if weights.perceptual or weights.style:
        looked_at = [torch.where(hole > 0, prediction, image)]
        if weights.features_of_prediction:
            looked_at.append(prediction)
        terms |= losses.feature_terms(extract, looked_at, image)
    if weights.coarse:
        terms["coarse"] = losses.coarse_l1(outputs.images[1:], image)
    if weights.segmentation:
        terms["segmentation"] = losses.segmentation_loss(outputs, labels, hole)
    return terms


def judged(recipe: Recipe, image: Tensor, hole: Tensor, maps: Tensor, labels: Tensor) -> Tensor:
    """Put together what the discriminator sees; unlabelled pixels have no class in any map."""
    if not recipe.discriminate_maps:
        return torch.cat([image, hole], 1)
    return torch.cat([image, hole, maps * (labels != 255)[:, None]], 1)


def adversarial_terms(
    recipe: Recipe, state: State, fabric: Fabric, outputs: Outputs, batch: Batch
) -> dict[str, Tensor]:
    """Train the discriminator for one step, then ask it about the fills."""
    image, hole, labels = batch
    assert state.discriminator is not None
    assert state.discriminator_optimizer is not None
    composite = torch.where(hole > 0, outputs.images[0], image)
    true_maps, maps = image, image  # not looked at without discriminate_maps
    if recipe.discriminate_maps:
        known_labels = labels.where(labels != 255, 0)
        true_maps = F.one_hot(known_labels, len(recipe.classes)).permute(0, 3, 1, 2).to(image.dtype)
        maps = outputs.logits[0].softmax(1)
    real = judged(recipe, image, hole, true_maps, labels)
    fake = judged(recipe, composite, hole, maps, labels)
    of_discriminator, of_network = losses.GANS[recipe.gan]

    scores = zip(state.discriminator(real), state.discriminator(fake.detach()), strict=True)
    loss = torch.stack([of_discriminator(r[-1], f[-1]) for r, f in scores]).mean()
    state.discriminator_optimizer.zero_grad()
    fabric.backward(loss)
    state.discriminator_optimizer.step()

    state.discriminator.requires_grad_(False)
    features = state.discriminator(fake)
    terms = {
        "discriminator": loss.detach(),
        "adversarial": torch.stack([of_network(scale[-1]) for scale in features]).mean(),
    }
    if recipe.losses.feature_matching:
        with torch.no_grad():
            true_features = state.discriminator(real)
        terms["feature_matching"] = losses.feature_matching(features, true_features)
    state.discriminator.requires_grad_(True)
    return terms


def train_step(
    recipe: Recipe, phase: Phase, state: State, fabric: Fabric, extract: nn.Module, batch: Batch
) -> dict[str, Tensor]:
    """Learn from one batch and return every term of the loss, not weighted.

    Raises
    ------
    FloatingPointError
        If the loss is not finite; nothing was learned from the batch then.
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
    terms = network_terms(recipe, extract, outputs, batch)
    if state.discriminator_optimizer is not None and phase.adversarial:
        for group in state.discriminator_optimizer.param_groups:
            group["lr"] = rate * recipe.discriminator_lr
        terms |= adversarial_terms(recipe, state, fabric, outputs, batch)
    weighted = [
        getattr(recipe.losses, name) * term
        for name, term in terms.items()
        if name != "discriminator"
    ]
    loss = torch.stack(weighted).sum()
    if not torch.isfinite(loss):
        values = {name: round(term.item(), 4) for name, term in terms.items()}
        raise FloatingPointError(
            f"The loss of step {state.step} ({len(image)} crops of {phase.size} px) is not "
            f"finite: {values}. The checkpoint holds the last good state; lower the learning rate."
        )
    state.optimizer.zero_grad()
    fabric.backward(loss)
    fabric.clip_gradients(state.network, state.optimizer, max_norm=recipe.clip)
    state.optimizer.step()
    state.average.update_parameters(state.network.module)
    state.step += 1
    return terms
