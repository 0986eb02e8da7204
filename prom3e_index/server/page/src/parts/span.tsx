// Which seconds of a recording are asked by: its spectrogram, and two fields.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import type { Part } from "../query.ts";
import { ask } from "../searching.ts";
import { asked } from "../state.ts";
import { t } from "../words.ts";
import { Spectrogram } from "./spectrogram.tsx";

type Sound = Part & { kind: "upload" };

export function SpanCutter({ part, at }: { part: Sound; at: number }) {
  const id = useId();
  const open = useSignal(false);
  const from = useSignal(part.from ?? 0);
  const to = useSignal(part.to ?? part.file.seconds ?? 0);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (open.value) first.current?.focus();
  }, [open.value]);
  const seconds = part.file.seconds ?? null;
  const links = part.file.links;
  if (!links?.spectrogram) return null;
  function use() {
    const whole = from.value <= 0 && (seconds === null || to.value >= seconds);
    const next = whole ? { from: undefined, to: undefined } : { from: from.value, to: to.value };
    ask({ parts: asked.value.parts.map((p, i) => (i === at ? { ...part, ...next } : p)) });
    open.value = false;
  }
  return (
    <>
      <button type="button" class="quiet" aria-expanded={open.value} aria-controls={id} onClick={() => (open.value = !open.value)}>
        <Icon name="audio" size={14} />
        {t("span.open")}
      </button>
      {open.value && (
        <div class="cutter" id={id} role="group" aria-label={t("span.title")} onKeyDown={(e) => e.key === "Escape" && (open.value = false)}>
          <Spectrogram
            sound={`upload ${part.file.upload}`}
            title={part.file.name ?? ""}
            picture={links.spectrogram}
            audio={links.audio ?? null}
            span={{ from: from.value, to: to.value }}
            seconds={seconds}
            tall
          />
          <div class="row">
            <label>
              {t("span.from")}
              <input ref={first} type="number" min={0} max={seconds ?? undefined} step={0.1} value={from.value} onInput={(e) => (from.value = Number(e.currentTarget.value))} />
            </label>
            <label>
              {t("span.to")}
              <input type="number" min={0} max={seconds ?? undefined} step={0.1} value={Number(to.value.toFixed(1))} onInput={(e) => (to.value = Number(e.currentTarget.value))} />
            </label>
            <button type="button" class="main" disabled={!(to.value > from.value)} onClick={use}>{t("span.use")}</button>
          </div>
        </div>
      )}
    </>
  );
}
