/** What the scripts of all pages begin with: text into nodes, never as HTML, and only where it changed. ASCII alone: see `scripts/build.ts`. */
export const pageScript = String.raw`
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const dot = " \u00b7 ", dash = "\u2013", times = "\u00d7";

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
function tone(node, value) {
  if (node.dataset.tone !== value) node.dataset.tone = value;
}
function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
/** "oldIncarnation" as "old incarnation". */
function spaced(name) {
  return name.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());
}
function duration(ms) {
  if (ms < 1000) return Math.round(ms) + " ms";
  const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60), d = Math.floor(h / 24);
  if (d > 0) return d + " d " + (h % 24) + " h";
  if (h > 0) return h + " h " + (min % 60) + " min";
  if (min > 0) return min + " min " + (s % 60) + " s";
  return s + " s";
}
/** Makes the children of a node fit a list of keys: those that stay are kept, so that focus and selection stay too. */
function keep(parent, keys, build) {
  const known = parent.known ??= new Map();
  for (const [key, part] of known) if (!keys.includes(key)) { part.node.remove(); known.delete(key); }
  keys.forEach((key, index) => {
    let part = known.get(key);
    if (!part) known.set(key, part = build(key));
    if (parent.children[index] !== part.node) parent.insertBefore(part.node, parent.children[index] ?? null);
  });
  return keys.map((key) => known.get(key));
}
/** A row of cells, which become blocks on a narrow window. */
function buildRow(...labels) {
  const node = make("tr");
  node.setAttribute("role", "row");
  const cells = labels.map((label, index) => {
    const of = make(index === 0 ? "th" : "td"), box = make("div", "cell"), main = make("span", "main"), small = make("span", "small");
    of.setAttribute("role", index === 0 ? "rowheader" : "cell");
    if (index === 0) of.scope = "row";
    else of.dataset.label = label;
    box.append(main, small);
    of.append(box);
    node.append(of);
    return { main, small, box };
  });
  return { node, cells };
}
/** The JSON of a good answer; what the card says is wrong is thrown as the said of an object. Each page has its own askMaxMs. */
async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(askMaxMs) });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw { said: problem.detail ?? "The card answers with an error: " + answer.status };
  }
  return await answer.json();
}
/** Asks now, and again after as many milliseconds as ask() gives, which waits while nobody can see the page. */
function keepAsking(ask) {
  let waiting = false;
  const next = async () => setTimeout(askUnlessHidden, await ask());
  function askUnlessHidden() {
    waiting = document.hidden;
    if (!waiting) void next();
  }
  document.addEventListener("visibilitychange", () => {
    if (waiting && !document.hidden) askUnlessHidden();
  });
  void next();
}
`;
