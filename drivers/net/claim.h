/*
 * Claims: what others on a segment say of where an address is. The parser reads whole Ethernet frames from strangers.
 */
#ifndef CARDINAL_CLAIM_H
#define CARDINAL_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net.h"

/* What a filter's chain of jumps reaches. */
#define CLAIM_FILTER_MAX 240

struct claim {
  /* AF_INET or AF_INET6; the prefix is 0. */
  struct net_address address;
  uint8_t mac[NET_MAC_BYTES];
};

/*
 * Reads an ARP message's sender (0.0.0.0 of who only asks before taking an address), or a neighbour advertisement's target
 * with its link-layer address, or the frame's source where it has none. False when the frame is neither, or claims nothing.
 */
bool claim_parse(struct claim *claim, const uint8_t *frame, size_t length);

/*
 * A packet socket for the claims of one family on an interface, which receives nothing until it has a filter, and does
 * not receive what is sent from here. The descriptor, or -errno.
 */
int claim_open(int family, unsigned index);

/* Lets the claims of these addresses through, those of another family aside. 0 or -errno. */
int claim_filter(int fd, int family, const struct net_address *addresses, size_t count);

#endif
