/*
 * A target that goes wrong as it is told to, between any two others; for tests. Rules say what happens to requests of a verb in a
 * range: they fail, wait, are carried out in part, or are answered without having been carried out.
 */
#ifndef CARDINAL_FAULT_H
#define CARDINAL_FAULT_H

#include "target.h"

enum fault_action {
  FAULT_FAIL,  /* with `error`, nothing carried out */
  FAULT_DELAY, /* for `value` microseconds, then carried out */
  FAULT_TORN,  /* the first `value` blocks are carried out, then it fails with `error` */
  FAULT_LIE,   /* answered as done, nothing carried out */
  FAULT_HANG,  /* not answered until fault_resume(), then carried out */
};

#define FAULT_RULES_MAX 16

struct fault_rule {
  enum fault_action action;
  /* A set of 1 << verb. */
  uint32_t verbs;
  /* Requests that touch this range; a flush touches every one. */
  uint64_t offset, length;
  /* Of those that match, how many pass first; how many are hit then (0: all); with which chance in 65536 (0: for certain). */
  uint32_t skip, count, chance;
  int32_t error;
  uint32_t value;
};

/* Takes over what is below, and closes it. NULL when there is no memory. */
struct block_target *fault_make(struct block_target *below, uint64_t seed);
bool fault_is(const struct block_target *target);
struct block_target *fault_below(struct block_target *fault);
/* -ENOSPC when there are too many, -EINVAL for one that is none. */
int fault_add_rule(struct block_target *fault, const struct fault_rule *rule);
/* Takes away all rules and lets go on what hangs. */
void fault_resume(struct block_target *fault);

#endif
