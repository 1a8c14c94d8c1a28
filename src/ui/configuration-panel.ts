/** The part of both pages that says how current a card's configuration is. ASCII alone: see `scripts/build.ts`. */
export const configurationPanelScript = String.raw`
const configurationTones = { opening: "idle", joining: "warn", "catching-up": "warn", current: "ok", stale: "warn", hold: "bad" };
const configurationTexts = {
  opening: "the database is being opened", joining: "the other cards are being asked", "catching-up": "what was missed is being fetched",
  current: "every acknowledged change is here", stale: "it can be read, but changes are refused and may have been missed",
  hold: "the database cannot be used",
};
function slotText(card) {
  return (Math.floor((card - 1) / 8) + 1) + "/" + ((card - 1) % 8 + 1);
}
function headText(head) {
  return head.sequence === 0 ? "no changes yet" : "change " + number.format(head.sequence) + " " + head.hash.slice(0, 8);
}
function progressText(progress) {
  if (!progress) return "nothing to fetch";
  const share = progress.of > 0 ? Math.floor(100 * progress.done / progress.of) : 0;
  return share + " % of a " + (progress.what === "snapshot" ? "snapshot" : "list of changes") + " from card " + slotText(progress.from);
}
function showConfiguration(status) {
  $("configuration").hidden = !status;
  if (!status) return;
  const { state, reason, code, head, level, levelMax, replicas, ageMs, progress, branches, load } = status;
  say($("configuration-state"), state);
  tone($("configuration-state"), configurationTones[state] ?? "idle");
  say($("configuration-reason"), (code ? code + ": " : "") + (reason ?? configurationTexts[state] ?? ""));
  say($("configuration-head"), headText(head));
  say($("configuration-age"), state === "current" ? "current" : "known to be the system's " + duration(ageMs) + " ago");
  say($("configuration-level"), level === levelMax ? String(level) : level + " of " + levelMax);
  say($("configuration-replicas"), replicas.length === 0 ? "none" : replicas.map(slotText).join(", "));
  say($("configuration-progress"), progressText(progress));
  say($("configuration-load"), number.format(load.served) + dot + number.format(load.servedForOthers) + " for others" + dot + number.format(load.forwarded) + " forwarded");
  keep($("configuration-branches"), branches.map(({ id }) => id), (id) => {
    const branch = branches.find((each) => each.id === id);
    return { node: make("li", "", "Branch " + id + ": " + branch.changes + " changes after change " + branch.since + " that the others had not; cardinal config diff " + id) };
  });
}
`;
