import numpy as np
import pytest

from napari_inpaint.arrays import intensity
from napari_inpaint.errors import DtypeError, OptionError

KNOWN = np.zeros((8, 8), bool)
HOLE = KNOWN.copy()
HOLE[2:5, 2:5] = True


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8", "complex64", "U3", "M8[s]", "O"])
def test_other_types_are_refused_with_what_to_do(dtype):
    with pytest.raises(DtypeError, match=r"not supported.*astype\('float32'\)"):
        intensity.check_dtype(dtype)


@pytest.mark.parametrize("dtype", [">u2", ">f4", "<i4", "?", "f2"])
def test_supported_types_pass_in_either_byte_order(dtype):
    assert intensity.check_dtype(dtype) == np.dtype(dtype)


def test_rgb_of_bytes_is_divided_by_255_exactly():
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    limits = intensity.limits_of(pixels, HOLE, HOLE, photo=True)
    unit = intensity.to_unit(pixels, KNOWN, limits)
    np.testing.assert_array_equal(unit, pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(intensity.from_unit(unit, limits, pixels.dtype), pixels)


@pytest.mark.parametrize("dtype", intensity.SUPPORTED)
def test_there_and_back_is_the_same(dtype):
    rng = np.random.default_rng(0)
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        high = min(int(bounds.max), 60_000)
        pixels = rng.integers(bounds.min if bounds.bits < 32 else -9, high, (8, 8, 2)).astype(dtype)
    else:
        pixels = rng.random((8, 8, 2)).round(3).astype(dtype)
    limits = intensity.limits_of(pixels, HOLE)
    back = intensity.from_unit(intensity.to_unit(pixels, KNOWN, limits), limits, dtype)
    assert back.dtype == dtype
    np.testing.assert_allclose(back[~HOLE], pixels[~HOLE], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e30])
def test_hole_is_never_read(garbage):
    clean = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8, 1)
    dirty = clean.copy()
    dirty[HOLE] = garbage
    expected, limits = intensity.limits_of(clean, HOLE), intensity.limits_of(dirty, HOLE)
    np.testing.assert_array_equal([limits.low, limits.high], [expected.low, expected.high])
    unit = intensity.to_unit(dirty, HOLE, limits)
    np.testing.assert_array_equal(unit, intensity.to_unit(clean, HOLE, expected))
    assert (unit[HOLE] == 0).all()


def test_limits_leave_headroom_and_ignore_a_few_outliers():
    pixels = np.tile(np.linspace(100, 200, 1000, dtype=np.float32), (20, 1))[..., np.newaxis]
    pixels[0, 0] = 1e6
    limits = intensity.limits_of(pixels, np.zeros((20, 1000), bool))
    assert limits.low[0] == 100  # nothing is darker
    assert 205 < limits.high[0] < 215


def test_channels_have_limits_of_their_own():
    pixels = np.stack([np.eye(8), 1000 * np.eye(8)], axis=-1)
    limits = intensity.limits_of(pixels, HOLE)
    assert limits.high[1] == pytest.approx(1000 * limits.high[0])


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64", "float16"])
def test_constant_surroundings_come_back_whatever_is_predicted(dtype):
    pixels = np.full((8, 8, 1), 7, dtype)
    limits = intensity.limits_of(pixels, HOLE, HOLE)
    assert (intensity.to_unit(pixels, KNOWN, limits) == 0.5).all()
    predicted = np.array([[0.0], [0.3], [1.0]], np.float32)
    assert (intensity.from_unit(predicted, limits, np.dtype(dtype)) == 7).all()


def test_few_bright_spots_on_a_constant_ground_are_kept():
    pixels = np.zeros((100, 100, 1), np.uint16)
    pixels[3, 3] = 5000
    limits = intensity.limits_of(pixels, np.zeros((100, 100), bool))
    assert limits.high[0] == 5000


# --- bright structures ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_limits_contain_what_is_bright_or_dark_at_the_rim(dtype):
    """One pixel in a thousand: percentiles alone would cut the flank of a star."""
    y, x = np.mgrid[:128, :128] - 64
    pixels = (300 + 20_000 * np.exp(-(y**2 + x**2) / 32)).astype(dtype)[..., np.newaxis]
    hole = (np.abs(y) <= 1) & (np.abs(x) <= 1)
    rim = pixels[..., 0][~hole & (np.hypot(y, x) < 4)]
    limits = intensity.limits_of(pixels, hole, hole)
    assert limits.high[0] == rim.max() > 1.5 * np.percentile(pixels[~hole], 99.5)
    limits = intensity.limits_of(np.subtract(20_300, pixels, dtype=dtype), hole, hole)
    assert limits.low[0] == pytest.approx(20_300 - rim.max())


def test_bright_spots_elsewhere_are_no_part_of_the_limits():
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 120, (128, 128, 1)).astype(np.uint16)
    hole = np.zeros((128, 128), bool)
    hole[60:70, 60:70] = True
    alone = intensity.limits_of(pixels, hole, hole)
    pixels[5, 5:15] = 60_000
    beside = intensity.limits_of(pixels, hole, hole)
    assert 118 < alone.high[0] <= beside.high[0] < 125


def test_no_limit_exceeds_what_the_sensor_gave_where_the_rim_is_flat():
    rng = np.random.default_rng(0)
    pixels = np.where(rng.random((64, 64, 1)) < 0.3, 4095, 900).astype(np.uint16)
    hole = np.zeros((64, 64), bool)
    hole[30:34, 30:34] = True
    pixels[24:40, 24:40] = 4095
    limits = intensity.limits_of(pixels, hole, hole)
    assert (limits.low[0], limits.high[0]) == (900, 4095)


@pytest.mark.parametrize(
    ("pixels", "scale"),
    [
        (np.linspace(3, 200, 192), 255),
        (np.linspace(3, 200, 192) * 257, 65535),
        (np.linspace(3, 3900, 192), 4095),
        (np.linspace(0.1, 0.9, 192), 1),
        (np.linspace(1, 250, 192).astype(np.float32), 255),
    ],
)
def test_photographs_have_the_full_scale_of_their_camera(pixels, scale):
    integer = {255: "uint8", 65535: "uint16", 4095: "uint16", 1: "float32"}[scale]
    dtype = pixels.dtype if pixels.dtype == np.float32 else integer
    pixels = pixels.astype(dtype).reshape(8, 8, 3)
    limits = intensity.limits_of(pixels, HOLE, HOLE, photo=True)
    assert limits.low.tolist() == [0, 0, 0]
    assert limits.high.tolist() == [scale] * 3


def test_eight_and_sixteen_bits_of_a_photograph_look_alike_to_a_model():
    eight = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    units = [
        intensity.to_unit(each, HOLE, intensity.limits_of(each, HOLE, HOLE, photo=True))
        for each in (eight, eight.astype(np.uint16) * 257, eight.astype(np.float32) / 255)
    ]
    np.testing.assert_allclose(units[1], units[0], atol=1e-6)
    np.testing.assert_allclose(units[2], units[0], atol=1e-6)


def test_values_that_cannot_be_missing_are_refused():
    intensity.check_holds(np.dtype("float32"), (-9999.0, 0.5))
    intensity.check_holds(np.dtype("int16"), (-9999.0, np.nan))
    for dtype, value in (("uint8", -1), ("uint8", 256), ("int16", 0.5), ("bool", 2)):
        with pytest.raises(OptionError, match=f"No pixel of type {dtype} is"):
            intensity.check_holds(np.dtype(dtype), (value,))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32"])
def test_integers_are_rounded_and_clipped(dtype):
    bounds = np.iinfo(dtype)
    limits = intensity.Limits(np.array([bounds.min - 10.0]), np.array([bounds.max + 10.0]))
    unit = np.array([[0.0], [1.0]], np.float32)
    back = intensity.from_unit(unit, limits, np.dtype(dtype))
    assert back.ravel().tolist() == [bounds.min, bounds.max]
    limits = intensity.Limits(np.array([0.0]), np.array([10.0]))
    unit = np.array([[0.26], [0.24]], np.float32)
    assert intensity.from_unit(unit, limits, np.dtype(dtype)).ravel().tolist() == [3, 2]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_largest_floats_stay_finite(dtype):
    largest = np.finfo(dtype).max
    pixels = np.where(np.eye(8), largest, -largest)[..., np.newaxis].astype(dtype)
    limits = intensity.limits_of(pixels, HOLE)
    unit = intensity.to_unit(pixels, HOLE, limits)
    assert unit.min() >= 0
    assert unit.max() <= 1
    ends = intensity.from_unit(np.array([[0.0], [1.0]], np.float32), limits, np.dtype(dtype))
    assert np.isfinite(ends).all()


@pytest.mark.parametrize("top", [1.02, 1.5, 8.0])
def test_floats_that_go_a_little_beyond_one_are_not_of_255(top):
    pixels = np.linspace(0.01, top, 192, dtype=np.float32).reshape(8, 8, 3)
    limits = intensity.limits_of(pixels, HOLE, HOLE, photo=True)
    assert (limits.high > top * 0.9).all()
    assert (limits.high <= pixels.max()).all()
