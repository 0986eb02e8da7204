// Whether the index has changed since the answer: looked at now and then while somebody sees the page, and said once.

import { useEffect } from "preact/hooks";
import { ask, openIndex } from "../searching.ts";
import { answer, busy, index } from "../state.ts";
import { t } from "../words.ts";

const EVERY_MS = 30_000;

export function Newer() {
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && void openIndex();
    const timer = setInterval(look, EVERY_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  const [now, found] = [index.value, answer.value];
  const newer = now && found && !busy.value && found.generation < now.generation;
  return (
    <div role="status" aria-live="polite" aria-atomic="true">
      {newer && (
        <div class="banner">
          <p>{t("index.newer")}</p>
          <button type="button" class="small" onClick={() => ask({}, { replace: true })}>{t("index.again")}</button>
        </div>
      )}
    </div>
  );
}
