// A dialog over the page: it takes the focus, gives it back, and Escape closes it.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { t } from "../words.ts";

export function Dialog({ label, name, onClose, children, tools, latin = false }: { label: string; latin?: boolean; name: string; onClose: () => void; children: ComponentChildren; tools?: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
      before?.focus?.({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={name}
      aria-label={label}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onClick={(e) => e.target === dialog.current && onClose()}
    >
      <div class="sheet">
        <div class="bar">
          <h2 class={latin ? "latin" : ""}>{label}</h2>
          {tools}
          <button type="button" class="quiet" onClick={onClose}>
            <Icon name="cross" />
            <span class="hidden">{t("close")}</span>
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
