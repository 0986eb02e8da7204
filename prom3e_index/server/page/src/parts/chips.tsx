// What is asked, a chip for each part; each can be taken away, those of sounds can be cut.

import { useRef } from "preact/hooks";
import { short } from "../hit.ts";
import { Icon } from "../icons.tsx";
import type { Part } from "../query.ts";
import { addPart, ask, removePart } from "../searching.ts";
import { asked, say } from "../state.ts";
import type { Place } from "../types.ts";
import { clock, place, t, word } from "../words.ts";
import { SpanCutter } from "./span.tsx";

function title(part: Part): string {
  if (part.kind === "text") return short(part.text);
  if (part.kind === "place") return place(...part.at);
  if (part.kind === "env") return t("chip.env");
  if (part.kind === "like") return part.title ?? t("chip.row", { row: String(part.row) });
  return part.file.name ? short(part.file.name) : word("modality", part.file.modality);
}

function icon(part: Part): string {
  if (part.kind === "upload") return part.file.modality;
  return part.kind === "place" ? "loc" : part.kind === "like" ? "like" : part.kind;
}

function detail(part: Part): string {
  if (part.kind === "like") return part.by.length ? t("chip.like.by", { by: part.by.map((m) => word("modality", m)).join(", ") }) : t("chip.like");
  if (part.kind !== "upload" || part.file.modality !== "audio") return "";
  if (part.from !== undefined && part.to !== undefined) return `${clock(part.from)}–${clock(part.to)}`;
  return part.file.seconds ? clock(part.file.seconds) : "";
}

export function Chips() {
  const list = useRef<HTMLUListElement>(null);
  const { parts, more, less } = asked.value;
  function remove(act: () => void, at: number, name: string) {
    act();
    say(t("heard.removed", { name }));
    requestAnimationFrame(() => {
      const buttons = list.current?.querySelectorAll<HTMLButtonElement>("button.away") ?? [];
      (buttons[Math.min(at, buttons.length - 1)] ?? document.querySelector<HTMLElement>("[data-field=text]"))?.focus();
    });
  }
  if (!parts.length) return null;
  return (
    <ul class="chips" ref={list} aria-label={t("chips")}>
      {parts.map((part, i) => (
        <li key={`${part.kind} ${title(part)} ${i}`} class="chip">
          {part.kind === "upload" && part.file.links?.thumbnail ? (
            <img src={part.file.links.thumbnail} alt="" width="34" height="34" onError={(e) => e.currentTarget.remove()} />
          ) : (
            <Icon name={icon(part)} />
          )}
          <span>
            <span class={part.kind === "text" ? "latin" : ""}>{title(part)}</span> <small>{detail(part)}</small>
          </span>
          {part.kind === "upload" && part.file.modality === "audio" && <SpanCutter part={part} at={i} />}
          <button type="button" class="quiet away" onClick={() => remove(() => removePart(i), i, title(part))}>
            <Icon name="cross" size={14} />
            <span class="hidden">{t("chip.remove", { name: title(part) })}</span>
          </button>
        </li>
      ))}
      {more.length + less.length > 0 && (
        <li class="chip">
          <Icon name="check" />
          <span>{t("chip.marks", { more: more.length, less: less.length })}</span>
          <button type="button" class="quiet away" onClick={() => remove(() => ask({ more: [], less: [] }), parts.length, t("marks"))}>
            <Icon name="cross" size={14} />
            <span class="hidden">{t("chip.remove", { name: t("marks") })}</span>
          </button>
        </li>
      )}
      {parts.map((part, i) => part.kind === "upload" && <Found key={`found ${i}`} part={part} />)}
    </ul>
  );
}

/** The place that a file itself tells: asked by only when somebody says so. */
function Found({ part }: { part: Part & { kind: "upload" } }) {
  const found = part.file.found?.place;
  if (!found || asked.value.parts.some((p) => p.kind === "place")) return null;
  const at: Place = [found.latitude, found.longitude];
  return (
    <li class="offer">
      <button type="button" onClick={() => addPart({ kind: "place", at })}>
        <Icon name="plus" size={14} />
        {t("found.place", { place: place(...at), name: title(part) })}
      </button>
    </li>
  );
}
