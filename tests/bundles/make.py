"""How the golden bundles were made: `python tests/bundles/make.py tests/bundles/v2`, once per format version.

A bundle of an older version must open and answer as it did; it is never made anew.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from prom3e_index.indexer.build import build
from prom3e_index.indexer.work import BuildConfig
from prom3e_index.search.run import Bundle

ROWS = [
    "id,lat,lon,name,depth",
    "a,10,20,Fictanimalia,1",
    "b,-33.5,151,,2",
    'é"c,60,-120,Inventata,3',
]


def main(out: Path) -> None:
    """Build the bundle and write what it answers beside it."""
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "t.csv"
        table.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
        build(BuildConfig(table=str(table), out=out))
    bundle = Bundle.open(out)
    query = np.asarray(bundle.vectors("text")[:1], np.float32)
    (scores,), (rows,), _ = bundle.nearest("text", query, 3)
    answer = {"rows": rows.tolist(), "scores": scores.tolist()}
    out.with_suffix(".json").write_text(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
