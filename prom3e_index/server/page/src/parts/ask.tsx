// What is asked: files, a name, a place; the chips of these; and what is to be found.

import { Icon } from "../icons.tsx";
import { addPart, ask } from "../searching.ts";
import { answer, asked, index } from "../state.ts";
import type { Modality } from "../types.ts";
import { t, word } from "../words.ts";
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
  return (
    <div class="find" role="group" aria-label={t("find")}>
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
