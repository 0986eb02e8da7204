"""What help pages call the value of an option, and how they tell a default that is worked out later.

One option has one word on every command; where a command differs, its entry is `COMMAND --option`.
"""

from __future__ import annotations

VALUES: dict[str, str] = {
    "table": "TABLE", "data": "DATA", "embeddings": "EMBEDDINGS", "folder": "FOLDER", "model": "MODEL",
    "modality": "MODALITY", "before": "BEFORE", "after": "AFTER",
    "--index": "INDEX", "--model": "MODEL", "--hub": "FOLDER", "--device": "DEVICE", "--climate": "RASTER",
    "--output": "FILE", "train --output": "FOLDER", "evaluate --output": "FOLDER", "--format": "FORMAT",
    "--table-format": "FORMAT", "--map": "COLUMN=FIELD", "--media": "FOLDER", "--encoding": "NAME",
    "source": "TABLE|INDEX", "--unit": "UNIT", "diversity --output": "FOLDER",
    "--policy": "POLICY", "--keep-column": "COLUMN", "policy": "POLICY",
    "--date-order": "ORDER", "--duplicates": "WHICH", "--windows": "SECONDS", "--hop": "SECONDS",
    "--timeout": "SECONDS", "--hubs": "NAME", "--target-recall": "SHARE", "--memory": "SIZE", "--latency": "TIME",
    "--kind": "KIND", "--where": "PREDICATE", "--location": "LATITUDE,LONGITUDE", "--env": "VALUES",
    "--text": "NAME", "--as": "MODALITY", "--target": "MODALITY", "--space": "SPACE", "--delta": "SHARE",
    "--gamma": "SHARE", "--epsilon": "SHARE", "--near": "LATITUDE,LONGITUDE,RADIUS",
    "--bbox": "WEST,SOUTH,EAST,NORTH", "--taxon": "NAME", "--from": "DAY", "--to": "DAY", "--group-by": "COLUMN",
    "--licence-allow": "LICENCES", "--title": "WORDS", "--publisher": "NAME", "--contact": "ADDRESS",
    "--queries": "TABLE", "--queries-media": "FOLDER", "--what": "NAME", "--species": "COLUMN", "--column": "COLUMN",
    "--given": "MODALITIES", "--decode": "NAME", "--direction": "GIVEN->TARGET", "--labels": "COLUMN", "--task": "TASK",
    "--representation": "NAME", "--split": "SPLIT", "--pictures": "NAME", "--recipe": "NAME", "--init": "MODEL",
    "train align --init": "FOLDER", "--add": "NAME:WIDTH", "--lr": "RATE", "--set": "SETTING=VALUE",
    "--export": "LAYOUT", "--name": "NAME", "--anchor": "MODEL", "--loss": "NAME", "--warmup": "SHARE",
    "--schedule": "NAME", "--precision": "NAME", "--cache": "FOLDER", "--revision": "NAME",
    "--region": "REGION", "--grid": "CELLS", "--crs": "EPSG", "--like": "RASTER", "--mask": "MASK",
    "map --output": "FOLDER",
}  # fmt: skip
"""Option or argument → the word for its value, where it is not that of its type (FILE, FOLDER, N, NUMBER, TEXT)."""

DEFAULTS: dict[str, str] = {
    "--hub": "the hub's cache",
    "map --space": "the model's for maps",
    "map --cache": "the user's",
    "--model": "the one the index was made with",
    "build --model": "taxabind where it is on the machine; mini for the demo world",
    "encode --model": "taxabind where it is on the machine; mini for the demo world",
    "infer --model": "one that fits the embeddings",
    "train mvae --model": "",
    "evaluate --model": "an index's own",
    "--table-format": "told by its content",
    "--encoding": "told by its bytes",
    "diversity --region": "a box around the records",
    "diversity --grid": "25km",
    "--crs": "6933, whose cells have one area",
    "--like": "",
    "--unit": "observer-day",
    "--rarefy": "30",
    "--smooth": "2, none for h3",
    "diversity --model": "an index's own",
    "--policy": "none for a new index; else its own",
    "--date-order": "told by the column",
    "--media": "the table's own",
    "query --media": "as the index says",
    "info --media": "as the index says",
    "verify --media": "as the index says",
    "report --media": "as the index says",
    "relocate --media": "as the index says",
    "--windows": "auto",
    "--hop": "half a window",
    "--batch-size": "the encoder's own",
    "train mvae --batch-size": "the recipe's",
    "train align --batch-size": "the published one for the modality",
    "--workers": "one a core",
    "--hubs": "the model's",
    "--target-recall": "0.99",
    "--memory": "no bound",
    "--latency": "no bound",
    "--kind": "chosen by size, recall, memory and latency",
    "--target": "what is asked with",
    "--delta": "the model's",
    "--gamma": "the model's",
    "--epsilon": "the index's",
    "--at": "the newest",
    "--queries-media": "the table's own",
    "query --output": "the screen",
    "query --format": "by the file's ending, else table",
    "export --format": "by the file's ending",
    "--species": "the scientific name",
    "--given": "all that a row has",
    "evaluate probe --given": "those that most rows have",
    "--decode": "the model's",
    "--validation": "the split `val`, else rows held out",
    "evaluate --validation": "the split `val` of DATA",
    "--train": "the split `train` of DATA",
    "evaluate retrieval --space": "all four",
    "--representation": "all that the model has",
    "train mvae --init": "random weights",
    "train align --init": "",
    "--embed-dim": "the recipe's",
    "--depth": "the recipe's",
    "--heads": "the recipe's",
    "--mlp-dim": "the recipe's",
    "--registers": "the recipe's",
    "train mvae --epochs": "the recipe's",
    "train mvae --lr": "the recipe's",
    "train mvae --seed": "the recipe's",
    "--loss": "the published one for the modality",
    "train mvae --name": "the folder's",
}
"""Option → its default in words, where it has none that stands in the program's text."""


def of(table: dict[str, str], path: str, option: str) -> str | None:
    """The entry for an option of a command: its own, that of its group, or the general one."""
    group = path.partition(" ")[0]
    return next(
        (table[k] for k in (f"{path} {option}", f"{group} {option}", option) if k in table), None
    )
