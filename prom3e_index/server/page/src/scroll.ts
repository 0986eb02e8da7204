// What scrolls: the list where it has its own bar, else the page.

function scroller(): Element {
  const list = document.querySelector(".list");
  return list && getComputedStyle(list).overflowY === "auto" ? list : document.documentElement;
}

export const scrolled = (): number => scroller().scrollTop;

export function scrollTo(top: number): void {
  scroller().scrollTop = top;
}
