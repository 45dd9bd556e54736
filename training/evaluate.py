"""Score artifacts beside classical fills: ``python -m training.evaluate exported/*.pt --data DIR``.

Every row of the table sees the same pictures and the same holes. Composites are rounded to 8 bits
before they are measured, as a person would save them.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torch import Tensor
from tqdm import tqdm

from napari_inpaint import registry
from training.data import centre_crop, list_images, load_images, to_tensor
from training.export import load_artifact, record_scores
from training.masks import AREA_BINS, Mask, irregular

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]
Fill = Callable[[Tensor, Tensor], Tensor]

CLASSICAL = ("telea", "navier-stokes", "biharmonic")


def fill_mean(image: Tensor, mask: Tensor) -> Tensor:
    """Fill with the mean of the known pixels: the floor of every table."""
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
    return torch.where(mask > 0, mean, image)


def hole_psnr(fill: Image, truth: Image, mask: Mask) -> float:
    """Return the PSNR over hole pixels alone, dB, peak 255."""
    squares = (fill[mask].astype(float) - truth[mask]) ** 2
    return float(-10 * np.log10(max(float(squares.mean()), 1e-3) / 255**2))


def image_psnr(fill: Image, truth: Image) -> float:
    """Return the PSNR over the whole composite, dB, peak 255."""
    return hole_psnr(fill, truth, np.ones(truth.shape[:2], bool))


def ssim(fill: Image, truth: Image) -> float:
    """Structural similarity of the composite: Gaussian window, sigma 1.5, mean over RGB."""
    return float(
        structural_similarity(
            fill, truth, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            channel_axis=2, data_range=255,
        )
    )  # fmt: skip


def l1_percent(fill: Image, truth: Image) -> float:
    """Mean absolute difference of the composite, in percent of 255."""
    return float(100 * np.abs(fill.astype(float) - truth).mean() / 255)


def _laplacian_pyramid(image: Image, levels: int) -> list[Floats]:
    current: Floats = image.astype(np.float32) / 255
    pyramid = []
    for _ in range(levels - 1):
        smaller: Floats = cv2.pyrDown(current)  # type: ignore[assignment]
        larger = cv2.pyrUp(smaller, dstsize=(current.shape[1], current.shape[0]))
        pyramid.append(current - larger)
        current = smaller
    return [*pyramid, current]


def _patches(level: Floats, centres: NDArray[np.intp], radius: int = 3) -> Floats:
    padded = np.pad(level, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    side = 2 * radius + 1
    return np.stack([padded[y : y + side, x : x + side].ravel() for y, x in centres])


def texture_distance(fills: list[Image], truths: list[Image], masks: list[Mask]) -> float:
    """Sliced Wasserstein distance x 100 between patches of the fills and of the truth.

    7 x 7 patches centred in the hole, three Laplacian levels, 64 patches an image and level, each
    dimension divided by the truth's deviation, 128 random directions, mean absolute difference of
    the sorted projections, mean over the levels. Needs no learned weights. 0 = same textures.

    Source: Karras et al., "Progressive Growing of GANs", 2018, restricted to the hole.
    """
    rng = np.random.default_rng(0)
    levels = 3
    sets: list[tuple[list[Floats], list[Floats]]] = [([], []) for _ in range(levels)]
    for fill, truth, mask in zip(fills, truths, masks, strict=True):
        filled, true = _laplacian_pyramid(fill, levels), _laplacian_pyramid(truth, levels)
        for level in range(levels):
            height, width = true[level].shape[:2]
            hole = cv2.resize(
                mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            places = np.argwhere(hole)
            centres = places[rng.integers(len(places), size=64)]
            sets[level][0].append(_patches(filled[level], centres))
            sets[level][1].append(_patches(true[level], centres))
    distances = []
    for ours, theirs in sets:
        a, b = np.concatenate(ours), np.concatenate(theirs)
        deviation = b.std(0) + 1e-6
        directions = rng.normal(size=(a.shape[1], 128))
        directions /= np.linalg.norm(directions, axis=0)
        sorted_a, sorted_b = (np.sort(x / deviation @ directions, axis=0) for x in (a, b))
        distances.append(np.abs(sorted_a - sorted_b).mean())
    return float(100 * np.mean(distances))


@dataclass
class Row:
    """One method's fills and scores, in the order of the cases."""

    fills: list[Image] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)


def interval(values: list[float], seed: int = 0) -> tuple[float, float]:
    """Return the bootstrap 95 % interval of the mean."""
    sample = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(sample, [2.5, 97.5])
    return float(low), float(high)


@torch.inference_mode()
def run(fill: Fill, cases: list[tuple[Image, Mask]], name: str) -> Row:
    """Fill and score every case with one method."""
    row = Row(scores={key: [] for key in ("hole dB", "dB", "SSIM", "L1 %")})
    for truth, mask in tqdm(cases, desc=name, leave=False):
        image, hole = to_tensor(truth)[None], torch.from_numpy(mask).float()[None, None]
        start = time.perf_counter()
        prediction = fill(torch.where(hole > 0, 0.5, image), hole)
        row.milliseconds.append(1000 * (time.perf_counter() - start))
        drawn = (prediction.clamp(0, 1) * 255).round().byte()[0].permute(1, 2, 0).numpy()
        composite = np.where(mask[..., None], drawn, truth)
        row.fills.append(composite)
        row.scores["hole dB"].append(hole_psnr(composite, truth, mask))
        row.scores["dB"].append(image_psnr(composite, truth))
        row.scores["SSIM"].append(ssim(composite, truth))
        row.scores["L1 %"].append(l1_percent(composite, truth))
    return row


def make_cases(pictures: list[Image], size: int) -> list[tuple[Image, Mask, int]]:
    """Give every picture one hole of every area bin: (square, hole, index of the bin)."""
    cases = []
    for number, picture in enumerate(pictures):
        square = centre_crop(picture, size)
        for index, (low, high) in enumerate(AREA_BINS):
            rng = np.random.default_rng([number, index])
            cases.append((square, irregular(rng, size, size, low, high), index))
    return cases


def summarise(row: Row, cases: list[tuple[Image, Mask, int]]) -> dict[str, object]:
    """Return a row's scores: means with intervals, hole PSNR by bin, texture, milliseconds."""
    decibel = row.scores["hole dB"]
    by_bin = {
        f"{low:.0%} to {high:.0%}": round(
            float(np.mean([d for d, case in zip(decibel, cases, strict=True) if case[2] == i])), 2
        )
        for i, (low, high) in enumerate(AREA_BINS)
    }
    low, high = interval(decibel)
    return {
        "hole dB": round(float(np.mean(decibel)), 2),
        "hole dB, 95 % interval": [round(low, 2), round(high, 2)],
        "hole dB by share": by_bin,
        "dB": round(float(np.mean(row.scores["dB"])), 2),
        "SSIM": round(float(np.mean(row.scores["SSIM"])), 4),
        "L1 %": round(float(np.mean(row.scores["L1 %"])), 2),
        "texture": round(
            texture_distance(row.fills, [c[0] for c in cases], [c[1] for c in cases]), 1
        ),
        "ms": round(float(np.median(row.milliseconds)), 0),
        "fills": len(cases),
    }


def table(scores: dict[str, dict[str, object]]) -> str:
    """Draw the scores as a Markdown table."""
    bins = [f"{low:.0%} to {high:.0%}" for low, high in AREA_BINS]
    lines = [
        "| method | hole dB (95 %) | " + " | ".join(bins) + " | SSIM | L1 % | texture | ms |",
        "|---" * (6 + len(bins)) + "|",
    ]
    for name, row in scores.items():
        low, high = row["hole dB, 95 % interval"]  # type: ignore[misc]
        shares: dict[str, float] = row["hole dB by share"]  # type: ignore[assignment]
        cells = [
            name,
            f"{row['hole dB']:.2f} ({low:.2f} to {high:.2f})",  # type: ignore[has-type]
            *(f"{shares[b]:.2f}" for b in bins),
            f"{row['SSIM']:.3f}",
            f"{row['L1 %']:.2f}",
            f"{row['texture']:.1f}",
            f"{row['ms']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw_sheet(rows: dict[str, Row], cases: list[tuple[Image, Mask]], path: Path) -> None:
    """Draw a contact sheet: input, every method, truth; one line for every case."""
    titles = ["input", *rows, "truth"]
    width = cases[0][0].shape[1]
    head = np.full((24, width * len(titles), 3), 255, np.uint8)
    for i, title in enumerate(titles):
        cv2.putText(head, title, (i * width + 6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1)
    lines = [head]
    for number, (truth, mask) in enumerate(cases):
        damaged = np.where(mask[..., None], np.uint8(255), truth)
        lines.append(np.hstack([damaged, *(row.fills[number] for row in rows.values()), truth]))
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR))


def main() -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("artifacts", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--split", default="", help="name of a list in training/splits")
    parser.add_argument("--pictures", type=int, default=48, help="at most this many")
    parser.add_argument("--size", type=int, default=256, help="side of the squares, px")
    parser.add_argument("--sheet", type=Path, help="draw 12 cases into this PNG")
    parser.add_argument("--json", type=Path, help="write all scores to this file")
    parser.add_argument("--record", action="store_true", help="write scores into the manifests")
    args = parser.parse_args()

    paths = list_images(args.data, args.split, validation=True)
    cases = make_cases(load_images(paths[:: max(1, len(paths) // args.pictures)]), args.size)
    methods: dict[str, Fill] = {"mean": fill_mean}
    device = torch.device("cpu")
    for name in CLASSICAL:
        methods[name] = registry.get_backend(name).load(device).inpaint
    for path in args.artifacts:
        methods[path.stem] = load_artifact(path)
    plain = [(image, mask) for image, mask, _ in cases]
    rows = {name: run(fill, plain, name) for name, fill in methods.items()}
    scores = {name: summarise(row, cases) for name, row in rows.items()}
    print(table(scores))
    if args.json:
        args.json.write_text(json.dumps(scores, indent=1) + "\n")
    if args.sheet:
        chosen = range(0, len(cases), max(1, len(cases) // 12 + 1))
        some = {n: Row([row.fills[i] for i in chosen]) for n, row in rows.items()}
        draw_sheet(some, [plain[i] for i in chosen], args.sheet)
    if args.record:
        for path in args.artifacts:
            beside = {name: scores[name] for name in (*CLASSICAL, path.stem)}
            record_scores(path, {f"{args.data.name}, {args.size} px": beside})


if __name__ == "__main__":
    main()
