"""Where a model runs: "auto" → ``torch.device`` with the reason, and what to do without memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import DeviceError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ResolvedDevice:
    """A device, and why it was chosen, in words for a person."""

    device: torch.device
    reason: str


def available() -> list[str]:
    """Return the devices that this machine has, the fastest kind first, "cpu" always last."""
    import torch

    names: list[str] = []
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        names += ["cuda"] if count == 1 else [f"cuda:{index}" for index in range(count)]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def resolve(name: str = "auto") -> ResolvedDevice:
    """Turn a device's name into a device.

    Parameters
    ----------
    name : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    DeviceError
        If the name is none of these, or this machine does not have that device.
    """
    import torch

    here = available()
    if name == "auto":
        device = torch.device(here[0])
        if device.type == "cuda":
            return ResolvedDevice(device, f"{torch.cuda.get_device_name(device)} is available")
        if device.type == "mps":
            return ResolvedDevice(device, "Apple's GPU is available")
        return ResolvedDevice(device, "no GPU that torch can use was found")
    kind, _, index = name.partition(":") if isinstance(name, str) else ("", "", "")
    known = kind in ("cpu", "cuda", "mps") and (not index or (kind == "cuda" and index.isdecimal()))
    if not known or name.endswith(":"):
        raise DeviceError(
            f'device must be "auto", "cpu", "cuda", "cuda:1" (and so on) or "mps"; got {name!r}.'
        )
    present = {torch.device(each).type for each in here}
    if kind not in present or (index and int(index) >= torch.cuda.device_count()):
        raise DeviceError(
            f"The device {name!r} is not available to torch {torch.__version__} on this machine. "
            f'Available: {", ".join(here)}. Choose one of them, or "auto".'
        )
    return ResolvedDevice(torch.device(name), "asked for")
