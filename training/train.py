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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from training import losses
from training.data import HoleDataset, Picture, centre_crop, load_pictures, to_tensor
from training.layers import Outputs
from training.masks import irregular
from training.recipes import RECIPES, Phase, Recipe

CHECKPOINT_SECONDS = 60
SHEET_SECONDS = 600
LOG_STEPS = 20


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


Batch = tuple[Tensor, Tensor, Tensor]


def batches(
    recipe: Recipe, pictures: list[Picture], step: int, fabric: Fabric, workers: int
) -> Iterator[tuple[int, Phase, Batch]]:
    """Yield ``(step, phase, (image, hole, labels))`` from ``step`` to the end of the recipe."""
    while step < recipe.steps:
        index, done = phase_at(recipe, step)
        phase = recipe.phases[index]
        dataset = HoleDataset(
            pictures,
            phase.size,
            recipe.zoom,
            recipe.hole_share,
            seed=(recipe.seed, index),
            kinds=recipe.holes,
            augment=recipe.augment,
        )
        loader = DataLoader(
            dataset,
            batch_size=phase.batch,
            sampler=range(done * phase.batch, phase.steps * phase.batch),
            num_workers=workers,
            worker_init_fn=outlive_signals,
            prefetch_factor=4 if workers else None,
        )
        for image, hole, labels in fabric.setup_dataloaders(loader):
            yield step, phase, (image, hole, labels)
            step += 1


@dataclass
class State:
    """All that a training changes, and what a checkpoint holds."""

    network: Any
    """Wrapped by Fabric; its ``outputs`` is called."""
    optimizer: Any
    average: AveragedModel
    discriminator: Any | None
    discriminator_optimizer: Any | None
    step: int = 0
    """Steps done."""

    @classmethod
    def start(cls, recipe: Recipe, fabric: Fabric) -> "State":
        """Make the untrained state on the device."""
        network = recipe.build()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters(), betas=recipe.betas)
        average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True
        ).to(fabric.device)
        wrapped, optimizer = fabric.setup(network, optimizer)
        wrapped.mark_forward_method("outputs")
        state = cls(wrapped, optimizer, average, None, None)
        if recipe.discriminator is not None:
            judge = recipe.discriminator()
            judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            state.discriminator, state.discriminator_optimizer = fabric.setup(
                judge, torch.optim.AdamW(judge.parameters(), betas=recipe.betas)
            )
        return state

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
        """Go on from a checkpoint.

        Raises
        ------
        ValueError
            If another recipe made it.
        """
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if saved["recipe"] != recipe.name:
            raise ValueError(f"{path} was made by {saved['recipe']}, not by {recipe.name}.")
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        self.step = saved["step"]


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


def outlive_signals(_: int) -> None:
    """Let a worker process go on when the whole process group is told to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@torch.no_grad()
def validate(network: nn.Module, pictures: list[Picture], size: int, sheet: Path) -> float:
    """Fill fixed holes in the validation pictures and draw the first eight.

    Returns
    -------
    float
        PSNR over the hole pixels of all pictures, dB. The sheet's rows are input, fill and truth.
    """
    device = next(network.parameters()).device
    network.eval()
    squares, rows = [], []
    for number, picture in enumerate(pictures):
        image = to_tensor(centre_crop(picture.image, size))[None].to(device)
        mask = irregular(np.random.default_rng(number), size, size)
        hole = torch.from_numpy(mask).to(device)[None, None]
        fill = torch.where(hole, network(image, hole.float()).clamp(0, 1), image)
        squares.append(((fill - image)[hole.expand_as(image)] ** 2).mean().item())
        if number < 8:
            rows.append(torch.cat([torch.where(hole, 1.0, image), fill, image], 2)[0])
    drawn = (torch.cat(rows, 2) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    cv2.imwrite(str(sheet), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    return -10 * math.log10(float(np.mean(squares)))


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
    rate = learning_rate(phase, phase_at(recipe, state.step)[1])
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
    pictures, validation = (
        load_pictures(
            data,
            recipe.split,
            validation=side,
            short_side=recipe.short_side,
            instances=recipe.instances,
        )
        for side in (False, True)
    )
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.image.tobytes())
    facts = {"recipe": recipe.name, "commit": commit(), "data": digest.hexdigest()}

    fabric.seed_everything(recipe.seed)
    extract = extract.to(fabric.device)
    state = State.start(recipe, fabric)
    if resume and path.exists():
        state.load(path, recipe)

    start = saved = drawn = time.monotonic()
    bar = tqdm(
        total=recipe.steps, initial=state.step, desc=recipe.name, unit="step", smoothing=0.02
    )
    with stop_signals() as stop, (out / "log.csv").open("a", newline="") as log, bar:
        writer = csv.writer(log)
        for step, phase, batch in batches(recipe, pictures, state.step, fabric, workers):
            terms = train_step(recipe, phase, state, fabric, extract, batch)
            bar.update()
            if step % LOG_STEPS == 0:
                values = {name: round(term.item(), 6) for name, term in terms.items()}
                writer.writerow([step, *(f"{name}={value}" for name, value in values.items())])
                bar.set_postfix(hole=f"{values['hole']:.4f}", refresh=False)
            now = time.monotonic()
            if now - saved > CHECKPOINT_SECONDS and fabric.is_global_zero:
                state.save(path, **facts)
                log.flush()
                saved = now
            if now - drawn > SHEET_SECONDS and fabric.is_global_zero:
                sheet = out / f"{step:07d}.png"
                decibel = validate(state.average.module, validation[:48], 256, sheet)
                bar.write(f"step {step}: {decibel:.2f} dB inside the holes of validation pictures")
                drawn = time.monotonic()
            if stop.is_set() or now - start > 60 * minutes:
                bar.write(f"Stopped after step {step}; --resume goes on from {path}.")
                break
        if fabric.is_global_zero:
            state.save(path, **facts)
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
    parser.add_argument("--nodes", type=int, default=1, help="number of machines")
    parser.add_argument("--precision", default="32-true", help='"bf16-mixed" on a GPU')
    parser.add_argument("--vgg", type=Path, help="torchvision's vgg16 weights; else a filter bank")
    parser.add_argument("--workers", type=int, default=min(8, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    fabric = Fabric(devices=args.devices, num_nodes=args.nodes, precision=args.precision)
    fabric.launch()
    train(
        RECIPES[args.recipe],
        args.data,
        args.out or Path("runs") / args.recipe,
        minutes=args.minutes,
        resume=args.resume,
        fabric=fabric,
        extract=losses.VGG16(args.vgg) if args.vgg else losses.FilterBank(),
        workers=args.workers,
    )


if __name__ == "__main__":
    main()
