// What the page knows, as signals; parts of the page read them, `searching.ts` and `marks.ts` write most of them.

import { computed, signal } from "@preact/signals";
import type { Refusal } from "./api.ts";
import { type Asked, NOTHING } from "./query.ts";
import type { Answer, Box, Facets, Hit, Index, Place } from "./types.ts";

export const index = signal<Index | null>(null);
export const indexRefusal = signal<Refusal | null>(null);

export const asked = signal<Asked>(NOTHING);
export const answer = signal<Answer | null>(null);
/** Every ranked hit that has been fetched, best first. */
export const hits = signal<Hit[]>([]);
export const facets = signal<Facets | null>(null);
export const refusal = signal<Refusal | null>(null);
export const busy = signal(false);
export const fetchingMore = signal(false);
/** How many of the hits the list shows. */
export const shown = signal(24);

export type Sort = "score" | "date" | "name";
export const sort = signal<Sort>("score");
export type Pane = "list" | "map" | "filters";
export const pane = signal<Pane>("list");

/** The row that the pointer or the keyboard is at, and the row that is open in the lightbox. */
export const pointed = signal<number | null>(null);
export const opened = signal<number | null>(null);
export const helpOpen = signal(false);

/** What the map's pointer does: moves it, asks by a place, or limits to a box or a circle. */
export type Tool = "move" | "pick" | "box" | "circle";
export const tool = signal<Tool>("move");
export const view = signal<Box | null>(null);
export const placeHint = signal<Place | null>(null);

/** Of the link that was opened, what the page does not understand. */
export const unread = signal<string[]>([]);

/** What a screen reader hears, once. */
export const said = signal("");
/** A passing sentence for everybody, such as "link copied". */
export const told = signal("");

export const sorted = computed(() => {
  const every = hits.value;
  if (sort.value === "score") return every;
  const key = (h: Hit) => (sort.value === "date" ? h.event_date : (h.scientific_name ?? h.common_name)) ?? null;
  return [...every].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === y) return a.rank - b.rank;
    if (x === null || y === null) return x === null ? 1 : -1; // what is not known comes last
    const order = sort.value === "date" ? (x < y ? 1 : -1) : x.localeCompare(y);
    return order || a.rank - b.rank;
  });
});

export function say(text: string): void {
  said.value = "";
  queueMicrotask(() => (said.value = text));
}

let passing = 0;
export function tell(text: string): void {
  told.value = text;
  say(text);
  clearTimeout(passing);
  passing = window.setTimeout(() => (told.value = ""), 4000);
}
