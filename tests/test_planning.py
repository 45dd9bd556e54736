from pathlib import Path

import numpy as np
import pytest

from napari_inpaint import registry
from napari_inpaint.errors import (
    ArtifactError,
    BackendError,
    DeviceError,
    DtypeError,
    OptionError,
    ShapeError,
    UnknownBackendError,
)
from napari_inpaint.planning import FALLBACK, Options, choose_backend, plan


@pytest.fixture
def no_artifacts(monkeypatch):
    """Nothing ships but the classical backends."""
    found = registry._installed()
    keep = {name: each for name, each in found.backends.items() if not each.info.domain}
    bare = registry.Discovery(keep, {name: found.providers[name] for name in keep})
    monkeypatch.setattr(registry, "_installed", lambda: bare)
    return bare


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4, 5])
def test_auto_falls_back_when_no_artifact_ships(no_artifacts, channels):
    assert choose_backend(channels) == FALLBACK


def test_auto_goes_by_the_channels_and_takes_only_what_ships(no_artifacts, add_backend):
    for name, domain in (("a-photo", "photo"), ("b-photo", "photo"), ("cells", "fluorescence")):
        add_backend(None, name=name, domain=domain)
        registry._installed().providers[name] = registry.OWN_DISTRIBUTION
    add_backend(None, name="0-photo", domain="photo")
    assert [choose_backend(each) for each in (3, 4)] == ["a-photo"] * 2
    assert [choose_backend(each) for each in (None, 1, 2, 5)] == ["cells"] * 4


def test_auto_takes_for_more_than_filling_what_can_do_it(no_artifacts, add_painter):
    for name, domain in (
        ("cells", "fluorescence"),
        ("a-nuclei", "nuclei"),
        ("a-street", "street"),
        ("b-photo", "photo"),
    ):
        add_painter(name, domain=domain)
        registry._installed().providers[name] = registry.OWN_DISTRIBUTION
    add_painter("0-photo", domain="photo")
    assert [choose_backend(each, {"segment"}) for each in (3, 4)] == ["b-photo"] * 2
    assert [choose_backend(each, {"guide"}) for each in (None, 1, 5)] == ["cells"] * 3
    add_painter("b-photo", domain="photo", provides={"guide"})
    registry._installed().providers["b-photo"] = registry.OWN_DISTRIBUTION
    assert choose_backend(3, {"segment"}) == "a-street"
    add_painter("cells", domain="fluorescence", provides={"inpaint"})
    registry._installed().providers["cells"] = registry.OWN_DISTRIBUTION
    assert choose_backend(None, {"segment"}) == "a-nuclei"
    assert choose_backend(None) == "cells"
    add_painter("cells", domain="fluorescence")
    registry._installed().providers["cells"] = registry.OWN_DISTRIBUTION
    labels = np.ones((32, 32), int)
    assert plan((32, 32), "uint8", labels=labels).backend.info.name == "cells"
    assert plan((32, 32, 3), "uint8", labels=labels).backend.info.name == "b-photo"


def test_auto_names_those_that_can_where_none_ships(no_artifacts, add_painter):
    with pytest.raises(BackendError, match=r"no shipped.*'guide' for colour.* is installed"):
        choose_backend(3, {"guide"})
    add_painter("mine")
    with pytest.raises(BackendError, match=r"'segment' for images of this kind.*mine"):
        plan((32, 32), "uint8", needs={"segment"})


def test_backend_that_segments_must_say_its_classes(add_painter):
    name = add_painter(classes=())
    with pytest.raises(BackendError, match="does not say which classes there are"):
        plan((8, 8), "uint8", backend=name, needs={"segment"})


@pytest.mark.parametrize(
    ("axes", "shape", "domain"),
    [("YXC", (32, 32, 4), "photo"), ("CYX", (4, 32, 32), "cells"), ("CYX", (3, 32, 32), "photo")],
)
def test_four_channels_are_colour_only_with_alpha(no_artifacts, add_backend, axes, shape, domain):
    for name in ("photo", "cells"):
        add_backend(None, name=name, domain={"photo": "photo"}.get(name, "fluorescence"))
        registry._installed().providers[name] = registry.OWN_DISTRIBUTION
    assert plan(shape, "uint8", axes=axes).backend.info.name == domain


def test_plan_says_what_will_be_used():
    settled = plan((4, 64, 64), "uint16", backend="telea", device="cpu", dilate=3)
    assert settled.axes.letters == "ZYX"
    assert settled.backend.info.name == "telea"
    assert str(settled.device.device) == "cpu"
    assert settled.options == Options(dilate=3)


def test_regions_step_is_a_multiple_of_what_the_backend_wants(add_backend):
    name = add_backend(None, multiple=48, context=20, working_size=100)
    scale = plan((64, 64), "uint8", backend=name).scale
    assert (scale.step, scale.context, scale.tile) == (96, 20, 192)
    assert plan((64, 64), "uint8", backend=name, context=5).scale.context == 5


def test_path_is_taken_as_an_artifact(save_artifact):
    path = save_artifact()
    for backend in (path, str(path)):
        assert plan((8, 8), "uint8", backend=backend).backend.path == path.resolve()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"dtype": "int64"}, DtypeError, "int64"),
        ({"shape": (5,)}, ShapeError, "Y and X"),
        ({"axes": "ZYX"}, ShapeError, "image has 2"),
        ({"backend": "tela"}, UnknownBackendError, "'telea'"),
        ({"backend": None}, UnknownBackendError, "None"),
        ({"backend": "nowhere.pt"}, ArtifactError, "nowhere.pt"),
        ({"backend": Path("nowhere")}, ArtifactError, "nowhere"),
        ({"device": "gpu"}, DeviceError, "gpu"),
        ({"labels": np.ones((8, 8), int), "backend": "telea"}, BackendError, "guide"),
        ({"dilate": -1}, OptionError, "dilate"),
        ({"dilate": 1.5}, OptionError, "dilate"),
        ({"feather": "2"}, OptionError, "feather"),
        ({"context": 0}, OptionError, "context"),
        ({"batch_size": 0}, OptionError, "batch_size"),
        ({"seed": True}, OptionError, "seed"),
        ({"strategy": "best"}, OptionError, "auto, crop, resize"),
        ({"dilatation": 3}, OptionError, "dilatation.*dilate"),
    ],
)
def test_whatever_is_wrong_is_named(settings, error, text):
    settings = {"shape": (8, 8), "dtype": "uint8"} | settings
    with pytest.raises(error, match=text):
        plan(settings.pop("shape"), settings.pop("dtype"), **settings)


def test_backend_that_cannot_inpaint_is_refused_with_those_that_can(add_backend):
    name = add_backend(None, provides={"segment"})
    with pytest.raises(BackendError, match=r"only segment\. Backends that do: .*telea"):
        plan((8, 8), "uint8", backend=name)
