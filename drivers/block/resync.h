/*
 * The walk that makes a peer's leg alike (resynchronization) or only compares it (verify). Chunks of up to 1 MiB are read here and written there, each
 * with its range taken, so that a host's write to it comes before or after. How much is under way follows the fill target and the rate that
 * the options of the mirror allow, which may change while it runs. It is stopped by the loss of the peer and begins again
 * with what the bitmap still has.
 */
#ifndef CARDINAL_BLOCK_RESYNC_H
#define CARDINAL_BLOCK_RESYNC_H

#include "mirror.h"

#define RESYNC_CHUNKS_MAX 32

enum resync_flag {
  RESYNC_COMPARE = 1, /* hashes first: only what differs is sent */
  RESYNC_ALL = 2,     /* everything, whatever the bitmap says */
  RESYNC_UNITE = 4,   /* with what the peer's own bitmap says */
  RESYNC_COUNTS = 8,  /* when nothing is left the peer is in sync */
  RESYNC_VERIFY = 16, /* compares all and sends nothing */
  RESYNC_MARK = 32,   /* of verify: what differs becomes bits */
};

struct resync_chunk {
  struct resync *resync;
  struct range range;
  struct block_request request;
  struct remote_call call;
  uint8_t *data, hashes[16 * 64];
  uint32_t at, run;            /* of the part that is being sent */
  uint32_t differing;          /* of its grains, a bit each */
  int parts_left, error;
  bool is_busy, is_reading;
};

struct resync {
  struct mirror *mirror;
  unsigned peer;
  uint32_t flags;
  uint64_t cursor;             /* the next grain to look at */
  uint64_t done_bytes, sent_bytes, differing_bytes, total_bytes;
  struct resync_chunk chunks[RESYNC_CHUNKS_MAX];
  uint32_t under_way;
  uint64_t bytes_under_way;
  int64_t tokens;              /* bytes that may be begun */
  int64_t stepped_us, told_us;
  uint64_t host_bytes;         /* as of the last step */
  struct reactor_timer timer;
  struct reactor_task step, end, room;
  bool is_uniting, is_flushing, is_flushed, is_over;
  int error;
  struct remote_call call;     /* of bitmaps and of the last flush */
  uint8_t *bits;
  uint64_t unite_at;
  struct leg_flush flush;
};

/* -ENOTCONN, -EBUSY, -ENOMEM. */
int resync_start(struct mirror *mirror, unsigned peer, uint32_t flags, uint64_t from);
/* It ends with -ECANCELED, when nothing of it is under way. */
void resync_stop(struct resync *resync, int reason);
uint64_t resync_left_bytes(const struct resync *resync);

#endif
