"""The page and the HTTP interface: an index served to browsers, scripts and QGIS."""
