"""What recordings say of themselves: GUANO, Wildlife Acoustics' notes, AudioMoth's comment, BWF, tags."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

from prom3e_index.media.facts import MediaFacts, plain, set_moment, set_place

_MOST_CHUNKS, _MOST_BYTES = 256, 1 << 20
_AUDIOMOTH = re.compile(
    r"Recorded at (\d{2}):(\d{2}):(\d{2})(?:\.\d+)? (\d{2})/(\d{2})/(\d{4}) \(UTC(?:([+-])(\d{1,2})(?::?(\d{2}))?)?\)"
    r"(?: by (AudioMoth [0-9A-F]{16}))?",
    re.IGNORECASE,
)
_POSITION = re.compile(r"([+-]\d{1,3}(?:\.\d+)?)\s*,?\s*([+-]\d{1,3}(?:\.\d+)?)")
_ARCHIVE = re.compile(r"\(([A-Z][a-z]+ [a-z-]{2,}(?: [a-z-]{2,})?)\)")
_TERMS = re.compile(
    r"\b(CC[ -]?(?:0|BY(?:[ -](?:NC|ND|SA))*)(?:[ -]\d\.\d)?|Creative Commons [\w .-]{2,60})"
    r"|(https?://creativecommons\S+)",
    re.IGNORECASE,
)


def wav_facts(path: Path) -> MediaFacts:
    """What the chunks of a WAV say; GUANO before Wildlife Acoustics' notes, AudioMoth's comment and BWF."""
    chunks = _chunks(path)
    facts = MediaFacts()
    if b"guan" in chunks:
        _from_guano(facts, chunks[b"guan"])
    if not facts.kind and b"wamd" in chunks:
        _from_wamd(facts, chunks[b"wamd"])
    info = _info(chunks.get(b"LIST", b""))
    bext = chunks.get(b"bext", b"")
    comment = info.get(b"ICMT") or plain(bext[:256].rstrip(b"\0"))
    if not facts.kind and comment and _from_audiomoth(facts, comment):
        facts.recorder = facts.recorder or info.get(b"IART")
    if facts.when is None and not facts.unused and len(bext) >= 338:
        day, time = (bext[a:b].decode("ascii", "replace") for a, b in ((320, 330), (330, 338)))
        set_moment(facts, f"{day} {re.sub('[^0-9]', ':', time)}")
        facts.recorder = facts.recorder or plain(bext[256:288].rstrip(b"\0"))
        if facts.when:
            facts.kind = facts.kind or "BWF"
    if facts.when is None and not facts.unused and info.get(b"ICRD"):
        set_moment(facts, info[b"ICRD"])
    facts.rights = facts.rights or info.get(b"ICOP")
    if not facts.kind and facts.as_json():
        facts.kind = "tags"
    return facts


def _chunks(path: Path) -> dict[bytes, bytes]:
    """The first of each small chunk of a RIFF file; samples are passed over."""
    out: dict[bytes, bytes] = {}
    with path.open("rb") as f:
        end = f.seek(0, io.SEEK_END)
        at = 12
        for _ in range(_MOST_CHUNKS):
            f.seek(at)
            head = f.read(8)
            if len(head) < 8:
                break
            size = int(struct.unpack("<I", head[4:])[0])
            if head[:4] != b"data" and head[:4] not in out and size <= _MOST_BYTES:
                out[head[:4]] = f.read(size)
            at += 8 + size + size % 2
            if at >= end:
                break
    return out


def _info(chunk: bytes) -> dict[bytes, str]:
    """The entries of a LIST chunk of type INFO."""
    out: dict[bytes, str] = {}
    at = 4 if chunk[:4] == b"INFO" else len(chunk)
    while at + 8 <= len(chunk):
        size = struct.unpack("<I", chunk[at + 4 : at + 8])[0]
        text = plain(chunk[at + 8 : at + 8 + size].split(b"\0")[0])
        if text:
            out.setdefault(chunk[at : at + 4], text)
        at += 8 + size + size % 2
    return out


def _from_guano(facts: MediaFacts, chunk: bytes) -> None:
    from guano import GuanoFile

    text = chunk.decode("utf-8", "replace").strip("\0")
    lines = [line for line in text.split("\n") if ":" in line]
    if not any(line.strip().startswith("GUANO|Version") for line in lines):
        return
    notes = GuanoFile.from_string("\n".join(lines), strict=False)
    facts.kind = "GUANO"
    position = notes.get("Loc Position")
    if isinstance(position, tuple) and len(position) == 2:
        set_place(facts, *position, notes.get("Loc Accuracy"))
    elif found := re.match(r"([+-]?[\d.]+)[,;\s]+([+-]?[\d.]+)\Z", str(position or "").strip()):
        set_place(facts, found[1], found[2], notes.get("Loc Accuracy"))
    set_moment(facts, notes.get("Timestamp"))
    facts.species = plain(notes.get("Species Manual ID"))
    if facts.species is None and (heard := plain(notes.get("Species Auto ID"))):
        facts.unused += (f"{heard!r} was named by a program (Species Auto ID)",)
    maker, model = plain(notes.get("Make")), plain(notes.get("Model"))
    facts.recorder = " ".join(p for p in (maker, model) if p) or None


_WAMD = {0x01: "model", 0x05: "timestamp", 0x06: "gps", 0x0C: "manual"}


def _from_wamd(facts: MediaFacts, chunk: bytes) -> None:
    """Wildlife Acoustics' chunk: entries of a number, a length and a value."""
    found: dict[str, str] = {}
    at = 0
    while at + 6 <= len(chunk):
        number, size = struct.unpack("<HI", chunk[at : at + 6])
        if number in _WAMD and (text := plain(chunk[at + 6 : at + 6 + size].rstrip(b"\0"))):
            found[_WAMD[number]] = text
        at += 6 + size
    if not found:
        return
    facts.kind = "WAMD"
    set_moment(facts, found.get("timestamp"))
    parts = [p.strip() for p in found.get("gps", "").split(",")][1:]
    try:
        if len(parts) >= 4 and parts[1] in ("N", "S"):
            south, west = parts[1] == "S", parts[3] == "W"
            set_place(facts, float(parts[0]) * (-1) ** south, float(parts[2]) * (-1) ** west)
        elif len(parts) >= 2:
            set_place(facts, parts[0], parts[1])
    except ValueError:
        facts.unused += ("its place is no pair of numbers",)
    facts.species, facts.recorder = found.get("manual"), found.get("model")


def _from_audiomoth(facts: MediaFacts, comment: str) -> bool:
    """`Recorded at 19:00:00 23/05/2023 (UTC) by AudioMoth 24F3190361DA2B44 …`, whether it is that."""
    found = _AUDIOMOTH.search(comment)
    if found is None:
        return False
    facts.kind = "AudioMoth"
    hour, minute, second, day, month, year, sign, hours, minutes, device = found.groups()
    zone = "Z" if sign is None else f"{sign}{int(hours):02}:{minutes or '00'}"
    set_moment(facts, f"{year}-{month}-{day}T{hour}:{minute}:{second}{zone}")
    facts.recorder = device
    return True


def tag_facts(path: Path) -> MediaFacts:
    """What the tags of a FLAC, Ogg, MP3, AIFF or MPEG-4 file, or of a video, say."""
    import av

    with av.open(str(path), mode="r", options={"protocol_whitelist": "file"}) as container:
        given = dict(container.metadata)
        for stream in container.streams:
            given = {**stream.metadata, **given}
    tags = {k.lower(): t for k, v in given.items() if (t := plain(v)) is not None}
    facts = MediaFacts()
    for key in ("location", "com.apple.quicktime.location.iso6709", "sensorlocation", "geo_location"):  # fmt: skip
        if facts.latitude is None and (found := _POSITION.match(tags.get(key, ""))):
            set_place(facts, found[1], found[2])
    every = " ".join(tags.values())
    if not any(_from_audiomoth(facts, tags.get(k, "")) for k in ("comment", "description")):
        for key in ("recordingstart", "com.apple.quicktime.creationdate", "creation_time"):
            if facts.when is None:
                set_moment(facts, tags.get(key))
    if "xeno-canto" in every.lower() or "xeno-canto" in path.name.lower():
        named = _ARCHIVE.search(tags.get("title", ""))
        facts.species = named[1] if named else None
    facts.rights = tags.get("copyright") or tags.get("artist")
    facts.licence = tags.get("license")
    if facts.licence is None and (terms := _TERMS.search(every)):
        facts.licence = terms[1] or terms[2]
    if facts.as_json() and not facts.kind:
        facts.kind = "tags"
    return facts
