"""Backends and artifacts, described as text for people or as JSON; nothing is executed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_inpaint.backends import artifacts, registry
from napari_inpaint.backends.auto import FILLS, choose_backend
from napari_inpaint.backends.contract import BackendInfo
from napari_inpaint.backends.manifest import Manifest
from napari_inpaint.backends.scores import Score, comparisons
from napari_inpaint.errors import ArtifactError, BackendError, UntrustedArtifactError

COLUMNS = (
    *("hole dB", "SSIM", "L1 %", "texture", "perceptual", "LPIPS", "FID"),
    *("mIoU known", "mIoU hole"),
)
READING = """\
In brackets: the classical fill named at the end. More dB in the hole and SSIM: nearer to the truth.
Less texture distance: less blur; 0 = the truth's own texture. Less perceptual distance: more alike
to a network that knows objects."""
CONVENTION = "none; run as image in [0, 1], mask 1 = hole, sizes padded to multiples of 8"


def backends(*, as_json: bool = False) -> str:
    """Describe every installed backend, and every broken one with the reason."""
    found, broken = registry.list_backends(), registry.broken_backends()
    if as_json:
        listed = [
            {
                **dataclasses.asdict(each),
                "provides": sorted(each.provides),
                "provider": registry.provider(each.name),
            }
            for each in found
        ]
        unusable = [dataclasses.asdict(each) for each in broken]
        return _json({"backends": listed, "auto": _auto(), "broken": unusable})
    rows = [("NAME", "PROVIDES", "CHANNELS", "PROVIDER", "TITLE")]
    for each in found:
        provides, channels = ", ".join(sorted(each.provides)), str(each.channels or "any")
        rows.append((each.name, provides, channels, registry.provider(each.name), each.title))
    parts = [table(rows)]
    if scored := [row for each in found for row in _score_rows(each)]:
        parts.append(
            table(
                [("SCORES", "DATA", "HOLE dB", "SSIM", "TEXTURE", "PERCEPTUAL", "BESIDE"), *scored]
            )
        )
        parts.append(READING)
    parts.append(table([("AUTO", "BACKEND"), *_auto().items()]))
    if broken:
        why = [(each.name, each.distribution, each.error) for each in broken]
        parts.append(table([("BROKEN", "PROVIDER", "WHY"), *why]))
    return "\n\n".join(parts)


def artifact(path: Path, *, as_json: bool = False) -> str:
    """Describe an artifact: what it says of itself, its size and hash, whether it may run.

    Raises
    ------
    ArtifactError
        If it cannot be read, is truncated or no TorchScript file, or has a bad manifest.
    """
    manifest = artifacts.read_manifest(path)
    size, digest, trust = path.stat().st_size, artifacts.sha256(path), _trust(path)
    if as_json:
        described = json.loads(manifest.to_json()) if manifest else None
        about = {"file": str(path), "bytes": size, "sha256": digest, "trust": trust}
        return _json({**about, "manifest": described})
    lines = [
        ("file", str(path)),
        ("size", f"{size / 2**20:.1f} MiB"),
        ("SHA-256", digest),
        ("trust", trust),
        *(_manifest_lines(manifest) if manifest else [("manifest", CONVENTION)]),
    ]
    return "\n".join(f"{label:14}{text}" for label, text in lines if text)


def _score_rows(info: BackendInfo) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for each in comparisons(info):
        own, beside = each.own, each.others[each.reference]
        rows.append(
            (
                info.name,
                each.data,
                f"{own.hole_db:.1f} ({beside.hole_db:.1f})",
                f"{own.ssim:.3f} ({beside.ssim:.3f})",
                f"{own.texture:.0f} ({beside.texture:.0f})",
                _perceptual(own, beside),
                each.reference,
            )
        )
    return rows


def _perceptual(own: Score, beside: Score) -> str:
    if own.perceptual is None or beside.perceptual is None:
        return ""
    return f"{own.perceptual:.0f} ({beside.perceptual:.0f})"


def _auto() -> dict[str, str]:
    """Return what "auto" stands for, by kind of image and what is asked for.

    Of single images other than colour, and of stacks, this is one of those that a jury weighs.
    """
    chosen = {}
    for channels, image in ((3, "colour"), (None, "other images")):
        for needs, what in ((FILLS, ""), (frozenset({"segment", "guide"}), ", with labels")):
            with contextlib.suppress(BackendError):
                chosen[image + what] = choose_backend(channels, needs)
    return chosen


def _trust(path: Path) -> str:
    try:
        artifacts.verify(path)
    except UntrustedArtifactError:
        return "not trusted yet: --trust, or the dialog in napari, consents to running it"
    except ArtifactError as error:
        return f"refused: {error}"
    shipped = {each.resolve() for each in artifacts.shipped()}
    return "shipped with napari-inpaint" if path.resolve() in shipped else "trusted by you"


def _manifest_lines(manifest: Manifest) -> list[tuple[str, str]]:
    data = [
        f"{each.get('name', '?')} ({each.get('licence', '?')})" for each in manifest.training_data
    ]
    return [
        ("name", manifest.name),
        ("title", manifest.title),
        ("summary", manifest.summary),
        ("provides", ", ".join(manifest.provides)),
        ("channels", str(manifest.channels or "any")),
        ("classes", ", ".join(each.get("name", "?") for each in manifest.classes)),
        ("domain", manifest.domain),
        ("licence", manifest.licence),
        ("source", manifest.source),
        ("network", manifest.network),
        ("recipe", manifest.recipe),
        ("version", manifest.version),
        ("torch", manifest.torch_version),
        ("commit", manifest.commit),
        *_block("trained on", data),
        *_block("scores", _scores(manifest.scores, manifest.name)),
    ]


def _block(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if index else label, text) for index, text in enumerate(texts)]


def _scores(scores: dict[str, Any], own: str) -> list[str]:
    """Return the scores as lines: a table for each set of data, an artifact's own row on top."""
    lines = []
    for data, rows in scores.items():
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            lines += _flat(rows, data)
            continue
        names = sorted(rows, key=lambda name: (name != own, name))
        columns = list(dict.fromkeys(key for name in names for key in _numbers(rows[name])))
        columns.sort(key=lambda key: COLUMNS.index(key) if key in COLUMNS else len(COLUMNS))
        cells = [
            [name, *(f"{row[key]:.4g}" if key in row else "" for key in columns)]
            for name, row in ((name, _numbers(rows[name])) for name in names)
        ]
        lines += table([[data, *columns], *cells]).splitlines()
    return lines


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, (int, float))}


def _flat(value: Any, under: str) -> list[str]:
    if isinstance(value, dict):
        return [line for name, each in value.items() for line in _flat(each, f"{under} · {name}")]
    return [f"{under}: {f'{value:.4g}' if isinstance(value, float) else value}"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells with the columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
