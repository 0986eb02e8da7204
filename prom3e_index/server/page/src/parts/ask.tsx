// What is asked: files, a name, a place; the chips of these; and what is to be found.

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { addPart, ask } from "../searching.ts";
import { answer, asked, index } from "../state.ts";
import type { Modality } from "../types.ts";
import { language, t, word } from "../words.ts";
import { Chips } from "./chips.tsx";
import { Confidence } from "./confidence.tsx";
import { DropZone } from "./dropzone.tsx";
import { PlaceField } from "./place.tsx";
import { TaxonField } from "./taxon.tsx";

export function Ask() {
  const has = new Set((index.value?.modalities ?? []).map((m) => m.name));
  return (
    <section class="ask" aria-labelledby="ask-title">
      <h2 id="ask-title" class="hidden">{t("ask.title")}</h2>
      <div class="givers">
        <DropZone />
        {has.has("text") && (
          <TaxonField
            label={t("name.label")}
            name="text"
            value=""
            placeholder={t("name.placeholder")}
            keeps={false}
            onChoose={(text) => text && addPart({ kind: "text", text })}
          />
        )}
        {has.has("loc") && <PlaceField />}
      </div>
      <Chips />
      {asked.value.parts.length > 0 && <Targets />}
      {answer.value && <Confidence />}
    </section>
  );
}

/** Modalities as people think of them; those of other models come after. */
const ORDER = ["image", "audio", "loc", "sat", "env", "text"];
export const inOrder = (some: Modality[]) => [...ORDER.filter((m) => some.includes(m)), ...some.filter((m) => !ORDER.includes(m))];

function Targets() {
  const targets = inOrder(index.value?.targets ?? []);
  const now = answer.value?.target ?? asked.value.target;
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // on a phone the row is wider than the page: what is chosen comes into view, and nothing else moves
    const chosen = row.current?.querySelector<HTMLElement>("[aria-pressed=true]");
    if (row.current && chosen) row.current.scrollLeft = chosen.offsetLeft - row.current.offsetLeft - (row.current.clientWidth - chosen.offsetWidth) / 2;
  }, [now, language.value]);
  return (
    <div class="find" ref={row} role="group" aria-label={t("find")}>
      <span class="label" aria-hidden="true">{t("find")}</span>
      {targets.map((m) => (
        <button key={m} type="button" aria-pressed={m === now} onClick={() => ask({ target: m })}>
          <Icon name={m} />
          {word("target", m)}
        </button>
      ))}
    </div>
  );
}
