/* The block that says what a leg is and where on its backing everything lies: bytes in, bytes out. MIRROR.md tells of both. */
#ifndef CARDINAL_BLOCK_SUPERBLOCK_H
#define CARDINAL_BLOCK_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SUPERBLOCK_BYTES 4096
#define SUPERBLOCK_STATE_MAX 2048
#define LEG_ID_BYTES 16
#define LEG_PEERS_MAX 8
#define LEG_LOG_BLOCKS 8

struct superblock {
  uint64_t sequence;
  uint8_t device[LEG_ID_BYTES], leg[LEG_ID_BYTES];
  uint64_t size;              /* of the device */
  uint64_t end;               /* of the metadata */
  uint64_t term;
  uint32_t bitmaps;           /* those in use, a bit each */
  uint32_t missing;           /* of those, the ones whose legs miss each write */
  uint32_t state_bytes;
  uint8_t state[SUPERBLOCK_STATE_MAX];
};

/* What the metadata of a device takes at the end of its backing. */
uint64_t superblock_metadata_bytes(uint64_t size);
/* The largest device for which a backing has room, a multiple of 4 KiB; 0 when there is none. */
uint64_t superblock_size_for(uint64_t end);
uint64_t superblock_place(const struct superblock *superblock, uint64_t sequence);
uint64_t superblock_log_place(const struct superblock *superblock, uint64_t sequence);
uint64_t superblock_bitmap_place(const struct superblock *superblock, unsigned bitmap);

void superblock_write(const struct superblock *superblock, uint8_t block[SUPERBLOCK_BYTES]);
/* Whether it is one, and one that was written for a backing whose metadata ends at `end`. */
bool superblock_read(struct superblock *superblock, const uint8_t block[SUPERBLOCK_BYTES], uint64_t end);

#endif
