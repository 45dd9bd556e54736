import json
import warnings

import numpy as np
import pytest
import torch

import napari_inpaint as ni
from napari_inpaint.backends import artifacts, torchscript
from napari_inpaint.backends.manifest import Manifest
from napari_inpaint.backends.torchscript import ArtifactBackend, open_artifact
from napari_inpaint.errors import ArtifactError, BackendError, UntrustedArtifactError

MANIFEST = {
    "schema": 1,
    "name": "tiny",
    "title": "Tiny",
    "provides": ["inpaint"],
    "channels": 3,
    "classes": [{"name": "road", "colour": "#804080"}],
    "multiple": 16,
    "context": 24,
    "working_size": 96,
    "domain": "photo",
    "licence": "BSD-3-Clause",
}
CPU = torch.device("cpu")


def test_manifest_becomes_the_info(save_artifact):
    info = ArtifactBackend(save_artifact(json.dumps(MANIFEST))).info
    assert (info.name, info.channels, info.multiple, info.context) == ("tiny", 3, 16, 24)
    assert info.provides == frozenset({"inpaint"})
    assert info.classes[0].colour == "#804080"


@pytest.mark.parametrize(
    "change",
    [
        {"provides": ["fly"]},
        {"name": "Bad Name"},
        {"classes": [{"name": "road"}]},
        {"classes": [{"name": "road", "colour": "red"}]},
    ],
)
def test_manifest_with_an_impossible_value_is_refused_with_the_file_named(save_artifact, change):
    with pytest.raises(ArtifactError, match=r"tiny\.pt cannot be used"):
        _ = ArtifactBackend(save_artifact(json.dumps(MANIFEST | change))).info


def test_file_without_a_manifest_has_the_common_convention(save_artifact):
    info = ArtifactBackend(save_artifact(name="Big LaMa (v2).pt")).info
    assert info.name == "big-lama-v2-"
    assert info.title == "Big LaMa (v2).pt"
    assert (info.channels, info.multiple, info.provides) == (3, 8, frozenset({"inpaint"}))


def test_loading_needs_consent(save_artifact):
    with pytest.raises(UntrustedArtifactError):
        ArtifactBackend(save_artifact()).load(CPU)


def test_trusted_file_fills_in_float32(save_artifact):
    path = save_artifact(json.dumps(MANIFEST))
    artifacts.trust(path)
    model = ArtifactBackend(path).load(CPU)
    assert {each.dtype for each in model.module.parameters()} == {torch.float32}
    image, mask = torch.rand(2, 3, 16, 32), torch.zeros(2, 1, 16, 32)
    mask[..., 4:8, 4:8] = 1
    filled = model.inpaint(image, mask)
    assert torch.equal(filled, torch.where(mask == 1, torch.tensor(0.25), image))


def test_only_the_deprecation_of_torchscript_is_silent(save_artifact, monkeypatch):
    path = save_artifact()
    artifacts.trust(path)
    real = torch.jit.load

    def load(*args, **kwargs):
        warnings.warn("another one", DeprecationWarning, stacklevel=2)
        return real(*args, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ArtifactBackend(path).load(CPU)
    monkeypatch.setattr(torch.jit, "load", load)
    with pytest.warns(DeprecationWarning, match="another one"):
        ArtifactBackend(path).load(CPU)


def test_file_that_torch_cannot_load_is_an_error(save_artifact):
    import zipfile

    path = save_artifact(json.dumps(MANIFEST))
    broken = path.with_name("broken.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(broken, "w") as new:
        for each in old.namelist():
            new.writestr(each, b"?" if each.endswith(".py") else old.read(each))
    artifacts.trust(broken)
    with pytest.raises(ArtifactError, match=r"cannot load .*broken\.pt"):
        ArtifactBackend(broken).load(CPU)


def test_method_that_is_promised_but_missing_is_an_error(save_artifact):
    path = save_artifact(json.dumps(MANIFEST | {"provides": ["inpaint", "segment"]}))
    artifacts.trust(path)
    with pytest.raises(ArtifactError, match="provides segment, but has no such method"):
        ArtifactBackend(path).load(CPU)


@pytest.mark.parametrize("method", ["segment", "guide", "reliability"])
def test_method_that_is_not_provided_is_a_clear_error(save_artifact, method):
    path = save_artifact(json.dumps(MANIFEST))
    artifacts.trust(path)
    model = ArtifactBackend(path).load(CPU)
    tensors = [torch.zeros(1, 3, 8, 8)] * (3 if method == "guide" else 2)
    with pytest.raises(BackendError, match=f"tiny does not provide {method}; it provides inpaint"):
        getattr(model, method)(*tensors)


def test_exported_methods_are_called(save_artifact):
    class Many(torch.nn.Module):
        def forward(self, image, mask):
            return image

        @torch.jit.export
        def segment(self, image, mask):
            return image * 2

        @torch.jit.export
        def guide(self, image, mask, probabilities):
            return image + probabilities

        @torch.jit.export
        def reliability(self, image, mask):
            return 1 - mask

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        network = torch.jit.script(Many())
    provides = ["inpaint", "segment", "guide", "reliability"]
    path = save_artifact(json.dumps(MANIFEST | {"provides": provides}), network=network)
    artifacts.trust(path)
    model = ArtifactBackend(path).load(CPU)
    one = torch.ones(1, 3, 8, 8)
    assert model.segment(one, one).max() == 2
    assert model.guide(one, one, one * 3).max() == 4
    assert model.reliability(one, one).max() == 0


def test_same_file_is_the_same_backend_until_it_changes(save_artifact):
    path = save_artifact()
    first = open_artifact(path)
    assert open_artifact(str(path)) is first
    path.write_bytes(path.read_bytes() + b" ")
    assert open_artifact(path) is not first


def test_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        open_artifact(tmp_path / "nowhere.pt")


def test_hook_offers_what_ships():
    offered = torchscript.napari_inpaint_backends()
    assert [each.path for each in offered] == [path.resolve() for path in artifacts.shipped()]


# --- in which numbers a file answers that says nothing --------------------------------------


class Answers(torch.nn.Module):
    """Fills with 0.4 of full brightness, in numbers from ``black`` to ``black + span``."""

    def __init__(self, black: float, span: float, keeps_known: bool) -> None:
        super().__init__()
        self.black, self.span, self.keeps_known = black, span, keeps_known

    def forward(self, image, mask):
        filled = image * (1 - mask) + 0.4 * mask
        if not self.keeps_known:
            filled = 0.5 * (1 - mask) * image.flip(3) + 0.4 * mask
        return filled * self.span + self.black


@pytest.mark.parametrize("keeps_known", [True, False])
@pytest.mark.parametrize(("black", "span"), [(0, 1), (0, 255), (-1, 2)])
@pytest.mark.parametrize("level", [3, 102, 240])
def test_range_of_a_file_without_a_manifest_is_found_out(
    save_artifact, black, span, keeps_known, level
):
    network = torch.jit.script(Answers(float(black), float(span), keeps_known).eval())
    path = save_artifact(network=network)
    artifacts.trust(path)
    image = np.full((96, 96, 3), level, np.uint8)
    image[::3] = 90
    hole = np.zeros((96, 96), bool)
    hole[40:60, 40:60] = True
    filled = ni.inpaint(image, hole, backend=path)
    assert (filled[hole] == 102).all()
    assert (filled[~hole] == image[~hole]).all()


def test_range_that_cannot_be_told_is_an_error_that_says_what_was_expected(save_artifact):
    path = save_artifact(network=torch.jit.script(Answers(-40.0, 1000.0, True).eval()))
    artifacts.trust(path)
    image, hole = np.zeros((64, 64, 3), np.uint8), np.eye(64, dtype=bool)
    image[::2] = 9
    with pytest.raises(ArtifactError, match=r"numbers from .* Expected were 0 to 1, 0 to 255 or"):
        ni.inpaint(image, hole, backend=path)


def test_file_with_a_manifest_is_taken_at_its_word(save_artifact):
    manifest = Manifest(name="loud", title="Loud", provides=("inpaint",), channels=3)
    network = torch.jit.script(Answers(0.0, 255.0, True).eval())
    path = save_artifact(manifest.to_json(), network=network)
    artifacts.trust(path)
    image, hole = np.zeros((64, 64, 3), np.uint8), np.eye(64, dtype=bool)
    image[::2] = 9
    with pytest.raises(BackendError, match=r"'loud' must fill with numbers in \[0, 1\].*to 102"):
        ni.inpaint(image, hole, backend=path)
