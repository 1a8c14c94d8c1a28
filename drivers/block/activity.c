#include "activity.h"

#include "bytes.h"
#include "crc32c.h"

static const uint64_t magic = 0x31474f4c44524143; /* "CARDLOG1" */

enum place { MAGIC = 0, SEQUENCE = 8, COUNT = 16, EXTENTS = 24, CRC = ACTIVITY_BLOCK_BYTES - 4 };

_Static_assert(EXTENTS + 4 * ACTIVITY_HOT_MAX <= CRC, "a block has room for all hot extents");

static unsigned chain_of(uint32_t extent) {
  return (extent * 2654435761u) >> 21;
}

void activity_init(struct activity *activity, uint64_t sequence, uint32_t limit) {
  memset(activity, 0, sizeof *activity);
  memset(activity->chains, 0xff, sizeof activity->chains);
  activity->limit = limit;
  for (int16_t slot = 0; slot < (int16_t)limit; slot++) activity->slots[slot].next = slot + 1 < (int16_t)limit ? (int16_t)(slot + 1) : -1;
  activity->sequence = activity->durable = sequence;
}

static struct activity_slot *find(struct activity *activity, uint32_t extent) {
  for (int16_t slot = activity->chains[chain_of(extent)]; slot >= 0; slot = activity->slots[slot].next) {
    if (activity->slots[slot].extent == extent) return &activity->slots[slot];
  }
  return NULL;
}

static void leave_out(struct activity *activity, int16_t slot) {
  struct activity_slot *gone = &activity->slots[slot];
  int16_t *link = &activity->chains[chain_of(gone->extent)];
  while (*link != slot) link = &activity->slots[*link].next;
  *link = gone->next;
  activity->evicted[activity->evicted_count++] = gone->extent;
  gone->taken = false;
  gone->next = activity->free;
  activity->free = slot;
  activity->count--;
}

/* Leaves out the least recently used ones of those without a pin. */
static void make_room(struct activity *activity) {
  int16_t oldest[ACTIVITY_EVICTED_MAX];
  int count = 0;
  for (int16_t slot = 0; slot < ACTIVITY_HOT_MAX; slot++) {
    const struct activity_slot *candidate = &activity->slots[slot];
    if (!candidate->taken || candidate->pins > 0) continue;
    int place = count < ACTIVITY_EVICTED_MAX ? count++ : count;
    for (; place > 0 && activity->slots[oldest[place - 1]].used_at > candidate->used_at; place--) {
      if (place < ACTIVITY_EVICTED_MAX) oldest[place] = oldest[place - 1];
    }
    if (place < ACTIVITY_EVICTED_MAX) oldest[place] = slot;
  }
  /* What is left out is listed until the next block: no more than there is room for. */
  for (int place = 0; place < count && activity->evicted_count < ACTIVITY_HOT_MAX; place++) leave_out(activity, oldest[place]);
}

enum activity_state activity_pin(struct activity *activity, uint32_t extent, uint64_t *since) {
  struct activity_slot *found = find(activity, extent);
  if (found == NULL) {
    if (activity->free < 0) make_room(activity);
    if (activity->free < 0) return ACTIVITY_FULL;
    int16_t slot = activity->free, *chain = &activity->chains[chain_of(extent)];
    found = &activity->slots[slot];
    activity->free = found->next;
    *found = (struct activity_slot){.extent = extent, .since = activity->sequence + 1, .next = *chain, .taken = true};
    *chain = slot;
    activity->count++;
  }
  found->pins++;
  found->used_at = ++activity->uses;
  *since = found->since;
  return found->since <= activity->durable ? ACTIVITY_HOT : ACTIVITY_WANTED;
}

void activity_unpin(struct activity *activity, uint32_t extent) {
  struct activity_slot *found = find(activity, extent);
  if (found != NULL && found->pins > 0) found->pins--;
}

bool activity_is_behind(const struct activity *activity) {
  for (int16_t slot = 0; slot < ACTIVITY_HOT_MAX; slot++) {
    if (activity->slots[slot].taken && activity->slots[slot].since > activity->sequence) return true;
  }
  return false;
}

static uint64_t finish(struct activity *activity, uint8_t *block, uint32_t count) {
  put_u64(block + MAGIC, magic);
  put_u64(block + SEQUENCE, ++activity->sequence);
  put_u32(block + COUNT, count);
  put_u32(block + CRC, crc32c(0, block, CRC));
  return activity->sequence;
}

uint64_t activity_write(struct activity *activity, uint8_t block[ACTIVITY_BLOCK_BYTES], uint32_t *evicted, uint32_t *evicted_count) {
  uint32_t count = 0;
  memset(block, 0, ACTIVITY_BLOCK_BYTES);
  for (int16_t slot = 0; slot < ACTIVITY_HOT_MAX; slot++) {
    if (activity->slots[slot].taken) put_u32(block + EXTENTS + 4 * count++, activity->slots[slot].extent);
  }
  memcpy(evicted, activity->evicted, activity->evicted_count * sizeof *evicted);
  *evicted_count = activity->evicted_count;
  activity->evicted_count = 0;
  return finish(activity, block, count);
}

void activity_written(struct activity *activity, uint64_t sequence) {
  if (sequence > activity->durable) activity->durable = sequence;
}

uint64_t activity_close(struct activity *activity, uint8_t block[ACTIVITY_BLOCK_BYTES]) {
  memset(block, 0, ACTIVITY_BLOCK_BYTES);
  return finish(activity, block, 0);
}

bool activity_read(const uint8_t block[ACTIVITY_BLOCK_BYTES], uint64_t *sequence, uint32_t *extents, uint32_t *count) {
  if (get_u64(block + MAGIC) != magic || get_u32(block + CRC) != crc32c(0, block, CRC)) return false;
  *sequence = get_u64(block + SEQUENCE);
  *count = get_u32(block + COUNT);
  if (*count > ACTIVITY_HOT_MAX) return false;
  for (uint32_t index = 0; index < *count; index++) extents[index] = get_u32(block + EXTENTS + 4 * index);
  return true;
}
