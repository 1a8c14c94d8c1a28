/*
 * Addresses of interfaces, and telling the neighbours of them. Every call is quick; results are 0 or -errno, and on
 * an error `error` says what is wrong, with the interface's name.
 *
 *   net_list()      all addresses, or those of one interface (name not empty), as they were at one moment
 *   net_add()       IPv6 without duplicate address detection; fine when the address is there already
 *   net_remove()    fine when the address is not there. Other addresses of the same IPv4 subnet stay: the kernel
 *                   would take them along with the first one, so it is told to promote them instead
 *   net_announce()  IPv4: an ARP request and an ARP reply, both broadcast, with the address as sender and target
 *                   (RFC 5227 section 3, RFC 5944 section 4.6). IPv6: a neighbour advertisement to all nodes with the
 *                   override flag and our link-layer address (RFC 4861 section 7.2.6)
 *   net_probe()     asks the neighbours whether one of them has the address, before it is ours
 *
 * An address brings the route of its prefix with it, as the kernel has it; of two addresses of one subnet the later one
 * brings none and takes none away. One of 32 or 128 bits never has a route.
 */
#ifndef CARDINAL_NET_H
#define CARDINAL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

/* "address/prefix" with its end. */
#define NET_ADDRESS_BYTES 64
#define NET_FRAME_BYTES_MAX 128
#define NET_MAC_BYTES 6

enum net_link_state { NET_LINK_DOWN = 1, NET_LINK_UP = 2 };

struct net_address {
  int family;
  uint8_t bytes[16];
  uint32_t prefix;
};

/* Reads "192.0.2.7" or "2001:db8::7". */
int net_parse(struct net_address *address, const char *text, uint32_t prefix);

/*
 * What announcements are sent with. The packet socket is opened at the first one and then kept: closing one takes
 * some ten milliseconds, which a takeover does not have.
 */
struct net_announcer {
  int packet;
};

void net_announcer_init(struct net_announcer *announcer);
void net_announcer_free(struct net_announcer *announcer);

typedef void net_visit(void *context, const char *interface, const struct net_address *address);

int net_list(const char *interface, net_visit *visit, void *context, char error[ERROR_BYTES]);
int net_add(const char *interface, const struct net_address *address, char error[ERROR_BYTES]);
int net_remove(const char *interface, const struct net_address *address, char error[ERROR_BYTES]);
int net_announce(struct net_announcer *announcer, const char *interface, const struct net_address *address, char error[ERROR_BYTES]);
int net_probe(struct net_announcer *announcer, const char *interface, const struct net_address *address, char error[ERROR_BYTES]);
/* NET_LINK_UP where the interface is up by the operator's will and has a carrier, else NET_LINK_DOWN; -errno. */
int net_link(const char *interface, char error[ERROR_BYTES]);
/* Whether an interface of ours has this hardware address. */
bool net_owns_mac(const uint8_t mac[NET_MAC_BYTES]);
/* "address/prefix". */
void net_format(const struct net_address *address, char text[NET_ADDRESS_BYTES]);
/* The same address, whatever the prefixes. */
bool net_same_host(const struct net_address *one, const struct net_address *other);

#endif
