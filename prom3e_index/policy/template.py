"""The policy that `policy init` writes: every key, explained. No list of taxa comes with the program."""

from __future__ import annotations

from prom3e_index.policy.cells import NAMES

TEMPLATE = f"""\
# A policy: which observations are generalised before anything of them is encoded, and how far.
# No list of sensitive taxa comes with the program: such lists are regional, dated and licensed. Take the one of your
# authority, and have it looked at again: sensitive is what is persecuted, picked or disturbed, not what is rare.
#
# See what it would do:   prom3e-index policy explain THIS.toml TABLE
# Use it:                 prom3e-index build TABLE --policy THIS.toml
# Look for leaks:         prom3e-index policy check -i INDEX

name = "My region, 2026"           # cited in every generalised row
authority = ""                     # whose policy it is
# review = 2027-06-01              # the day from which it should be looked at again
default = "open"                   # level of rows that no rule meets

# Levels, the strictest last: {", ".join(NAMES)}.
# A place becomes the centre of its cell; `withhold` leaves none. A row that meets several rules gets the strictest.
# Satellite tiles go at every level, since the middle of one is the place; climate is looked up at the cell's centre.

[[rule]]
taxon = "Exemplum fictum"          # a name at any rank; without it the rule is for every taxon
level = "0.1deg"
# rank = "species"                 # only at this rank; else at any
# synonyms = ["Exemplum falsum"]   # other names of the taxon in your tables
# distinct = ["Exemplum dictum"]   # names spelled alike that are other taxa; else they stop the build
# bbox = [-10.0, 50.0, 2.0, 59.0]  # west, south, east, north; west > east crosses 180 degrees
# polygon = "region.geojson"       # polygons in degrees, in a file beside this one
# countries = ["IS", "GL"]         # by the table's own column countryCode; no outlines of countries come along
# months = [3, 4, 5, 6, 7]         # a row without a date counts as within
# companions = "day"               # rows of the same observer and day get the level too
# date = "month"                   # dates of these rows are given by the month
# reason = "2.2 places of breeding"
# absent = true                    # no name that is spelled alike stops the build
"""
