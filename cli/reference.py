"""Pages made from the program; `python -m prom3e_index.cli.reference docs` writes them, and a test compares them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prom3e_index.cli.examples import EXAMPLES
from prom3e_index.cli.help import PROGRAM, arguments, options, sections, sentence
from prom3e_index.cli.screen import say
from prom3e_index.schema import CLIMATE_NAMES, MAPPABLE

_MADE = "Made from the program by `make docs`; change the program, not this page."


def commands_page() -> str:
    """`commands.md`: every command with its sentence, examples, arguments and options."""
    import inspect

    from typer.main import get_command

    from prom3e_index.cli.app import app

    root: Any = get_command(app)
    context = root.make_context(PROGRAM, [], resilient_parsing=True)
    lines = [
        "# Commands",
        "",
        f"{_MADE} `prom3e-index COMMAND --help` says the same.",
        "`prom3e-index --debug COMMAND …` shows the traceback of an error; `--version` the version.",
    ]
    contents: list[str] = []
    pages: list[str] = []
    for title, names in sections(root):
        pages += ["", f"## {title}"]
        contents += ["", f"**{title}**", ""]
        for path, command, ctx in _walk(root, names, context):
            usage = " ".join(command.collect_usage_pieces(ctx))
            contents.append(f"- [`{path}`](#{_anchor(path)}): {_plain(sentence(command))}")
            pages += ["", f"### {path}", "", f"`{PROGRAM} {path} {usage}`", ""]
            pages.append(_plain(inspect.cleandoc(command.help or "")))
            pages += ["", "```sh"]
            for why, line in EXAMPLES.get(path, ()):
                pages += [f"# {why}", line]
            pages.append("```")
            for head, rows in (
                ("argument", arguments(command, ctx)),
                ("option", options(command, ctx)),
            ):
                if rows:
                    pages += ["", f"| {head} | |", "| --- | --- |"]
                    pages += [f"| `{_cell(a)}` | {_cell(_plain(b))} |" for a, b in rows]
    return "\n".join([*lines, *contents, *pages]) + "\n"


def _walk(group: Any, names: list[str], context: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, command and context of each command, those of groups in the groups' place."""
    for name in names:
        command = group.commands[name]
        inner = type(context)(command, parent=context, info_name=name)
        if hasattr(command, "commands"):
            below = list(command.commands)
            for path, found, ctx in _walk(command, below, inner):
                yield f"{name} {path}", found, ctx
        else:
            yield name, command, inner


def _anchor(path: str) -> str:
    return path.replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """Text for Markdown: what looks like a tag or emphasis stays what it is."""
    return text.replace("<", "&lt;").replace("*", "\\*")


MEANINGS: dict[str, str] = {
    "id": "what the observation is called for good; `add` and `update` need it",
    "image": "path or address of a photo",
    "sat": "path of a satellite tile",
    "audio": "path or address of a recording",
    "latitude": "degrees, −90 to 90",
    "longitude": "degrees, −180 to 180",
    "coordinate_uncertainty_m": "metres",
    "obscured": "whether the source has blurred the place",
    "event_date": "day, interval or moment of the observation",
    "verbatim_date": "the same in the observer's words, read where `event_date` says nothing",
    "kingdom": "a rank of the name",
    "phylum": "a rank of the name",
    "class": "a rank of the name",
    "order": "a rank of the name",
    "family": "a rank of the name",
    "genus": "a rank of the name",
    "species": "the binomial",
    "epithet": "second part of the name; joined to the genus",
    "infraspecific": "third part of the name",
    "scientific_name": "the whole name, with or without author",
    "common_name": "the name in a living language",
    "text": "the name as the model shall read it, where it is not to be made of the others",
    "license": "licence of the record or its media",
    "rights_holder": "who is to be named",
    "source": "where the record comes from",
    "observation": "id of the observation that a further row belongs to; only by `--map`",
    "institution": "who publishes it: places of iNaturalist stated to 10 km or more were drawn, and count as blurred",
    "start_s": "seconds from the start of the recording",
    "end_s": "seconds from the start of the recording",
    "status": "presence or absence; a record of absence is refused",
    "count": "how many; 0 is an absence",
    "datum": "datum of the coordinates, where it is not WGS84",
    "utm_zone": "zone of `easting` and `northing`",
    "media_kind": "whether a media column holds photos or recordings",
}
"""Field → what its column holds; those of `aliases.ALIASES`, in their order."""


def columns_page() -> str:
    """`columns.md`: which columns mean which field, and the exports that are known by their columns."""
    from prom3e_index.tables import aliases
    from prom3e_index.tables.conventions import CONVENTIONS

    lines = [
        "# Columns that are known",
        "",
        _MADE,
        "",
        "Case, blanks, signs, accents, units in brackets and prefixes do not count: `Decimal Latitude (°)` and",
        "`dwc:decimalLatitude` are both `decimallatitude`. Of several columns of a field the first with a value in the",
        "row counts. Other columns are kept, and `--where` can ask for them. `--map COLUMN=FIELD` says what a column",
        "is. A column of another name is found by what it holds, where that leaves no doubt: names, dates, places,",
        "files. `prom3e-index look TABLE` shows what was understood, and builds nothing.",
        "",
        "| field | what it is | names of its columns |",
        "| --- | --- | --- |",
    ]
    for field, names in aliases.ALIASES.items():
        lines.append(f"| `{field}` | {MEANINGS[field]} | {_names(names) or 'none'} |")
    lines += [
        "",
        f"Fields that `--map` takes: {_names(MAPPABLE)}. Of `media` the ending tells a photo from a recording.",
        "",
        "## Columns that go together",
        "",
        "| what | columns |",
        "| --- | --- |",
        f"| a place in two columns | {', '.join(f'{_names((a,))} with {_names(b)}' for a, b in aliases.PLACE_PAIRS)} |",
        f"| a place in one column | {_names(aliases.LATLON)} |",
        f"| a place on a grid | {', '.join(f'{_names((a,))} with {_names((b,))}' for a, b in aliases.GRIDS)} |",
        f"| a date in parts | {_names(aliases.DATE_PARTS)} |",
        f"| first and last day | {', '.join(f'{_names((a,))} with {_names((b,))}' for a, b in aliases.DATE_SPANS)} |",
        *(f"| climate, 20 columns | {_names(names)} |" for names in CLIMATE_NAMES),
        "",
        "## Exports known by their columns",
        "",
        "A table that has all the columns of the second column is read as the third says.",
        "",
        "| export | known by | field: columns |",
        "| --- | --- | --- |",
    ]
    for export in CONVENTIONS:
        if export.refused:
            read = f"refused: {export.refused}"
        else:
            read = "; ".join(f"{f}: {_names(names)}" for f, names in export.fields.items() if names)
            if export.beside:
                read += f"; with `{export.beside}` beside it, name the folder"
        lines.append(f"| {export.name} | {_names(export.marks)} | {read} |")
    return "\n".join(lines) + "\n"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{n}`" for n in names)


PAGES = {"commands.md": commands_page, "columns.md": columns_page}


def write_pages(folder: Path) -> None:
    """Write every page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
        say(f"{folder / name}")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
