"""What somebody meant who typed what is no command, no option, or one word too many."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

COMMANDS = {
    "query": "search find ask similar match identify predict classify",
    "build": "index create make import init ingest load",
    "add": "append insert upsert",
    "update": "replace edit",
    "remove": "delete rm drop",
    "restore": "undo revert rollback recover",
    "info": "stats schema describe show summary status tables",
    "look": "inspect preview check-table peek read",
    "report": "html page view browse serve",
    "encode": "embed embeddings vectorise vectorize",
    "train mvae": "fit finetune fine-tune",
    "evaluate retrieval": "eval test benchmark measure score",
    "models list": "model list ls zoo",
    "models pull": "download fetch pull install",
    "compact": "vacuum optimize optimise clean",
    "verify": "check validate",
}
OPTIONS = {
    "--image": "picture img jpg photos images input file",
    "--audio": "song recording wav mp3 call sounds",
    "--location LAT,LON": "latlon lat lon latitude longitude lng coordinates coords at-place gps",
    "--sat": "satellite",
    "--text": "scientific-name common-name query",
    "--env": "climate environment bioclim",
    "-k": "limit top top-k topk n num count max number",
    "--near LAT,LON,50km": "radius within distance around",
    "--bbox": "box bounds extent region",
    "--from": "start start-date after date year years",
    "--to": "end end-date before",
    "--taxon": "species genus family order class rank",
    "--where": "filter sql condition",
    "--format": "json jsonl csv geojson parquet type",
    "--output": "save outfile output-file out-file dest destination outdir output-dir",
    "--queries": "batch table batch-file",
    "--device": "gpu cuda cpu",
    "--index": "db database bundle path",
    "--model": "weights checkpoint",
    "--map": "columns mapping rename column-map",
    "--media": "folder images photos media-dir root image-dir files",
    "--workers": "jobs j threads processes n-jobs",
    "--overwrite": "force replace",
    "--explain": "verbose v debug why",
    "--observed-only": "observed no-completed",
    "--table-format": "format type",
    "--labels": "label target",
}
OF_STORES = (
    *("push", "query", "serve", "export", "info", "certify"),
    *("add", "update", "remove", "restore"),
)
"""Commands that take a vector store."""
_PHOTO = (".jpg", ".jpeg", ".png", ".heic", ".webp", ".tif", ".tiff")
_SOUND = (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".opus")
_TABLE = (".csv", ".tsv", ".xlsx", ".parquet")


def command_meant(word: str, known: Collection[str]) -> str:
    """`; did you mean query?`, where a word is what others call one of our commands; else nothing."""
    for name, others in COMMANDS.items():
        if word.lower() in others.split() and name.split()[0] in known:
            return f"; did you mean {name}?"
    return ""


def option_meant(typed: str, known: Collection[str]) -> str:
    """What an unknown option is called here; else nothing."""
    if typed.lstrip("-").replace(".", "").isdigit():
        return "; a value that holds a place or a box is one word, as --location 48.2,-16.3."
    word = typed.lstrip("-").lower().replace("_", "-")
    for name, others in OPTIONS.items():
        if word in others.split() and name.split()[0] in known:
            form = f"{name} {word}" if name == "--format" and word != "type" else name
            return f"; did you mean {form}?"
    if word in OPTIONS["--output"].split() + ["o", "output", "out"] and {
        "--index",
        "--overwrite",
    } <= set(known):
        return "; did you mean --index, the folder that is made?"
    if word == "store":
        return f"; this needs an index folder. A store is for {', '.join(OF_STORES)}."
    if word in ("resume", "continue"):
        return "; an interrupted run goes on by itself when the same command is run again."
    return ""


def extra_meant(args: Sequence[str], extra: Sequence[str], options: Sequence[Any]) -> str:
    """How words that nothing takes were meant: the rest of an option's value, or a value without its option."""
    word = extra[0]
    at = list(args).index(word) if word in args else 0
    before = args[at - 2] if at >= 2 else ""
    option = next(
        (o for o in options if before in o.opts and not getattr(o, "is_flag", False)), None
    )
    if option is not None:
        said = [args[at - 1], *extra]
        if all(_number(w.rstrip(",")) for w in said):
            return f"write {before} {','.join(w.rstrip(',') for w in said)}, without spaces."
        if getattr(option, "multiple", False) and Path(word).suffix:
            return "write " + " ".join(f"{before} {w}" for w in said) + "."
        return f'put words that belong together in quotes: {before} "{" ".join(said)}".'
    known = {name for o in options for name in o.opts}
    ending = Path(word).suffix.lower()
    for name, endings in (("--image", _PHOTO), ("--audio", _SOUND), ("--queries", _TABLE)):
        if ending in endings and name in known:
            return f"did you mean {name} {word}?"
    if "--text" in known:
        return f'did you mean --text "{" ".join(extra)}"?'
    return ""


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
