"""The training loop: ``python -m training.train RECIPE --data DIR [--minutes N] [--resume]``.

Runs on whatever Lightning Fabric finds (CPU, one GPU, several). A checkpoint is written every
minute and at every stop, so a stop at any moment loses a minute at most. ``--resume`` goes on from
it exactly: a sample depends on its index alone and the learning rate on the step alone.
"""

import argparse
import csv
import hashlib
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.data import HoleDataset, centre_crop, list_images, load_images, to_tensor
from training.losses import VGG16, FilterBank, inpainting_terms
from training.masks import irregular
from training.recipes import RECIPES, Phase, Recipe

CHECKPOINT_SECONDS = 60
SHEET_SECONDS = 600


def phase_at(recipe: Recipe, step: int) -> tuple[int, int]:
    """Return the index of the phase that ``step`` belongs to, and the step's place in it."""
    for index, phase in enumerate(recipe.phases):
        if step < phase.steps:
            return index, step
        step -= phase.steps
    raise ValueError(f"{recipe.name} ends before that step.")


def learning_rate(phase: Phase, step: int) -> float:
    """Half a cosine from ``lr`` to ``lr_end`` over the phase."""
    half_cosine = (1 + math.cos(math.pi * step / phase.steps)) / 2
    return phase.lr_end + (phase.lr - phase.lr_end) * half_cosine


def batches(
    recipe: Recipe, images: list[Any], step: int, fabric: Fabric, workers: int
) -> Iterator[tuple[int, int, tuple[Tensor, Tensor]]]:
    """Yield ``(step, phase index, (image, hole))`` from ``step`` to the end of the recipe."""
    while step < recipe.steps:
        index, done = phase_at(recipe, step)
        phase = recipe.phases[index]
        dataset = HoleDataset(
            images, phase.size, recipe.zoom, recipe.hole_share, seed=(recipe.seed, index)
        )
        loader = DataLoader(
            dataset,
            batch_size=phase.batch,
            sampler=range(done * phase.batch, phase.steps * phase.batch),
            num_workers=workers,
            prefetch_factor=4 if workers else None,
        )
        for image, hole in fabric.setup_dataloaders(loader):
            yield step, index, (image, hole)
            step += 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a stop while writing leaves the previous one whole."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def commit() -> str:
    """Return the commit that the training code stands at, with "+" if it was changed since."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "unknown"


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


@torch.no_grad()
def validate(network: nn.Module, images: list[Any], size: int, sheet: Path) -> float:
    """Fill fixed holes in the validation pictures and draw the first eight.

    Returns
    -------
    float
        PSNR over the hole pixels of all pictures, dB. The sheet's rows are input, fill and truth.
    """
    device = next(network.parameters()).device
    network.eval()
    squares, rows = [], []
    for number, picture in enumerate(images):
        image = to_tensor(centre_crop(picture, size))[None].to(device)
        mask = irregular(np.random.default_rng(number), size, size)
        hole = torch.from_numpy(mask).to(device)[None, None]
        fill = torch.where(hole, network(image, hole.float()).clamp(0, 1), image)
        squares.append(((fill - image)[hole.expand_as(image)] ** 2).mean().item())
        if number < 8:
            rows.append(torch.cat([torch.where(hole, 1.0, image), fill, image], 2)[0])
    drawn = (torch.cat(rows, 2) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    cv2.imwrite(str(sheet), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    return -10 * math.log10(float(np.mean(squares)))


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    minutes: float = math.inf,
    resume: bool = False,
    fabric: Fabric,
    extract: nn.Module,
    workers: int = 0,
) -> Path:
    """Train a recipe and return its checkpoint.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    data : Path
        Folder of pictures.
    out : Path
        Receives ``checkpoint.pt``, ``log.csv`` and validation sheets ``<step>.png``.
    minutes : float
        Stop, with a checkpoint, after this long.
    resume : bool
        Go on from ``out/checkpoint.pt`` if there is one.
    fabric : Fabric
        Device, precision and number of processes.
    extract : nn.Module
        Image to features, for the perceptual and style terms.
    workers : int
        Processes that prepare batches beside the training.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the checkpoint of the last good minute stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "checkpoint.pt"
    training = list_images(data, recipe.split, validation=False)
    validation = load_images(list_images(data, recipe.split, validation=True)[:48])
    images = load_images(training, recipe.short_side)
    names = "\n".join(p.name for p in training)

    fabric.seed_everything(recipe.seed)
    network = recipe.build()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.99))
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True
    ).to(fabric.device)
    extract = extract.to(fabric.device)
    network, optimizer = fabric.setup(network, optimizer)

    done = 0
    if resume and path.exists():
        state = torch.load(path, map_location=fabric.device, weights_only=True)
        if state["recipe"] != recipe.name:
            raise ValueError(f"{path} was made by {state['recipe']}, not by {recipe.name}.")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["step"]

    def checkpoint(step: int) -> None:
        if fabric.is_global_zero:
            save(
                path,
                {
                    "recipe": recipe.name,
                    "step": step,
                    "commit": commit(),
                    "data": hashlib.sha256(names.encode()).hexdigest(),
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                },
            )

    weights = asdict(recipe.losses)
    features_of_prediction = weights.pop("features_of_prediction")
    start = saved = drawn = time.monotonic()
    bar = tqdm(total=recipe.steps, initial=done, desc=recipe.name, unit="step", smoothing=0.02)
    log = (out / "log.csv").open("a", newline="")
    writer = csv.writer(log)
    with stop_signals() as stop, log:
        for step, index, (image, hole) in batches(recipe, images, done, fabric, workers):
            phase = recipe.phases[index]
            network.train()
            if phase.freeze_encoder_norm:
                network.freeze_encoder_norm()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(phase, phase_at(recipe, step)[1])
            image = image.contiguous(memory_format=torch.channels_last)
            terms = inpainting_terms(
                extract,
                network(image, hole),
                image,
                hole,
                features_of_prediction=features_of_prediction,
            )
            loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
            if not torch.isfinite(loss):
                values = {name: round(term.item(), 4) for name, term in terms.items()}
                raise FloatingPointError(
                    f"The loss of step {step} (phase {index}, batch of {len(image)}) is not "
                    f"finite: {values}. {path} holds the last good state; lower the learning rate."
                )
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(network, optimizer, max_norm=recipe.clip)
            optimizer.step()
            average.update_parameters(network.module)

            bar.update()
            now = time.monotonic()
            if step % 20 == 0:
                writer.writerow([step, *(round(term.item(), 6) for term in terms.values())])
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
            done = step + 1
            if now - saved > CHECKPOINT_SECONDS:
                checkpoint(done)
                log.flush()
                saved = now
            if now - drawn > SHEET_SECONDS:
                decibel = validate(average.module, validation, 256, out / f"{step:07d}.png")
                bar.write(f"step {step}: {decibel:.2f} dB inside the holes of validation pictures")
                drawn = time.monotonic()
            if stop.is_set() or now - start > 60 * minutes:
                bar.write(f"Stopped after step {step}; --resume goes on from {path}.")
                break
        checkpoint(done)
    bar.close()
    return path


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--out", type=Path, help="default: runs/RECIPE")
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--devices", default="auto", help="number of GPUs")
    parser.add_argument("--precision", default="32-true", help='"bf16-mixed" on a GPU')
    parser.add_argument("--vgg", type=Path, help="torchvision's vgg16 weights; else a filter bank")
    parser.add_argument("--workers", type=int, default=min(8, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    fabric = Fabric(devices=args.devices, precision=args.precision)
    fabric.launch()
    train(
        RECIPES[args.recipe],
        args.data,
        args.out or Path("runs") / args.recipe,
        minutes=args.minutes,
        resume=args.resume,
        fabric=fabric,
        extract=VGG16(args.vgg) if args.vgg else FilterBank(),
        workers=args.workers,
    )


if __name__ == "__main__":
    main()
