// How the hits spread over the months of a year and the hours of a day; and how many of them tell neither.

import type { Facet } from "../types.ts";
import { language, number, t } from "../words.ts";

interface Column {
  value: number;
  /** As it stands below; empty where there is no room. */
  short: string;
  long: string;
}

function Columns({ title, columns, facet, without }: { title: string; columns: Column[]; facet: Facet; without: string }) {
  const counts = new Map(facet.values.map((v) => [Number(v.value), v.count]));
  const most = Math.max(1, ...counts.values());
  return (
    <>
      <h4>{title}</h4>
      <ol class="columns" style={{ gridTemplateColumns: `repeat(${columns.length}, 1fr)` }}>
        {columns.map(({ value, short, long }) => {
          const count = counts.get(value) ?? 0;
          const said = `${long}: ${number(count)}`;
          return (
            <li key={value} title={said}>
              <b><i style={{ height: `${(100 * count) / most}%` }} /></b>
              <span aria-hidden="true">{short}</span>
              <span class="hidden">{said}</span>
            </li>
          );
        })}
      </ol>
      {facet.without > 0 && <p class="soft small">{without}</p>}
    </>
  );
}

export function Months({ months }: { months: Facet }) {
  const name = (m: number, style: "narrow" | "long") => new Intl.DateTimeFormat(language.value, { month: style, timeZone: "UTC" }).format(Date.UTC(2024, m - 1, 15));
  const columns = Array.from({ length: 12 }, (_, i) => ({ value: i + 1, short: name(i + 1, "narrow"), long: name(i + 1, "long") }));
  return <Columns title={t("among.month")} columns={columns} facet={months} without={t("among.monthless", { n: months.without })} />;
}

/** Hours as the table states them: the clock of the place, as far as observers wrote it. */
export function Hours({ hours }: { hours: Facet }) {
  const two = (h: number) => String(h).padStart(2, "0");
  const columns = Array.from({ length: 24 }, (_, h) => ({ value: h, short: h % 6 ? "" : String(h), long: `${two(h)}:00–${two(h)}:59` }));
  return <Columns title={t("among.hour")} columns={columns} facet={hours} without={t("among.timeless", { n: hours.without })} />;
}
