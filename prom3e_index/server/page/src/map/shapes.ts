// Boxes and circles on the sphere as GeoJSON, and the box around what is drawn.

import type { Near } from "../query.ts";
import type { Box, Place } from "../types.ts";

const RADIUS_KM = 6371.0088;
const radians = (d: number) => (d * Math.PI) / 180;
const degrees = (r: number) => (r * 180) / Math.PI;

export function collection(features: GeoJSON.Feature[]): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features };
}

export function point(at: Place, properties: GeoJSON.GeoJsonProperties = {}): GeoJSON.Feature {
  return { type: "Feature", properties, geometry: { type: "Point", coordinates: [at[1], at[0]] } };
}

/** A box; one whose west lies east of its east reaches over the date line. */
export function box([west, south, east, north]: Box): GeoJSON.Feature {
  const right = east < west ? east + 360 : east;
  const ring = [[west, south], [right, south], [right, north], [west, north], [west, south]];
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}

/** Great-circle distance in kilometres. */
export function kilometres(a: Place, b: Place): number {
  const [dy, dx] = [radians(b[0] - a[0]), radians(b[1] - a[1])];
  const h = Math.sin(dy / 2) ** 2 + Math.cos(radians(a[0])) * Math.cos(radians(b[0])) * Math.sin(dx / 2) ** 2;
  return 2 * RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** A circle of 96 corners. */
export function circle({ at, km }: Near): GeoJSON.Feature {
  const [latitude, longitude] = [radians(at[0]), radians(at[1])];
  const angle = km / RADIUS_KM;
  const ring = Array.from({ length: 97 }, (_, i) => {
    const bearing = (i * 2 * Math.PI) / 96;
    const y = Math.asin(Math.sin(latitude) * Math.cos(angle) + Math.cos(latitude) * Math.sin(angle) * Math.cos(bearing));
    const x = longitude + Math.atan2(Math.sin(bearing) * Math.sin(angle) * Math.cos(latitude), Math.cos(angle) - Math.sin(latitude) * Math.sin(y));
    return [degrees(x), degrees(y)];
  });
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}

function corners(of: unknown, out: number[][]): void {
  if (Array.isArray(of) && typeof of[0] === "number") out.push(of as number[]);
  else if (Array.isArray(of)) for (const part of of) corners(part, out);
}

/** The shortest box around features, east beyond 180 where it reaches over the date line; null where none has a place. */
export function around(features: GeoJSON.Feature[]): Box | null {
  const all: number[][] = [];
  for (const f of features) if (f.geometry && "coordinates" in f.geometry) corners(f.geometry.coordinates, all);
  if (!all.length) return null;
  const y = all.map((c) => c[1] as number).sort((a, b) => a - b);
  const x = all.map((c) => wrapped(c[0] as number)).sort((a, b) => a - b);
  const [first, last] = [x[0] as number, x.at(-1) as number];
  let [west, east, widest] = [first, last, first + 360 - last];
  for (let i = 1; i < x.length; i++) {
    const [a, b] = [x[i - 1] as number, x[i] as number];
    if (b - a > widest) [west, east, widest] = [b, a + 360, b - a];
  }
  return [west, y[0] as number, east, y.at(-1) as number];
}

export const wrapped = (longitude: number): number => ((((longitude + 180) % 360) + 360) % 360) - 180;

/** A box as the API takes it: longitudes within ±180, all of them where it is wider than the Earth. */
export function tidy([west, south, east, north]: Box): Box {
  const round = (v: number) => Number(v.toFixed(4));
  const [low, high] = [Math.max(-90, south), Math.min(90, north)];
  if (east - west >= 360) return [-180, round(low), 180, round(high)];
  return [round(wrapped(west)), round(low), round(wrapped(east)), round(high)];
}
