// What lies under the hits: the Earth's land and countries that come with the page, or the index's own planet.

import { get } from "../api.ts";
import type { Place } from "../types.ts";
import { country } from "../words.ts";

declare const VENDORED: Record<string, string>;
export const vendored = (name: string): string => VENDORED[name] ?? `/static/vendor/${name}`;

export interface Ground {
  land: GeoJSON.Feature;
  coast: GeoJSON.Feature;
  borders: GeoJSON.Feature;
  names: { id: string | null; name: string; at: Place; size: number }[];
}

interface Atlas {
  land: number[][][][];
  borders: number[][][];
  names: { id: string | null; name: string; at: [number, number]; size: number }[];
}

const feature = (geometry: GeoJSON.Geometry): GeoJSON.Feature => ({ type: "Feature", properties: {}, geometry });

/** Where a line runs along the edge of the sheet: a cut of the outline, no coast. */
function onEdge(a: number[], b: number[]): boolean {
  const [x, y] = [a[0] ?? 0, b[0] ?? 0];
  return (Math.abs(x) > 179.9 && Math.abs(y) > 179.9) || (Math.abs(a[1] ?? 0) > 89.5 && Math.abs(b[1] ?? 0) > 89.5);
}

function coast(land: number[][][][]): number[][][] {
  const lines: number[][][] = [];
  for (const points of land.flat()) {
    let line: number[][] = [];
    points.forEach((p, i) => {
      const before = points[i - 1];
      if (before && onEdge(before, p)) {
        if (line.length > 1) lines.push(line);
        line = [];
      }
      line.push(p);
    });
    if (line.length > 1) lines.push(line);
  }
  return lines;
}

function made(land: number[][][][], borders: number[][][], names: Ground["names"]): Ground {
  return {
    land: feature({ type: "MultiPolygon", coordinates: land }),
    coast: feature({ type: "MultiLineString", coordinates: coast(land) }),
    borders: feature({ type: "MultiLineString", coordinates: borders }),
    names,
  };
}

/** The Earth at 1:110m, or at 1:50m for closer looks. */
export async function earth(fine: boolean): Promise<Ground> {
  const atlas = await get<Atlas>(vendored(fine ? "earth-50m.json" : "earth-110m.json"));
  const names = atlas.names.map((n) => ({ ...n, at: [n.at[1], n.at[0]] as Place }));
  return made(atlas.land, atlas.borders, names);
}

type Outline = GeoJSON.FeatureCollection | GeoJSON.Feature | GeoJSON.Geometry;

function polygons(of: Outline): number[][][][] {
  if (of.type === "FeatureCollection") return of.features.flatMap(polygons);
  if (of.type === "Feature") return polygons(of.geometry);
  if (of.type === "MultiPolygon") return of.coordinates;
  return of.type === "Polygon" ? [of.coordinates] : [];
}

/** The outline that the index brings of its own planet. */
export async function planet(): Promise<Ground> {
  return made(polygons(await get<Outline>("outline.json")), [], []);
}

export function labels(ground: Ground): GeoJSON.FeatureCollection {
  return {
    type: "FeatureCollection",
    features: ground.names.map((n) => ({
      type: "Feature",
      properties: { name: country(n.id, n.name), size: n.size },
      geometry: { type: "Point", coordinates: [n.at[1], n.at[0]] },
    })),
  };
}
