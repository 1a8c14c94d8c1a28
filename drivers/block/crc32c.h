/* CRC-32C (Castagnoli, as iSCSI and ext4 have it), by the processor's instruction where there is one. */
#ifndef CARDINAL_BLOCK_CRC32C_H
#define CARDINAL_BLOCK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those whose CRC is `before`; 0 for the first. */
uint32_t crc32c(uint32_t before, const void *bytes, size_t length);

#endif
