"""The look of every page: one sheet, for paper, phones and dark rooms; nothing is fetched."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1d2a24; --soft: #5c6b63; --line: #d9e0da; --card: #ffffff; --page: #f4f6f2;
  --leaf: #2f6f4f; --guess: #a45a1b; --ask: #c0182b; --fill: #e7ebe6; --sea: #e8eef2; --warn: #fff3d6; --warn-ink: #6b4600;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6ece8; --soft: #9fb0a6; --line: #33403a; --card: #1b2420; --page: #121815;
    --leaf: #2f7d57; --guess: #b3672a; --ask: #ff6b78; --fill: #26312c; --sea: #202b31; --warn: #3d3113; --warn-ink: #ffdf94;
  }
  svg image:not(.cells) { opacity: .75 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px } h2 { font-size: 20px; margin: 40px 0 8px } h3 { font-size: 15px; margin: 0 0 6px }
h1, h2, h3, p, td, dd { overflow-wrap: anywhere } li { overflow-wrap: break-word }
p { margin: 6px 0 } .soft { color: var(--soft) } .small { font-size: 13px }
a { color: inherit }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px; margin: 16px 0 }
.warn { background: var(--warn); color: var(--warn-ink); border-radius: 8px; padding: 8px 12px; font-weight: 600 }
.sure { border-left: 4px solid var(--leaf); padding: 2px 12px; margin: 8px 0 }
.ask { display: grid; grid-template-columns: 260px 1fr; gap: 18px; align-items: start }
.ask img, figure img { width: 100%; border-radius: 8px; display: block; background: var(--fill) }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 14px; margin-top: 16px }
figure { margin: 0; border: 1px solid var(--line); border-radius: 10px; padding: 8px; min-width: 0 }
figure img { height: 130px; object-fit: cover }
audio { width: 100%; height: 34px; margin-top: 6px }
.none { height: 130px; display: grid; place-items: center; color: var(--soft); background: var(--fill); border-radius: 8px; font-size: 13px; text-align: center; padding: 6px }
figcaption { font-size: 13px; line-height: 1.4; margin-top: 6px; overflow-wrap: anywhere }
.mark { display: inline-block; border-radius: 99px; padding: 0 8px; font-size: 12px; color: #fff; background: var(--leaf) }
.mark.completed { background: var(--guess) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; width: 100% }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child, td:nth-child(2), th:nth-child(2) { text-align: left }
.wide { overflow-x: auto } svg { width: 100%; height: auto; border-radius: 8px; display: block }
.cards { columns: 300px 3; column-gap: 16px } .cards section { margin: 0 0 16px; break-inside: avoid }
ul.bars { list-style: none; margin: 0; padding: 0; font-size: 13px } .bars li { margin: 4px 0; position: relative; padding: 3px 8px; border-radius: 6px; overflow: hidden; display: flex; gap: 8px; justify-content: space-between; background: var(--fill) }
.bars li > i { position: absolute; inset: 0 auto 0 0; background: var(--leaf); opacity: .28 } .bars li > * { position: relative } .bars li > span { overflow-wrap: break-word } .bars li > span:first-of-type { min-width: 6.5em } .bars li > span:last-child { text-align: right }
svg text { font-family: system-ui, sans-serif }
.grid { stroke: var(--ink); stroke-opacity: .13 } .axis { fill: var(--soft); font-size: 11px } .sea { fill: var(--sea) }
.dot { fill: var(--leaf) } .axisline { stroke: var(--leaf); stroke-opacity: .6; stroke-width: 2 } .bar { fill: var(--leaf) } .observed { fill: var(--leaf) } .guessed { fill: var(--guess) } .asked { stroke: var(--ask); stroke-width: 3 }
.beside { display: grid; grid-template-columns: 190px 1fr 1fr; gap: 16px; align-items: start; padding: 14px 0; border-top: 1px solid var(--line); margin-top: 12px } .beside > *, .pairs > * { min-width: 0 } .beside img { width: 100%; border-radius: 8px; display: block }
.threes { display: grid; grid-template-columns: repeat(3, 1fr); gap: 18px 20px; margin: 14px 0 } .threes > * { min-width: 0 }
.aside { float: left; width: 96px; margin: 8px 12px 4px 0; font-size: 11px; line-height: 1.3; color: var(--soft); overflow-wrap: anywhere } .aside img { width: 100%; border-radius: 6px; display: block } .pairs > * { display: flow-root } .wide td, .wide th { overflow-wrap: normal }
.pairs { display: grid; grid-template-columns: 1fr 1fr; gap: 18px 20px; margin-top: 14px }
.range { stroke: #d1233a; stroke-width: 2.2; fill: none } .halo { stroke: #fff; stroke-opacity: .9; stroke-width: 5; fill: none } .seen { fill: #fff; stroke: #14201a; stroke-width: 1.8 }
.coast { stroke: #37424a; stroke-width: 12; fill: none; stroke-linejoin: round } .ground { fill: #fff; fill-opacity: .82 } .length { stroke: #14201a; stroke-width: 5 } .said { fill: #14201a; font-size: 22px }
.scale { display: flex; gap: 8px; align-items: center; font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; margin-top: 6px } .scale i { flex: 1; height: 9px; border-radius: 5px }
details summary { cursor: pointer } code { overflow-wrap: anywhere }
@media (max-width: 700px) {
  main { padding: 20px 12px 48px } section { padding: 14px } .ask, .beside, .pairs, .threes { grid-template-columns: minmax(0, 1fr) }
  .hits { grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 10px }
}
@media print { body { background: #fff } section { break-inside: avoid } audio { display: none } }
"""
