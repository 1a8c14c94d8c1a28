/**
 * Frames on Ethernet: the payload after the Ethernet header is exactly one frame as `frame.ts` makes it, which is
 * never so short that an interface would pad it. It goes to the group of all cards or to one card's address.
 */

/** Our EtherType: the first of the two that IEEE 802 sets aside for local experiments (IEEE 802, clause 9.2.4). */
export const etherType = 0x88b5;
/** LLDP's EtherType (IEEE 802.1AB, clause 7.5). */
export const lldpEtherType = 0x88cc;

/** The group that all cards join: locally administered, multicast; the bytes after the first spell "CARD". */
export const groupAddress: Uint8Array = Uint8Array.of(0x03, 0x43, 0x41, 0x52, 0x44, 0x00);
/** The nearest bridge, which bridges do not forward (IEEE 802.1AB, clause 7.1). */
export const lldpAddress: Uint8Array = Uint8Array.of(0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e);
