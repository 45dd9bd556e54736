"""Backends and artifacts, described as text for people or as JSON; nothing is executed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import artifacts, registry
from .errors import ArtifactError, UntrustedArtifactError
from .manifest import Manifest

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
        return _json({"backends": listed, "broken": [dataclasses.asdict(each) for each in broken]})
    rows = [("NAME", "PROVIDES", "CHANNELS", "PROVIDER", "TITLE")]
    for each in found:
        provides, channels = ", ".join(sorted(each.provides)), str(each.channels or "any")
        rows.append((each.name, provides, channels, registry.provider(each.name), each.title))
    text = table(rows)
    if broken:
        why = [(each.name, each.distribution, each.error) for each in broken]
        text += "\n\n" + table([("BROKEN", "PROVIDER", "WHY"), *why])
    return text


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
        *_block("scores", _scores(manifest.scores)),
    ]


def _block(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if index else label, text) for index, text in enumerate(texts)]


def _scores(scores: dict[str, Any], under: str = "") -> list[str]:
    lines = []
    for name, value in scores.items():
        if isinstance(value, dict):
            lines += _scores(value, f"{under}{name} · ")
        else:
            lines.append(f"{under}{name}: {f'{value:.4g}' if isinstance(value, float) else value}")
    return lines


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells with the columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
