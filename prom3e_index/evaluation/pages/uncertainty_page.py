"""The HTML page of an uncertainty evaluation; opens offline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prom3e_index.evaluation.data import EvalSet
from prom3e_index.evaluation.pages.output import DASH, number
from prom3e_index.evaluation.pages.retrieval_page import figure_address
from prom3e_index.evaluation.pages.said import WARNED, said_html
from prom3e_index.evaluation.pages.signals_section import signals_html
from prom3e_index.evaluation.uncertainty.measures import mean_latent
from prom3e_index.models.folder import Model
from prom3e_index.mvae.class_tokens import Tokens
from prom3e_index.show.escapes import html
from prom3e_index.show.pictures import picture
from prom3e_index.show.style import STYLE

Floats = NDArray[np.float32]
_GRID_REGION, _GRID_CELLS = "-180,-60,180,80", "2.5deg"
_MOST_POINTS = 600
_MORE = "figure.small { width: 150px; display: inline-block; margin: 4px; vertical-align: top }"


def page(
    out: dict[str, Any], data: EvalSet, model: Model, tokens: Tokens | None, pictures: str | None
) -> str:
    """The page as text."""
    f = out["facts"]
    parts = [
        "<h1>Uncertainty</h1>",
        f"<p class='soft'>Answers of {html(f['model'])} ({html(f['model_fingerprint'])}) on {f['rows']:,} rows of "
        f"{html(f['source'])}; seed {f['seed']}; {html(f['program'])}, {html(f['created'])}.</p>",
        said_html(f),
        signals_html(out),
        _sets(out),
        _extremes(out, data),
        _gap(out),
    ]
    if pictures is not None:
        parts.append(_clouds(data, model, tokens, pictures))
        if "loc" in model.settings.get("encoder", {}):
            parts.append(_maps(model))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'><title>Uncertainty</title>"
        f"<style>{STYLE}{_MORE}{WARNED}</style><main>{''.join(parts)}</main></html>\n"
    )


def _agree(found: dict[str, Any] | None) -> str:
    if not found:
        return DASH
    return f"Spearman {number(found['spearman'])}, R² {number(found['r2'])}, n {found['n']:,}"


def _figure(width: float, height: float, columns: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, columns))


def _image(figure: Any, words: str) -> str:
    return f"<section><img style='width:100%' alt='{html(words)}' src='{figure_address(figure)}'></section>"


def _sets(out: dict[str, Any]) -> str:
    figure, (left, middle, right) = _figure(13, 4, 3)
    known = [s for s in out["sets"] if s["error"] is not None]
    if known:
        size = [len(s["visible"]) for s in known]
        dots = left.scatter(
            [s["sigma_l1"] for s in known], [s["error"] for s in known], c=size, cmap="viridis"
        )
        figure.colorbar(dots, ax=left, label="modalities shown")
    left.set(
        xlabel="mean ‖σ‖₁", ylabel="1 − cosine of what is hidden", title="visible sets (figure 4)"
    )
    steps = out["adding"]
    middle.plot(
        [a["visible"] for a in steps], [a["sigma_l1"] for a in steps], "o-", color="#2f6f4f"
    )
    middle.set(xlabel="modalities shown", ylabel="mean ‖σ‖₁", title="adding modalities")
    right.scatter(
        [p["gap"] for p in out["pairs"]], [p["sigma_l1"] for p in out["pairs"]], color="#a45a1b"
    )
    for p in out["pairs"]:
        right.annotate("+".join(p["pair"]), (p["gap"], p["sigma_l1"]), fontsize=7, parse_math=False)
    right.set(xlabel="modality gap of the pair", ylabel="mean ‖σ‖₁", title="pairs (figure 9)")
    over = out["over_rows"]
    return (
        "<h2>‖σ‖₁ by visible set</h2><p class='soft'>The paper's own figures, of the model's uncertainty alone; "
        "whether to believe an answer is said above.</p>" + _image(figure, "Uncertainty by visible set")
        + f"<p>Against the error, over {len(known)} sets: {_agree(out['over_sets'])}. Over rows: mean Spearman within "
        f"a set {number(over['mean_spearman'])}; all together {_agree(over['pooled'])}. Pairs, ‖σ‖₁ against the "
        f"gap: {_agree(out['pairs_agreement'])} (published: Spearman 0.32).</p>"
    )  # fmt: skip


def _extremes(out: dict[str, Any], data: EvalSet) -> str:
    parts = []
    for modality, found in out["extremes"].items():
        for which in ("most", "least"):
            cells = "".join(_thumbnail(r, modality, data) for r in found[which])
            parts.append(f"<p>{html(modality)}, {which} uncertain</p><div>{cells}</div>")
    return f"<h2>Most and least uncertain (figures 7, 8)</h2><section>{''.join(parts)}</section>"


def _thumbnail(record: dict[str, Any], modality: str, data: EvalSet) -> str:
    shown = None
    if data.bundle is not None and modality in data.columns:
        at = int(np.flatnonzero(data.numbers == record["row"])[0])
        file = data.columns[modality][at]
        base = data.bundle.segment_of(int(record["row"]))[0].media
        shown = picture(str(base / str(file))) if file else None
    image = f"<img alt='' src='{shown}'>" if shown else "<div class='none'>no picture here</div>"
    words = html(f"{record['species'] or record['id']} · {record['sigma_l1']:.1f}")
    return f"<figure class='small'>{image}<figcaption>{words}</figcaption></figure>"


def _gap(out: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html(' · '.join(g['pair']))}</td><td>{g['rows']:,}</td><td>{number(g['encoder'])}</td>"
        f"<td>{number(g['hidden'])}</td><td>"
        + ", ".join(f"{html(k)} {number(v)}" for k, v in g["with"].items())
        + "</td></tr>"
        for g in out["gap"]
    )
    return (
        "<h2>Modality gap</h2><section class='wide'><p class='soft'>Distance between the means: of the encoders' "
        "embeddings; of μ when each is shown alone; of μ when a third is shown with each.</p><table><tr>"
        f"<th>pair</th><th>rows</th><th>encoder</th><th>μ alone</th><th>μ with a third</th></tr>{rows}"
        "</table></section>"
    )


def flatten(x: Floats, how: str) -> Floats:
    """Rows (n, w) in the plane, (n, 2), by `umap` or `pca`."""
    if how == "umap":
        import warnings

        from umap import UMAP

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a seed keeps it to one thread
            return np.asarray(UMAP(random_state=0, metric="cosine").fit_transform(x))
    from sklearn.decomposition import PCA

    return np.asarray(PCA(2, random_state=0).fit_transform(x))


def _clouds(data: EvalSet, model: Model, tokens: Tokens | None, how: str) -> str:
    """Embeddings of photo and tile: encoders, μ of each alone, μ of each with the place (figure 10)."""
    wanted = ("image", "sat", "loc")
    if not set(wanted) <= set(data.modalities):
        return ""
    rows = np.flatnonzero(data.has(wanted))
    if len(rows) < 20:
        return ""
    rows = rows[:_MOST_POINTS]

    def mu(*names: str) -> Floats:
        return mean_latent(data, model, rows, names, tokens)

    sides = [
        ("encoders", data.embedding("image")[rows], data.embedding("sat")[rows]),
        ("μ, each alone", mu("image"), mu("sat")),
        ("μ, each with the place", mu("image", "loc"), mu("sat", "loc")),
    ]
    figure, axes = _figure(13, 4, 3)
    for ax, (title, a, b) in zip(axes, sides, strict=True):
        flat = flatten(np.concatenate([a, b]), how)
        ax.scatter(*flat[: len(a)].T, s=6, color="#2f6f4f", label="image")
        ax.scatter(*flat[len(a) :].T, s=6, color="#a45a1b", label="sat")
        ax.set(title=title, xticks=[], yticks=[])
    axes[0].legend(frameon=False)
    words = "The gap before and after (figure 10)"
    return f"<h2>{words}, {how.upper()} of {len(rows)} rows</h2>{_image(figure, words)}"


def _maps(model: Model) -> str:
    """Three independent components of the place's embedding and hidden tokens over the globe."""
    from prom3e_index.evaluation.probe.representations import of_places
    from prom3e_index.grid.grid import Grid
    from prom3e_index.grid.picture import mixed
    from prom3e_index.maps.cell_places import embed_cells
    from prom3e_index.maps.components import component_bands, components

    grid = Grid.of(_GRID_REGION, _GRID_CELLS)
    cells = np.arange(len(grid))
    at = embed_cells(model.encoder("loc"), grid, cells, samples=1)
    figure, axes = _figure(13, 3.2, 3)
    west, south, east, north = grid.region.bounds
    for ax, name in zip(axes, ("encoder", "mean", "registers"), strict=True):
        bands = component_bands(components(of_places(model, at, name)), cells, len(grid))
        ax.imshow(
            mixed(bands, [grid.raster(b.cells()) for b in bands]), extent=(west, east, south, north)
        )
        ax.set(title={"encoder": "encoder", "mean": "μ"}.get(name, name), xticks=[], yticks=[])
    words = "Three independent components of places (figures 1 to 3)"
    return f"<h2>{words}</h2>{_image(figure, words)}"
