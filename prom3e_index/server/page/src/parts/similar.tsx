// More like this: by its photo, its sound, its place, or by all that was observed of it.

import { nameOf } from "../hit.ts";
import { like } from "../searching.ts";
import type { Hit } from "../types.ts";
import { t, word } from "../words.ts";
import { Menu } from "./menu.tsx";

export function Similar({ hit }: { hit: Hit }) {
  const title = `${nameOf(hit)}`;
  if (!hit.observed.length) return null;
  if (hit.observed.length === 1)
    return (
      <button type="button" class="small" onClick={() => like(hit.row, hit.observed, title)}>{t("similar.title")}</button>
    );
  return (
    <Menu label={t("similar.title")} icon="like" hiddenLabel={t("similar.of", { name: title })}>
      {hit.observed.map((m) => (
        <button key={m} type="button" onClick={() => like(hit.row, [m], title)}>{t("similar.by", { what: word("its", m) })}</button>
      ))}
      <button type="button" onClick={() => like(hit.row, [], title)}>{t("similar.all")}</button>
    </Menu>
  );
}
