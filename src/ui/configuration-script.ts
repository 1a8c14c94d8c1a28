/**
 * The script of the configuration's page: the tables and their rows, the history. Whenever the head is another one, what is open is read
 * again. What a card says is written as text, never as HTML.
 */
export const configurationScript = String.raw`
const askEveryMs = 2000, askMaxMs = 4000, pageRows = 100, pageChanges = 20;
let head, tables, changes = [], older;

function shown(value) {
  if (value === undefined || value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function buildTable(table) {
  const node = make("li"), details = make("details"), summary = make("summary"), count = make("span", "note");
  summary.append(make("b", "", table.name), count);
  const body = make("div", "rowlist"), about = make("p", "small", table.about), more = make("button", "more", "More rows");
  more.hidden = true;
  more.type = "button";
  details.append(summary, about, body, more);
  node.append(details);
  const part = { node, details, body, count, more, table, rows: [], next: undefined, isLoaded: false };
  details.addEventListener("toggle", () => { if (details.open && !part.isLoaded) void load(part, false); });
  more.addEventListener("click", () => void load(part, true));
  return part;
}

async function load(part, isMore) {
  const after = isMore && part.next !== undefined ? "&after=" + encodeURIComponent(part.next) : "";
  try {
    const page = await get("v1/configuration/tables/" + part.table.name + "?limit=" + pageRows + after);
    part.rows = isMore ? part.rows.concat(page.rows) : page.rows;
    part.next = page.next;
    part.isLoaded = true;
    showRows(part);
  } catch (error) {
    say(part.count, error.said ?? "no answer");
  }
}

function showRows(part) {
  say(part.count, part.rows.length === 0 ? "no rows" : number.format(part.rows.length) + (part.next === undefined ? "" : " and more"));
  part.more.hidden = part.next === undefined;
  keep(part.body, part.rows.map((row) => JSON.stringify(row)), (key) => {
    const row = JSON.parse(key), node = make("div", "row"), values = make("dl", "values");
    node.append(make("p", "main", row.id));
    for (const [name, value] of Object.entries(row)) {
      if (name === "id") continue;
      const pair = make("div");
      pair.append(make("dt", "", name), make("dd", "", shown(value)));
      values.append(pair);
    }
    node.append(values);
    return { node };
  });
}

function stepText(step) {
  if (step.kind === "remove") return step.table + " " + step.id + " removed";
  const names = Object.keys({ ...step.before, ...step.after }).filter((name) => name !== "id");
  const of = (name) => step.kind === "insert" ? name + " " + shown(step.after[name])
    : name + " " + shown(step.before?.[name]) + " \u2192 " + shown(step.after?.[name]);
  return step.table + " " + step.id + (step.kind === "insert" ? " made" : "") + (names.length === 0 ? "" : ": " + names.map(of).join(", "));
}

function showHistory() {
  keep($("changes"), changes.map(({ sequence, hash }) => sequence + " " + hash), (key) => {
    const change = changes.find(({ sequence, hash }) => sequence + " " + hash === key), node = make("li");
    const when = new Date(change.time).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
    const top = make("div", "top"), who = make("span", "", change.author), age = make("span", "age", when);
    top.append(make("b", "", "Change " + change.sequence), who, age);
    node.append(top);
    if (change.comment) node.append(make("p", "comment", change.comment));
    const list = make("ul", "steps");
    if (change.kind === "migrate") list.append(make("li", "", "raises the level of the tables"));
    for (const step of change.rows ?? []) {
      const item = make("li", "", stepText(step));
      item.dataset.kind = step.kind;
      list.append(item);
    }
    node.append(list);
    return { node };
  });
  $("no-changes").hidden = changes.length > 0;
  $("older").hidden = older === undefined;
}

async function loadHistory(isMore) {
  const page = await get("v1/configuration/history?rows=true&limit=" + pageChanges + (isMore && older !== undefined ? "&before=" + older : ""));
  changes = isMore ? changes.concat(page.changes) : page.changes;
  older = page.next;
  showHistory();
}

let failures = 0, answeredAt;
async function ask() {
  try {
    const status = await get("v1/configuration");
    say($("place"), "Card " + slotText(status.card));
    showConfiguration(status);
    if (tables === undefined) {
      tables = (await get("v1/configuration/tables")).tables.filter((table) => table.writable);
      keep($("tables"), tables.map(({ name }) => name), (name) => buildTable(tables.find((table) => table.name === name)));
    }
    if (head !== status.head.hash) {
      await loadHistory(false);
      await Promise.all([...$("tables").known.values()].map((part) => load(part, false)));
      head = status.head.hash;
    }
    failures = 0;
    answeredAt = Date.now();
    say($("said"), configurationTexts[status.state] ? status.state[0].toUpperCase() + status.state.slice(1) + ": " + configurationTexts[status.state] : status.state);
    say($("since"), headText(status.head));
    tone($("answer"), configurationTones[status.state] ?? "idle");
  } catch (error) {
    failures++;
    if (failures > 1 || error.said) {
      say($("said"), error.said ?? "The card does not answer");
      say($("since"), answeredAt === undefined ? "asking again" : "last answer " + duration(Date.now() - answeredAt) + " ago");
      tone($("answer"), "bad");
    }
  }
  document.documentElement.toggleAttribute("data-stale", failures > 1);
  return askEveryMs;
}
$("older").addEventListener("click", () => void loadHistory(true).catch(() => {}));
keepAsking(ask);
`;
