"""Other programs: how they are asked, what they return, who is missing. Impostors stand in."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from napari_inpaint.errors import BackendError
from training.scores import peers

GMIC = f"""#!{sys.executable}
import sys
import numpy as np
from PIL import Image
*options, picture, hole, command, settings, keep, output, path = sys.argv[1:]
assert options == ["-v", "-1", "srand", "0"], options
assert (keep, output) == ("keep[0]", "output")
image, mask = np.array(Image.open(picture)), np.array(Image.open(hole))
assert mask.dtype == np.uint8
assert set(np.unique(mask)) == {{0, 255}}
colours = {{("inpaint_matchpatch[0]", "[1]"): 10, ("inpaint[0]", "[1],5,15,0.5,1,9,0"): 20}}
image[mask > 0] = (colours[command, settings], 0, 250)
Image.fromarray(image).save(path)
"""
MODULES = {
    "patchmatch": """
import numpy as np

def inpaint(image, mask, *, patch_size):
    assert mask.dtype == np.uint8
    return np.where(mask[..., None] > 0, np.uint8([10 * patch_size, 0, 250]), image)
""",
    "resynthesizer": """
import numpy as np
from PIL import Image

def TImageSynthParameters(*fields):
    return fields

def resynthesize(image, mask, parameters):
    assert parameters == (0, 0, 1, 0.0, 0.117, 16, 500)
    hole = np.array(mask)[..., None] > 0
    return Image.fromarray(np.where(hole, np.uint8([40, 0, 250]), np.array(image)))
""",
}


def xphoto_inpaint(image, known, filled, method):
    """Put the method's number into the hole of what is BGR or Lab."""
    assert known.dtype == np.uint8
    filled[:] = np.where(known[..., None] == 0, np.uint8([250, 0, 50 + method]), image)


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """No peer is installed; the folder where one may be."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delattr(cv2, "xphoto", raising=False)
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    return tmp_path


@pytest.fixture
def everybody(nobody, monkeypatch):
    """Impostors of all peers."""
    write_gmic(nobody, GMIC)
    for name, code in MODULES.items():
        (nobody / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(peers, "find_spec", find_spec)
    monkeypatch.syspath_prepend(nobody)
    fake = SimpleNamespace(inpaint=xphoto_inpaint, INPAINT_SHIFTMAP=0, INPAINT_FSR_FAST=2)
    monkeypatch.setattr(cv2, "xphoto", fake, raising=False)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def write_gmic(folder, code):
    (folder / "gmic").write_text(code)
    (folder / "gmic").chmod(0o755)


@pytest.fixture
def case():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    mask = np.zeros((40, 50), bool)
    mask[10:20, 12:30] = True
    return np.where(mask[..., None], np.uint8(0), image), mask


def test_all_are_asked_for_the_hole_in_rgb(everybody, case):
    image, mask = case
    found = peers.installed_peers()
    assert list(found) == list(peers.PEERS)
    assert peers.missing_peers() == ""
    colours = {
        "gmic-matchpatch": (10, 0, 250),
        "gmic-inpaint": (20, 0, 250),
        "resynthesizer": (40, 0, 250),
        "pypatchmatch": (30, 0, 250),
        "xphoto-fsr": (52, 0, 250),
    }
    lab = np.uint8([[[250, 0, 50]]])
    colours["xphoto-shiftmap"] = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)[0, 0]
    for name, fill in found.items():
        filled = fill(image, mask)
        assert filled.dtype == np.uint8
        assert (filled[mask] == colours[name]).all(), name
        off = np.abs(filled.astype(int) - image)[~mask].mean()
        assert off == 0 or (name == "xphoto-shiftmap" and off < 2), name  # there and back to Lab


def test_those_that_are_missing_are_named_with_what_installs_them(nobody):
    assert peers.installed_peers() == {}
    missing = peers.missing_peers()
    assert "\n" not in missing
    for name, peer in peers.PEERS.items():
        assert f"{name} ({peer.install})" in missing
    write_gmic(nobody, GMIC)
    assert list(peers.installed_peers()) == ["gmic-matchpatch", "gmic-inpaint"]
    assert "gmic" not in peers.missing_peers()


def test_one_that_fails_is_named_with_what_it_says(nobody, case):
    write_gmic(nobody, "#!/bin/sh\necho out of patches >&2\nexit 3\n")
    fill = peers.installed_peers()["gmic-inpaint"]
    with pytest.raises(BackendError, match=r"gmic-inpaint failed on a picture \(40, 50, 3\)") as e:
        fill(*case)
    assert "180 px of hole: out of patches" in str(e.value)
    for code in ("#!/bin/sh\nexit 0\n", GMIC + "\nsys.exit(3)\n"):  # one writes nothing
        write_gmic(nobody, code)
        with pytest.raises(BackendError, match="gmic-inpaint failed"):
            fill(*case)


@pytest.mark.parametrize("result", [np.zeros((40, 50), np.uint8), np.zeros((40, 50, 3))])
def test_what_is_no_picture_of_that_size_is_refused(everybody, case, monkeypatch, result):
    peer = peers.PEERS["pypatchmatch"]._replace(fill=lambda image, mask: result)
    monkeypatch.setitem(peers.PEERS, "pypatchmatch", peer)
    with pytest.raises(BackendError, match=r"pypatchmatch returned .*; expected uint8 \(40, 50"):
        peers.installed_peers()["pypatchmatch"](*case)


def test_module_of_the_same_name_that_cannot_fill_is_named(everybody, nobody, case):
    (nobody / "patchmatch.py").write_text("inpaint = None\n")
    with pytest.raises(BackendError, match="pypatchmatch failed"):
        peers.installed_peers()["pypatchmatch"](*case)
