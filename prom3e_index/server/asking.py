"""What a client asks, as JSON, and the query that it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from prom3e_index.bundle.filters import Filter
from prom3e_index.errors import InputError
from prom3e_index.search.query import Query
from prom3e_index.server.problems import Problem, of_error
from prom3e_index.server.uploads import Upload

Modality = Literal["image", "sat", "loc", "env", "text", "audio"]
Group = Literal["species", "genus", "family", "order", "class", "observation", "id"]
"""What hits may be grouped by: columns of few values, whose groups are found at once."""
Row = Annotated[int, Field(ge=0, lt=1 << 40)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")]
Seconds = Annotated[float, Field(ge=0, le=1_000_000)]
R = TypeVar("R")
MOST_FILES, MOST_MARKS, K = 16, 200, 200
REMIXED = 20_000
"""Observations of the largest index that may be asked with another ε: every one of them is completed again."""


class Part(BaseModel):
    """A part of what is asked; what is not known is refused, and no text is taken for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class File(Part):
    """A file that was sent."""

    upload: Annotated[str, Field(pattern=r"^sha256-[0-9a-f]{64}$")]


class Sound(File):
    """A recording that was sent, or some seconds of it."""

    begin: Annotated[Seconds | None, Field(alias="from")] = None
    to: Seconds | None = None


class Like(Part):
    """An observation of the index, asked with by what was observed of it."""

    row: Row
    by: Annotated[list[Modality], Field(min_length=1, max_length=6)] | None = None


Files = File | Annotated[list[File], Field(min_length=1, max_length=MOST_FILES)]
Sounds = Sound | Annotated[list[Sound], Field(min_length=1, max_length=MOST_FILES)]
Names = Name | Annotated[list[Name], Field(min_length=1, max_length=MOST_FILES)]
Likes = Like | Annotated[list[Like], Field(min_length=1, max_length=MOST_FILES)]


class Given(Part):
    """What is asked with; at least one part."""

    image: Files | None = None
    audio: Sounds | None = None
    sat: Files | None = None
    location: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    env: Annotated[list[Number], Field(min_length=1, max_length=64)] | None = None
    text: Names | None = None
    like: Likes | None = None
    more: Annotated[list[Row], Field(max_length=MOST_MARKS)] = []
    less: Annotated[list[Row], Field(max_length=MOST_MARKS)] = []


class Only(Part):
    """What observations must satisfy; all parts together."""

    taxon: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")] | None = None
    bbox: Annotated[list[Number], Field(min_length=4, max_length=4)] | None = None
    near: Annotated[list[Number], Field(min_length=3, max_length=3)] | None = None
    since: Day | None = None
    until: Day | None = None
    license: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=20)] | None = (
        None
    )
    observed_only: bool = False

    def filter(self) -> Filter:
        """As the library has it.

        Raises:
            Problem: A part that nothing could be compared with.
        """
        parts: dict[str, Any] = {
            "taxon": self.taxon,
            "bbox": None if self.bbox is None else tuple(self.bbox),
            "near": None if self.near is None else tuple(self.near),
            "since": self.since,
            "until": self.until,
            "licence_allow": tuple(self.license) if self.license else None,
        }
        return read("filter", lambda: Filter(**parts))


class Expert(Part):
    """How rows are compared; for servers that allow it."""

    space: Literal["hybrid", "encoder", "reconstructed", "hidden"] = "hybrid"
    delta: Share | None = None
    gamma: Share | None = None
    epsilon: Share | None = None
    exact: bool = False


class SearchBody(Part):
    """A search: what is given, what is looked for, and among which observations."""

    query: Given
    target: Modality | None = None
    k: Annotated[int, Field(ge=1, le=1000)] = K
    filter: Only = Only()
    group_by: Group | None = None
    expert: Expert | None = None
    generation: Annotated[int, Field(ge=0, lt=1 << 40)] | None = None

    def said(self) -> dict[str, Any]:
        """As it was asked, in one form: lists where there may be several, nothing that was left out."""
        out = self.model_dump(by_alias=True, exclude_none=True)
        given = out["query"]
        for name in ("image", "audio", "sat", "text", "like"):
            if name in given and not isinstance(given[name], list):
                given[name] = [given[name]]
        for name in ("more", "less"):
            if not given[name]:
                del given[name]
        if not out["filter"]["observed_only"]:
            del out["filter"]["observed_only"]
        return out


def query_of(
    body: SearchBody, upload: Callable[[str], Upload], *, k_most: int, expert: bool, rows: int
) -> Query:
    """The query that is asked.

    Args:
        body: As it came.
        upload: Gives a file that was sent.
        k_most: Hits that may be asked for.
        expert: Whether `expert` may be asked for.
        rows: Of the index.

    Raises:
        Problem: A part that is none, a file that is not there, or something that this server does not allow.
    """
    g = body.query
    if body.expert is not None and not expert:
        raise Problem(
            422, "expert", "Not allowed here",
            "space, delta, gamma, epsilon and exact are for servers started by `prom3e-index serve --expert`.",
            "expert",
        )  # fmt: skip
    how = (body.expert or Expert()).model_dump()
    if how["epsilon"] is not None and rows > REMIXED:
        raise Problem(
            422, "expert", "Not allowed here",
            f"Another epsilon completes every observation again, which is done for up to {REMIXED:,}; the index has "
            f"{rows:,}.", "expert.epsilon",
        )  # fmt: skip
    given: dict[str, Any] = {"env": g.env, "location": g.location and tuple(g.location)}
    for name in ("image", "sat"):
        files = several(getattr(g, name))
        given[name] = [_file(upload, f, f"query.{name}").path for f in files] or None
    given["audio"] = [_span(_file(upload, s, "query.audio"), s) for s in several(g.audio)] or None
    given["text"] = several(g.text) or None
    given |= _like(several(g.like))
    given |= {name: tuple(rows) for name in ("more", "less") if (rows := getattr(g, name))}
    if not any(v is not None for v in given.values()):
        raise Problem(
            422, "input", "Nothing is asked",
            "The query gives nothing. Give a photo, a recording, a place, a name or an observation.", "query",
        )  # fmt: skip
    chosen = body.filter.filter()
    return read(
        "query",
        lambda: Query(
            **given, **how, target=body.target, k=min(body.k, k_most), filter=chosen,
            observed_only=body.filter.observed_only, group_by=body.group_by,
        ),
    )  # fmt: skip


def several(value: Any) -> list[Any]:
    """One, several or none as a list."""
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _file(upload: Callable[[str], Upload], asked: File, where: str) -> Upload:
    found = upload(asked.upload)
    wanted = where.removeprefix("query.")
    if (wanted == "audio") != (found.modality == "audio"):
        raise Problem(
            422, "input", "Another kind of file",
            f"The file is {'a recording' if found.modality == 'audio' else 'a picture'} and is given as {wanted}.",
            where,
        )  # fmt: skip
    return found


def _span(found: Upload, asked: Sound) -> str:
    """A recording in a query, with the span that is asked for as the library writes it."""
    if asked.begin is None and asked.to is None:
        return str(found.path)
    begin = asked.begin or 0.0
    if asked.to is not None and asked.to <= begin:
        raise Problem(
            422, "input", "A span that ends before it begins",
            f"The span goes from {begin:g} s to {asked.to:g} s.", "query.audio",
        )  # fmt: skip
    end = "" if asked.to is None else f"-{asked.to:.6f}"
    return f"{found.path}@{begin:.6f}{end}"


def _like(likes: Sequence[Like]) -> dict[str, Any]:
    if not likes:
        return {}
    by = {tuple(i.by) if i.by else None for i in likes}
    if len(by) > 1:
        raise Problem(
            422, "input", "Observations asked with in different ways",
            "All observations of `like` are asked with by the same modalities; give them one `by`.", "query.like",
        )  # fmt: skip
    return {"like": tuple(i.row for i in likes), "like_by": by.pop()}


def read(parameter: str, make: Callable[[], R]) -> R:
    """What is made of a part of a request; why it is none names the part.

    Raises:
        Problem: It is none.
    """
    try:
        return make()
    except InputError as e:
        raise of_error(e, parameter=parameter) from e
