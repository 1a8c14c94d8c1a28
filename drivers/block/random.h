/* Numbers by chance from a seed, the same for ever: xorshift64*. */
#ifndef CARDINAL_BLOCK_RANDOM_H
#define CARDINAL_BLOCK_RANDOM_H

#include <stdint.h>

/* A state is never 0. */
static inline uint64_t random_seeded(uint64_t seed) {
  return seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* Below `bound`, which is at most 2^32. */
static inline uint32_t random_below(uint64_t *state, uint64_t bound) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (uint32_t)((*state * UINT64_C(0x2545f4914f6cdd1d) >> 32) * bound >> 32);
}

#endif
