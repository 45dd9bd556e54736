"""Read weights that others have trained, and say clearly when a file holds something else."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn


def read_saved(path: Path, what: str) -> dict[str, Any]:
    """Read a dictionary that ``torch.save`` wrote, without running code from the file.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it holds anything else; ``what`` says what was expected.
    """
    try:
        with warnings.catch_warnings():  # TorchScript is refused in any case
            warnings.filterwarnings("ignore", ".*looks like a TorchScript archive", UserWarning)
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"Expected {what}, {path} is no such file.") from error
    if not isinstance(saved, dict):
        raise ValueError(f"Expected {what}, {path} holds a {type(saved).__name__}.")
    return saved


def take(saved: dict[str, Any], name: str, conv: nn.Conv2d, path: Path) -> None:
    """Put the weight and the bias that are saved under a name into a convolution.

    Raises
    ------
    ValueError
        If ``path`` has no such entries, or they have other shapes.
    """
    try:
        conv.load_state_dict({key: saved[f"{name}.{key}"] for key, _ in conv.named_parameters()})
    except (AttributeError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} has no {name} of shape {tuple(conv.weight.shape)}: is it the right file?"
        ) from error


def load_artifact(path: Path) -> torch.jit.ScriptModule:
    """Load an artifact of one's own making, in float32.

    Raises
    ------
    ValueError
        If there is no such file, or it is no TorchScript.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        try:
            artifact: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")
        except RuntimeError as error:
            raise ValueError(f"{path} is no TorchScript file.") from error
    return artifact.float().eval()
