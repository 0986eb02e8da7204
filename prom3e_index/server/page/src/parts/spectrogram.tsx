// A recording as a picture with its axis in kHz and seconds, where it plays and can be moved.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, Refusal } from "../api.ts";
import { Icon } from "../icons.tsx";
import { play, playing, position, running, seek, setSpeed, SPEEDS, EXPANDED, speed, toggle } from "../player.ts";
import { clock, number, t } from "../words.ts";

export interface Axis {
  f_min: number;
  f_max: number;
  seconds: number;
  from: number;
  duration: number;
  db_range?: number[];
}

interface Given {
  sound: string;
  title: string;
  picture: string;
  audio: string | null;
  span?: { from: number; to: number | null } | null;
  /** Of the whole recording, where it is known before the picture is. */
  seconds?: number | null;
  /** With axes, speeds and the time; a card shows the picture alone. */
  tall?: boolean;
}

/** The address of a picture's axis: `…/spectrogram?…` becomes `…/spectrogram.json?…`. */
export const axisOf = (picture: string) => picture.replace(/\/spectrogram(?=\?|$)/, "/spectrogram.json");

const axes = new Map<string, Axis>();

export function useAxis(picture: string | null): Axis | null {
  const axis = useSignal<Axis | null>(axes.get(picture ?? "") ?? null);
  useEffect(() => {
    if (picture === null) return;
    const asking = new AbortController();
    axis.value = axes.get(picture) ?? null;
    if (!axis.value)
      get<Axis>(axisOf(picture), asking.signal).then(
        (found) => {
          axes.set(picture, found);
          axis.value = found;
        },
        (error) => {
          if (!(error instanceof Refusal) && !asking.signal.aborted) throw error;
        },
      );
    return () => asking.abort();
  }, [picture]);
  return axis.value;
}

/** Round steps of an axis, at most `most` of them. */
function steps(from: number, to: number, most: number): number[] {
  const width = (to - from) / most;
  const ten = 10 ** Math.floor(Math.log10(width || 1));
  const step = [1, 2, 5, 10].map((n) => n * ten).find((n) => n >= width) ?? 1;
  const out = [];
  for (let v = Math.ceil(from / step) * step; v <= to + 1e-9; v += step) out.push(Number(v.toFixed(6)));
  return out;
}

const LONGEST = 60; // seconds that the server draws at once

/** The address of a part of the same recording's picture. */
function part(picture: string, from: number, to: number): string {
  const [path, query] = picture.split("?");
  const values = new URLSearchParams(query);
  for (const [name, value] of Object.entries({ from, to, width: 1024, height: 256 })) values.set(name, String(Number(value.toFixed(3))));
  return `${path}?${values}`;
}

export function Spectrogram({ sound, title, picture: small, audio, span, tall, seconds: told = null }: Given) {
  const mine = playing.value === sound;
  const first = useAxis(tall && told ? null : small);
  const duration = told ?? first?.duration ?? null;
  const begin = useSignal(0);
  const whole = tall && duration !== null;
  const end0 = whole ? Math.min(duration, begin.value + LONGEST) : 0;
  const picture = whole ? part(small, begin.value, end0) : small;
  const axis = useAxis(picture);
  const long = whole && duration > LONGEST;
  useEffect(() => {
    // the picture follows what is heard, a window at a time
    if (long && mine && (position.value < begin.value || position.value >= begin.value + LONGEST)) begin.value = Math.floor(position.value / LONGEST) * LONGEST;
  }, [long, mine, position.value]);
  const from = axis?.from ?? 0;
  const seconds = axis?.seconds ?? 0;
  const share = (s: number) => `${Math.min(100, Math.max(0, ((s - from) / (seconds || 1)) * 100))}%`;
  const start = span ? span.from : null;
  const end = span?.to ?? null;
  const at = mine ? position.value : (start ?? from);

  function move(to: number) {
    const second = Math.min(from + seconds, Math.max(from, to));
    if (mine) seek(second);
    else if (audio) play(sound, audio, second, null);
  }
  function key(e: KeyboardEvent) {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -5, PageUp: 5 }[e.key];
    if (by !== undefined) move(at + by * Math.min(1, seconds / 20));
    else if (e.key === "Home") move(from);
    else if (e.key === "End") move(from + seconds - 0.1);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
  const plot = (
    <div
      class="plot"
      role={audio ? "slider" : undefined}
      tabIndex={audio && tall ? 0 : undefined}
      aria-label={audio ? t("sound.position", { name: title }) : undefined}
      aria-valuemin={audio ? from : undefined}
      aria-valuemax={audio ? from + seconds : undefined}
      aria-valuenow={audio ? Number(at.toFixed(2)) : undefined}
      aria-valuetext={audio ? t("sound.at", { at: clock(at), of: clock(from + seconds) }) : undefined}
      onKeyDown={audio && tall ? key : undefined}
      onClick={(e) => {
        if (!audio || !tall) return;
        const box = e.currentTarget.getBoundingClientRect();
        move(from + ((e.clientX - box.left) / box.width) * seconds);
      }}
    >
      <img src={picture} alt="" loading="lazy" decoding="async" />
      {span && tall && seconds > 0 && (
        <i class="span" style={{ left: share(span.from), width: `calc(${share(span.to ?? from + seconds)} - ${share(span.from)})` }} />
      )}
      {mine && seconds > 0 && <i class="head" style={{ left: share(position.value) }} />}
    </div>
  );
  if (!tall) return plot;
  return (
    <div class="sound">
      <div class="axes">
        {axis && (
          <div class="khz" aria-hidden="true">
            {steps(axis.f_min / 1000, axis.f_max / 1000, 4).map((f) => (
              <span key={f} style={{ bottom: `${((f * 1000 - axis.f_min) / (axis.f_max - axis.f_min)) * 100}%` }}>{number(f, f % 1 ? 1 : 0)}</span>
            ))}
            <b>kHz</b>
          </div>
        )}
        {plot}
        {axis && (
          <div class="seconds" aria-hidden="true">
            {steps(from, from + seconds, 6).map((s) => <span key={s} class={s > from + seconds * 0.97 ? "last" : undefined} style={{ left: share(s) }}>{clock(s)}</span>)}
          </div>
        )}
      </div>
      <div class="row controls">
        {audio && (
          <button type="button" class="main" onClick={() => toggle(sound, audio, start, end)}>
            <Icon name={mine && running.value ? "pause" : "play"} />
            {mine && running.value ? t("sound.pause") : t("sound.play")}
          </button>
        )}
        {audio && <Speeds />}
        {long && (
          <>
            <button type="button" class="small" disabled={begin.value <= 0} onClick={() => (begin.value -= LONGEST)}><Icon name="left" size={14} /><span class="hidden">{t("sound.before")}</span></button>
            <button type="button" class="small" disabled={end0 >= (duration ?? 0)} onClick={() => (begin.value += LONGEST)}><Icon name="right" size={14} /><span class="hidden">{t("sound.after")}</span></button>
          </>
        )}
        <span class="soft">
          {clock(at)} / {clock(duration ?? from + seconds)}
          {axis?.db_range ? ` · ${t("sound.range", { low: axis.db_range[0] ?? 0, high: axis.db_range[1] ?? 0 })}` : ""}
        </span>
      </div>
    </div>
  );
}

export function Speeds() {
  return (
    <label class="speed">
      {t("sound.speed")}
      <select value={String(speed.value)} onChange={(e) => setSpeed(Number(e.currentTarget.value))}>
        {SPEEDS.map((s) => (
          <option key={s} value={String(s)}>{s === EXPANDED ? t("sound.expanded") : `${number(s, s % 1 ? (s * 10) % 1 ? 2 : 1 : 0)} ×`}</option>
        ))}
      </select>
    </label>
  );
}
