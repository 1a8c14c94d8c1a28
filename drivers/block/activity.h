/*
 * The activity log's content: which extents are hot, which of those are on disk, and the block that says so. Who writes the
 * block is leg.c.
 *
 *   extent ──activity_pin()──> wanted ──activity_write()──> being written ──activity_written()──> hot
 *     ^                                                                                            │ least recently used,
 *     └──────────────── left out, and reported as such by activity_write() ──────────────────────┘ without a pin
 */
#ifndef CARDINAL_BLOCK_ACTIVITY_H
#define CARDINAL_BLOCK_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACTIVITY_HOT_MAX 960
#define ACTIVITY_BLOCK_BYTES 4096
/* Left out together when there is no room: one block for many. */
#define ACTIVITY_EVICTED_MAX 32

struct activity_slot {
  uint32_t extent, pins;
  uint64_t used_at;       /* counts uses */
  uint64_t since;         /* the sequence of the first block that has it */
  int16_t next;           /* in its chain */
  bool taken;
};

enum { ACTIVITY_CHAINS = 2048 };

struct activity {
  struct activity_slot slots[ACTIVITY_HOT_MAX];
  int16_t chains[ACTIVITY_CHAINS];
  int16_t free;
  uint32_t count, limit;
  uint64_t uses;
  uint64_t sequence;      /* of the newest block that was made */
  uint64_t durable;       /* of the newest block that is on disk */
  uint32_t evicted[ACTIVITY_HOT_MAX];
  uint32_t evicted_count; /* left out since the newest block was made */
};

enum activity_state { ACTIVITY_HOT, ACTIVITY_WANTED, ACTIVITY_FULL };

/* Empty, as after a block of this sequence; of at most `limit` extents, ACTIVITY_HOT_MAX or fewer. */
void activity_init(struct activity *activity, uint64_t sequence, uint32_t limit);
/*
 * Pins an extent. HOT: it may be written to. WANTED: when activity->durable has reached `*since`. FULL: not pinned, all the
 * others are: once one is unpinned there may be room.
 */
enum activity_state activity_pin(struct activity *activity, uint32_t extent, uint64_t *since);
void activity_unpin(struct activity *activity, uint32_t extent);
/* Whether something waits for a block. */
bool activity_is_behind(const struct activity *activity);
/* Makes the next block. `evicted` gets what was left out since the last one: it is to be settled before this is written. */
uint64_t activity_write(struct activity *activity, uint8_t block[ACTIVITY_BLOCK_BYTES], uint32_t *evicted, uint32_t *evicted_count);
void activity_written(struct activity *activity, uint64_t sequence);
/* Writes a block that has no extent: the log is closed. */
uint64_t activity_close(struct activity *activity, uint8_t block[ACTIVITY_BLOCK_BYTES]);
/* The sequence and the extents of a block, ACTIVITY_HOT_MAX at most; false for one that is damaged or was never written. */
bool activity_read(const uint8_t block[ACTIVITY_BLOCK_BYTES], uint64_t *sequence, uint32_t *extents, uint32_t *count);

#endif
