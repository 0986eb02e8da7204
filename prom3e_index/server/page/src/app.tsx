// The page as a whole: one screen where it is wide, one column with tabs where it is not.

import { useEffect } from "preact/hooks";
import { Ask } from "./parts/ask.tsx";
import { Filters } from "./parts/filters.tsx";
import { Header } from "./parts/header.tsx";
import { Help } from "./parts/help.tsx";
import { Link } from "./parts/link.tsx";
import { Lightbox } from "./parts/lightbox.tsx";
import { MapPane } from "./parts/map.tsx";
import { Mixed } from "./parts/mixed.tsx";
import { Newer } from "./parts/newer.tsx";
import { Results } from "./parts/results.tsx";
import { refusalSaid } from "./said.ts";
import { isFiltered, openIndex } from "./searching.ts";
import { answer, asked, index, indexRefusal, pane, type Pane, said, told } from "./state.ts";
import { language, number, t } from "./words.ts";

const PANES: Pane[] = ["list", "map", "filters"];

export function App() {
  useEffect(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  useEffect(() => {
    document.title = index.value ? `${index.value.name} · prom3e-index` : "prom3e-index";
  }, [index.value?.name]);
  return (
    <>
      <a class="skip" href="#answer">{t("skip")}</a>
      <Header />
      {index.value ? (
        <>
          <Newer />
          <Link />
          <Ask />
          <Panes />
          <main id="answer" class={`panes at-${pane.value}`} tabIndex={-1}>
            <Filters />
            <div class="list"><Results /></div>
            <MapPane />
          </main>
        </>
      ) : (
        <main class="opening" id="answer" tabIndex={-1}>
          {indexRefusal.value ? (
            <section class="refusal" role="alert">
              <h2>{t("refused.title")}</h2>
              <p><Mixed text={refusalSaid(indexRefusal.value)} /></p>
              <button type="button" class="main" onClick={() => void openIndex()}>{t("refused.again")}</button>
            </section>
          ) : (
            <p class="soft"><progress aria-label={t("opening")} /> {t("opening")}</p>
          )}
        </main>
      )}
      <Lightbox />
      <Help />
      <div class="toast" aria-hidden="true" hidden={!told.value}><Mixed text={told.value} /></div>
      <div class="hidden" role="status" aria-live="polite"><Mixed text={said.value} /></div>
    </>
  );
}

/** Which of list, map and filters a narrow page shows. */
function Panes() {
  const counts: Record<Pane, string> = {
    list: answer.value ? number(answer.value.ranked) : "",
    map: "",
    filters: isFiltered(asked.value.filter) ? "•" : "",
  };
  return (
    <nav class="tabs" aria-label={t("panes")}>
      {PANES.map((p) => (
        <button key={p} type="button" aria-pressed={pane.value === p} onClick={(e) => {
            pane.value = p;
            e.currentTarget.closest("nav")?.scrollIntoView({ block: "start" });
          }}>
          {t(`pane.${p}`)} {counts[p] && <small>{counts[p]}</small>}
        </button>
      ))}
    </nav>
  );
}
