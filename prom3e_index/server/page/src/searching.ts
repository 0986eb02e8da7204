// Asks the API whenever what is asked changes, and keeps the address bar in step.

import { batch } from "@preact/signals";
import { address, BASE, get, Refusal, send } from "./api.ts";
import { fromSearch } from "./link.ts";
import { type Asked, body, isFiltered, NO_FILTER, type Part, toSearch } from "./query.ts";
import { scrolled, scrollTo } from "./scroll.ts";
import {
  answer, asked, busy, facets, fetchingMore, hits, index, indexRefusal, opened, refusal, say, shown, sort, unread,
} from "./state.ts";
import type { Answer, Facets, Hit, Index, Upload } from "./types.ts";
import { t } from "./words.ts";

const PAGE = 24;
const MOST = 100; // hits of one call
export const FACETS = ["species", "genus", "family", "month", "hour", "license"];

let running: AbortController | null = null;
/** Answers of this page, so that Back shows them at once; an answer that the server has dropped is asked again. */
const remembered = new Map<string, { answer: Answer; hits: Hit[]; facets: Facets | null }>();

export async function openIndex(): Promise<void> {
  try {
    const found = await get<Index>("index");
    if (JSON.stringify(found) !== JSON.stringify(index.peek())) index.value = found;
    indexRefusal.value = null;
  } catch (error) {
    if (error instanceof Refusal) indexRefusal.value = error;
    else throw error;
  }
}

/** Changes what is asked, writes it into the address bar and asks. */
export function ask(change: Partial<Asked>, options: { replace?: boolean } = {}): void {
  asked.value = { ...asked.value, generation: null, ...change };
  unread.value = [];
  write(options.replace ?? false);
  void search();
}

export function addPart(part: Part): void {
  const once = part.kind === "place" || part.kind === "env" || part.kind === "text";
  const rest = once ? asked.value.parts.filter((p) => p.kind !== part.kind) : asked.value.parts;
  ask({ parts: [...rest, part] });
}

export function removePart(at: number): void {
  const parts = asked.value.parts.filter((_, i) => i !== at);
  ask(parts.length ? { parts } : { parts, more: [], less: [] });
}

export function filterBy(change: Partial<Asked["filter"]>): void {
  ask({ filter: { ...asked.value.filter, ...change } });
}

export function clearFilter(): void {
  ask({ filter: NO_FILTER });
}

/** Only what is like one observation, by some of what it has. */
export function like(row: number, by: string[], title: string): void {
  opened.value = null;
  ask({ parts: [{ kind: "like", row, by, title }], target: null, more: [], less: [] });
  scrollTo(0);
}

/** Where somebody moved the map to: longitude, latitude, zoom; null as long as it follows the answer. */
let camera: string | null = null;
export const readCamera = () => camera;

export function keepCamera(next: string): void {
  camera = next;
  write(true);
}

export function write(replace: boolean): void {
  const query = toSearch(asked.value);
  if (sort.value !== "score") query.set("sort", sort.value);
  if (opened.value !== null) query.set("open", String(opened.value));
  if (camera) query.set("view", camera);
  if (answer.value && isAsked()) query.set("generation", String(answer.value.generation));
  const text = query.toString();
  const to = text ? `?${text}` : location.pathname;
  if (to === (location.search || location.pathname)) return;
  if (replace) history.replaceState({ ...history.state }, "", to);
  else {
    history.replaceState({ ...history.state, scroll: scrolled() }, "");
    history.pushState({}, "", to);
  }
}

/** Takes what is asked from the address bar. */
export function read(): void {
  const query = new URLSearchParams(location.search);
  const before = asked.value;
  const known = (p: Part) => {
    if (p.kind === "upload") return before.parts.find((q) => q.kind === "upload" && q.file.upload === p.file.upload);
    return p.kind === "like" ? before.parts.find((q) => q.kind === "like" && q.row === p.row) : undefined;
  };
  const next = fromSearch(query);
  const parts = next.asked.parts.map((p) => {
    const old = known(p);
    if (p.kind === "upload" && old?.kind === "upload") return { ...p, file: old.file };
    return p.kind === "like" && old?.kind === "like" ? { ...p, title: old.title } : p;
  });
  camera = next.view;
  batch(() => {
    asked.value = { ...next.asked, parts };
    sort.value = next.sort;
    opened.value = next.open;
    unread.value = next.unread;
  });
}

/** Fetches what is known of the files that a link names; one that is gone keeps its place, and the answer says so. */
export async function restoreUploads(): Promise<void> {
  const parts = await Promise.all(
    asked.value.parts.map(async (part): Promise<Part> => {
      if (part.kind !== "upload" || part.file.links) return part;
      try {
        return { ...part, file: await get<Upload>(`uploads/${part.file.upload}`) };
      } catch (error) {
        if (error instanceof Refusal) return part;
        throw error;
      }
    }),
  );
  asked.value = { ...asked.value, parts };
}

export function isAsked(): boolean {
  return asked.value.parts.length > 0;
}

function forget(): void {
  batch(() => {
    answer.value = null;
    hits.value = [];
    facets.value = null;
    refusal.value = null;
    busy.value = false;
  });
}

export async function search(): Promise<void> {
  running?.abort();
  const now = (running = new AbortController());
  if (!isAsked()) return forget();
  const key = JSON.stringify(body(asked.value));
  const old = remembered.get(key);
  if (old && old.answer.generation === index.value?.generation) {
    show(old.answer, old.hits, old.facets);
    write(true);
    return;
  }
  batch(() => {
    busy.value = true;
    refusal.value = null;
  });
  try {
    const found = await askedOfOneThatIsOpen(JSON.parse(key), now.signal);
    const some = found.hits.length ? found : await get<Answer>(`searches/${found.id}?limit=${PAGE}`, now.signal);
    const page = { ...some, insteadOf: found.insteadOf };
    show(page, page.hits, null);
    write(true);
    say(t("heard.answer", { n: page.hits.length, eligible: page.numberMatched }));
    if (index.value && page.generation > index.value.generation) void openIndex();
    remembered.set(key, { answer: page, hits: page.hits, facets: null });
    if (remembered.size > 20) remembered.delete(remembered.keys().next().value as string);
    await Promise.all([fetchAll(key, page, now.signal), fetchFacets(key, page, now.signal)]);
  } catch (error) {
    if (now.signal.aborted) return;
    if (!(error instanceof Refusal)) throw error;
    batch(() => {
      forget();
      refusal.value = error;
    });
  } finally {
    if (running === now) busy.value = false;
  }
}

/** The answer of the generation that a link was made of; where that is no longer open, of the current one. */
async function askedOfOneThatIsOpen({ generation, ...rest }: Record<string, unknown>, signal: AbortSignal): Promise<Answer> {
  try {
    return await send<Answer>("POST", "searches", { ...rest, generation }, signal);
  } catch (error) {
    if (generation === undefined || !(error instanceof Refusal) || error.problem.type !== "/problems/generation") throw error;
    return { ...(await send<Answer>("POST", "searches", rest, signal)), insteadOf: Number(generation) };
  }
}

function show(found: Answer, some: Hit[], counted: Facets | null): void {
  batch(() => {
    answer.value = found;
    hits.value = some;
    facets.value = counted;
    refusal.value = null;
    busy.value = false;
    shown.value = PAGE;
  });
}

/** The rest of the ranking, so that sorting, the map and the keyboard know all of it. */
async function fetchAll(key: string, first: Answer, signal: AbortSignal): Promise<void> {
  let every = first.hits;
  fetchingMore.value = true;
  try {
    while (every.length < first.ranked) {
      const page = await get<Answer>(`searches/${first.id}?limit=${MOST}&offset=${every.length}`, signal);
      if (!page.hits.length) break;
      every = [...every, ...page.hits];
      if (answer.value?.id === first.id) hits.value = every;
      const kept = remembered.get(key);
      if (kept) kept.hits = every;
    }
  } finally {
    fetchingMore.value = false;
  }
}

async function fetchFacets(key: string, found: Answer, signal: AbortSignal): Promise<void> {
  if (!found.ranked) return;
  const counted = await get<Facets>(address(`${BASE}/searches/${found.id}/facets`, { by: FACETS.join(",") }), signal);
  if (answer.value?.id === found.id) facets.value = counted;
  const kept = remembered.get(key);
  if (kept) kept.facets = counted;
}

export { isFiltered };
