"""Our AUC, Boyce index and folds on a known set of records: Bradypus variegatus, 116 presences and 1,000 of background.

    pip download --no-deps elapid==1.0.4; python benchmarks/bradypus.py elapid-1.0.4-py3-none-any.whl

The set comes with elapid (MIT; Phillips, Anderson and Schapire 2006) and is read out of the wheel; none of it is kept.
It has no coordinates, so spatial blocks cannot be tried on it; folds of ecoregions stand in for them.
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from prom3e_index.maps.assess import auc, average_precision, boyce, folds_of

FILE, FACTOR = "elapid/data/bradypus.csv.gz", "ecoreg"
Floats = NDArray[np.float64]


def read(wheel: str) -> tuple[NDArray[np.bool_], Floats, NDArray[np.int64]]:
    """Presence (n,), 13 climates and heights (n, 13), ecoregion (n,)."""
    with zipfile.ZipFile(wheel) as z:
        text = gzip.decompress(z.read(FILE)).decode()
    names = text.splitlines()[0].split(",")
    table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1)
    own = [i for i, n in enumerate(names) if n not in ("presence", FACTOR)]
    return table[:, 0] > 0, table[:, own], table[:, names.index(FACTOR)].astype(int)


def scores(x: Floats, truth: NDArray[np.bool_], train: NDArray[np.bool_]) -> Floats:
    """Log odds of a regression on linear and quadratic features, fitted on some rows."""
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(),
        LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000),
    )  # fmt: skip
    return np.asarray(model.fit(x[train], truth[train]).decision_function(x))


def plain_boyce(presences: Floats, background: Floats) -> float:
    """Hirzel et al. 2006, equation 4, window by window, values compared as they are."""
    low, high = min(presences.min(), background.min()), max(presences.max(), background.max())
    width = (high - low) / 10
    at, ratio = [], []
    for i in range(101):
        left = low + i * (high - low - width) / 100
        p = np.mean((presences >= left) & (presences <= left + width))
        e = np.mean((background >= left) & (background <= left + width))
        if e > 0:
            at.append(left + width / 2)
            ratio.append(p / e)
    return float(spearmanr(at, ratio)[0])


def main() -> None:
    """Print a table."""
    truth, x, region = read(sys.argv[1])
    x = np.hstack([x, OneHotEncoder(sparse_output=False).fit_transform(region[:, None])])
    rng = np.random.default_rng(0)
    by_region = folds_of(region, truth, 5, 0)
    ways = {
        "fitted on all": np.zeros(len(truth), int),
        "5 random folds": rng.permutation(np.arange(len(truth)) % 5),
        "5 folds of whole ecoregions": np.array([by_region[int(r)] for r in region]),
    }
    print("| | AUC | by Mann-Whitney | average precision | Boyce (90 %) | by equation 4 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, fold in ways.items():
        own = np.zeros(len(truth))
        each, plain = [], []
        for i in np.unique(fold):
            test = fold == i
            found = scores(x, truth, test if test.all() else ~test)
            own[test] = found[test]
            if truth[test].any() and not truth[test].all():
                each.append(auc(truth[test], found[test]))
                u = mannwhitneyu(found[test & truth], found[test & ~truth]).statistic
                plain.append(u / (test & truth).sum() / (test & ~truth).sum())
        curve = boyce(own[truth], own[~truth])
        print(
            f"| {name} | {np.mean(each):.3f} | {np.mean(plain):.3f} | {average_precision(truth, own):.3f} | "
            f"{curve.index:.3f} ({curve.low:.3f} to {curve.high:.3f}) | {plain_boyce(own[truth], own[~truth]):.3f} |"
        )
    every = boyce(rng.choice(own[~truth], 116), own[~truth])
    print(
        f"\nbackground drawn as presences: Boyce {every.index:.3f} ({every.low:.3f} to {every.high:.3f})"
    )


if __name__ == "__main__":
    main()
