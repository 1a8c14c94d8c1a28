/*
 * What takes requests, and the requests. BLOCK.md is the contract; here is its form.
 *
 * A request belongs to whoever submits it, memory and data, and is in the hands of the target from block_submit() until `done`
 * is called. A target that passes a request on may pass on the very same one only when it need not know of its end;
 * otherwise it submits requests of its own.
 */
#ifndef CARDINAL_TARGET_H
#define CARDINAL_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "reactor.h"

#define BLOCK_REQUEST_MAX POOL_BUFFER_MAX
/* Of DISCARD and ZERO, which move no data. */
#define BLOCK_RANGE_MAX (1024u * 1024u * 1024u)

enum block_verb { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_ZERO };
#define BLOCK_VERBS 5

enum block_flag {
  BLOCK_FUA = 1,
  /* Of ZERO: the range keeps its room on the device. */
  BLOCK_NO_HOLE = 2,
};

struct block_gate;

struct block_request {
  uint8_t verb;
  uint8_t flags;
  uint32_t length;
  uint64_t offset;
  /* Of READ and WRITE: from the reactor's pool, or aligned like its buffers. */
  uint8_t *data;
  /* Of requests that come from another card: the term under which its Primary sent it. Of others 0: they have the gate's. */
  uint64_t term;
  void (*done)(struct block_request *request, int error);
  /* The submitter's own. */
  void *context;

  /* Whose hands it is in may queue it by this, have it carried out by this, and say in `moved` how far it has come. */
  struct reactor_task link;
  struct reactor_op op;
  uint32_t moved;
  struct block_target *target;
  /* The gate's, from its submission to its end. */
  struct block_gate *gate;
  int64_t submitted_us;
  /* block_end_later()'s. */
  int error;
};

struct block_target;

struct block_target_kind {
  const char *name;
  /* It hands requests on as they are, so whoever is behind it checks them. */
  bool is_passage;
  void (*submit)(struct block_target *target, struct block_request *request);
  /*
   * Ends the target: `closed` is called, on the reactor and not from inside, when the last request has ended and everything is
   * freed. Nothing is submitted after it.
   */
  void (*close)(struct block_target *target, void (*closed)(void *context), void *context);
};

/* What failed for good, or began to: told to whoever laid the target there. */
struct block_failure {
  enum block_verb verb;
  int error;
  uint64_t offset;
  uint32_t length;
};

struct block_target {
  const struct block_target_kind *kind;
  struct reactor *reactor;
  /* A multiple of `block_bytes`. */
  uint64_t size;
  /* Offsets and lengths are multiples of `block_bytes`, a power of two of at most 4096. */
  uint32_t block_bytes, preferred_bytes, discard_bytes;
  bool read_only, can_discard, can_zero;
  /* NULL when nobody wants to know. On the reactor; from inside of anything but block_submit(). */
  void (*failed)(struct block_target *target, const struct block_failure *failure);
  void *owner;
};

/*
 * Checks a request against the target (-EINVAL, -EROFS, -ENOSPC beyond the end) and hands it over; what does not pass ends later
 * in the turn.
 */
void block_submit(struct block_target *target, struct block_request *request);

/* For targets: ends a request. Tells its gate, then calls `done`. */
void block_end(struct block_request *request, int error);
/* The same from inside of submit: later in the turn. */
void block_end_later(struct reactor *reactor, struct block_request *request, int error);

#endif
