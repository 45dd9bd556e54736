import hashlib
import subprocess
import sys

import numpy as np
import pytest

from napari_inpaint.samples import pictures

SAMPLES = {
    "photo": ("YXC", (400, 600, 3), "uint8"),
    "stack": ("TYX", (48, 130, 130), "uint16"),
    "nuclei": ("YX", (130, 130), "uint16"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_has_the_layout_that_it_names(name):
    axes, shape, dtype = SAMPLES[name]
    sample = getattr(pictures, name)()
    assert (sample.name, sample.axes) == (name, axes)
    assert (sample.image.shape, sample.image.dtype.name) == (shape, dtype)
    assert (sample.truth.shape, sample.truth.dtype.name) == (shape, dtype)
    assert sample.mask.dtype == bool
    assert sample.mask.shape == shape[: len(axes.replace("C", ""))]


@pytest.mark.parametrize("name", SAMPLES)
def test_damage_is_exactly_the_hole(name):
    sample = getattr(pictures, name)()
    changed = sample.image != sample.truth
    if "C" in sample.axes:
        changed = changed.any(-1)
    assert not (changed & ~sample.mask).any()
    assert changed[sample.mask].mean() > 0.99
    assert 0.02 < sample.mask.mean() < 0.20


def test_stack_has_holes_that_stay_and_one_that_moves():
    mask = pictures.stack().mask
    still = mask.all(axis=0)
    moving = mask & ~still
    assert still[:, 70:72].all()
    assert not moving[:4].any()
    centres = [np.argwhere(moving[t]).mean(axis=0) for t in (8, 20, 32)]
    assert centres[0][0] > centres[1][0] > centres[2][0]
    assert centres[0][1] < centres[1][1] < centres[2][1]


def test_stack_is_the_published_crop():
    path = pictures.FOLDER / "cancer_cell_migration.tif"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "1b0e0aa3aafa0003467d1bcb6516f2185368175e164005a1b91c921874648610"
    terms = (pictures.FOLDER / "README.md").read_text()
    assert "CC BY 4.0" in terms
    assert "Zenodo record 5206107" in terms
    assert "Zenodo record 5206107" in pictures.stack().credit


def test_samples_and_files_load_neither_torch_nor_napari():
    code = (
        "import sys; from napari_inpaint.files import formats, raster, tiff\n"
        "from napari_inpaint.samples import pictures; pictures.photo(); pictures.stack()\n"
        "print({'torch', 'napari', 'qtpy', 'magicgui'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
