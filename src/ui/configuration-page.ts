/** The page of the configuration: how current it is, its tables, its history; readable on a phone. */
import { configurationPanelScript } from "./configuration-panel.ts";
import { configurationScript } from "./configuration-script.ts";
import { configurationPanel, pageHead, pagePolicy } from "./page.ts";
import { pageScript } from "./page-script.ts";
import { statusStyle } from "./status-style.ts";

const style = `${statusStyle}
.list > li { border-top: 1px solid var(--line); padding: 0.35rem 0; }
.list > li:first-child { border-top: 0; }
.list summary { display: flex; gap: 0.75rem; align-items: baseline; color: inherit; padding: 0.3rem 0; }
.list summary::before { content: "+"; width: 0.8rem; color: var(--dim); }
.list details[open] > summary::before { content: "\\2212"; }
.list summary::-webkit-details-marker { display: none; }
.list .note { margin-left: auto; color: var(--dim); }
.rowlist .row { border-top: 1px solid var(--line); padding: 0.5rem 0 0.5rem 1.55rem; }
.rowlist .main { font-weight: 600; overflow-wrap: anywhere; }
.list details > .small { padding: 0 0 0.4rem 1.55rem; }
.values { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); gap: 0.1rem 1.25rem; font-size: 0.9rem; }
.values div { display: flex; gap: 0.6rem; min-width: 0; }
.values dt { flex: none; }
.values dd { min-height: 0; min-width: 0; }
.more { margin: 0.5rem 0 0.25rem 1.55rem; padding: 0.45rem 0.9rem; font: inherit; color: inherit; background: var(--sunk); border: 1px solid var(--line); border-radius: 6px; cursor: pointer; }
.changes > li { padding: 0.6rem 0; border-top: 1px solid var(--line); }
.changes > li:first-child { border-top: 0; }
.changes .top { display: flex; flex-wrap: wrap; gap: 0 0.9rem; }
.changes .age { margin-left: auto; color: var(--dim); font-size: 0.87rem; }
.changes .comment { overflow-wrap: anywhere; }
.steps li { overflow-wrap: anywhere; font-size: 0.87rem; padding-left: 1.1rem; position: relative; }
.steps li::before { position: absolute; left: 0; font-weight: 700; content: "~"; color: var(--warn); }
.steps li[data-kind="insert"]::before { content: "+"; color: var(--ok); }
.steps li[data-kind="remove"]::before { content: "\\2212"; color: var(--bad); }
`;
const script = `"use strict";${pageScript}${configurationPanelScript}${configurationScript}`;

export const configurationPage = `${pageHead("Configuration", style)}
<body>
<a class="skip" href="#tables-title">Skip to the tables</a>
<header><div class="frame">
<div class="who"><h1>Configuration</h1><p class="place" id="place"></p></div><nav class="elsewhere" aria-label="Other pages"><a href="./">Status</a><a href="failover">Failover</a></nav>
</div></header>
<div class="answer" id="answer" data-tone="idle"><div class="frame">
<p class="said" id="said" role="status">Asking the card</p><p class="since" id="since"></p>
</div></div>
<main class="frame">
<noscript><p class="panel full">This page needs its script; <a href="v1/configuration/document">/v1/configuration/document</a> says the same to programs.</p></noscript>
${configurationPanel("full")}
<section class="panel" aria-labelledby="tables-title">
<h2><span id="tables-title" tabindex="-1">Tables</span></h2>
<ul class="list" id="tables"></ul>
</section>
<section class="panel" aria-labelledby="changes-title">
<h2><span id="changes-title">History</span><span class="note">newest first</span></h2>
<p class="none" id="no-changes">No changes.</p>
<ol class="changes" id="changes"></ol>
<button type="button" class="more" id="older" hidden>Older changes</button>
</section>
</main>
<footer><div class="frame"><span>For programs:</span><a href="v1/configuration">/v1/configuration</a><a href="v1/configuration/document">/v1/configuration/document</a><a href="v1/configuration/history">/v1/configuration/history</a><a href="v1/configuration/schema.json">/v1/configuration/schema.json</a><a href="v1/openapi.json">/v1/openapi.json</a></div></footer>
<script>${script}</script>
</body>
</html>
`;

export const configurationPagePolicy = pagePolicy(script, style);
