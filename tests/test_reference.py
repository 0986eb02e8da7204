"""The pages made from the program: they are what the program says today, and their meanings cover every field."""

from __future__ import annotations

import pytest
from conftest import ROOT

from prom3e_index.cli.reference import MEANINGS, PAGES
from prom3e_index.schema import MAPPABLE
from prom3e_index.tables.aliases import ALIASES, match_columns
from prom3e_index.tables.conventions import CONVENTIONS


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_program_says(name):
    stands = (ROOT / "docs" / name).read_text(encoding="utf-8")

    assert stands == PAGES[name](), f"docs/{name} is old: run `make docs`"


def test_the_table_of_columns_has_every_field_and_every_name():
    text = PAGES["columns.md"]()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}

    assert list(MEANINGS) == list(ALIASES)
    for field, names in ALIASES.items():
        assert all(f"`{n}`" in rows[field] for n in names)
    for name in MAPPABLE:
        assert f"`{name}`" in text
    for export in CONVENTIONS:
        assert f"| {export.name} | `{export.marks[0]}`" in text


def test_a_column_named_in_the_table_is_read_as_it_says():
    rows = [
        line.split(" | ")
        for line in PAGES["columns.md"]().splitlines()
        if line.startswith("| `") and "field" not in line
    ]
    alone = {
        name: field.strip("| `")
        for field, _, names in rows
        for name in names.strip(" |").replace("`", "").split(", ")
        if name != "none"
    }
    single = {"latitude", "longitude"}  # a place takes both

    for name, field in alone.items():
        if field not in single:
            assert match_columns([name], {})[field] == (name,)


def test_the_citation_is_of_this_version_and_licence():
    import prom3e_index

    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert f"version: {prom3e_index.__version__}" in lines
    assert f'version = "{prom3e_index.__version__}"' in project
    assert "license: Apache-2.0" in lines and 'license = "Apache-2.0"' in project
