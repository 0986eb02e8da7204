// Text in which some words are the library's own: English, and marked as that for readers and browsers.

import { parted } from "../words.ts";

export function Mixed({ text }: { text: string }) {
  return <>{parted(text).map((part, i) => (i % 2 ? <span key={i} lang="en">{part}</span> : part))}</>;
}
