"""Class maps with a class for boundaries → numbered objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_inpaint.arrays import masks
from napari_inpaint.arrays.labels import ClassInfo
from napari_inpaint.arrays.masks import Hole
from napari_inpaint.errors import LabelsError, ShapeError

NECK = 0.5  # of the thickness of both parts: they are two objects if what joins them is thinner


def split_instances(
    labels: npt.NDArray[Any], classes: Sequence[ClassInfo]
) -> npt.NDArray[np.int32]:
    """Count through the objects of a label map that has a class for their boundaries.

    The insides are parted where they do not touch or are joined by a neck only, and then grown
    over the boundary between and around them (watershed).

    Parameters
    ----------
    labels : (..., Y, X) array of integers
        k = the k-th class, 0 and 255 = none; each (Y, X) slice is taken by itself.
    classes : sequence of ClassInfo
        One of them is called "boundary"; the one before it is the objects' inside, the first one
        the background.

    Returns
    -------
    (..., Y, X) int32 array
        0 = background, objects from 1 up; no two slices share a number.

    Raises
    ------
    LabelsError
        If there is no class "boundary" behind that of the insides.
    ShapeError
        If the labels have fewer than two axes.
    """
    inside = inside_class(classes)
    if labels.ndim < 2:
        raise ShapeError(f"Labels have at least the axes Y and X; got the shape {labels.shape}.")
    instances = np.zeros(labels.shape, np.int32)
    count = 0
    for index in np.ndindex(labels.shape[:-2]):
        here = _split(labels[index] == inside, labels[index] == inside + 1)
        instances[index] = np.where(here > 0, here + count, 0)
        count += int(here.max())
    return instances


def inside_class(classes: Sequence[ClassInfo]) -> int:
    """Return the id of the class of the insides of objects, the one before "boundary".

    Raises
    ------
    LabelsError
        If there is none.
    """
    names = [each.name.lower() for each in classes]
    if "boundary" not in names or names.index("boundary") < 2:
        raise LabelsError(
            "Only labels with the classes background, inside and boundary, in this order, can be "
            f"split into instances; these have {', '.join(each.name for each in classes)}. Choose "
            'a backend that has a class "boundary".'
        )
    return names.index("boundary")


def _split(inside: Hole, boundary: Hole) -> npt.NDArray[np.int32]:
    from skimage.measure import label
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    if not inside.any():
        return np.zeros(inside.shape, np.int32)
    thickness = masks.depth(inside)
    parts = label(inside, connectivity=1)
    scale = np.log2(np.maximum(thickness, 1))
    # what a neck does not part has one plateau here (extended maxima)
    domes = reconstruction(scale + np.log2(NECK), scale)
    peaks = local_maxima(domes) & inside
    thick = np.bincount(parts[peaks], minlength=int(parts.max()) + 1) > 0
    markers = label(peaks | (inside & ~thick[parts]), connectivity=2)
    # downhill from the boundary to the middle of each object
    hills = masks.depth(~inside) - thickness
    found: npt.NDArray[np.int32] = watershed(hills, markers, mask=inside | boundary)
    return found.astype(np.int32)
