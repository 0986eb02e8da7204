// The line on top: which index this is, and how the page looks and speaks.

import { signal } from "@preact/signals";
import { Icon } from "../icons.tsx";
import { keep, kept } from "../kept.ts";
import { helpOpen, index } from "../state.ts";
import { LANGUAGES, language, speak, t } from "../words.ts";

type Palette = "auto" | "light" | "dark";
const palette = signal<Palette>((kept("palette") as Palette | null) ?? "auto");

export function paint(): void {
  if (palette.value === "auto") delete document.documentElement.dataset.palette;
  else document.documentElement.dataset.palette = palette.value;
}

function nextPalette(): void {
  palette.value = palette.value === "auto" ? "dark" : palette.value === "dark" ? "light" : "auto";
  keep("palette", palette.value === "auto" ? null : palette.value);
  paint();
  window.dispatchEvent(new Event("palette"));
}

export function Header() {
  const about = index.value;
  return (
    <header class="top">
      <h1>
        <img src="/static/icon.svg" alt="" width="20" height="20" />
        prom3e-index
      </h1>
      {about && (
        <p class="about">
          <b>{about.name}</b>
          <span>{t("index.rows", { n: about.rows })}</span>
          <span>{t("index.generation", { n: about.generation })}</span>
          <span>{t("index.model", { name: about.model.name })}</span>
          {about.outline === "planet" && <span class="tag">{t("index.invented")}</span>}
        </p>
      )}
      <div class="tools">
        <button type="button" class="quiet" onClick={nextPalette} title={t(`palette.${palette.value}`)}>
          <Icon name="light" />
          <span class="hidden">{t(`palette.${palette.value}`)}</span>
        </button>
        <label class="language">
          <span class="hidden">{t("language")}</span>
          <select value={language.value} onChange={(e) => speak(e.currentTarget.value)}>
            {LANGUAGES.map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
          </select>
        </label>
        <button type="button" class="quiet" onClick={() => (helpOpen.value = true)} aria-haspopup="dialog">
          <b aria-hidden="true">?</b>
          <span class="hidden">{t("help.open")}</span>
        </button>
      </div>
    </header>
  );
}
