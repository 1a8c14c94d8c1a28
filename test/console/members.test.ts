import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { isMembershipStatus, membersText, viewText } from "../../src/console/members-text.ts";
import type { MembershipStatus } from "../../src/node/status.ts";
import { askedOf } from "./card.ts";
import { alone, confirmed, torn, withoutQuorum } from "./sample.ts";

function lines(membership: MembershipStatus, columns: number): string[] {
  const text = membersText(membership, { columns, color: false });
  assert.ok(text.endsWith("\n"));
  return text.slice(0, -1).split("\n");
}

test("HA-5: a view that everybody is in, in 80 columns", () => {
  assert.equal(lines(confirmed, 80), [
    "View 4",
    "  Notification  CONFIRMED: nobody is absent",
    "  Coordinator   card 1",
    "  Quorum        3 of 3 cards: more than half",
    "  Electorate    cards 1-3",
    "  Messages      ordered among cards 1-3",
    "  Seen by       card 1",
    "",
    "Members",
    "  CARD  SLOT  INCARNATION  VIEW BEFORE   ORDERS MESSAGES",
    "  1     1/1   7            2             yes",
    "  2     1/2   8            2             yes",
    "  3     1/3   9            just started  yes",
    "",
    "Who hears whom",
    "  CARD  1    2    3",
    "  1     .    E S  E S",
    "  2     E S  .    E S",
    "  3     E S  E S  .",
    "  row hears column: E Ethernet, S serial, - not",
    "",
    "Notifications",
    "  AGO        NOTIFICATION  VIEW  CARDS  WHY",
    "  1 min 1 s  CONFIRMED     4     1-3    card 3 joined",
    "  1 min 1 s  TENTATIVE                  card 3 is heard",
  ]);
});

test("HA-5: eight cards in 80 columns: receipts, who is unknown, and one-way pairs by their cause", () => {
  assert.equal(lines(torn, 80), [
    "View 31",
    "  Notification  UNCONFIRMED: no proof that card 6 stopped",
    "  Coordinator   card 1",
    "  Quorum        5 of 8 cards: more than half",
    "  Electorate    cards 1-8",
    "  Messages      ordered among cards 1-3, 8",
    "  Seen by       card 2",
    "",
    "Absent",
    "  CARD  SLOT  STATE         WHY",
    "  4     1/4   DOWN (power)  the multiplexor says that its slot has no power",
    "  6     1/6   UNKNOWN       no proof that it stopped: what it serves stays where",
    "                            it is",
    "  7     1/7   DOWN          another card has its receipt",
    "",
    "Members",
    "  CARD  SLOT  INCARNATION  VIEW BEFORE  ORDERS MESSAGES",
    "  1     1/1   1795247281   29           yes",
    "  2     1/2   1795247282   29           yes",
    "  3     1/3   1795247283   29           yes",
    "  5     1/5   1795247285   29           no",
    "  8     1/8   1795247288   29           yes",
    "",
    "Who hears whom",
    "  CARD  1     2     3     4  5     6  7  8",
    "  1     .     E S   E -   -  -!S   -  -  E S!",
    "  2     E S   .     E S   -  -!S   -  -  E S!",
    "  3     E -   E S   .     -  -!S   -  -  E S!",
    "  4     ?     ?     ?     .  ?     ?  ?  ?",
    "  5     E!S   E!S   E!S   -  .     -  -  E!S!",
    "  6     E S   E S   -     -  -     .  -  -",
    "  7     ?     ?     ?     ?  ?     ?  .  ?",
    "  8     E -!  E -!  E -!  -  -!-!  -  -  .",
    "  row hears column: E Ethernet, S serial, - not, ! one-way, ? never said",
    "  one-way on Ethernet: card 5 is not heard by cards 1-3, 8, which it hears",
    "  one-way on serial: card 8 does not hear cards 1-3, 5, which hear it",
    "  not heard now, shown is the last word: card 6",
    "",
    "Notifications",
    "  AGO          NOTIFICATION  VIEW  CARDS         WHY",
    "  4.2 s        UNCONFIRMED   31    1-3, 5, 8     card 6 is down: silent on both",
    "                                                 links",
    "  4.3 s        TENTATIVE                         card 6 is down: silent on both",
    "                                                 links",
    "  12 min 34 s  CONFIRMED     29    1-3, 5, 6, 8  card 4 has no power",
  ]);
});

test("HA-5: without a quorum, and before the first view", () => {
  assert.equal(lines(withoutQuorum, 80).slice(0, 7), [
    "View 4, the last that held",
    "  Notification  TENTATIVE, nothing new is started: 2 of 5 cards: no quorum",
    "  Coordinator   card 1",
    "  Quorum        2 of 5 cards: no quorum",
    "  Electorate    cards 1-5",
    "  Messages      ordered among cards 1-3",
    "  Seen by       card 1",
  ]);
  assert.equal(lines(alone, 80), [
    "No view yet",
    "  Notification  TENTATIVE, nothing new is started: it has just started",
    "  Quorum        1 of 2 cards: no quorum",
    "  Electorate    cards 1, 2",
    "  Seen by       card 1",
    "",
    "Who hears whom",
    "  CARD  1  2",
    "  1     .  -",
    "  2     ?  .",
    "  row hears column: E Ethernet, S serial, - not, ? never said",
  ]);
});

test("the last word of a card that is not heard makes no one-way pair", () => {
  const cut: MembershipStatus = { ...confirmed, ticks: [{ card: 1 as CardId, ether: [], serial: [] }, ...confirmed.ticks.slice(1)] };
  const text = lines(cut, 80);
  assert.ok(text.includes("  2     E S  .    E S"), text.join("\n"));
  assert.not.ok(text.some((line) => line.includes("!") || line.includes("one-way")), text.join("\n"));
  assert.ok(text.includes("  not heard now, shown is the last word: cards 2, 3"));
});

test("cards of two chassis share no serial line", () => {
  const apart: MembershipStatus = {
    ...alone,
    electorate: [1, 9] as CardId[],
    ticks: [{ card: 1 as CardId, ether: [9 as CardId], serial: [] }, { card: 9 as CardId, ether: [1 as CardId], serial: [] }],
  };
  assert.ok(lines(apart, 80).includes("  1     .  E"));
  assert.ok(lines(apart, 80).includes("  9     E  ."));
});

test("more cards than a line has room for are listed", () => {
  const page = lines(torn, 48);
  const from = page.indexOf("Who hears whom") + 1;
  assert.equal(page.slice(from, from + 8), [
    "  CARD  HEARS ON SERIAL  HEARS ON ETHERNET",
    "  1     2, 5, 8          2, 3, 8",
    "  2     1, 3, 5, 8       1, 3, 8",
    "  3     2, 5, 8          1, 2, 8",
    "  5     1-3, 8           1-3, 8",
    "  6     1, 2             1, 2",
    "  8     nobody           1-3",
    "  one-way on Ethernet: card 5 is not heard by",
  ]);
});

test("no line is longer than the page, and colours change no letter", () => {
  for (const membership of [confirmed, torn, withoutQuorum, alone]) {
    for (let columns = 30; columns <= 130; columns++) {
      for (const line of lines(membership, columns)) assert.ok(line.length <= columns, `${columns}: ${JSON.stringify(line)}`);
    }
    // deno-lint-ignore no-control-regex -- the colours are made of them
    const plain = membersText(membership, { columns: 80, color: true }).replace(/\u001b\[\d+m/g, "").replace(/ +$/gm, "");
    assert.is(plain, membersText(membership, { columns: 80, color: false }));
  }
  assert.ok(membersText(torn, { columns: 80, color: true }).includes("\u001b[31mE!S!\u001b[0m"), "one-way pairs stand out");
});

test("what a card says cannot command the terminal", () => {
  const text = membersText({ ...withoutQuorum, reason: "x\u001b[2Jy" }, { columns: 80, color: false });
  assert.not.ok(text.includes("\u001b"));
});

test("the view in one line", () => {
  assert.is(viewText(confirmed), "4, CONFIRMED: 3 of 3 cards: more than half");
  assert.is(viewText(withoutQuorum), "4, TENTATIVE: 2 of 5 cards: no quorum");
  assert.is(viewText(alone), "none yet, TENTATIVE: it has just started");
});

test("what is no membership is told apart", () => {
  for (const right of [confirmed, torn, alone]) assert.ok(isMembershipStatus(JSON.parse(JSON.stringify(right))));
  const { ticks: _ticks, ...withoutTicks } = confirmed;
  const wrong = [null, [], {}, withoutTicks, { ...confirmed, view: { number: 1 } }, { ...confirmed, electorate: ["1"] }];
  for (const value of wrong) assert.not.ok(isMembershipStatus(value), JSON.stringify(value));
});

test("cardinal members: a page, or exactly what HTTP gave; 1 for what is no card, 3 for nobody", async () => {
  const body = JSON.stringify(torn);
  const page = membersText(torn, { columns: 80, color: false });
  assert.equal(await askedOf({ "/v1/members": body }, ["members"]), { code: 0, stdout: page, stderr: "" });
  assert.equal(await askedOf({ "/v1/members": body }, ["members", "--json"]), { code: 0, stdout: `${body}\n`, stderr: "" });
  const other = await askedOf({ "/v1/members": "{}" }, ["members"]);
  assert.equal([other.code, other.stdout], [1, ""]);
  assert.match(other.stderr, /^cardinal members: http:\S+ answers, but not as a Cardinal card of a version that this program knows\n$/);
  const absent = await askedOf({}, ["members"]);
  assert.match(absent.stderr, /^cardinal members: http:\S+ answers with HTTP status 404; is it a Cardinal card\?\n$/);
  const nobody = await askedOf({}, ["members", "--url", "http://127.0.0.1:1"]);
  assert.equal([nobody.code, nobody.stdout], [3, ""]);
  assert.match(
    nobody.stderr,
    /^cardinal members: the card at http:\/\/127\.0\.0\.1:1 cannot be reached: nothing listens there; check .*\n$/,
  );
});

test("cardinal members --watch: page after page until Ctrl-C, which gives 130", async () => {
  const interrupt = new AbortController();
  let pages = 0;
  const said = await askedOf({ "/v1/members": JSON.stringify(confirmed) }, ["members", "--watch"], {
    untilInterrupted: () => interrupt.signal,
    onText: () => {
      if (++pages === 2) interrupt.abort();
    },
  });
  const page = membersText(confirmed, { columns: 80, color: false });
  assert.equal(said, { code: 130, stdout: `${page}\n${page}\n`, stderr: "" });
});

test("Ctrl-C while the card is being asked is no complaint about the card", async () => {
  const interrupt = new AbortController();
  const said = await askedOf({}, ["members", "--watch"], { untilInterrupted: () => interrupt.signal, onAsked: () => interrupt.abort() });
  assert.equal(said, { code: 130, stdout: "", stderr: "" });
});

test.run();
