/** The page of failover: whether each service would be taken over, who serves what, and the last failovers; readable on a phone. */
import { failoverScript } from "./failover-script.ts";
import { pageHead, pagePolicy } from "./page.ts";
import { pageScript } from "./page-script.ts";
import { statusStyle } from "./status-style.ts";

const style = `${statusStyle}
h3 { font-size: 1rem; font-weight: 650; margin: 0 0 0.6rem; display: flex; flex-wrap: wrap; gap: 0 0.75rem; align-items: baseline; overflow-wrap: anywhere; }
h3 .note { font-weight: 400; color: var(--dim); font-size: 0.87rem; }
h4 { font-size: 0.87rem; font-weight: 550; color: var(--dim); margin: 0.9rem 0 0.3rem; }
.sets > li { padding: 1rem 0; border-top: 1px solid var(--line); }
.sets > li:first-child { border-top: 0; padding-top: 0; }
.seats thead th:nth-child(1) { width: 18%; }
.seats thead th:nth-child(2) { width: 16%; }
.services thead th:nth-child(1) { width: 22%; }
.services thead th:nth-child(2), .services thead th:nth-child(3) { width: 16%; }
.services { margin-top: 0.9rem; }
.items > li { padding: 0.6rem 0; border-top: 1px solid var(--line); }
.items > li:first-child { border-top: 0; }
.top { display: flex; flex-wrap: wrap; gap: 0 0.9rem; }
.age { margin-left: auto; color: var(--dim); font-size: 0.87rem; white-space: nowrap; }
.comment { overflow-wrap: anywhere; }
.items details { margin: 0; }
.items summary { display: flex; flex-wrap: wrap; gap: 0 0.75rem; align-items: baseline; color: inherit; font-size: inherit; }
.items summary::before { content: "+"; width: 0.8rem; color: var(--dim); }
.items details[open] > summary::before { content: "\\2212"; }
.items summary::-webkit-details-marker { display: none; }
.items summary b { overflow-wrap: anywhere; min-width: 0; }
.items summary .tone { white-space: normal; }
.items summary .note { margin-left: auto; color: var(--dim); font-size: 0.87rem; }
.items details > .small, .explained { padding-left: 1.55rem; }
.explained { overflow-wrap: anywhere; font-size: 0.9rem; padding-bottom: 0.5rem; }
.phases li { display: grid; grid-template-columns: 8rem minmax(4rem, 20rem) auto; gap: 0.75rem; align-items: center; }
.phases meter { width: 100%; height: 0.8rem; }
.events li { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: 0.75rem; }
.ms { text-align: right; color: var(--dim); white-space: nowrap; }
.phases .ms { text-align: left; }
@media (max-width: 47.99rem) {
  .rows td:last-child { grid-column: 1 / -1; }
  .items details > .small, .explained { padding-left: 0; }
  .phases li { grid-template-columns: 7rem minmax(2rem, 1fr) auto; }
  .events li { grid-template-columns: 5rem minmax(0, 1fr); }
}
`;
const script = `"use strict";${pageScript}${failoverScript}`;

export const failoverPage = `${pageHead("Failover", style)}
<body>
<a class="skip" href="#sets-title">Skip to the sets</a>
<header><div class="frame">
<div class="who"><h1>Failover</h1><p class="place">Who serves what, and who would take over</p></div><nav class="elsewhere" aria-label="Other pages"><a href="./">Status</a><a href="configuration">Configuration</a></nav>
</div></header>
<div class="answer" id="answer" data-tone="idle"><div class="frame">
<p class="said" id="said" role="status">Asking the card</p><p class="since" id="since"></p>
</div></div>
<main class="frame">
<noscript><p class="panel full">This page needs its script; <a href="v1/failover">/v1/failover</a> says the same to programs.</p></noscript>
<section class="panel full" aria-labelledby="ready-title">
<h2><span id="ready-title">Readiness</span><span class="note">what stands against a takeover now</span><span class="tones"><span class="tone" id="reason-count"></span></span></h2>
<p class="none" id="calm">Nothing is known yet.</p>
<ul class="items" id="reasons"></ul>
</section>
<section class="panel full" aria-labelledby="sets-title">
<h2><span id="sets-title" tabindex="-1">Failover sets</span></h2>
<p class="none" id="no-sets">No failover sets.</p>
<ul class="sets" id="sets"></ul>
</section>
<section class="panel full" aria-labelledby="cards-title">
<h2><span id="cards-title">Cards</span></h2>
<table class="rows" role="table" aria-labelledby="cards-title">
<thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Card</th><th scope="col" role="columnheader">State</th><th scope="col" role="columnheader">Health</th><th scope="col" role="columnheader">Kept from serving</th></tr></thead>
<tbody role="rowgroup" id="cards"></tbody>
</table>
</section>
<section class="panel full" aria-labelledby="failovers-title">
<h2><span id="failovers-title">Failovers</span><span class="note">and moves that were ordered, newest first</span></h2>
<p class="none" id="no-failovers">None yet.</p>
<ol class="items" id="failovers"></ol>
</section>
</main>
<footer><div class="frame"><span>For programs:</span><a href="v1/failover">/v1/failover</a><a href="v1/sets">/v1/sets</a><a href="v1/readiness">/v1/readiness</a><a href="v1/failovers">/v1/failovers</a><a href="v1/openapi.json">/v1/openapi.json</a></div></footer>
<script>${script}</script>
</body>
</html>
`;

export const failoverPagePolicy = pagePolicy(script, style);
