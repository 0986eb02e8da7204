// What is said of a hit, in the words of the page.

import { BASE } from "./api.ts";
import type { Hit, Modality } from "./types.ts";
import { distance, language, place, t, word } from "./words.ts";

const LETTERS = 100;

/** A text of a table as it stands beside others: cut where it is endless. All of it stands among the fields. */
export function short(text: string): string {
  const letters = [...text];
  return letters.length > LETTERS ? `${letters.slice(0, LETTERS).join("").trimEnd()}…` : text;
}

interface Named {
  scientific_name?: string | null;
  common_name?: string | null;
}

export function nameOf(hit: Named): string {
  return short(hit.scientific_name ?? hit.common_name ?? t("card.unnamed"));
}

/** Why nothing of a hit is to be seen. */
export function unshownSaid(hit: Hit): string {
  if (hit.unshown && hit.unshown !== "none") return word("card.unshown", hit.unshown);
  return hit.completed ? t("card.nofile.completed") : t("card.nofile");
}

/** The same where there is room for two words. */
export const unshownShort = (hit: Hit): string => (hit.unshown && hit.unshown !== "none" ? t("card.unshown") : unshownSaid(hit));

/** The common name where the scientific one is the first. */
export const secondName = (hit: Named): string => (hit.scientific_name && hit.common_name ? short(hit.common_name) : "");

/** Scientific names of genera and below are set in italics. */
export const isLatin = (hit: Hit) => isItalic(hit.scientific_name);
export const isItalic = (name: string | null | undefined): boolean => !!name && !/^\S*(?:idae|inae|oidea|aceae|oideae|iformes|ales)$/.test(name);

export function dateOf(hit: Hit): string {
  const text = hit.event_date;
  if (!text) return t("card.undated");
  const found = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?/.exec(text);
  if (!found) return text;
  const at = new Date(Date.UTC(Number(found[1]), Number(found[2] ?? 1) - 1, Number(found[3] ?? 1)));
  const form: Intl.DateTimeFormatOptions = { year: "numeric", timeZone: "UTC" };
  if (found[2]) form.month = "short";
  if (found[3]) form.day = "numeric";
  return new Intl.DateTimeFormat(language.value, form).format(at);
}

export function hasPlace(hit: Hit): boolean {
  return hit.latitude != null && hit.longitude != null;
}

export function placeOfHit(hit: Hit): string {
  if (!hasPlace(hit)) return hit.generalised === "withhold" ? t("card.withheld") : t("card.placeless");
  const hidden = hit.obscured || hit.generalised;
  const text = place(hit.latitude as number, hit.longitude as number, hidden ? 1 : 3);
  if (hidden) return `${text} · ${t("card.obscured")}`;
  return hit.coordinate_uncertainty_m ? `${text} ±\u00a0${distance(hit.coordinate_uncertainty_m).replace(" ", "\u00a0")}` : text;
}

export const isNonCommercial = (hit: Hit) => /\bNC\b/.test(hit.license_code ?? "");

/** A licence as people name it; where the table gives an address, its code. */
const licence = (text: string, code: string | null | undefined) => (/^https?:/.test(text) && code ? (/^BY/.test(code) ? `CC ${code}` : code) : short(text));

export function rightsOf(hit: Hit): string {
  const owner = hit.rights_holder ? `© \u2068${short(hit.rights_holder)}\u2069` : ""; // its direction ends with it
  return [owner, hit.license ? licence(hit.license, hit.license_code) : t("card.unlicensed")].filter(Boolean).join(" · ");
}

/** A picture as cards show it, of 320 pixels; addresses in links are of the large one. */
export const smaller = (url: string) => url.replace(/([?&]size=)\d+/, "$1320");

/** What a card shows of a hit when it was searched for by a target: a picture, a spectrogram, or neither. */
export function pictureOf(hit: Hit, target: Modality): { kind: "photo" | "sound" | "tile"; shows: Modality; url: string } | null {
  const links = hit.links ?? {};
  const photo = links.image ? ({ kind: "photo", shows: "image", url: smaller(links.image) } as const) : null;
  const sound = links.spectrogram ? ({ kind: "sound", shows: "audio", url: links.spectrogram } as const) : null;
  const tile = links.sat ? ({ kind: "tile", shows: "sat", url: smaller(links.sat) } as const) : null;
  if (target === "audio") return sound ?? photo ?? tile;
  if (target === "sat") return tile ?? photo ?? sound;
  return photo ?? sound ?? tile;
}

export const audioOf = (hit: Hit): string | null => hit.links?.audio ?? null;
export const observation = (row: number) => `${BASE}/observations/${row}`;
export const soundKey = (row: number) => `row ${row}`;
