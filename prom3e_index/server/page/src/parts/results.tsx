// The answer as a list: how many, in which order, the cards, and more of them.

import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { sentence } from "../said.ts";
import { ask, clearFilter, isAsked, isFiltered, write } from "../searching.ts";
import { answer, asked, busy, fetchingMore, hits, index, refusal, shown, sort, sorted, type Sort, tell } from "../state.ts";
import { number, t } from "../words.ts";
import { Card } from "./card.tsx";
import { ExportMenu } from "./exports.tsx";
import { canMark, markedRows, rejectedRows } from "../marks.ts";
import { Mixed } from "./mixed.tsx";
import { Refused } from "./refused.tsx";
import { Start } from "./start.tsx";

const PAGE = 24;

export function Results() {
  const found = answer.value;
  if (refusal.value) return <Refused refusal={refusal.value} />;
  if (!isAsked()) return <Start />;
  if (!found) return busy.value ? <Waiting /> : null;
  return (
    <section class="results" aria-labelledby="results-title" aria-busy={busy.value}>
      <ResultsHead />
      <Notes />
      <List />
      <MarkBar />
    </section>
  );
}

function ResultsHead() {
  const found = answer.value;
  if (!found) return null;
  const time = found.milliseconds?.whole ?? null;
  const every = found.rows ?? null;
  const way = !found.ranked || !found.path ? "" : t(found.path.startsWith("exact") ? "path.exact" : "path.approximate");
  return (
    <div class="head">
      <h2 id="results-title">
        {every != null && every !== found.numberMatched ? t("results.eligible.of", { n: found.numberMatched, all: every }) : t("results.eligible", { n: found.numberMatched })}
        <small>
          {[t("results.ranked", { n: found.ranked }), way, time != null ? `${number(time)}\u00a0ms` : ""].filter(Boolean).join(" · ")}
        </small>
      </h2>
      {busy.value && <progress aria-label={t("results.busy")} />}
      <label class="sort">
        <span>{t("sort")}</span>
        <select
          value={sort.value}
          onChange={(e) => {
            sort.value = e.currentTarget.value as Sort;
            shown.value = PAGE;
            write(true);
          }}
        >
          {(["score", "date", "name"] as const).map((s) => <option key={s} value={s}>{t(`sort.${s}`)}</option>)}
        </select>
      </label>
      <ExportMenu />
      <button
        type="button"
        class="small"
        onClick={() =>
          navigator.clipboard ? navigator.clipboard.writeText(location.href).then(() => tell(t("link.copied")), () => tell(t("link.bar"))) : tell(t("link.bar"))
        }
      >
        <Icon name="link" size={14} />
        {t("link")}
      </button>
    </div>
  );
}

function Notes() {
  const known = [...(index.value?.said ?? []), ...(answer.value?.said ?? [])];
  const notes = [...new Set([...(index.value?.notes ?? []), ...(answer.value?.notes ?? [])])];
  const other = answer.value?.insteadOf;
  const few = hits.value.length < (answer.value?.ranked ?? 0) || !hits.value.length;
  if (!notes.length && !few && other === undefined) return null;
  return (
    <ul class="notes">
      {notes.map((note) => <li key={note}><Mixed text={sentence(note, known)} /></li>)}
      {other !== undefined && <li>{t("note.generation", { asked: other, n: answer.value?.generation ?? 0 })}</li>}
      {!hits.value.length && !busy.value && (
        <li>
          {!known.some((s) => s.code === "none" || s.code === "none.like") && `${t("results.none")} `}
          {isFiltered(asked.value.filter) && <button type="button" class="small" onClick={clearFilter}>{t("only.clear")}</button>}
        </li>
      )}
    </ul>
  );
}

function List() {
  const list = useRef<HTMLOListElement>(null);
  const end = useRef<HTMLDivElement>(null);
  const every = sorted.value;
  const target = answer.value?.target ?? "image";
  const some = every.slice(0, shown.value);
  const more = () => (shown.value = Math.min(shown.value + PAGE, every.length));
  useEffect(() => {
    if (!end.current || shown.value >= every.length) return;
    const near = new IntersectionObserver(([e]) => e?.isIntersecting && shown.value % 96 && more(), { rootMargin: "400px" });
    near.observe(end.current);
    return () => near.disconnect();
  }, [shown.value, every.length]);
  return (
    <>
      <ol class={`cards ${target}`} ref={list}>
        {some.map((hit, i) => <Card key={hit.row} hit={hit} target={target} at={i} focusable />)}
      </ol>
      <div class="end" ref={end}>
        {shown.value < every.length && <button type="button" onClick={more}>{t("results.more")}</button>}
        {every.length > 0 && <span class="soft">{t("results.shown", { n: some.length, all: fetchingMore.value ? (answer.value?.ranked ?? every.length) : every.length })}</span>}
      </div>
    </>
  );
}

function MarkBar() {
  const [yes, no] = [markedRows.value, rejectedRows.value];
  if (!canMark.value || yes.length + no.length === 0) return null;
  return (
    <div class="markbar" role="region" aria-label={t("marks")}>
      <span>{t("marks.count", { yes: yes.length, no: no.length })}</span>
      <button type="button" class="main" onClick={() => ask({ more: yes.slice(0, 100), less: no.slice(0, 100) })}>{t("marks.again")}</button>
      <ExportMenu marked />
    </div>
  );
}

function Waiting() {
  return (
    <section class="results" aria-busy="true">
      <p class="soft waiting"><progress aria-label={t("results.busy")} /> {t("results.busy")}</p>
      <ol class="cards" aria-hidden="true">{Array.from({ length: 8 }, (_, i) => <li key={i} class="card ghost"><div class="shown" /><div class="facts" /></li>)}</ol>
    </section>
  );
}
