// The colours of the map: those of the page, so that both palettes hold for it.

import { signal } from "@preact/signals";

/** How often the palette changed; what is drawn by colours reads it. */
export const repainted = signal(0);
const changed = () => void repainted.value++;
window.addEventListener("palette", changed);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);

export const isDark = (): boolean => getComputedStyle(document.documentElement).colorScheme === "dark";

export interface Colours {
  sea: string;
  land: string;
  coast: string;
  border: string;
  label: string;
  halo: string;
  observed: string;
  completed: string;
  asked: string;
  edge: string;
  on: string;
  /** From few observations to many: away from the ground that they lie on. */
  counts: string[];
}

export function colours(): Colours {
  const sheet = getComputedStyle(document.documentElement);
  const of = (name: string) => sheet.getPropertyValue(`--${name}`).trim();
  return {
    sea: of("sea"), land: of("land"), coast: of("coast"), border: of("border"), label: of("soft"), halo: of("land"),
    observed: of("leaf"), completed: of("guess"), asked: of("ask"), edge: of("card"), on: of("on"),
    counts: isDark() ? [...COUNTS].reverse() : COUNTS,
  };
}

/** Steps of a sequential scale, from low to high: legible on both palettes and without colour vision. */
export const SCALE = ["#f3efc0", "#c2dfa5", "#7cc3a2", "#3a9ca6", "#2a6f97", "#253f7a"];
const COUNTS = ["#cfe3d6", "#9cc9ae", "#62a884", "#38855f", "#1f5f43"];
