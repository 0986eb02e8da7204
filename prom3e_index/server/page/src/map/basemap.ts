// The user's own map below the hits: a .pmtiles file that the server gives in parts, drawn in the colours of the page.

import type { LayerSpecification, Map as GlMap } from "maplibre-gl";
import { PMTiles, Protocol, TileType } from "pmtiles";
import type { Colours } from "./colours.ts";

const SOURCE = "basemap";
const BELOW = "cells"; // the first layer that lies above the ground

interface Metadata {
  attribution?: string;
  vector_layers?: { id: string }[];
}

/** Gives layers of a map the paint of others of the same names. */
export function paintLayers(map: GlMap, some: LayerSpecification[]): void {
  for (const layer of some) for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name as "fill-color", value as never);
}

/** What stands in tiles of the usual schemes: Protomaps, OpenMapTiles, Shortbread. */
function layers(of: Set<string>, c: Colours): LayerSpecification[] {
  const first = (...names: string[]) => names.find((n) => of.has(n));
  const out: LayerSpecification[] = [];
  const add = (name: string | undefined, layer: object) => {
    if (name) out.push({ id: `${SOURCE}-${name}`, source: SOURCE, "source-layer": name, ...layer } as LayerSpecification);
  };
  add(first("earth", "land"), { type: "fill", paint: { "fill-color": c.land } });
  add(first("landuse", "landcover"), { type: "fill", paint: { "fill-color": c.border, "fill-opacity": 0.22 } });
  add(first("water", "ocean", "water_polygons"), { type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c.sea } });
  add(first("buildings", "building"), { type: "fill", minzoom: 13, paint: { "fill-color": c.border, "fill-opacity": 0.6 } });
  add(first("roads", "transportation", "streets"), {
    type: "line", paint: { "line-color": c.border, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 5, 0.4, 16, 5] },
  });
  add(first("boundaries", "boundary"), { type: "line", paint: { "line-color": c.coast, "line-width": 0.8, "line-dasharray": [3, 2] } });
  add(first("places", "place", "place_labels"), {
    type: "symbol",
    layout: { "text-font": ["sans-serif"], "text-field": ["coalesce", ["get", "name"], ["get", "name:en"], ""], "text-size": 12, "text-max-width": 8 },
    paint: { "text-color": c.label, "text-halo-color": c.halo, "text-halo-width": 1.2 },
  });
  return out;
}

export interface Basemap {
  /** What must be said of the data, as text. */
  said: string;
  repaint(c: Colours): void;
}

/** Lays the file below the hits; what the Earth's own outline draws goes. */
export async function addBasemap(gl: typeof import("maplibre-gl"), map: GlMap, c: Colours): Promise<Basemap> {
  const url = new URL("/basemap.pmtiles", location.href).href;
  const file = new PMTiles(url);
  const protocol = new Protocol();
  protocol.add(file);
  gl.addProtocol("pmtiles", protocol.tile);
  const [header, metadata] = [await file.getHeader(), (await file.getMetadata()) as Metadata];
  const vector = header.tileType === TileType.Mvt;
  map.addSource(SOURCE, { type: vector ? "vector" : "raster", url: `pmtiles://${url}`, ...(!vector && { tileSize: 256 }) });
  const names = new Set(metadata.vector_layers?.map((l) => l.id));
  const made: LayerSpecification[] = vector ? layers(names, c) : [{ id: SOURCE, type: "raster", source: SOURCE }];
  for (const layer of made) map.addLayer(layer, layer.type === "symbol" ? "limit-fill" : BELOW);
  if (made.some((l) => l.type === "symbol")) map.setLayoutProperty("names", "visibility", "none");
  const said = new DOMParser().parseFromString(metadata.attribution ?? "", "text/html");
  return {
    said: said.body.textContent?.trim() || "basemap.pmtiles",
    repaint: (now) => vector && paintLayers(map, layers(names, now)),
  };
}
