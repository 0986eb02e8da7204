// Sentences of the library and the server: in the language of the page where it has them, else in English, marked as that.

import type { Refusal } from "./api.ts";
import { asked } from "./state.ts";
import type { Sentence, Values } from "./types.ts";
import { english, known, language, listed, t, word } from "./words.ts";

/** Parts of a filter as the command line calls them, in the words of the page. */
const OPTION = /--(near|bbox|taxon|from|to|licence-allow)\b/g;

function value(name: string, of: Values[string]): string | number {
  if (Array.isArray(of)) return listed(of.map((m) => word("modality", m)));
  if (typeof of === "number") return of;
  if (name === "rank") return word("rank", of);
  if (name === "things") return word("things", of);
  if (name === "why") return english(of);
  if (name === "finest") return of.replace(" degree", "°");
  if (name === "parts") return of.replace(OPTION, (_, option: string) => word("part", option)).replace(/\bhaving (\w+)/g, (_, m: string) => `${word("part", "having")} (${word("modality", m)})`);
  return of;
}

/** What a code stands for; null where the page has no words for it. */
function coded(code: string | undefined, values: Values = {}): string | null {
  const key = `said.${code}`;
  return known(key) ? t(key, Object.fromEntries(Object.entries(values).map(([name, v]) => [name, value(name, v)]))) : null;
}

/** A sentence of an answer, of which `some` tells codes. */
export function sentence(text: string, some: Sentence[] = []): string {
  const found = some.find((s) => s.text === text);
  return coded(found?.code, found?.values) ?? english(text);
}

/** Why something was refused. */
export function refusalSaid(refusal: Refusal): string {
  const { status, type, parameter, code, values } = refusal.problem;
  if (status === 0) return t("refused.unreachable");
  if (status === 401) return t("refused.token");
  const own = coded(code, values);
  if (own) return own;
  const day = parameter === "filter.since" ? asked.value.filter.since : parameter === "filter.until" ? asked.value.filter.until : "";
  if (day) return t("said.date", { date: day });
  if (language.value === "en") return refusal.message;
  const kind = `problem.${type?.split("/").at(-1)}`;
  const frame = known(kind) ? t(kind) : status === 503 ? t("refused.busy") : status === 404 || status === 410 ? t("refused.gone") : t("problem");
  return `${frame} ${english(refusal.message)}`;
}
