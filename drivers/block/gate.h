/*
 * What stands before a device's targets: it lets requests pass, keeps them or refuses them, carries the term, and counts. One
 * gate for all fronts of a device. It is a target itself, of the kind "gate", and has the sizes of what is behind it.
 *
 *            open()                    pause()
 *   SHUT ────────────> OPEN <───────────────────────────> PAUSED       shut() leads from each to SHUT
 *
 * OPEN passes requests on. PAUSED keeps them, in order; a front has a bounded number of requests under way and so stops
 * reading by itself, and gate_is_full() tells it to stop earlier. SHUT ends them with -ESHUTDOWN.
 *
 * Raising the term refuses requests of any other one (-ESTALE) from that moment, keeps all others, and is done when all that had
 * passed under the older one has ended: nothing of it can land any more.
 */
#ifndef CARDINAL_GATE_H
#define CARDINAL_GATE_H

#include "target.h"

enum gate_state { GATE_SHUT, GATE_OPEN, GATE_PAUSED };

/* Of data in the hands of a gate that keeps requests. */
#define GATE_KEPT_BYTES_MAX (8u * 1024u * 1024u)

/*
 * A latency of n microseconds is counted in the bucket of its highest bit, four buckets to each: gate_bucket(). The last one has
 * all above.
 */
#define GATE_BUCKETS 96

struct gate_counters {
  uint64_t requests, bytes, errors;
  uint64_t latency_us;
  uint32_t buckets[GATE_BUCKETS];
};

struct gate_wait {
  struct gate_wait *next;
  void (*done)(struct gate_wait *wait);
};

struct block_gate {
  struct block_target target;
  /* What is behind it; NULL until there is something. */
  struct block_target *behind;
  enum gate_state state;
  uint64_t term;
  bool raising;
  /* Passed and not ended. */
  uint32_t passed;
  uint64_t kept_bytes;
  uint32_t kept_count;
  struct reactor_task *kept_first, **kept_last;
  struct gate_wait *draining, *emptying;
  struct reactor_task drained, refill;
  struct gate_counters counters[BLOCK_VERBS];
};

/* SHUT, with term 0. */
void gate_init(struct block_gate *gate, struct reactor *reactor);
/* Before its memory is freed; it is shut, and nothing is under way. */
void gate_end(struct block_gate *gate);
/* Only while nothing has passed. */
void gate_set_behind(struct block_gate *gate, struct block_target *behind);
/* Takes over the sizes of what is behind it: when those have changed. */
void gate_refresh(struct block_gate *gate);
void gate_open(struct block_gate *gate);
void gate_pause(struct block_gate *gate);
void gate_shut(struct block_gate *gate);
/* Tells when nothing that has passed is under way; what passes meanwhile counts, so pause first. Never from inside. */
void gate_drain(struct block_gate *gate, struct gate_wait *wait);
/* To a higher term: see above. -ESTALE when it is not higher, else 0 and `wait` is told as by gate_drain(). */
int gate_raise(struct block_gate *gate, uint64_t term, struct gate_wait *wait);

/* Whether a front should not read any further request. It asks to be told when that has changed. */
bool gate_is_full(const struct block_gate *gate);
void gate_wait_for_room(struct block_gate *gate, struct gate_wait *wait);
/* Takes back any wait; fine when it is told already. */
void gate_wait_no_more(struct block_gate *gate, struct gate_wait *wait);

unsigned gate_bucket(uint64_t latency_us);

/* For block_end(): a request that had passed has ended. */
void gate_ended(struct block_request *request, int error);

#endif
