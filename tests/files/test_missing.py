import numpy as np
import pytest

from napari_inpaint.files import missing


@pytest.mark.parametrize(
    ("value", "dtype", "held"),
    [
        (-9999, "float32", -9999),
        (0.1, "float32", float(np.float32(0.1))),
        (1e39, "float32", None),
        (-3.4028235e38, "float32", float(np.finfo("float32").min)),
        (70000, "float16", None),
        (float("inf"), "float32", float("inf")),
        (255, "uint8", 255),
        (256, "uint8", None),
        (-1, "uint8", None),
        (2.5, "int16", None),
        (float("nan"), "int16", None),
        (float("inf"), "int16", None),
        (1, "bool", 1),
        (2, "bool", None),
        (4294967295, "uint32", 4294967295),
    ],
)
def test_held_is_the_value_as_the_dtype_has_it(value, dtype, held):
    assert missing.held(value, np.dtype(dtype)) == held


@pytest.mark.parametrize("text", ["-9999", " -9999.0\0", "-9.999e+003\n"])
def test_declared_reads_numbers_as_files_write_them(text):
    assert missing.declared(text, np.dtype("float32")) == ((-9999.0,), "")


@pytest.mark.parametrize("text", ["", "none", "1,5", "0x10"])
def test_declared_that_is_no_number_is_mentioned(text):
    values, problem = missing.declared(text, np.dtype("float32"))
    assert values == ()
    assert f"its no-data value {text!r} is no number" in problem


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf"])
def test_declared_that_is_not_finite_is_missing_by_itself(text):
    for dtype in ("float32", "uint8"):
        assert missing.declared(text, np.dtype(dtype)) == ((), "")
