import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  bridgeScript,
  cablingScript,
  cardOffScript,
  carrierScript,
  dropScript,
  type EtherCut,
  halfScript,
  noEtherCut,
} from "../../scripts/chassis/network.ts";
import { cardMac, namespacesOf } from "../../scripts/chassis/names.ts";
import { parseReach, shelfOf } from "../../scripts/chassis/shelf.ts";
import { settingsOf } from "../../scripts/chassis/chassis.ts";

const layout = { name: "t", chassis: 2, cards: 2 };

test("network: every link is made inside of two namespaces, so none is ever in the machine's own", () => {
  const { lines } = cablingScript(layout);
  const links = lines.filter((line) => line.startsWith("link add"));
  assert.is(links.length, 5);
  for (const link of links) {
    assert.match(link, /^link add eth0 netns cardinal-t-(host|\d-\d) .* peer name (host|c\ds\d) netns cardinal-t-net$/);
  }
  const made = lines.filter((line) => line.startsWith("netns add")).map((line) => line.split(" ")[2] as string);
  assert.equal(made, namespacesOf(layout));
});

test("network: the bridge passes LLDP on and adds nothing of its own", () => {
  const text = bridgeScript(layout).lines.join("\n");
  for (const part of ["group_fwd_mask 0x4000", "stp_state 0", "mcast_snooping 0"]) assert.match(text, part);
  for (const link of ["bridge", "apart", "host", "c1s1", "c2s2"]) {
    const [quiet, up] = [`link set ${link} addrgenmode none`, `link set ${link} up`].map((line) => text.split("\n").indexOf(line));
    assert.ok(quiet as number >= 0 && (quiet as number) < (up as number), `${link} is made quiet before it comes up`);
  }
});

test("network: what a card sends is dropped where it comes in at its port, what it receives where it goes out", () => {
  const place = { chassis: 1, slot: 2 };
  const filter = { all: "F", of: (mac: string) => `F ${mac}` };
  const drops = (cut: Partial<EtherCut>) => dropScript("t", place, { ...noEtherCut, ...cut }, filter).slice(1);
  assert.equal(drops({ tx: true, rx: false }), ["filter add dev c1s2 ingress protocol all prio 1 F"]);
  assert.equal(drops({ tx: false, rx: true }), ["filter add dev c1s2 egress protocol all prio 1 F"]);
  assert.is(drops({ tx: true, rx: true }).length, 2);
  const other = { chassis: 1, slot: 3 };
  assert.equal(drops({ from: [other] }), [`filter add dev c1s2 egress protocol all prio 2 F ${cardMac("t", other)}`]);
  assert.equal(carrierScript("t", place, { ...noEtherCut, unplugged: true }).lines, ["link set c1s2 down"]);
  assert.equal(carrierScript("t", place, noEtherCut).lines, ["link set c1s2 up"]);
  assert.equal(halfScript("t", place, { ...noEtherCut, apart: true }).lines, ["link set c1s2 master apart"]);
  assert.equal(halfScript("t", place, noEtherCut).lines, ["link set c1s2 master bridge"]);
});

test("network: a card that lost power keeps no address", () => {
  assert.equal(cardOffScript("t", { chassis: 1, slot: 1 }).lines, ["link set eth0 down", "addr flush dev eth0"]);
});

test("shelf: all cards reach a disk unless the table says otherwise", () => {
  const reach = parseReach('{"disk1": ["1/1", "2/2"]}', "reach.json", layout, 2);
  const disks = shelfOf({ ...settingsOf({ ...layout, runtime: "node" }), disks: 2, reach }, "/x");
  assert.equal(disks.map(({ name, cards }) => [name, cards]), [["disk1", ["1/1", "2/2"]], ["disk2", ["1/1", "1/2", "2/1", "2/2"]]]);
});

test("shelf: a table that cannot be is refused", () => {
  const rows: [string, RegExp][] = [
    ["{", /reach.json is not JSON/],
    ["[]", /must be an object/],
    ['{"disc1": []}', /no disc1 among 2 disks\. Did you mean disk1\?/],
    ['{"disk1": "1"}', /must be a list of slots/],
    ['{"disk1": ["1"]}', /say which, as in 1\/1/],
    ['{"disk1": ["3/1"]}', /no slot 3\/1/],
  ];
  for (const [text, message] of rows) assert.throws(() => parseReach(text, "reach.json", layout, 2), message);
});

test.run();
