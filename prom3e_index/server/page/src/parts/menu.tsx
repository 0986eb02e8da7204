// A button that opens a short list of choices; Escape, a choice and a click elsewhere close it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";

export function Menu({ label, icon, children, hiddenLabel }: { label: string; icon: string; children: ComponentChildren; hiddenLabel?: string }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const elsewhere = (e: Event) => {
      if (menu.current?.open && !menu.current.contains(e.target as Node)) menu.current.open = false;
    };
    document.addEventListener("pointerdown", elsewhere);
    document.addEventListener("focusin", elsewhere);
    return () => {
      document.removeEventListener("pointerdown", elsewhere);
      document.removeEventListener("focusin", elsewhere);
    };
  }, []);
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(e) => {
        if (e.key !== "Escape" || !menu.current?.open) return;
        e.stopPropagation();
        menu.current.open = false;
        menu.current.querySelector("summary")?.focus();
      }}
      onClick={(e) => {
        if ((e.target as Element).closest("button, a") && menu.current) menu.current.open = false;
      }}
    >
      <summary title={hiddenLabel}>
        <Icon name={icon} size={14} />
        {label}
        {hiddenLabel && <span class="hidden"> {hiddenLabel}</span>}
        <Icon name="down" size={12} />
      </summary>
      <div class="choices">{children}</div>
    </details>
  );
}
