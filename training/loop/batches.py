"""Pictures that suit a recipe, and the batches that are made of them."""

import hashlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from training.data.dataset import Batch, HoleDataset, load_pictures
from training.data.drawn import SCENES, Mixture, validation_scenes
from training.data.pictures import Picture, highest_class
from training.recipe import Phase, Recipe

VALIDATION_PICTURES = 48


def check_labels(recipe: Recipe, pictures: Sequence[Picture]) -> None:
    """Refuse pictures from which a recipe with classes cannot learn.

    Raises
    ------
    ValueError
        If one has no labels, or labels with an id that is no class of the recipe.
    """
    if not recipe.classes:
        return
    maps = [picture.labels for picture in pictures if picture.labels is not None]
    if len(maps) < len(pictures) and not (recipe.unlabelled and maps):
        raise ValueError(
            f"{recipe.name} learns from class maps; {len(pictures) - len(maps)} of {len(pictures)} "
            "pictures have none. Put pictures into images/ and maps of equal names into labels/."
        )
    highest = highest_class(maps)
    if highest >= len(recipe.classes):
        names = ", ".join(each.name for each in recipe.classes)
        raise ValueError(
            f"{recipe.name} has {len(recipe.classes)} classes ({names}), so that ids go from 0 to "
            f"{len(recipe.classes) - 1}; the labels hold {highest}. Renumber them (255 is "
            "unlabelled), or give a recipe of your own as many classes."
        )


def read_data(recipe: Recipe, folder: Path | None) -> tuple[Sequence[Picture], list[Picture]]:
    """Return what a recipe is trained on, and what it is validated on.

    Parameters
    ----------
    recipe : Recipe
        Says how the folder is read, and what is drawn.
    folder : Path, optional
        Pictures are read from it; a recipe that draws all of its own needs none.

    Raises
    ------
    FileNotFoundError, ValueError
        If there are no pictures, or not such as the recipe needs.
    """
    drawn = recipe.drawn
    pictures: Sequence[Picture] = []
    if folder is not None:
        pictures, validation = (
            load_pictures(
                folder,
                recipe.split,
                validation=side,
                short_side=recipe.short_side,
                instances=recipe.instances,
            )
            for side in (False, True)
        )
        check_labels(recipe, pictures)
    elif drawn is not None and drawn.share == 1:
        validation = validation_scenes(drawn.scenes, VALIDATION_PICTURES, drawn.size)
    else:
        raise ValueError(f"{recipe.name} learns from pictures: say where they are (--data).")
    if drawn is not None:
        painter = SCENES[drawn.scenes]
        pictures = Mixture(pictures, painter, drawn.size, drawn.share, recipe.seed)
    return pictures, validation[:VALIDATION_PICTURES]


def digest(pictures: Sequence[Picture]) -> str:
    """Return the SHA-256 of the pictures that were read, those that are drawn left out."""
    content = hashlib.sha256()
    for picture in pictures.pictures if isinstance(pictures, Mixture) else pictures:
        content.update(picture.image.tobytes())
    return content.hexdigest()


def batches(
    recipe: Recipe, pictures: Sequence[Picture], step: int, fabric: Fabric, workers: int
) -> Iterator[tuple[int, Phase, Batch]]:
    """Yield ``(step, phase, (image, hole, labels))`` from ``step`` to the end of the recipe."""
    while step < recipe.steps:
        index, done = recipe.phase_at(step)
        phase = recipe.phases[index]
        dataset = HoleDataset(
            pictures,
            phase.size,
            recipe.zoom,
            recipe.hole_share,
            seed=(recipe.seed, index),
            kinds=recipe.holes,
            augment=recipe.augment,
        )
        samples = phase.batch * fabric.world_size  # of a step, which Fabric shares out
        loader = DataLoader(
            dataset,
            batch_size=phase.batch,
            sampler=range(done * samples, phase.steps * samples),
            num_workers=workers,
            pin_memory=fabric.device.type == "cuda",
            worker_init_fn=start_worker,
            prefetch_factor=4 if workers else None,
        )
        for image, hole, labels in fabric.setup_dataloaders(loader):
            yield step, phase, (image, hole, labels)
            step += 1


def start_worker(_: int) -> None:
    """Prepare a worker process: one thread; and it outlives signals that the training catches."""
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
