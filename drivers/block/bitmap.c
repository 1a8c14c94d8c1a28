#define _GNU_SOURCE
#include "bitmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t blocks_of(uint64_t size) {
  uint64_t words = (size + BITMAP_EXTENT_BYTES - 1) >> BITMAP_EXTENT_SHIFT;
  return (words + BITMAP_BLOCK_WORDS - 1) / BITMAP_BLOCK_WORDS;
}

uint64_t bitmap_bytes(uint64_t size) {
  return blocks_of(size) * BITMAP_BLOCK_BYTES;
}

int bitmap_init(struct bitmap *bitmap, uint64_t size) {
  memset(bitmap, 0, sizeof *bitmap);
  bitmap->size = size;
  bitmap->grain_count = (size + BITMAP_GRAIN_BYTES - 1) >> BITMAP_GRAIN_SHIFT;
  bitmap->word_count = (bitmap->grain_count + 63) / 64;
  bitmap->block_count = blocks_of(size);
  void *words = NULL;
  if (posix_memalign(&words, BITMAP_BLOCK_BYTES, bitmap->block_count * BITMAP_BLOCK_BYTES) != 0) words = NULL;
  bitmap->words = words;
  bitmap->lacks_set = calloc(bitmap->block_count, 1);
  bitmap->lacks_clear = calloc(bitmap->block_count, 1);
  if (words == NULL || bitmap->lacks_set == NULL || bitmap->lacks_clear == NULL) {
    bitmap_free(bitmap);
    return -ENOMEM;
  }
  memset(words, 0, bitmap->block_count * BITMAP_BLOCK_BYTES);
  return 0;
}

void bitmap_free(struct bitmap *bitmap) {
  free(bitmap->words);
  free(bitmap->lacks_set);
  free(bitmap->lacks_clear);
  memset(bitmap, 0, sizeof *bitmap);
}

/* The bits from `first` to `last`, both of one word. */
static uint64_t mask_of(unsigned first, unsigned last) {
  return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

static void set_bits(struct bitmap *bitmap, uint64_t word, uint64_t bits) {
  uint64_t fresh = bits & ~bitmap->words[word];
  if (fresh == 0) return;
  bitmap->words[word] |= fresh;
  bitmap->set_count += (uint64_t)__builtin_popcountll(fresh);
  bitmap->lacks_set[word / BITMAP_BLOCK_WORDS] = 1;
}

static void clear_bits(struct bitmap *bitmap, uint64_t word, uint64_t bits) {
  uint64_t gone = bits & bitmap->words[word];
  if (gone == 0) return;
  bitmap->words[word] &= ~gone;
  bitmap->set_count -= (uint64_t)__builtin_popcountll(gone);
  bitmap->lacks_clear[word / BITMAP_BLOCK_WORDS] = 1;
}

static void over(struct bitmap *bitmap, uint64_t first, uint64_t end, void (*each)(struct bitmap *bitmap, uint64_t word, uint64_t bits)) {
  if (end > bitmap->grain_count) end = bitmap->grain_count;
  while (first < end) {
    uint64_t word = first / 64, last = word * 64 + 63;
    if (last >= end) last = end - 1;
    each(bitmap, word, mask_of(first % 64, last % 64));
    first = last + 1;
  }
}

void bitmap_set(struct bitmap *bitmap, uint64_t offset, uint64_t length) {
  if (length > 0) over(bitmap, offset >> BITMAP_GRAIN_SHIFT, ((offset + length - 1) >> BITMAP_GRAIN_SHIFT) + 1, set_bits);
}

void bitmap_clear(struct bitmap *bitmap, uint64_t offset, uint64_t length) {
  uint64_t first = (offset + BITMAP_GRAIN_BYTES - 1) >> BITMAP_GRAIN_SHIFT;
  uint64_t end = offset + length >= bitmap->size ? bitmap->grain_count : (offset + length) >> BITMAP_GRAIN_SHIFT;
  over(bitmap, first, end, clear_bits);
}

void bitmap_set_all(struct bitmap *bitmap) {
  over(bitmap, 0, bitmap->grain_count, set_bits);
}

void bitmap_clear_all(struct bitmap *bitmap) {
  over(bitmap, 0, bitmap->grain_count, clear_bits);
}

void bitmap_unite(struct bitmap *bitmap, uint64_t word, uint64_t bits) {
  if (word >= bitmap->word_count) return;
  uint64_t left = bitmap->grain_count - word * 64;
  set_bits(bitmap, word, left < 64 ? bits & mask_of(0, (unsigned)left - 1) : bits);
}

uint64_t bitmap_next(const struct bitmap *bitmap, uint64_t grain) {
  if (grain >= bitmap->grain_count) return BITMAP_NONE;
  uint64_t word = grain / 64, bits = bitmap->words[word] & (UINT64_MAX << grain % 64);
  while (bits == 0) {
    if (++word == bitmap->word_count) return BITMAP_NONE;
    bits = bitmap->words[word];
  }
  return word * 64 + (uint64_t)__builtin_ctzll(bits);
}

uint64_t bitmap_run(const struct bitmap *bitmap, uint64_t grain, uint64_t most) {
  uint64_t count = 0;
  while (count < most && grain < bitmap->grain_count && (bitmap->words[grain / 64] >> grain % 64 & 1) != 0) {
    count++;
    grain++;
  }
  return count;
}

bool bitmap_any(const struct bitmap *bitmap, uint64_t offset, uint64_t length) {
  if (length == 0) return false;
  uint64_t next = bitmap_next(bitmap, offset >> BITMAP_GRAIN_SHIFT);
  return next != BITMAP_NONE && next <= (offset + length - 1) >> BITMAP_GRAIN_SHIFT;
}

void bitmap_recount(struct bitmap *bitmap) {
  if (bitmap->grain_count % 64 != 0) bitmap->words[bitmap->word_count - 1] &= mask_of(0, (unsigned)(bitmap->grain_count % 64) - 1);
  uint64_t padded = bitmap->block_count * BITMAP_BLOCK_WORDS;
  memset(bitmap->words + bitmap->word_count, 0, (padded - bitmap->word_count) * sizeof *bitmap->words);
  bitmap->set_count = 0;
  for (uint64_t word = 0; word < bitmap->word_count; word++) bitmap->set_count += (uint64_t)__builtin_popcountll(bitmap->words[word]);
}
