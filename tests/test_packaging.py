import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMPORTED_AS = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "scikit-image": "skimage",
}


def requirement_names(requirements):
    return [re.split(r"[\[<>=!~; ]", each)[0].lower() for each in requirements]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy so that the working tree stays as it is."""
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("src", "exported"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    options = ["--quiet", "--disable-pip-version-check", "--wheel-dir", str(target), str(copy)]
    subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_every_module_and_all_data(wheel):
    inside = set(wheel.namelist())
    package = ROOT / "src" / "napari_inpaint"
    expected = {
        f"napari_inpaint/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - inside == set()
    assert {
        *("napari_inpaint/py.typed", "napari_inpaint/napari.yaml"),
        *("napari_inpaint/backends/artifacts.sha256", "napari_inpaint/exported/README.md"),
        *("napari_inpaint/samples/README.md", "napari_inpaint/samples/cancer_cell_migration.tif"),
    } <= inside


def test_wheel_holds_the_artifacts_that_its_hashes_name(wheel):
    hashes = wheel.read("napari_inpaint/backends/artifacts.sha256").decode().split()[1::2]
    shipped = [Path(each).name for each in wheel.namelist() if each.endswith(".pt")]
    assert sorted(shipped) == sorted(hashes)
    assert sorted(shipped) == sorted(path.name for path in (ROOT / "exported").glob("*.pt"))


def test_wheel_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"napari_inpaint", "napari_inpaint-0.1.0.dist-info"}


def test_wheel_registers_its_entry_points_and_brings_no_qt(wheel):
    points = wheel.read("napari_inpaint-0.1.0.dist-info/entry_points.txt").decode()
    for group in ("[console_scripts]", "[napari.manifest]", "[napari_inpaint.backends]"):
        assert group in points
    about = wheel.read("napari_inpaint-0.1.0.dist-info/METADATA").decode()
    needed = [line for line in about.splitlines() if line.startswith("Requires-Dist")]
    always = [line.lower() for line in needed if "extra ==" not in line]
    assert any("napari>=" in line for line in always)
    assert not any("qt" in line or "napari[" in line for line in always)
    assert "Framework :: napari" in about


def test_every_dependency_is_imported_somewhere():
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").split(".")[0])
    needed = requirement_names(PROJECT["project"]["dependencies"])
    assert {IMPORTED_AS.get(name, name) for name in needed} - imported == set()


def test_constraints_pin_every_dependency_once():
    lines = (ROOT / "constraints.txt").read_text().split()
    names = [line.partition("==")[0].lower() for line in lines]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert len(set(names)) == len(names)
    groups = PROJECT["dependency-groups"]
    direct = PROJECT["project"]["dependencies"] + groups["test"] + groups["check"]
    pinned, wanted = (
        {name.replace("_", "-") for name in each} for each in (names, requirement_names(direct))
    )
    assert wanted - pinned == set()
    assert "torch==2.13.0" in lines


def test_ci_runs_the_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert [line for line in script.read_text().splitlines() if "make" in line] == ["make test"]
    targets = (ROOT / "Makefile").read_text()
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for target in re.findall(r"make (\w+)", workflow):
        assert re.search(rf"^{target}:", targets, re.MULTILINE)
