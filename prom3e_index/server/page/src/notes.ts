// Notes of the library: those that are met often in the language of the page, others in English.

import { english, t } from "./words.ts";

type Key = Parameters<typeof t>[0];

const OFTEN: [RegExp, Key][] = [
  [/^answers mean nothing: model (?<model>\S+) knows only the invented planet of `[^`]+`, and these observations are not of it$/, "note.meaningless"],
  [/^how much of the exact answer a search finds was not measured; `prom3e-index certify` measures it$/, "note.unmeasured"],
  [/^(?<n>\d+) of (?<k>\d+) hits: no more are eligible$/, "note.fewer"],
  [/^the index has changed since: it is at generation (?<n>\d+) now; ask again$/, "note.changed"],
  [/^asked of generation (?<asked>\d+); generation (?<n>\d+) answered$/, "note.generation"],
  [/^(['"])(?<typed>.+)\1 is in this index \((?<n>[\d,]+) observations?\); asked as (['"])(?<asked>.+)\4$/, "note.name"],
  [/^(['"])(?<typed>.+)\1 is the common name of (?<name>.+) in this index \((?<n>[\d,]+) observations?\); asked as (['"])(?<asked>.+)\5$/, "note.common"],
  [/^(?<n>[\d,]+) of (?<all>[\d,]+) observations ha(?:s|ve) no date and are left out$/, "note.out.date"],
  [/^(?<n>[\d,]+) of (?<all>[\d,]+) observations ha(?:s|ve) no place and are left out$/, "note.out.place"],
  [/^(?<n>[\d,]+) of (?<all>[\d,]+) observations ha(?:s|ve) no name and are left out$/, "note.out.name"],
];

export function noteSaid(note: string): string {
  for (const [form, key] of OFTEN) {
    const found = form.exec(note)?.groups;
    if (found) return t(key, Object.fromEntries(Object.entries(found).map(([name, v]) => [name, /^[\d,]+$/.test(v) ? Number(v.replaceAll(",", "")) : v])));
  }
  return english(note);
}
