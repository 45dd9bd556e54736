"""All that a training changes, and the checkpoint that holds it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.networks.layers import with_spectral_norm
from training.networks.weights import load_artifact, read_saved
from training.recipe import Recipe

if TYPE_CHECKING:  # who only reads checkpoints needs no Lightning
    from lightning_fabric import Fabric


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `TrainingState.save` wrote.

    Returns
    -------
    dict
        Names of the recipe and the commit, the number of steps, and state dicts by the names of
        `TrainingState.parts`.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is no checkpoint.
    """
    saved = read_saved(path, "a checkpoint of training.train")
    lacking = {"recipe", "commit", "step", "network", "average"} - saved.keys()
    if lacking:
        raise ValueError(
            f"Expected a checkpoint of training.train, {path} lacks {', '.join(sorted(lacking))}."
        )
    return saved


def averaged_weights(saved: dict[str, Any]) -> dict[str, Tensor]:
    """Return the averaged network's state dict from what `read_checkpoint` returned."""
    prefix = "module."
    average = saved["average"].items()
    return {key.removeprefix(prefix): v for key, v in average if key.startswith(prefix)}


def trained_weights(path: Path) -> dict[str, Tensor]:
    """Return a network's state dict: an artifact's, or the averaged one of a checkpoint.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is neither.
    """
    try:
        return averaged_weights(read_checkpoint(path))
    except ValueError:
        try:
            weights: dict[str, Tensor] = load_artifact(path).network.state_dict()
        except (AttributeError, ValueError) as error:
            raise ValueError(f"Expected an artifact or a checkpoint, {path} is neither.") from error
    return weights


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.AdamW:
    """Make a recipe's optimizer; without weight decay, AdamW is Adam."""
    return torch.optim.AdamW(network.parameters(), betas=recipe.betas, weight_decay=recipe.decay)


@dataclass
class TrainingState:
    """All that a training changes, and what a checkpoint holds."""

    network: Any
    """Wrapped by Fabric; its ``outputs`` is called."""
    optimizer: Any
    """Wrapped by Fabric."""
    average: AveragedModel
    """The network's weights, averaged over the steps; ``average.module`` is a network."""
    discriminator: Any | None
    """Wrapped by Fabric, if the recipe has one."""
    discriminator_optimizer: Any | None
    """Wrapped by Fabric, if the recipe has one."""
    step: int = 0
    """Steps done."""

    @classmethod
    def start(cls, recipe: Recipe, fabric: "Fabric") -> "TrainingState":
        """Make the untrained state on the device."""
        network = recipe.network()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = make_optimizer(recipe, network)
        average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True
        ).to(fabric.device)
        wrapped, optimizer = fabric.setup(network, optimizer)
        wrapped.mark_forward_method("outputs")
        state = cls(wrapped, optimizer, average, None, None)
        if recipe.discriminator is not None:
            discriminator = recipe.discriminator.network()
            discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            state.discriminator, state.discriminator_optimizer = fabric.setup(
                discriminator, make_optimizer(recipe, discriminator)
            )
        return state

    def take_weights(self, path: Path, recipe: Recipe) -> None:
        """Begin with the weights of a trained network: an artifact's or a checkpoint's.

        Raises
        ------
        FileNotFoundError, ValueError
            If the file holds no network, or none that fits the recipe's.
        """
        weights = with_spectral_norm(trained_weights(path), self.network.module)
        try:
            for network in (self.network.module, self.average.module):
                network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"{path} holds another network than {recipe.name} trains. Give one that it fits."
            ) from error

    def parts(self) -> dict[str, Any]:
        """Return everything with a state dict, by the name it has in a checkpoint."""
        named = {
            "network": self.network,
            "optimizer": self.optimizer,
            "average": self.average,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        return {name: part for name, part in named.items() if part is not None}

    def save(self, path: Path, **facts: str) -> None:
        """Write a checkpoint; a stop while writing leaves the previous one whole."""
        temporary = path.with_suffix(".tmp")
        content = {name: part.state_dict() for name, part in self.parts().items()}
        torch.save({**facts, "step": self.step, **content}, temporary)
        os.replace(temporary, path)

    def load(self, path: Path, recipe: Recipe) -> None:
        """Go on from a checkpoint, with the recipe's settings as they are now.

        Raises
        ------
        ValueError
            If another recipe made it, or this one before it was changed.
        """
        saved = read_checkpoint(path)
        if saved["recipe"] != recipe.name:
            raise ValueError(
                f"{path} was made by {saved['recipe']}, not by {recipe.name}. "
                "Name that recipe, or another folder with --out."
            )
        try:
            for name, part in self.parts().items():
                part.load_state_dict(saved[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"{path} does not fit {recipe.name} as it is now: it was made by the code of "
                f"commit {saved['commit']}. Train anew, in another folder (--out)."
            ) from error
        for optimizer in (self.optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups if optimizer is not None else ():
                group.update(betas=recipe.betas, weight_decay=recipe.decay)
        self.step = saved["step"]
