import hashlib
from pathlib import Path

import numpy as np
import pytest

from training.data import folders
from training.data.folders import Class, list_sources, read_classes


def make(folder, *names):
    """Write files; what they hold does not matter for where they belong."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(folder, *, validation, split=""):
    sources = list_sources(folder, split, validation=validation)
    return [
        (str(s.image.relative_to(folder)), s.labels and str(s.labels.relative_to(folder)))
        for s in sources
    ]


def test_own_folder_keeps_every_twentieth_picture_apart(tmp_path):
    make(tmp_path, *(f"{n % 3}/{n:02d}.JPG" for n in range(41)), ".hidden.png", "notes.txt")
    training = names(tmp_path, validation=False)
    validation = names(tmp_path, validation=True)
    assert len(training) == 38
    assert len(validation) == 3
    assert not set(training) & set(validation)


def test_split_keeps_its_listed_files_apart_and_checks_them(tmp_path, monkeypatch):
    make(tmp_path / "data", *(f"{n:02d}.png" for n in range(20)))
    monkeypatch.setattr(folders, "SPLITS", tmp_path)
    digest = hashlib.sha256((tmp_path / "data/03.png").read_bytes()).hexdigest()
    (tmp_path / "waves.txt").write_text(f"{digest[:16]}  03.png\n")
    assert names(tmp_path / "data", validation=True, split="waves") == [("03.png", None)]
    assert len(names(tmp_path / "data", validation=False, split="waves")) == 19
    (tmp_path / "waves.txt").write_text("0000000000000000  03.png\n")
    with pytest.raises(ValueError, match=r"03.png is not the file"):
        list_sources(tmp_path / "data", "waves", validation=True)


def test_split_of_another_data_set_leaves_an_own_folder_as_it_is(tmp_path):
    make(tmp_path, *(f"mine{n}.png" for n in range(20)))
    for side in (False, True):
        assert names(tmp_path, validation=side, split="photos") == names(tmp_path, validation=side)


@pytest.mark.parametrize("split", sorted(path.stem for path in folders.SPLITS.glob("*.txt")))
def test_shipped_splits_list_each_file_once_with_a_hash(split):
    rows = (folders.SPLITS / f"{split}.txt").read_text().splitlines()
    kept = folders.read_split(split)
    assert len(kept) == len(rows) > 40
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in kept.values())


def test_labels_are_found_by_their_stems_and_are_no_pictures(tmp_path):
    make(tmp_path, "images/a.jpg", "images/deep/b.jpg", "labels/a.png", "labels/deep/b.tif")
    both = names(tmp_path, validation=False) + names(tmp_path, validation=True)
    assert set(both) == {
        ("images/a.jpg", "labels/a.png"),
        ("images/deep/b.jpg", "labels/deep/b.tif"),
    }


def test_train_and_val_are_the_sides(tmp_path):
    make(
        tmp_path, "train/images/a.jpg", "train/labels/a.png", "val/images/b.jpg", "val/labels/b.png"
    )
    make(tmp_path, "test/images/c.jpg")
    assert names(tmp_path, validation=False) == [("train/images/a.jpg", "train/labels/a.png")]
    assert names(tmp_path, validation=True) == [("val/images/b.jpg", "val/labels/b.png")]


def test_train_without_val_is_split(tmp_path):
    make(tmp_path, *(f"train/images/{n}.png" for n in range(4)), "test/images/c.jpg")
    make(tmp_path, *(f"train/labels/{n}.png" for n in range(4)))
    assert len(names(tmp_path, validation=False)) == 3
    assert len(names(tmp_path, validation=True)) == 1


def test_several_labelled_folders_are_one(tmp_path):
    for each in ("one", "two"):
        make(tmp_path, *(f"{each}/{kind}/{n}.png" for kind in ("images", "labels") for n in (1, 2)))
    both = names(tmp_path, validation=False) + names(tmp_path, validation=True)
    assert len(both) == 4
    assert all(image.replace("images", "labels") == labels for image, labels in both)


def test_missing_labels_are_named(tmp_path):
    make(tmp_path, "images/a.jpg", "images/b.jpg", "labels/a.png")
    with pytest.raises(FileNotFoundError, match=r"Expected labels for .*b\.jpg at .*b\.png"):
        list_sources(tmp_path, "", validation=False)


def test_cityscapes_as_distributed(tmp_path):
    for side, city in (("train", "aachen"), ("val", "ulm"), ("test", "bonn")):
        stem = f"{side}/{city}/{city}_000000_000019"
        make(
            tmp_path,
            f"leftImg8bit/{stem}_leftImg8bit.png",
            *(f"gtFine/{stem}_gtFine_{kind}.png" for kind in ("color", "labelIds", "instanceIds")),
        )
    for validation, place in ((False, "train/aachen/aachen"), (True, "val/ulm/ulm")):
        assert names(tmp_path, validation=validation) == [
            (
                f"leftImg8bit/{place}_000000_000019_leftImg8bit.png",
                f"gtFine/{place}_000000_000019_gtFine_labelIds.png",
            )
        ]
    (tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(FileNotFoundError, match="Unpack all of gtFine"):
        list_sources(tmp_path, "", validation=True)


def test_cityscapes_has_nineteen_classes(tmp_path):
    (tmp_path / "gtFine").mkdir()
    classes = read_classes(tmp_path)
    assert len(classes) == 19
    assert classes[0] == Class("road", "#804080")
    assert [classes[i].name for i in folders.CITYSCAPES_IDS[[7, 23, 33]]] == [
        "road",
        "sky",
        "bicycle",
    ]
    assert (folders.CITYSCAPES_IDS[[0, 9, 29, 34]] == 255).all()
    assert np.count_nonzero(folders.CITYSCAPES_IDS != 255) == 19


@pytest.mark.parametrize("data", ["data_256", "data_256_standard"])
def test_places_as_distributed(tmp_path, data):
    make(tmp_path, f"{data}/a/airfield/00000001.jpg", "val_256/Places365_val_00000001.jpg")
    make(tmp_path, "test_256/Places365_test_00000001.jpg")
    assert names(tmp_path, validation=False) == [(f"{data}/a/airfield/00000001.jpg", None)]
    assert names(tmp_path, validation=True) == [("val_256/Places365_val_00000001.jpg", None)]


def test_places_in_its_easy_format(tmp_path):
    make(tmp_path, "train/airfield/00000001.jpg", "val/airfield/Places365_val_00000435.jpg")
    assert names(tmp_path, validation=False) == [("train/airfield/00000001.jpg", None)]
    assert names(tmp_path, validation=True) == [("val/airfield/Places365_val_00000435.jpg", None)]


@pytest.mark.parametrize("inside", [("Img/", "Eval/"), ("", "")])
def test_celeba_as_distributed(tmp_path, inside):
    make(tmp_path, *(f"{inside[0]}img_align_celeba/00000{n}.jpg" for n in (1, 2, 3)))
    partition = tmp_path / inside[1] / "list_eval_partition.txt"
    partition.parent.mkdir(exist_ok=True)
    partition.write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    folder = f"{inside[0]}img_align_celeba"
    assert names(tmp_path, validation=False) == [(f"{folder}/000001.jpg", None)]
    assert names(tmp_path, validation=True) == [(f"{folder}/000002.jpg", None)]


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected training pictures"):
        list_sources(tmp_path, "", validation=False)
    with pytest.raises(FileNotFoundError, match=r"nowhere is none"):
        list_sources(Path("nowhere"), "", validation=False)


def test_classes_are_read_in_the_order_of_their_ids(tmp_path):
    (tmp_path / "classes.csv").write_text("id,name,colour\n1,road,#804080\n0,sky,#4682B4\n")
    assert read_classes(tmp_path) == (Class("sky", "#4682b4"), Class("road", "#804080"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n0,sky\n", "Expected the columns id,name,colour"),
        ("id,name,colour\n0,sky,blue\n", "Expected the columns id,name,colour"),
        ("id,name,colour\none,sky,#4682b4\n", "Expected the columns id,name,colour"),
        ("id,name,colour\n1,sky,#4682b4\n", r"Expected the ids 0 to 0 .*, got \[1\]"),
    ],
)
def test_wrong_class_table_is_refused(tmp_path, text, message):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_classes(tmp_path)
