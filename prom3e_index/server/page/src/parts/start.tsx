// Before anything is asked: what may be given, and some observations of the index to begin with.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, Refusal } from "../api.ts";
import { isItalic, nameOf, secondName, smaller } from "../hit.ts";
import { Icon } from "../icons.tsx";
import { like } from "../searching.ts";
import { index } from "../state.ts";
import { inOrder } from "./ask.tsx";
import { number, t, word } from "../words.ts";

interface Some {
  row: number;
  scientific_name?: string | null;
  common_name?: string | null;
  link_image?: string;
}

export function Start() {
  const about = index.value;
  const some = useSignal<Some[]>([]);
  useEffect(() => {
    const asking = new AbortController();
    get<{ features: { properties: Some }[] }>("/ogc/collections/observations/items?limit=40", asking.signal).then(
      (found) => {
        const seen = new Set<string>();
        some.value = found.features
          .map((f) => f.properties)
          .filter((p) => {
            const name = p.scientific_name ?? p.common_name ?? "";
            return p.link_image && !seen.has(name) && seen.add(name);
          })
          .slice(0, 8);
      },
      (error) => {
        if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
      },
    );
    return () => asking.abort();
  }, [about?.generation]);
  if (!about) return null;
  return (
    <section class="start" aria-labelledby="start-title">
      <h2 id="start-title">{t("start.title")}</h2>
      <p>{t("start.how")}</p>
      <ul class="contents">
        {inOrder(about.modalities.map((m) => m.name)).flatMap((name) => about.modalities.filter((m) => m.name === name)).map((m) => (
          <li key={m.name}>
            <Icon name={m.name} size={18} />
            <b>{number(m.rows)}</b> {word("contents", m.name, { n: m.rows })}
          </li>
        ))}
      </ul>
      {some.value.length > 0 && (
        <>
          <h3>{t("start.some")}</h3>
          <ul class="some">
            {some.value.map((o) => (
              <li key={o.row}>
                <button type="button" onClick={() => like(o.row, [], nameOf(o))}>
                  <img src={smaller(o.link_image ?? "")} alt="" loading="lazy" />
                  <span class={isItalic(o.scientific_name) ? "latin" : ""}>{nameOf(o)}</span>
                  {secondName(o) && <small>{secondName(o)}</small>}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
