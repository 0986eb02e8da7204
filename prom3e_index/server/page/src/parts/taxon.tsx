// A field for a name with completion: scientific and common names of any rank. A combobox as ARIA describes it.

import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { address, BASE, get, Refusal } from "../api.ts";
import { short } from "../hit.ts";
import type { Taxon } from "../types.ts";
import { t, word } from "../words.ts";

interface Given {
  label: string;
  value: string;
  name?: string;
  placeholder?: string;
  /** Called with what was chosen or typed and entered. */
  onChoose: (name: string) => void;
  /** Whether the field keeps what was chosen. */
  keeps: boolean;
}

export function TaxonField({ label, value, name, placeholder, onChoose, keeps }: Given) {
  const id = useId();
  const text = useSignal(value);
  const found = useSignal<Taxon[]>([]);
  const at = useSignal(-1);
  const open = useSignal(false);
  const asking = useRef<AbortController | null>(null);
  const waiting = useRef(0);
  useEffect(() => void (text.value = value), [value]);
  useEffect(() => () => clearTimeout(waiting.current), []);

  function type(next: string) {
    text.value = next;
    at.value = -1;
    clearTimeout(waiting.current);
    asking.current?.abort();
    if (next.trim().length < 2) {
      open.value = false;
      found.value = [];
      return;
    }
    waiting.current = window.setTimeout(() => void complete(next.trim()), 120);
  }

  async function complete(q: string) {
    const now = (asking.current = new AbortController());
    try {
      const names = await get<Taxon[]>(address(`${BASE}/taxa`, { q, limit: 10 }), now.signal);
      found.value = names;
      open.value = names.length > 0;
    } catch (error) {
      if (now.signal.aborted) return;
      if (!(error instanceof Refusal)) throw error;
      open.value = false; // a name may be typed without completion
    }
  }

  function choose(chosen: string) {
    clearTimeout(waiting.current);
    asking.current?.abort();
    open.value = false;
    text.value = keeps ? chosen : "";
    onChoose(chosen);
  }

  function key(e: KeyboardEvent) {
    const most = found.value.length;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      if (!most) return;
      e.preventDefault();
      open.value = true;
      at.value = (at.value + (e.key === "ArrowDown" ? 1 : at.value < 0 ? 0 : -1) + most) % most;
    } else if (e.key === "Enter") {
      e.preventDefault();
      const chosen = open.value && at.value >= 0 ? found.value[at.value]?.name : text.value.trim();
      if (chosen || keeps) choose(chosen ?? "");
    } else if (e.key === "Escape" && open.value) {
      e.stopPropagation();
      open.value = false;
    }
  }

  return (
    <div class="taxon">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        name={name}
        data-field={name}
        value={text.value}
        placeholder={placeholder}
        maxLength={500}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={open.value}
        aria-controls={`${id}-list`}
        aria-activedescendant={open.value && at.value >= 0 ? `${id}-${at.value}` : undefined}
        onInput={(e) => type(e.currentTarget.value)}
        onKeyDown={key}
        onBlur={() => {
          open.value = false;
          if (keeps && text.value.trim() !== value) choose(text.value.trim());
        }}
      />
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!open.value}>
        {found.value.map((taxon, i) => (
          <li
            key={`${taxon.rank} ${taxon.name}`}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at.value}
            onPointerDown={(e) => e.preventDefault()}
            onClick={() => choose(taxon.name)}
          >
            <span class={taxon.rank === "species" || taxon.rank === "genus" ? "name latin" : "name"}>{short(taxon.name)}</span>
            <span class="soft">{[taxon.common && short(taxon.common), taxon.rank && word("rank", taxon.rank)].filter(Boolean).join(" · ")}</span>
            {taxon.rows != null && <span class="count">{t("count", { n: taxon.rows })}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
