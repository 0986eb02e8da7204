// What of a link was left out, until it is put away or something else is asked.

import { Icon } from "../icons.tsx";
import { unread } from "../state.ts";
import { t } from "../words.ts";

export function Link() {
  const some = unread.value;
  if (!some.length) return null;
  return (
    <div class="banner" role="alert">
      <p>
        {t("link.unread")} {some.map((part, i) => <span key={i}>{i > 0 && " "}<code>{part.length > 80 ? `${part.slice(0, 79)}…` : part}</code></span>)}
      </p>
      <button type="button" class="quiet" onClick={() => (unread.value = [])}>
        <Icon name="cross" size={14} />
        <span class="hidden">{t("close")}</span>
      </button>
    </div>
  );
}
