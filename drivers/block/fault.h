/*
 * A target that goes wrong as it is told to, between any two others; for tests. Rules say what happens to requests of a verb in a
 * range: they fail, wait, are carried out in part, or are answered without having been carried out.
 *
 * With a volatile cache it is a disk that loses power: writes are kept here until a flush, a read sees them, and fault_cut()
 * drops a part of them, whole or torn, and fails everything from then on. A process that is killed has lost them likewise.
 */
#ifndef CARDINAL_FAULT_H
#define CARDINAL_FAULT_H

#include "target.h"

enum fault_action {
  FAULT_FAIL,  /* with `error`, nothing carried out */
  FAULT_DELAY, /* for `value` microseconds, then carried out */
  FAULT_TORN,  /* the first `value` blocks are carried out, then it fails with `error` */
  FAULT_LIE,   /* answered as done, nothing carried out */
  FAULT_HANG,  /* never answered, until it is told to go on: fault_resume() */
};

#define FAULT_RULES_MAX 16

struct fault_rule {
  enum fault_action action;
  /* A set of 1 << verb. */
  uint32_t verbs;
  uint64_t offset, length;
  /*
   * Requests that match and are let through first; then how many are hit (0: all); each with a chance of `chance` in 65536 (0:
   * for certain).
   */
  uint32_t skip, count, chance;
  int32_t error;
  uint32_t value;
};

struct block_target *fault_make(struct block_target *below, uint64_t seed);
/* -ENOSPC when there are too many. */
int fault_add_rule(struct block_target *fault, const struct fault_rule *rule);
/* Takes away all rules and lets go on what hangs. */
void fault_resume(struct block_target *fault);
void fault_set_volatile(struct block_target *fault, bool is_volatile);
void fault_cut(struct block_target *fault);

#endif
