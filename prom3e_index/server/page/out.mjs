// Where what is built goes: `--out DIR`, else ../static.

import { fileURLToPath } from "node:url";

export function outFolder() {
  const at = process.argv.indexOf("--out");
  return at > 0 ? process.argv[at + 1] : fileURLToPath(new URL("../static", import.meta.url));
}
