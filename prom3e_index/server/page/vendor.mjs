// Writes what the page uses of other people's work into ../static/vendor, and their notices beside it.
// `node vendor.mjs [--out DIR]`: DIR stands for ../static. The same lock gives the same bytes.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { feature, mesh } from "topojson-client";
import { cut } from "./dateline.mjs";
import { outFolder } from "./out.mjs";

const require = createRequire(import.meta.url);
const out = outFolder();
const vendor = join(out, "vendor");

function packageFolder(name) {
  const found = require.resolve.paths(name).map((p) => join(p, name, "package.json"));
  for (const path of found) {
    try {
      return [dirname(path), JSON.parse(readFileSync(path, "utf8"))];
    } catch {}
  }
  throw new Error(`${name} is not installed: npm ci`);
}

/** A script of MapLibre, without the line that asks for its source map, which is not shipped. */
function script(name) {
  const [folder] = packageFolder("maplibre-gl");
  const text = readFileSync(join(folder, "dist", name), "utf8");
  return text.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n");
}

const places = 2; // 1:50m is drawn to about a kilometre
const rounded = (p, n) => [Number(p[0].toFixed(n)), Number(p[1].toFixed(n))];

function ring(points, n) {
  const kept = [];
  for (const p of points.map((q) => rounded(q, n))) {
    const last = kept.at(-1);
    if (!last || last[0] !== p[0] || last[1] !== p[1]) kept.push(p);
  }
  return kept;
}

/** Twice the area in square degrees, and the middle, of a ring. */
function middle(points) {
  let area = 0, x = 0, y = 0, turned = 0; // longitudes run on over the date line
  for (let i = 1; i < points.length; i++) {
    const step = points[i][0] - points[i - 1][0];
    const a = [points[i - 1][0] + turned, points[i - 1][1]];
    turned += step > 180 ? -360 : step < -180 ? 360 : 0;
    const b = [points[i][0] + turned, points[i][1]];
    const cross = a[0] * b[1] - b[0] * a[1];
    area += cross;
    x += (a[0] + b[0]) * cross;
    y += (a[1] + b[1]) * cross;
  }
  if (turned) return [Math.abs(area), [0, points[0][1] < 0 ? -82 : 82]]; // around a pole
  return [Math.abs(area), area ? [x / (3 * area), y / (3 * area)] : points[0]];
}

function names(countries) {
  const found = [];
  for (const { id, properties, geometry } of countries.features) {
    if (!geometry || !properties.name) continue;
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
    const [area, at] = polygons.map((p) => middle(p[0])).sort((a, b) => b[0] - a[0])[0];
    const wide = Math.cos((at[1] * Math.PI) / 180);
    found.push({ id: id ?? null, name: properties.name, at: rounded(at, 2), size: Number((area * wide).toFixed(1)) });
  }
  return found.sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1));
}

/** Land, borders and names of countries at a scale of Natural Earth. */
function earth(scale, n) {
  const read = (what) => JSON.parse(readFileSync(join(packageFolder("world-atlas")[0], `${what}-${scale}.json`), "utf8"));
  const [land, countries] = [read("land"), read("countries")];
  const polygons = feature(land, land.objects.land).features.flatMap((f) =>
    f.geometry.type === "Polygon" ? [f.geometry.coordinates] : f.geometry.coordinates,
  );
  const kept = polygons.flatMap(cut).map((p) => p.map((r) => ring(r, n)).filter((r) => r.length > 3)).filter((p) => p.length);
  const borders = mesh(countries, countries.objects.countries, (a, b) => a !== b).coordinates;
  return JSON.stringify({
    land: kept,
    borders: borders.map((l) => ring(l, n)).filter((l) => l.length > 1),
    names: names(feature(countries, countries.objects.countries)),
  });
}

const used = ["maplibre-gl", "pmtiles", "fflate", "world-atlas", "preact", "@preact/signals", "@preact/signals-core", "topojson-client"];

function notices() {
  const parts = ["The page of prom3e-index holds, or was made with, the following works.\n"];
  for (const name of used) {
    const [folder, about] = packageFolder(name);
    const own = fileURLToPath(new URL(`licences/${name}.txt`, import.meta.url)); // of a package that brings none
    const file = [...["LICENSE", "LICENSE.txt", "LICENSE.md"].map((f) => join(folder, f)), own];
    const text = file.map((f) => { try { return readFileSync(f, "utf8"); } catch { return ""; } }).find(Boolean);
    if (!text) throw new Error(`${name} brings no licence`);
    parts.push(`${"=".repeat(72)}\n${name} ${about.version} (${about.license})\n\n${text.trim()}\n`);
  }
  parts.push(`${"=".repeat(72)}\nNatural Earth 4.1, through world-atlas: public domain. Borders are drawn as countries are governed.\n`);
  return parts.join("\n").replaceAll("\r\n", "\n");
}

rmSync(vendor, { recursive: true, force: true });
mkdirSync(vendor, { recursive: true });
for (const name of ["maplibre-gl.mjs", "maplibre-gl-worker.mjs"]) writeFileSync(join(vendor, name), script(name));
writeFileSync(join(vendor, "earth-110m.json"), earth("110m", 1));
writeFileSync(join(vendor, "earth-50m.json"), earth("50m", places));
writeFileSync(join(out, "NOTICES.txt"), notices());
