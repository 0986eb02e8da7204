// Marks: which hits are right and which are not, kept in a file beside the index.

import { computed, signal } from "@preact/signals";
import { get, Refusal, send } from "./api.ts";
import { refusalSaid } from "./said.ts";
import { answer, index, tell } from "./state.ts";
import type { Hit } from "./types.ts";
import { t } from "./words.ts";

export type Mark = "relevant" | "irrelevant";
export const marks = signal<ReadonlyMap<number, Mark>>(new Map());
export const canMark = computed(() => index.value?.allows?.marks !== false);
export const markedRows = computed(() => [...marks.value].filter(([, m]) => m === "relevant").map(([row]) => row));
export const rejectedRows = computed(() => [...marks.value].filter(([, m]) => m === "irrelevant").map(([row]) => row));

export async function openMarks(): Promise<void> {
  if (!canMark.value) return;
  try {
    const found = await get<{ marks: { row: number | null; mark: Mark }[] }>("marks");
    marks.value = new Map(found.marks.flatMap(({ row, mark }) => (row === null ? [] : [[row, mark]])));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error; // no marks are kept here
  }
}

/** Marks a hit, or takes its mark away where it has this one. */
export async function toggleMark(hit: Hit, mark: Mark): Promise<void> {
  const before = marks.value;
  const next = new Map(before);
  const away = before.get(hit.row) === mark;
  if (away) next.delete(hit.row);
  else next.set(hit.row, mark);
  marks.value = next;
  try {
    if (away) await send("DELETE", `marks?row=${hit.row}`);
    else await send("POST", "marks", { rows: [hit.row], mark, search: answer.value?.id });
    tell(away ? t("mark.away") : mark === "relevant" ? t("mark.yes") : t("mark.no"));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    marks.value = before;
    tell(`${t("mark.fails")} ${refusalSaid(error)}`);
  }
}
