"""JSON of camera-trap and competition data sets: COCO Camera Traps (LILA BC, iNat competitions), MegaDetector.

Source: COCO data format, https://cocodataset.org; COCO Camera Traps 1.0; MegaDetector batch output 1.3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prom3e_index.errors import TableError
from prom3e_index.schema import RANKS
from prom3e_index.tables.file_names import reads_as_taxon
from prom3e_index.tables.json_records import Cells, flat
from prom3e_index.tables.json_tables import cells_batch
from prom3e_index.tables.looks import MOST_JSON, Look, json_file
from prom3e_index.tables.source import Source, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST = re.compile(
    r'\{\s*"(?:info|images|annotations|categories|licenses|detection_categories)"\s*:'
)
_RENAMED = {
    "datetime": "eventDate",
    "date_captured": "eventDate",
    "date": "eventDate",
    "location": "locationID",
}
_ORIGIN = {
    "id": "id (images)",
    "image": "file_name (images)",
    "eventDate": "datetime, date_captured or date (images)",
    "scientificName": "name (categories)",
    "vernacularName": "name or common_name (categories)",
    "license": "license (images)",
}
_TYPES = {"animal": "animal", "person": "human", "vehicle": "vehicle"}
_NOTHING = ("empty", "blank")


def is_coco(look: Look) -> bool:
    """Whether a JSON file has images with annotations or detections in one object."""
    if look.folder or not _FIRST.match(look.text) or look.path.stat().st_size > MOST_JSON:
        return False
    data = look.path.read_bytes()
    return b'"images"' in data and (b'"annotations"' in data or b'"detection_categories"' in data)


def open_coco(path: Path) -> Source:
    """A row for each image and category that it is annotated with, in the order of the images.

    An image without annotation is a row without a name; of MegaDetector's output each image is a row.

    Raises:
        TableError: No valid JSON, or no images in it.
    """
    stated = json_file(path)
    images = stated.get("images") if isinstance(stated, dict) else None
    if not isinstance(images, list) or not all(isinstance(i, dict) for i in images):
        raise TableError(f"{path} has no list of images.")
    said: list[str] = []
    rows = (
        _detected(stated, images)
        if "detection_categories" in stated
        else _annotated(stated, images, said)
    )
    columns: dict[str, bool] = {}
    for row in rows:
        for name, cell in row.items():
            columns[name] = columns.get(name, False) or isinstance(cell, list)
    names = dict(zip(columns, unique_names(columns), strict=True))

    def read(size: int) -> Iterator[pa.RecordBatch]:
        for at in range(0, len(rows), size):
            yield cells_batch(rows[at : at + size], columns, names, [])

    return Source(
        "coco",
        list(names.values()),
        path.parent,
        read,
        {"rows": len(rows), "images": len(images)},
        said,
        origin=_ORIGIN
        | ({"id": "file", "image": "file"} if "detection_categories" in stated else {}),
    )


def _image(image: dict[str, Any], file: str) -> Cells:
    """The cells of an image, its file as `image`."""
    out = {
        _RENAMED.get(k, k): v for k, v in flat(image).items() if k not in (file, "file_name", "id")
    }
    name = image.get("file_name") or image.get(file)
    out["image"] = [str(name)] if name else None
    return out


def _annotated(
    stated: dict[str, Any], images: list[dict[str, Any]], said: list[str]
) -> list[Cells]:
    kinds = {k.get("id"): k for k in _objects(stated, "categories")}
    licences = {k.get("id"): k.get("url") or k.get("name") for k in _objects(stated, "licenses")}
    known = {i.get("id") for i in images}
    of_image: dict[Any, Counter[Any]] = {}
    lost = 0
    for a in _objects(stated, "annotations"):
        lost += a.get("image_id") not in known
        of_image.setdefault(a.get("image_id"), Counter())[a.get("category_id")] += 1
    if lost:
        said.append(f"{lost:,} annotations name no image of the file and give no row.")
    rows = []
    for image in images:
        cells = _image(image, "file_name")
        if image.get("license") in licences:
            cells["license"] = licences[image["license"]]
        found = of_image.get(image.get("id"), Counter({None: 0}))
        for category, count in found.items():
            named = _category(kinds.get(category, {}))
            key = str(image.get("id"))
            if len(found) > 1:
                key += f":{category}"
            rows.append({"id": key, **cells, **named, "annotations": str(count)})
    return rows


def _category(kind: dict[str, Any]) -> Cells:
    name = str(kind.get("name") or "")
    text = (name[:1].upper() + name[1:]).replace("_", " ")
    if not name or name.lower() in _NOTHING:
        return {"vernacularName": name, "observationType": "blank"} if name else {}
    ranks: Cells = {r: kind[r] for r in RANKS[:-1] if isinstance(kind.get(r), str)}
    if reads_as_taxon(text):
        common = kind.get("common_name")
        return {
            "scientificName": text,
            "vernacularName": common if isinstance(common, str) else None,
            **ranks,
        }
    return {"vernacularName": name, **ranks}


def _detected(stated: dict[str, Any], images: list[dict[str, Any]]) -> list[Cells]:
    kinds = stated.get("detection_categories")
    rows = []
    for image in images:
        found = [d for d in image.get("detections") or [] if isinstance(d, dict)]
        best = max(found, key=lambda d: float(d.get("conf") or 0), default=None)
        cells = _image({k: v for k, v in image.items() if k != "detections"}, "file")
        label = (
            str(kinds.get(str(best.get("category")), ""))
            if best and isinstance(kinds, dict)
            else ""
        )
        known = best is not None or not image.get("failure")
        cells["observationType"] = (
            _TYPES.get(label, "unclassified") if best or not known else "blank"
        )
        cells["confidence"] = str(best.get("conf")) if best else None
        cells["detections"] = str(len(found))
        rows.append({"id": str(image.get("file")), **cells})
    return rows


def _objects(stated: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = stated.get(name)
    return [o for o in found if isinstance(o, dict)] if isinstance(found, list) else []
