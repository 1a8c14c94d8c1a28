/*
 * A peer's bitmap in memory: a bit for 64 KiB that may differ there, and which of its blocks on disk have to be written.
 * The 64 bits of a word are an extent of the activity log.
 */
#ifndef CARDINAL_BLOCK_BITMAP_H
#define CARDINAL_BLOCK_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_GRAIN_SHIFT 16
#define BITMAP_GRAIN_BYTES (UINT64_C(1) << BITMAP_GRAIN_SHIFT)
#define BITMAP_EXTENT_SHIFT 22
#define BITMAP_EXTENT_BYTES (UINT64_C(1) << BITMAP_EXTENT_SHIFT)
#define BITMAP_BLOCK_BYTES 4096
#define BITMAP_BLOCK_WORDS (BITMAP_BLOCK_BYTES / 8)
#define BITMAP_NONE UINT64_MAX

struct bitmap {
  uint64_t *words; /* whole blocks, aligned to one */
  uint64_t size, grain_count, word_count, block_count;
  uint64_t set_count;
  /* A byte for each block: what the disk lacks. Bits that the disk has too many do no harm. */
  uint8_t *lacks_set, *lacks_clear;
};

/* For a device of so many bytes, all clear. 0 or -ENOMEM. */
int bitmap_init(struct bitmap *bitmap, uint64_t size);
void bitmap_free(struct bitmap *bitmap);
uint64_t bitmap_bytes(uint64_t size);

/* Of each grain that the range touches. */
void bitmap_set(struct bitmap *bitmap, uint64_t offset, uint64_t length);
/* Of each grain that is whole within the range; the device's last one may be shorter. */
void bitmap_clear(struct bitmap *bitmap, uint64_t offset, uint64_t length);
void bitmap_set_all(struct bitmap *bitmap);
void bitmap_clear_all(struct bitmap *bitmap);
/* ORs 64 grains; those behind the device's end are ignored. */
void bitmap_unite(struct bitmap *bitmap, uint64_t word, uint64_t bits);
/* Whether a grain that the range touches is set. */
bool bitmap_any(const struct bitmap *bitmap, uint64_t offset, uint64_t length);
/* The first grain that is set at or after this one, or BITMAP_NONE. */
uint64_t bitmap_next(const struct bitmap *bitmap, uint64_t grain);
/* How many follow each other from this one on, `most` at most. */
uint64_t bitmap_run(const struct bitmap *bitmap, uint64_t grain, uint64_t most);
/* After words were filled from the disk. */
void bitmap_recount(struct bitmap *bitmap);

#endif
