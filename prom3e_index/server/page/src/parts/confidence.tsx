// How sure the answer is, in a line or two; what would help, as a button.

import { short } from "../hit.ts";
import { Icon } from "../icons.tsx";
import { sentence } from "../said.ts";
import { answer, hits, index, pane, tool } from "../state.ts";
import type { Answer, Modality } from "../types.ts";
import { chance, number, percent, t, word } from "../words.ts";
import { Mixed } from "./mixed.tsx";

type Told = NonNullable<Answer["confidence"]>;

function likely(c: Told): string {
  const rule = c.rule === "row" ? t("sure.row") : t("sure.species");
  const [low, high] = c.interval ?? [0, 0];
  const hit = c.hit === 1 ? t("sure.first") : c.hit ? t("sure.hit", { n: c.hit }) : t("sure.outside");
  return t("sure.known", {
    hit,
    what: rule,
    p: chance(c.p_right ?? 0),
    low: number(100 * low),
    high: percent(high),
    right: c.right ?? 0,
    rows: c.rows ?? 0,
    where: c.source === "index" ? t("sure.here") : t("sure.elsewhere"),
  });
}

/** Where the part to add is given: the field or the button that takes it. */
function give(modality: Modality): void {
  if (modality === "loc") {
    tool.value = "pick";
    pane.value = "map";
  }
  const field = modality === "text" ? "[data-field=text]" : modality === "loc" ? ".place input" : ".drop .choose";
  document.querySelector<HTMLElement>(field)?.focus();
}

export function Confidence() {
  const found = answer.value;
  if (!found) return null;
  const sure = found.confidence ?? null;
  const set = found.species_set;
  const sigma = found.uncertainty;
  const next = found.add_next ?? null;
  const spearman = sigma?.spearman ?? index.value?.model.sigma_spearman ?? null;
  return (
    <div class="sure">
      {sure?.p_right != null ? (
        <p>
          <span class="meter" aria-hidden="true"><i style={{ width: `${100 * sure.p_right}%` }} /></span>
          {likely(sure)}
        </p>
      ) : sure?.reason ? (
        <p class="soft"><Mixed text={t("sure.unknown", { reason: sentence(sure.reason, found.said) })} /></p>
      ) : null}
      {set?.names?.length ? (
        <p>
          {t("sure.set", { level: chance(set.level ?? 0) })}{" "}
          <span class="latin">{set.names.slice(0, 8).map(short).join(", ")}</span>
          {set.names.length > 8 ? ` ${t("sure.more", { n: set.names.length - 8 })}` : ""}
        </p>
      ) : null}
      {sigma?.sigma_l1 != null && (
        <details>
          <summary>
            {sigma.percentile != null
              ? t("sigma.percentile", { percent: percent(sigma.percentile / 100), s: number(sigma.sigma_l1, 1) })
              : t("sigma.alone", { s: number(sigma.sigma_l1, 1) })}
          </summary>
          <p class="soft">{spearman == null ? t("sigma.unmeasured") : Math.abs(spearman) < 0.3 ? t("sigma.weak", { r: number(spearman, 2) }) : t("sigma.follows", { r: number(spearman, 2) })}</p>
        </details>
      )}
      {next && hits.value.length > 0 && (
        <p>
          <button type="button" class="small" onClick={() => give(next.modality)}>
            <Icon name="plus" size={14} />
            {t("add.next", { what: word("a", next.modality), n: Math.round(-100 * next.failure_change) })}
          </button>
        </p>
      )}
    </div>
  );
}
