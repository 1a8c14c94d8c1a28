/* The frames that say where an address is now. Each function writes one whole frame and returns its length. */
#ifndef CARDINAL_ANNOUNCEMENT_H
#define CARDINAL_ANNOUNCEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"

/* A broadcast ARP frame with `address` as sender and target; `operation` is 1 (request) or 2 (reply). */
size_t announcement_arp(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[4], uint16_t operation);

/* An unsolicited neighbour advertisement of `address` to all nodes. */
size_t announcement_neighbour(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[16]);

/*
 * The question whether anybody has `address`, asked before it is ours: an ARP probe (RFC 5227 section 2.1.1), or a neighbour
 * solicitation from nowhere (RFC 4862 section 5.4.2).
 */
size_t announcement_arp_probe(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[4]);
size_t announcement_solicitation(uint8_t frame[NET_FRAME_BYTES_MAX], const uint8_t mac[NET_MAC_BYTES], const uint8_t address[16]);

#endif
