"""What an index is, for a page that opens it: names and counts, counted once of each generation."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from prom3e_index.bundle.filters import Filter
from prom3e_index.bundle.opened import BundleFolder
from prom3e_index.licences import code_of, url_of
from prom3e_index.search.filtered import days, extent, licences
from prom3e_index.search.in_words import word
from prom3e_index.search.meaning import MEANINGLESS, means_nothing
from prom3e_index.search.run import Bundle
from prom3e_index.server.counted import FACETS
from prom3e_index.server.outlined import outline_of
from prom3e_index.server.released import public_columns
from prom3e_index.server.sentences import coded
from prom3e_index.server.settings import Settings
from prom3e_index.show.escapes import plain

_TYPES = {
    "image": ["image/*"], "sat": ["image/*"], "audio": ["audio/*", "video/*"],
}  # fmt: skip
UNMEASURED = "how much of the exact answer a search finds was not measured; `prom3e-index certify` measures it"
"""What an index without a certificate says, where a search is not exact: a store that was pushed and no more."""
_DRAWN = 2_000_000
"""Rows up to which places and licences are counted when the page opens; of more they are not."""
_kept: WeakKeyDictionary[BundleFolder, dict[str, Any]] = WeakKeyDictionary()
_lock = threading.Lock()


def index_said(bundle: Bundle, settings: Settings, marks: bool) -> dict[str, Any]:
    """What a client needs to know of an index before it asks."""
    with _lock:
        held = _kept.get(bundle)
        if held is None:
            held = _kept[bundle] = _counted(bundle)
    return {
        **held,
        "limits": {
            "k": settings.k_most,
            "upload": settings.max_upload,
            "upload_seconds": settings.upload_seconds,
            "deadline_s": settings.deadline_s,
        },
        "allows": {
            "marks": marks,
            "originals": settings.originals,
            "expert": settings.expert,
            "basemap": settings.basemap is not None,
            "ranges": bundle.summary is None,  # maps need a folder
        },
    }


def _counted(bundle: Bundle) -> dict[str, Any]:
    m = bundle.manifest
    model = m["model"]
    observed = m.get("observed", {})
    small = bundle.rows <= _DRAWN
    warned = [MEANINGLESS] if means_nothing(bundle) else []
    certificate = m.get("certificate")
    if not certificate and not all(bundle.finds_best(t, 1, None, False) for t in bundle.targets):
        warned.append(UNMEASURED)
    said: dict[str, Any] = plain(
        {
            "name": bundle.name,
            "rows": bundle.rows,
            "observations": len(bundle),
            "generation": bundle.generation,
            "created": m.get("created"),
            "outline": outline_of(bundle),
            "model": {
                "name": Path(str(model["name"])).name,
                "sigma_spearman": bundle.model().sigma_spearman,
            },
            "modalities": [
                {
                    "name": name,
                    "word": word(name),
                    "rows": int(observed.get(name, 0)),
                    "accepts": _TYPES.get(name, []),
                }
                for name in bundle.modalities
            ],
            "targets": bundle.targets,
            "columns": public_columns(bundle),
            "facets": list(FACETS),
            "bbox": extent(bundle) if small else None,
            "dates": _dates(bundle) if small else None,
            "licences": _licences(bundle) if small else None,
            "obscured": _obscured(bundle) if small else None,
            "policy": isinstance(m.get("policy"), dict),
            "certificate": certificate,
            "calibrated": bundle.calibration is not None,
            "notes": warned,
            "said": coded(warned),
        }
    )
    return said


def _dates(bundle: Bundle) -> list[str] | None:
    found = days(bundle)
    return None if found is None else [str(day) for day in found]


def _licences(bundle: Bundle) -> list[dict[str, Any]]:
    """Licences by their codes, those of most rows first."""
    counts: dict[str, int] = {}
    named: dict[str, str | None] = {}
    for text, rows in licences(bundle):
        code = code_of(text)
        counts[code] = counts.get(code, 0) + rows
        named.setdefault(code, url_of(text))
    return [
        {"license": code, "rows": n, "url": named[code]}
        for code, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    ]


def _obscured(bundle: Bundle) -> int:
    if "obscured" not in bundle.columns:
        return 0
    found = bundle.eligible(Filter(where="obscured"))
    return 0 if found is None else len(found)
