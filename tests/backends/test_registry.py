import importlib.metadata
import sys
import types

import pytest

from napari_inpaint.backends import registry
from napari_inpaint.backends.contract import BackendInfo, hookimpl
from napari_inpaint.errors import UnknownBackendError


class Fine:
    def __init__(self, name="fine"):
        self.info = BackendInfo(name=name, title=name, provides={"inpaint"})

    def load(self, device):
        return self


@pytest.fixture
def entry_point(monkeypatch):
    """Make an entry point whose module's hook is the given function."""

    def make(name, hook=None, distribution="somebody", **members):
        module = types.ModuleType(f"module_of_{name}_{distribution}".replace("-", "_"))
        if hook is not None:
            module.napari_inpaint_backends = hookimpl(specname="napari_inpaint_backends")(hook)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        point = importlib.metadata.EntryPoint(name, module.__name__, registry.GROUP)
        vars(point)["dist"] = types.SimpleNamespace(name=distribution)
        return point

    return make


def test_installed_package_lists_the_classical_backends_with_their_provider():
    names = [info.name for info in registry.list_backends()]
    assert names == sorted(names)
    assert {"biharmonic", "navier-stokes", "telea"} <= set(names)
    assert registry.provider("telea") == "napari-inpaint"
    assert registry.broken_backends() == []


def test_refresh_looks_again(monkeypatch):
    before = registry.get_backend("telea")
    assert registry.get_backend("telea") is before
    registry.refresh()
    assert registry.get_backend("telea") is not before


@pytest.mark.parametrize(
    ("name", "near"), [("tela", "'telea'"), ("Biharmonic", "'biharmonic'"), ("navier", "'navier-")]
)
def test_unknown_name_lists_the_nearest(name, near):
    with pytest.raises(UnknownBackendError, match=rf"Did you mean {near}.*Installed: "):
        registry.get_backend(name)


def test_unknown_name_without_a_near_one_lists_all():
    with pytest.raises(UnknownBackendError, match=r"Installed: .*biharmonic.*telea") as caught:
        registry.get_backend("zzzzz")
    assert "Did you mean" not in str(caught.value)


def test_good_package_is_found_among_broken_ones(entry_point):
    def fails():
        raise ValueError("no GPU found")

    def exits():
        raise SystemExit(1)

    def half_way():
        yield Fine("half")
        raise OSError("disk")

    points = [
        entry_point("a-fails", fails),
        entry_point("b-exits", exits),
        entry_point("c-half-way", half_way),
        entry_point("d-not-a-list", lambda: 3),
        entry_point("e-argument", lambda image: [Fine()]),
        entry_point("f-no-hook"),
        entry_point("g-misspelt", napari_inpaint_backend=hookimpl(lambda: [Fine()])),
        entry_point("z-fine", lambda: [Fine()]),
        importlib.metadata.EntryPoint("h-import", "a_module_that_is_not_there", registry.GROUP),
        importlib.metadata.EntryPoint("i-attribute", "sys:nothing_there", registry.GROUP),
    ]
    found = registry.discover(points)
    assert list(found.backends) == ["fine"]
    errors = {each.name: each.error for each in found.broken}
    assert errors.keys() == {point.name for point in points} - {"z-fine"}
    assert "no GPU found" in errors["a-fails"]
    assert "SystemExit" in errors["b-exits"]
    assert "disk" in errors["c-half-way"]
    assert "image" in errors["e-argument"]
    assert "@napari_inpaint.hookimpl" in errors["f-no-hook"]
    assert "napari_inpaint_backend" in errors["g-misspelt"]
    assert "a_module_that_is_not_there" in errors["h-import"]
    assert "nothing_there" in errors["i-attribute"]
    assert {each.distribution for each in found.broken} == {"somebody", "unknown distribution"}


def test_one_bad_backend_leaves_the_others_of_its_package(entry_point):
    class RaisesInfo(Fine):
        info = property(lambda self: 1 / 0, lambda self, value: None)

    class WrongInfo(Fine):
        info = property(lambda self: {"name": "wrong"}, lambda self, value: None)

    class NoLoad:
        info = BackendInfo(name="no-load", title="No load", provides={"inpaint"})

    found = registry.discover(
        [entry_point("some", lambda: [RaisesInfo(), WrongInfo(), NoLoad(), None, Fine()])]
    )
    assert list(found.backends) == ["fine"]
    errors = [each.error for each in found.broken]
    assert len(errors) == 4
    assert "ZeroDivisionError" in errors[0]
    assert "BackendInfo" in errors[1]
    assert "load" in errors[2]
    assert "NoneType" in errors[3]


def test_duplicate_name_goes_to_the_built_in_whatever_the_order(entry_point):
    points = [
        entry_point("aaa", lambda: [Fine("telea")], distribution="aaa"),
        entry_point("zzz", lambda: [Fine("telea")], distribution="napari-inpaint"),
    ]
    for order in (points, points[::-1]):
        found = registry.discover(order)
        assert found.providers == {"telea": "napari-inpaint"}
        (broken,) = found.broken
        assert (broken.name, broken.distribution) == ("telea", "aaa")
        assert "taken by napari-inpaint" in broken.error


def test_duplicate_name_of_third_parties_goes_to_the_first_by_name(entry_point):
    points = [
        entry_point("same", lambda: [Fine("x")], distribution="second"),
        entry_point("same", lambda: [Fine("x")], distribution="first"),
        entry_point("later", lambda: [Fine("x"), Fine("y")], distribution="third"),
    ]
    for order in (points, points[::-1]):
        found = registry.discover(order)
        assert found.providers == {"x": "third", "y": "third"}
        assert [each.distribution for each in found.broken] == ["first", "second"]


def test_broken_backend_that_is_asked_for_says_why(entry_point, monkeypatch):
    found = registry.discover([entry_point("lama", lambda: 1 / 0)])
    monkeypatch.setattr(registry, "_installed", lambda: found)
    with pytest.raises(UnknownBackendError, match=r"'lama' is installed but broken.*division"):
        registry.get_backend("lama")
