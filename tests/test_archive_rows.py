"""Darwin Core Archives and Open Data: events with their occurrences, all media, defaults, odd files; what is lost is said."""

from __future__ import annotations

import zipfile

import pyarrow as pa
import pytest

from prom3e_index.errors import TableError
from prom3e_index.tables.sources import open_source

DWC = "http://rs.tdwg.org/dwc/terms/"


def part(tag, kind, files, terms, key=0, more="", defaults=(), **options):
    """A core or extension of `meta.xml`: `terms` by position, None where unmapped."""
    settings = {
        "fieldsTerminatedBy": ",",
        "ignoreHeaderLines": "1",
        "fieldsEnclosedBy": "&quot;",
    } | options
    given = " ".join(f'{k}="{v}"' for k, v in settings.items())
    key_tag = "id" if tag == "core" else "coreid"
    fields = "".join(f'<field index="{i}" term="{DWC}{t}"/>' for i, t in enumerate(terms) if t)
    fields += "".join(
        f'<field {f"index={chr(34)}{i}{chr(34)} " if i is not None else ""}term="{DWC}{t}" default="{v}"/>'
        for i, t, v in defaults
    )
    places = "".join(f"<location>{f}</location>" for f in files)
    return f'<{tag} {given} rowType="{DWC}{kind}"><files>{places}</files><{key_tag} index="{key}"/>{fields}{more}</{tag}>'


def archive(folder, parts, files):
    folder.mkdir(exist_ok=True)
    (folder / "meta.xml").write_text(
        f'<archive xmlns="http://rs.tdwg.org/dwc/text/">{"".join(parts)}</archive>'
    )
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def rows(path):
    source = open_source(path, None)
    return pa.Table.from_batches(list(source.batches())).to_pylist(), source


def picked(found, *names):
    return [tuple(r[n] for n in names) for r in found]


EVENTS = (
    "id,parentEventID,eventDate,decimalLatitude,decimalLongitude\n"
    "S,,2023-05-01,51.5,4.5\nE1,S,2023-05-02,51.1,\nE2,S,,,\nE3,,2023-05-04,,\n"
)
OCCURRENCES = (
    "id,occurrenceID,scientificName,eventDate\n"
    "E2,o3,Parus major,\nE1,o1,Pica pica,\nE1,o2,Turdus merula,2023-05-09\nE9,o4,Corvus corax,2023-05-05\n"
)
EVENT_CORE = part(
    "core", "Event", ["event.txt"],
    ["eventID", "parentEventID", "eventDate", "decimalLatitude", "decimalLongitude"],
)  # fmt: skip
OF_EVENT = part(
    "extension", "Occurrence", ["occ.txt"], [None, "occurrenceID", "scientificName", "eventDate"]
)


def test_an_occurrence_is_a_row_with_its_events_place_and_date(tmp_path):
    found, source = rows(
        archive(
            tmp_path / "a", [EVENT_CORE, OF_EVENT], {"event.txt": EVENTS, "occ.txt": OCCURRENCES}
        )
    )

    assert picked(found, "occurrenceID", "eventID", "eventDate", "decimalLatitude", "decimalLongitude") == [
        ("o3", "E2", "2023-05-01", "51.5", "4.5"),
        ("o1", "E1", "2023-05-02", "51.1", "4.5"),
        ("o2", "E1", "2023-05-09", "51.1", "4.5"),
        ("o4", "E9", "2023-05-05", None, None),
    ]  # fmt: skip
    said = " ".join(source.said)
    assert "4 occurrences of 4 Event rows" in said
    assert "2 Event rows have no occurrence" in said and "1 occurrences name no Event row" in said


def test_media_of_an_event_are_of_its_only_occurrence(tmp_path):
    media = part("extension", "Multimedia", ["m.txt"], [None, "identifier", "type"])
    files = {
        "event.txt": EVENTS,
        "occ.txt": OCCURRENCES,
        "m.txt": "id,identifier,type\nE2,a.jpg,StillImage\nE1,b.jpg,StillImage\nE2,c.wav,Sound\nE2,d.jpg,\nX,e.jpg,\n",
    }
    found, source = rows(archive(tmp_path / "a", [EVENT_CORE, OF_EVENT, media], files))

    assert picked(found, "occurrenceID", "image", "audio") == [
        ("o3", ["a.jpg", "d.jpg"], ["c.wav"]), ("o1", None, None), ("o2", None, None), ("o4", None, None),
    ]  # fmt: skip
    said = " ".join(source.said)
    assert "1 media belong to Event rows with several occurrences" in said
    assert "1 media rows belong to no row" in said


CORE = part(
    "core", "Occurrence", ["occ.txt"], ["occurrenceID", "scientificName", "decimalLatitude"]
)


def test_all_media_in_order_by_type_format_or_ending(tmp_path):
    multimedia = part(
        "extension", "Multimedia", ["m.txt"], [None, "identifier", "type", "format", "references"]
    )
    audubon = part("extension", "Audubon", ["a.txt"], [None, "accessURI"])
    files = {
        "occ.txt": "id,n,lat\n2,b,1\n1,a,2\n3,c,3\n",
        "m.txt": (
            "id,identifier,type,format,references\n1,http://x/5,StillImage,,\n1,song.mp3,,,\n1,http://x/7,,audio/mpeg,\n"
            "1,film.mp4,,,\n1,http://x/9,,,\n1,page.html,Text,text/html,\n1,,,,\n2,,StillImage,,http://x/p.jpg\n"
            "9,lost.jpg,,,\n1,http://x/5,StillImage,,\n"
        ),
        "a.txt": "id,accessURI\n2,z.png\n2,call.wav\n1,song.mp3\n",
    }
    found, source = rows(archive(tmp_path / "a", [CORE, multimedia, audubon], files))

    assert picked(found, "occurrenceID", "image", "audio") == [
        ("2", ["http://x/p.jpg", "z.png"], ["call.wav"]),
        ("1", ["http://x/5", "http://x/9", "film.mp4"], ["song.mp3", "http://x/7"]),
        ("3", None, None),
    ]
    said = " ".join(source.said)
    assert "1 media rows belong to no row" in said and "1 media rows name no file" in said
    assert "1 media rows are neither photo, sound nor video" in said


def test_media_listed_in_a_cell(tmp_path):
    core = part("core", "Occurrence", ["occ.txt"], ["occurrenceID", "associatedMedia"])
    text = "id,m\n1,http://x/a.jpg | http://x/b.mp3|http://x/c.jpg\n2,\n3,one photo.jpg\n4,http://x/a.jpg http://x/d.png\n"
    found, _ = rows(archive(tmp_path / "a", [core], {"occ.txt": text}))

    assert picked(found, "image", "audio") == [
        (["http://x/a.jpg", "http://x/c.jpg"], ["http://x/b.mp3"]), (None, None),
        (["one photo.jpg"], None), (["http://x/a.jpg", "http://x/d.png"], None),
    ]  # fmt: skip


def test_defaults_constants_and_columns_that_are_not_mapped(tmp_path):
    core = part(
        "core", "Occurrence", ["a.txt", "b.txt"], ["occurrenceID", None, None],
        defaults=[(2, "country", "Austria"), (None, "license", "CC0")],
    )  # fmt: skip
    files = {
        "a.txt": "id,habitat,land,remarks,more\n1,wood,Chile,r1,x\n2,,,r2,\n",
        "b.txt": "id,habitat,land,remarks,more\n3,fen,,,z\n4,bog,,r4\n",
    }
    found, source = rows(archive(tmp_path / "a", [core], files))

    assert source.columns == ["occurrenceID", "habitat", "country", "remarks", "more", "license"]
    assert [tuple(r.values()) for r in found] == [
        ("1", "wood", "Chile", "r1", "x", "CC0"), ("2", None, "Austria", "r2", None, "CC0"),
        ("3", "fen", "Austria", None, "z", "CC0"), ("4", "bog", "Austria", "r4", None, "CC0"),
    ]  # fmt: skip
    assert any(
        "2 columns behind those of meta.xml are kept: remarks, more" in s for s in source.said
    )
    assert source.facts["rows"] == 4


def test_files_that_are_not_what_meta_xml_says(tmp_path):
    text = 'occurrenceID\tscientificName\tdecimalLatitude\n1\tGr\xfcn\t2\n2\t"open\t3\n'
    core = part(
        "core", "Occurrence", ["occ.txt"], ["occurrenceID", "scientificName", "decimalLatitude"],
        ignoreHeaderLines="0", encoding="windows-9999",
    )  # fmt: skip
    gone = part("extension", "Multimedia", ["gone.txt"], [None, "identifier"])
    found, source = rows(archive(tmp_path / "a", [core, gone], {"occ.txt": text.encode("latin-1")}))

    assert [tuple(r.values()) for r in found] == [("1", "Grün", "2"), ("2", '"open', "3")]
    said = " ".join(source.said)
    for words in (
        "windows-9999",
        "the file has '\\t'",
        "the first line is one",
        "gone.txt that meta.xml names is not",
    ):
        assert words in said


def test_a_checklist_is_said_to_be_one_and_occurrences_of_taxa_are_rows(tmp_path):
    taxa = part("core", "Taxon", ["taxa.txt"], ["taxonID", "scientificName"])
    files = {
        "taxa.txt": "id,n\nt1,Pica pica\nt2,Parus major\n",
        "occ.txt": "id,o,d\nt2,o1,2020-01-01\n",
    }
    found, source = rows(archive(tmp_path / "a", [taxa], files))
    assert len(found) == 2 and any("checklist" in s for s in source.said)
    of_taxon = part("extension", "Occurrence", ["occ.txt"], [None, "occurrenceID", "eventDate"])
    found, source = rows(archive(tmp_path / "b", [taxa, of_taxon], files))
    assert picked(found, "occurrenceID", "scientificName") == [("o1", "Parus major")]


def test_reading_twice_gives_the_same_rows_and_says_it_once(tmp_path):
    source = open_source(
        archive(tmp_path / "a", [EVENT_CORE, OF_EVENT], {"event.txt": EVENTS, "occ.txt": OCCURRENCES}), None
    )  # fmt: skip
    first = pa.Table.from_batches(list(source.batches(2)))
    said = list(source.said)
    next(source.batches(1))

    assert pa.Table.from_batches(list(source.batches())).equals(first) and source.said == said


def test_open_data_keep_every_photo_and_say_what_belongs_to_nothing(tmp_path):
    files = {
        "observations": "observation_uuid\tobserver_id\ttaxon_id\tlatitude\nu2\t1\t5\t2\nu1\t1\t7\t1\nu3\t\t\t3\textra\n",
        "photos": (
            "photo_id\tobservation_uuid\textension\tlicense\tposition\n1\tu1\tjpg\tCC0\t\n2\tu1\tjpg\tCC-BY\t1\n"
            "3\tu1\tjpeg\tCC0\t0\n4\tu2\tjpg\tCC0\n5\tu9\tjpg\tCC0\t0\n\tu2\tjpg\tCC0\t0\n6\tu2\tjpg\tCC0\t0\tx\ty\n"
        ),
        "taxa": 'taxon_id\tancestry\trank\tname\n5\t\tgenus\t"Pica\n',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    found, source = rows(tmp_path)

    assert picked(found, "observation_uuid", "image", "license", "scientific_name") == [
        ("u2", ["photos/4/medium.jpg"], "CC0", '"Pica'),
        ("u1", ["photos/3/medium.jpeg", "photos/2/medium.jpg", "photos/1/medium.jpg"], "CC0", None),
    ]
    said = " ".join(source.said)
    assert "1 photos are of observations that are not there" in said
    assert "1 photos have no photo_id or extension" in said
    assert "1 observations name a taxon that taxa does not have" in said
    assert [(line, reason.partition(":")[0]) for line, reason in source.rejected] == [
        (4, "observations.csv"), (8, "photos.csv"),
    ]  # fmt: skip


def test_a_species_list_is_refused(tmp_path):
    text = "taxonKey\tscientificName\tnumberOfOccurrences\ttaxonRank\n1\tPica pica\t7\tSPECIES\n"
    (tmp_path / "0001.csv").write_text(text)
    with zipfile.ZipFile(tmp_path / "0001.zip", "w") as z:
        z.writestr("0001.csv", text)
    for name in ("0001.csv", "0001.zip"):
        with pytest.raises(TableError, match="species list.*SIMPLE_CSV"):
            open_source(tmp_path / name, None)


def test_a_gbif_download_without_its_meta_xml(tmp_path):
    (tmp_path / "occurrence.txt").write_text(
        'gbifID\tscientificName\tdecimalLatitude\n7\tPica "x\t1\n8\tParus major\t2\n'
    )
    (tmp_path / "multimedia.txt").write_text(
        "gbifID\ttype\tidentifier\n8\tStillImage\ta.jpg\n8\tSound\tb.mp3\n8\t\tc.jpg\n"
    )
    (tmp_path / "verbatim.txt").write_text("gbifID\tx\n7\ty\n")
    found, source = rows(tmp_path)

    assert source.format == "dwca" and found == [
        {"gbifID": "7", "scientificName": 'Pica "x', "decimalLatitude": "1", "image": None, "audio": None},
        {"gbifID": "8", "scientificName": "Parus major", "decimalLatitude": "2", "image": ["a.jpg", "c.jpg"],
         "audio": ["b.mp3"]},
    ]  # fmt: skip
    found, source = rows(tmp_path / "occurrence.txt")
    assert len(found) == 2 and "name the folder to have its media" in source.said[0]
