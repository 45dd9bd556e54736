"""Where a model runs: "auto" → ``torch.device`` with the reason, and what to do without memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from napari_inpaint.errors import BackendError, DeviceError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

# How TorchScript, MPS, the allocators of Windows and Linux, cuBLAS, cuDNN, cuFFT and oneDNN say it.
OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "alloc_failed",
    "cublas_status_not_initialized",  # the handle's workspace did not fit
    "could not create a memory object",
)
SMALLEST_TILE = 128  # px; a model sees too little of the surroundings in smaller ones


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


@contextmanager
def sparing_a_core() -> Iterator[None]:
    """Leave a core to the window and to everything else, in this thread alone.

    An operation waits for its slowest thread. Where every core has one, each of a model's many
    small operations waits for whatever else the machine does: on two cores, beside a busy window,
    a fill took 53 s instead of 7. torch's own setting holds for the whole process and for threads
    that begin later; OpenMP's holds for the thread that makes it.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()  # asking also lets torch set up this thread
    with threadpool_limits(limits=max(1, threads - 1), user_api="openmp"):
        yield


@dataclass(frozen=True)
class Footprint:
    """What a prediction takes of a device's memory.

    Attributes
    ----------
    device : torch.device
    batch : int
        Samples at once.
    tile : int
        Largest height and width at once, px.
    """

    device: torch.device
    batch: int
    tile: int

    def reduced(self) -> Footprint | None:
        """Return the next smaller one: half the batch, then half the tile, then on the CPU."""
        import torch

        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        if self.tile >= 2 * SMALLEST_TILE:
            return replace(self, tile=self.tile // 2)
        if self.device.type != "cpu":
            return replace(self, device=torch.device("cpu"))
        return None

    def __str__(self) -> str:
        return f"{self.device}, batch {self.batch}, tiles of {self.tile} px"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a device's memory did not suffice."""
    import torch

    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(each in text for each in OUT_OF_MEMORY)


def run_within_memory(
    run: Callable[[Footprint], T], footprint: Footprint, report: Callable[[str], None]
) -> tuple[T, Footprint]:
    """Run with ever smaller footprints until the memory suffices.

    Parameters
    ----------
    run : callable
        Takes a footprint; may run out of memory.
    footprint : Footprint
        To begin with.
    report : callable
        Gets a sentence for each time that the footprint was reduced.

    Returns
    -------
    result, footprint
        What ``run`` returned, and with which footprint.

    Raises
    ------
    BackendError
        If the smallest footprint is still too large. All other errors of ``run`` pass through.
    """
    import torch

    while True:
        try:
            return run(footprint), footprint
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            smaller = footprint.reduced()
            if smaller is None:
                raise BackendError(
                    f"The memory does not suffice ({footprint}). Close other programs, or fill "
                    "a smaller hole, or choose a smaller model."
                ) from error
        # outside of the except clause, whose traceback keeps tensors alive
        if footprint.device.type == "cuda":
            torch.cuda.empty_cache()
        report(f"Out of memory ({footprint}); trying again with {smaller}.")
        footprint = smaller
