// A hit as a card: what it is, whether it was observed, how sure, when, where, whose.

import { memo } from "preact/compat";
import { audioOf, dateOf, isLatin, isNonCommercial, nameOf, pictureOf, placeOfHit, rightsOf, secondName, soundKey, unshownSaid, unshownShort } from "../hit.ts";
import { Icon } from "../icons.tsx";
import { canMark, marks, toggleMark } from "../marks.ts";
import { playing, running, toggle } from "../player.ts";
import { opened, pointed } from "../state.ts";
import type { Hit, Modality } from "../types.ts";
import { chance, language, number, t, word } from "../words.ts";
import { Similar } from "./similar.tsx";
import { Spectrogram } from "./spectrogram.tsx";

export function State({ hit }: { hit: Hit }) {
  return hit.completed ? (
    <span class="state completed" title={t("card.completed.why")}>{t("card.completed")}</span>
  ) : (
    <span class="state observed">{t("card.observed")}</span>
  );
}

export function Observed({ hit }: { hit: Hit }) {
  return (
    <span class="has">
      {hit.observed.map((m) => (
        <span key={m} title={t("card.has", { what: word("modality", m) })}>
          <Icon name={m} size={13} />
          <span class="hidden">{word("modality", m)}</span>
        </span>
      ))}
    </span>
  );
}

export function Rights({ hit }: { hit: Hit }) {
  return (
    <p class="rights">
      {hit.license_url && /^https?:\/\//.test(hit.license_url) ? (
        <a href={hit.license_url} rel="noreferrer license" target="_blank">{rightsOf(hit)}</a>
      ) : (
        rightsOf(hit)
      )}
      {isNonCommercial(hit) && <span class="nc" title={t("card.nc.why")}>{t("card.nc")}</span>}
    </p>
  );
}

export function MarkButtons({ hit }: { hit: Hit }) {
  if (!canMark.value) return null;
  const mark = marks.value.get(hit.row);
  return (
    <span class="marks">
      <button type="button" class="yes" aria-pressed={mark === "relevant"} title={t("mark.yes.do")} onClick={() => void toggleMark(hit, "relevant")}>
        <Icon name="check" />
        <span class="hidden">{t("mark.yes.do")}</span>
      </button>
      <button type="button" class="no" aria-pressed={mark === "irrelevant"} title={t("mark.no.do")} onClick={() => void toggleMark(hit, "irrelevant")}>
        <Icon name="cross" />
        <span class="hidden">{t("mark.no.do")}</span>
      </button>
    </span>
  );
}

export function Chance({ hit }: { hit: Hit }) {
  return (
    <span class="score">
      <span title={t("card.score")}>{number(hit.score, 3)}</span>
      {hit.p_right != null && <b class={hit.p_right < 0.5 ? "low" : undefined} title={t("card.right.why")}>{t("card.right", { p: chance(hit.p_right) })}</b>}
    </span>
  );
}

interface Given {
  hit: Hit;
  target: Modality;
  at: number;
  focusable: boolean;
}

function Plain({ hit, target, at, focusable }: Given) {
  language.value; // words follow the language
  const picture = pictureOf(hit, target);
  const audio = audioOf(hit);
  const key = soundKey(hit.row);
  const mark = marks.value.get(hit.row);
  const name = nameOf(hit);
  const open = () => (opened.value = hit.row);
  return (
    <li
      class={`card${mark === "relevant" ? " marked" : mark === "irrelevant" ? " rejected" : ""}${pointed.value === hit.row ? " pointed" : ""}`}
      data-row={hit.row}
      data-at={at}
      onPointerEnter={() => (pointed.value = hit.row)}
      onPointerLeave={() => pointed.value === hit.row && (pointed.value = null)}
      onFocusCapture={() => (pointed.value = hit.row)}
    >
      <div class="shown">
        <button type="button" class="open" tabIndex={focusable ? 0 : -1} onClick={open}>
          {picture?.kind === "sound" ? (
            <Spectrogram sound={key} title={name} picture={picture.url} audio={null} />
          ) : picture ? (
            <img
              src={picture.url}
              alt=""
              loading={at < 12 ? "eager" : "lazy"}
              decoding="async"
              onError={(e) => e.currentTarget.replaceWith(document.createTextNode(t("card.missing")))}
            />
          ) : (
            <span class="none" title={unshownSaid(hit)}><Icon name={target} size={22} />{unshownShort(hit)}</span>
          )}
          <span class="hidden">{t("card.open", { rank: hit.rank, name })}</span>
        </button>
        {picture && picture.shows !== target && target !== "text" && target !== "loc" && target !== "env" && (
          <span class="instead"><Icon name={picture.shows} size={12} />{t("shown.instead", { what: word("modality", picture.shows) })}</span>
        )}
        <span class="rank" aria-hidden="true">{number(hit.rank)}</span>
        <State hit={hit} />
        {audio && (
          <button type="button" class="playing" onClick={() => toggle(key, audio, hit.span?.from ?? null, hit.span?.to ?? null)}>
            <Icon name={playing.value === key && running.value ? "pause" : "play"} size={15} />
            <span class="hidden">{playing.value === key && running.value ? t("sound.pause") : t("sound.play.of", { name })}</span>
          </button>
        )}
      </div>
      <div class="facts">
        <h3>
          <span class={isLatin(hit) ? "latin" : ""}>{name}</span>
          <Chance hit={hit} />
        </h3>
        <p class="second">
          <span>{secondName(hit) || " "}</span>
          <Observed hit={hit} />
        </p>
        <p class="soft">{dateOf(hit)} · {placeOfHit(hit)}</p>
        <Rights hit={hit} />
        <div class="acts">
          <Similar hit={hit} />
          <MarkButtons hit={hit} />
        </div>
      </div>
    </li>
  );
}

export const Card = memo(Plain);
