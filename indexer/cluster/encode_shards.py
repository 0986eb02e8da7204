"""Encoding a table into shards, without an index of this program's own."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from prom3e_index.errors import InputError
from prom3e_index.indexer.answering import speaks_of_planet, with_model
from prom3e_index.indexer.beside import WORK_FILES, real_path, take_away
from prom3e_index.indexer.cluster.on_cluster import OnCluster
from prom3e_index.indexer.cluster.shards import is_whole
from prom3e_index.indexer.cluster.storage import is_address
from prom3e_index.indexer.described import described
from prom3e_index.indexer.disk import full_disk_said
from prom3e_index.indexer.encode import encode_table, some_kept
from prom3e_index.indexer.engine import checked_engine
from prom3e_index.indexer.lock import locked
from prom3e_index.indexer.plan import Progress, silent
from prom3e_index.indexer.protect import note_act
from prom3e_index.indexer.understood import Heard, unheard
from prom3e_index.indexer.unfinished import kept_where_encoded
from prom3e_index.indexer.work import BuildConfig, open_model, table_kind, work_folder
from prom3e_index.search.hubness import chosen_method


def shards_work(place: str) -> Path:
    """What the work on shards is named after: a path beside them, or in the present folder where they are far away."""
    bare = place.partition("?")[0].rstrip("/")
    return Path((bare.rpartition("/")[2] if is_address(place) else bare) + ".shards")


@full_disk_said
def encode_to_shards(
    config: BuildConfig, progress: Progress = silent, heard: Heard = unheard
) -> dict[str, Any]:
    """Encode and complete a table on a cluster; leave shards, see `shards.py`.

    What was finished by an earlier call is not made again. Rows are those that `build` would index, in their order.

    Args:
        config: `engine` is `ray`, `shards` the place; work lies beside `out` until the set is whole.
        progress: Told of each stage.
        heard: Told what was understood of the table, before it is encoded.

    Returns:
        What `shards.json` says: `rows`, `shards`, `counts`.

    Raises:
        InputError: Bad options or table, a whole set is there, shards of another plan, or nothing is left.
        ModelError, NotCachedError: The model cannot be loaded.
    """
    config = with_model(config)
    model = open_model(config)
    _ = model.mvae
    hubs = chosen_method(model, config.hubs)
    checked_engine(config, table_kind(config))
    config = replace(config, out=real_path(config.out))
    if config.shards is None:
        raise InputError("No place for shards is named.")
    if is_whole(config.shards) and not config.restart:
        raise InputError(f"{config.shards} holds a whole set of shards already.")
    with locked(config.out, "encode"):
        work = work_folder(config, model)
        with kept_where_encoded(work):
            engine = OnCluster(work, config.shards, config.ray_address, hubs)
            with closing(engine):
                n = encode_table(config, work, model, progress, heard=heard, engine=engine)
                kept = some_kept(config, work, model, n)
                engine.make_shards(kept, progress)
            facts = json.loads((work / "planned.json").read_text())
            note = described(config, model, facts, hubs)
            planet = speaks_of_planet(model, facts)
            if planet is not None:
                note["planet"] = planet
            note["history"][0]["added"] = len(kept.kept)
            note_act(note, config, facts)
            done = engine.describe(note)
            take_away(work, WORK_FILES)
    return done
