#include "power.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* A cache that is fuller than this is written out. */
#define CACHE_BYTES_MAX (64u * 1024u * 1024u)
/* One write in so many goes to the disk at once, too. */
#define EARLY_ONE_IN 4

/* What has been written and not been flushed. Of a range that is to be zero there is no data. */
struct kept {
  struct kept *next;
  uint64_t offset;
  uint32_t length;
  uint8_t *data;
};

/* Oldest first. */
struct kept_list {
  struct kept *first, **last;
};

enum flush_step { IDLE, STARTING, WRITING, FLUSHING };

struct disk {
  struct block_target target;
  struct block_target *below;
  uint64_t random;
  /* `spent` is written out, but a read that began before may still need it. */
  struct kept_list kept, spent;
  uint64_t kept_bytes;
  /* Requests to the target below: reads, and writes ahead of any flush. */
  uint32_t reading, early;
  bool is_off;
  /* Requests that wait for their flush. */
  struct reactor_task *waiting, **waiting_last;
  /*
   * The flush under way: it writes out the entries up to `until` one by one, by the only request `carried`, and flushes then. It
   * is for `flushed`, or, when that is NULL, for the closing of the disk.
   */
  enum flush_step step;
  struct block_request *flushed;
  const struct kept *until;
  struct block_request carried;
  struct reactor_task proceed;
  void (*closed)(void *context);
  void *closed_context;
  bool is_closing;
};

struct early_write {
  struct block_request request;
  struct disk *disk;
};

struct reading {
  struct block_request request;
  struct block_request *original;
  struct disk *disk;
};

static void list_init(struct kept_list *list) {
  list->first = NULL;
  list->last = &list->first;
}

static void list_add(struct kept_list *list, struct kept *kept) {
  kept->next = NULL;
  *list->last = kept;
  list->last = &kept->next;
}

static struct kept *list_take(struct kept_list *list) {
  struct kept *kept = list->first;
  list->first = kept->next;
  if (list->first == NULL) list->last = &list->first;
  return kept;
}

static void list_free(struct kept_list *list) {
  while (list->first != NULL) {
    struct kept *kept = list_take(list);
    free(kept->data);
    free(kept);
  }
}

static void proceed_later(struct disk *disk) {
  reactor_later(disk->target.reactor, &disk->proceed);
}

static uint8_t *copy_of(const uint8_t *data, uint32_t length) {
  uint8_t *copy = aligned_alloc(POOL_ALIGNMENT, ((size_t)length + POOL_ALIGNMENT - 1) / POOL_ALIGNMENT * POOL_ALIGNMENT);
  if (copy != NULL) memcpy(copy, data, length);
  return copy;
}

/* Writes. */

static void on_early_written(struct block_request *request, int error) {
  (void)error;
  struct early_write *early = REACTOR_OF(request, struct early_write, request);
  struct disk *disk = early->disk;
  free(request->data);
  free(early);
  disk->early--;
  proceed_later(disk);
}

/* The first blocks of an entry, as many as chance has it, go to the disk ahead of any flush. */
static void write_early(struct disk *disk, const struct kept *kept) {
  uint32_t blocks = random_below(&disk->random, (uint64_t)kept->length / disk->target.block_bytes + 1);
  struct early_write *early = blocks > 0 ? calloc(1, sizeof *early) : NULL;
  if (early == NULL) return;
  early->disk = disk;
  early->request.verb = kept->data == NULL ? BLOCK_ZERO : BLOCK_WRITE;
  early->request.length = blocks * disk->target.block_bytes;
  early->request.offset = kept->offset;
  early->request.done = on_early_written;
  early->request.data = kept->data == NULL ? NULL : copy_of(kept->data, early->request.length);
  if (kept->data != NULL && early->request.data == NULL) {
    free(early);
    return;
  }
  disk->early++;
  block_submit(disk->below, &early->request);
}

static bool keep(struct disk *disk, const struct block_request *request) {
  struct kept *kept = calloc(1, sizeof *kept);
  if (kept == NULL) return false;
  if (request->verb == BLOCK_WRITE && (kept->data = copy_of(request->data, request->length)) == NULL) {
    free(kept);
    return false;
  }
  kept->offset = request->offset;
  kept->length = request->length;
  list_add(&disk->kept, kept);
  disk->kept_bytes += request->length;
  if (random_below(&disk->random, EARLY_ONE_IN) == 0) write_early(disk, kept);
  return true;
}

static void wait_for_flush(struct disk *disk, struct block_request *request) {
  request->link.next = NULL;
  *disk->waiting_last = &request->link;
  disk->waiting_last = &request->link.next;
  proceed_later(disk);
}

/* What a discard leaves is not said, so it may as well be zero. */
static void change(struct disk *disk, struct block_request *request) {
  if (!keep(disk, request)) block_end_later(disk->target.reactor, request, -ENOMEM);
  else if ((request->flags & BLOCK_FUA) != 0 || disk->kept_bytes > CACHE_BYTES_MAX) wait_for_flush(disk, request);
  else block_end_later(disk->target.reactor, request, 0);
}

/* Reads. */

static void lay_over(struct block_request *request, const struct kept *kept) {
  uint64_t start = request->offset > kept->offset ? request->offset : kept->offset;
  uint64_t request_end = request->offset + request->length, kept_end = kept->offset + kept->length;
  uint64_t end = request_end < kept_end ? request_end : kept_end;
  if (start >= end) return;
  uint8_t *to = request->data + (start - request->offset);
  if (kept->data == NULL) memset(to, 0, end - start);
  else memcpy(to, kept->data + (start - kept->offset), end - start);
}

static void on_read(struct block_request *request, int error) {
  struct reading *reading = REACTOR_OF(request, struct reading, request);
  struct block_request *original = reading->original;
  struct disk *disk = reading->disk;
  free(reading);
  for (const struct kept *kept = disk->spent.first; kept != NULL; kept = kept->next) lay_over(original, kept);
  for (const struct kept *kept = disk->kept.first; kept != NULL; kept = kept->next) lay_over(original, kept);
  if (--disk->reading == 0) list_free(&disk->spent);
  block_end(original, disk->is_off ? -EIO : error);
  proceed_later(disk);
}

static void read_through(struct disk *disk, struct block_request *original) {
  struct reading *reading = calloc(1, sizeof *reading);
  if (reading == NULL) {
    block_end_later(disk->target.reactor, original, -ENOMEM);
    return;
  }
  reading->original = original;
  reading->disk = disk;
  reading->request = (struct block_request){.verb = BLOCK_READ, .length = original->length, .offset = original->offset};
  reading->request.data = original->data;
  reading->request.done = on_read;
  disk->reading++;
  block_submit(disk->below, &reading->request);
}

/* Flushes. */

static void end_flush(struct disk *disk, int error) {
  struct block_request *flushed = disk->flushed;
  disk->step = IDLE;
  disk->flushed = NULL;
  disk->until = NULL;
  if (flushed != NULL) block_end(flushed, disk->is_off ? -EIO : error);
  else if (error < 0) list_free(&disk->kept);
  proceed_later(disk);
}

static void write_oldest(struct disk *disk) {
  const struct kept *kept = disk->kept.first;
  disk->carried.verb = kept->data == NULL ? BLOCK_ZERO : BLOCK_WRITE;
  disk->carried.offset = kept->offset;
  disk->carried.length = kept->length;
  disk->carried.data = kept->data;
  block_submit(disk->below, &disk->carried);
}

static void write_out(struct disk *disk) {
  if (disk->until != NULL && !disk->is_off) {
    disk->step = WRITING;
    write_oldest(disk);
    return;
  }
  disk->step = FLUSHING;
  disk->carried.verb = BLOCK_FLUSH;
  disk->carried.offset = disk->carried.length = 0;
  block_submit(disk->below, &disk->carried);
}

static void on_carried(struct block_request *request, int error) {
  struct disk *disk = REACTOR_OF(request, struct disk, carried);
  if (disk->step == FLUSHING || error < 0) {
    end_flush(disk, error);
    return;
  }
  struct kept *kept = list_take(&disk->kept);
  disk->kept_bytes -= kept->length;
  if (kept == disk->until) disk->until = NULL;
  list_add(&disk->spent, kept);
  if (disk->reading == 0) list_free(&disk->spent);
  write_out(disk);
}

static const struct kept *newest(const struct disk *disk) {
  return disk->kept.first == NULL ? NULL : REACTOR_OF(disk->kept.last, const struct kept, next);
}

static void start_flush(struct disk *disk, struct block_request *request) {
  disk->flushed = request;
  disk->until = newest(disk);
  disk->step = STARTING;
}

static void start_waiting(struct disk *disk) {
  struct block_request *request = REACTOR_OF(disk->waiting, struct block_request, link);
  disk->waiting = request->link.next;
  if (disk->waiting == NULL) disk->waiting_last = &disk->waiting;
  start_flush(disk, request);
}

static void free_closed(void *context) {
  struct disk *disk = context;
  void (*closed)(void *context) = disk->closed;
  void *closed_context = disk->closed_context;
  list_free(&disk->kept);
  list_free(&disk->spent);
  free(disk);
  closed(closed_context);
}

static void close_if_idle(struct disk *disk) {
  if (disk->closed == NULL || disk->is_closing || disk->reading > 0 || disk->early > 0) return;
  disk->is_closing = true;
  disk->below->kind->close(disk->below, free_closed, disk);
}

static void on_proceed(struct reactor_task *task) {
  struct disk *disk = REACTOR_OF(task, struct disk, proceed);
  if (disk->step == IDLE && disk->waiting != NULL) start_waiting(disk);
  else if (disk->step == IDLE && disk->closed != NULL && disk->kept.first != NULL && !disk->is_off) start_flush(disk, NULL);
  /* What goes to the disk ahead must not land on top of what the flush writes. */
  if (disk->step == STARTING && disk->early == 0) write_out(disk);
  else if (disk->step == IDLE) close_if_idle(disk);
}

static void submit(struct block_target *target, struct block_request *request) {
  struct disk *disk = REACTOR_OF(target, struct disk, target);
  if (disk->closed != NULL || disk->is_off) {
    block_end_later(target->reactor, request, disk->closed != NULL ? -ESHUTDOWN : -EIO);
    return;
  }
  switch ((enum block_verb)request->verb) {
    case BLOCK_READ:
      read_through(disk, request);
      break;
    case BLOCK_WRITE:
    case BLOCK_DISCARD:
    case BLOCK_ZERO:
      change(disk, request);
      break;
    case BLOCK_FLUSH:
      wait_for_flush(disk, request);
      break;
  }
}

static void on_below_failed(struct block_target *below, const struct block_failure *failure) {
  struct block_target *target = below->owner;
  if (target->failed != NULL) target->failed(target, failure);
}

static void close_disk(struct block_target *target, void (*closed)(void *context), void *context) {
  struct disk *disk = REACTOR_OF(target, struct disk, target);
  disk->closed = closed;
  disk->closed_context = context;
  proceed_later(disk);
}

static const struct block_target_kind kind = {.name = "power", .submit = submit, .close = close_disk};

struct block_target *power_make(struct block_target *below, uint64_t seed) {
  struct disk *disk = calloc(1, sizeof *disk);
  if (disk == NULL) return NULL;
  disk->target = *below;
  disk->target.kind = &kind;
  disk->below = below;
  below->failed = on_below_failed;
  below->owner = &disk->target;
  disk->random = random_seeded(seed);
  list_init(&disk->kept);
  list_init(&disk->spent);
  disk->waiting_last = &disk->waiting;
  disk->proceed.run = on_proceed;
  disk->carried.done = on_carried;
  return &disk->target;
}

bool power_is(const struct block_target *target) {
  return target->kind == &kind;
}

void power_cut(struct block_target *target) {
  struct disk *disk = REACTOR_OF(target, struct disk, target);
  if (disk->is_off) return;
  disk->is_off = true;
  for (const struct kept *kept = disk->kept.first; kept != NULL; kept = kept->next) {
    if (random_below(&disk->random, 2) == 0) write_early(disk, kept);
  }
}
