#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Completions that may be pending without the kernel having to keep them aside: multishot operations bring many per submission.
 */
#define COMPLETIONS_PER_ENTRY 8

int ring_register(int fd, unsigned opcode, const void *argument, unsigned count) {
  long result = syscall(SYS_io_uring_register, fd, opcode, argument, count);
  return result < 0 ? -errno : (int)result;
}

static _Atomic uint32_t *word_at(const struct ring *ring, uint32_t offset) {
  return (_Atomic uint32_t *)(void *)((char *)ring->rings + offset);
}

/* The entries of the submission ring stand in order, so its list of indices is filled once. */
static void fill_indices(struct ring *ring, const struct io_uring_params *parameters) {
  uint32_t *indices = (uint32_t *)(void *)((char *)ring->rings + parameters->sq_off.array);
  for (uint32_t index = 0; index < parameters->sq_entries; index++) indices[index] = index;
}

static int map(struct ring *ring, const struct io_uring_params *parameters) {
  size_t submission_bytes = parameters->sq_off.array + parameters->sq_entries * sizeof(uint32_t);
  size_t completion_bytes = parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe);
  ring->rings_bytes = submission_bytes > completion_bytes ? submission_bytes : completion_bytes;
  ring->rings = mmap(NULL, ring->rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
  if (ring->rings == MAP_FAILED) return -errno;
  ring->submissions_bytes = parameters->sq_entries * sizeof(struct io_uring_sqe);
  ring->submissions = mmap(NULL, ring->submissions_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
  if (ring->submissions == MAP_FAILED) return -errno;
  ring->entries = parameters->sq_entries;
  ring->submission_mask = parameters->sq_entries - 1;
  ring->completion_mask = parameters->cq_entries - 1;
  ring->submission_head = word_at(ring, parameters->sq_off.head);
  ring->submission_tail = word_at(ring, parameters->sq_off.tail);
  ring->completion_head = word_at(ring, parameters->cq_off.head);
  ring->completion_tail = word_at(ring, parameters->cq_off.tail);
  ring->completions = (const struct io_uring_cqe *)(void *)((char *)ring->rings + parameters->cq_off.cqes);
  ring->filled = atomic_load_explicit(ring->submission_tail, memory_order_relaxed);
  fill_indices(ring, parameters);
  return 0;
}

/* With its descriptor registered the kernel need not look it up at each call. */
static void register_itself(struct ring *ring) {
  struct io_uring_rsrc_update update = {.offset = UINT32_MAX, .data = (uint64_t)(unsigned)ring->fd};
  ring->entered = ring->fd;
  ring->enter_flags = 0;
  if (ring_register(ring->fd, IORING_REGISTER_RING_FDS, &update, 1) != 1) return;
  ring->entered = (int)update.offset;
  ring->enter_flags = IORING_ENTER_REGISTERED_RING;
}

int ring_open(struct ring *ring, uint32_t entries) {
  *ring = (struct ring){.fd = -1, .rings = MAP_FAILED, .submissions = MAP_FAILED};
  struct io_uring_params parameters = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
      .cq_entries = entries * COMPLETIONS_PER_ENTRY,
  };
  long fd = syscall(SYS_io_uring_setup, entries, &parameters);
  if (fd < 0) return -errno;
  ring->fd = (int)fd;
  const uint32_t needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
  int result = (parameters.features & needed) == needed ? map(ring, &parameters) : -ENOSYS;
  if (result < 0) ring_close(ring);
  else register_itself(ring);
  return result;
}

void ring_close(struct ring *ring) {
  if (ring->submissions != MAP_FAILED) munmap(ring->submissions, ring->submissions_bytes);
  if (ring->rings != MAP_FAILED) munmap(ring->rings, ring->rings_bytes);
  if (ring->fd >= 0) close(ring->fd);
  ring->fd = -1;
}

struct io_uring_sqe *ring_next(struct ring *ring) {
  uint32_t head = atomic_load_explicit(ring->submission_head, memory_order_acquire);
  if (ring->filled - head >= ring->entries) return NULL;
  struct io_uring_sqe *entry = &ring->submissions[ring->filled++ & ring->submission_mask];
  memset(entry, 0, sizeof *entry);
  return entry;
}

int ring_submit(struct ring *ring, bool wait, int64_t timeout_us) {
  atomic_store_explicit(ring->submission_tail, ring->filled, memory_order_release);
  uint32_t count = ring->filled - atomic_load_explicit(ring->submission_head, memory_order_acquire);
  struct __kernel_timespec time = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
  struct io_uring_getevents_arg argument = {.ts = wait && timeout_us >= 0 ? (uint64_t)(uintptr_t)&time : 0};
  unsigned flags = ring->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  long result = syscall(SYS_io_uring_enter, ring->entered, count, wait ? 1 : 0, flags, &argument, sizeof argument);
  return result < 0 && errno != ETIME ? -errno : 0;
}

bool ring_take(struct ring *ring, struct io_uring_cqe *completion) {
  uint32_t head = atomic_load_explicit(ring->completion_head, memory_order_relaxed);
  if (head == atomic_load_explicit(ring->completion_tail, memory_order_acquire)) return false;
  memcpy(completion, &ring->completions[head & ring->completion_mask], sizeof *completion);
  atomic_store_explicit(ring->completion_head, head + 1, memory_order_release);
  return true;
}
