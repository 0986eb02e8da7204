// Bundles src/ into app.js and app.css of ../static, and writes index.html with the hashes of what it loads.
// `node build.mjs [--out DIR]`: DIR stands for ../static. Run vendor.mjs before it.

import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { outFolder } from "./out.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = outFolder();
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 20);
const address = (path) => `/static/${path}?v=${hash(readFileSync(join(out, path)))}`;

copyFileSync(join(here, "src/icon.svg"), join(out, "icon.svg"));
const vendored = Object.fromEntries(readdirSync(join(out, "vendor")).sort().map((n) => [n, address(`vendor/${n}`)]));

const bundled = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx" },
  outdir: out,
  write: false,
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  define: { VENDORED: JSON.stringify(vendored) },
  logLevel: "warning",
});
for (const file of bundled.outputFiles) writeFileSync(file.path, file.contents);

const page = readFileSync(join(here, "src/index.html"), "utf8");
writeFileSync(
  join(out, "index.html"),
  page.replace("{app.css}", address("app.css")).replace("{app.js}", address("app.js")).replace("{icon}", address("icon.svg")),
);
