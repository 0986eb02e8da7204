"""Licences as people write them, as codes: which are allowed, which of several is the most restrictive."""

from prom3e_index.licences.allowed import allowed_codes
from prom3e_index.licences.codes import CODES, NONE, UNKNOWN, code_of, roll_up, url_of
from prom3e_index.licences.columns import licence_columns

__all__ = [
    "CODES",
    "NONE",
    "UNKNOWN",
    "allowed_codes",
    "code_of",
    "licence_columns",
    "roll_up",
    "url_of",
]
