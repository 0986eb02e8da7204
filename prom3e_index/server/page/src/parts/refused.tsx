// Why there is no answer, where the answer would stand; near names as buttons.

import { useEffect } from "preact/hooks";
import type { Refusal } from "../api.ts";
import { refusalSaid } from "../said.ts";
import { addPart, ask, filterBy, search } from "../searching.ts";
import { asked, say } from "../state.ts";
import { t } from "../words.ts";
import { Mixed } from "./mixed.tsx";

export function Refused({ refusal }: { refusal: Refusal }) {
  const { status, parameter, near } = refusal.problem;
  const said = refusalSaid(refusal);
  const text = near?.length ? said.replace(/ Did you mean [^?]*\?/, "") : said; // the buttons ask that
  useEffect(() => say(text), [text]);
  const uploads = asked.value.parts.some((p) => p.kind === "upload");
  function take(name: string) {
    if (parameter?.startsWith("filter")) filterBy({ taxon: name });
    else addPart({ kind: "text", text: name });
  }
  return (
    <section class="refusal" role="alert">
      <h2>{t("refused.title")}</h2>
      <p><Mixed text={text} /></p>
      {near && near.length > 0 && (
        <p>
          {t("refused.near")}{" "}
          {near.map((name) => <button key={name} type="button" class="small" onClick={() => take(name)}>{name}</button>)}
        </p>
      )}
      <p>
        {(status === 0 || status >= 500) && <button type="button" class="main" onClick={() => void search()}>{t("refused.again")}</button>}
        {uploads && (status === 404 || status === 410) && (
          <button type="button" onClick={() => ask({ parts: asked.value.parts.filter((p) => p.kind !== "upload") })}>{t("refused.without")}</button>
        )}
      </p>
    </section>
  );
}
