"""Published figures that stand beside ours: TaxaBench-8k, recall@1 unless said, as shares.

Sources: ProM3E (arXiv 2511.02946) and its supplement, table 9; TaxaBind (WACV 2025). The supplement's
"Average" row of table 9 is not the mean of its rows and is left out.
"""

from __future__ import annotations

TAXABENCH: dict[tuple[str, str, str], dict[str, float]] = {
    ("image", "text", "class"): {"encoder": 0.3445, "reconstructed": 0.3323, "hybrid": 0.3945},
    ("image+sat", "text", "class"): {"encoder": 0.3754, "reconstructed": 0.4234, "hybrid": 0.4705},
    ("image+loc", "text", "class"): {"encoder": 0.3659, "hybrid": 0.4700},
    ("image+env", "text", "class"): {"encoder": 0.3651, "hybrid": 0.4642},
    ("image+audio", "text", "class"): {"encoder": 0.3627, "hybrid": 0.4484},
    ("sat", "loc", "row"): {"encoder": 0.0843, "reconstructed": 0.1719, "hybrid": 0.1787},
    ("loc", "sat", "row"): {"encoder": 0.0962, "reconstructed": 0.1264, "hybrid": 0.1318},
    ("audio", "sat", "species"): {"encoder": 0.0236, "hybrid": 0.0224},
}
"""(given, target, match) → recall@1 by space; `encoder` is TaxaBind, `hybrid` is ProM3E."""

RECALL_AT_5: dict[tuple[str, str, str], dict[str, float]] = {
    ("sat", "loc", "row"): {"encoder": 0.2172, "hybrid": 0.4316},
}


def published(given: str, target: str, match: str, space: str, k: int = 1) -> float | None:
    """A published recall@k of TaxaBench-8k; None where none was published."""
    table = {1: TAXABENCH, 5: RECALL_AT_5}.get(k, {})
    return table.get((given, target, match), {}).get(space)
