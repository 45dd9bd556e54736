from pathlib import Path

import numpy as np
import pytest

from napari_inpaint.errors import (
    ArtifactError,
    BackendError,
    DeviceError,
    DtypeError,
    OptionError,
    ShapeError,
    UnknownBackendError,
)
from napari_inpaint.fill.plan import Options, plan


def test_backend_that_segments_must_say_its_classes(add_painter):
    name = add_painter(classes=())
    with pytest.raises(BackendError, match="does not say which classes there are"):
        plan((8, 8), "uint8", Options(backend=name), needs={"segment"})


def test_plan_says_what_will_be_used():
    options = Options(backend="telea", device="cpu", dilate=3)
    settled = plan((4, 64, 64), "uint16", options)
    assert settled.axes.letters == "ZYX"
    assert settled.backend.info.name == "telea"
    assert str(settled.device.device) == "cpu"
    assert settled.options is options


def test_regions_step_is_a_multiple_of_what_the_backend_wants(add_backend):
    name = add_backend(None, multiple=48, context=20, working_size=100)
    scale = plan((64, 64), "uint8", Options(backend=name)).scale
    assert (scale.step, scale.context, scale.tile) == (96, 20, 192)
    assert plan((64, 64), "uint8", Options(backend=name, context=5)).scale.context == 5


def test_path_is_taken_as_an_artifact(save_artifact):
    path = save_artifact()
    for backend in (path, str(path)):
        settled = plan((8, 8), "uint8", Options(backend=backend))
        assert settled.backend.path == path.resolve()


@pytest.mark.parametrize(
    ("shape", "settings", "texture"),
    [
        pytest.param((64, 64, 3), {}, 1, id="photograph"),
        pytest.param((64, 64, 3), {"backend": "telea"}, 1, id="photograph by name"),
        pytest.param((64, 64, 3), {"backend": "patchmatch"}, 0, id="has texture already"),
        pytest.param((64, 64, 3), {"backend": "patchmatch", "texture": 1}, 1, id="asked for"),
        pytest.param((64, 64, 3), {"texture": 0.3}, 0.3, id="a share"),
        pytest.param((64, 64), {"backend": "telea"}, 0, id="grey"),
        pytest.param((64, 64), {"texture": 1}, 1, id="noise in grey"),
        pytest.param((64, 64, 4), {"backend": "telea", "axes": "YXC"}, 0, id="four bands"),
        pytest.param((3, 64, 64), {"backend": "telea", "axes": "CYX"}, 0, id="three channels"),
        pytest.param((5, 64, 64), {}, 0, id="stack"),
        pytest.param((5, 64, 64, 3), {}, 0, id="stack of photographs"),
        pytest.param((5, 64, 64, 3), {"along": "none"}, 1, id="each by itself"),
        pytest.param((5, 64, 64, 3), {"backend": "telea"}, 1, id="each by itself, by name"),
    ],
)
def test_texture_is_for_photographs_where_nobody_says_how_much(shape, settings, texture):
    settled = plan(shape, "uint8", Options.of(settings))
    assert settled.texture == texture
    assert settled.options.texture == settings.get("texture", "auto")


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"dtype": "int64"}, DtypeError, "int64"),
        ({"shape": (5,)}, ShapeError, "Y and X"),
        ({"axes": "ZYX"}, ShapeError, "image has 2"),
        ({"backend": "tela"}, UnknownBackendError, "'telea'"),
        ({"backend": None}, OptionError, "backend.*None"),
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
        ({"dilatation": 3}, OptionError, "dilatation.*Did you mean dilate"),
    ],
)
def test_whatever_is_wrong_is_named(settings, error, text):
    settings = dict(settings)
    shape, dtype, labels = (
        settings.pop(name, default)
        for name, default in (("shape", (8, 8)), ("dtype", "uint8"), ("labels", None))
    )
    with pytest.raises(error, match=text):
        plan(shape, dtype, Options.of(settings), labels=labels)


def test_backend_that_cannot_inpaint_is_refused_with_those_that_can(add_backend):
    name = add_backend(None, provides={"segment"})
    with pytest.raises(BackendError, match=r"only segment\. Backends that do: .*telea"):
        plan((8, 8), "uint8", Options(backend=name))
