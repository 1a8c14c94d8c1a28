/*
 * One Ethernet interface, opened for a few EtherTypes through AF_PACKET.
 *
 *   ether_open()   finds the interface, joins the groups, starts the thread. On an error `error` says what is wrong,
 *                  with the interface's name
 *   ether_take()   received frames and the facts below (see mailbox.h). A record is a frame from its source address
 *                  on: six bytes source, two bytes EtherType (network order), payload
 *   ether_send()   hands one frame to the kernel; never blocks. A payload below 46 bytes is padded with zeros, as
 *                  a network card would: both ends see the same on every kind of interface
 *   ether_close()  ends the thread
 *
 * There is one packet socket per EtherType. The kernel looks those up by type, so that foreign traffic costs
 * nothing here, not even a filter's run; a filter then lets pass only what is addressed to this interface, to
 * everybody, or to a joined group. What the interface sends itself is not received: a socket bound to one type does
 * not see it.
 *
 * One thread polls these sockets, and a route netlink socket for the interface's state. It reads frames in batches
 * and wakes the consumer once per batch. When the mailbox is full the oldest frames are dropped and counted.
 *
 * ETHER_FACT_CARRIER is told soon after opening and at each change. ETHER_FACT_FAILED, once set, is final.
 */
#ifndef CARDINAL_ETHER_H
#define CARDINAL_ETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

#define ETHER_MAC_BYTES 6
#define ETHER_TYPES_MAX 8
#define ETHER_GROUPS_MAX 16
enum ether_fact {
  /* 0 not told yet, ETHER_CARRIER_DOWN or ETHER_CARRIER_UP: carrier, and up by the operator's will. */
  ETHER_FACT_CARRIER = 0,
  /* The error number that ended the port, ENODEV when the interface is gone, or 0. */
  ETHER_FACT_FAILED = 1,
};

enum ether_carrier { ETHER_CARRIER_DOWN = 1, ETHER_CARRIER_UP = 2 };

struct ether;

struct ether_options {
  const char *interface;
  uint16_t types[ETHER_TYPES_MAX];
  size_t type_count;
  uint8_t groups[ETHER_GROUPS_MAX][ETHER_MAC_BYTES];
  size_t group_count;
  /* Frames that may wait for ether_take(). */
  uint32_t queue_frames;
};

struct ether_counters {
  uint64_t received_frames;
  uint64_t received_bytes;
  uint64_t sent_frames;
  uint64_t sent_bytes;
  uint64_t dropped_frames;
  uint64_t send_errors;
};

int ether_open(struct ether **ether, const struct ether_options *options, void (*wake)(void *context), void *context,
               char error[ERROR_BYTES]);
void ether_address(const struct ether *ether, uint8_t mac[ETHER_MAC_BYTES], uint32_t *mtu);
size_t ether_take(struct ether *ether, uint8_t *into, size_t room);
/* 0 or -errno. From one thread at a time. */
int ether_send(struct ether *ether, const uint8_t destination[ETHER_MAC_BYTES], uint16_t type, const uint8_t *payload, size_t length);
/* From the thread that sends. */
void ether_count(struct ether *ether, struct ether_counters *counters);
void ether_close(struct ether *ether);

#endif
