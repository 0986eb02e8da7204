// What is asked, as the page holds it, as the API takes it and as the address bar keeps it.

import type { Box, Modality, Place, Upload } from "./types.ts";

export type Part =
  | { kind: "upload"; file: Upload; from?: number; to?: number }
  | { kind: "text"; text: string }
  | { kind: "place"; at: Place }
  | { kind: "env"; values: number[] }
  | { kind: "like"; row: number; by: Modality[]; title?: string };

export interface Near {
  at: Place;
  km: number;
}

export interface Filter {
  taxon: string;
  bbox: Box | null;
  near: Near | null;
  since: string;
  until: string;
  license: string[];
  observedOnly: boolean;
  onePerSpecies: boolean;
}

export interface Asked {
  parts: Part[];
  target: Modality | null;
  filter: Filter;
  more: number[];
  less: number[];
  /** Of the index that a link was made of; null for whichever there is. */
  generation: number | null;
}

export const K = 200;
export const NO_FILTER: Filter = {
  taxon: "", bbox: null, near: null, since: "", until: "", license: [], observedOnly: false, onePerSpecies: false,
};
export const NOTHING: Asked = { parts: [], target: null, filter: NO_FILTER, more: [], less: [], generation: null };

export function isFiltered(f: Filter): boolean {
  return Object.keys(filterBody(f)).length > 0 || f.onePerSpecies;
}

function filterBody(f: Filter): Record<string, unknown> {
  return {
    ...(f.taxon && { taxon: f.taxon }),
    ...(f.bbox && { bbox: f.bbox }),
    ...(f.near && { near: [...f.near.at, f.near.km] }),
    ...(f.since && { since: f.since }),
    ...(f.until && { until: f.until }),
    ...(f.license.length && { license: f.license }),
    ...(f.observedOnly && { observed_only: true }),
  };
}

/** The body of `POST /searches`. */
export function body(asked: Asked): Record<string, unknown> {
  const query: Record<string, unknown[] | Place> = {};
  const add = (name: string, value: unknown) => ((query[name] ??= []) as unknown[]).push(value);
  for (const part of asked.parts) {
    if (part.kind === "upload") {
      const span = part.from !== undefined && part.to !== undefined ? { from: part.from, to: part.to } : {};
      add(part.file.modality, { upload: part.file.upload, ...span });
    } else if (part.kind === "text") add("text", part.text);
    else if (part.kind === "place") query.location = part.at;
    else if (part.kind === "env") query.env = part.values;
    else add("like", { row: part.row, ...(part.by.length && { by: part.by }) });
  }
  if (asked.more.length) query.more = asked.more;
  if (asked.less.length) query.less = asked.less;
  return {
    query,
    ...(asked.target && { target: asked.target }),
    k: K,
    filter: filterBody(asked.filter),
    ...(asked.generation !== null && { generation: asked.generation }),
    ...(asked.filter.onePerSpecies && { group_by: "species" }),
  };
}

/** A part as the address bar keeps it: `name=value`. */
function written(part: Part): [string, string] {
  if (part.kind === "text") return ["text", part.text];
  if (part.kind === "place") return ["place", part.at.join(",")];
  if (part.kind === "env") return ["env", part.values.join(",")];
  if (part.kind === "like") return ["like", [part.row, ...part.by].join(",")];
  const span = part.from !== undefined && part.to !== undefined ? `,${part.from},${part.to}` : "";
  return [part.file.modality, part.file.upload + span];
}

export function toSearch(asked: Asked): URLSearchParams {
  const out = new URLSearchParams();
  for (const part of asked.parts) out.append(...written(part));
  const f = asked.filter;
  if (asked.target) out.set("target", asked.target);
  if (f.taxon) out.set("taxon", f.taxon);
  if (f.bbox) out.set("bbox", f.bbox.join(","));
  if (f.near) out.set("near", [...f.near.at, f.near.km].join(","));
  if (f.since) out.set("since", f.since);
  if (f.until) out.set("until", f.until);
  for (const l of f.license) out.append("license", l);
  if (f.observedOnly) out.set("observed", "1");
  if (f.onePerSpecies) out.set("species", "1");
  if (asked.more.length) out.set("more", asked.more.join(","));
  if (asked.less.length) out.set("less", asked.less.join(","));
  return out;
}

/** Numbers of a list; none where one of them is none, or there are not as many as there must be. */
export function numbersOf(text: string | null, count?: number): number[] | null {
  if (!text) return null;
  const values = text.split(",").map(Number);
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

export function fromSearch(search: URLSearchParams): Asked {
  const parts: Part[] = [];
  for (const [name, value] of search) {
    const numbers = numbersOf(value);
    if (name === "text" && value) parts.push({ kind: "text", text: value });
    else if (name === "place" && placeOf(value)) parts.push({ kind: "place", at: placeOf(value) as Place });
    else if (name === "env" && numbers) parts.push({ kind: "env", values: numbers });
    else if (name === "like") {
      const [row, ...by] = value.split(",");
      if (/^\d+$/.test(row ?? "")) parts.push({ kind: "like", row: Number(row), by });
    } else if (name === "image" || name === "audio" || name === "sat") {
      const [upload, from, to] = value.split(",");
      if (!/^sha256-[0-9a-f]{64}$/.test(upload ?? "")) continue;
      const span = from && to ? { from: Number(from), to: Number(to) } : {};
      parts.push({ kind: "upload", file: { upload: upload as string, modality: name }, ...span });
    }
  }
  const near = numbersOf(search.get("near"), 3);
  return {
    parts,
    target: search.get("target"),
    filter: {
      taxon: search.get("taxon") ?? "",
      bbox: numbersOf(search.get("bbox"), 4) as Box | null,
      near: near && { at: [near[0], near[1]] as Place, km: near[2] as number },
      since: search.get("since") ?? "",
      until: search.get("until") ?? "",
      license: search.getAll("license"),
      observedOnly: search.get("observed") === "1",
      onePerSpecies: search.get("species") === "1",
    },
    more: numbersOf(search.get("more")) ?? [],
    less: numbersOf(search.get("less")) ?? [],
    generation: /^\d+$/.test(search.get("generation") ?? "") ? Number(search.get("generation")) : null,
  };
}
