// Starts the page: what the address bar asks, then the index, then the answer.

import { render } from "preact";
import { App } from "./app.tsx";
import "./css/page.css";
import { listenToKeys } from "./keys.ts";
import { openMarks } from "./marks.ts";
import { paint } from "./parts/header.tsx";
import { scrollTo } from "./scroll.ts";
import { openIndex, read, restoreUploads, search } from "./searching.ts";

async function start(): Promise<void> {
  paint();
  history.scrollRestoration = "manual";
  read();
  render(<App />, document.getElementById("app") as HTMLElement);
  listenToKeys();
  addEventListener("popstate", async (e: PopStateEvent) => {
    read();
    await search();
    const scroll = (e.state as { scroll?: number } | null)?.scroll;
    if (scroll !== undefined) requestAnimationFrame(() => scrollTo(scroll));
  });
  await openIndex();
  void openMarks();
  await restoreUploads();
  await search();
}

void start();
