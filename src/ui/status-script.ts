/**
 * The script of the status page, but for what it shows of membership, groups and configuration, which stands before it. It asks for the status each second, changes only what changed, and writes what the
 * card says as text, never as HTML. Ticking figures are outside of what a screen reader is told of; alarms are told.
 */
export const statusScript = String.raw`
const askEveryMs = 1000, askMaxMs = 2000, staleAfterMs = 3000;
const words = {
  oneWay: "one-way", unheard: "not heard yet", absent: "never heard",
};
const tones = {
  healthy: "ok", degraded: "warn", suspect: "warn", down: "bad", left: "idle", absent: "warn",
  up: "ok", recovering: "warn", oneWay: "warn", silent: "warn", unheard: "idle",
};
const reasons = {
  crc: "checksum", framing: "framing", length: "length", tag: "authentication", cbor: "encoding", shape: "content",
  version: "protocol version", system: "other system", kind: "unexpected kind", replayed: "replayed",
  oldIncarnation: "old incarnation", ownIdentity: "own identity", notForUs: "not for us", fragments: "fragments",
};

function word(value) {
  return words[value] ?? value;
}
function placeOf(of) {
  return of.chassis + "/" + of.slot;
}
function showCard(status) {
  say($("name"), status.name);
  say($("place"), "System " + status.system + dot + "chassis " + status.chassis + dot + "slot " + status.slot);
  say($("state"), status.state);
  tone($("state"), status.state === "running" ? "ok" : "warn");
  say($("uptime"), duration(status.uptimeMs));
  say($("version"), status.version);
  say($("profile"), status.profile);
  say($("memory"), (status.process.residentBytes / 1048576).toFixed(1) + " MiB");
  say($("processor"), (status.process.cpuShare * 100).toFixed(1) + " % of a core");
  say($("runtime"), status.process.runtime);
  say($("scheduling"), status.process.realtime ? "real-time" : "ordinary");
  say($("pid"), String(status.process.pid));
  const late = status.lateTicks;
  say($("late"), late.count === 0 ? "never" : number.format(late.count) + " " + times + ", worst " + duration(late.worstMs));
  say($("uid"), status.uid);
  say($("incarnation"), String(status.incarnation));
}

let toldAlarms;
function showAlarms(alarms) {
  const keyOf = (alarm) => alarm.code + " " + alarm.text;
  const unique = [...new Map(alarms.map((alarm) => [keyOf(alarm), alarm])).values()];
  const parts = keep($("alarms"), unique.map(keyOf), () => {
    const node = make("li"), text = make("span", "text"), code = make("span", "code"), age = make("span", "age");
    node.append(text, code, age);
    return { node, text, code, age };
  });
  parts.forEach((part, index) => {
    say(part.text, unique[index].text);
    say(part.code, unique[index].code);
    say(part.age, "for " + duration(unique[index].forMs));
  });
  $("calm").hidden = unique.length > 0;
  $("alarms").hidden = unique.length === 0;
  say($("alarm-count"), unique.length === 0 ? "none" : String(unique.length));
  tone($("alarm-count"), unique.length === 0 ? "ok" : "bad");

  const now = new Map(unique.map((alarm) => [keyOf(alarm), alarm.text]));
  const news = [];
  for (const [key, text] of now) if (!toldAlarms?.has(key)) news.push("Alarm: " + text + ".");
  for (const [key, text] of toldAlarms ?? []) if (!now.has(key)) news.push("Alarm over: " + text + ".");
  if (news.length > 0) say($("news"), news.join(" "));
  toldAlarms = now;
}

function showChassis(status) {
  const cards = [{ ...status, own: true, health: "this card", tone: status.state === "running" ? "ok" : "warn" }]
    .concat(status.peers.map((peer) => ({ ...peer, own: false, tone: tones[peer.health] ?? "idle" })));
  const numbers = [...new Set(cards.map((card) => card.chassis))].sort((a, b) => a - b);
  keep($("chassis"), numbers, (chassis) => {
    const node = make("li"), tiles = [];
    node.append(make("span", "of", "Chassis " + chassis));
    for (let slot = 1; slot <= 8; slot++) {
      const tile = make("div", "tile"), name = make("span");
      tile.append(make("b", "", String(slot)), name);
      node.append(tile);
      tiles.push({ tile, name });
    }
    return { node, tiles };
  }).forEach((part, index) => {
    part.tiles.forEach(({ tile, name }, at) => {
      const card = cards.find((card) => card.chassis === numbers[index] && card.slot === at + 1);
      if (card) tone(tile, card.tone);
      else delete tile.dataset.tone;
      tile.toggleAttribute("data-own", card?.own === true);
      say(name, card ? word(card.health) : "");
    });
  });
}

function showLink(kind, link, where, counters) {
  const panel = $(kind), part = (name) => panel.querySelector("." + name);
  say(part("port"), "port " + link.port);
  tone(part("port"), tones[link.port]);
  say(part("where"), link.reason ? where + dot + link.reason : where);
  say(part("period"), Math.round(link.heartbeatPeriodMs * 10) / 10 + " ms");
  say(part("sent"), number.format(link.sent));
  say(part("accepted"), number.format(link.accepted));
  const drops = Object.entries(link.dropped);
  say(part("dropped"), number.format(drops.reduce((sum, [, count]) => sum + count, 0)));
  if (link.multiplexor) {
    say(part("multiplexor"), link.multiplexor === "heard" ? "multiplexor heard" : "multiplexor not heard");
    tone(part("multiplexor"), link.multiplexor === "heard" ? "ok" : "bad");
  }
  const some = drops.filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  keep(part("reasons"), some.length === 0 ? [""] : some.map(([reason]) => reason), (reason) => {
    const node = make("li"), count = make("b");
    if (reason === "") node.textContent = "nothing dropped";
    else node.append(count, " " + (reasons[reason] ?? spaced(reason)));
    node.toggleAttribute("data-none", reason === "");
    return { node, count };
  }).forEach(({ count }, index) => {
    if (some[index]) say(count, number.format(some[index][1]));
  });
  const entries = Object.entries(counters);
  keep(part("counters"), entries.map(([name]) => name), (name) => {
    const node = make("div"), value = make("dd");
    node.append(make("dt", "", spaced(name)), value);
    return { node, value };
  }).forEach(({ value }, index) => say(value, number.format(entries[index][1])));
}

function buildPeer() {
  const node = make("tr");
  node.setAttribute("role", "row");
  const cell = (tag, role, label) => {
    const of = make(tag), box = make("div", "cell"), main = make("span", "main"), small = make("span", "small");
    of.setAttribute("role", role);
    if (tag === "th") of.scope = "row";
    if (label) of.dataset.label = label;
    box.append(main, small);
    of.append(box);
    node.append(of);
    return { main, small };
  };
  return {
    node,
    card: cell("th", "rowheader"),
    health: cell("td", "cell", "Health"),
    ether: cell("td", "cell", "Ethernet"),
    serial: cell("td", "cell", "Serial"),
    verified: cell("td", "cell", "Verified"),
    software: cell("td", "cell", "Software"),
  };
}

function showPeerLink(cell, link) {
  cell.main.className = link ? "tone" : "";
  if (!link) {
    say(cell.main, dash);
    say(cell.small, "not shared");
    return;
  }
  say(cell.main, word(link.health));
  tone(cell.main, tones[link.health] ?? "idle");
  const about = [];
  if (link.silentForMs !== undefined) about.push(duration(link.silentForMs) + " ago");
  if (link.reason && link.health !== "up") about.push(link.reason);
  if (link.dropped > 0) about.push(number.format(link.dropped) + " dropped");
  say(cell.small, about.join(dot));
}

function showPeers(peers) {
  keep($("peers"), peers.map((peer) => peer.card), buildPeer).forEach((row, index) => {
    const peer = peers[index];
    say(row.card.main, peer.name ?? "card " + placeOf(peer));
    say(row.card.small, "chassis " + peer.chassis + ", slot " + peer.slot);
    row.health.main.className = "tone";
    say(row.health.main, word(peer.health));
    tone(row.health.main, tones[peer.health] ?? "idle");
    showPeerLink(row.ether, peer.links.ether);
    showPeerLink(row.serial, peer.links.serial);
    row.verified.main.className = "tone";
    say(row.verified.main, peer.verified ? "verified" : peer.candidate ? "candidate" : "no");
    tone(row.verified.main, peer.verified ? "ok" : "warn");
    say(row.verified.small, peer.verified ? peer.uid ?? "" : peer.unverifiedBecause ?? "");
    say(row.software.main, peer.software ?? dash);
    say(row.software.small, peer.incarnation === undefined ? "" : "incarnation " + peer.incarnation);
  });
  const well = peers.filter((peer) => peer.health === "healthy" && peer.verified).length;
  say($("peer-count"), peers.length === 0 ? "nobody heard, nobody expected" : well + " of " + peers.length + " healthy and verified");
  tone($("peer-count"), peers.length === 0 ? "idle" : well === peers.length ? "ok" : "warn");
}

function show(status) {
  showCard(status);
  showAlarms(status.alarms);
  showChassis(status);
  const { ether, serial } = status.ports;
  showLink("ether", status.links.ether, ether.interface + dot + ether.mac, ether.counters);
  showLink("serial", status.links.serial, serial.device + dot + number.format(serial.baud) + " baud", serial.counters);
  showPeers(status.peers);
  const names = new Map([[status.card, status.name]].concat(status.peers.map((peer) => [peer.card, peer.name])));
  showMembership(status.membership, names);
  showGroups(status.groups);
  showConfiguration(status.configuration);
  $("elsewhere").hidden = !status.configuration;
}

let last, answeredAt, answeredClock, failures = 0, failure = "";
function showAnswer() {
  const silentMs = answeredAt === undefined ? Infinity : performance.now() - answeredAt;
  const stale = failures >= 2 || (last !== undefined && silentMs > staleAfterMs);
  document.documentElement.toggleAttribute("data-stale", stale);
  const alarms = last?.alarms.length ?? 0;
  if (stale) {
    const who = last ? last.name + " does" : "The card does";
    say($("said"), failure ? failure : who + " not answer");
    say($("since"), last ? "last answer " + duration(Math.max(1000, silentMs)) + " ago; shown is what it said at " + answeredClock : "asking again each second");
    tone($("answer"), "bad");
  } else if (last) {
    const leaving = last.state === "leaving";
    say($("said"), leaving ? "This card is leaving: it was told to stop" : "Live");
    say($("since"), "as of " + answeredClock);
    tone($("answer"), leaving ? "warn" : "ok");
  }
  const title = last ? last.name + dot + last.system : "Cardinal";
  say(document.querySelector("title"), stale ? "No answer" + dot + title : alarms > 0 ? "(" + alarms + ") " + title : title);
}

async function ask() {
  const startedAt = performance.now();
  try {
    const answer = await fetch("v1/status", { cache: "no-store", signal: AbortSignal.timeout(askMaxMs) });
    if (!answer.ok) throw { said: "The card answers with an error: " + answer.status + " " + answer.statusText };
    const status = await answer.json();
    // Another version of the program may answer otherwise, and it has a page of its own.
    if (last && last.version !== status.version) return location.reload();
    show(status);
    last = status;
    answeredAt = performance.now();
    answeredClock = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    failures = 0;
    failure = "";
  } catch (error) {
    failures++;
    failure = error.said ?? "";
  }
  showAnswer();
  return Math.max(50, askEveryMs - (performance.now() - startedAt));
}
setInterval(showAnswer, askEveryMs);
keepAsking(ask);
`;
