// A link read: what it asks, and what of it is not understood.

import { type Asked, type Near, NO_FILTER, type Part } from "./query.ts";
import type { Sort } from "./state.ts";
import type { Box, Place } from "./types.ts";

export interface Read {
  asked: Asked;
  sort: Sort;
  open: number | null;
  /** Longitude, latitude and zoom of the map, as the link has them. */
  view: string | null;
  /** What is left out, each as `name=value`. */
  unread: string[];
}

/** Numbers of a list; none where one of them is none, or there are not as many as there must be. */
export function numbersOf(text: string | null, count?: number): number[] | null {
  if (!text) return null;
  const values = text.split(",").map((v) => (v.trim() === "" ? Number.NaN : Number(v)));
  return values.every(Number.isFinite) && (count === undefined || values.length === count) ? values : null;
}

/** A place as people write it: two numbers with a comma, a semicolon or a blank between them, or letters of the sides. */
export function placeOf(text: string): Place | null {
  const found = /^\s*([+-]?\d+(?:\.\d+)?)\s*°?\s*([NSns])?[\s,;]+([+-]?\d+(?:\.\d+)?)\s*°?\s*([EWewOo])?\s*$/.exec(text.replaceAll("−", "-"));
  if (!found) return null;
  const latitude = Number(found[1]) * (/s/i.test(found[2] ?? "") ? -1 : 1);
  const longitude = Number(found[3]) * (/w/i.test(found[4] ?? "") ? -1 : 1);
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? [latitude, longitude] : null;
}

/** A circle as `--near` takes it, `46.8,7.1,50km` or `500m`; kilometres where no unit stands. */
export function nearOf(text: string): Near | null {
  const cut = text.lastIndexOf(",");
  const at = placeOf(text.slice(0, Math.max(0, cut)));
  const found = /^\s*(\d+(?:\.\d+)?)\s*(km|m)?\s*$/.exec(text.slice(cut + 1));
  const km = found ? Number(found[1]) / (found[2] === "m" ? 1000 : 1) : 0;
  return at && km > 0 ? { at, km } : null;
}

function boxOf(text: string): Box | null {
  const found = numbersOf(text, 4);
  const [west, south, east, north] = found ?? [];
  return found && [south, north].every((v) => Math.abs(v as number) <= 90) && [west, east].every((v) => Math.abs(v as number) <= 180) ? (found as Box) : null;
}

function rowsOf(text: string): number[] | null {
  return /^\d+(,\d+)*$/.test(text) ? text.split(",").map(Number) : null;
}

function likeOf(text: string): Part | null {
  const [row, ...by] = text.split(",");
  return /^\d+$/.test(row ?? "") ? { kind: "like", row: Number(row), by } : null;
}

function fileOf(modality: "image" | "audio" | "sat", text: string): Part | null {
  const [upload, ...span] = text.split(",");
  const [from, to] = span.map(Number);
  const fits = span.length === 0 || (span.length === 2 && modality === "audio" && Number.isFinite(from) && Number.isFinite(to));
  if (!/^sha256-[0-9a-f]{64}$/.test(upload ?? "") || !fits) return null;
  return { kind: "upload", file: { upload: upload as string, modality }, ...(span.length && { from, to }) };
}

/** Names that a link may have several times. */
const SEVERAL = new Set(["text", "like", "image", "audio", "sat", "license"]);

export function fromSearch(search: URLSearchParams): Read {
  const asked: Asked = { parts: [], target: null, filter: { ...NO_FILTER, license: [] }, more: [], less: [], generation: null };
  const out: Read = { asked, sort: "score", open: null, view: null, unread: [] };
  const f = asked.filter;
  const part = (found: Part | null): boolean => found !== null && asked.parts.push(found) > 0;
  const whole = (v: string, set: (n: number) => void): boolean => /^\d+$/.test(v) && (set(Number(v)), true);
  const given = <T>(found: T | null, set: (found: T) => void): boolean => found !== null && (set(found), true);
  const onOff = (v: string, set: (on: boolean) => void): boolean => /^(1|0|true|false)$/.test(v) && (set(v === "1" || v === "true"), true);
  const readers: Record<string, (v: string) => boolean> = {
    text: (text) => part({ kind: "text", text }),
    place: (v) => given(placeOf(v), (at) => part({ kind: "place", at })),
    env: (v) => given(numbersOf(v), (values) => part({ kind: "env", values })),
    like: (v) => part(likeOf(v)),
    image: (v) => part(fileOf("image", v)),
    audio: (v) => part(fileOf("audio", v)),
    sat: (v) => part(fileOf("sat", v)),
    target: (v) => given(v, (target) => (asked.target = target)),
    taxon: (v) => given(v, (taxon) => (f.taxon = taxon)),
    bbox: (v) => given(boxOf(v), (bbox) => (f.bbox = bbox)),
    near: (v) => given(nearOf(v), (near) => (f.near = near)),
    since: (v) => given(v, (since) => (f.since = since)),
    until: (v) => given(v, (until) => (f.until = until)),
    license: (v) => f.license.push(v) > 0,
    observed: (v) => onOff(v, (on) => (f.observedOnly = on)),
    species: (v) => onOff(v, (on) => (f.onePerSpecies = on)),
    more: (v) => given(rowsOf(v), (rows) => (asked.more = rows)),
    less: (v) => given(rowsOf(v), (rows) => (asked.less = rows)),
    generation: (v) => whole(v, (n) => (asked.generation = n)),
    sort: (v) => ["score", "date", "name"].includes(v) && ((out.sort = v as Sort), true),
    open: (v) => whole(v, (row) => (out.open = row)),
    view: (v) => given(numbersOf(v, 3), () => (out.view = v)),
  };
  const seen = new Set<string>();
  for (const [name, value] of search) {
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined;
    const again = seen.has(name) && !SEVERAL.has(name);
    if (reader && value.trim() === "") continue; // asks nothing
    if (!reader || again || !reader(value)) out.unread.push(`${name}=${value}`);
    else seen.add(name);
  }
  if (!asked.parts.length) [asked.more, asked.less] = [[], []];
  return out;
}
