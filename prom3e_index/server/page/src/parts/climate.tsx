// The climate of a hit beside that of what was asked, variable by variable; or why the one or the other is not known.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { address, BASE, get, Refusal } from "../api.ts";
import { answer, index } from "../state.ts";
import { number, t, word } from "../words.ts";

interface One {
  values: (number | null)[] | null;
  source: "table" | "raster" | "given" | null;
  reason: "obscured" | "none" | "gone" | "outside" | "several" | "unasked" | null;
}

export interface Compared {
  variables: string[];
  hit: One;
  query: One;
}

/** The climates of a row and of the answer's question, once the server has told them. */
export function useClimate(row: number): Compared | null {
  const found = useSignal<Compared | null>(null);
  const search = answer.value?.id;
  const known = index.value?.modalities.some((m) => m.name === "env") ?? false;
  useEffect(() => {
    found.value = null;
    if (!known || !search) return;
    const asking = new AbortController();
    get<Compared>(address(`${BASE}/searches/${search}/climate`, { row }), asking.signal).then(
      (told) => (found.value = told),
      (error) => {
        if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
      },
    );
    return () => asking.abort();
  }, [row, search, known]);
  return found.value;
}

/** Whether a column of the table stands among the climates already. */
export const isClimate = (column: string, of: Compared | null): boolean => of?.hit.source === "table" && /^(elevation|bio_?\d+)$/i.test(column);

const WIDEST = 3; // standard deviations that the scale has to each side
const share = (v: number) => `${50 + (50 * Math.max(-WIDEST, Math.min(WIDEST, v))) / WIDEST}%`;

export function Climate({ of }: { of: Compared }) {
  const { variables, hit, query } = of;
  const both = variables.flatMap((name, i) => {
    const [a, b] = [hit.values?.[i] ?? null, query.values?.[i] ?? null];
    return a === null || b === null ? [] : [{ name, apart: Math.abs(a - b) }];
  });
  const farthest = both.reduce((most, v) => (v.apart > most.apart ? v : most), both[0] ?? { name: "", apart: 0 });
  const own = hit.values !== null;
  return (
    <section class="climate" aria-labelledby="climate-title">
      <h3 id="climate-title">{t("climate.title")}</h3>
      {!own && hit.reason && <p class="soft">{word("climate.hit", hit.reason)}</p>}
      {own && query.reason && <p class="soft">{word("climate.query", query.reason)}</p>}
      {own && (
        <>
          <p class="soft small">
            {farthest.apart >= 0.005 && `${t("climate.farthest", { name: word("climate", farthest.name), n: number(farthest.apart, 2) })} `}
            {t("climate.unit")}
          </p>
          <table>
            <thead>
              <tr>
                <th scope="col"><span class="hidden">{t("climate.variable")}</span></th>
                <td aria-hidden="true"><span class="scale-ends"><span>−{WIDEST}</span><span>0</span><span>+{WIDEST}</span></span></td>
                <th scope="col"><i class="mark hit" aria-hidden="true" /> {t("climate.of.hit")}</th>
                {query.values && <th scope="col"><i class="mark query" aria-hidden="true" /> {t("climate.of.query")}</th>}
              </tr>
            </thead>
            <tbody>
              {variables.map((name, i) => {
                const [a, b] = [hit.values?.[i] ?? null, query.values?.[i] ?? null];
                return (
                  <tr key={name}>
                    <th scope="row" title={name.startsWith("bio") ? name : undefined}>{word("climate", name)}</th>
                    <td class="track" aria-hidden="true">
                      <span>
                        {a !== null && <i class="mark hit" style={{ left: share(a) }} />}
                        {b !== null && <i class="mark query" style={{ left: share(b) }} />}
                      </span>
                    </td>
                    <td class="value">{a === null ? "–" : number(a, 2)}</td>
                    {query.values && <td class="value">{b === null ? "–" : number(b, 2)}</td>}
                  </tr>
                );
              })}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}
