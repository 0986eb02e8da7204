// The keys of the page; and a switch for those that are a single letter.

import { signal } from "@preact/signals";
import { keep, kept } from "../kept.ts";
import { helpOpen, index } from "../state.ts";
import { known, t } from "../words.ts";
import { Dialog } from "./dialog.tsx";

export const singleKeys = signal(kept("keys") !== "off");

const KEYS = [
  ["/", "key.search"], ["← → ↑ ↓", "key.arrows"], ["kbd.enter", "key.enter"], ["kbd.space", "key.space"], ["m", "key.mark"], ["x", "key.reject"],
  ["s", "key.similar"], ["n", "key.more"], ["p", "key.back"], ["f", "key.filter"], ["g", "key.map"], ["?", "key.help"], ["Esc", "key.escape"],
] as const;

export function Help() {
  if (!helpOpen.value) return null;
  return (
    <Dialog label={t("help.title")} name="help" onClose={() => (helpOpen.value = false)}>
      <p>{t("help.how")}</p>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt><kbd>{known(key) ? t(key) : key}</kbd></dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={singleKeys.value}
          onChange={(e) => {
            singleKeys.value = e.currentTarget.checked;
            keep("keys", singleKeys.value ? null : "off");
          }}
        />
        {t("help.single")}
      </label>
      <p class="soft">
        {t("help.api")} <a href="/openapi.json">/openapi.json</a> · <a href="/ogc">/ogc</a> · <a href="/static/NOTICES.txt">{t("help.notices")}</a>
        {index.value ? ` · ${index.value.name}` : ""}
      </p>
    </Dialog>
  );
}
