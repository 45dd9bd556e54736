"""PNG and JPEG: read upright and with metadata, write with the metadata kept."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin

from napari_inpaint.errors import FileError
from napari_inpaint.files.picture import Picture, join_alpha

BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, RuntimeError)
"""What Pillow and the codecs raise on broken files."""

T = TypeVar("T", bound=np.generic)

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
    """Read a PNG or JPEG file.

    Palettes become RGB, a transparent colour becomes alpha, EXIF orientation is applied.

    Raises
    ------
    FileError
        If it is no PNG or JPEG, is broken, animated, or neither grey nor RGB.
    OSError
        If it cannot be opened.
    """
    content = path.read_bytes()
    try:
        # The limit guards servers against bombs; here a person names the file.
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as opened:
            return _read(path, content, opened)
    except BROKEN as error:
        reason = "it is no PNG or JPEG file" if "cannot identify" in str(error) else error
        raise FileError(f"{path} cannot be read: {reason}.") from error


def _read(path: Path, content: bytes, opened: Image.Image) -> Picture:
    if opened.format == "PNG" and getattr(opened, "n_frames", 1) > 1:
        raise FileError(f"{path} is an animated PNG; save its frames as single pictures or a TIFF.")
    upright = ImageOps.exif_transpose(opened)
    exif = opened.getexif()
    orientation = exif.pop(ORIENTATION, 1)
    jpeg: dict[str, Any] | None = None
    if isinstance(opened, JpegImagePlugin.JpegImageFile):
        jpeg = {"qtables": opened.quantization}
        if (subsampling := JpegImagePlugin.get_sampling(opened)) >= 0:
            jpeg["subsampling"] = subsampling
    if content.startswith(PNG_SIGNATURE) and content[24] == 16:
        pixels, orientation = imagecodecs.png_decode(content), 1
    else:
        pixels = _pixels(path, upright)
    array, alpha = _split_alpha(pixels)
    return Picture(
        path=path,
        array=array,
        axes="YX" if array.ndim == 2 else "YXC",
        alpha=alpha,
        dpi=opened.info.get("dpi"),
        icc=opened.info.get("icc_profile"),
        exif=exif.tobytes() if exif else None,
        orientation=orientation if orientation in TURNS else 1,
        chunks=tuple(raw for kind, raw in _chunks(content) if kind in PNG_KEPT),
        jpeg=jpeg,
        lossy=jpeg is not None,
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
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        content = buffer.getvalue()
    chunks = list(like.chunks) or _new_chunks(like)
    if like.exif:
        chunks.append(_chunk(b"eXIf", like.exif.removeprefix(b"Exif\0\0")))
    end_of_header = len(PNG_SIGNATURE) + 25  # IHDR is always first, and 25 bytes long
    path.write_bytes(content[:end_of_header] + b"".join(chunks) + content[end_of_header:])


def write_jpeg(path: Path, array: NDArray[Any], like: Picture) -> None:
    """Write (Y, X) or (Y, X, 3) of uint8, as compressed as `like` was, with its metadata."""
    Image.fromarray(np.ascontiguousarray(array)).save(
        path,
        "JPEG",
        dpi=like.dpi or (0, 0),
        icc_profile=like.icc,
        exif=like.exif or b"",
        **(like.jpeg or {"quality": 95, "subsampling": 0}),
    )


def _pixels(path: Path, image: Image.Image) -> NDArray[Any]:
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif "transparency" in image.info:
        image = image.convert("LA" if image.mode in ("1", "L") else "RGBA")
    if image.mode not in ("1", "L", "LA", "RGB", "RGBA"):
        raise FileError(f"{path} is {image.mode}; expected grey or RGB. Convert it to RGB first.")
    return np.asarray(image)


def _split_alpha(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if pixels.ndim == 2:
        return pixels, None
    if pixels.shape[-1] == 2:
        return pixels[..., 0], pixels[..., 1]
    if pixels.shape[-1] == 4:
        return pixels[..., :3], pixels[..., 3]
    return pixels, None


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
