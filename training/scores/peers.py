"""Other programs that fill holes, as rows beside ours, where they are installed.

None is a dependency, and nothing of theirs is here. Settings are those of their manuals or of the
programs that are built upon them; all are as good as deterministic, from their own seeds.

- G'MIC (CeCILL), the command ``gmic``: ``inpaint_matchpatch`` as it comes, ``inpaint`` with the
  patches of its manual's example.
- Resynthesizer (GPL-3.0), the engine of GIMP's *Heal selection* as a Python package, with that
  filter's settings; it may copy from all of the picture, where GIMP takes 50 px around the hole.
- pypatchmatch: PatchMatch with patches of 7 px (``patch_size=3`` is their radius).
- OpenCV's contributed module xphoto: shift maps on CIELAB, and frequency selective reconstruction,
  the fast one of two (the other takes half a minute a hole). The package with xphoto replaces the
  one that this project depends upon; install it in an environment of its own.
"""

import importlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from napari_inpaint.errors import BackendError
from training.data.holes import Mask
from training.scores.cases import Fill
from training.scores.metrics import Image

RESYNTHESIZER = (0, 0, 1, 0.0, 0.117, 16, 500)
"""Tiling (twice), context, map weight, sensitivity to outliers, neighbours, probes."""


class Peer(NamedTuple):
    """Another program that fills holes."""

    fill: Fill
    is_here: Callable[[], bool]
    install: str
    """A command that installs it."""


def gmic(image: Image, mask: Mask, command: str, settings: str) -> Image:
    """Fill by a command of G'MIC, with settings after its first argument, the mask."""
    with tempfile.TemporaryDirectory() as folder:
        picture, hole, out = (str(Path(folder, f"{name}.png")) for name in ("in", "mask", "out"))
        cv2.imwrite(picture, image[..., ::-1])
        cv2.imwrite(hole, mask.astype(np.uint8) * 255)
        run = subprocess.run(
            ["gmic", "-v", "-1", "srand", "0", picture, hole, f"{command}[0]", f"[1]{settings}",
             "keep[0]", "output", out],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        filled = cv2.imread(out, cv2.IMREAD_COLOR) if run.returncode == 0 else None
        if filled is None:
            raise RuntimeError((run.stderr or run.stdout).strip()[-500:])
    return np.asarray(filled[..., ::-1], np.uint8)


def resynthesizer(image: Image, mask: Mask) -> Image:
    """Fill by GIMP's engine."""
    from PIL import Image as pillow

    engine = importlib.import_module("resynthesizer")
    pictures = (pillow.fromarray(image), pillow.fromarray(mask.astype(np.uint8) * 255))
    settings = engine.TImageSynthParameters(*RESYNTHESIZER)
    return np.asarray(engine.resynthesize(*pictures, settings))


def pypatchmatch(image: Image, mask: Mask) -> Image:
    """Fill by PatchMatch."""
    engine = importlib.import_module("patchmatch")
    filled: Image = engine.inpaint(image, mask.astype(np.uint8) * 255, patch_size=3)
    return filled


def xphoto() -> Any:
    """Return OpenCV's contributed module; None where OpenCV is installed without it."""
    return getattr(cv2, "xphoto", None)


def shift_map(image: Image, mask: Mask) -> Image:
    """Fill by OpenCV's shift map, which wants lightness first."""
    filled = np.zeros_like(image)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    xphoto().inpaint(lab, known(mask), filled, xphoto().INPAINT_SHIFTMAP)
    return np.asarray(cv2.cvtColor(filled, cv2.COLOR_Lab2RGB), np.uint8)


def frequencies(image: Image, mask: Mask) -> Image:
    """Fill by OpenCV's frequency selective reconstruction."""
    filled = np.zeros_like(image)
    picture = np.ascontiguousarray(image[..., ::-1])
    xphoto().inpaint(picture, known(mask), filled, xphoto().INPAINT_FSR_FAST)
    return filled[..., ::-1]


def known(mask: Mask) -> Image:
    """Return a mask as xphoto wants it, uint8: 0 = hole."""
    return np.where(mask, np.uint8(0), np.uint8(255))


def has_gmic() -> bool:
    """Tell whether there is the command ``gmic``."""
    return shutil.which("gmic") is not None


def has_xphoto() -> bool:
    """Tell whether OpenCV has its contributed module."""
    return xphoto() is not None


def has_module(name: str) -> bool:
    """Tell whether a module is installed."""
    return find_spec(name) is not None


_XPHOTO = "pip install opencv-contrib-python-headless"
#: By the names of their rows.
PEERS = {
    "gmic-matchpatch": Peer(
        partial(gmic, command="inpaint_matchpatch", settings=""), has_gmic, "apt install gmic"
    ),
    "gmic-inpaint": Peer(
        partial(gmic, command="inpaint", settings=",5,15,0.5,1,9,0"), has_gmic, "apt install gmic"
    ),
    "resynthesizer": Peer(
        resynthesizer, partial(has_module, "resynthesizer"), "pip install resynthesizer"
    ),
    "pypatchmatch": Peer(
        pypatchmatch, partial(has_module, "patchmatch"), "pip install pypatchmatch"
    ),
    "xphoto-shiftmap": Peer(shift_map, has_xphoto, _XPHOTO),
    "xphoto-fsr": Peer(frequencies, has_xphoto, _XPHOTO),
}


def installed_peers() -> dict[str, Fill]:
    """Return how those fill that are installed, by name."""
    return {name: partial(fill_by, name) for name, peer in PEERS.items() if peer.is_here()}


def missing_peers() -> str:
    """Return a line that names those that are not installed, or an empty one."""
    missing = [f"{name} ({peer.install})" for name, peer in PEERS.items() if not peer.is_here()]
    return f"Peers that are not installed: {', '.join(missing)}." if missing else ""


def fill_by(name: str, image: Image, mask: Mask) -> Image:
    """Fill by a peer.

    Parameters
    ----------
    name : str
        A key of `PEERS`.
    image : (H, W, 3) uint8 array
        RGB; what is in the hole is not looked at.
    mask : (H, W) bool array
        True = hole.

    Raises
    ------
    BackendError
        If it fails, or what it returns is no such picture.
    """
    case = f"a picture {image.shape} with {np.count_nonzero(mask)} px of hole"
    try:
        filled = PEERS[name].fill(image, mask)
    except (RuntimeError, OSError, ValueError, TypeError, AttributeError, cv2.error) as error:
        raise BackendError(
            f"{name} failed on {case}: {error} Uninstall it, or leave --peers out."
        ) from error
    if filled.shape != image.shape or filled.dtype != np.uint8:
        raise BackendError(
            f"{name} returned {filled.dtype} {filled.shape} for {case}; expected uint8 "
            f"{image.shape}. Uninstall it, or leave --peers out."
        )
    return filled
