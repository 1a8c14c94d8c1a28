/*
 * A file or a block device of this card as a target, opened with O_DIRECT.
 *
 * Requests of whole logical blocks go to the device as they are, without a cache: what is written through one connection is read
 * through any other. A flush is fdatasync(2); flushes that meet are one, and one before which nothing was written is none.
 * BLOCK_FUA is RWF_DSYNC. After a flush has failed, the device may have lost writes that it had taken, and what a later flush
 * said would be a lie: every flush and FUA from then on fails, until it is opened again.
 *
 * Of a discard or zeroing that the device cannot do by itself, the first is none and the second is written.
 */
#ifndef CARDINAL_BACKING_H
#define CARDINAL_BACKING_H

#include "target.h"

#define BACKING_PATH_BYTES 512

struct backing_options {
  char path[BACKING_PATH_BYTES];
  /* For a look: others may have it open. */
  bool read_only;
  /* A file that does not exist is made with this size, one that is smaller grows to it; 0: as it is. */
  uint64_t size;
  /* What is made or grows has its room on the disk from the start. */
  bool allocated;
};

/* What opening found out; handed to backing_make(). */
struct backing_found {
  int fd;
  bool is_block, read_only, can_discard;
  uint64_t size;
  uint32_t block_bytes, preferred_bytes, discard_bytes;
};

/*
 * May block: for engine_chore(). Nobody else may have it open for writing; it is waited for a second that nobody has. Returns 0 or -errno,
 * with a text.
 */
int backing_find(const struct backing_options *options, struct backing_found *found, char error[ERROR_BYTES]);
/* Has a file grow to `size`, durably. May block. Returns 0 or -errno; -EINVAL for a device. */
int backing_extend(int fd, uint64_t size, bool allocated);

/* On the reactor. Takes the descriptor over. NULL when there is no memory. */
struct block_target *backing_make(struct reactor *reactor, const struct backing_found *found);
/* -1 when the target is none of this kind. */
int backing_descriptor(const struct block_target *target);
/* The device or file has this size now. */
void backing_set_size(struct block_target *target, uint64_t size);

#endif
