// The map by MapLibre, behind a few verbs; nothing else of the page knows that library.

import type { GeoJSONSource, MapMouseEvent, StyleSpecification } from "maplibre-gl";
import type { Box, Place } from "../types.ts";
import { addBasemap, type Basemap, paintLayers } from "./basemap.ts";
import { type Colours, colours, SCALE } from "./colours.ts";
import { type Ground, earth, labels, planet, vendored } from "./ground.ts";
import { collection } from "./shapes.ts";

type Features = GeoJSON.FeatureCollection;

export interface Listener {
  /** The view changed; `byHand` where somebody moved it. */
  moved(view: Box, camera: string, byHand: boolean): void;
  /** The pointer is over a hit, at pixels of the map; or over none. */
  over(row: number | null, at: [number, number]): void;
  chose(row: number): void;
  /** The map has another size, or is shown for the first time. */
  resized(): void;
}

export interface Drawn {
  setHits(features: Features): void;
  setPointed(feature: GeoJSON.Feature | null): void;
  setAsked(features: Features): void;
  setLimits(features: Features): void;
  setCells(features: Features): void;
  setDensity(features: Features): void;
  fit(box: Box | null): void;
  zoom(by: number): void;
  drawing(on: boolean): void;
  /** Lays the user's own map below; gives what must be said of its data. */
  basemap(): Promise<string>;
  at(x: number, y: number): Place;
  canvas: HTMLElement;
  /** Draws in the palette and the language of the page as they are now. */
  repaint(title: string): void;
  destroy(): void;
}

export function hasWebGl2(): boolean {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

const EMPTY = collection([]);
const HITS = ["hit-boxes", "hit-dots"];
const CLOSE = 2.6; // from this zoom on coasts are drawn at 1:50m

function style(c: Colours): StyleSpecification {
  const data = (d: Features = EMPTY) => ({ type: "geojson" as const, data: d, tolerance: 0.2 });
  const kind = ["case", ["get", "completed"], c.completed, c.observed] as never;
  const font = { "text-font": ["sans-serif"] };
  return {
    version: 8,
    sources: {
      land: data(), coast: data(), borders: data(), names: data(), density: data(), cells: data(), hits: data(), limits: data(), asked: data(), pointed: data(),
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": c.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": c.land, "fill-antialias": false } },
      {
        id: "cells", type: "fill", source: "cells",
        paint: {
          "fill-color": ["interpolate", ["linear"], ["get", "share"], ...SCALE.flatMap((s, i) => [i / (SCALE.length - 1), s])] as never,
          "fill-opacity": ["case", ["get", "extrapolated"], 0.35, 0.85], "fill-antialias": false,
        },
      },
      {
        id: "density", type: "fill", source: "density",
        paint: {
          "fill-color": ["interpolate", ["linear"], ["get", "share"], ...c.counts.flatMap((s, i) => [i / (c.counts.length - 1), s])] as never,
          "fill-opacity": 0.8, "fill-antialias": false,
        },
      },
      { id: "coast", type: "line", source: "coast", paint: { "line-color": c.coast, "line-width": 0.8 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": c.border, "line-width": 0.6, "line-dasharray": [3, 2] } },
      {
        id: "names", type: "symbol", source: "names", filter: [">", ["get", "size"], ["step", ["zoom"], 700, 1, 250, 2, 60, 3, 12, 4, 2, 5, 0]] as never,
        layout: { ...font, "text-field": ["get", "name"], "text-size": 11, "text-max-width": 7, "symbol-sort-key": ["-", 0, ["get", "size"]] },
        paint: { "text-color": c.label, "text-halo-color": c.halo, "text-halo-width": 1.2 },
      },
      { id: "limit-fill", type: "fill", source: "limits", paint: { "fill-color": c.observed, "fill-opacity": 0.08 } },
      { id: "limit-line", type: "line", source: "limits", paint: { "line-color": c.observed, "line-width": 1.6, "line-dasharray": [4, 2] } },
      { id: "hit-boxes", type: "fill", source: "hits", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": kind, "fill-opacity": 0.28 } },
      { id: "hit-box-lines", type: "line", source: "hits", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": kind, "line-width": 1 } },
      {
        id: "hit-dots", type: "circle", source: "hits", filter: ["==", ["geometry-type"], "Point"],
        layout: { "circle-sort-key": ["-", 0, ["get", "rank"]] },
        paint: {
          "circle-color": kind, "circle-stroke-color": c.edge, "circle-stroke-width": 1.2,
          "circle-radius": ["case", ["<=", ["get", "rank"], 24], 8, 4.5] as never,
          "circle-opacity": ["case", ["<=", ["get", "rank"], 24], 1, 0.75] as never,
        },
      },
      {
        id: "hit-ranks", type: "symbol", source: "hits", filter: ["<=", ["get", "rank"], 24],
        layout: { ...font, "text-field": ["to-string", ["get", "rank"]], "text-size": 10, "symbol-sort-key": ["get", "rank"], "text-padding": 1 },
        paint: { "text-color": c.on },
      },
      { id: "pointed-box", type: "line", source: "pointed", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": c.asked, "line-width": 2.5 } },
      { id: "pointed", type: "circle", source: "pointed", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 11, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": c.asked, "circle-stroke-width": 2.5 } },
      { id: "asked", type: "circle", source: "asked", paint: { "circle-radius": 7, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": c.asked, "circle-stroke-width": 2.5 } },
      { id: "asked-dot", type: "circle", source: "asked", paint: { "circle-radius": 2.2, "circle-color": c.asked } },
    ],
  };
}

export async function draw(into: HTMLElement, own: boolean, camera: string | null, title: string, told: Listener): Promise<Drawn> {
  const url = vendored("maplibre-gl.mjs");
  const gl = (await import(url)) as typeof import("maplibre-gl");
  gl.setWorkerUrl(new URL(vendored("maplibre-gl-worker.mjs"), location.href).href);
  const [longitude, latitude, zoom] = (camera ?? "").split(",").map(Number);
  const known = camera !== null && [longitude, latitude, zoom].every((v) => Number.isFinite(v));
  const map = new gl.Map({
    container: into,
    style: style(colours()),
    center: known ? [longitude as number, latitude as number] : [0, 15],
    zoom: known ? zoom : 0.4,
    minZoom: -1,
    maxZoom: 16,
    attributionControl: false,
    locale: { "Map.Title": title },
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    fadeDuration: 0,
    trackResize: true,
    // the whole Earth fits into a tall map too, with sea beyond the poles
    transformConstrain: (at, to) => ({ center: new gl.LngLat(at.lng, Math.max(-85, Math.min(85, at.lat))), zoom: Math.max(-1, to) }),
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  await new Promise<void>((resolve) => (map.loaded() ? resolve() : map.once("load", () => resolve())));

  const set = (name: string, features: Features | GeoJSON.Feature) => (map.getSource(name) as GeoJSONSource | undefined)?.setData(features);
  let ground: Ground | null = null;
  function lay(next: Ground): void {
    ground = next;
    set("land", next.land);
    set("coast", next.coast);
    set("borders", next.borders);
    set("names", labels(next));
  }
  let fine = own;
  async function closer(): Promise<void> {
    if (fine || map.getZoom() < CLOSE) return;
    fine = true;
    lay(await earth(true));
  }
  void (own ? planet() : earth(false)).then(lay, () => undefined).then(closer);

  function report(byHand: boolean): void {
    const b = map.getBounds();
    const at = map.getCenter();
    told.moved([b.getWest(), b.getSouth(), b.getEast(), b.getNorth()], `${at.lng.toFixed(3)},${at.lat.toFixed(3)},${map.getZoom().toFixed(2)}`, byHand);
  }
  map.on("moveend", (e) => {
    report("originalEvent" in e && !!e.originalEvent);
    void closer();
  });
  let below: Basemap | null = null;
  let drawing = false;
  const rowAt = (e: MapMouseEvent): number | null => {
    const found = drawing ? [] : map.queryRenderedFeatures(e.point, { layers: HITS });
    const best = found.sort((a, b) => Number(a.properties.rank) - Number(b.properties.rank))[0];
    return best ? Number(best.properties.row) : null;
  };
  map.on("mousemove", (e) => {
    const row = rowAt(e);
    if (!drawing) map.getCanvas().style.cursor = row === null ? "" : "pointer";
    told.over(row, [e.point.x, e.point.y]);
  });
  map.on("mouseout", () => told.over(null, [0, 0]));
  map.on("click", (e) => {
    const row = rowAt(e);
    if (row !== null) told.chose(row);
  });
  map.on("resize", () => told.resized());
  report(false);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  return {
    setHits: (f) => set("hits", f),
    setPointed: (f) => set("pointed", collection(f ? [f] : [])),
    setAsked: (f) => set("asked", f),
    setLimits: (f) => set("limits", f),
    setCells: (f) => set("cells", f),
    setDensity: (f) => set("density", f),
    fit(to) {
      const move = { animate: !still.matches, duration: 500 };
      const [west, south, east, north] = to ?? [-180, -60, 180, 80];
      const whole = Math.log2(map.getContainer().clientWidth / 512); // the zoom at which the Earth is seen once
      if (east - west > 250) map.easeTo({ center: [0, Math.max(-30, Math.min(30, (south + north) / 2))], zoom: whole, ...move });
      else map.fitBounds([west, south, east, north], { padding: 42, maxZoom: 7, ...move });
    },
    zoom: (by) => void map.zoomTo(map.getZoom() + by, { animate: !still.matches, duration: 250 }),
    drawing(on) {
      drawing = on;
      map.getCanvas().style.cursor = on ? "crosshair" : "";
      for (const handler of [map.dragPan, map.doubleClickZoom, map.boxZoom]) on ? handler.disable() : handler.enable();
    },
    async basemap() {
      below = await addBasemap(gl, map, colours());
      below.repaint(colours()); // the palette may have changed meanwhile
      return below.said;
    },
    at(x, y) {
      const p = map.unproject([x, y]);
      return [Math.max(-90, Math.min(90, p.lat)), p.lng];
    },
    canvas: map.getCanvas(),
    repaint(named) {
      paintLayers(map, style(colours()).layers);
      below?.repaint(colours());
      map.getCanvas().setAttribute("aria-label", named);
      if (ground) set("names", labels(ground));
    },
    destroy: () => map.remove(),
  };
}
