import unicodedata
from pathlib import Path

import pytest

from napari_inpaint.cli import names
from napari_inpaint.errors import FileError


@pytest.fixture
def of(tmp_path):
    """Make files, and return the name of each picture's companion."""

    def find(pictures, files, what="mask", *, together=False):
        folders = [tmp_path / "in", tmp_path / ("in" if together else "masks")]
        made = []
        for folder, stems in zip(folders, (pictures, files), strict=True):
            folder.mkdir(exist_ok=True)
            made.append([folder / each for each in stems])
            for path in made[-1]:
                path.touch()
        sources, others = made
        if together:
            others = sorted({*sources, *others})
            sources = names.without_companions(others, others, what)
        companions = names.Companions(what, others, sources)
        found = {each.name: companions.of(each) for each in sources}
        return {name: file and file.name for name, file in found.items()}

    return find


@pytest.mark.parametrize(
    "mask",
    [
        *("im0.png", "im0_mask.png", "im0-mask.tif", "im0_mask001.png", "im0_Mask.png"),
        *("mask_im0.png", "MASK-im0.png", "im0_masks.tif", "im0_cp_masks.png", "im0_mask.ome.tif"),
        *("IM0_mask.png", "masks_im0.npy"),
    ],
)
def test_masks_are_found_by_the_names_that_programs_give_them(of, mask):
    assert of(["im0.jpg"], [mask, "other.png", "im01_mask.png"]) == {"im0.jpg": mask}


@pytest.mark.parametrize(
    "file", ["a.png", "a_labels.png", "a-Labels.tif", "labels_a.png", "a_label.png"]
)
def test_labels_are_found_likewise(of, file):
    assert of(["a.jpg"], [file, "a_mask.png"], "labels") == {"a.jpg": file}


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_the_same_in_both_ways_of_writing_them(of, forms):
    picture, mask = (unicodedata.normalize(form, "fé") for form in forms)
    assert of([f"{picture}.png"], [f"{mask}_mask.png", "x.png"]) == {
        f"{picture}.png": f"{mask}_mask.png"
    }


def test_a_name_that_says_mask_goes_before_the_same_name(of):
    assert of(["a.png"], ["a.png", "a_mask.png"]) == {"a.png": "a_mask.png"}


def test_a_mask_goes_with_the_longest_name_that_it_fits(of):
    masks = ["cell_masks.png", "cell_cp_masks.png"]
    assert of(["cell.png", "cell_cp.png"], masks) == {
        "cell.png": "cell_masks.png",
        "cell_cp.png": "cell_cp_masks.png",
    }
    assert of(["cell.png", "cell_cp.png"], masks[1:]) == {
        "cell.png": None,
        "cell_cp.png": "cell_cp_masks.png",
    }


def test_case_counts_where_pictures_differ_in_it_alone(of):
    assert of(["a.png", "A.png"], ["a_mask.png", "A_mask.png"]) == {
        "a.png": "a_mask.png",
        "A.png": "A_mask.png",
    }
    assert of(["a.png", "A.png"], ["a_mask.png", "x_mask.png"])["A.png"] is None


@pytest.mark.parametrize(
    "masks",
    [
        ["a.png", "a.tif"],
        ["a_mask.png", "a_mask.tif"],
        ["a_mask001.png", "a_mask002.png"],
        ["a_mask.png", "a_cp_masks.png"],
        ["a_mask.png", "A_mask.tif"],
    ],
)
def test_several_masks_for_one_picture_are_refused(of, masks):
    with pytest.raises(FileError, match=r"a\.jpg has several masks, .*; leave one of them"):
        of(["a.jpg"], masks)


def test_masks_among_the_pictures_are_no_pictures_and_pictures_no_masks(of):
    masks = ["a_mask001.png", "mask_b.png", "c_cp_masks.png", "lonely_mask.png"]
    assert of(["a.png", "a.jpg", "b.png", "c.png", "mask_of_gold.png"], masks, together=True) == {
        **{"a.png": "a_mask001.png", "a.jpg": "a_mask001.png"},
        **{"b.png": "mask_b.png", "c.png": "c_cp_masks.png", "mask_of_gold.png": None},
    }


def test_what_is_missing_is_said_with_the_nearest_names(tmp_path):
    files = [Path(f"masks/{each}.png") for each in ("frame_011_m", "frame_012_m", "x", "y")]
    companions = names.Companions("mask", files, [])
    text = companions.missing(Path("in/frame_011.jpg"), "masks")
    assert text.startswith(
        "in/frame_011.jpg has no mask in masks; expected frame_011 or frame_011_mask with any "
        "suffix. The nearest there: frame_011_m.png, frame_012_m.png."
    )
    text = companions.missing(Path("in/Zebra.jpg"), "masks")
    assert text.endswith("There are frame_011_m.png, frame_012_m.png, x.png and 1 more.")
    text = names.Companions("labels", [], []).missing(Path("a.png"), "labels")
    assert text == "a.png has no labels in labels; expected a or a_labels with any suffix."
