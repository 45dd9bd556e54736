"""The papers' own comparisons in miniature: ``python -m training.ablations NAME --data DIR``.

Every arm of an ablation gets the same crops, holes, steps and seeds, learns by the paper's pixel
terms (and the cross-entropy of class maps) alone, and is scored on the same validation cases: those
of ``training.evaluate`` at the size of the crops. Only the networks differ; they are asked
directly, not by way of the plugin.

``scores/comparison.py`` says how differences and their intervals are computed.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm

from training.command import at_least, command, new_file
from training.data.dataset import load_pictures, to_tensor
from training.data.holes import AREA_BINS, Mask
from training.data.pictures import Picture
from training.loop.batches import batches, digest, read_data
from training.loop.checkpoint import TrainingState
from training.loop.step import check_finite, train_step
from training.networks.isnet import ISNet
from training.networks.layers import Network, remove_spectral_norm_
from training.networks.pconv import PConvUNet
from training.networks.rn import RN
from training.networks.sgenet import SGENet
from training.recipe import LossWeights, Phase, Recipe
from training.recipes import RECIPES
from training.scores import metrics
from training.scores.cases import Case, Fill, fill_cases, make_cases, without_truth
from training.scores.comparison import Run, comparison_tables, means
from training.scores.metrics import Image


@dataclass(frozen=True)
class Ablation:
    """Networks that a paper compares, and how all of them are trained."""

    recipe: Recipe
    """What they share; its own network is not looked at."""
    arms: dict[str, Callable[[], Network]]


def miniature(recipe: Recipe, steps: int, **changes: Any) -> Recipe:
    """Shrink a recipe to 64 px and a few minutes, without discriminator, features and patches."""
    weights = recipe.losses
    pixels = LossWeights(
        known=weights.known,
        hole=weights.hole,
        per_hole_pixel=weights.per_hole_pixel,
        coarse=weights.coarse,
        segmentation=weights.segmentation,
    )
    small: dict[str, Any] = {
        "phases": (Phase(steps=steps, size=64, batch=8, lr=2e-3, lr_end=1e-5),),
        "losses": pixels,
        "discriminator": None,
        "patches": None,
        "betas": (0.9, 0.99),
        "decay": 0.01,
        "clip": 1.0,
        "ema": 0.98,
        # A crop of 64 px shows half of the picture or more.
        "short_side": 96,
        "zoom": 1.5,
    }
    return replace(recipe, **small | changes)


_sgenet = partial(SGENet, classes=11, base=8, hidden=16)
_rn = partial(RN, base=8, blocks=4)
_isnet = partial(ISNet, base=8, blocks=1, use_mask=False)

#: In the order of the papers' tables; a paper's own network comes last.
ABLATIONS = {
    "sgenet": Ablation(
        miniature(RECIPES["sgenet-street"], 400),
        {
            "Base-Net": partial(_sgenet, variant="base"),
            "SG-Net": partial(_sgenet, variant="sg"),
            "SGE-Net": partial(_sgenet, variant="sge"),
        },
    ),
    "rn": Ablation(
        miniature(RECIPES["rn-paper"], 400, split="photos"),
        {
            "batch norm": partial(_rn, norm="batch", style="batch"),
            "batch norm, equation 7": partial(_rn, norm="batch"),
            "instance norm, equation 7": partial(_rn, norm="instance"),
            # RN is told the mask by its norms alone; this one by a fourth channel.
            "instance norm, equation 7, mask": partial(_rn, norm="instance", use_mask=True),
            "RN, equation 7": _rn,
        },
    ),
    "pconv": Ablation(
        miniature(RECIPES["pconv-paper"], 1_000, split="photos"),
        {
            "plain convolution": partial(PConvUNet, base=16, levels=5, partial=False),
            "partial convolution": partial(PConvUNet, base=16, levels=5),
        },
    ),
    "isnet": Ablation(
        miniature(RECIPES["isnet-paper"], 300, split="photos"),
        {
            "base": partial(_isnet, final_fusion=False, sub_pixel=False),
            "base + final fusion": partial(_isnet, sub_pixel=False),
            "ISNet": _isnet,
        },
    ),
}


def train_network(recipe: Recipe, pictures: Sequence[Picture]) -> Network:
    """Train a recipe from its first step to its last, without checkpoints.

    Returns
    -------
    Network
        The averaged network, on the CPU, in evaluation mode.
    """
    fabric = Fabric(devices=1)
    fabric.seed_everything(recipe.seed, verbose=False)
    state = TrainingState.start(recipe, fabric)
    no_features = nn.Identity()
    steps = batches(recipe, pictures, 0, fabric, workers=0)
    for step, phase, batch in tqdm(steps, total=recipe.steps, leave=False):
        terms = train_step(recipe, phase, state, fabric, no_features, batch)
        check_finite(step, phase, terms, state)
    network = state.average.module.cpu()
    assert isinstance(network, Network)
    remove_spectral_norm_(network)
    return network


def per_picture(values: Sequence[Any]) -> list[Any]:
    """Put the values of the holes of one picture together."""
    holes = len(AREA_BINS)
    return [list(values[i : i + holes]) for i in range(0, len(values), holes)]


def tensors(image: Image, mask: Mask) -> tuple[Tensor, Tensor]:
    """Return a picture (1, 3, H, W) in [0, 1] and its hole (1, 1, H, W), 1 = hole."""
    return to_tensor(image)[None], torch.from_numpy(mask).float()[None, None]


def fill_by(network: Network) -> Fill:
    """Return how a network fills by itself."""

    @torch.inference_mode()
    def fill(image: Image, mask: Mask) -> Image:
        prediction = network(*tensors(image, mask))[0].clamp(0, 1)
        filled: Image = (prediction * 255).round().byte().permute(1, 2, 0).numpy()
        return filled

    return fill


@torch.inference_mode()
def score_network(network: Network, cases: list[Case]) -> Run:
    """Score a network: PSNR and SSIM, and what `mean_iou` needs where there are labels."""
    row = fill_cases(fill_by(network), cases, "scores")
    scores: Run = {key: per_picture(row.scores[key]) for key in ("hole dB", "SSIM")}
    if hasattr(network, "segment"):
        counts = []
        for case in cases:
            assert case.labels is not None  # `read_data` refuses pictures without
            seen = tensors(without_truth(case), case.mask)
            probabilities = network.segment(*seen)[0]  # type: ignore[operator]
            ids = probabilities.argmax(0).numpy()
            counts.append(
                metrics.class_counts(ids, case.labels, case.mask, len(probabilities)).tolist()
            )
        scores["class counts"] = per_picture(counts)
    return scores


def read_results(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Read the runs that are done, or begin with none.

    Raises
    ------
    ValueError
        If the file holds runs that cannot stand beside those that ``facts`` describe.
    """
    if not path.exists():
        return {**facts, "runs": {}}
    try:
        results: dict[str, Any] = json.loads(path.read_text())
        other = {key: results[key] for key in (*facts, "runs") if results[key] != facts.get(key)}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no results of an ablation. Name another file.") from error
    del other["runs"]
    if other:
        raise ValueError(
            f"{path} holds runs with {other}, not with { ({key: facts[key] for key in other}) }. "
            "Go on as it was begun, or name another file with -o."
        )
    return results


def ablate(
    name: str, data: Path, output: Path, *, seeds: int = 2, steps: int | None = None
) -> dict[str, list[Run]]:
    """Train and score what is not in the results yet, arm after arm for each seed.

    Parameters
    ----------
    name : str
        A key of `ABLATIONS`.
    data : Path
        Folder of pictures; with class maps for "sgenet".
    output : Path
        JSON file that every run is added to as soon as it is scored.
    seeds : int
        Trainings of every arm, from the seeds 0, 1, ...
    steps : int, optional
        Steps of every training; as many as the ablation's recipe says by default.

    Returns
    -------
    dict
        The runs of every arm, one per seed.
    """
    recipe = ABLATIONS[name].recipe
    phase = replace(recipe.phases[0], steps=steps or recipe.steps)
    pictures, _ = read_data(recipe, data)
    kept_apart = load_pictures(data, recipe.split, validation=True, short_side=recipe.short_side)
    cases = make_cases(kept_apart, phase.size)
    facts = {"ablation": name, "steps": phase.steps, "data": digest(pictures)}
    results = read_results(output, facts)
    for seed in range(seeds):
        for arm, network in ABLATIONS[name].arms.items():
            key = f"{arm}, seed {seed}"
            if key in results["runs"]:
                continue
            start = time.process_time()
            trained = train_network(
                replace(recipe, network=network, phases=(phase,), seed=seed), pictures
            )
            seconds = round(time.process_time() - start, 1)
            size = sum(parameter.numel() for parameter in trained.parameters())
            result = {"parameters": size, "CPU seconds": seconds, **score_network(trained, cases)}
            results["runs"][key] = result
            output.write_text(json.dumps(results))
            print(f"{key}: {means([result])['hole dB']:.2f} dB after {seconds:.0f} s", flush=True)
    return {
        arm: [results["runs"][f"{arm}, seed {seed}"] for seed in range(seeds)]
        for arm in ABLATIONS[name].arms
    }


@command
def main() -> None:
    """Read the command line, train, score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=ABLATIONS, metavar="NAME", help="one of %(choices)s")
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--seeds", type=at_least(1), default=2, help="trainings of every arm")
    parser.add_argument("--steps", type=at_least(1), help="of every training")
    parser.add_argument(
        "-o", "--output", type=new_file(".json"), help="default: NAME.json; runs in it are kept"
    )
    args = parser.parse_args()
    output = args.output or Path(f"{args.name}.json")
    arms = ablate(args.name, args.data, output, seeds=args.seeds, steps=args.steps)
    print(comparison_tables(arms))


if __name__ == "__main__":
    main()
