"""Pictures written as scanners, fax servers and phones write them."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pikepdf
from PIL import Image

from bench.paper.damage import Arrived
from bench.paper.truth import PageTruth

FORMATS = ("png", "jpeg", "tiff", "pdf")
USUAL_FORMAT = {
    "clean": "png",
    "scan": "pdf",
    "upside_down": "pdf",
    "copy": "tiff",
    "fax": "tiff",
    "phone": "jpeg",
    "bitonal": "tiff",
}
"""What each machine writes when nobody says otherwise."""

_SUFFIX = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "pdf": ".pdf"}


def write_images(folder: Path, stem: str, images: Sequence[Arrived], kind: str) -> list[Path]:
    """Write pictures; PDF and TIFF hold all of them, PNG and JPEG one each.

    Returns:
        For each picture the file that holds it (the same file many times for PDF and TIFF).

    Raises:
        ValueError: no such format.
    """
    if kind not in FORMATS:
        raise ValueError(f"cannot write {kind}")
    if kind in ("pdf", "tiff"):
        path = folder / f"{stem}{_SUFFIX[kind]}"
        if kind == "pdf":
            write_pdf(path, images)
        else:
            write_tiff(path, images)
        return [path] * len(images)
    paths = []
    for at, image in enumerate(images, 1):
        name = stem if len(images) == 1 else f"{stem}-{at}"
        paths.append(folder / f"{name}{_SUFFIX[kind]}")
        picture = _picture(image)
        dpi = {"dpi": image.dpi} if image.dpi is not None else {}
        if kind == "png":
            picture.save(paths[-1], format="PNG", compress_level=1, **dpi)
        else:
            _as_jpeg(image).save(paths[-1], format="JPEG", quality=image.quality or 90, **dpi)
    return paths


def _picture(image: Arrived) -> Image.Image:
    picture = Image.fromarray(image.pixels)
    return picture.convert("1", dither=Image.Dither.NONE) if image.bits == 1 else picture


def _as_jpeg(image: Arrived) -> Image.Image:
    return Image.fromarray(image.pixels)


def write_tiff(path: Path, images: Sequence[Arrived]) -> None:
    """Write one TIFF: 1-bit pages as Group 4 fax, the others as LZW."""
    first, *rest = [_picture(image) for image in images]
    for picture, image in zip([first, *rest], images, strict=True):
        packing = "group4" if image.bits == 1 else "tiff_lzw"
        picture.encoderinfo = {"compression": packing}
        if image.dpi is not None:
            picture.encoderinfo["dpi"] = image.dpi
    first.save(path, format="TIFF", save_all=True, append_images=rest, **first.encoderinfo)


def write_pdf(path: Path, images: Sequence[Arrived]) -> None:
    """Write one PDF of a picture to a page, as scanners do: JPEG inside, or 1-bit Flate."""
    with pikepdf.new() as pdf:
        for image in images:
            dpi = image.dpi or (200.0, 200.0)
            height, width = image.pixels.shape[:2]
            size = (width / dpi[0] * 72, height / dpi[1] * 72)
            page = pdf.add_blank_page(page_size=size)
            page.obj.Resources = pikepdf.Dictionary(
                XObject=pikepdf.Dictionary(Im0=_image_object(pdf, image))
            )
            drawing = f"q {size[0]:.3f} 0 0 {size[1]:.3f} 0 0 cm /Im0 Do Q"
            page.obj.Contents = pdf.make_stream(drawing.encode())
        pdf.save(path, deterministic_id=True)


def _image_object(pdf: pikepdf.Pdf, image: Arrived) -> pikepdf.Stream:
    height, width = image.pixels.shape[:2]
    how: dict[str, object] = {"Width": width, "Height": height}
    how |= {"Type": pikepdf.Name.XObject, "Subtype": pikepdf.Name.Image}
    if image.bits == 1:
        data = zlib.compress(np.packbits(image.pixels > 127, axis=1).tobytes(), 9)
        how |= {"BitsPerComponent": 1, "ColorSpace": pikepdf.Name.DeviceGray}
        how |= {"Filter": pikepdf.Name.FlateDecode}
    else:
        file = io.BytesIO()
        _as_jpeg(image).save(file, format="JPEG", quality=image.quality or 90)
        data = file.getvalue()
        space = pikepdf.Name.DeviceGray if image.pixels.ndim == 2 else pikepdf.Name.DeviceRGB
        how |= {"BitsPerComponent": 8, "ColorSpace": space, "Filter": pikepdf.Name.DCTDecode}
    stream = pikepdf.Stream(pdf, data)
    for key, value in how.items():
        stream[f"/{key}"] = value
    return stream


def truth_lines(
    files: Sequence[Path], truth: Sequence[Sequence[PageTruth]], condition: str
) -> list[str]:
    """Write one line of JSON for each page that the files show.

    Every line holds `file`, `page_index` (which picture of the file), `slot` (from the top of
    an uncut sheet), `condition`, then the page's identity and its fields.
    """
    lines = []
    seen: dict[Path, int] = {}
    for path, pages in zip(files, truth, strict=True):
        index = seen.get(path, 0)
        seen[path] = index + 1
        for slot, page in enumerate(pages):
            where = {"file": path.name, "page_index": index, "slot": slot, "condition": condition}
            lines.append(json.dumps(where | page.to_json(), ensure_ascii=False))
    return lines
