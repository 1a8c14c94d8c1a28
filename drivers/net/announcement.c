#include "announcement.h"

#include <string.h>

#define ETHERNET_BYTES 14
#define ETHERNET_BYTES_MIN 60
#define IPV6_BYTES 40
#define ADVERTISEMENT_BYTES 32
#define NEXT_HEADER_ICMPV6 58
#define ARP_REPLY 2

static uint8_t *put(uint8_t *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}

static uint8_t *put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
  return at + 2;
}

size_t announcement_arp(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[4],
                        uint16_t operation) {
  static const uint8_t everybody[NET_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  static const uint8_t nobody[NET_MAC_BYTES];
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
  at = put(at, address, 4);
  at = put(at, operation == ARP_REPLY ? mac : nobody, NET_MAC_BYTES);
  put(at, address, 4);
  return ETHERNET_BYTES_MIN;
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

size_t announcement_neighbour(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[16]) {
  static const uint8_t all_nodes_mac[NET_MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};
  static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
  memset(frame, 0, NET_FRAME_BYTES_MAX);
  uint8_t *at = put(frame, all_nodes_mac, NET_MAC_BYTES);
  at = put(at, mac, NET_MAC_BYTES);
  at = put16(at, 0x86dd);

  uint8_t *ipv6 = at;
  ipv6[0] = 6 << 4;
  put16(ipv6 + 4, ADVERTISEMENT_BYTES);
  ipv6[6] = NEXT_HEADER_ICMPV6;
  ipv6[7] = 255; /* Receivers drop it otherwise: it proves that no router was passed. */
  put(ipv6 + 8, address, 16);
  put(ipv6 + 24, all_nodes, 16);

  uint8_t *message = ipv6 + IPV6_BYTES;
  message[0] = 136;
  message[4] = 0x20; /* Override; not a router, not solicited. */
  put(message + 8, address, 16);
  message[24] = 2; /* Target link-layer address, in units of eight bytes. */
  message[25] = 1;
  put(message + 26, mac, NET_MAC_BYTES);
  put16(message + 2, icmpv6_checksum(ipv6, message, ADVERTISEMENT_BYTES));
  return ETHERNET_BYTES + IPV6_BYTES + ADVERTISEMENT_BYTES;
}
