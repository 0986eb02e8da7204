// "Only": what hits must be; and what is among the hits that were found, with counts.

import { Icon } from "../icons.tsx";
import { clearFilter, filterBy, isFiltered } from "../searching.ts";
import { answer, asked, facets, index, tool, view, pane } from "../state.ts";
import type { Facet, Facets } from "../types.ts";
import { number, t } from "../words.ts";
import { short } from "../hit.ts";
import { Hours, Months } from "./columns.tsx";
import { TaxonField } from "./taxon.tsx";

export function Filters() {
  const f = asked.value.filter;
  const [first, last] = index.value?.dates ?? [null, null];
  const drawn = (which: "box" | "circle") => {
    tool.value = tool.value === which ? "move" : which;
    if (tool.value === which) pane.value = "map";
  };
  return (
    <section class="filters" aria-labelledby="only-title">
      <div class="head">
        <h2 id="only-title">{t("only.title")}</h2>
        {isFiltered(f) && <button type="button" class="quiet small" onClick={clearFilter}>{t("only.clear")}</button>}
      </div>
      <TaxonField label={t("only.taxon")} name="taxon" value={f.taxon} placeholder={t("only.taxon.placeholder")} keeps onChoose={(taxon) => filterBy({ taxon })} />
      <label class="check">
        <input type="checkbox" checked={f.observedOnly} onChange={(e) => filterBy({ observedOnly: e.currentTarget.checked })} />
        {t("only.observed")}
      </label>
      <label class="check">
        <input type="checkbox" checked={f.onePerSpecies} onChange={(e) => filterBy({ onePerSpecies: e.currentTarget.checked })} />
        {t("only.species")}
      </label>
      <fieldset class="dates">
        <legend>{t("only.date")}</legend>
        <DateField label={t("only.since")} value={f.since} hint={first} onChange={(since) => filterBy({ since })} />
        <DateField label={t("only.until")} value={f.until} hint={last} onChange={(until) => filterBy({ until })} />
      </fieldset>
      <fieldset class="where">
        <legend>{t("only.where")}</legend>
        <div class="row">
          <button type="button" class="small" aria-pressed={tool.value === "box"} onClick={() => drawn("box")}><Icon name="box" size={14} />{t("tool.box")}</button>
          <button type="button" class="small" aria-pressed={tool.value === "circle"} onClick={() => drawn("circle")}><Icon name="circle" size={14} />{t("tool.circle")}</button>
          {view.value && (
            <button type="button" class="small" onClick={() => view.value && filterBy({ bbox: view.value, near: null })}>{t("only.view")}</button>
          )}
        </div>
        {f.bbox && <Limit text={t("only.bbox", { w: number(f.bbox[0], 2), s: number(f.bbox[1], 2), e: number(f.bbox[2], 2), n: number(f.bbox[3], 2) })} onClear={() => filterBy({ bbox: null })} />}
        <NearFields />
      </fieldset>
      <Licences />
      {answer.value && facets.value && <Among counted={facets.value} />}
    </section>
  );
}

function DateField({ label, value, hint, onChange }: { label: string; value: string; hint: string | null; onChange: (v: string) => void }) {
  return (
    <label>
      <span>{label}</span>
      <input
        type="text"
        inputMode="numeric"
        value={value}
        placeholder={hint?.slice(0, 10) ?? "2024-06"}
        pattern="\d{4}(-\d{2}(-\d{2})?)?"
        title={t("only.date.hint")}
        onKeyDown={(e) => e.key === "Enter" && e.currentTarget.blur()}
        onBlur={(e) => {
          const next = e.currentTarget.value.trim();
          if (next !== value && (next === "" || e.currentTarget.checkValidity())) onChange(next);
        }}
      />
    </label>
  );
}

function Limit({ text, onClear }: { text: string; onClear: () => void }) {
  return (
    <p class="limit">
      <span>{text}</span>
      <button type="button" class="quiet" onClick={onClear}><Icon name="cross" size={14} /><span class="hidden">{t("chip.remove", { name: text })}</span></button>
    </p>
  );
}

/** The circle as numbers: the equal of drawing one. */
function NearFields() {
  const near = asked.value.filter.near;
  return (
    <form
      class="near"
      onSubmit={(e) => {
        e.preventDefault();
        const [latitude, longitude, km] = [...new FormData(e.currentTarget).values()].map((v) => (v === "" ? Number.NaN : Number(v)));
        if ([latitude, longitude, km].every((v) => Number.isFinite(v))) filterBy({ near: { at: [latitude as number, longitude as number], km: km as number }, bbox: null });
      }}
      key={near ? [...near.at, near.km].join() : ""}
    >
      <label><span>{t("near.latitude")}</span><input name="latitude" type="number" step="any" min={-90} max={90} defaultValue={near ? String(Number(near.at[0].toFixed(4))) : ""} /></label>
      <label><span>{t("near.longitude")}</span><input name="longitude" type="number" step="any" min={-180} max={180} defaultValue={near ? String(Number(near.at[1].toFixed(4))) : ""} /></label>
      <label><span>{t("near.km")}</span><input name="km" type="number" step="any" min={0.1} max={20000} defaultValue={near ? String(Number(near.km.toFixed(1))) : "50"} /></label>
      <button type="submit" class="small">{t("near.set")}</button>
      {near && <button type="button" class="quiet small" onClick={() => filterBy({ near: null })}>{t("near.clear")}</button>}
    </form>
  );
}

function Licences() {
  const every = index.value?.licences ?? [];
  const chosen = asked.value.filter.license;
  if (every.length < 2 && !chosen.length) return null;
  const toggle = (l: string) => filterBy({ license: chosen.includes(l) ? chosen.filter((c) => c !== l) : [...chosen, l] });
  return (
    <details class="licences" open={chosen.length > 0}>
      <summary>{t("only.license")}{chosen.length ? ` · ${chosen.length}` : ""}</summary>
      {every.map(({ license, rows }) => (
        <label class="check" key={license}>
          <input type="checkbox" checked={chosen.includes(license)} onChange={() => toggle(license)} />
          <span>{license}</span>
          <span class="count">{number(rows)}</span>
        </label>
      ))}
    </details>
  );
}

const SHOWN = 6;

function Among({ counted }: { counted: Facets }) {
  const named = ["family", "genus", "species"].find((n) => (counted.facets[n]?.values.length ?? 0) > 1);
  const found = named ? counted.facets[named] : undefined;
  const taxa = found?.values ?? [];
  const more = (found?.others ?? 0) + Math.max(0, taxa.length - SHOWN);
  const months = counted.facets.month?.values ?? [];
  const hours = counted.facets.hour?.values ?? [];
  const licences = counted.facets.license?.values ?? [];
  return (
    <div class="among">
      <h3>{t("among.title", { n: counted.window })}</h3>
      {taxa.length > 0 && (
        <>
          <h4>{t(`among.${named as "genus"}`)}</h4>
          <ul class="bars">
            {taxa.slice(0, SHOWN).map(({ value, count }) => (
              <li key={value}>
                <button type="button" onClick={() => filterBy({ taxon: value })}>
                  <i style={{ width: `${(100 * count) / counted.window}%` }} />
                  <span class={named === "family" ? "" : "latin"}>{short(value)}</span>
                  <span class="count">{number(count)}</span>
                </button>
              </li>
            ))}
          </ul>
          {more > 0 && <p class="soft small">{t("among.more", { n: more })}</p>}
        </>
      )}
      {months.length > 0 && <Months months={counted.facets.month as Facet} />}
      {hours.length > 0 && <Hours hours={counted.facets.hour as Facet} />}
      {licences.length > 1 && (
        <>
          <h4>{t("only.license")}</h4>
          <ul class="bars">
            {licences.slice(0, SHOWN).map(({ value, count }) => (
              <li key={value}>
                <button type="button" onClick={() => filterBy({ license: [value] })}>
                  <i style={{ width: `${(100 * count) / counted.window}%` }} />
                  <span>{short(value)}</span>
                  <span class="count">{number(count)}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
