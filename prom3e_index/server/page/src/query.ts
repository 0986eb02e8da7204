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
