/*
 * The near end of a connection to another card's device: calls go out as frames, numbered, with the term; each ends once. A
 * mirror has one for each backup; a forwarder is one as a target, for paths of a card that is not the device's host.
 */
#ifndef CARDINAL_BLOCK_REMOTE_H
#define CARDINAL_BLOCK_REMOTE_H

#include "stream.h"
#include "target.h"

/* Calls under way and not settled; further ones wait. A power of two. */
#define REMOTE_CALLS_MAX 2048

struct remote;

struct remote_call {
  /* The caller's: what to ask. */
  uint8_t kind, flags;
  uint16_t number;          /* of BITMAP */
  uint32_t length;
  uint64_t offset;
  const uint8_t *data;      /* of WRITE; stays until `done` */
  uint32_t data_crc;        /* its CRC-32C */
  uint8_t *into;            /* for what a reply carries, and how much there is room for; stays until `done` */
  uint32_t into_bytes;
  /* It counts as settled only when remote_settle() is called, after `done`. */
  bool settles_later;
  void (*done)(struct remote_call *call, int error);
  /* With FRAME_RECEIPT: the other side has it in memory. Before `done`, or not at all. */
  void (*received)(struct remote_call *call);
  /* The answer's. */
  uint32_t replied_bytes;

  /* The remote's from here on. */
  struct stream_frame out;
  struct remote *remote;
  struct remote_call *next;
  uint64_t sequence;
  int64_t since_us;
  bool is_replied;
  int error;
};

struct remote_options {
  uint64_t term;
  uint32_t timeout_us;
  /* The connection is over, all calls have ended; it may be freed. */
  void (*ended)(struct remote *remote, int reason);
  void *owner;
};

struct remote {
  struct stream stream;
  struct remote_options options;
  struct remote_call *calls[REMOTE_CALLS_MAX];  /* by their sequence */
  bool settled_ahead[REMOTE_CALLS_MAX];
  uint64_t next, oldest, settled;               /* sequences: the next one, the first that is not replied, the last that is settled */
  struct remote_call *waiting, **waiting_last;
  struct remote_call ping;
  bool is_pinging, is_over;
  uint32_t under_way;
  uint64_t bytes_under_way;
  struct reactor_timer timer;
};

/* Takes the descriptor over, in any case. NULL when there is no memory. */
struct remote *remote_start(struct reactor *reactor, int fd, const struct remote_options *options);
void remote_call(struct remote *remote, struct remote_call *call);
void remote_settle(struct remote *remote, const struct remote_call *call);
void remote_end(struct remote *remote, int reason);

#endif
