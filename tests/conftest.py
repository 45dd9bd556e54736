"""What several tests share: a tiny scripted model, and backends made of one function."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from napari_inpaint import artifacts, registry
from napari_inpaint.backend import BackendInfo

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
    """A backend that is one function (image, mask) → image on tensors."""

    info: BackendInfo
    function: Callable[..., Any]
    on_load: Callable[..., None] = lambda device: None

    def load(self, device):
        self.on_load(device)
        return self

    def inpaint(self, image, mask):
        return self.function(image, mask)


@pytest.fixture
def add_backend(monkeypatch):
    """Add a backend made of one function to the installed ones; returns its name."""

    def add(function, name="fake", on_load=lambda device: None, **fields):
        info = BackendInfo(name=name, title=name.title(), **{"provides": {"inpaint"}, **fields})
        installed = registry._installed()
        found = replace(
            installed,
            backends=installed.backends | {name: FunctionBackend(info, function, on_load)},
            providers=installed.providers | {name: "fakes"},
        )
        monkeypatch.setattr(registry, "_installed", lambda: found)
        return name

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
