import hashlib
import json
import zipfile

import pytest

from napari_inpaint.backends import artifacts
from napari_inpaint.errors import ArtifactError, UntrustedArtifactError

MANIFEST = json.dumps({"schema": 1, "name": "tiny", "title": "Tiny", "provides": ["inpaint"]})


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """An `exported` folder of its own, with a list of hashes of its own."""
    folder = tmp_path / "exported"
    folder.mkdir()
    hashes = {}
    monkeypatch.setattr(artifacts, "_exported", lambda: folder)
    monkeypatch.setattr(artifacts, "_shipped_hashes", lambda: hashes)
    return folder, hashes


def test_manifest_is_read_without_executing_the_file(save_artifact, monkeypatch):
    import torch

    path = save_artifact(MANIFEST)
    monkeypatch.setattr(torch.jit, "load", None)
    monkeypatch.setattr(torch, "load", None)
    assert artifacts.read_manifest(path).name == "tiny"


def test_manifest_is_none_for_a_file_without_one(save_artifact):
    assert artifacts.read_manifest(save_artifact()) is None


def test_truncated_file_is_refused(save_artifact):
    path = save_artifact(MANIFEST)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ArtifactError, match="truncated"):
        artifacts.read_manifest(path)


def test_state_dict_is_refused_as_no_torchscript(tmp_path):
    import torch

    torch.save({"weight": torch.ones(2)}, tmp_path / "state.pt")
    with pytest.raises(ArtifactError, match=r"not TorchScript.*exported first"):
        artifacts.read_manifest(tmp_path / "state.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n"])
def test_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ArtifactError, match="not a TorchScript file"):
        artifacts.read_manifest(tmp_path / "a.pt")


def test_empty_archive_is_refused(tmp_path):
    zipfile.ZipFile(tmp_path / "a.pt", "w").close()
    with pytest.raises(ArtifactError, match="not TorchScript"):
        artifacts.read_manifest(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["nowhere.pt", "."])
def test_file_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.read_manifest(tmp_path / name)
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.verify(tmp_path / name)


def test_newer_schema_is_refused_with_the_file_named(save_artifact):
    path = save_artifact(MANIFEST.replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ArtifactError, match=rf"{path.name}.*schema 99"):
        artifacts.read_manifest(path)


def test_manifest_that_is_a_bomb_is_refused(save_artifact, monkeypatch):
    monkeypatch.setattr(artifacts, "LARGEST_MANIFEST", 10)
    with pytest.raises(ArtifactError, match="larger than 10 bytes"):
        artifacts.read_manifest(save_artifact(MANIFEST))


def test_unknown_file_needs_consent_and_the_error_carries_its_hash(save_artifact):
    path = save_artifact()
    with pytest.raises(UntrustedArtifactError, match="--trust") as caught:
        artifacts.verify(path)
    assert caught.value.path == path.resolve()
    assert caught.value.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not artifacts.is_trusted(path)


def test_trusted_file_verifies_also_after_it_moved(save_artifact, configuration):
    path = save_artifact()
    artifacts.trust(path)
    assert artifacts.verify(path) == path.read_bytes()
    assert artifacts.is_trusted(path.rename(path.with_name("moved.pt")))
    assert [each.name for each in configuration.iterdir()] == ["trusted.json"]


def test_trusted_file_that_changed_is_refused_until_trusted_again(save_artifact):
    path = save_artifact()
    artifacts.trust(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ArtifactError, match="changed since you trusted it") as caught:
        artifacts.verify(path)
    assert not isinstance(caught.value, UntrustedArtifactError)
    artifacts.trust(path)
    assert artifacts.is_trusted(path)


def test_trusting_a_second_file_keeps_the_first(save_artifact):
    first, second = save_artifact(name="a.pt"), save_artifact(MANIFEST, name="b.pt")
    artifacts.trust(first)
    artifacts.trust(second)
    assert artifacts.is_trusted(first)
    assert artifacts.is_trusted(second)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_damaged_trust_list_is_an_error_that_names_it(save_artifact, configuration, content):
    configuration.mkdir()
    (configuration / "trusted.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"trusted\.json.*[Rr]epair or delete"):
        artifacts.verify(save_artifact())


def test_shipped_file_is_verified_against_the_list(save_artifact, exported):
    folder, hashes = exported
    path = save_artifact().rename(folder / "shipped.pt")
    hashes["shipped.pt"] = artifacts.sha256(path)
    assert artifacts.shipped() == [path]
    assert artifacts.verify(path) == path.read_bytes()


def test_shipped_file_that_was_tampered_with_is_refused_even_if_trusted(save_artifact, exported):
    folder, hashes = exported
    path = save_artifact().rename(folder / "shipped.pt")
    hashes["shipped.pt"] = "0" * 64
    artifacts.trust(path)
    with pytest.raises(ArtifactError, match=r"tampered with or is truncated.*Reinstall"):
        artifacts.verify(path)


def test_file_that_only_lies_in_the_folder_is_not_shipped(save_artifact, exported):
    folder, hashes = exported
    path = save_artifact().rename(folder / "stray.pt")
    hashes["missing.pt"] = "0" * 64
    assert artifacts.shipped() == []
    with pytest.raises(UntrustedArtifactError):
        artifacts.verify(path)


def test_list_of_shipped_hashes_fits_the_files_that_ship():
    for path in artifacts.shipped():
        assert artifacts.verify(path)
        assert artifacts.read_manifest(path).name == path.stem
