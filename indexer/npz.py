"""Encoding a table to an `.npz`, and running the MVAE over one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prom3e_index.bundle.filters import quoted
from prom3e_index.bundle.segment_views import IS_PART
from prom3e_index.errors import InputError, ShapeError
from prom3e_index.indexer.answering import model_of_embeddings, speaks_of_planet, with_model
from prom3e_index.indexer.beside import WORK_FILES, real_path, take_away
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.encode import encode_table
from prom3e_index.indexer.expand import expanded, said_of
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.named_columns import resolved
from prom3e_index.indexer.new_array import new_array
from prom3e_index.indexer.parts import rows_left_out
from prom3e_index.indexer.plan import Progress, open_plan
from prom3e_index.indexer.understood import Heard, unheard
from prom3e_index.indexer.unfinished import kept_where_encoded
from prom3e_index.indexer.work import (
    BuildConfig,
    identity,
    open_model,
    read_note,
    work_folder,
    write_note,
)
from prom3e_index.indexer.write_segment import kept_rows
from prom3e_index.models.folder import Model
from prom3e_index.mvae.files import read_mvae
from prom3e_index.schema import NAMES, parse_modalities
from prom3e_index.show.files import write_npz
from prom3e_index.tables import EMBEDDINGS, recognise
from prom3e_index.tables.embeddings import INVENTED
from prom3e_index.tables.npz_members import Npz


@full_disk_said
def encode_to_npz(
    config: BuildConfig,
    progress: Progress,
    species: str | None = None,
    columns: Sequence[str] = (),
    heard: Heard = unheard,
    options: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Encode a table; write `embeddings` (n, m, d) float32, `present` (n, m), `ids` and `species` (n,).

    Rows with nothing left are not written. `species` is the column of that name, the scientific name
    when None; empty where unknown. Beside them stand, each (n,), `genus`, `family`, `order`, `latitude`,
    `longitude`, `obscured` where the table has them, and `columns`: numbers as float64 with NaN where
    unknown, anything else as text, empty where unknown. Of a table without ids they are marked as made up by
    `ids_invented`. Each observation is one row, its first photo and its recording as a whole, unless `config.windows`
    says otherwise; then `observation`, `start_s` and `end_s` are written too.

    `heard` is told what was understood of the table, before it is encoded. `options` says with which option a column
    was named, where that is not `--column`.

    Returns:
        `rows`, `rejected`, `observed` per modality, `planet`: see `speaks_of_planet`, and `said`: sentences on media
        that became rows, or were left out.
    """
    config = with_model(config)
    model = open_model(config)
    config = replace(config, out=real_path(config.out))
    with locked(config.out, "encode"):
        return _encode(config, model, progress, heard, species, columns, options)


_BESIDE = ("genus", "family", "order", "latitude", "longitude", "obscured")
_OF_PARTS = ("observation", "start_s", "end_s")


def _encode(
    config: BuildConfig,
    model: Model,
    progress: Progress,
    heard: Heard,
    species: str | None,
    asked: Sequence[str],
    options: Mapping[str, str],
) -> dict[str, Any]:
    several = config.windows is not None or config.hop is not None
    config = replace(config, windows=config.windows if several else "none", further_media=several)
    work = work_folder(config, model)
    with kept_where_encoded(work):
        return _encode_in(config, work, model, progress, heard, species, asked, options)


def _encode_in(
    config: BuildConfig,
    work: Path,
    model: Model,
    progress: Progress,
    heard: Heard,
    species: str | None,
    asked: Sequence[str],
    options: Mapping[str, str],
) -> dict[str, Any]:
    def planned(con: Any, rows: int) -> None:
        """Refuse columns that are not there before anything is encoded."""
        resolved(con, work, species, asked, options)

    n = encode_table(config, work, model, progress, heard=heard, planned=planned)
    facts = json.loads((work / "planned.json").read_text())
    invented = "id" not in facts["fields"]
    left = kept_rows(work, model, n)
    kept, present = left.kept, left.present
    con = open_plan(work)
    try:
        columns = [str(r[0]) for r in con.execute("DESCRIBE planned").fetchall()]
        known = resolved(con, work, species, asked, options)
        label = known[species or "scientific_name"]
        names = con.execute(
            f"SELECT id, coalesce({quoted(label)}::VARCHAR, '') FROM planned ORDER BY seq"
        ).fetchall()
        made = _OF_PARTS if IS_PART in columns else ()
        wanted = dict.fromkeys([c for c in (*_BESIDE, *made) if c in columns] + list(asked))
        beside = {c: _column(con, known.get(c, c))[kept] for c in wanted}
        rejected = int(con.execute("SELECT count(*) FROM rejected").fetchall()[0][0])
        rejected += rows_left_out(work, n, kept)
    finally:
        con.close()
    if len(kept) == 0:
        raise InputError(f"Nothing of {config.table} could be encoded.")
    shape = (len(kept), len(model.modalities), model.width)
    whole = new_array(work / "whole.npy", shape, np.float32)
    for i, m in enumerate(model.modalities):
        stored = np.load(work / "embeddings" / f"{m}.npy", mmap_mode="r")
        for at in range(0, len(kept), 4096):
            rows = kept[at : at + 4096]
            whole[at : at + 4096, i] = np.where(present[at : at + 4096, i, None], stored[rows], 0)
    arrays = {
        "embeddings": whole,
        "present": present,
        "ids": np.array([names[i][0] for i in kept]),
        "species": np.array([names[i][1] for i in kept]),
    }
    invention = {INVENTED: np.array(True)} if invented else {}
    write_npz(config.out, {**beside, **invention, **arrays})
    take_away(work, WORK_FILES)
    observed = {m: int(present[:, i].sum()) for i, m in enumerate(model.modalities)}
    return {
        "rows": len(kept),
        "rejected": rejected,
        "observed": observed,
        "planet": speaks_of_planet(model, facts),
        "said": said_of(expanded(facts), facts["windowing"]),
    }


def _column(con: Any, name: str) -> NDArray[Any]:
    """A planned column as float64 with NaN, bool, or text with empty strings."""
    q = quoted(name)
    kind = str(con.execute(f"SELECT typeof({q}) FROM planned LIMIT 1").fetchall()[0][0])
    if kind == "BOOLEAN":
        cells = con.execute(f"SELECT coalesce({q}, false) FROM planned ORDER BY seq").fetchall()
        return np.array([c[0] for c in cells], bool)
    number = f"try_cast({q} AS DOUBLE)"
    lost = f"count(*) FILTER (nullif(trim({q}::VARCHAR), '') IS NOT NULL AND {number} IS NULL)"
    words, some = con.execute(f"SELECT {lost}, count({number}) FROM planned").fetchall()[0]
    if not words and some:
        cells = con.execute(
            f"SELECT coalesce({number}, 'nan') FROM planned ORDER BY seq"
        ).fetchall()
        return np.array([c[0] for c in cells], np.float64)
    cells = con.execute(f"SELECT coalesce({q}::VARCHAR, '') FROM planned ORDER BY seq").fetchall()
    return np.array([c[0] for c in cells], str)


def encoded(
    config: BuildConfig,
    progress: Progress,
    species: str | None,
    columns: Sequence[str] = (),
    options: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Embeddings of a table, encoded once: `config.out`, with what they were made of beside them.

    Where `config.out` was made of another table, by another model or with other columns, it stays, and its place is
    taken by a file beside it, named after what these are made of. A bundle's folder or a file of embeddings is given
    back as it is.
    """
    table = Path(config.table.partition("::")[0])
    if (table / "manifest.json").is_file() or (
        table.is_file() and config.format is None and recognise(table) in EMBEDDINGS
    ):
        return Path(config.table)
    if not config.model:
        raise InputError(f"{config.table} is a table; give --model to encode it with.")
    made_of = {**identity(config, open_model(config)), "species": species, "columns": list(columns)}
    for out in (config.out, _beside(config.out, made_of)):
        note = out.with_suffix(".json")
        if out.exists() and read_note(note) == made_of:
            return out
        if not out.exists():
            break
    config = replace(config, out=out)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    encode_to_npz(config, progress, species, columns, options=options)
    write_note(note, made_of)
    return config.out


def _beside(out: Path, made_of: dict[str, Any]) -> Path:
    text = json.dumps(made_of, sort_keys=True)
    return out.with_name(f"{out.stem}-{sha256(text.encode()).hexdigest()[:8]}.npz")


@full_disk_said
def infer_npz(
    source: Path,
    model_name: str | None,
    given: str | None,
    decode: str | None,
    seed: int | None,
    out: Path,
    hub: Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Run the MVAE over an `.npz` of embeddings.

    Args:
        source: `embeddings` (n, m, d), optional `present` (n, m).
        model_name: A model, or a bare folder of an MVAE in the published layout; the one that fits the names in
            `species` when None.
        given: Visible modalities, `image,loc`; all that are present when None.
        decode: `expectation`, `mean` or `sample`; as the model decodes when None, a bare folder by `expectation`.
        seed: Of `sample`.
        out: Gets `mean` (n, z), `log_variance` (n, z), `sigma_l1` (n,), `tokens` (n, 2 + R + v, z) with
            the visible tokens in the order given, `reconstructed` (n, m, d).
        hub: Local copy of hub repositories.
        device: Where the MVAE runs.

    Returns:
        `rows` and the visible modalities.
    """
    model_name = model_name or model_of_embeddings(source, hub)
    folder = Path(model_name)
    if (folder / "config.json").is_file() and not (folder / "model.toml").is_file():
        mvae = read_mvae(folder).to(device)
        count = mvae.config.num_modalities
        names = NAMES if count == len(NAMES) else tuple(f"m{i}" for i in range(count))
        nodes, own = 2, "expectation"
    else:
        model = Model.open(model_name, hub=hub, device=device)
        mvae, names, nodes = model.mvae, model.modalities, model.nodes
        own = model.decode
    decode = decode or own
    read, mask = _stored(source)
    x = torch.from_numpy(read)
    stated = None if mask is None else torch.from_numpy(mask)
    if x.ndim != 3 or tuple(x.shape[1:]) != (len(names), mvae.config.input_dim):
        raise ShapeError(
            f"{source}: embeddings are {tuple(x.shape)}, the MVAE takes "
            f"(n, {len(names)}, {mvae.config.input_dim})."
        )
    present = stated if stated is not None else torch.ones(x.shape[:2], dtype=torch.bool)
    if present.shape != x.shape[:2]:
        raise ShapeError(
            f"{source}: `present` is {tuple(present.shape)}, `embeddings` are {tuple(x.shape)}; it must be "
            f"{tuple(x.shape[:2])}."
        )
    lacking = ~torch.isfinite(x).all(-1) & present
    if lacking.any():
        row, column = torch.nonzero(lacking)[0].tolist()
        raise InputError(
            f"{source}: the {names[column]} embedding of row {row} holds values that are not numbers; mark it "
            "as absent in `present`, or encode it again."
        )
    present &= (x != 0).any(-1)  # as whoever trains and measures reads them
    x[~present] = 0
    chosen = parse_modalities(given, names) if given else names
    shown = [names.index(m) for m in chosen]
    visible = torch.zeros_like(present)
    visible[:, shown] = present[:, shown]
    generator = None
    if decode == "sample":
        if seed is None:
            raise InputError("--decode sample needs --seed.")
        generator = torch.Generator().manual_seed(seed)
    parts: list[tuple[Any, ...]] = []
    first = 2 + mvae.config.num_register_tokens
    with torch.inference_mode():
        for at in range(0, len(x), 1024):
            try:
                part = slice(at, at + 1024)
                p = mvae.posterior(x[part].to(device), visible[part].to(device))
            except InputError as e:
                raise InputError(f"{source}: from row {at}: {e}") from e
            tokens = torch.cat(
                [p.tokens[:, :first], p.tokens[:, [first + i for i in shown]]], dim=1
            )
            done = mvae.reconstruct(p, how=decode, nodes=nodes, generator=generator)
            found = (p.mean, p.log_variance, p.sigma_l1, tokens, done)
            parts.append(tuple(t.cpu() for t in found))
    if not parts:
        raise InputError(f"{source} holds no rows.")
    keys = ("mean", "log_variance", "sigma_l1", "tokens", "reconstructed")
    arrays = {k: torch.cat([p[i] for p in parts]).numpy() for i, k in enumerate(keys)}
    write_npz(out, arrays)
    return {"rows": len(x), "visible": list(chosen)}


def _stored(source: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """`embeddings` of an `.npz` in single precision, infinite beyond it, and `present` where it is there."""
    file = Npz(source)
    if "embeddings" not in file.members:
        raise InputError(f"{source} cannot be read as .npz with `embeddings`: it has none.")
    dtype = file.members["embeddings"].dtype
    if dtype.kind not in "fiu":
        raise InputError(f"{source}: embeddings holds {dtype}; numbers are needed.")
    read = {}
    for name in {"embeddings", "present"} & file.members.keys():
        kind, shape = (np.float32 if name == "embeddings" else bool), file.members[name].shape
        with np.errstate(over="ignore"):
            blocks = [np.asarray(b).astype(kind) for b in file.blocks(name, 1024)] if shape else []
        read[name] = np.concatenate(blocks) if blocks else np.zeros(shape, kind)
    return read["embeddings"], read.get("present")
