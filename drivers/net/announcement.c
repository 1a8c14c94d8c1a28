#include "announcement.h"

#include <string.h>

#define ETHERNET_BYTES 14
#define ETHERNET_BYTES_MIN 60
#define IPV6_BYTES 40
#define ADVERTISEMENT_BYTES 32
#define SOLICITATION_BYTES 24
#define NEXT_HEADER_ICMPV6 58
#define ARP_REQUEST 1
#define ARP_REPLY 2

static const uint8_t nobody[NET_MAC_BYTES];

static uint8_t *put(uint8_t *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}

static uint8_t *put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
  return at + 2;
}

static size_t put_arp(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], uint16_t operation, const uint8_t sender[4],
                      const uint8_t target_mac[NET_MAC_BYTES], const uint8_t target[4]) {
  static const uint8_t everybody[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  memset(frame, 0, ETHERNET_BYTES_MIN);
  uint8_t *at = put(frame, everybody, NET_MAC_BYTES);
  at = put(at, mac, NET_MAC_BYTES);
  at = put16(at, 0x0806);
  at = put16(at, 1); /* Ethernet */
  at = put16(at, 0x0800);
  *at++ = NET_MAC_BYTES;
  *at++ = 4;
  at = put16(at, operation);
  at = put(at, mac, NET_MAC_BYTES);
  at = put(at, sender, 4);
  at = put(at, target_mac, NET_MAC_BYTES);
  put(at, target, 4);
  return ETHERNET_BYTES_MIN;
}

size_t announcement_arp(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[4],
                        uint16_t operation) {
  return put_arp(frame, mac, operation, address, operation == ARP_REPLY ? mac : nobody, address);
}

size_t announcement_arp_probe(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[4]) {
  static const uint8_t nowhere[4];
  return put_arp(frame, mac, ARP_REQUEST, nowhere, nobody, address);
}

static uint32_t sum16(uint32_t sum, const uint8_t *bytes, size_t length) {
  for (size_t index = 0; index + 1 < length; index += 2) sum += (uint32_t)bytes[index] << 8 | bytes[index + 1];
  return sum;
}

/* RFC 4443 section 2.3: over the pseudo header of addresses, length and next header, then the message. */
static uint16_t icmpv6_checksum(const uint8_t *ipv6, const uint8_t *message, size_t length) {
  uint32_t sum = sum16(0, ipv6 + 8, 32);
  sum += (uint32_t)length + NEXT_HEADER_ICMPV6;
  sum = sum16(sum, message, length);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

/* The Ethernet and IPv6 headers of an ICMPv6 message to a group; returns where the message begins. */
static uint8_t *put_ipv6(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t source[16],
                         const uint8_t group[16], unsigned message_bytes) {
  memset(frame, 0, NET_FRAME_BYTES_MAX);
  uint8_t *at = put16(frame, 0x3333);
  at = put(at, group + 12, 4);
  at = put(at, mac, NET_MAC_BYTES);
  at = put16(at, 0x86dd);
  at[0] = 6 << 4;
  put16(at + 4, message_bytes);
  at[6] = NEXT_HEADER_ICMPV6;
  at[7] = 255; /* Receivers drop it otherwise: it proves that no router was passed. */
  put(at + 8, source, 16);
  put(at + 24, group, 16);
  return at + IPV6_BYTES;
}

size_t announcement_neighbour(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[16]) {
  static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
  uint8_t *message = put_ipv6(frame, mac, address, all_nodes, ADVERTISEMENT_BYTES);
  message[0] = 136;
  message[4] = 0x20; /* Override; not a router, not solicited. */
  put(message + 8, address, 16);
  message[24] = 2; /* Target link-layer address, in units of eight bytes. */
  message[25] = 1;
  put(message + 26, mac, NET_MAC_BYTES);
  put16(message + 2, icmpv6_checksum(message - IPV6_BYTES, message, ADVERTISEMENT_BYTES));
  return ETHERNET_BYTES + IPV6_BYTES + ADVERTISEMENT_BYTES;
}

size_t announcement_solicitation(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[16]) {
  static const uint8_t nowhere[16];
  /* The solicited-node group of the address: RFC 4291 section 2.7.1. */
  uint8_t group[16] = {0xff, 0x02, [11] = 1, [12] = 0xff, [13] = address[13], [14] = address[14], [15] = address[15]};
  uint8_t *message = put_ipv6(frame, mac, nowhere, group, SOLICITATION_BYTES);
  message[0] = 135;
  put(message + 8, address, 16);
  put16(message + 2, icmpv6_checksum(message - IPV6_BYTES, message, SOLICITATION_BYTES));
  return ETHERNET_BYTES + IPV6_BYTES + SOLICITATION_BYTES;
}
