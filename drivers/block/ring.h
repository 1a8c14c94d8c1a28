/*
 * An io_uring as the kernel maps it: two rings and the system calls that fill and empty them. For its reactor's thread alone: the
 * kernel is told so and runs completions only when the thread waits.
 */
#ifndef CARDINAL_RING_H
#define CARDINAL_RING_H

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
  int fd;
  /* What io_uring_enter() is given: the descriptor, or the index that it is registered under. */
  int entered;
  unsigned enter_flags;
  /* Places in the submission ring that were filled and not submitted end at `filled`. */
  uint32_t filled;
  uint32_t entries, submission_mask, completion_mask;
  _Atomic uint32_t *submission_head, *submission_tail, *completion_head, *completion_tail;
  struct io_uring_sqe *submissions;
  const struct io_uring_cqe *completions;
  void *rings;
  size_t rings_bytes, submissions_bytes;
};

/* On the thread that is to use it. Returns 0 or -errno; after an error there is nothing to close. */
int ring_open(struct ring *ring, uint32_t entries);
void ring_close(struct ring *ring);

/* The next place, zeroed; NULL when all are filled. */
struct io_uring_sqe *ring_next(struct ring *ring);
/*
 * Submits what was filled. With `wait` it waits for a completion, at most `timeout_us` (negative: for ever). Returns 0 or -errno;
 * the end of the time is no error.
 */
int ring_submit(struct ring *ring, bool wait, int64_t timeout_us);
/* Takes a completion; false when there is none. */
bool ring_take(struct ring *ring, struct io_uring_cqe *completion);

/* io_uring_register(2). Returns what it does, or -errno. */
int ring_register(int fd, unsigned opcode, const void *argument, unsigned count);

#endif
