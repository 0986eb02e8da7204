"""Colours of a band for QGIS, which shows rasters grey or black without."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

_STOPS = 11


def style(name: str, low: float, high: float, colours: str) -> str:
    """A QML of the first band with a fixed scale."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    chosen = colormaps[colours]
    items = []
    for i in range(_STOPS):
        share = i / (_STOPS - 1)
        value = low + share * (high - low)
        items.append(
            f'<item value="{value:g}" label="{value:g}" color="{to_hex(chosen(share))}" alpha="255"/>'
        )
    return (
        '<!DOCTYPE qgis>\n<qgis version="3.0"><pipe><rasterrenderer type="singlebandpseudocolor" band="1" opacity="1" '
        f'classificationMin="{low:g}" classificationMax="{high:g}"><rastershader><colorrampshader '
        f'colorRampType="INTERPOLATED" classificationMode="1" clip="0" label={quoteattr(name)}>'
        + "".join(items)
        + "</colorrampshader></rastershader></rasterrenderer></pipe></qgis>\n"
    )
