// What the map shows besides the hits: where the index has observations, and where the model expects what was asked.

import { signal } from "@preact/signals";
import { address, BASE, get, Refusal } from "../api.ts";
import { refusalSaid } from "../said.ts";
import { answer, tell } from "../state.ts";
import type { Box, Sentence } from "../types.ts";
import { t } from "../words.ts";
import { box, collection } from "./shapes.ts";

type Features = GeoJSON.FeatureCollection;
const NONE = collection([]);
type Row = (number | null)[];

/** Cells as rows: west, south, east, north, and what `columns` says. */
interface Table {
  columns: string[];
  cells: Row[];
}

function cell(row: Row, properties: GeoJSON.GeoJsonProperties): GeoJSON.Feature {
  return { ...box(row.slice(0, 4) as Box), properties };
}

export const mapHits = signal<Features>(NONE);
export const density = signal<Features>(NONE);
export const rangeCells = signal<Features>(NONE);
export interface Range {
  search: string;
  low: number;
  high: number;
  cells: number;
  extrapolated: number;
  notes: string[];
  said: Sentence[];
}
export const range = signal<Range | null>(null);
export const ranging = signal(false);
/** What must be said of the data of the user's own map; empty without one. */
export const credit = signal("");

/** The map of all ranked hits: the same ranking as the list. */
export async function fetchHits(signal: AbortSignal): Promise<void> {
  const found = answer.value;
  if (!found?.ranked) {
    mapHits.value = NONE;
    return;
  }
  try {
    const all = await get<Features>(`searches/${found.id}/map`, signal);
    mapHits.value = collection(all.features.filter((f) => f.geometry !== null));
  } catch (error) {
    if (!(error instanceof Refusal) && !signal.aborted) throw error;
  }
}

/** How many observations each cell of the whole has, for a page on which nothing is asked. */
export async function fetchDensity(signal: AbortSignal): Promise<void> {
  try {
    const found = await get<Table>("density/0/0/0", signal);
    const count = found.columns.indexOf("count");
    const most = Math.log1p(found.cells.reduce((m, c) => Math.max(m, c[count] ?? 0), 1));
    density.value = collection(found.cells.map((c) => cell(c, { share: Math.log1p(c[count] ?? 0) / most })));
  } catch (error) {
    if (!(error instanceof Refusal) && !signal.aborted) throw error;
  }
}

interface Ranged extends Table {
  sentences: string[];
  said: Sentence[];
  extrapolated_above: number;
}

/** Asks where the model expects what was asked; what it may not say is refused in words. */
export async function fetchRange(within: Box | null): Promise<void> {
  const found = answer.value;
  if (!found || ranging.value) return;
  ranging.value = true;
  try {
    const made = await get<Ranged>(address(`${BASE}/searches/${found.id}/range`, { cells: 4000, bbox: within?.join(",") }));
    if (answer.value?.id !== found.id) return;
    const [similarity, extrapolation] = [made.columns.indexOf("similarity"), made.columns.indexOf("extrapolation")];
    const cells = made.cells.filter((c) => c[similarity] !== null);
    const every = cells.map((c) => c[similarity] as number);
    const low = every.reduce((m, v) => Math.min(m, v), Number.POSITIVE_INFINITY);
    const high = every.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY);
    const outside = (c: Row) => (c[extrapolation] ?? 0) > made.extrapolated_above;
    rangeCells.value = collection(
      cells.map((c) => cell(c, { share: high > low ? ((c[similarity] as number) - low) / (high - low) : 0, extrapolated: outside(c) })),
    );
    range.value = { search: found.id, low, high, cells: cells.length, extrapolated: cells.filter(outside).length, notes: made.sentences, said: made.said };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    tell(`${t("range.refused")} ${refusalSaid(error)}`);
  } finally {
    ranging.value = false;
  }
}

export function dropRange(): void {
  range.value = null;
  rangeCells.value = NONE;
}
