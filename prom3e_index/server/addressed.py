"""What a client asks in an address: filters in the names of GBIF and OGC, and searches that need no file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, Field

from prom3e_index.bundle.filters import finite, parse_bbox, parse_near, parse_place
from prom3e_index.server.asking import (
    MOST_FILES,
    MOST_MARKS,
    Day,
    Given,
    Group,
    K,
    Like,
    Modality,
    Name,
    Only,
    Row,
    SearchBody,
    read,
)
from prom3e_index.server.problems import Problem


class FilterParameters(BaseModel):
    """A filter in an address, in the names of GBIF and OGC."""

    taxon: Annotated[str | None, Field(min_length=1, max_length=200, pattern=r"\S")] = None
    bbox: Annotated[str | None, Field(max_length=100, description="west,south,east,north")] = None
    near: Annotated[str | None, Field(max_length=100, description="46.8,7.1,50km")] = None
    datetime: Annotated[
        str | None, Field(max_length=50, description="2024-01-01/2024-12-31; .. for open")
    ] = None
    since: Day | None = None
    until: Day | None = None
    license: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=20)] = []

    def only(self, observed_only: bool = False) -> Only:
        """The same as JSON has it.

        Raises:
            Problem: A part that is none.
        """
        circle = self.near
        near = None if circle is None else list(read("near", lambda: parse_near(circle)))
        box = None if self.bbox is None else list(read("bbox", lambda: box_of(self.bbox)))
        since, until = days_of(self.datetime)
        return Only(
            taxon=self.taxon, bbox=box, near=near, since=self.since or since, until=self.until or until,
            license=self.license or None, observed_only=observed_only,
        )  # fmt: skip


class SearchParameters(FilterParameters):
    """A search in an address: what can be asked without a file."""

    text: Annotated[list[Name], Field(max_length=MOST_FILES)] = []
    location: Annotated[str | None, Field(max_length=100, description="46.8,7.1")] = None
    env: Annotated[str | None, Field(max_length=2000, description="numbers between commas")] = None
    like: Annotated[list[Row], Field(max_length=MOST_FILES)] = []
    by: Annotated[list[Modality], Field(max_length=6)] = []
    more: Annotated[list[Row], Field(max_length=MOST_MARKS)] = []
    less: Annotated[list[Row], Field(max_length=MOST_MARKS)] = []
    target: Modality | None = None
    k: Annotated[int, Field(ge=1, le=1000)] = K
    observed_only: bool = False
    group_by: Group | None = None
    generation: Annotated[int | None, Field(ge=0, lt=1 << 40)] = None

    def body(self) -> SearchBody:
        """The same as JSON has it.

        Raises:
            Problem: A part that is none.
        """
        place = self.location
        given = Given(
            text=self.text or None,
            location=None if place is None else list(read("location", lambda: parse_place(place))),
            env=None if self.env is None else _numbers(self.env),
            like=[Like(row=r, by=self.by or None) for r in self.like] or None,
            more=self.more,
            less=self.less,
        )
        return SearchBody(
            query=given, target=self.target, k=self.k, filter=self.only(self.observed_only),
            group_by=self.group_by, generation=self.generation,
        )  # fmt: skip


def box_of(text: str | None) -> tuple[float, float, float, float]:
    """A box of four numbers, or the flat one of six that OGC has.

    Raises:
        InputError: It is none.
    """
    parts = (text or "").split(",")
    return parse_bbox(",".join([*parts[:2], *parts[3:5]]) if len(parts) == 6 else (text or ""))


def days_of(text: str | None) -> tuple[str | None, str | None]:
    """First and last day of an interval as OGC writes it: `2024-05-01/..`, with or without a time.

    Raises:
        Problem: It is none.
    """
    if text is None:
        return None, None
    ends = text.split("/")
    out = []
    for end in ends:
        day = re.fullmatch(
            r"([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?", end
        )
        if (day is None and end not in ("", "..")) or len(ends) > 2 or text in ("", "..", "/"):
            raise Problem(
                422, "input", "No such time",
                f"datetime is {text!r:.60}; it must be a day or an interval, as 2024-01-01/2024-12-31 or 2024-05-01/..",
                "datetime",
            )  # fmt: skip
        out.append(day[1] if day else None)
    return out[0], out[-1]


def _numbers(text: str) -> list[float]:
    return list(
        read("env", lambda: finite("env", text.split(","), "climate values between commas"))
    )
