"""What a training learns from, and what it refuses before it begins."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from training.data.dataset import load_pictures
from training.data.drawn import Mixture, validation_scenes
from training.loop.batches import batches, digest, read_data, start_worker
from training.recipe import Drawn
from training.recipes import RECIPES

SMOKE = RECIPES["pconv-smoke"]
GUIDED = RECIPES["spgnet-smoke"]


@pytest.fixture
def labelled(pictures, tmp_path):
    """The pictures with class maps of two classes."""
    folder = tmp_path / "set"
    (folder / "labels").mkdir(parents=True)
    pictures.rename(folder / "images")
    for path in (folder / "images").iterdir():
        labels = np.zeros((72, 90), np.uint8)
        labels[:40], labels[60:] = 1, 255
        cv2.imwrite(str(folder / "labels" / path.name), labels)
    return folder


def test_recipe_with_classes_refuses_pictures_without_labels(pictures):
    with pytest.raises(ValueError, match=r"spgnet-smoke learns from class maps; 19 of 19 pictures"):
        read_data(GUIDED, pictures)


def test_recipe_with_classes_refuses_ids_that_it_has_no_class_for(labelled):
    training, validation = read_data(GUIDED, labelled)  # 255 is no class
    assert (len(training), len(validation)) == (19, 1)
    for path in (labelled / "labels").iterdir():
        cv2.imwrite(str(path), np.full((72, 90), 3, np.uint8))
    with pytest.raises(ValueError, match=r"ids go from 0 to 2; the labels hold 3\."):
        read_data(GUIDED, labelled)


def test_pictures_without_labels_are_taken_where_the_recipe_says_so(labelled, pictures):
    (labelled / "more").mkdir()
    extra = np.zeros((80, 80, 3), np.uint8)
    for number in range(5):
        cv2.imwrite(str(labelled / "more" / f"{number}.png"), extra + 40 * number)
    with pytest.raises(ValueError, match="pictures have none"):
        read_data(GUIDED, labelled)
    mixed = replace(GUIDED, unlabelled=True)
    training, validation = read_data(mixed, labelled)
    assert len(training) + len(validation) == 25
    with pytest.raises(ValueError, match="learns from class maps"):
        read_data(mixed, labelled / "more")


def test_recipe_without_classes_takes_pictures_with_and_without_labels(labelled):
    assert len(read_data(SMOKE, labelled)[0]) == 19


def test_recipe_that_draws_all_needs_no_folder_and_others_do():
    pictures, validation = read_data(replace(SMOKE, drawn=Drawn("street", size=64)), None)
    assert pictures[0].labels.shape == (64, 64)
    same = validation_scenes("street", 3, 64)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(same, validation[:3], strict=True))
    for drawn in (None, Drawn("street", share=0.5)):
        with pytest.raises(ValueError, match=r"say where they are \(--data\)"):
            read_data(replace(SMOKE, drawn=drawn), None)


def test_scenes_are_drawn_among_the_pictures_of_a_folder(pictures):
    recipe = replace(SMOKE, drawn=Drawn("nuclei", share=0.25, size=64), seed=5)
    mixture, validation = read_data(recipe, pictures)
    assert isinstance(mixture, Mixture)
    assert (mixture.share, mixture.size, mixture.seed) == (0.25, 64, 5)
    assert np.array_equal(
        validation[0].image, load_pictures(pictures, "", validation=True)[0].image
    )
    assert digest(mixture) == digest(read_data(SMOKE, pictures)[0])


def test_batches_go_on_where_they_were_left_and_change_with_the_phase(pictures):
    fabric = Fabric(accelerator="cpu", devices=1)
    training = read_data(SMOKE, pictures)[0]
    whole = list(batches(SMOKE, training, 0, fabric, 0))
    assert [step for step, _, _ in whole] == list(range(SMOKE.steps))
    assert [phase.freeze_encoder_norm for _, phase, _ in whole] == [False] * 6 + [True] * 2
    rest = list(batches(SMOKE, training, 5, fabric, 0))
    for (step, _, batch), (again, _, same) in zip(whole[5:], rest, strict=True):
        assert step == again
        assert all(torch.equal(a, b) for a, b in zip(batch, same, strict=True))


def test_worker_draws_with_one_thread(monkeypatch):
    monkeypatch.setattr("training.loop.batches.signal.signal", lambda *_: None)
    before = cv2.getNumThreads()
    start_worker(0)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(before)
    assert threads == 1
