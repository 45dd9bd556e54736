import numpy as np
import pytest

from napari_inpaint.backends import artifacts, registry
from napari_inpaint.backends.auto import FALLBACK, TEXTURE_PER_DB, choose_backend
from napari_inpaint.backends.scores import comparisons
from napari_inpaint.errors import BackendError
from napari_inpaint.fill.plan import Options, plan

CLASSICAL = {"telea": (17.0, 0.83, 26.0), "biharmonic": (16.0, 0.84, 30.0)}
MEASURED = {"telea": (17.0, 0.83, 26.0, 60.0), "biharmonic": (16.0, 0.84, 30.0, 62.0)}


def scores(name, own, beside=CLASSICAL, data="photos, 256 px"):
    """Return a manifest's table of (dB in the hole, SSIM, texture and perceptual distance).

    The last is left out where the row is shorter.
    """
    keys = ("hole dB", "SSIM", "texture", "perceptual")
    return {
        data: {
            key: dict(zip(keys, row, strict=False)) for key, row in ({name: own} | beside).items()
        }
    }


@pytest.fixture
def no_artifacts(monkeypatch):
    """Nothing ships but the classical backends."""
    found = registry._installed()
    keep = {"telea", "navier-stokes", "biharmonic"}
    bare = registry.Discovery(
        {name: found.backends[name] for name in keep},
        dict.fromkeys(keep, registry.OWN_DISTRIBUTION),
    )
    monkeypatch.setattr(registry, "_installed", lambda: bare)


@pytest.fixture
def ship(no_artifacts, add_backend):
    """Ship an artifact for a domain, with its own (dB, SSIM, texture) if it has scores."""

    def add(name, own=None, domain="photo", add=add_backend, **fields):
        if own is not None:
            fields.setdefault("scores", scores(name, own))
        if add is add_backend:
            add(None, name=name, domain=domain, **fields)
        else:
            add(name, domain=domain, **fields)
        registry._installed().providers[name] = registry.OWN_DISTRIBUTION

    return add


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5])
def test_auto_falls_back_when_no_artifact_ships(no_artifacts, channels):
    assert choose_backend(channels) == FALLBACK


def test_auto_falls_back_when_no_artifact_has_scores(ship):
    ship("new-photo")
    assert choose_backend(3) == FALLBACK


def test_auto_goes_by_the_channels_and_takes_only_what_ships(ship, add_backend):
    ship("b-photo", (18, 0.83, 20))
    ship("cells", (18, 0.83, 20), domain="fluorescence")
    best = scores("a-photo", (20, 0.9, 5))
    add_backend(None, name="a-photo", domain="photo", scores=best)
    assert [choose_backend(each) for each in (3, 4)] == ["b-photo"] * 2
    assert [choose_backend(each) for each in (None, 1, 2, 5)] == ["cells"] * 4


@pytest.mark.parametrize(
    ("own", "chosen"),
    [
        ((17.0, 0.83, 25.9), "mine"),
        ((17.0, 0.83, 26.1), "telea"),
        ((16.7, 0.81, 12.0), "mine"),  # at the margins
        ((16.69, 0.83, 12.0), "telea"),
        ((17.5, 0.809, 12.0), "telea"),
        ((17.7, 0.83, 32.0), "mine"),
        ((17.5, 0.83, 32.0), "telea"),
    ],
)
def test_artifact_is_taken_if_it_gains_and_is_not_clearly_farther(ship, own, chosen):
    ship("mine", own)
    assert choose_backend(3) == chosen


def test_classical_fill_that_gains_over_the_reference_is_taken(ship):
    beside = CLASSICAL | {"navier-stokes": (16.9, 0.83, 24.0)}
    ship("mine", scores=scores("mine", (15, 0.7, 5), beside))
    assert choose_backend(3) == "navier-stokes"


def test_ten_points_of_texture_weigh_as_much_as_one_db(ship):
    assert TEXTURE_PER_DB == 10
    ship("sharp", (17.5, 0.83, 10.0))
    ship("near", (18.5, 0.83, 20.1))
    assert choose_backend(3) == "sharp"
    ship("near", (18.5, 0.83, 19.9))
    assert choose_backend(3) == "near"


def test_better_perceptual_distance_wins_over_the_same_db_and_texture(ship):
    ship("a-far", scores=scores("a-far", (17.5, 0.83, 20.0, 50.0), MEASURED))
    ship("b-near", scores=scores("b-near", (17.5, 0.83, 20.0, 49.9), MEASURED))
    assert choose_backend(3) == "b-near"
    ship("c-old", (17.5, 0.83, 20.0))  # nothing is known of its perceptual distance
    assert choose_backend(3) == "b-near"


def test_two_points_of_perceptual_distance_weigh_as_much_as_0_3_db(ship):
    ship("alike", scores=scores("alike", (17.5, 0.83, 20.0, 48.0), MEASURED))
    for decibels, chosen in ((17.79, "alike"), (17.81, "near")):
        ship("near", scores=scores("near", (decibels, 0.83, 20.0, 50.0), MEASURED))
        assert choose_backend(3) == chosen


def test_perceptual_distance_makes_up_for_decibels_before_anybody_is_out(ship):
    ship("mine", scores=scores("mine", (16.6, 0.83, 20.0, 10.0), MEASURED))
    assert choose_backend(3) == "mine"
    ship("mine", scores=scores("mine", (16.6, 0.83, 20.0), MEASURED))
    assert choose_backend(3) == "telea"
    ship("mine", scores=scores("mine", (16.6, 0.80, 20.0, 10.0), MEASURED))  # SSIM
    assert choose_backend(3) == "telea"


def test_perceptual_distance_counts_where_both_rows_have_one_alone(ship):
    ship("mine", scores=scores("mine", (17.1, 0.83, 26.0, 90.0), CLASSICAL))
    assert choose_backend(3) == "mine"
    ship("mine", scores=scores("mine", (17.1, 0.83, 26.0), MEASURED))
    assert choose_backend(3) == "mine"
    ship("mine", scores=scores("mine", (17.1, 0.83, 26.0, 90.0), MEASURED))
    assert choose_backend(3) == "telea"


OBJECTS = "photos, objects, 384 px"


@pytest.mark.parametrize("worst", ["photos, 256 px", OBJECTS])
def test_worst_table_counts_whether_of_strokes_or_of_objects(ship, worst):
    best = {"photos, 256 px": OBJECTS, OBJECTS: "photos, 256 px"}[worst]
    good = scores("mixed", (18.0, 0.83, 20.0, 50.0), MEASURED, best)
    ship("mixed", scores=good | scores("mixed", (17.1, 0.83, 26.0, 62.0), MEASURED, worst))
    assert choose_backend(3) == "telea"
    ship("mixed", scores=good | scores("mixed", (17.1, 0.83, 26.0, 59.0), MEASURED, worst))
    assert choose_backend(3) == "mixed"


def test_tables_with_and_without_perceptual_distance_count_alike(ship):
    strokes = scores("mixed", (18.0, 0.83, 20.0))  # from before it was measured
    ship("mixed", scores=strokes | scores("mixed", (17.1, 0.83, 26, 59.0), MEASURED, OBJECTS))
    assert choose_backend(3) == "mixed"
    ship("steady", scores=scores("steady", (17.3, 0.83, 26.0, 59.0), MEASURED))
    assert choose_backend(3) == "steady"
    strokes = scores("steady", (17.05, 0.83, 26.0))
    objects = scores("steady", (18.0, 0.83, 20.0, 50.0), MEASURED, OBJECTS)
    ship("steady", scores=strokes | objects)
    assert choose_backend(3) == "mixed"


def test_gains_count_and_not_scores_where_artifacts_met_other_pictures(ship):
    easy = {name: (db + 8, ssim, texture) for name, (db, ssim, texture) in CLASSICAL.items()}
    ship("easy", scores=scores("easy", (25.5, 0.83, 20.0), easy))
    ship("hard", (18.0, 0.83, 20.0))
    assert choose_backend(3) == "hard"


def test_artifact_in_several_tables_counts_with_its_worst(ship):
    good = scores("mixed", (20, 0.83, 10), data="easy")
    ship("mixed", scores=good | scores("mixed", (17.1, 0.83, 26), data="hard"))
    ship("steady", (17.2, 0.83, 26))
    assert choose_backend(3) == "steady"


def test_row_of_something_that_is_not_installed_is_never_taken(ship):
    ship("mine", scores=scores("mine", (16, 0.8, 30), {"exotic": (19, 0.9, 5)}))
    assert choose_backend(3) == FALLBACK


def test_more_than_filling_is_decided_by_the_gain_alone(ship, add_painter):
    ship("a-street", (14, 0.7, 20), "street", add_painter)
    ship("b-street", (15, 0.7, 20), "street", add_painter)
    ship("c-street", None, "street", add_painter)
    for needs in ({"segment"}, {"guide"}, {"segment", "guide"}):
        assert choose_backend(3, needs) == "b-street"


def test_auto_takes_for_more_than_filling_what_can_do_it(ship, add_painter):
    ship("cells", None, "fluorescence", add_painter)
    ship("a-street", None, "street", add_painter)
    ship("b-photo", None, "photo", add_painter)
    add_painter("0-photo", domain="photo")
    assert [choose_backend(each, {"segment"}) for each in (3, 4)] == ["b-photo"] * 2
    assert [choose_backend(each, {"guide"}) for each in (None, 1, 5)] == ["cells"] * 3
    ship("b-photo", None, "photo", add_painter, provides={"guide"})
    assert choose_backend(3, {"segment"}) == "a-street"
    ship("cells", (18, 0.83, 20), "fluorescence", add_painter, provides={"inpaint"})
    with pytest.raises(BackendError, match="no shipped backend that provides 'segment'"):
        choose_backend(None, {"segment"})
    assert choose_backend(None) == "cells"
    ship("cells", None, "fluorescence", add_painter)
    labels = np.ones((32, 32), int)
    assert plan((32, 32), "uint8", Options(), labels=labels).backend.info.name == "cells"
    assert plan((32, 32, 3), "uint8", Options(), labels=labels).backend.info.name == "b-photo"


def test_auto_names_those_that_can_where_none_ships(no_artifacts, add_painter):
    with pytest.raises(BackendError, match=r"no shipped.*'guide' for colour.* is installed"):
        choose_backend(3, {"guide"})
    add_painter("mine")
    with pytest.raises(BackendError, match=r"'segment' for images of this kind.*mine"):
        plan((32, 32), "uint8", Options(), needs={"segment"})


@pytest.mark.parametrize(
    ("axes", "shape", "chosen"),
    [("YXC", (32, 32, 4), "cells"), ("CYX", (4, 32, 32), "cells"), ("CYX", (3, 32, 32), "photo")],
)
def test_four_channels_are_no_colours(ship, axes, shape, chosen):
    ship("photo", (18, 0.83, 20))
    ship("cells", (18, 0.83, 20), "fluorescence")
    assert plan(shape, "uint8", Options(axes=axes)).backend.info.name == chosen


def test_every_shipped_artifact_has_scores_that_can_be_compared():
    names = [path.stem for path in artifacts.shipped()]
    assert names
    for name in names:
        assert comparisons(registry.get_backend(name).info), name
