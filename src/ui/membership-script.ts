/**
 * The part of the status page's script that shows the view, who hears whom, the last notifications, and the groups.
 * It stands before the rest, whose helpers it calls. ASCII alone: see `scripts/build.ts`.
 */
export const membershipScript = String.raw`
const notificationTones = { confirmed: "ok", unconfirmed: "warn", tentative: "warn" };
const orderTones = { running: "ok", flushing: "warn", exchanging: "warn", stopped: "bad" };
const orderTexts = {
  flushing: "the members of a new view level what they hold",
  exchanging: "cards that shared nothing exchange group data; messages wait",
};
const receipts = {
  left: "it said goodbye", power: "the multiplexor says that its slot has no power",
  reset: "it was reset, and the multiplexor acknowledged", failing: "it announced that it resets itself",
  restarted: "a later incarnation of it was heard",
};
const linkNames = { ether: "Ethernet", serial: "serial" };

function chassisOf(card) {
  return Math.floor((card - 1) / 8) + 1;
}
/** "1, 3, 5-8". */
function numbersText(numbers) {
  const runs = [];
  for (const next of numbers) {
    const run = runs.at(-1);
    if (run && next === run[1] + 1) run[1] = next;
    else runs.push([next, next]);
  }
  return runs.map(([from, to]) => from === to ? from : to === from + 1 ? from + ", " + to : from + "-" + to).join(", ");
}
function cardsText(cards) {
  return cards.length === 0 ? "no card" : (cards.length === 1 ? "card " : "cards ") + numbersText(cards);
}

function viewReason(membership) {
  const { state, reason, view } = membership;
  if (state === "tentative") return "Nothing new is started: " + (reason ?? "no reason given");
  const absent = view?.absent ?? [];
  if (state === "unconfirmed") {
    const unknown = absent.filter((each) => each.state === "unknown").map(({ card }) => card);
    return "No proof that " + cardsText(unknown) + " stopped: what it serves stays where it is";
  }
  return absent.length === 0 ? "Nobody is absent" : "Every absent card is down, with a receipt";
}

function showMembership(membership, names) {
  const { state, view, electorate, quorum, history } = membership;
  say($("view-title"), view ? "View " + view.number + (state === "tentative" ? ", the last that held" : "") : "No view yet");
  say($("notification"), state);
  tone($("notification"), notificationTones[state] ?? "idle");
  say($("view-reason"), viewReason(membership));
  say($("quorum"), quorum.text);
  $("quorum").toggleAttribute("data-lost", !quorum.held);
  say($("electorate"), cardsText(electorate));
  say($("view-coordinator"), view ? cardsText([view.coordinator]) : "none");
  const ether = view ? view.members.filter((member) => member.ether).map(({ card }) => card) : [];
  say($("ordering"), ether.length > 0 ? cardsText(ether) : "none");

  const rows = [...(view?.members ?? []).map((member) => ({ ...member, member: true })), ...view?.absent ?? []].sort((a, b) => a.card - b.card);
  keep($("view-cards"), rows.map(({ card }) => card), () => buildRow("Card", "State")).forEach(({ cells }, index) => {
    const row = rows[index], [card, standing] = cells;
    say(card.main, names.get(row.card) ?? "card " + row.card);
    say(card.small, "card " + row.card + (row.member ? dot + "incarnation " + row.incarnation : ""));
    standing.main.className = "tone";
    if (row.member) {
      say(standing.main, "member");
      tone(standing.main, state === "tentative" ? "idle" : row.ether ? "ok" : "warn");
      const orders = row.ether ? "orders messages" : "no ordered messages: some do not hear it on Ethernet, or it them";
      say(standing.small, orders + dot + (row.previous === 0 ? "just started" : "was in view " + row.previous));
    } else {
      const down = row.state === "down";
      say(standing.main, down ? "DOWN" + (row.receipt ? " (" + row.receipt + ")" : "") : "UNKNOWN");
      tone(standing.main, down ? "bad" : "warn");
      say(standing.small, down ? receipts[row.receipt] ?? "another card has its receipt" : "no proof that it stopped");
    }
  });
  $("view-table").hidden = rows.length === 0;

  showTicks(membership);
  const kept = history.map((each, index) => ({ ...each, key: [each.state, each.view, each.reason, history.length - index].join() }));
  keep($("history"), kept.map(({ key }) => key), () => {
    const node = make("li"), what = make("span", "tone"), age = make("span", "age"), reason = make("span", "text");
    node.append(what, age, reason);
    return { node, what, age, reason };
  }).forEach(({ what, age, reason }, index) => {
    const each = kept[index];
    say(what, each.state + (each.view === undefined ? "" : " " + each.view));
    tone(what, notificationTones[each.state] ?? "idle");
    say(age, duration(each.agoMs) + " ago");
    say(reason, each.reason + (each.members === undefined ? "" : dot + cardsText(each.members)));
  });
  $("no-history").hidden = history.length > 0;
  $("history").hidden = history.length === 0;
}

function showTicks({ ticks, electorate }) {
  const rows = new Map(ticks.map(({ card, ether, serial }) => [card, { ether: new Set(ether), serial: new Set(serial) }]));
  const own = ticks[0]?.card;
  const cards = [...new Set(electorate.concat(ticks.flatMap(({ card, ether, serial }) => [card, ...ether, ...serial])))].sort((a, b) => a - b);
  const hears = (listener, card, link) => rows.get(listener)?.[link].has(card) === true;
  /** The row of a card that we do not hear is its last word. */
  const isFresh = (card) => rows.has(card) && (card === own || hears(own, card, "ether") || hears(own, card, "serial"));
  const isOneWay = (one, other, link) => isFresh(one) && isFresh(other) && hears(one, other, link) !== hears(other, one, link);
  const sharedBy = (one, other) => chassisOf(one) === chassisOf(other) ? ["ether", "serial"] : ["ether"];

  keep($("ticks-head"), [cards.join()], () => {
    const node = make("tr"), corner = make("th", "", "Card");
    corner.scope = "col";
    node.append(corner, ...cards.map((card) => {
      const head = make("th", "", String(card));
      head.scope = "col";
      return head;
    }));
    return { node };
  });
  keep($("ticks"), cards.map((card) => card + " " + cards.join()), (key) => {
    const node = make("tr"), listener = parseInt(key, 10), head = make("th", "", String(listener));
    head.scope = "row";
    node.append(head);
    const cells = cards.map((card) => {
      const cell = make("td"), marks = (card === listener ? [] : sharedBy(card, listener)).map((link) => ({ link, mark: make("span", "tick") }));
      cell.append(...marks.map(({ mark }) => mark));
      node.append(cell);
      return { card, cell, marks };
    });
    return { node, listener, cells };
  }).forEach(({ node, listener, cells }) => {
    node.toggleAttribute("data-old", rows.has(listener) && !isFresh(listener));
    for (const { card, cell, marks } of cells) {
      if (marks.length === 0) continue;
      const heard = [];
      for (const { link, mark } of marks) {
        const hearing = hears(listener, card, link), oneWay = isOneWay(listener, card, link);
        if (hearing) heard.push(linkNames[link]);
        say(mark, (!rows.has(listener) ? "?" : hearing ? (link === "ether" ? "E" : "S") : dash) + (oneWay ? "!" : ""));
        tone(mark, oneWay ? "bad" : hearing ? "ok" : "idle");
      }
      const words = "card " + listener + (!rows.has(listener) ? " has never said whether it hears card " + card
        : heard.length === 0 ? " does not hear card " + card : " hears card " + card + " on " + heard.join(" and "));
      if (cell.title !== words) cell.title = words;
    }
  });

  const notes = ["ether", "serial"].flatMap((link) => oneWayNotes(
    cards.flatMap((hearing) => cards.filter((deaf) => hears(hearing, deaf, link) && isOneWay(hearing, deaf, link)).map((deaf) => ({ hearing, deaf }))), linkNames[link]));
  const oneWays = notes.length, old = cards.filter((card) => rows.has(card) && !isFresh(card));
  if (old.length > 0) notes.push("Not heard now, shown is the last word: " + cardsText(old));
  keep($("tick-notes"), notes, (text) => ({ node: make("li", "", text) }));
  const fresh = cards.filter(isFresh);
  const isPartial = fresh.some((one) => fresh.some((other) => one !== other && sharedBy(one, other).some((link) => !hears(one, other, link))));
  const [summary, its] = oneWays > 0 ? ["one-way", "bad"] : fresh.length < 2 ? ["nobody heard", "idle"] : isPartial ? ["links missing", "warn"] : ["both ways", "ok"];
  say($("tick-count"), summary);
  tone($("tick-count"), its);
}

/** One-way pairs by their cause: again and again the card with the most of what is left, as deaf or as not heard. */
function oneWayNotes(pairs, link) {
  const notes = [];
  for (let left = pairs; left.length > 0;) {
    let most = { count: 0 };
    for (const role of ["deaf", "hearing"]) {
      const counts = new Map();
      for (const pair of left) counts.set(pair[role], (counts.get(pair[role]) ?? 0) + 1);
      for (const [card, count] of counts) if (count > most.count) most = { role, card, count };
    }
    const { role, card } = most, deaf = role === "deaf";
    const others = cardsText(left.filter((pair) => pair[role] === card).map((pair) => deaf ? pair.hearing : pair.deaf).sort((a, b) => a - b));
    notes.push("One-way on " + link + ": card " + card + (deaf ? " does not hear " + others + ", which hear it" : " is not heard by " + others + ", which it hears"));
    left = left.filter((pair) => pair[role] !== card);
  }
  return notes;
}

function showGroups(status) {
  const { state, reason, epoch, coordinator, held, committed, delivered, pending, counters, groups } = status;
  say($("order-state"), state);
  tone($("order-state"), orderTones[state] ?? "idle");
  say($("order-reason"), reason ?? orderTexts[state] ?? "");
  say($("epoch"), epoch === 0 ? "none yet" : String(epoch));
  say($("order-coordinator"), coordinator === undefined ? "none" : "card " + coordinator);
  say($("pending"), number.format(pending));
  say($("held"), number.format(held));
  say($("committed"), number.format(committed));
  say($("delivered"), number.format(delivered));
  const entries = Object.entries(counters);
  keep($("order-counters"), entries.map(([name]) => name), (name) => {
    const node = make("div"), value = make("dd");
    node.append(make("dt", "", spaced(name)), value);
    return { node, value };
  }).forEach(({ value }, index) => say(value, number.format(entries[index][1])));

  keep($("groups"), groups.map(({ name }) => name), () => {
    const row = buildRow("Group", "View", "Messages", "Members"), members = make("ul", "members");
    row.cells[3].box.replaceChildren(members);
    return { ...row, members };
  }).forEach(({ cells, members }, index) => {
    const group = groups[index];
    say(cells[0].main, group.name);
    say(cells[1].main, String(group.view));
    say(cells[2].main, number.format(group.messages));
    const keyOf = (member) => [member.card, member.number, member.name, member.critical, member.local].join();
    keep(members, group.members.map(keyOf), (key) => {
      const member = group.members.find((each) => keyOf(each) === key), node = make("li");
      node.append(make("span", "id", "card " + member.card + " #" + member.number), make("span", "", member.name));
      if (member.critical) node.append(make("span", "mark-critical", "critical"));
      if (member.local) node.append(make("span", "mark-local", "here"));
      return { node };
    });
  });
  $("group-table").hidden = groups.length === 0;
  $("no-groups").hidden = groups.length > 0;
}
`;
