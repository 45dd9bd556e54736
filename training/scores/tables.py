"""Scores as Markdown tables."""

from typing import Any

from training.data.holes import AREA_BINS

SHARES = tuple(f"{low:.0%} to {high:.0%}" for low, high in AREA_BINS)
#: Whole-image PSNR, dB, by hole share, as ISNet's table 3 prints them for Places2.
PUBLISHED = {
    "contextual attention": (24.36, 21.19, 19.13, 17.75),
    "PConv": (28.02, 24.90, 22.45, 20.86),
    "EdgeConnect": (27.95, 24.92, 22.84, 21.16),
    "ISNet": (31.41, 26.88, 23.90, 21.34),
}


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Draw a Markdown table; every row has as many cells as the head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def score_tables(scores: dict[str, dict[str, Any]]) -> str:
    """Draw the scores as Markdown: inside the hole; of strokes, the whole image as published."""
    formats = {"SSIM": ".3f", "L1 %": ".2f", "texture": ".1f", "perceptual": ".1f"}
    formats |= {"LPIPS": ".4f", "FID": ".2f", "mIoU known": ".3f", "mIoU hole": ".3f", "ms": "d"}
    measured = [key for key in formats if any(key in row for row in scores.values())]
    groups = list(next(iter(scores.values()))["hole dB by group"])
    heads = [f"{group}, dB" for group in groups]
    inside = []
    for name, row in scores.items():
        low, high = row["hole dB, 95 % interval"]
        hole = f"{row['hole dB']:.2f} ({low:.2f} to {high:.2f})"
        means = [f"{value:.2f}" for value in row["hole dB by group"].values()]
        others = [format(row[key], formats[key]) if key in row else "" for key in measured]
        inside.append([name, hole, *means, *others])
    found = [markdown(["method", "hole dB (95 %)", *heads, *measured], inside)]
    if groups == list(SHARES):
        found.append(whole_image_table(scores))
    for name, row in scores.items():
        if "reliability" in row:
            found.append(reliability_table(name, row["reliability"]))
    return "\n\n".join(found)


def whole_image_table(scores: dict[str, dict[str, Any]]) -> str:
    """Draw the whole image's PSNR by hole share, beside published rows."""
    rows = {name: row["dB by group"].values() for name, row in scores.items()}
    rows |= {f"*{name}, published, other data*": values for name, values in PUBLISHED.items()}
    cells = [[name, *(f"{value:.2f}" for value in values)] for name, values in rows.items()]
    return markdown(["whole image, dB", *SHARES], cells)


def reliability_table(name: str, quarters: dict[str, dict[str, float]]) -> str:
    """Draw the error of hole pixels by how reliable the backend calls them."""
    rows = [
        [quarter, f"{values['share %']:.1f}", f"{values['L1 %']:.2f}"]
        for quarter, values in quarters.items()
    ]
    return markdown([f"reliability ({name})", "share of the hole, %", "L1 there, %"], rows)
