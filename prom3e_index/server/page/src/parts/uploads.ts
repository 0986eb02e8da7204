// Files that were dropped, pasted, chosen or recorded: sent, and added to what is asked.

import { signal } from "@preact/signals";
import { Refusal, upload } from "../api.ts";
import { refusalSaid } from "../said.ts";
import { ask } from "../searching.ts";
import { asked, index, say } from "../state.ts";
import type { Part } from "../query.ts";
import { number, t } from "../words.ts";

export interface Sending {
  name: string;
  share: number;
  refusal: string | null;
}

export const sending = signal<Sending[]>([]);

function change(item: Sending, to: Partial<Sending>): Sending {
  const next = { ...item, ...to };
  sending.value = sending.value.map((s) => (s === item ? next : s));
  return next;
}

export function dismiss(item: Sending): void {
  sending.value = sending.value.filter((s) => s !== item);
}

async function sendOne(file: File): Promise<Part | null> {
  let item: Sending = { name: file.name, share: 0, refusal: null };
  sending.value = [...sending.value.filter((s) => s.refusal === null), item];
  const most = index.value?.limits?.upload;
  if (most && file.size > most) {
    change(item, { refusal: t("upload.large", { name: file.name, size: number(file.size / 2 ** 20), most: number(most / 2 ** 20) }) });
    return null;
  }
  if (file.size === 0) {
    change(item, { refusal: t("upload.empty", { name: file.name }) });
    return null;
  }
  try {
    const sent = await upload(file, file.type, (share) => (item = change(item, { share })));
    dismiss(item);
    say(t("heard.uploaded", { name: file.name }));
    return { kind: "upload", file: { ...sent, name: file.name } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const why = refusalSaid(error);
    change(item, { refusal: `${file.name}: ${why}` });
    say(`${file.name}: ${why}`);
    return null;
  }
}

/** Sends files, one after the other, and asks once. */
export async function sendFiles(files: Iterable<File>): Promise<void> {
  const parts: Part[] = [];
  for (const file of files) {
    const part = await sendOne(file);
    if (part) parts.push(part);
  }
  const old = asked.value.parts;
  const fresh = parts.filter(
    (p) => !old.some((o) => o.kind === "upload" && p.kind === "upload" && o.file.upload === p.file.upload),
  );
  if (fresh.length) ask({ parts: [...old, ...fresh] });
}
