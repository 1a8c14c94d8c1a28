/*
 * Addresses that this machine serves, and the segments that they are on, by one thread: it carries out requests in their
 * order with the functions of net.h, and watches in between. The program's thread never waits for the kernel, whose lock
 * over all interfaces may be held by somebody else for a while.
 *
 *   segment_open()     starts the thread
 *   segment_request()  hands one request over; its answer comes with `id`
 *   segment_take()     answers and events (see mailbox.h)
 *   segment_close()    ends the thread; addresses stay
 *
 * A record is four words of 32 bits - id, result, microseconds, kind - and text:
 *
 *   answer   its request's id; 0 or -errno, then the text says what is wrong; 1 when more of a list follows;
 *            the time that it took; its request's kind
 *   event    id 0; the kind says which; the text is "interface address/prefix rest"
 *
 * SEGMENT_TAKE, in one go: the segment is watched for others that say that they have the address, asked whether somebody
 * does, the address is added and announced. The question is not waited for: whoever answers it is told as a rival.
 * SEGMENT_RELEASE removes every entry of the address on the interface, whatever its prefix, and proves that no interface
 * has it any more.
 *
 * A rival is an ARP message or a neighbour advertisement that gives the address a hardware address that no interface
 * of ours has; one event a second for each address. Packet sockets stay open, for closing one takes some ten milliseconds,
 * until the end, or until one interface more is watched than can be; in the kernel they filter for the addresses taken.
 */
#ifndef CARDINAL_SEGMENT_H
#define CARDINAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "net.h"

#define SEGMENT_INTERFACE_BYTES 16
#define SEGMENT_REQUESTS_MAX 1024
#define SEGMENT_ADDRESSES_MAX 240
#define SEGMENT_INTERFACES_MAX 32

enum segment_kind {
  /* The text is a line "interface address/prefix" for each address; of all interfaces when the name is empty. */
  SEGMENT_LIST = 1,
  SEGMENT_ANNOUNCE = 2,
  /* The text is "up", or "down": no carrier, or taken down by the operator. */
  SEGMENT_TAKE = 3,
  /* The text says how many entries there were. */
  SEGMENT_RELEASE = 4,
  /* The text as for SEGMENT_TAKE. */
  SEGMENT_LINK = 5,

  /* The rest of the text is the other's hardware address. */
  SEGMENT_RIVAL = 16,
  /* An address that was taken has been removed by somebody else. */
  SEGMENT_LOST = 17,
  /* The text is "interface up", "interface down" or "interface gone", of interfaces that have a taken address, or had one. */
  SEGMENT_CARRIER = 18,
};

struct segment_request {
  uint32_t id;
  enum segment_kind kind;
  char interface[SEGMENT_INTERFACE_BYTES];
  struct net_address address;
  /* How often SEGMENT_ANNOUNCE and SEGMENT_TAKE announce. */
  uint32_t announcements;
};

struct segment;

int segment_open(struct segment **segment, void (*wake)(void *context), void *context);
/* 0, or -ENOBUFS when too many wait. */
int segment_request(struct segment *segment, const struct segment_request *request);
size_t segment_take(struct segment *segment, uint8_t *into, size_t room);
void segment_close(struct segment *segment);

#endif
