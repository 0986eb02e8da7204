// One observation, large: its picture or sound, all that is known of it, and its neighbours by arrows.

import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { address, BASE, get, Refusal } from "../api.ts";
import { audioOf, isLatin, nameOf, observation, placeOfHit, dateOf, secondName, soundKey, unshownSaid } from "../hit.ts";
import { Icon } from "../icons.tsx";
import { refusalSaid } from "../said.ts";
import { filterBy, write } from "../searching.ts";
import { answer, index, opened, sorted } from "../state.ts";
import type { Hit } from "../types.ts";
import { known, language, number, t, word } from "../words.ts";
import { Chance, MarkButtons, Rights, State } from "./card.tsx";
import { Climate, type Compared, isClimate, useClimate } from "./climate.tsx";
import { Dialog } from "./dialog.tsx";
import { Mixed } from "./mixed.tsx";
import { Similar } from "./similar.tsx";
import { Spectrogram } from "./spectrogram.tsx";

export function close(): void {
  opened.value = null;
  write(true);
}

export function step(by: number): void {
  const every = sorted.value;
  const at = every.findIndex((h) => h.row === opened.value);
  const next = every[at + by];
  if (at >= 0 && next) opened.value = next.row;
}

export function Lightbox() {
  const row = opened.value;
  if (row === null) return null;
  return <Opened row={row} />;
}

function Opened({ row }: { row: number }) {
  const ranked = sorted.value.find((h) => h.row === row) ?? null;
  const fetched = useSignal<Hit | null>(null);
  const why = useSignal("");
  useEffect(() => {
    write(true);
    const asking = new AbortController();
    fetched.value = null;
    why.value = "";
    get<Hit>(observation(row), asking.signal).then(
      (found) => (fetched.value = found),
      (error) => {
        if (error instanceof Refusal) why.value = refusalSaid(error);
        else if (!asking.signal.aborted) throw error;
      },
    );
    return () => asking.abort();
  }, [row]);
  const all = fetched.value;
  const hit = ranked ?? all;
  const every = sorted.value;
  const at = every.findIndex((h) => h.row === row);
  return (
    <Dialog
      label={hit ? nameOf(hit) : t("chip.row", { row: String(row) })}
      latin={hit !== null && isLatin(hit)}
      name="lightbox"
      onClose={close}
      tools={
        at >= 0 && (
          <>
            <span class="soft">{t("box.at", { n: at + 1, all: every.length })}</span>
            <button type="button" class="quiet" disabled={at === 0} onClick={() => step(-1)}><Icon name="left" /><span class="hidden">{t("box.before")}</span></button>
            <button type="button" class="quiet" disabled={at === every.length - 1} onClick={() => step(1)}><Icon name="right" /><span class="hidden">{t("box.after")}</span></button>
          </>
        )
      }
    >
      {why.value && <p class="refused" role="alert"><Mixed text={why.value} /></p>}
      {hit && <Body hit={{ ...all, ...hit } as Hit} ranked={ranked !== null} fields={all} />}
    </Dialog>
  );
}

function Body({ hit, ranked, fields }: { hit: Hit; ranked: boolean; fields: Hit | null }) {
  const links = hit.links ?? {};
  const audio = audioOf(hit);
  const climate = useClimate(hit.row);
  return (
    <div class={links.image || links.spectrogram || links.sat ? "large" : "large plain"}>
      <div class="seen">
        {links.image ? <Picture url={links.image} name={nameOf(hit)} /> : null}
        {links.spectrogram ? (
          <Spectrogram sound={soundKey(hit.row)} title={nameOf(hit)} picture={links.spectrogram} audio={audio} span={hit.span ?? null} tall />
        ) : null}
        {links.sat ? <figure class="tile"><img src={links.sat} alt={t("box.tile")} loading="lazy" /><figcaption>{t("box.tile")}</figcaption></figure> : null}
        {!links.image && !links.spectrogram && !links.sat && <p class="none">{unshownSaid(hit)}</p>}
      </div>
      <div class="said">
        {ranked && (
          <p class="row">
            <State hit={hit} />
            <Chance hit={hit} />
          </p>
        )}
        {hit.completed && ranked && <p class="soft">{t("card.completed.why")}</p>}
        <p>
          <span class={isLatin(hit) ? "latin big" : "big"}>{nameOf(hit)}</span>
          {secondName(hit) ? <><br />{secondName(hit)}</> : null}
        </p>
        <p>{dateOf(hit)}<br />{placeOfHit(hit)}</p>
        <Rights hit={hit} />
        <p class="row">
          <Similar hit={hit} />
          <MarkButtons hit={hit} />
          {hit.scientific_name && answer.value && (
            <button type="button" class="small" onClick={() => { close(); filterBy({ taxon: hit.scientific_name as string }); }}>{t("box.only", { name: nameOf(hit) })}</button>
          )}
        </p>
        <Originals hit={hit} />
        <ul class="observed-list">
          {hit.observed.map((m) => <li key={m}><Icon name={m} size={14} />{word("modality", m)} <small>{t("card.observed")}</small></li>)}
          {(hit.completed_modalities ?? []).map((m) => <li key={m} class="soft"><Icon name={m} size={14} />{word("modality", m)} <small>{t("card.completed")}</small></li>)}
        </ul>
        {climate && <Climate of={climate} />}
        {fields?.fields && <Fields of={fields.fields} climate={climate} />}
      </div>
    </div>
  );
}

/** Files as they were indexed, where the server gives them. */
function Originals({ hit }: { hit: Hit }) {
  const some = (["image", "audio"] as const).filter((m) => hit.links?.[m]);
  if (!index.value?.allows?.originals || hit.obscured || !some.length) return null;
  return (
    <p class="row small">
      {some.map((m) => <a key={m} href={address(`${BASE}/media/${hit.row}/original`, { modality: m, generation: answer.value?.generation })} download>{t(`box.original.${m}`)}</a>)}
    </p>
  );
}

function Picture({ url, name }: { url: string; name: string }) {
  const [missing, setMissing] = useState(false);
  useEffect(() => setMissing(false), [url]);
  if (missing) return <p class="none">{t("card.missing")}</p>;
  return <img class="photo" src={url} alt={t("box.photo", { name })} onError={() => setMissing(true)} />;
}

/** Fields that the program itself writes, in English, for those who take the data further. */
const ENGLISH = new Set(["data_generalizations", "information_withheld"]);
const ELSEWHERE = new Set(["license_url", "start_s", "end_s", "event_start", "event_end"]);

function written(value: unknown): string {
  if (typeof value === "boolean") return value ? t("yes") : t("no");
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : number(value, 4);
  if (Array.isArray(value)) return value.map(written).join(", ");
  return String(value);
}

/** A field that every index may have, in the words of the page; a further column of the table by its own name. */
function Column({ name }: { name: string }) {
  if (known(`field.${name}`)) return <>{word("field", name)}</>;
  if (known(`rank.${name}`)) return <>{word("rank", name)}</>;
  return known(`climate.${name}`) ? <>{word("climate", name)}</> : <code translate={false}>{name}</code>;
}

function Fields({ of, climate }: { of: Record<string, unknown>; climate: Compared | null }) {
  language.value;
  const some = Object.entries(of).filter(([name, value]) => !ELSEWHERE.has(name) && !isClimate(name, climate) && value !== "" && typeof value !== "object");
  return (
    <table class="fields">
      <caption class="hidden">{t("box.fields")}</caption>
      <tbody>
        {some.map(([name, value]) => (
          <tr key={name}>
            <th scope="row"><Column name={name} /></th>
            <td lang={ENGLISH.has(name) ? "en" : undefined}>{name === "place_level" ? word("level", String(value)).replace("deg", "°") : written(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
