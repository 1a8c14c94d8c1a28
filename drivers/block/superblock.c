#include "superblock.h"

#include "bitmap.h"
#include "bytes.h"
#include "crc32c.h"

static const uint64_t magic = 0x3147454c44524143; /* "CARDLEG1" */

enum place { MAGIC = 0, SEQUENCE = 8, DEVICE = 16, LEG = 32, SIZE = 48, END = 56, TERM = 64, BITMAPS = 72, STATE_BYTES = 76, MISSING = 80,
             STATE = 128, CRC = SUPERBLOCK_BYTES - 4 };

_Static_assert(STATE + SUPERBLOCK_STATE_MAX <= CRC, "the state has room");

uint64_t superblock_metadata_bytes(uint64_t size) {
  return (2 + LEG_LOG_BLOCKS) * SUPERBLOCK_BYTES + LEG_PEERS_MAX * bitmap_bytes(size);
}

uint64_t superblock_size_for(uint64_t end) {
  end -= end % SUPERBLOCK_BYTES;
  uint64_t metadata = superblock_metadata_bytes(end);
  return end > metadata ? end - metadata : 0;
}

uint64_t superblock_place(const struct superblock *superblock, uint64_t sequence) {
  return superblock->end - (1 + sequence % 2) * SUPERBLOCK_BYTES;
}

uint64_t superblock_log_place(const struct superblock *superblock, uint64_t sequence) {
  return superblock->end - (3 + sequence % LEG_LOG_BLOCKS) * SUPERBLOCK_BYTES;
}

uint64_t superblock_bitmap_place(const struct superblock *superblock, unsigned bitmap) {
  return superblock->end - (2 + LEG_LOG_BLOCKS) * SUPERBLOCK_BYTES - (LEG_PEERS_MAX - bitmap) * bitmap_bytes(superblock->size);
}

void superblock_write(const struct superblock *superblock, uint8_t block[SUPERBLOCK_BYTES]) {
  memset(block, 0, SUPERBLOCK_BYTES);
  put_u64(block + MAGIC, magic);
  put_u64(block + SEQUENCE, superblock->sequence);
  memcpy(block + DEVICE, superblock->device, LEG_ID_BYTES);
  memcpy(block + LEG, superblock->leg, LEG_ID_BYTES);
  put_u64(block + SIZE, superblock->size);
  put_u64(block + END, superblock->end);
  put_u64(block + TERM, superblock->term);
  put_u32(block + BITMAPS, superblock->bitmaps);
  put_u32(block + MISSING, superblock->missing);
  put_u32(block + STATE_BYTES, superblock->state_bytes);
  memcpy(block + STATE, superblock->state, superblock->state_bytes);
  put_u32(block + CRC, crc32c(0, block, CRC));
}

bool superblock_read(struct superblock *superblock, const uint8_t block[SUPERBLOCK_BYTES], uint64_t end) {
  if (get_u64(block + MAGIC) != magic || get_u32(block + CRC) != crc32c(0, block, CRC)) return false;
  memset(superblock, 0, sizeof *superblock);
  superblock->sequence = get_u64(block + SEQUENCE);
  memcpy(superblock->device, block + DEVICE, LEG_ID_BYTES);
  memcpy(superblock->leg, block + LEG, LEG_ID_BYTES);
  superblock->size = get_u64(block + SIZE);
  superblock->end = get_u64(block + END);
  superblock->term = get_u64(block + TERM);
  superblock->bitmaps = get_u32(block + BITMAPS);
  superblock->missing = get_u32(block + MISSING) & superblock->bitmaps;
  superblock->state_bytes = get_u32(block + STATE_BYTES);
  if (superblock->end != end || superblock->size == 0 || superblock->size % SUPERBLOCK_BYTES != 0 || superblock->size > end) return false;
  if (superblock_metadata_bytes(superblock->size) > end - superblock->size) return false;
  if (superblock->state_bytes > SUPERBLOCK_STATE_MAX || superblock->bitmaps >> LEG_PEERS_MAX != 0) return false;
  memcpy(superblock->state, block + STATE, superblock->state_bytes);
  return true;
}
