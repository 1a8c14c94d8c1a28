/*
 * A disk with a volatile cache that can lose its power, over any target; for tests. Writes are kept here until a flush, a read
 * sees them, and some find their way to the disk before, as chance has it, whole or torn.
 *
 * power_cut() and the death of the process lose what was not flushed: the first drops some of it, has some of it arrive in part,
 * and fails every request from then on. What a flush has covered is with the target below.
 */
#ifndef CARDINAL_POWER_H
#define CARDINAL_POWER_H

#include "target.h"

/* Takes over what is below, and closes it; a disk that is closed has written out its cache. NULL when there is no memory. */
struct block_target *power_make(struct block_target *below, uint64_t seed);
bool power_is(const struct block_target *target);
void power_cut(struct block_target *target);

#endif
