"""Who may import whom, and what an import may load."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import napari_inpaint

PACKAGE = Path(napari_inpaint.__file__).parent
TOOLKITS = {"napari", "qtpy", "magicgui", "superqt", "PyQt6", "PyQt5", "PySide6"}

# module: the modules of this package that it may import; errors may be imported everywhere
ARROWS = {
    "__init__": {"backend", "registry", "segmentation", "stacks", "variation"},
    "errors": set(),
    "axes": set(),
    "masks": set(),
    "intensity": set(),
    "tiling": set(),
    "manifest": set(),
    "device": set(),
    "backend": set(),
    "artifacts": {"manifest"},
    "registry": {"backend"},
    "scores": {"backend"},
    "selection": {"backend", "registry", "scores"},
    "torchscript": {"artifacts", "backend", "manifest"},
    "classical": {"backend"},
    "classmap": {"backend"},
    "relay": set(),
    "multiscale": {"classmap", "masks", "relay", "tiling"},
    "predictor": {"backend", "classmap", "device", "tiling"},
    "planning": {
        "axes", "backend", "classmap", "device", "intensity", "multiscale", "registry", "selection",
        "torchscript",
    },
    "pipeline": {
        "axes", "classmap", "intensity", "masks", "multiscale", "planning", "predictor", "relay",
    },
    "mosaic": {"intensity", "masks", "tiling"},
    "sampling": {"classmap", "masks"},
    "instances": {"backend", "masks"},
    "segmentation": {
        "backend", "classmap", "instances", "masks", "mosaic", "pipeline", "planning", "predictor",
        "sampling", "tiling",
    },
    "variation": {
        "axes", "classmap", "masks", "pipeline", "planning", "relay", "sampling", "segmentation",
    },
    "lazy": {"axes", "classmap", "pipeline", "planning", "segmentation"},
    "stacks": {"lazy", "pipeline", "segmentation", "variation"},
    "picture": set(),
    "raster": {"picture"},
    "tiff": {"picture"},
    "files": {"picture", "raster", "tiff"},
    "batch": {"files"},
    "listing": {"artifacts", "backend", "manifest", "registry", "scores", "selection"},
    "demo": {"masks", "planning", "samples", "stacks"},
    "labelfiles": {"backend", "files", "picture", "raster", "tiff"},
    "console": set(),
    "commands": {
        "artifacts", "backend", "batch", "console", "device", "files", "instances", "labelfiles",
        "listing", "picture", "planning", "segmentation", "selection", "stacks",
    },
    "cli": {"artifacts", "commands", "console", "demo", "listing"},
    "_sample_data": {"samples"},
    "_worker": {"artifacts", "device", "masks", "pipeline", "registry", "torchscript"},
}  # fmt: skip
TORCHSCRIPT = {"torchscript"}


def imports(path):
    """Return the modules of this package, and the other top-level packages, that a file imports."""
    own, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "napari_inpaint." * bool(node.level) + (node.module or "")
            names = [f"{module}.{alias.name}".replace("..", ".") for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "napari_inpaint":
                own.add(rest.partition(".")[0])
            else:
                others.add(first)
    return own, others


def test_every_module_is_in_the_table():
    assert {path.stem for path in PACKAGE.glob("*.py")} == ARROWS.keys()


@pytest.mark.parametrize("module", sorted(ARROWS))
def test_module_imports_only_what_the_table_allows(module):
    own, others = imports(PACKAGE / f"{module}.py")
    assert own <= ARROWS[module] | {"errors"}
    assert module == "_worker" or not others & TOOLKITS


def test_only_one_module_touches_torchscript():
    for path in PACKAGE.rglob("*.py"):
        touches = any(
            isinstance(node, ast.Attribute) and node.attr == "jit"
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
        assert touches == (path.stem in TORCHSCRIPT), path.name


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()


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


def test_listing_backends_loads_no_heavy_library():
    loaded = run(
        "import sys, napari_inpaint;"
        "assert napari_inpaint.list_backends();"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert not (TOOLKITS | {"torch", "cv2", "skimage", "scipy", "dask"}) & {*loaded}


def test_fill_works_where_no_gui_can_be_imported():
    code = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TOOLKITS!r}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
import numpy as np
import napari_inpaint
image = np.full((40, 40), 7, np.uint16)
mask = np.zeros((40, 40), bool)
mask[10:20, 10:20] = True
image[mask] = 0
print(int(napari_inpaint.inpaint(image, mask, backend="telea").min()))
"""
    assert run(code) == ["7"]
