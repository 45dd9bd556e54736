"""Who may import whom, and what an import may load."""

import ast
import importlib
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import napari_inpaint

ROOT = Path(__file__).parents[1]
PACKAGE = Path(napari_inpaint.__file__).parent
TRAINING = ROOT / "training"
TOOLKITS = {"napari", "qtpy", "magicgui", "superqt", "PyQt6", "PyQt5", "PySide6"}

# From the top down: a room imports only itself and rooms below it, and so does a file among them.
ROOMS = (
    *("gui", "cli", "api", "files", "fill", "backends", "weightless", "arrays"),
    *("samples", "errors"),
)
# Data and networks stand side by side: neither imports the other.
TRAINING_ROOMS = (
    *({"train", "export", "evaluate", "ablations"}, {"command"}, {"scores"}, {"loop"}),
    *({"recipes"}, {"recipe"}, {"data", "networks"}),
)


def modules(folder, package):
    """Return the files of a package by the dotted names of their modules."""
    files = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        files[".".join((package, *(each for each in parts if each != "__init__")))] = path
    return files


PLUGIN = modules(PACKAGE, "napari_inpaint")
TRAINERS = modules(TRAINING, "training")


def imported(path, known, *, at_runtime=False):
    """Return the modules among `known` that a file imports, and the other top-level packages."""
    own, others = set(), set()
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if at_runtime else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by dots; name the module from the top"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found = name if name in known else name.rpartition(".")[0]
            (own if found in known else others).add(
                found if found in known else name.partition(".")[0]
            )
    return own, others


def room_of(module):
    return module.split(".")[1] if "." in module else ""


def test_every_module_lies_in_a_room():
    assert {room_of(module) for module in PLUGIN} - {""} == {*ROOMS}
    assert {room_of(module) for module in TRAINERS} - {""} == set().union(*TRAINING_ROOMS)


def test_rooms_stand_in_the_architecture_in_the_same_order():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", text, re.MULTILINE)
    assert tuple(named[: len(ROOMS)]) == ROOMS
    assert set(named[len(ROOMS) :]) == set().union(*TRAINING_ROOMS)


@pytest.mark.parametrize("module", sorted(PLUGIN.keys() - {"napari_inpaint"}))
def test_plugin_imports_downwards_alone(module):
    own, others = imported(PLUGIN[module], PLUGIN.keys() | TRAINERS.keys())
    below = ROOMS[ROOMS.index(room_of(module)) :]
    assert {room_of(each) for each in own if each in PLUGIN} <= {*below}
    assert not own & TRAINERS.keys()
    assert room_of(module) == "gui" or not others & TOOLKITS


@pytest.mark.parametrize("module", sorted(TRAINERS.keys() - {"training"}))
def test_training_imports_downwards_alone(module):
    own, _ = imported(TRAINERS[module], TRAINERS.keys())
    floor = next(k for k, rooms in enumerate(TRAINING_ROOMS) if room_of(module) in rooms)
    below = set().union(*TRAINING_ROOMS[floor + 1 :]) | {room_of(module)}
    if floor == 0:  # a command may use another
        below |= TRAINING_ROOMS[0]
    assert {room_of(each) for each in own} <= below


@pytest.mark.parametrize("files", [PLUGIN, TRAINERS], ids=["plugin", "training"])
def test_no_module_imports_itself_through_others(files):
    arrows = {name: imported(path, files, at_runtime=True)[0] for name, path in files.items()}
    TopologicalSorter(arrows).prepare()


@pytest.mark.parametrize("files", [PLUGIN, TRAINERS], ids=["plugin", "training"])
def test_files_of_rooms_hold_one_line_and_names_have_one_address(files):
    for module, path in files.items():
        if path.name == "__init__.py" and module != "napari_inpaint":
            assert len(path.read_text("utf-8").splitlines()) == 1, module
        if module != "napari_inpaint":
            assert "__all__" not in path.read_text("utf-8"), module


def test_only_one_module_touches_torchscript():
    for module, path in PLUGIN.items():
        touches = any(
            isinstance(node, ast.Attribute) and node.attr == "jit"
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
        assert touches == (module == "napari_inpaint.backends.torchscript"), module


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()


def blocking(packages):
    """Return code after which none of these packages can be imported."""
    return f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
"""


def test_every_public_name_resolves():
    assert sorted(napari_inpaint.__all__) == napari_inpaint.__all__
    for name in napari_inpaint.__all__:
        home = importlib.import_module(f"napari_inpaint.{napari_inpaint._HOMES[name]}")
        assert getattr(napari_inpaint, name) is getattr(home, name)
        assert name in dir(napari_inpaint)
    with pytest.raises(AttributeError, match="no attribute 'inpaintt'"):
        _ = napari_inpaint.inpaintt


def test_import_of_the_package_is_light():
    loaded = run(
        "import sys, napari_inpaint;print(*{name.partition('.')[0] for name in sys.modules})"
    )
    heavy = TOOLKITS | {"torch", "numpy", "cv2", "skimage", "scipy", "dask", "pluggy"}
    assert "napari_inpaint" in loaded
    assert not heavy & {*loaded}


def test_listing_backends_loads_no_heavy_library(own_backends):
    loaded = run(
        f"import sys, napari_inpaint{own_backends}"
        "assert napari_inpaint.list_backends()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not (TOOLKITS | {"torch", "cv2", "skimage", "scipy", "dask"}) & {*loaded}


def test_fill_works_where_no_gui_can_be_imported(own_backends):
    code = f"""{blocking(TOOLKITS)}{own_backends}
import numpy as np
import napari_inpaint
image = np.full((40, 40), 7, np.uint16)
mask = np.zeros((40, 40), bool)
mask[10:20, 10:20] = True
image[mask] = 0
print(int(napari_inpaint.inpaint(image, mask, backend="telea").min()))
"""
    assert run(code) == ["7"]


def test_scoring_works_where_lightning_cannot_be_imported():
    code = f"{blocking({'lightning_fabric', 'lightning'})}\nimport training.evaluate\nprint('yes')"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["yes"]
