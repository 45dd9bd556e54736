"""What several tests share: a tiny scripted model, and backends made of one function."""

import importlib.metadata
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.backends import artifacts, registry
from napari_inpaint.backends.contract import BackendInfo

# What others have installed beside this package must not decide how its tests end.
_OWN = [
    each
    for each in importlib.metadata.entry_points(group=registry.GROUP)
    if each.dist is not None and each.dist.name == registry.OWN_DISTRIBUTION
]
registry._entry_points = lambda: _OWN


@pytest.fixture
def own_backends() -> str:
    """Code after which another process, too, sees the backends of this package alone."""
    return """
from napari_inpaint.backends import registry
installed = registry._entry_points
registry._entry_points = lambda: [
    each for each in installed() if each.dist.name == registry.OWN_DISTRIBUTION
]
"""


settings.register_profile("here", deadline=None)  # no test here is about time
settings.load_profile("here")


@pytest.fixture(autouse=True)
def configuration(tmp_path_factory, monkeypatch):
    """Keep the list of trusted files of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("configuration")
    monkeypatch.setattr(
        artifacts.platformdirs,
        "user_config_path",
        lambda *args, **kwargs: folder / "napari-inpaint",
    )
    return folder / "napari-inpaint"


@dataclass(frozen=True)
class FunctionBackend:
    """A backend whose methods are functions on tensors."""

    info: BackendInfo
    methods: dict[str, Callable[..., Any]]
    on_load: Callable[..., None] = lambda device: None

    def load(self, device):
        self.on_load(device)
        return SimpleNamespace(**self.methods)


@pytest.fixture
def add_backend(monkeypatch):
    """Add a backend made of functions to the installed ones; returns its name."""

    def add(inpaint, name="fake", on_load=lambda device: None, methods=None, **fields):
        methods = {"inpaint": inpaint} | (methods or {})
        info = BackendInfo(name=name, title=name.title(), **{"provides": {*methods}, **fields})
        installed = registry._installed()
        found = replace(
            installed,
            backends=installed.backends | {name: FunctionBackend(info, methods, on_load)},
            providers=installed.providers | {name: "fakes"},
        )
        monkeypatch.setattr(registry, "_installed", lambda: found)
        return name

    return add


@pytest.fixture
def add_painter(add_backend):
    """Add a backend that acts on each pixel by itself; returns its name.

    Known pixels are "dark" below 0.5 in the mean of their channels and "bright" above, with the
    probability 0.9; hole pixels are "dark" with the probability 0.7. Its fills are 0.25 where the
    probabilities say "dark", 0.75 where they say "bright", 1 where they say "gold"; half of that
    where nobody painted. Where the hole is, a fill is reliable to 0.25.
    """
    import torch

    def segment(image, mask):
        bright = (image.mean(1, keepdim=True) > 0.5).float()
        bright = torch.where(mask > 0, 0.3, 0.1 + 0.8 * bright)
        return torch.cat([1 - bright, bright, 0 * bright], 1)

    def guide(image, mask, probabilities):
        painted = (probabilities.amax(1, keepdim=True) == 1).float()
        level = torch.tensor([0.25, 0.75, 1.0])[probabilities.argmax(1, keepdim=True)]
        return (level * (1 + painted) / 2).expand_as(image)

    def reliability(image, mask):
        return 1 - 0.75 * mask

    def add(name="painter", **fields):
        colours = {"dark": "#202020", "bright": "#e0e0e0", "gold": "#ffd700"}
        fields.setdefault("classes", [ClassInfo(*each) for each in colours.items()])
        methods = {"segment": segment, "guide": guide, "reliability": reliability}
        return add_backend(lambda image, mask: image, name, methods=methods, **fields)

    return add


@pytest.fixture(scope="session")
def tiny_network():
    """A scripted network with one convolution whose fill is grey 0.25 in every channel."""
    import torch

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(4, 3, 3, padding=1)
            torch.nn.init.zeros_(self.convolution.weight)
            torch.nn.init.constant_(self.convolution.bias, 0.25)

        def forward(self, image, mask):
            prediction = self.convolution(torch.cat([image * (1 - mask), mask], dim=1))
            return image * (1 - mask) + prediction * mask

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        return torch.jit.script(Tiny().eval().half())


@pytest.fixture
def save_artifact(tiny_network, tmp_path) -> Callable[..., Path]:
    """Write the tiny network, in half precision, with a manifest's text or without one."""
    import torch

    def save(manifest: str | None = None, name: str = "tiny.pt", network=tiny_network) -> Path:
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            torch.jit.save(
                network, path, _extra_files={} if manifest is None else {"manifest.json": manifest}
            )
        return path

    return save
