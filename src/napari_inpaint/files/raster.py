"""PNG, JPEG, WebP, BMP and GIF: read upright and with metadata, write with the metadata kept.

WebP is written without loss, whatever it was; GIF is read only, for it holds 256 colours.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence, JpegImagePlugin

from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import BROKEN, Picture, join_alpha

T = TypeVar("T", bound=np.generic)

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# True whatever the pixels and their colour type are; tIME, bKGD, sBIT, hIST and the like are not.
PNG_KEPT = {b"pHYs", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"tEXt", b"zTXt", b"iTXt"}
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read(path: Path) -> Picture:
    """Read a PNG, JPEG, WebP, BMP or GIF file, whichever of these it is.

    Palettes become RGB, a transparent colour becomes alpha, EXIF orientation is applied. A GIF of
    several frames becomes a stack, T; one whose colours are all grey becomes grey.

    Raises
    ------
    FileError
        If it is none of these, is broken, is an animation but no GIF, or neither grey nor RGB.
    OSError
        If it cannot be opened.
    """
    content = path.read_bytes()
    try:
        # The limit guards servers against bombs; here a person names the file.
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            return _read(path, content, opened)
    except BROKEN as error:
        no_picture = f"it is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file"
        reason = no_picture if "cannot identify" in str(error) else str(error) or repr(error)
        raise FileError(f"{path} cannot be read: {reason}.") from error


def _read(path: Path, content: bytes, opened: Image.Image) -> Picture:
    kind, frames = opened.format, getattr(opened, "n_frames", 1)
    if frames > 1 and kind in ("PNG", "WEBP"):
        raise FileError(
            f"{path} is an animated {kind}; save its frames as single pictures or a TIFF."
        )
    if frames > 1 and kind == "GIF":
        return _read_frames(path, opened)
    upright = ImageOps.exif_transpose(opened)
    exif = opened.getexif()
    orientation = exif.pop(ORIENTATION, 1)
    indices = np.asarray(upright) if upright.mode == "P" else None
    if content.startswith(PNG_SIGNATURE) and content[24] == 16:
        pixels, orientation = imagecodecs.png_decode(content), 1
    else:
        pixels = _pixels(path, upright)
    array, alpha = _split_alpha(pixels)
    if kind == "GIF" and array.ndim == 3:
        array = _grey(array)
    jpeg = _compression(opened)
    return Picture(
        path=path,
        array=array,
        axes="YX" if array.ndim == 2 else "YXC",
        samples="" if array.ndim == 2 else "C",
        indices=indices,
        alpha=alpha,
        dpi=_dpi(opened),
        icc=opened.info.get("icc_profile"),
        exif=exif.tobytes() if exif else None,
        orientation=orientation if orientation in TURNS else 1,
        chunks=tuple(raw for kind, raw in _chunks(content) if kind in PNG_KEPT),
        jpeg=jpeg,
        lossy=jpeg is not None or _is_lossy_webp(content),
    )


def _read_frames(path: Path, opened: Image.Image) -> Picture:
    """Read the frames of a GIF, each as it is shown: (T, Y, X) or (T, Y, X, 3)."""
    frames = [np.asarray(each.convert("RGBA")) for each in ImageSequence.Iterator(opened)]
    pixels = np.stack(frames)
    array, alpha = _grey(pixels[..., :3]), pixels[..., 3]
    return Picture(
        path=path,
        array=array,
        axes="TYX" if array.ndim == 3 else "TYXC",
        samples="" if array.ndim == 3 else "C",
        alpha=None if (alpha == 255).all() else alpha,
        notes=("the times of the animation's frames are left out",),
    )


def turn_upright(drawn: NDArray[T], orientation: int) -> NDArray[T]:
    """Turn a mask or labels (Y, X) as a picture with this EXIF orientation is turned on reading."""
    # turned are the places of the pixels: Pillow does not know every type of number
    places = np.arange(drawn.size, dtype=np.int32).reshape(drawn.shape)
    turned = np.asarray(Image.fromarray(places).transpose(TURNS[orientation]))
    upright: NDArray[T] = drawn.ravel()[turned]
    return upright


def write_png(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write (Y, X) or (Y, X, 3) of bool (grey only), uint8 or uint16, with `like`'s metadata."""
    pixels = np.ascontiguousarray(join_alpha(array, like.alpha))
    if pixels.dtype == np.uint16:
        content = bytes(imagecodecs.png_encode(pixels))
    else:
        content = _encoded(pixels, "PNG")
    chunks = list(like.chunks) or _new_chunks(like)
    if like.exif:
        chunks.append(_chunk(b"eXIf", like.exif.removeprefix(b"Exif\0\0")))
    end_of_header = len(PNG_SIGNATURE) + 25  # IHDR is always first, and 25 bytes long
    path.write_bytes(content[:end_of_header] + b"".join(chunks) + content[end_of_header:])


def write_jpeg(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write (Y, X) or (Y, X, 3) of uint8, as compressed as `like` was, with its metadata."""
    about = {"dpi": like.dpi or (0, 0), "icc_profile": like.icc, "exif": like.exif or b""}
    settings = like.jpeg or {"quality": 95, "subsampling": 0}
    path.write_bytes(_encoded(array, "JPEG", **about, **settings))


def write_webp(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write (Y, X, 3) of uint8 without loss, with `like`'s alpha, colour profile and EXIF data."""
    # exact: colours under transparent pixels stay, too
    settings = {"lossless": True, "exact": True, "icc_profile": like.icc, "exif": like.exif or b""}
    path.write_bytes(_encoded(join_alpha(array, like.alpha), "WEBP", **settings))


def write_bmp(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write (Y, X) of bool or uint8, or (Y, X, 3) of uint8, with `like`'s resolution."""
    path.write_bytes(_encoded(array, "BMP", **({"dpi": like.dpi} if like.dpi else {})))


def _encoded(pixels: NDArray[Any], kind: str, **settings: Any) -> bytes:
    """Return a file's content: Pillow, writing to the disk by itself, heeds no full one."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **settings)
    return buffer.getvalue()


def _pixels(path: Path, image: Image.Image) -> NDArray[Any]:
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif "transparency" in image.info:
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA"):
        raise FileError(f"{path} is {image.mode}; expected grey or RGB. Convert it to RGB first.")
    return np.asarray(image)


def _grey(colours: NDArray[Any]) -> NDArray[Any]:
    """Return (..., Y, X) of (..., Y, X, 3) pixels that are all grey; others as they are."""
    is_grey = colours.shape[-1] == 3 and (colours == colours[..., :1]).all()
    return colours[..., 0] if is_grey else colours


def _split_alpha(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if pixels.ndim == 2:
        return pixels, None
    if pixels.shape[-1] == 2:
        return pixels[..., 0], pixels[..., 1]
    if pixels.shape[-1] == 4:
        return pixels[..., :3], pixels[..., 3]
    return pixels, None


def _compression(opened: Image.Image) -> dict[str, Any] | None:
    """Return how a JPEG was compressed, as Pillow's `save` takes it; None for other files."""
    if not isinstance(opened, JpegImagePlugin.JpegImageFile):
        return None
    jpeg: dict[str, Any] = {"qtables": opened.quantization}
    if (subsampling := JpegImagePlugin.get_sampling(opened)) >= 0:
        jpeg["subsampling"] = subsampling
    return jpeg


def _is_lossy_webp(content: bytes) -> bool:
    """Say whether a WebP's pixels lie in a chunk "VP8 "; those without loss lie in "VP8L"."""
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return False
    start = 12
    while start + 8 <= len(content):
        if content[start : start + 4] in (b"VP8 ", b"VP8L"):
            return content[start : start + 4] == b"VP8 "
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        start += 8 + size + size % 2
    return False


def _dpi(opened: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(each) for each in opened.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    usable = all(math.isfinite(each) and each > 0 for each in (across, down))
    return (across, down) if usable else None


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, whole chunk) of a PNG's chunks; nothing of another file's."""
    start = len(PNG_SIGNATURE)
    while content.startswith(PNG_SIGNATURE) and start + 12 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        yield content[start + 4 : start + 8], content[start:end]
        start = end


def _new_chunks(like: Picture) -> list[bytes]:
    chunks = []
    if like.icc:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(like.icc)))
    if like.dpi:
        per_metre = (round(each / 0.0254) for each in like.dpi)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    return chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
