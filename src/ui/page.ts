/** What the pages have in common: head, policy, and the panel of the configuration. */
import { createHash } from "node:crypto";

/** A cardinal's head: crest, beak, and the dark face around it. */
export const cardinal =
  `<path d="M12 47C9 36 11 29 15 23 14 14 20 6 31 1 29 6 30 9 33 12 37 14 39 17 39 20L46 25 38 29C38 37 37 42 35 47Z"/>`;
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" fill="#b0122a">${cardinal}</svg>`;

export function pageHead(title: string, style: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>${style}</style>
</head>`;
}

export function fact(id: string, name: string, wide = false): string {
  return `<div${wide ? ' class="wide"' : ""}><dt>${name}</dt><dd id="${id}"></dd></div>`;
}

/** It is filled by `configuration-panel.ts`; a card without a configuration hides it. */
export function configurationPanel(more: string, note = ""): string {
  return `<section class="panel ${more}" id="configuration" aria-labelledby="configuration-title" hidden>
<h2><span id="configuration-title">Configuration</span>${note}<span class="tones"><span class="tone" id="configuration-state" role="status"></span></span></h2>
<p class="where" id="configuration-reason"></p>
<dl class="facts six">
${fact("configuration-head", "Head", true)}${fact("configuration-replicas", "Replicas")}${fact("configuration-level", "Level")}
${fact("configuration-age", "As of", true)}${fact("configuration-progress", "Fetching", true)}${
    fact("configuration-load", "Requests served", true)
  }
</dl>
<ul class="notes" id="configuration-branches"></ul>
</section>`;
}

/** What a page may do, for `Content-Security-Policy`: its own style and script, and to ask the card that served it. */
export function pagePolicy(script: string, style: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
