/**
 * The script of the failover page: readiness, sets, cards, and the last failovers, each explained when it is opened. It asks each second, changes
 * only what changed, and writes what the card says as text, never as HTML. ASCII alone: see `scripts/build.ts`.
 */
export const failoverScript = String.raw`
const askEveryMs = 1000, askMaxMs = 3000, shownFailovers = 20;
const roleTones = { primary: "ok", secondary: "idle", alternate: "idle", unassigned: "warn", failed: "bad" };
const serviceTones = { placed: "ok", held: "warn", quarantined: "bad", unserved: "bad", disabled: "idle", dormant: "idle" };
const cardTones = { up: "ok", down: "bad", unknown: "warn" };
const phaseTones = { closed: "ok", served: "ok", up: "ok", aborted: "idle" };
const owners = { card: "ends with its cause on the card", operator: "an operator ends it", configuration: "the configuration ends it" };

function slotText(card) {
  return (Math.floor((card - 1) / 8) + 1) + "/" + ((card - 1) % 8 + 1);
}
function plural(count, what) {
  return count === 1 ? "one " + what : count + " " + what + "s";
}

function standingText({ state, reason, ownersKnown }) {
  const why = reason ? ": " + reason : "";
  if (state === "joining") return "This card does not know yet what all agree on" + why;
  if (state === "out") return "This card may not serve, and what it knows may be old" + why;
  return ownersKnown ? "" : "The cards have just started, and nobody knows what silent ones run: cardinal boot proceed says that they run nothing";
}

function answerText(view) {
  const standing = standingText(view);
  if (standing) return [standing, view.state === "known" ? "warn" : "bad"];
  if (view.ready) return ["Ready: every service would be taken over", view.warnings.length > 0 ? "warn" : "ok"];
  const count = new Set(view.reasons.map(({ service }) => service)).size;
  return ["Not ready: " + plural(count, "service") + " would not be taken over", "bad"];
}

/** What stands against several services alike, once; with the longest of their ages. */
function gathered(reasons, tone) {
  const found = new Map();
  for (const { service, forMs, ...reason } of reasons) {
    const key = [reason.code, reason.card, reason.text].join(" "), known = found.get(key);
    if (known) found.set(key, { ...known, services: known.services + ", " + service, forMs: Math.max(known.forMs, forMs) });
    else found.set(key, { ...reason, tone, services: service, forMs });
  }
  return [...found.values()];
}

function showReadiness({ ready, reasons, warnings }) {
  const all = [...gathered(reasons, "bad"), ...gathered(warnings, "warn")];
  const keyOf = (each) => [each.tone, each.code, each.card, each.text].join(" ");
  keep($("reasons"), all.map(keyOf), (key) => {
    const of = all.find((each) => keyOf(each) === key), node = make("li"), top = make("div", "top"), age = make("span", "age");
    const code = make("span", "tone", of.code), text = make("p", "comment"), fix = make("p", "small");
    tone(code, of.tone);
    const services = make("b", "comment");
    top.append(services, code, age);
    node.append(top, text, fix);
    return { node, services, age, text, fix };
  }).forEach((part, index) => {
    const { services, text, forMs, owner, hint } = all[index];
    say(part.services, services);
    say(part.age, "for " + duration(forMs));
    say(part.text, text);
    say(part.fix, hint + " (" + (owners[owner] ?? owner) + ")");
  });
  $("calm").hidden = all.length > 0;
  say($("calm"), ready ? "Nothing stands against a takeover." : "Nothing is known yet.");
  say($("reason-count"), all.length === 0 ? (ready ? "ready" : "not ready") : String(all.length));
  tone($("reason-count"), reasons.length > 0 || !ready ? "bad" : warnings.length > 0 ? "warn" : "ok");
}

/** A table whose rows become blocks on a narrow window. */
function buildTable(className, label, columns) {
  const table = make("table", "rows " + className), head = make("thead"), row = make("tr"), body = make("tbody");
  table.setAttribute("role", "table");
  table.setAttribute("aria-label", label);
  head.setAttribute("role", "rowgroup");
  body.setAttribute("role", "rowgroup");
  row.setAttribute("role", "row");
  for (const name of columns) {
    const heading = make("th", "", name);
    heading.scope = "col";
    heading.setAttribute("role", "columnheader");
    row.append(heading);
  }
  head.append(row);
  table.append(head, body);
  return { table, body };
}

function buildSet(name) {
  const node = make("li"), title = make("h3"), about = make("span", "note");
  title.append(make("b", "", name), about);
  const seats = buildTable("seats", "Cards of " + name, ["Card", "Role", "What speaks against it"]);
  const services = buildTable("services", "Services of " + name, ["Service", "State", "Card", "Why"]);
  const notes = make("ul", "notes");
  node.append(title, seats.table, services.table, notes);
  return { node, about, seats: seats.body, services: services.body, servicesTable: services.table, notes };
}

function unitTexts({ unit, moving, quarantine, wanted, stays, failedOn }) {
  const left = (of) => of.leftMs === undefined ? " until it is lifted" : " for another " + duration(of.leftMs);
  return [
    ...(moving ? ["A move of " + unit + " is under way"] : []),
    ...(quarantine ? [unit + " is in quarantine" + left(quarantine) + ": " + quarantine.reason] : []),
    ...(wanted ? [wanted.by + " wants " + unit + " on card " + wanted.to + (wanted.comment ? ": " + wanted.comment : "")] : []),
    ...(stays === undefined ? [] : [unit + " stays on card " + stays + ", where it was sent"]),
    ...failedOn.map((failed) => unit + " failed on card " + failed.card + ", which counts" + left(failed) + ": " + failed.reason),
  ];
}

function showSets(sets) {
  keep($("sets"), sets.map(({ set }) => set), buildSet).forEach((part, index) => {
    const { epoch, dormant, seats, services, units } = sets[index];
    say(part.about, "epoch " + epoch + (dormant ? dot + "dormant" : ""));
    keep(part.seats, seats.map(({ card, seat }) => card + " " + seat), () => buildRow("Card", "Role", "What speaks against it")).forEach(({ cells }, at) => {
      const { card, seat, role, reasons } = seats[at];
      say(cells[0].main, "card " + card);
      say(cells[0].small, slotText(card) + (seat === "card " + card ? "" : dot + seat));
      cells[1].main.className = "tone";
      say(cells[1].main, role);
      tone(cells[1].main, roleTones[role] ?? "idle");
      say(cells[2].main, reasons.map(({ text }) => text).join("; ") || dash);
      say(cells[2].small, [...new Set(reasons.map(({ hint }) => hint))].join(" "));
    });
    keep(part.services, services.map(({ service }) => service), () => buildRow("Service", "State", "Card", "Why")).forEach(({ cells }, at) => {
      const { service, unit, state, owner, grant, epoch: own, reasons, here } = services[at];
      say(cells[0].main, service);
      say(cells[0].small, "moves with " + unit);
      cells[1].main.className = "tone";
      say(cells[1].main, state === "placed" ? grant : state);
      tone(cells[1].main, state === "placed" && grant !== "running" ? (grant === "failed" ? "bad" : "warn") : serviceTones[state] ?? "idle");
      say(cells[1].small, "epoch " + own);
      say(cells[2].main, owner ? "card " + owner.card : dash);
      say(cells[2].small, owner ? slotText(owner.card) : "");
      say(cells[3].main, reasons.map(({ text }) => text).join("; ") || dash);
      say(cells[3].small, here && here.waitingFor.length > 0 ? "waits for " + here.waitingFor.join(", ") : "");
    });
    part.servicesTable.hidden = services.length === 0;
    keep(part.notes, units.flatMap(unitTexts), (text) => ({ node: make("li", "", text) }));
  });
  $("no-sets").hidden = sets.length > 0;
}

function readinessText(readiness) {
  return readiness.kind === "ready" ? "ready" : readiness.kind === "booting" ? "starting: " + readiness.phase : "holds: " + readiness.reason;
}

function markText(name, mark) {
  return mark ? [name + " by " + mark.by + (mark.comment ? " (" + mark.comment + ")" : "") + " for " + duration(mark.forMs)] : [];
}

function showCards(cards) {
  keep($("cards"), cards.map(({ card }) => card), () => buildRow("Card", "State", "Health", "Kept from serving")).forEach(({ cells }, index) => {
    const of = cards[index];
    const isUp = of.state === "up";
    say(cells[0].main, "card " + of.card);
    say(cells[0].small, slotText(of.card) + (of.model ? dot + of.model : ""));
    cells[1].main.className = "tone";
    say(cells[1].main, of.state);
    tone(cells[1].main, cardTones[of.state] ?? "idle");
    say(cells[1].small, !isUp ? "" : readinessText(of.readiness) + (of.joined ? "" : dot + "not on Ethernet") + (of.configuration === "behind" ? dot + "older configuration" : ""));
    cells[2].main.className = "tone";
    say(cells[2].main, isUp ? of.health : dash);
    tone(cells[2].main, !isUp ? "idle" : of.health === "good" ? "ok" : of.health === "failing" ? "bad" : "warn");
    say(cells[2].small, of.healthReasons.join("; ") || (of.healthyForMs === undefined ? "" : "for " + duration(of.healthyForMs)));
    const kept = [
      ...markText("drained", of.drained), ...markText("in maintenance", of.maintenance),
      ...(of.quarantine ? ["in quarantine" + (of.quarantine.leftMs === undefined ? "" : " for another " + duration(of.quarantine.leftMs)) + ": " + of.quarantine.reason] : []),
    ];
    say(cells[3].main, kept.join("; ") || dash);
    say(cells[3].small, [...of.ports.map(({ port, state }) => port + " " + state), ...of.unfit.map(({ resource, reason }) => resource + ": " + reason)].join("; "));
  });
}

function wayText({ service, from, to }) {
  return service + (from === undefined ? " to card " + to : " from card " + from + " to card " + to);
}

function buildFailover(id) {
  const node = make("li"), details = make("details"), summary = make("summary"), title = make("b"), verdict = make("span", "tone");
  const age = make("span", "note"), moved = make("p", "small"), body = make("div", "explained");
  summary.append(title, verdict, age);
  details.append(summary, moved, body);
  node.append(details);
  const part = { node, details, title, verdict, age, moved, body, id, shown: undefined, wanted: undefined };
  details.addEventListener("toggle", () => void explain(part));
  return part;
}

/** Reads all of a failover when it is open and has gone on since it was read last. */
async function explain(part) {
  if (!part.details.open || part.shown === part.wanted) return;
  const wanted = part.wanted;
  try {
    showRecord(part.body, await get("v1/failovers/" + part.id));
    part.shown = wanted;
  } catch (error) {
    part.body.replaceChildren(make("p", "small", error.said ?? "no answer"));
  }
}

function section(title, ...nodes) {
  const box = make("section");
  box.append(make("h4", "", title), ...nodes);
  return box;
}

function listOf(className, texts) {
  const list = make("ul", className);
  for (const text of texts) list.append(make("li", "", text));
  return list;
}

function showRecord(body, record) {
  const counted = record.phases.filter(({ phase }) => phase !== "closed" && phase !== "aborted");
  const sum = counted.reduce((total, { ms }) => total + ms, 0);
  const phases = make("ul", "phases");
  for (const { phase, ms } of counted) {
    const row = make("li"), bar = make("meter");
    bar.max = Math.max(1, sum);
    bar.value = Math.max(0, ms);
    bar.setAttribute("aria-label", phase + ", share of the time");
    row.append(make("span", "", phase), bar, make("span", "ms", number.format(ms) + " ms"));
    phases.append(row);
  }
  const events = make("ol", "events");
  for (const { atMs, text } of record.timeline) {
    const row = make("li");
    row.append(make("span", "ms", (atMs < 0 ? "" : "+") + number.format(atMs) + " ms"), make("span", "", text));
    events.append(row);
  }
  const facts = [
    ...(record.verdict ? [record.verdict + ": " + record.why] : []), ...(record.rule ? ["rule: " + record.rule] : []),
    ...(record.receipt ? ["receipt: " + record.receipt.receipt + ", known by card " + record.receipt.by + " after " + record.receipt.atMs + " ms"] : []),
    ...record.missing.map((text) => "missing: " + text),
  ];
  const hooks = record.resources.map(({ hook, resource, card, ms, outcome, reason }) =>
    hook + " " + resource + " on card " + card + ": " + (ms === undefined ? "under way" : number.format(ms) + " ms, " + outcome + (reason ? " (" + reason + ")" : "")));
  body.replaceChildren(
    listOf("notes", facts),
    ...(counted.length > 0 ? [section("Phases", phases)] : []),
    ...(hooks.length > 0 ? [section("Resources", listOf("", hooks))] : []),
    section("Timeline", events),
    ...(record.dropped > 0 ? [make("p", "small", number.format(record.dropped) + " events more were not kept")] : []),
    ...(record.prevention.length > 0 ? [section("What would have prevented it, or made it shorter", listOf("", record.prevention))] : []),
  );
}

function showFailovers({ failovers }) {
  keep($("failovers"), failovers.map(({ id }) => id), buildFailover).forEach((part, index) => {
    const { id, text, phase, agoMs, totalMs, verdict, moves } = failovers[index];
    say(part.title, id + dot + text);
    say(part.verdict, [verdict, totalMs === undefined ? phase : number.format(totalMs) + " ms"].filter((word) => word).join(", "));
    tone(part.verdict, phaseTones[phase] ?? "warn");
    say(part.age, duration(agoMs) + " ago");
    say(part.moved, moves.map(wayText).join("; "));
    part.wanted = phase + " " + moves.length;
    void explain(part);
  });
  $("no-failovers").hidden = failovers.length > 0;
}

let failures = 0, answeredAt;
async function ask() {
  const startedAt = performance.now();
  try {
    const [view, records] = await Promise.all([get("v1/failover"), get("v1/failovers?limit=" + shownFailovers)]);
    showReadiness(view);
    showSets(view.sets);
    showCards(view.cards);
    showFailovers(records);
    const [said, its] = answerText(view);
    say($("said"), said);
    tone($("answer"), its);
    say($("since"), view.configuration ? "configuration of change " + number.format(view.configuration.sequence) : "");
    say(document.querySelector("title"), (view.ready ? "" : "Not ready" + dot) + "Failover");
    failures = 0;
    answeredAt = performance.now();
  } catch (error) {
    failures++;
    if (failures > 1 || error.said) {
      say($("said"), error.said ?? "The card does not answer");
      say($("since"), answeredAt === undefined ? "asking again" : "last answer " + duration(performance.now() - answeredAt) + " ago");
      tone($("answer"), "bad");
    }
  }
  document.documentElement.toggleAttribute("data-stale", failures > 1);
  return Math.max(50, askEveryMs - (performance.now() - startedAt));
}
keepAsking(ask);
`;
