#include "hash.h"

#include "bytes.h"
#include "crc32c.h"

/* Odd, and with ones and zeros well mixed: digits of the golden ratio and of the square root of 2. */
#define FIRST UINT64_C(0x9e3779b97f4a7c15)
#define SECOND UINT64_C(0x6a09e667f3bcc909)

static uint64_t mix(uint64_t one, uint64_t other) {
  unsigned __int128 product = (unsigned __int128)one * other;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

void hash_of(const uint8_t *bytes, size_t length, uint8_t hash[HASH_BYTES]) {
  uint64_t even = FIRST ^ length, odd = SECOND;
  size_t at = 0;
  for (; at + 16 <= length; at += 16) {
    even = mix(even ^ get_u64(bytes + at), FIRST) + odd;
    odd = mix(odd ^ get_u64(bytes + at + 8), SECOND) + even;
  }
  if (at < length) even = mix(even ^ get_u64(bytes + at), FIRST);
  put_u64(hash, mix(even ^ SECOND, odd ^ FIRST));
  put_u64(hash + 8, crc32c(0, bytes, length));
}
