// The map beside the list: hits, what is asked by place, what limits the answer, and the tools that draw these.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { nameOf } from "../hit.ts";
import { Icon } from "../icons.tsx";
import { colours, repainted, SCALE } from "../map/colours.ts";
import { draw, type Drawn, hasWebGl2 } from "../map/draw.ts";
import { credit, density, dropRange, fetchDensity, fetchHits, fetchRange, mapHits, range, rangeCells, ranging } from "../map/layers.ts";
import { around, box, circle, collection, kilometres, point, tidy, wrapped } from "../map/shapes.ts";
import { sentence } from "../said.ts";
import { addPart, filterBy, isAsked, keepCamera, readCamera } from "../searching.ts";
import { answer, asked, hits, index, pane, pointed, said, shown, sorted, tell, tool, type Tool, view } from "../state.ts";
import type { Place } from "../types.ts";
import { english, language, number, t } from "../words.ts";
import { FlatMap } from "./flatmap.tsx";
import { Mixed } from "./mixed.tsx";

const TOOLS: [Tool, string][] = [["move", "move"], ["pick", "pick"], ["box", "box"], ["circle", "circle"]];

export function askedPlaces(): GeoJSON.FeatureCollection {
  return collection(asked.value.parts.flatMap((p) => (p.kind === "place" ? [point(p.at)] : [])));
}

/** Puts a place, a box or a circle that was drawn to its use. */
export function drawn(which: Tool, from: Place, to: Place): void {
  const [a, b] = [{ y: from[0], x: from[1] }, { y: to[0], x: to[1] }];
  if (which === "pick") addPart({ kind: "place", at: [Number(b.y.toFixed(5)), Number(wrapped(b.x).toFixed(5))] });
  else if (which === "box") filterBy({ bbox: tidy([Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)]), near: null });
  else if (which === "circle") {
    const km = Number(kilometres(from, to).toPrecision(4));
    if (km > 0) filterBy({ near: { at: [Number(a.y.toFixed(5)), Number(wrapped(a.x).toFixed(5))], km }, bbox: null });
  }
  tool.value = "move";
}

/** Brings the card of a row into view, and the focus to it. */
export function goToCard(row: number): void {
  const at = sorted.value.findIndex((h) => h.row === row);
  if (at < 0) return;
  if (at >= shown.value) shown.value = Math.ceil((at + 1) / 24) * 24;
  pointed.value = row;
  requestAnimationFrame(() => {
    const card = document.querySelector<HTMLElement>(`.card[data-row="${row}"]`);
    card?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    card?.querySelector<HTMLElement>("button.open")?.focus({ preventScroll: true });
  });
}

export function MapPane() {
  const flat = useRef(!hasWebGl2());
  const made = useSignal<Drawn | null>(null);
  const failed = useSignal(false);
  const wanted = useSignal(matchMedia("(min-width: 1000px)").matches);
  if (pane.value === "map") wanted.value = true; // a narrow page loads the map when it is looked at
  useEffect(() => {
    const wide = matchMedia("(min-width: 1000px)");
    const widened = () => (wanted.value ||= wide.matches);
    wide.addEventListener("change", widened);
    return () => wide.removeEventListener("change", widened);
  }, []);
  useEffect(() => {
    const asking = new AbortController();
    dropRange();
    void (answer.value ? fetchHits(asking.signal) : fetchDensity(asking.signal));
    if (!answer.value) mapHits.value = collection([]);
    return () => asking.abort();
  }, [answer.value?.id, index.value?.generation]);
  return (
    <section class="map" aria-labelledby="map-title">
      <h2 id="map-title" class="hidden">{t("map.title")}</h2>
      <Tools />
      {!wanted.value ? null : flat.current || failed.value ? <FlatMap /> : <GlMapView made={made} failed={failed} />}
      <Legend counts={!flat.current && !failed.value} />
    </section>
  );
}

function Tools() {
  return (
    <div class="toolbar" role="toolbar" aria-label={t("map.tools")}>
      {TOOLS.map(([name, icon]) => (
        <button key={name} type="button" aria-pressed={tool.value === name} title={t(`tool.${name}.why`)} onClick={() => (tool.value = tool.value === name ? "move" : name)}>
          <Icon name={icon} size={15} />
          <span>{t(`tool.${name}`)}</span>
        </button>
      ))}
      {isAsked() && answer.value && index.value?.allows?.ranges !== false && (
        <button
          type="button"
          aria-pressed={range.value !== null}
          aria-busy={ranging.value}
          title={t("range.why")}
          onClick={() => (range.value ? dropRange() : void fetchRange(asked.value.filter.bbox))}
        >
          <Icon name="layers" size={15} />
          <span>{ranging.value ? t("range.busy") : t("range")}</span>
        </button>
      )}
      {tool.value !== "move" && <p class="hint" role="status">{t(`tool.${tool.value}.how`)}</p>}
    </div>
  );
}

function Zooms({ made }: { made: Drawn }) {
  const fits = () => made.fit(answer.value ? around([...mapHits.value.features, ...askedPlaces().features]) : around(density.value.features));
  return (
    <div class="zooms">
      <button type="button" title={t("map.in")} onClick={() => made.zoom(1)}><Icon name="plus" size={15} /><span class="hidden">{t("map.in")}</span></button>
      <button type="button" title={t("map.out")} onClick={() => made.zoom(-1)}><Icon name="minus" size={15} /><span class="hidden">{t("map.out")}</span></button>
      <button type="button" title={t("map.fit")} onClick={fits}><Icon name="fit" size={15} /><span class="hidden">{t("map.fit")}</span></button>
    </div>
  );
}

function GlMapView({ made, failed }: { made: { value: Drawn | null }; failed: { value: boolean } }) {
  const into = useRef<HTMLDivElement>(null);
  const tip = useSignal<{ row: number; at: [number, number] } | null>(null);
  const byHand = useRef(readCamera() !== null);
  const refit = useRef(() => undefined as void);
  useEffect(() => {
    let gone = false;
    const listener = {
      moved(next: [number, number, number, number], camera: string, hand: boolean) {
        view.value = tidy(next);
        if (!hand) return;
        byHand.current = true;
        keepCamera(camera);
      },
      over(row: number | null, at: [number, number]) {
        tip.value = row === null ? null : { row, at };
        if (row !== null || pointed.value !== null) pointed.value = row;
      },
      chose: goToCard,
      resized: () => refit.current(),
    };
    draw(into.current as HTMLElement, index.value?.outline === "planet", readCamera(), t("map.region"), listener).then(
      (map) => {
        if (gone) map.destroy();
        else made.value = map;
        if (!gone && index.value?.allows?.basemap)
          map.basemap().then(
            (said) => (credit.value = said),
            (error: Error) => tell(`${t("map.basemap.fails")} ${english(error.message)}`),
          );
      },
      () => (failed.value = true),
    );
    return () => {
      gone = true;
      made.value?.destroy();
      made.value = null;
    };
  }, []);
  const map = made.value;
  useEffect(() => map?.repaint(t("map.region")), [map, language.value, repainted.value]);
  useEffect(() => map?.setCells(rangeCells.value), [map, rangeCells.value]);
  useEffect(() => map?.setDensity(answer.value ? collection([]) : density.value), [map, density.value, answer.value === null]);
  useEffect(() => map?.setAsked(askedPlaces()), [map, asked.value.parts]);
  const { bbox, near } = asked.value.filter;
  useEffect(() => map?.setLimits(collection([...(bbox ? [box(bbox)] : []), ...(near ? [circle(near)] : [])])), [map, bbox, near]);
  refit.current = () => {
    const some = answer.value ? [...mapHits.value.features, ...askedPlaces().features] : density.value.features;
    if (map && !byHand.current && some.length) map.fit(around(some));
  };
  useEffect(() => {
    map?.setHits(mapHits.value);
    refit.current();
  }, [map, mapHits.value, density.value]);
  useEffect(() => {
    map?.setPointed(mapHits.value.features.find((f) => f.properties?.row === pointed.value) ?? null);
  }, [map, pointed.value, mapHits.value]);
  useDrawing(map);
  const hit = tip.value && hits.value.find((h) => h.row === tip.value?.row);
  return (
    <div class="sheet">
      {map && <Zooms made={map} />}
      <div class="gl" ref={into} />
      {hit && tip.value && (
        <div class="tip" style={{ left: `${tip.value.at[0]}px`, top: `${tip.value.at[1]}px` }} aria-hidden="true">
          {number(hit.rank)} · <span class="latin">{nameOf(hit)}</span>
        </div>
      )}
    </div>
  );
}

/** Boxes, circles and picks on the map, by mouse, pen or finger. */
function useDrawing(map: Drawn | null): void {
  const which = tool.value;
  useEffect(() => {
    if (!map) return;
    map.drawing(which !== "move");
    if (which === "move") return;
    said.value = t(`tool.${which}.how`);
    const canvas = map.canvas;
    let from: Place | null = null;
    const at = (e: PointerEvent): Place => {
      const rect = canvas.getBoundingClientRect();
      return map.at(e.clientX - rect.left, e.clientY - rect.top);
    };
    const down = (e: PointerEvent) => {
      from = at(e);
      canvas.setPointerCapture(e.pointerId);
      e.preventDefault();
    };
    const move = (e: PointerEvent) => {
      if (!from || which === "pick") return;
      const to = at(e);
      const shape = which === "box"
        ? box([Math.min(from[1], to[1]), Math.min(from[0], to[0]), Math.max(from[1], to[1]), Math.max(from[0], to[0])])
        : circle({ at: from, km: kilometres(from, to) });
      map.setLimits(collection([shape]));
    };
    const up = (e: PointerEvent) => {
      if (from) drawn(which, from, at(e));
      from = null;
    };
    canvas.addEventListener("pointerdown", down);
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", up);
    return () => {
      canvas.removeEventListener("pointerdown", down);
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", up);
    };
  }, [map, which]);
}

function Swatches({ of }: { of: string[] }) {
  return (
    <svg width={of.length * 20} height="10" aria-hidden="true">
      {of.map((c, i) => <rect key={c} x={i * 20} y="0" width="20" height="10" fill={c} />)}
    </svg>
  );
}

function Legend({ counts }: { counts: boolean }) {
  repainted.value; // the swatches follow the palette
  const some = range.value;
  return (
    <div class="legend">
      {answer.value && hits.value.length > 0 && (
        <p>
          <i class="dot observed" /> {t("card.observed")} <i class="dot completed" /> {t("card.completed")}
          {mapHits.value.features.length < hits.value.length && <span class="soft"> · {t("map.placeless", { n: hits.value.length - mapHits.value.features.length })}</span>}
        </p>
      )}
      {!answer.value && counts && density.value.features.length > 0 && (
        <p class="soft">
          {t("map.density")} {t("map.few")} <Swatches of={colours().counts} /> {t("map.many")}
        </p>
      )}
      {some && (
        <div class="scale">
          <span>{number(some.low, 2)}</span>
          <Swatches of={SCALE} />
          <span>{number(some.high, 2)}</span>
          <span>{t("range.legend", { n: some.cells })}</span>
          {some.extrapolated > 0 && <span class="soft">{t("range.outside", { n: some.extrapolated })}</span>}
          {some.notes.map((n) => <span key={n} class="soft"><Mixed text={sentence(n, some.said)} /></span>)}
        </div>
      )}
      <p class="soft small">{index.value?.outline === "planet" ? t("map.planet") : ["Natural Earth", credit.value].filter(Boolean).join(" · ")}</p>
    </div>
  );
}
