"""The training loop: ``python -m training.train RECIPE --data DIR [--minutes N] [--resume]``.

Runs on whatever Lightning Fabric finds (CPU, one GPU, several). A checkpoint is written every
minute and at every stop, so a stop at any moment loses a minute at most. ``--resume`` goes on from
it exactly: a sample depends on its index alone and the learning rate on the step alone.
"""

import argparse
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm import tqdm

from training.command import at_least, command, commit
from training.data.pictures import Picture
from training.loop.batches import batches, digest, read_data
from training.loop.checkpoint import TrainingState
from training.loop.features import VGG16, EfficientNetLite, FilterBank
from training.loop.log import TrainingLog
from training.loop.step import check_finite, train_step
from training.recipe import Recipe
from training.recipes import RECIPES

LOG_STEPS = 20


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event, so that the step at hand is finished first."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_any_process(fabric: Fabric, condition: bool) -> bool:
    """Return whether the condition holds in one of the processes, which must stop together."""
    if fabric.world_size == 1:
        return condition
    count: Any = fabric.all_reduce(torch.tensor(float(condition)), reduce_op="sum")
    return bool(count > 0)


def begin(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    resume: bool,
    weights: Path | None,
    fabric: Fabric,
) -> tuple[Sequence[Picture], TrainingState, TrainingLog]:
    """Read the pictures, make the network or read the checkpoint; see `train`."""
    if (out / "checkpoint.pt").exists() and not resume:
        raise FileExistsError(
            f"{out / 'checkpoint.pt'} exists. Go on from it with --resume, or name another folder "
            "with --out."
        )
    pictures, validation = read_data(recipe, data)
    fabric.seed_everything(recipe.seed)
    state = TrainingState.start(recipe, fabric)
    facts = {"recipe": recipe.name, "commit": commit(), "data": digest(pictures)}
    log = TrainingLog(out, recipe, validation, facts)
    if log.checkpoint.exists():
        state.load(log.checkpoint, recipe)
    elif weights is not None:
        state.take_weights(weights, recipe)
    return pictures, state, log


def train(
    recipe: Recipe,
    data: Path | None,
    out: Path,
    *,
    minutes: float = math.inf,
    resume: bool = False,
    weights: Path | None = None,
    fabric: Fabric,
    extract: nn.Module,
    workers: int = 0,
) -> Path:
    """Train a recipe and return its checkpoint.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    data : Path or None
        Folder of pictures; None for a recipe that draws all of its own.
    out : Path
        Receives ``checkpoint.pt``, ``log.csv`` and validation sheets ``<step>.png``.
    minutes, resume
        Stop, with a checkpoint, after this long; go on from ``out/checkpoint.pt``, if there is one.
    weights : Path, optional
        An artifact or a checkpoint whose weights a new training begins with.
    fabric : Fabric
        Device, precision and number of processes.
    extract : nn.Module
        Image to features, for the perceptual and style terms.
    workers : int
        Processes that prepare batches beside the training.

    Raises
    ------
    FileExistsError
        If there is a checkpoint that nobody asked to resume.
    FileNotFoundError, ValueError
        If the pictures or the checkpoint are not what the recipe needs.
    FloatingPointError
        If a loss or a weight is not finite; the checkpoint of the last good minute stays.
    """
    start = time.monotonic()
    pictures, state, log = begin(recipe, data, out, resume, weights, fabric)
    extract = extract.to(fabric.device)
    torch.backends.cudnn.benchmark = True  # crops of a phase have one size
    bar = progress_bar(recipe, state, fabric)
    with stop_signals() as stop, bar:
        for step, phase, batch in batches(recipe, pictures, state.step, fabric, workers):
            terms = train_step(recipe, phase, state, fabric, extract, batch)
            bar.update()
            late = time.monotonic() - start > 60 * minutes
            stopped = in_any_process(fabric, late or stop.is_set())
            due = fabric.is_global_zero and log.due
            # Rarely, since a GPU has to wait for it, but before anything is written.
            if due or stopped or step % LOG_STEPS == 0 or state.step == recipe.steps:
                check_finite(step, phase, terms, state)
            if fabric.is_global_zero and step % LOG_STEPS == 0:
                values = log.write_losses(step, terms)
                bar.set_postfix(loss=f"{values['loss']:.4f}", refresh=False)
            if due and (message := log.write_if_due(state)):
                bar.write(message)
            if stopped:
                bar.write(f"Stopped after step {step}; --resume goes on from there.")
                break
        if fabric.is_global_zero:
            log.save_checkpoint(state)
    return log.checkpoint


def open_features(recipe: Recipe, weights: Path | None) -> nn.Module:
    """Make what the recipe's feature terms look through.

    Raises
    ------
    FileNotFoundError, ValueError
        If the weights are not what the recipe needs, or are not there.
    """
    if recipe.features == "efficientnet-lite0":
        if weights is None:
            return EfficientNetLite.of_package("lite0", dilated=1)
        return EfficientNetLite(weights, dilated=1)
    return FilterBank() if weights is None else VGG16(weights, recipe.vgg_layers)


def progress_bar(recipe: Recipe, state: TrainingState, fabric: Fabric) -> "tqdm[NoReturn]":
    """Make the bar that counts steps; the first process alone shows it."""
    return tqdm(
        total=recipe.steps,
        initial=state.step,
        desc=recipe.name,
        unit="step",
        smoothing=0.02,
        disable=not fabric.is_global_zero,
    )


@command
def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "recipe", choices=sorted(RECIPES), metavar="RECIPE", help="one of %(choices)s"
    )
    parser.add_argument("--data", type=Path, help="folder of pictures; not for drawn scenes")
    parser.add_argument("--out", type=Path, help="default: runs/RECIPE")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint, if any")
    parser.add_argument(
        "--from", type=Path, dest="weights", metavar="ARTIFACT",
        help="begin with the weights of an artifact or a checkpoint",
    )  # fmt: skip
    parser.add_argument("--devices", default="auto", help="number of GPUs")
    parser.add_argument("--nodes", type=at_least(1), default=1, help="number of machines")
    parser.add_argument("--precision", default="32-true", help='"bf16-mixed" on a GPU')
    parser.add_argument(
        "--features", type=Path, metavar="WEIGHTS",
        help="torchvision's vgg16 (else a filter bank), or EfficientNet-Lite0 (else its package)",
    )  # fmt: skip
    parser.add_argument("--workers", type=at_least(0), default=min(8, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    fabric = Fabric(devices=args.devices, num_nodes=args.nodes, precision=args.precision)
    fabric.launch()
    recipe = RECIPES[args.recipe]
    train(
        recipe,
        args.data,
        args.out or Path("runs") / recipe.name,
        minutes=args.minutes,
        resume=args.resume,
        weights=args.weights,
        fabric=fabric,
        extract=open_features(recipe, args.features),
        workers=args.workers,
    )


if __name__ == "__main__":
    main()
