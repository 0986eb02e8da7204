// A field for a place, equal to a click on the map; and the button that starts picking there.

import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { placeOf } from "../link.ts";
import { addPart } from "../searching.ts";
import { pane, placeHint, tool } from "../state.ts";
import { place, t } from "../words.ts";

export function PlaceField() {
  const id = useId();
  const text = useSignal("");
  const wrong = useSignal(false);
  useEffect(() => {
    const hint = placeHint.value;
    if (hint) text.value = place(...hint);
  }, [placeHint.value]);
  function enter() {
    if (!text.value.trim()) return;
    const at = placeOf(text.value);
    wrong.value = at === null;
    if (!at) return;
    addPart({ kind: "place", at });
    text.value = "";
  }
  function pick() {
    tool.value = tool.value === "pick" ? "move" : "pick";
    if (tool.value === "pick") pane.value = "map";
  }
  return (
    <div class="place">
      <label for={id}>{t("place.label")}</label>
      <div class="joined">
        <input
          id={id}
          type="text"
          inputMode="text"
          autocomplete="off"
          placeholder="46.80, 7.15"
          value={text.value}
          aria-invalid={wrong.value}
          aria-describedby={wrong.value ? `${id}-wrong` : undefined}
          onInput={(e) => {
            text.value = e.currentTarget.value;
            wrong.value = false;
          }}
          onKeyDown={(e) => e.key === "Enter" && enter()}
          onBlur={() => placeOf(text.value) && enter()}
        />
        <button type="button" class={tool.value === "pick" ? "on" : ""} aria-pressed={tool.value === "pick"} onClick={pick}>
          <Icon name="pick" />
          {t("place.pick")}
        </button>
      </div>
      {wrong.value && <p id={`${id}-wrong`} class="refused small" role="alert">{t("place.wrong")}</p>}
    </div>
  );
}
