// The keys of the page. Single letters act only where nothing is typed, and can be switched off.

import { audioOf, nameOf, soundKey } from "./hit.ts";
import { toggleMark } from "./marks.ts";
import { close, step } from "./parts/lightbox.tsx";
import { singleKeys } from "./parts/help.tsx";
import { toggle } from "./player.ts";
import { like } from "./searching.ts";
import { helpOpen, hits, opened, pane, pointed, shown, sorted, tool } from "./state.ts";
import type { Hit } from "./types.ts";

const cards = () => [...document.querySelectorAll<HTMLElement>(".results .card")];
const focused = () => document.activeElement?.closest<HTMLElement>(".results .card") ?? null;

function current(): Hit | null {
  const row = opened.value ?? Number(focused()?.dataset.row ?? pointed.value ?? Number.NaN);
  return hits.value.find((h) => h.row === row) ?? null;
}

function focusCard(card: HTMLElement | undefined): void {
  card?.querySelector<HTMLElement>("button.open")?.focus();
  card?.scrollIntoView({ block: "nearest" });
}

/** How many cards stand in a row of the grid. */
function across(every: HTMLElement[]): number {
  const top = every[0]?.offsetTop;
  const next = every.findIndex((c) => c.offsetTop !== top);
  return next < 0 ? every.length : next;
}

function move(key: string): boolean {
  if (opened.value !== null) {
    if (key === "ArrowLeft" || key === "ArrowRight") step(key === "ArrowLeft" ? -1 : 1);
    return key === "ArrowLeft" || key === "ArrowRight";
  }
  const every = cards();
  const at = focused() ? every.indexOf(focused() as HTMLElement) : -1;
  if (!every.length || at < 0) return false;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(every), ArrowDown: across(every) }[key] ?? 0;
  if (at + by >= every.length && shown.value < sorted.value.length) {
    shown.value += 24;
    requestAnimationFrame(() => focusCard(cards()[at + by]));
  } else focusCard(every[Math.max(0, Math.min(every.length - 1, at + by))]);
  return true;
}

function act(key: string): boolean {
  const hit = current();
  const audio = hit && audioOf(hit);
  if (key === "/") (document.querySelector<HTMLElement>("[data-field=text]") ?? document.querySelector<HTMLElement>(".drop .choose"))?.focus();
  else if (key === "?") helpOpen.value = !helpOpen.value;
  else if (key === "n") {
    if (opened.value !== null) step(1);
    else {
      const at = cards().length;
      shown.value = Math.min(sorted.value.length, shown.value + 24);
      requestAnimationFrame(() => focusCard(cards()[at]));
    }
  } else if (key === "p") {
    if (opened.value !== null) step(-1);
    else {
      const every = cards();
      const at = focused() ? every.indexOf(focused() as HTMLElement) : 0;
      focusCard(every[Math.max(0, at - 24)]);
    }
  } else if (key === "f") {
    pane.value = "filters";
    requestAnimationFrame(() => document.querySelector<HTMLElement>("[data-field=taxon]")?.focus());
  } else if (key === "g") {
    pane.value = "map";
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".map [tabindex='0'], .map button")?.focus());
  } else if (hit && key === "m") void toggleMark(hit, "relevant");
  else if (hit && key === "x") void toggleMark(hit, "irrelevant");
  else if (hit && key === "s") like(hit.row, [], nameOf(hit));
  else if (hit && audio && key === " ") toggle(soundKey(hit.row), audio, hit.span?.from ?? null, hit.span?.to ?? null);
  else return false;
  return true;
}

function pressed(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey) return;
  const on = e.target as Element;
  if (e.key === "Escape") {
    if (tool.value !== "move") tool.value = "move";
    else if (opened.value !== null) close();
    return;
  }
  if (on.closest?.("input, textarea, select, [role=slider], .maplibregl-canvas, details[open]")) return;
  if (helpOpen.value && e.key !== "?") return;
  if (e.key.startsWith("Arrow")) {
    if (move(e.key)) e.preventDefault();
    return;
  }
  if (e.key === " " && on.closest("button, summary, a") && !on.matches(".card .open")) return; // it is a press of that button
  if (singleKeys.value && act(e.key)) e.preventDefault();
}

export function listenToKeys(): void {
  document.addEventListener("keydown", pressed);
}
