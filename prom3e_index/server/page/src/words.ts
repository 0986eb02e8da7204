// The words of the page, one file per language; numbers and dates as that language writes them.

import { computed, signal } from "@preact/signals";
import de from "../strings/de.json";
import en from "../strings/en.json";
import es from "../strings/es.json";
import { kept, keep } from "./kept.ts";

export type Key = keyof typeof en;
const ALL: Record<string, Partial<Record<Key, string>>> = { en, de, es };
export const LANGUAGES: [string, string][] = [["en", "English"], ["de", "Deutsch"], ["es", "Español"]];

function first(): string {
  const asked = [kept("language"), ...(navigator.languages ?? [])];
  return asked.map((l) => (l ?? "").slice(0, 2)).find((l) => l in ALL) ?? "en";
}

export const language = signal(first());
const plural = computed(() => new Intl.PluralRules(language.value));
const numbers = computed(() => new Intl.NumberFormat(language.value));

export function speak(code: string): void {
  if (!(code in ALL)) return;
  language.value = code;
  keep("language", code);
}

/** A sentence of the page. `{name}` takes a value; `{n|one form|other form}` is chosen by the number n. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = ALL[language.value]?.[key] ?? en[key];
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name: string, one?: string, other?: string) => {
    const value = values[name];
    if (one !== undefined) return plural.value.select(Number(value)) === "one" ? one : (other ?? "");
    return typeof value === "number" ? numbers.value.format(value) : String(value ?? "");
  });
}

const ENGLISH = /\uE000([^\uE000\uE001]*)\uE001/;

/** Text in the library's or the server's words, which are English in every language; `<Mixed>` marks it so. */
export const english = (text: string): string => `\uE000${text}\uE001`;

/** The parts of a text, every second of them English. */
export const parted = (text: string): string[] => text.split(ENGLISH);

/** Whether the page has a word. */
export const known = (key: string): key is Key => Object.hasOwn(en, key);

/** Several words as one reads them: with commas, and with "and" before the last. */
export const listed = (some: string[]): string => new Intl.ListFormat(language.value, { type: "conjunction" }).format(some);

/** A word of a kind that may be new, such as a model's own modality: itself where there is none. */
export function word(prefix: string, name: string, values: Record<string, number> = {}): string {
  const key = `${prefix}.${name}`;
  return known(key) ? t(key, values) : name;
}

export function number(value: number, digits = 0): string {
  return value.toLocaleString(language.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share: number): string {
  return share.toLocaleString(language.value, { style: "percent", maximumFractionDigits: 0 });
}

/** A probability in whole per cent; none that is sure. */
export function chance(p: number): string {
  if (p >= 0.995) return t("chance.over", { p: percent(0.99) });
  return p <= 0.005 ? t("chance.under", { p: percent(0.01) }) : percent(p);
}

/** A place as people write it: five decimals are about a metre. */
export function place(latitude: number, longitude: number, digits = 4): string {
  return `${latitude.toFixed(digits)}, ${longitude.toFixed(digits)}`;
}

/** Minutes and seconds, tenths where there are some. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const tenth = Math.round((seconds - whole) * 10) % 10;
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}${tenth ? `.${tenth}` : ""}`;
}

/** How far a place is known: metres, from a kilometre on in kilometres. */
export function distance(metres: number): string {
  const unit = metres < 1000 ? "meter" : "kilometer";
  const value = metres < 1000 ? Math.round(metres) : metres / 1000;
  return value.toLocaleString(language.value, { style: "unit", unit, maximumFractionDigits: value < 10 && unit === "kilometer" ? 1 : 0 });
}

/** The name of a country by its ISO 3166-1 number, in the language of the page where the browser knows it. */
export function country(id: string | null, english: string): string {
  if (language.value === "en" || !id) return english;
  try {
    const region = new Intl.Locale(`und-${id}`).maximize().region ?? id;
    const name = new Intl.DisplayNames([language.value], { type: "region", fallback: "none" }).of(region);
    return name && !/^\d+$/.test(name) ? name : english;
  } catch {
    return english;
  }
}
