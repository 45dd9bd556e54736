"""What the tests of the command share: an empty folder to work in, and the command itself."""

import pytest

from napari_inpaint.cli.parser import main


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    """An empty folder to work in, and a home of its own for trusted files."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.chdir(room)
    return room


@pytest.fixture
def run(capsys):
    """Run the command with a quick backend; returns exit status, stdout, stderr."""

    def run_command(*words, backend="telea"):
        choice = ["--backend", backend] if words[0] == "run" else []
        status = main([*map(str, words), *choice])
        out, err = capsys.readouterr()
        return status, out, err

    return run_command
