/**
 * The Ethernet of a chassis as scripts for `ip -batch` and `tc -batch`: one bridge in a namespace of its own, a
 * cable (veth) from it to each card and to the hosts. Every link is made inside the namespaces that it joins, so
 * nothing ever appears in the machine's own network namespace.
 *
 * The cables carry no noise of their own: no link-local addresses (which would bring DAD, router solicitations and
 * MLD reports), no spanning tree, no snooping.
 */
import {
  apartBridgeName,
  bridgeName,
  bridgeNamespace,
  cardAddress,
  cardMac,
  cardNamespace,
  hostAddress,
  hostMac,
  hostNamespace,
  hostPortName,
  interfaceName,
  type Layout,
  namespacesOf,
  type Place,
  placesOf,
  portName,
  prefixLength,
} from "./names.ts";

/** What `ip -n namespace -batch -` reads; without a namespace, what `ip -batch -` reads. */
export type Script = { readonly namespace?: string; readonly lines: readonly string[] };

/** Two lines: in one, the kernel would bring the link up first, and give it a link-local address with all that follows from it. */
function quietUp(link: string): string[] {
  return [`link set ${link} addrgenmode none`, `link set ${link} up`];
}

/** Makes the namespaces and the cables between them. */
export function cablingScript(layout: Layout): Script {
  const { name } = layout;
  const cable = (namespaceName: string, mac: string, port: string) =>
    `link add ${interfaceName} netns ${namespaceName} address ${mac} type veth peer name ${port} netns ${bridgeNamespace(name)}`;
  return {
    lines: [
      ...namespacesOf(layout).map((namespaceName) => `netns add ${namespaceName}`),
      cable(hostNamespace(name), hostMac(name), hostPortName),
      ...placesOf(layout).map((place) => cable(cardNamespace(name, place), cardMac(name, place), portName(place))),
    ],
  };
}

/** LLDP's group address, 01:80:c2:00:00:0e, is for the nearest bridge alone; this bridge passes it on, so that hosts see it. */
const forwardLldp = "group_fwd_mask 0x4000";

export function bridgeScript(layout: Layout): Script {
  const ports = [hostPortName, ...placesOf(layout).map(portName)];
  return {
    namespace: bridgeNamespace(layout.name),
    lines: [
      "link set lo up",
      ...[bridgeName, apartBridgeName].flatMap((bridge) => [
        `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 ${forwardLldp}`,
        ...quietUp(bridge),
      ]),
      ...ports.flatMap((port) => [`link set ${port} master ${bridgeName}`, ...quietUp(port)]),
    ],
  };
}

export function hostScript(layout: Layout): Script {
  return {
    namespace: hostNamespace(layout.name),
    lines: [
      "link set lo up",
      `link set ${interfaceName} addrgenmode none up`,
      `addr add ${hostAddress}/${prefixLength} dev ${interfaceName}`,
    ],
  };
}

/** A card's interface as it is when the card boots: up, with its own address and no other. */
export function cardOnScript(name: string, place: Place): Script {
  return {
    namespace: cardNamespace(name, place),
    lines: [
      "link set lo up",
      ...quietUp(interfaceName),
      `addr replace ${cardAddress(place)}/${prefixLength} dev ${interfaceName}`,
    ],
  };
}

/** A card's interface without power: down, and without the addresses that its program had added. */
export function cardOffScript(name: string, place: Place): Script {
  return {
    namespace: cardNamespace(name, place),
    lines: [`link set ${interfaceName} down`, `addr flush dev ${interfaceName}`],
  };
}

/**
 * What is wrong with a card's cable. `unplugged` takes the carrier away, which the card sees. `tx` and `rx`, as
 * the card sees them, let frames vanish while the carrier stays. The cards that are `apart` reach each other, and
 * nobody else reaches them. What the cards `from` send does not reach it.
 */
export type EtherCut = {
  readonly unplugged: boolean;
  readonly tx: boolean;
  readonly rx: boolean;
  readonly apart: boolean;
  readonly from: readonly Place[];
};

export const noEtherCut: EtherCut = { unplugged: false, tx: false, rx: false, apart: false, from: [] };

export function carrierScript(name: string, place: Place, cut: EtherCut): Script {
  return { namespace: bridgeNamespace(name), lines: [`link set ${portName(place)} ${cut.unplugged ? "down" : "up"}`] };
}

/** Plugs a card's cable into the half of the switch that it belongs to; its carrier stays. */
export function halfScript(name: string, place: Place, cut: EtherCut): Script {
  return { namespace: bridgeNamespace(name), lines: [`link set ${portName(place)} master ${cut.apart ? apartBridgeName : bridgeName}`] };
}

export type DropFilter = {
  /** Every frame. */
  readonly all: string;
  /** The frames of one sender. */
  of(mac: string): string;
};

/**
 * Ways to let frames vanish at a port, the first that the kernel has is taken: a program of a few instructions whose verdict is "shot"
 * (CONFIG_NET_CLS_BPF), or filters with the action "drop" (CONFIG_NET_CLS_MATCHALL, CONFIG_NET_CLS_FLOWER and CONFIG_NET_ACT_GACT).
 */
export const dropFilters: readonly DropFilter[] = [
  // The last four bytes of the sender's address, at 8, tell a card from the others; who else sends is for the next filter.
  { all: "bpf da bytecode '1,6 0 0 2,'", of: (mac) => `bpf da bytecode '4,32 0 0 8,21 0 1 ${lastFour(mac)},6 0 0 2,6 0 0 4294967295,'` },
  { all: "matchall action drop", of: (mac) => `flower src_mac ${mac} action drop` },
];

function lastFour(mac: string): number {
  return Number.parseInt(mac.split(":").slice(2).join(""), 16);
}

/** The lines for `tc -batch` that put `cut` into effect at a port in whatever state it is. What the card sends comes *in* at its port. */
export function dropScript(name: string, place: Place, cut: EtherCut, filter: DropFilter): string[] {
  const port = portName(place);
  const add = (hook: "ingress" | "egress", what: string, order = 1) => `filter add dev ${port} ${hook} protocol all prio ${order} ${what}`;
  return [
    `qdisc replace dev ${port} clsact`,
    ...(cut.tx ? [add("ingress", filter.all)] : []),
    ...(cut.rx ? [add("egress", filter.all)] : []),
    ...cut.from.map((other, index) => add("egress", filter.of(cardMac(name, other)), index + 2)),
  ];
}

/** Takes away what `dropScript` put there; to be run with `-force`, for there may be nothing. */
export function undropScript(place: Place): string[] {
  return [`qdisc del dev ${portName(place)} clsact`];
}
