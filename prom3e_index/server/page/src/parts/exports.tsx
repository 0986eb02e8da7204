// The answer, or what was marked of it, as files that other software opens.

import { address, BASE } from "../api.ts";
import { markedRows } from "../marks.ts";
import { answer, hits } from "../state.ts";
import { t } from "../words.ts";
import { Menu } from "./menu.tsx";

export const FORMATS = ["csv", "geojson", "gpkg", "geoparquet", "parquet", "dwca", "species"] as const;

export function ExportMenu({ marked = false }: { marked?: boolean }) {
  const found = answer.value;
  if (!found || !hits.value.length) return null;
  if (marked && !markedRows.value.length) return null;
  return (
    <Menu label={marked ? t("export.marked") : t("export")} icon="save">
      {FORMATS.map((format) => (
        <a
          key={format}
          href={address(`${BASE}/searches/${found.id}/export`, { format, rows: marked ? "marked" : "all" })}
          download
        >
          <b>{t(`export.${format}`)}</b>
          <small>{t(`export.${format}.what`)}</small>
        </a>
      ))}
      <p class="soft small">{t("export.rights")}</p>
    </Menu>
  );
}
