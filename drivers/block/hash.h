/* What two legs compare instead of 64 KiB of data: a CRC-32C and a sum of another kind, so that what one overlooks the other does not. */
#ifndef CARDINAL_BLOCK_HASH_H
#define CARDINAL_BLOCK_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES 16

/* `length` is a multiple of 8. */
void hash_of(const uint8_t *bytes, size_t length, uint8_t hash[HASH_BYTES]);

#endif
