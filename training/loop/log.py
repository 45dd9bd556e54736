"""What a training writes into its folder: checkpoint, log, sheets of validation pictures."""

import csv
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from training.data.dataset import centre_crop, to_tensor
from training.data.holes import draw_hole
from training.data.pictures import Picture
from training.loop.checkpoint import TrainingState
from training.recipe import Recipe

CHECKPOINT_SECONDS = 60
SHEET_SECONDS = 600


@torch.no_grad()
def validate(network: nn.Module, recipe: Recipe, pictures: list[Picture], sheet: Path) -> float:
    """Fill fixed holes of the recipe's kinds in validation pictures, and draw the first eight.

    Returns
    -------
    float
        PSNR over the hole pixels of all pictures, dB. The sheet's rows are input, fill and truth.
    """
    size = recipe.working_size
    device = next(network.parameters()).device
    network.eval()
    squares, rows = [], []
    for number, picture in enumerate(pictures):
        image = to_tensor(centre_crop(picture.image, size))[None].to(device)
        rng = np.random.default_rng(number)
        mask = draw_hole(rng, size, size, recipe.holes, *recipe.hole_share)
        hole = torch.from_numpy(mask).to(device)[None, None]
        fill = torch.where(hole, network(image, hole.float()).clamp(0, 1), image)
        squares.append(((fill - image)[hole.expand_as(image)] ** 2).mean().item())
        if number < 8:
            rows.append(torch.cat([torch.where(hole, 1.0, image), fill, image], 2)[0])
    drawn = (torch.cat(rows, 2) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    cv2.imwrite(str(sheet), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    return -10 * math.log10(float(np.mean(squares)))


class TrainingLog:
    """What a training writes into its folder while it goes on.

    Parameters
    ----------
    out : Path
        The folder.
    recipe : Recipe
        Says which holes are validated on.
    validation : list of Picture
        What is filled for the sheets.
    facts : dict of str
        What every checkpoint says of itself: the recipe's name, the commit, a digest of the data.
    """

    def __init__(
        self, out: Path, recipe: Recipe, validation: list[Picture], facts: dict[str, str]
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.recipe, self.validation, self.facts = out, recipe, validation, facts
        self.checkpoint = out / "checkpoint.pt"
        self.saved = self.drawn = time.monotonic()

    def write_losses(self, step: int, terms: dict[str, Tensor]) -> dict[str, float]:
        """Add a line to ``log.csv``, of what `train_step` returned; return its numbers."""
        values = {name: round(term.item(), 6) for name, term in terms.items()}
        with (self.out / "log.csv").open("a", newline="") as file:
            csv.writer(file).writerow([step, *(f"{name}={v}" for name, v in values.items())])
        return values

    def save_checkpoint(self, state: TrainingState) -> None:
        """Write ``checkpoint.pt``."""
        state.save(self.checkpoint, **self.facts)
        self.saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether a checkpoint or a sheet is to be written."""
        now = time.monotonic()
        return now - self.saved > CHECKPOINT_SECONDS or now - self.drawn > SHEET_SECONDS

    def write_if_due(self, state: TrainingState) -> str:
        """Write the checkpoint every minute, a sheet every ten; return what that sheet's PSNR is.

        Returns
        -------
        str
            A sentence; "" where no sheet was due.
        """
        message = ""
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save_checkpoint(state)
        if time.monotonic() - self.drawn > SHEET_SECONDS:
            sheet = self.out / f"{state.step - 1:07d}.png"
            decibel = validate(state.average.module, self.recipe, self.validation, sheet)
            message = f"step {state.step - 1}: {decibel:.2f} dB in the holes of validation pictures"
            self.drawn = time.monotonic()
        return message
