/** The style of the status page: light and dark, phone to wide screen, nothing from elsewhere. */
export const statusStyle = `
:root {
  color-scheme: light dark;
  --bg: #f5f4f1; --panel: #ffffff; --sunk: #f0eeea; --ink: #1c1e22; --dim: #5a606b; --line: #dfdcd6; --accent: #ae1230;
  --ok: #17723f; --warn: #8a5a00; --bad: #b8142a; --idle: #656b76;
  --ok-bg: #e3f3e9; --warn-bg: #fbefd2; --bad-bg: #fbe3e4; --idle-bg: #ecebe8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #111316; --panel: #1a1d22; --sunk: #14171b; --ink: #e7e9ec; --dim: #9ba3af; --line: #2d323a; --accent: #ff6076;
    --ok: #58cb92; --warn: #e8b552; --bad: #ff7b86; --idle: #99a1ad;
    --ok-bg: #14301f; --warn-bg: #362a10; --bad-bg: #401a20; --idle-bg: #262a31;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--bg); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
a { color: inherit; text-underline-offset: 0.2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 1rem; top: -4rem; padding: 0.5rem 1rem; background: var(--panel); border: 1px solid var(--line); z-index: 2; }
.skip:focus { top: 0.5rem; }
.frame { max-width: 78rem; margin: 0 auto; padding-inline: 1.25rem; }

header { padding: 1.25rem 0 1rem; }
header .frame { display: flex; align-items: center; gap: 1rem; }
.mark { flex: none; width: 3rem; height: 3rem; }
.mark path, .mark circle { fill: var(--accent); }
.mark .mask { fill: var(--ink); }
.mark .eye { fill: var(--bg); }
.who { min-width: 0; flex: 1; }
h1 { font-size: 1.6rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere; }
.elsewhere { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; justify-content: flex-end; }
.elsewhere[hidden] { display: none; }
.place { color: var(--dim); min-height: 1.45em; }

/* One strip for good news and bad, of one height, so that nothing moves when a card stops answering. */
.answer { position: sticky; top: 0; z-index: 1; background: var(--ok-bg); color: var(--ok); border-block: 1px solid var(--line); }
.answer .frame { display: flex; align-items: center; gap: 0 0.75rem; min-height: 3.25rem; padding-block: 0.4rem; }
.answer p { min-width: 0; }
.answer .said { font-weight: 600; }
.answer .since { color: inherit; opacity: 0.9; margin-left: auto; text-align: right; white-space: nowrap; }
.answer[data-tone="warn"] { background: var(--warn-bg); color: var(--warn); }
.answer[data-tone="idle"] { background: var(--idle-bg); color: var(--idle); }
.answer[data-tone="bad"] { background: #b0122a; color: #ffffff; border-color: #b0122a; }
.answer[data-tone="bad"] .said { font-size: 1.05rem; }
main { transition: opacity 0.2s; }
[data-stale] main { opacity: 0.6; filter: grayscale(1); }

main { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; padding-block: 1rem; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.15rem; min-width: 0; }
h2 { font-size: 0.95rem; font-weight: 650; display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.5rem; margin-bottom: 0.75rem; }
h2 .note { white-space: nowrap; font-weight: 400; color: var(--dim); font-size: 0.87rem; }
h2 .tones { margin-left: auto; display: inline-flex; justify-content: flex-end; gap: 0 1rem; align-self: center; }
@media (min-width: 56rem) {
  main { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .full { grid-column: 1 / -1; }
}

.facts { display: grid; grid-auto-flow: dense; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.7rem 1rem; }
.facts div { min-width: 0; }
dt { color: var(--dim); font-size: 0.8rem; }
dd { overflow-wrap: anywhere; min-height: 1.45em; }
.facts .wide { grid-column: span 2; }
.six { grid-template-columns: repeat(6, minmax(0, 1fr)); }
.link .facts { grid-template-columns: repeat(4, minmax(0, 1fr)); }

/* What is said by colour is also said by shape, and in words. */
.tone { display: inline-flex; align-items: center; gap: 0.4rem; white-space: nowrap; color: var(--idle); font-weight: 550; }
.tone::before { content: ""; flex: none; width: 0.6rem; height: 0.6rem; border-radius: 50%; border: 2px solid currentColor; }
.tone[data-tone="ok"] { color: var(--ok); }
.tone[data-tone="ok"]::before { background: currentColor; }
.tone[data-tone="warn"] { color: var(--warn); }
.tone[data-tone="warn"]::before { border: 0; border-radius: 0; background: currentColor; clip-path: polygon(50% 4%, 100% 96%, 0 96%); width: 0.75rem; height: 0.7rem; }
.tone[data-tone="bad"] { color: var(--bad); }
.tone[data-tone="bad"]::before { border: 0; border-radius: 1px; background: currentColor; }
h2 .tone { font-size: 0.87rem; }

.alarms { height: 12.5rem; overflow: auto; margin: 0 -0.35rem; padding: 0 0.35rem; }
.alarms ul li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 1rem; padding: 0.5rem 0.75rem; background: var(--bad-bg); border-left: 4px solid var(--bad); border-radius: 4px; }
.alarms ul li + li { margin-top: 0.5rem; }
.alarms ul .text { overflow-wrap: anywhere; font-weight: 550; }
.alarms .code { color: var(--dim); font-size: 0.8rem; font-family: ui-monospace, "Liberation Mono", monospace; }
.alarms .age { color: var(--dim); white-space: nowrap; grid-row: 1; grid-column: 2; }
.calm { color: var(--dim); display: grid; place-items: center; height: 100%; }
.none { color: var(--dim); margin-top: 0.75rem; }
[hidden] { display: none; }

.chassis { display: grid; gap: 0.75rem; }
.chassis li { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 0.4rem; }
.chassis .of { grid-column: 1 / -1; color: var(--dim); font-size: 0.8rem; }
.tile { border: 1px dashed var(--line); border-radius: 6px; padding: 0.45rem 0.6rem; min-height: 3.6rem; color: var(--idle); border-top-width: 4px; overflow: hidden; min-width: 0; }
.tile b { display: block; font-weight: 650; }
.tile span { display: block; font-size: 0.8rem; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.tile[data-tone] { border-style: solid; background: var(--idle-bg); }
.tile[data-tone="ok"] { background: var(--ok-bg); color: var(--ok); border-color: var(--ok); }
.tile[data-tone="warn"] { background: var(--warn-bg); color: var(--warn); border-color: var(--warn); }
.tile[data-tone="bad"] { background: var(--bad-bg); color: var(--bad); border-color: var(--bad); }
.tile[data-own] { box-shadow: 0 0 0 2px var(--panel), 0 0 0 4px var(--ink); }

.where { color: var(--dim); margin: -0.5rem 0 0.75rem; overflow-wrap: anywhere; font-size: 0.87rem; min-height: 1.45em; }
.drops { margin-top: 0.75rem; border-top: 1px solid var(--line); padding-top: 0.6rem; }
.drops p { color: var(--dim); font-size: 0.8rem; }
.drops ul { display: flex; flex-wrap: wrap; gap: 0.15rem 0.9rem; min-height: 2.9em; align-content: flex-start; font-size: 0.87rem; }
.drops li b { font-weight: 600; }
.drops li[data-none] { color: var(--dim); }
details { margin-top: 0.5rem; }
summary { cursor: pointer; color: var(--dim); font-size: 0.87rem; }
.counters { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 0.1rem 1.5rem; padding-top: 0.5rem; font-size: 0.87rem; }
.counters div { display: flex; justify-content: space-between; gap: 0.75rem; }
.counters dt { font-size: inherit; }

table { border-collapse: collapse; }
.rows { width: 100%; table-layout: fixed; }
th { text-align: left; font-weight: 550; color: var(--dim); font-size: 0.8rem; padding: 0 0.75rem 0.4rem 0; }
.rows td, .rows tbody th { border-top: 1px solid var(--line); padding: 0.6rem 0.75rem 0.6rem 0; vertical-align: top; }
.rows tbody th { color: inherit; font-size: inherit; }
.cell { min-height: 2.9em; }
.cell .main { display: flex; min-height: 1.45em; overflow-wrap: anywhere; }
.small { display: block; color: var(--dim); font-size: 0.82rem; font-weight: 400; overflow-wrap: anywhere; }
.column { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); grid-template-rows: auto minmax(15rem, 1fr); min-width: 0; }
.grows { display: flex; flex-direction: column; }
.grows .alarms { flex: 1 1 10rem; height: auto; max-height: 40rem; contain: size; }
#view-table, #group-table { margin-top: 1rem; }
#view-table thead th:nth-child(1) { width: 46%; }
#group-table thead th:nth-child(1) { width: 20%; }
#group-table thead th:nth-child(2) { width: 8%; }
#group-table thead th:nth-child(3) { width: 12%; }
#notification { text-transform: uppercase; }
[data-lost] { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
.ticks th { padding: 0.2rem 0.35rem; text-align: center; font-weight: 650; color: var(--ink); }
.ticks td { border: 1px solid var(--line); padding: 0.2rem 0.1rem; text-align: center; white-space: nowrap; min-width: 2.6rem; }
.ticks td:not(:has(.tick)) { background: var(--sunk); }
.ticks tr[data-old] { opacity: 0.55; }
.tick + .tick { margin-left: 0.15em; }
.tick { display: inline-block; min-width: 1.25em; border-radius: 3px; font-size: 0.87rem; font-weight: 600; color: var(--idle); }
.tick[data-tone="ok"] { color: var(--ok); }
.tick[data-tone="bad"] { background: var(--bad); color: var(--panel); }
.notes { margin-top: 0.6rem; font-size: 0.87rem; }
.notes li { overflow-wrap: anywhere; }
.history li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 1rem; padding: 0.4rem 0; border-top: 1px solid var(--line); }
.history li:first-child { border-top: 0; }
.history .text { grid-column: 1 / -1; overflow-wrap: anywhere; }
.history .age { color: var(--dim); white-space: nowrap; font-size: 0.87rem; }
.members { display: flex; flex-wrap: wrap; gap: 0.3rem 0.5rem; }
.members li { display: inline-flex; flex-wrap: wrap; gap: 0 0.5rem; padding: 0.1rem 0.6rem; background: var(--sunk); border: 1px solid var(--line); border-radius: 6px; overflow-wrap: anywhere; }
.members .id { color: var(--dim); }
.mark-critical { color: var(--accent); font-weight: 550; }
.mark-local { color: var(--ok); font-weight: 550; }
@media (max-width: 47.99rem) {
  .frame { padding-inline: 0.9rem; }
  .mark { width: 2.4rem; height: 2.4rem; }
  h1 { font-size: 1.3rem; }
  .answer .frame { min-height: 4.2rem; flex-wrap: wrap; align-content: center; }
  .answer .since { margin-left: 0; text-align: left; white-space: normal; font-size: 0.87rem; }
  .answer .said { width: 100%; }
  .alarms { height: 9rem; }
  .ticks th { padding: 0.2rem 0; }
  .ticks td { min-width: 2.05rem; padding: 0.2rem 0; }
  .tick { min-width: 1.05em; font-size: 0.8rem; }
  .tick + .tick { margin-left: 0.05em; }
  .facts, .link .facts, .six { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .tile { padding: 0.3rem; min-height: 2.6rem; text-align: center; }
  .tile span { display: none; }
  .rows, .rows tbody { display: block; }
  .rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .rows tbody tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0.4rem 1rem; border-top: 1px solid var(--line); padding: 0.75rem 0; }
  .rows tbody tr:first-child { border-top: 0; padding-top: 0; }
  .rows td:has(.members) { grid-column: 1 / -1; }
  .rows td, .rows tbody th { display: block; border: 0; padding: 0; }
  td[data-label]::before { content: attr(data-label); display: block; color: var(--dim); font-size: 0.8rem; }
}
footer { color: var(--dim); font-size: 0.87rem; padding: 0.25rem 0 2rem; }
footer .frame { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
@media (prefers-reduced-motion: reduce) { * { transition: none; } }
@media (forced-colors: active) { .tone::before { forced-color-adjust: none; } }
`;
