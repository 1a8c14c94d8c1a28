#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "reactor.h"
#include "ring.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define HIDE(from, length) __asan_poison_memory_region(from, length)
#define SHOW(from, length) __asan_unpoison_memory_region(from, length)
#else
#define HIDE(from, length) (void)(from), (void)(length)
#define SHOW(from, length) (void)(from), (void)(length)
#endif

#define SLAB_BYTES POOL_BUFFER_MAX
/* The pool grows by these: a huge page, where the kernel has them. */
#define CHUNK_SLABS 2u
#define CHUNK_BYTES (CHUNK_SLABS * SLAB_BYTES)
#define CLASSES 9
#define NO_SLAB UINT32_MAX
#define WORDS (SLAB_BYTES / POOL_BUFFER_MIN / 64)
/* What has been idle for that long is given back. */
#define IDLE_US 5000000
/* Buffers that the kernel lets a ring register. */
#define REGISTERED_MAX 16384u

_Static_assert(POOL_BUFFER_MIN << (CLASSES - 1) == POOL_BUFFER_MAX, "the classes end with the largest buffer");

struct slab {
  /* Bits of buffers that are free. */
  uint64_t free[WORDS];
  uint32_t free_count, count;
  uint32_t size;
  uint32_t previous, next;
  uint8_t class;
};

struct chunk {
  bool grown, registered;
  /* Some of it was taken since the pool looked last for what is idle. */
  bool used;
};

struct pool {
  struct reactor *reactor;
  int ring;
  /* Addresses for the whole pool from the start, memory as it grows. */
  uint8_t *base;
  size_t base_bytes;
  uint8_t *mapping;
  size_t mapping_bytes;
  uint32_t chunk_count;
  struct chunk *chunks;
  struct slab *slabs;
  /* Of each class the slabs that have something free; of none those that belong to no class. */
  uint32_t partial[CLASSES], unused;
  bool can_register;
  size_t bytes_grown, bytes_taken;
  struct reactor_task *waiting, **waiting_last;
  struct reactor_task tell;
  struct reactor_timer idle;
};

static uint8_t class_of(uint32_t length) {
  uint8_t class = 0;
  while (POOL_BUFFER_MIN << class < length) class++;
  return class;
}

static uint8_t *memory_of(const struct pool *pool, uint32_t slab) {
  return pool->base + (size_t)slab * SLAB_BYTES;
}

static void push(struct pool *pool, uint32_t *head, uint32_t index) {
  struct slab *slab = &pool->slabs[index];
  slab->previous = NO_SLAB;
  slab->next = *head;
  if (*head != NO_SLAB) pool->slabs[*head].previous = index;
  *head = index;
}

static void unlink_slab(struct pool *pool, uint32_t *head, uint32_t index) {
  const struct slab *slab = &pool->slabs[index];
  if (slab->previous == NO_SLAB) *head = slab->next;
  else pool->slabs[slab->previous].next = slab->next;
  if (slab->next != NO_SLAB) pool->slabs[slab->next].previous = slab->previous;
}

static void register_chunk(struct pool *pool, uint32_t index, uint8_t *memory, size_t length) {
  struct iovec part = {.iov_base = memory, .iov_len = length};
  struct io_uring_rsrc_update2 update = {.offset = index, .data = (uint64_t)(uintptr_t)&part, .nr = 1};
  pool->chunks[index].registered = ring_register(pool->ring, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof update) == 1;
}

static bool grow(struct pool *pool) {
  uint32_t index = 0;
  while (index < pool->chunk_count && pool->chunks[index].grown) index++;
  if (index == pool->chunk_count) return false;
  uint8_t *memory = pool->base + (size_t)index * CHUNK_BYTES;
  if (mprotect(memory, CHUNK_BYTES, PROT_READ | PROT_WRITE) < 0) return false;
  if (pool->can_register) register_chunk(pool, index, memory, CHUNK_BYTES);
  pool->chunks[index].grown = true;
  pool->bytes_grown += CHUNK_BYTES;
  HIDE(memory, CHUNK_BYTES);
  if (pool->idle.place == 0) reactor_timer_set(pool->reactor, &pool->idle, reactor_now_us(pool->reactor) + IDLE_US);
  for (uint32_t slab = 0; slab < CHUNK_SLABS; slab++) push(pool, &pool->unused, index * CHUNK_SLABS + slab);
  return true;
}

static void shrink(struct pool *pool, uint32_t index) {
  uint8_t *memory = pool->base + (size_t)index * CHUNK_BYTES;
  for (uint32_t slab = 0; slab < CHUNK_SLABS; slab++) unlink_slab(pool, &pool->unused, index * CHUNK_SLABS + slab);
  if (pool->chunks[index].registered) register_chunk(pool, index, NULL, 0);
  pool->chunks[index] = (struct chunk){0};
  pool->bytes_grown -= CHUNK_BYTES;
  madvise(memory, CHUNK_BYTES, MADV_DONTNEED);
  mprotect(memory, CHUNK_BYTES, PROT_NONE);
}

static void divide(struct slab *slab, uint8_t class) {
  slab->class = class;
  slab->size = POOL_BUFFER_MIN << class;
  slab->count = slab->free_count = SLAB_BYTES / slab->size;
  for (uint32_t word = 0; word < WORDS; word++) {
    uint32_t first = word * 64;
    slab->free[word] = slab->count >= first + 64 ? UINT64_MAX : slab->count > first ? (UINT64_C(1) << (slab->count - first)) - 1 : 0;
  }
}

/* Each class keeps its last slab when all of that is free; another class may have it when there is nothing else. */
static bool reclaim(struct pool *pool) {
  for (uint8_t class = 0; class < CLASSES; class++) {
    uint32_t index = pool->partial[class];
    while (index != NO_SLAB && pool->slabs[index].free_count < pool->slabs[index].count) index = pool->slabs[index].next;
    if (index == NO_SLAB) continue;
    unlink_slab(pool, &pool->partial[class], index);
    push(pool, &pool->unused, index);
    return true;
  }
  return false;
}

static bool provide(struct pool *pool, uint8_t class) {
  if (pool->unused == NO_SLAB && !reclaim(pool) && !grow(pool)) return false;
  uint32_t index = pool->unused;
  unlink_slab(pool, &pool->unused, index);
  divide(&pool->slabs[index], class);
  push(pool, &pool->partial[class], index);
  return true;
}

uint8_t *pool_take(struct pool *pool, uint32_t length) {
  uint8_t class = class_of(length);
  if (class >= CLASSES || (pool->partial[class] == NO_SLAB && !provide(pool, class))) return NULL;
  uint32_t index = pool->partial[class];
  struct slab *slab = &pool->slabs[index];
  uint32_t word = 0;
  while (slab->free[word] == 0) word++;
  uint32_t bit = (uint32_t)__builtin_ctzll(slab->free[word]);
  slab->free[word] &= slab->free[word] - 1;
  if (--slab->free_count == 0) unlink_slab(pool, &pool->partial[class], index);
  pool->chunks[index / CHUNK_SLABS].used = true;
  pool->bytes_taken += slab->size;
  uint8_t *buffer = memory_of(pool, index) + (size_t)(word * 64 + bit) * slab->size;
  SHOW(buffer, slab->size);
  return buffer;
}

static void on_tell(struct reactor_task *task) {
  struct pool *pool = REACTOR_OF(task, struct pool, tell);
  struct reactor_task *waiting = pool->waiting;
  pool->waiting = NULL;
  pool->waiting_last = &pool->waiting;
  while (waiting != NULL) {
    struct reactor_task *next = waiting->next;
    waiting->queued = false;
    waiting->run(waiting);
    waiting = next;
  }
}

/* When a class has another slab with something free, one that is free as a whole is for all. */
static void retire(struct pool *pool, uint32_t index) {
  const struct slab *slab = &pool->slabs[index];
  uint32_t *head = &pool->partial[slab->class];
  if (*head == index && slab->next == NO_SLAB) return;
  unlink_slab(pool, head, index);
  push(pool, &pool->unused, index);
}

void pool_give(struct pool *pool, uint8_t *buffer) {
  size_t at = (size_t)(buffer - pool->base);
  uint32_t index = (uint32_t)(at / SLAB_BYTES);
  struct slab *slab = &pool->slabs[index];
  uint32_t bit = (uint32_t)(at % SLAB_BYTES / slab->size);
  slab->free[bit / 64] |= UINT64_C(1) << bit % 64;
  pool->bytes_taken -= slab->size;
  HIDE(buffer, slab->size);
  if (slab->free_count++ == 0) push(pool, &pool->partial[slab->class], index);
  if (slab->free_count == slab->count) retire(pool, index);
  if (pool->waiting != NULL) reactor_later(pool->reactor, &pool->tell);
}

static bool is_unused(const struct pool *pool, uint32_t chunk) {
  uint32_t found = 0;
  for (uint32_t index = pool->unused; index != NO_SLAB; index = pool->slabs[index].next) found += index / CHUNK_SLABS == chunk;
  return found == CHUNK_SLABS;
}

static void on_idle(struct reactor_timer *timer) {
  struct pool *pool = REACTOR_OF(timer, struct pool, idle);
  bool more = false;
  while (reclaim(pool)) continue;
  for (uint32_t index = 0; index < pool->chunk_count; index++) {
    struct chunk *chunk = &pool->chunks[index];
    if (!chunk->grown) continue;
    if (!chunk->used && is_unused(pool, index)) {
      shrink(pool, index);
    } else {
      chunk->used = false;
      more = true;
    }
  }
  if (more) reactor_timer_set(pool->reactor, &pool->idle, reactor_now_us(pool->reactor) + IDLE_US);
}

void pool_wait(struct pool *pool, struct reactor_task *task) {
  if (task->queued) return;
  task->queued = true;
  task->next = NULL;
  *pool->waiting_last = task;
  pool->waiting_last = &task->next;
}

void pool_wait_no_more(struct pool *pool, struct reactor_task *task) {
  for (struct reactor_task **at = &pool->waiting; *at != NULL; at = &(*at)->next) {
    if (*at != task) continue;
    *at = task->next;
    if (task->next == NULL) pool->waiting_last = at;
    task->queued = false;
    return;
  }
}

int pool_registration(const struct pool *pool, const void *from) {
  size_t at = (size_t)((const uint8_t *)from - pool->base);
  if (at >= pool->base_bytes) return -1;
  uint32_t chunk = (uint32_t)(at / CHUNK_BYTES);
  return pool->chunks[chunk].registered ? (int)chunk : -1;
}

struct pool_use pool_use(const struct pool *pool) {
  return (struct pool_use){.bytes_max = pool->base_bytes, .bytes_grown = pool->bytes_grown, .bytes_taken = pool->bytes_taken};
}

static bool make_registrations(int ring, uint32_t count) {
  struct io_uring_rsrc_register registration = {.nr = count, .flags = IORING_RSRC_REGISTER_SPARSE};
  return count <= REGISTERED_MAX && ring_register(ring, IORING_REGISTER_BUFFERS2, &registration, sizeof registration) == 0;
}

static int reserve(struct pool *pool) {
  pool->mapping_bytes = pool->base_bytes + CHUNK_BYTES;
  pool->mapping = mmap(NULL, pool->mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pool->mapping == MAP_FAILED) {
    pool->mapping = NULL;
    return -ENOMEM;
  }
  size_t past = (uintptr_t)pool->mapping % CHUNK_BYTES;
  pool->base = pool->mapping + (past == 0 ? 0 : CHUNK_BYTES - past);
  madvise(pool->base, pool->base_bytes, MADV_HUGEPAGE);
  return 0;
}

int pool_make(struct pool **out, struct reactor *reactor, size_t bytes_max, int ring) {
  struct pool *pool = calloc(1, sizeof *pool);
  if (pool == NULL) return -ENOMEM;
  pool->reactor = reactor;
  pool->ring = ring;
  pool->chunk_count = (uint32_t)((bytes_max + CHUNK_BYTES - 1) / CHUNK_BYTES);
  pool->base_bytes = (size_t)pool->chunk_count * CHUNK_BYTES;
  pool->unused = NO_SLAB;
  for (unsigned class = 0; class < CLASSES; class++) pool->partial[class] = NO_SLAB;
  pool->waiting_last = &pool->waiting;
  pool->tell.run = on_tell;
  pool->idle.expired = on_idle;
  pool->chunks = calloc(pool->chunk_count, sizeof *pool->chunks);
  pool->slabs = calloc((size_t)pool->chunk_count * CHUNK_SLABS, sizeof *pool->slabs);
  int result = pool->chunks == NULL || pool->slabs == NULL ? -ENOMEM : reserve(pool);
  if (result < 0) {
    pool_free(pool);
    return result;
  }
  pool->can_register = make_registrations(ring, pool->chunk_count);
  *out = pool;
  return 0;
}

void pool_free(struct pool *pool) {
  if (pool == NULL) return;
  if (pool->mapping != NULL) {
    SHOW(pool->mapping, pool->mapping_bytes);
    munmap(pool->mapping, pool->mapping_bytes);
  }
  free(pool->chunks);
  free(pool->slabs);
  free(pool);
}
