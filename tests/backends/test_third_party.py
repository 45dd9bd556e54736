"""Packages of others, installed with pip: a good one appears, a broken one takes nothing down."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "third_party"

REPORT = """
import json, sys
import numpy as np
import napari_inpaint as ni
from napari_inpaint.backends import registry

broken = registry.broken_backends()
image = np.full((40, 40), 7.0)
image[:, 20:] = 9.0
mask = np.zeros((40, 40), bool)
mask[10:20, 10:30] = True
fills = {}
for name in ("mean-fill", "telea", "raises-at-load", "wrong-shape", "returns-nan"):
    try:
        filled = ni.inpaint(image, mask, backend=name)
        fills[name] = [float(filled[mask].min()), float(filled[mask].max())]
    except ni.InpaintError as error:
        fills[name] = str(error)
json.dump(
    {
        "listed": {info.name: registry.provider(info.name) for info in ni.list_backends()},
        "broken": {each.name: [each.distribution, each.error] for each in broken},
        "fills": fills,
    },
    sys.stdout,
)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which pip installed the packages."""
    sources = tmp_path_factory.mktemp("sources")
    shutil.copytree(PACKAGES, sources, dirs_exist_ok=True)  # setuptools writes beside them
    target = tmp_path_factory.mktemp("site-packages")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    command += sorted(str(folder) for folder in sources.iterdir() if folder.is_dir())
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


@pytest.fixture(scope="module")
def report(installed):
    """What a fresh process with the packages sees."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_good_package_is_listed_with_its_distribution(report):
    assert report["listed"]["mean-fill"] == "mean-fill"
    assert report["listed"]["telea"] == "napari-inpaint"


def test_good_package_fills(report):
    low, high = report["fills"]["mean-fill"]
    # half of the known pixels are 7, half are 9; the limits' headroom costs nothing
    assert low == pytest.approx(8, abs=0.01)
    assert high == pytest.approx(8, abs=0.01)


def test_built_in_still_fills_beside_broken_packages(report):
    low, high = report["fills"]["telea"]
    assert 6.9 <= low < high <= 9.1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cannot-import", "a_library_that_is_not_there"),
        ("exits-on-import", "no licence key"),
        ("telea", "the name 'telea' is taken by napari-inpaint"),
        ("misspelt-hook", "unknown hook 'napari_inpaint_backend'"),
        ("raises-at-listing", "listing failed on purpose"),
    ],
)
def test_broken_backend_is_listed_with_its_distribution_and_its_reason(report, name, reason):
    distribution, error = report["broken"][name]
    assert distribution == "broken-backends"
    assert reason in error


def test_nothing_else_is_broken(report):
    ours = [
        name
        for name, (distribution, _) in report["broken"].items()
        if distribution in ("broken-backends", "mean-fill", "napari-inpaint")
    ]
    assert len(ours) == 5


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises-at-load", "weights are gone on purpose"),
        ("wrong-shape", "must return a tensor of shape"),
        ("returns-nan", "NaN"),
    ],
)
def test_backend_that_fails_when_used_is_named_in_the_error(report, name, reason):
    assert name in report["listed"]
    assert f"'{name}'" in report["fills"][name]
    assert reason in report["fills"][name]
