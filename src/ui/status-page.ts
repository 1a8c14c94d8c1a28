/** The status page: one file of HTML with its own style and script, which asks `/v1/status` each second. */
import { configurationPanelScript } from "./configuration-panel.ts";
import { membershipScript } from "./membership-script.ts";
import { cardinal, configurationPanel, fact, pageHead, pagePolicy } from "./page.ts";
import { pageScript } from "./page-script.ts";
import { statusScript } from "./status-script.ts";
import { statusStyle } from "./status-style.ts";

function link(id: string, name: string, note: string): string {
  return `<section class="panel link" id="${id}" aria-labelledby="${id}-title">
<h2><span id="${id}-title">${name}</span><span class="note">${note}</span><span class="tones">${
    id === "serial" ? '<span class="tone multiplexor"></span>' : ""
  }<span class="tone port"></span></span></h2>
<p class="where"></p>
<dl class="facts">
<div><dt>Heartbeat</dt><dd class="period"></dd></div>
<div><dt>Frames sent</dt><dd class="sent"></dd></div>
<div><dt>Accepted</dt><dd class="accepted"></dd></div>
<div><dt>Dropped</dt><dd class="dropped"></dd></div>
</dl>
<div class="drops"><p>Dropped, by reason</p><ul class="reasons"></ul></div>
<details><summary>Port counters</summary><dl class="counters"></dl></details>
</section>`;
}

/** A table whose rows become blocks on a narrow window; the script fills its body. */
function rows(id: string, body: string, label: string, columns: readonly string[]): string {
  const headings = columns.map((name) => `<th scope="col" role="columnheader">${name}</th>`).join("");
  return `<table class="rows" id="${id}" role="table" aria-labelledby="${label}">
<thead role="rowgroup"><tr role="row">${headings}</tr></thead>
<tbody role="rowgroup" id="${body}"></tbody>
</table>`;
}

const script = `"use strict";${pageScript}${membershipScript}${configurationPanelScript}${statusScript}`;

export const statusPage = `${pageHead("Cardinal", statusStyle)}
<body>
<a class="skip" href="#peers-title">Skip to the peers</a>
<header><div class="frame">
<svg class="mark" viewBox="0 0 48 48" aria-hidden="true">${cardinal}<path class="mask" d="M39 20 46 25 38 29C34 30 31 27 33 23 34 21 36 20 39 20Z"/><circle class="eye" cx="29" cy="18" r="2.2"/></svg>
<div class="who"><h1 id="name">Cardinal</h1><p class="place" id="place"></p></div><nav class="elsewhere" id="elsewhere" aria-label="Other pages" hidden><a href="failover">Failover</a><a href="configuration">Configuration</a></nav>
</div></header>
<div class="answer" id="answer" data-tone="idle"><div class="frame">
<p class="said" id="said" role="status">Asking the card</p><p class="since" id="since"></p>
</div></div>
<p class="unseen" id="news" aria-live="polite"></p>
<main class="frame">
<noscript><p class="panel full">This page needs its script; <a href="v1/status">/v1/status</a> says the same to programs.</p></noscript>
<section class="panel" aria-labelledby="card-title">
<h2><span id="card-title">This card</span><span class="tones"><span class="tone" id="state"></span></span></h2>
<dl class="facts">
${fact("uptime", "Up for")}${fact("version", "Version")}${fact("profile", "Profile")}${fact("memory", "Memory")}
${fact("processor", "Processor")}${fact("late", "Ran late")}${fact("uid", "Identity")}${fact("incarnation", "Incarnation")}
${fact("scheduling", "Scheduling")}${fact("runtime", "Runs as", true)}${fact("pid", "Process")}
</dl>
</section>
<section class="panel" aria-labelledby="alarms-title">
<h2><span id="alarms-title">Alarms</span><span class="tones"><span class="tone" id="alarm-count"></span></span></h2>
<div class="alarms" tabindex="0" role="region" aria-labelledby="alarms-title"><p class="calm" id="calm">Nothing to look at.</p><ul id="alarms" hidden></ul></div>
</section>
<section class="panel full" aria-hidden="true"><ol class="chassis" id="chassis"></ol></section>
<section class="panel" aria-labelledby="view-title">
<h2><span id="view-title">View</span><span class="tones"><span class="tone" id="notification" role="status"></span></span></h2>
<p class="where" id="view-reason"></p>
<dl class="facts">
${fact("quorum", "Quorum", true)}${fact("view-coordinator", "Coordinator")}${fact("electorate", "Electorate", true)}
${fact("ordering", "Orders messages")}
</dl>
${rows("view-table", "view-cards", "view-title", ["Card", "State"])}
</section>
<div class="column">
<section class="panel" aria-labelledby="ticks-title">
<h2><span id="ticks-title">Who hears whom</span><span class="tones"><span class="tone" id="tick-count"></span></span></h2>
<p class="where">A row hears a column: E on Ethernet, S on serial</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="ticks-title"><table class="ticks" aria-labelledby="ticks-title"><thead id="ticks-head"></thead><tbody id="ticks"></tbody></table></div>
<ul class="notes" id="tick-notes"></ul>
</section>
<section class="panel grows" aria-labelledby="history-title">
<h2><span id="history-title">Notifications</span></h2>
<div class="alarms" tabindex="0" role="region" aria-labelledby="history-title"><p class="calm" id="no-history">None yet.</p><ol class="history" id="history" hidden></ol></div>
</section>
</div>
<section class="panel full" aria-labelledby="order-title">
<h2><span id="order-title">Messages and groups</span><span class="note" id="order-reason"></span><span class="tones"><span class="tone" id="order-state"></span></span></h2>
<dl class="facts six">
${fact("epoch", "Epoch")}${fact("order-coordinator", "Coordinator")}${fact("pending", "Pending")}
${fact("held", "Held")}${fact("committed", "Committed")}${fact("delivered", "Delivered")}
</dl>
<details><summary>Counters</summary><dl class="counters" id="order-counters"></dl></details>
<p class="none" id="no-groups">No groups.</p>
${rows("group-table", "groups", "order-title", ["Group", "View", "Messages", "Members"])}
</section>
${configurationPanel("full", '<span class="note"><a href="configuration">tables and history</a></span>')}
${link("ether", "Ethernet", "public network")}
${link("serial", "Serial", "private network")}
<section class="panel full" aria-labelledby="peers-title">
<h2><span id="peers-title" tabindex="-1">Peers</span><span class="tones"><span class="tone" id="peer-count"></span></span></h2>
${rows("peers-table", "peers", "peers-title", ["Card", "Health", "Ethernet", "Serial", "Verified", "Software"])}
</section>
</main>
<footer><div class="frame"><span>For programs:</span><a href="v1/status">/v1/status</a><a href="v1/members">/v1/members</a><a href="v1/groups">/v1/groups</a><a href="v1/health">/v1/health</a><a href="v1/openapi.json">/v1/openapi.json</a></div></footer>
<script>${script}</script>
</body>
</html>
`;

export const statusPagePolicy = pagePolicy(script, statusStyle);
