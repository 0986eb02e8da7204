() => {
  // Texts and names of a page that are of its own language: what is marked as of another one, and code, are left out.
  const own = (e) => {
    const of = e.closest("[lang]");
    return of === null || of.lang === document.documentElement.lang;
  };
  const out = [];
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const { parentElement: e, textContent: text } = nodes.currentNode;
    if (text.trim() && own(e) && !e.closest("script, noscript, style, code, option[lang], [hidden]")) out.push(text.trim());
  }
  const names = ["title", "aria-label", "placeholder", "alt", "aria-valuetext"];
  for (const e of document.querySelectorAll(names.map((n) => `[${n}]`).join()))
    if (own(e)) for (const n of names) if (e.getAttribute(n)) out.push(e.getAttribute(n));
  return out;
}
