"""Which files of a folder belong together, in the layouts in which data sets are distributed.

======================================================  ==========================================
folder                                                  the two sides
======================================================  ==========================================
pictures, in any subfolders                             by file list
``images/`` and ``labels/`` with equal stems            by file list
``train/`` and ``val/``, each one of the above          as they are (Places2's easy format is one)
Cityscapes: ``leftImg8bit/`` and ``gtFine/``            its ``train`` and ``val``
Places2: ``data_256/`` (``data_large/``) and ``val_*``  as they are
CelebA: ``img_align_celeba/``, partition file           its partitions 0 and 1
======================================================  ==========================================

A ``classes.csv`` with the columns ``id,name,colour`` names the classes of the labels.
"""

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
SPLITS = Path(__file__).with_name("splits")


class Source(NamedTuple):
    """The files of one picture."""

    image: Path
    labels: Path | None = None


class Class(NamedTuple):
    """What one id of a class map means."""

    name: str
    colour: str
    """``#rrggbb``"""


#: Cityscapes' labelIds, names and colours of the classes that are trained on, in their order.
_CITYSCAPES = (
    (7, "road", "#804080"),
    (8, "sidewalk", "#f423e8"),
    (11, "building", "#464646"),
    (12, "wall", "#66669c"),
    (13, "fence", "#be9999"),
    (17, "pole", "#999999"),
    (19, "traffic light", "#faaa1e"),
    (20, "traffic sign", "#dcdc00"),
    (21, "vegetation", "#6b8e23"),
    (22, "terrain", "#98fb98"),
    (23, "sky", "#4682b4"),
    (24, "person", "#dc143c"),
    (25, "rider", "#ff0000"),
    (26, "car", "#00008e"),
    (27, "truck", "#000046"),
    (28, "bus", "#003c64"),
    (31, "train", "#005064"),
    (32, "motorcycle", "#0000e6"),
    (33, "bicycle", "#770b20"),
)
CITYSCAPES_SUFFIX = "_gtFine_labelIds.png"
#: From labelIds to the 19 classes; all others become 255, unlabelled.
CITYSCAPES_IDS = np.full(256, 255, np.uint8)
CITYSCAPES_IDS[[row[0] for row in _CITYSCAPES]] = range(len(_CITYSCAPES))


def read_classes(folder: Path) -> tuple[Class, ...]:
    """Return the classes of a folder's labels in the order of their ids; () if nothing names them.

    Raises
    ------
    ValueError
        If ``classes.csv`` does not name the ids 0, 1, 2, ... with their colours.
    """
    if (folder / "gtFine").is_dir():
        return tuple(Class(name, colour) for _, name, colour in _CITYSCAPES)
    path = folder / "classes.csv"
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    try:
        classes = {int(row["id"]): Class(row["name"], row["colour"].lower()) for row in rows}
        for _, colour in classes.values():
            bytes.fromhex(colour.removeprefix("#").ljust(6, "?"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected the columns id,name,colour (such as 0,sky,#4682b4) in {path}: {error!r}."
        ) from error
    if sorted(classes) != list(range(len(rows))):
        raise ValueError(f"Expected the ids 0 to {len(rows) - 1} in {path}, got {sorted(classes)}.")
    return tuple(classes[i] for i in range(len(rows)))


def read_split(name: str) -> dict[str, str]:
    """Return the validation files of a data set: file name to the start of its SHA-256.

    ``splits/<name>.txt`` holds one ``<hash>  <file name>`` a line; those are never trained on.
    """
    rows = (SPLITS / f"{name}.txt").read_text().split("\n")
    return {file: digest for digest, file in (row.split("  ", 1) for row in rows if row)}


def list_sources(folder: Path, split: str, *, validation: bool | None) -> list[Source]:
    """List the training or the validation pictures of a folder, with their labels if it has any.

    Parameters
    ----------
    folder : Path
        In one of the layouts above; JPEG, PNG and TIFF files.
    split : str
        Name of a file list in ``splits/``, for layouts without sides of their own. With "", or if
        the folder holds none of the listed files, every twentieth file, in the order of the names'
        hashes, is kept apart for validation.
    validation : bool or None
        Which of the two sides to return; None: both.

    Raises
    ------
    FileNotFoundError
        If the folder holds no picture of that side, or a picture lacks its labels.
    ValueError
        If a validation file's content is not what the split was made with.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"Expected a folder of pictures, {folder} is none.")
    wanted = (True, False) if validation is None else (validation,)
    for layout in (_cityscapes, _celeba, _places, _sides):
        sides = [layout(folder, side) for side in wanted]
        if sides[0] is not None:
            break
    else:
        alone = (folder / "train").is_dir() and not (folder / "val").is_dir()
        sources = _pairs(folder / "train" if alone else folder)
        sides = [_by_list(sources, split, side) for side in wanted]
    chosen = [source for side in sides for source in side or ()]
    if not chosen:
        side = {True: "validation ", False: "training ", None: ""}[validation]
        raise FileNotFoundError(
            f"Expected {side}pictures ({', '.join(sorted(SUFFIXES))}) under {folder}, found none. "
            + "Two pictures at least are needed, one for either side. " * (validation is not None)
            + "Check --data."
        )
    return chosen


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _pairs(folder: Path) -> list[Source]:
    """Find pictures; those under ``images/`` beside ``labels/`` have a label file of equal stem."""
    label_folders = [p for p in [folder / "labels", *folder.rglob("labels")] if p.is_dir()]
    labels = {p.with_suffix(""): p for each in label_folders for p in _pictures(each)}
    sources = []
    for path in _pictures(folder):
        home = next((p for p in path.parents if p.name in ("images", "labels")), folder)
        if home.name == "labels" and home in label_folders:
            continue
        beside = home.with_name("labels")
        if home.name != "images" or beside not in label_folders:
            sources.append(Source(path))
            continue
        stem = (beside / path.relative_to(home)).with_suffix("")
        if stem not in labels:
            raise FileNotFoundError(
                f"Expected labels for {path} at {stem}.png. Add them or remove the picture."
            )
        sources.append(Source(path, labels[stem]))
    return sources


def _by_list(sources: list[Source], split: str, validation: bool) -> list[Source]:
    """Keep the side that a file list, or the hashes of the names, give to each picture."""
    kept = read_split(split) if split else {}
    if not any(source.image.name in kept for source in sources):
        ordered = sorted(sources, key=lambda s: hashlib.sha256(s.image.name.encode()).hexdigest())
        held = set(ordered[::20])
        return [source for source in sources if (source in held) == validation]
    chosen = [source for source in sources if (source.image.name in kept) == validation]
    for path in (source.image for source in chosen if validation):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if not digest.startswith(kept[path.name]):
            raise ValueError(
                f"{path.name} is not the file that the split {split!r} was made with "
                f"({digest[:16]}, expected {kept[path.name]}). Scores would not compare."
            )
    return chosen


def _sides(folder: Path, validation: bool) -> list[Source] | None:
    """``train/`` and ``val/``."""
    train, val = folder / "train", folder / "val"
    if not (train.is_dir() and val.is_dir()):
        return None
    return _pairs(val if validation else train)


def _cityscapes(folder: Path, validation: bool) -> list[Source] | None:
    """``leftImg8bit/<side>/<city>/*_leftImg8bit.png``, labels under ``gtFine/``, if any."""
    if not (folder / "leftImg8bit").is_dir():
        return None
    side = "val" if validation else "train"
    images = sorted((folder / "leftImg8bit" / side).glob("*/*_leftImg8bit.png"))
    fine = folder / "gtFine"
    if not fine.is_dir():
        return [Source(path) for path in images]
    sources = []
    for path in images:
        stem = path.name.removesuffix("_leftImg8bit.png")
        labels = fine / side / path.parent.name / f"{stem}{CITYSCAPES_SUFFIX}"
        if not labels.is_file():
            raise FileNotFoundError(
                f"Expected labels for {path} at {labels}. Unpack all of gtFine."
            )
        sources.append(Source(path, labels))
    return sources


def _places(folder: Path, validation: bool) -> list[Source] | None:
    """``data_256*/`` or ``data_large*/`` beside ``val_256/`` or ``val_large/``."""
    for size in ("256", "large"):
        data, val = sorted(folder.glob(f"data_{size}*")), folder / f"val_{size}"
        if data and val.is_dir():
            return [Source(path) for path in _pictures(val if validation else data[0])]
    return None


def _celeba(folder: Path, validation: bool) -> list[Source] | None:
    """``img_align_celeba/`` and ``list_eval_partition.txt``, also in ``Img/`` and ``Eval/``."""
    images = next(folder.glob("*/img_align_celeba"), folder / "img_align_celeba")
    name = "list_eval_partition.txt"
    partition = next(folder.glob(f"*/{name}"), folder / name)
    if not (images.is_dir() and partition.is_file()):
        return None
    rows = (line.split() for line in partition.read_text().splitlines())
    wanted = {row[0] for row in rows if len(row) == 2 and row[1] == str(int(validation))}
    return [Source(path) for path in _pictures(images) if path.name in wanted]
