#define _GNU_SOURCE
#include "leg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK SUPERBLOCK_BYTES

/* A request through the target, whose extents are to be hot first. */
struct leg_job {
  struct block_request request, *outer;
  struct leg_entry entry;
  struct leg *leg;
  struct leg_job *next;
};

static void start_flush(struct leg *leg);
static void close_if_idle(struct leg *leg);

static void submit_io(struct leg *leg, struct block_request *request, enum block_verb verb, uint8_t flags, uint64_t offset, uint32_t length,
                      uint8_t *data, void (*done)(struct block_request *request, int error)) {
  memset(request, 0, sizeof *request);
  request->verb = (uint8_t)verb;
  request->flags = flags;
  request->offset = offset;
  request->length = length;
  request->data = data;
  request->done = done;
  request->context = leg;
  block_submit(leg->backing, request);
}

/* Metadata that cannot be written: nothing may be written any more that would rely on it. */
static int broken(struct leg *leg, int error, uint64_t offset) {
  if (!leg->is_broken) {
    leg->is_broken = true;
    struct block_failure failure = {.verb = BLOCK_WRITE, .error = error, .offset = offset, .length = BLOCK};
    if (leg->target.failed != NULL) leg->target.failed(&leg->target, &failure);
  }
  return -EIO;
}

/* ---- bitmaps to the disk */

static bool lacks(const struct bitmap *bitmap, uint64_t block, bool all) {
  return bitmap->lacks_set[block] != 0 || (all && bitmap->lacks_clear[block] != 0);
}

/* The next block that the flush has to write; false at the end. */
static bool next_block(struct leg *leg, const struct leg_flush *flush, unsigned *number, uint64_t *block) {
  for (; leg->flush_bitmap < LEG_PEERS_MAX; leg->flush_bitmap++, leg->flush_at = 0) {
    const struct bitmap *bitmap = &leg->bitmaps[leg->flush_bitmap];
    if ((leg->superblock.bitmaps >> leg->flush_bitmap & 1) == 0) continue;
    uint64_t count = flush->all ? bitmap->block_count : flush->extent_count;
    while (leg->flush_at < count) {
      uint64_t at = leg->flush_at++;
      *block = flush->all ? at : flush->extents[at] / BITMAP_BLOCK_WORDS;
      *number = leg->flush_bitmap;
      if (lacks(bitmap, *block, flush->all)) return true;
    }
  }
  return false;
}

static void end_flush(struct leg *leg) {
  struct leg_flush *flush = leg->flushes;
  int error = leg->flush_error;
  leg->flushes = flush->next;
  if (leg->flushes == NULL) leg->flushes_last = &leg->flushes;
  else start_flush(leg);
  flush->done(flush, error);
  close_if_idle(leg);
}

static void go_on_flushing(struct leg *leg);

static void flushed(struct block_request *request, int error) {
  struct leg *leg = request->context;
  struct leg_flush_io *io = REACTOR_OF(request, struct leg_flush_io, request);
  io->is_busy = false;
  leg->flush_under_way--;
  if (error != 0) leg->flush_error = broken(leg, error, request->offset);
  go_on_flushing(leg);
}

static void go_on_flushing(struct leg *leg) {
  unsigned number;
  uint64_t block;
  for (int index = 0; index < LEG_FLUSH_IOS && leg->flush_error == 0; index++) {
    struct leg_flush_io *io = &leg->flush_ios[index];
    if (io->is_busy) continue;
    if (!next_block(leg, leg->flushes, &number, &block)) break;
    struct bitmap *bitmap = &leg->bitmaps[number];
    bitmap->lacks_set[block] = bitmap->lacks_clear[block] = 0;
    memcpy(io->block, (uint8_t *)bitmap->words + block * BLOCK, BLOCK);
    io->is_busy = true;
    leg->flush_under_way++;
    leg->counters.bitmap_blocks++;
    submit_io(leg, &io->request, BLOCK_WRITE, 0, superblock_bitmap_place(&leg->superblock, number) + block * BLOCK, BLOCK, io->block, flushed);
  }
  if (leg->flush_under_way == 0) end_flush(leg);
}

static void start_flush(struct leg *leg) {
  leg->flush_bitmap = 0;
  leg->flush_at = 0;
  leg->flush_error = leg->is_broken ? -EIO : 0;
  go_on_flushing(leg);
}

/* Flushes go one after the other: of two copies of a block that are under way, the older one could land last. */
void leg_flush_bitmaps(struct leg *leg, struct leg_flush *flush) {
  bool is_idle = leg->flushes == NULL;
  flush->next = NULL;
  *leg->flushes_last = flush;
  leg->flushes_last = &flush->next;
  if (is_idle) start_flush(leg);
}

/* ---- the log */

static void enter_crowded(struct leg *leg);

static void end_wanting(struct leg *leg, int error) {
  struct leg_entry *entry = leg->wanting;
  leg->wanting = NULL;
  leg->wanting_last = &leg->wanting;
  while (entry != NULL) {
    struct leg_entry *next = entry->next;
    if (error == 0 && entry->since > leg->activity.durable) {
      entry->next = NULL;
      *leg->wanting_last = entry;
      leg->wanting_last = &entry->next;
    } else {
      if (error != 0) leg_leave(leg, entry->offset, entry->length);
      entry->entered(entry, error);
    }
    entry = next;
  }
}

static void end_logging(struct leg *leg, int error) {
  leg->is_logging = false;
  if (error == 0) activity_written(&leg->activity, leg->log_sequence);
  end_wanting(leg, error);
  enter_crowded(leg);
  if (leg->wanting != NULL) reactor_at_turn_end(leg->target.reactor, &leg->log_task);
  close_if_idle(leg);
}

static void log_written(struct block_request *request, int error) {
  struct leg *leg = request->context;
  end_logging(leg, error != 0 ? broken(leg, error, request->offset) : 0);
}

static void write_log(struct leg *leg) {
  leg->counters.log_blocks++;
  submit_io(leg, &leg->log_request, BLOCK_WRITE, BLOCK_FUA, superblock_log_place(&leg->superblock, leg->log_sequence), BLOCK, leg->log_block,
            log_written);
}

static void log_flushed(struct block_request *request, int error) {
  struct leg *leg = request->context;
  if (error != 0) end_logging(leg, broken(leg, error, 0));
  else write_log(leg);
}

static void evicted_flushed(struct leg_flush *flush, int error) {
  struct leg *leg = REACTOR_OF(flush, struct leg, evicted_flush);
  if (error != 0) end_logging(leg, error);
  else submit_io(leg, &leg->log_request, BLOCK_FLUSH, 0, 0, 0, NULL, log_flushed);
}

/* What is left out must not be missed: its bits and its data are durable before the block that does not have it. */
static void start_logging(struct reactor_task *task) {
  struct leg *leg = REACTOR_OF(task, struct leg, log_task);
  if (leg->is_logging) return;
  leg->is_logging = true;
  if (leg->is_broken) {
    end_logging(leg, -EIO);
    return;
  }
  leg->log_sequence = activity_write(&leg->activity, leg->log_block, leg->evicted, &leg->evicted_count);
  leg->counters.evictions += leg->evicted_count;
  if (leg->evicted_count == 0) {
    write_log(leg);
    return;
  }
  leg->evicted_flush = (struct leg_flush){.done = evicted_flushed, .extents = leg->evicted, .extent_count = leg->evicted_count};
  leg_flush_bitmaps(leg, &leg->evicted_flush);
}

/* False when there was no room for all; what it has by then it keeps. */
static bool pin(struct leg *leg, struct leg_entry *entry) {
  for (; entry->next_extent < entry->end_extent; entry->next_extent++) {
    uint64_t since;
    if (activity_pin(&leg->activity, entry->next_extent, &since) == ACTIVITY_FULL) return false;
    if (since > entry->since) entry->since = since;
  }
  return true;
}

static void want(struct leg *leg, struct leg_entry *entry) {
  entry->next = NULL;
  *leg->wanting_last = entry;
  leg->wanting_last = &entry->next;
  leg->counters.waits++;
  reactor_at_turn_end(leg->target.reactor, &leg->log_task);
}

/* Only the first of those that wait has a part of its extents, so that two never keep each other from the rest. */
static void enter_crowded(struct leg *leg) {
  while (leg->crowded != NULL && pin(leg, leg->crowded)) {
    struct leg_entry *entry = leg->crowded;
    leg->crowded = entry->next;
    if (leg->crowded == NULL) leg->crowded_last = &leg->crowded;
    if (entry->since > leg->activity.durable) want(leg, entry);
    else entry->entered(entry, 0);
  }
}

static void enter_crowded_later(struct reactor_task *task) {
  enter_crowded(REACTOR_OF(task, struct leg, crowd_task));
}

bool leg_fits(const struct leg *leg, uint32_t length) {
  return (length >> BITMAP_EXTENT_SHIFT) + 2 <= leg->activity.limit;
}

bool leg_enter(struct leg *leg, struct leg_entry *entry) {
  entry->next_extent = (uint32_t)(entry->offset >> BITMAP_EXTENT_SHIFT);
  entry->end_extent = (uint32_t)((entry->offset + entry->length - 1) >> BITMAP_EXTENT_SHIFT) + 1;
  entry->since = 0;
  leg->counters.entries++;
  if (leg->crowded != NULL || !pin(leg, entry)) {
    entry->next = NULL;
    *leg->crowded_last = entry;
    leg->crowded_last = &entry->next;
    return false;
  }
  if (entry->since <= leg->activity.durable) return true;
  want(leg, entry);
  return false;
}

void leg_leave(struct leg *leg, uint64_t offset, uint32_t length) {
  uint32_t end = (uint32_t)((offset + length - 1) >> BITMAP_EXTENT_SHIFT) + 1;
  for (uint32_t extent = (uint32_t)(offset >> BITMAP_EXTENT_SHIFT); extent < end; extent++) activity_unpin(&leg->activity, extent);
  if (leg->crowded != NULL) reactor_later(leg->target.reactor, &leg->crowd_task);
}

void leg_keep(struct leg *leg, uint64_t offset, uint32_t length) {
  /* A leg that was promoted has been told of what its old primary left. */
  if (!leg->keeps_entries) {
    leg_leave(leg, offset, length);
    return;
  }
  struct leg_left *left = malloc(sizeof *left);
  /* Without memory it stays entered for ever, which is the safe side. */
  if (left == NULL) return;
  *left = (struct leg_left){.offset = offset, .length = length, .next = leg->left};
  leg->left = left;
}

void leg_forget(struct leg *leg) {
  while (leg->left != NULL) {
    struct leg_left *left = leg->left;
    leg->left = left->next;
    leg_leave(leg, left->offset, left->length);
    free(left);
  }
}

void leg_mark(struct leg *leg, uint32_t bitmaps, uint64_t offset, uint32_t length) {
  bitmaps &= leg->superblock.bitmaps;
  for (unsigned number = 0; bitmaps != 0; number++, bitmaps >>= 1) {
    if ((bitmaps & 1) != 0) bitmap_set(&leg->bitmaps[number], offset, length);
  }
}

/* ---- what is durable when it is done */

static void suspect(struct leg *leg, uint32_t bitmaps) {
  for (int slot = 0; slot < ACTIVITY_HOT_MAX; slot++) {
    if (!leg->activity.slots[slot].taken) continue;
    for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
      if ((bitmaps >> number & 1) != 0) bitmap_unite(&leg->bitmaps[number], leg->activity.slots[slot].extent, UINT64_MAX);
    }
  }
}

static void end_work(struct leg *leg, int error) {
  struct leg_work *work = leg->works;
  leg->works = work->next;
  if (leg->works == NULL) leg->works_last = &leg->works;
  else reactor_later(leg->target.reactor, &leg->work_task);
  work->done(work, error);
  close_if_idle(leg);
}

static void start_work(struct reactor_task *task) {
  struct leg *leg = REACTOR_OF(task, struct leg, work_task);
  leg->work_step = 0;
  if (leg->is_broken) end_work(leg, -EIO);
  else leg->works->run(leg->works);
}

static void add_work(struct leg *leg, struct leg_work *work) {
  work->leg = leg;
  work->next = NULL;
  if (leg->works == NULL) reactor_later(leg->target.reactor, &leg->work_task);
  *leg->works_last = work;
  leg->works_last = &work->next;
}

static void work_io_done(struct block_request *request, int error) {
  struct leg *leg = request->context;
  if (error != 0) end_work(leg, broken(leg, error, request->offset));
  else leg->works->run(leg->works);
}

static void work_flush_done(struct leg_flush *flush, int error) {
  struct leg *leg = REACTOR_OF(flush, struct leg, work_flush);
  if (error != 0) end_work(leg, error);
  else submit_io(leg, &leg->work_request, BLOCK_FLUSH, 0, 0, 0, NULL, work_io_done);
}

/* The bitmaps' blocks, then a flush; then the work's next step. */
static void flush_for_work(struct leg *leg) {
  leg->work_flush = (struct leg_flush){.done = work_flush_done, .all = true};
  leg_flush_bitmaps(leg, &leg->work_flush);
}

static void prepare_bitmaps(struct leg *leg, const struct leg_record *record) {
  uint32_t fresh = record->bitmaps & ~leg->superblock.bitmaps;
  leg->superblock.bitmaps = record->bitmaps;
  leg->superblock.missing = record->missing & record->bitmaps;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    struct bitmap *bitmap = &leg->bitmaps[number];
    if ((fresh >> number & 1) != 0) {
      bitmap_clear_all(bitmap);
      memset(bitmap->lacks_set, 1, bitmap->block_count);
    }
    if ((record->fill & record->bitmaps) >> number & 1) bitmap_set_all(bitmap);
  }
  suspect(leg, fresh);
}

static void run_record(struct leg_work *work) {
  struct leg *leg = work->leg;
  const struct leg_record *record = REACTOR_OF(work, struct leg_record, work);
  switch (leg->work_step++) {
    case 0:
      if ((record->bitmaps & ~leg->superblock.bitmaps) == 0 && (record->fill & record->bitmaps) == 0) {
        leg->superblock.bitmaps = record->bitmaps;
        leg->superblock.missing = record->missing & record->bitmaps;
        run_record(work);
        return;
      }
      prepare_bitmaps(leg, record);
      flush_for_work(leg);
      return;
    case 1:
      leg->work_step = 2;
      leg->superblock.term = record->term;
      leg->superblock.state_bytes = record->state_bytes;
      memcpy(leg->superblock.state, record->state, record->state_bytes);
      leg->superblock.sequence++;
      leg->counters.superblocks++;
      superblock_write(&leg->superblock, leg->work_block);
      submit_io(leg, &leg->work_request, BLOCK_WRITE, BLOCK_FUA, superblock_place(&leg->superblock, leg->superblock.sequence), BLOCK,
                leg->work_block, work_io_done);
      return;
    default:
      end_work(leg, 0);
  }
}

void leg_record(struct leg *leg, struct leg_record *record) {
  record->work.run = run_record;
  add_work(leg, &record->work);
}

static bool has_pins(const struct leg *leg) {
  if (leg->is_logging || leg->wanting != NULL || leg->crowded != NULL) return true;
  for (int slot = 0; slot < ACTIVITY_HOT_MAX; slot++) {
    if (leg->activity.slots[slot].taken && leg->activity.slots[slot].pins > 0) return true;
  }
  return false;
}

static void apply_change(struct leg *leg, const struct leg_change *change) {
  uint32_t bitmaps = change->bitmaps & leg->superblock.bitmaps;
  if (change->action == LEG_BITMAP_SUSPECT) suspect(leg, bitmaps);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if ((bitmaps >> number & 1) == 0) continue;
    if (change->action == LEG_BITMAP_FILL) bitmap_set_all(&leg->bitmaps[number]);
    if (change->action == LEG_BITMAP_CLEAR) bitmap_clear_all(&leg->bitmaps[number]);
  }
}

static void run_change(struct leg_work *work) {
  struct leg *leg = work->leg;
  const struct leg_change *change = REACTOR_OF(work, struct leg_change, work);
  int step = leg->work_step++;
  if (step == 0) {
    apply_change(leg, change);
    flush_for_work(leg);
  } else if (step == 1 && change->action == LEG_BITMAP_CLOSE) {
    if (has_pins(leg)) {
      end_work(leg, -EBUSY);
      return;
    }
    uint64_t sequence = activity_close(&leg->activity, leg->work_block);
    activity_init(&leg->activity, sequence, leg->activity.limit);
    submit_io(leg, &leg->work_request, BLOCK_WRITE, BLOCK_FUA, superblock_log_place(&leg->superblock, sequence), BLOCK, leg->work_block,
              work_io_done);
  } else {
    if (change->action == LEG_BITMAP_SUSPECT) leg_forget(leg);
    end_work(leg, 0);
  }
}

void leg_change(struct leg *leg, struct leg_change *change) {
  change->work.run = run_change;
  add_work(leg, &change->work);
}

/* ---- as a target */

static void free_job(struct leg_job *job) {
  struct leg *leg = job->leg;
  job->next = leg->free_jobs;
  leg->free_jobs = job;
  leg->jobs_under_way--;
  close_if_idle(leg);
}

static void job_done(struct block_request *request, int error) {
  struct leg_job *job = REACTOR_OF(request, struct leg_job, request);
  struct block_request *outer = job->outer;
  if (error != 0 || !job->leg->keeps_entries) leg_leave(job->leg, job->entry.offset, job->entry.length);
  free_job(job);
  block_end(outer, error);
}

static void job_start(struct leg_job *job) {
  const struct block_request *outer = job->outer;
  leg_mark(job->leg, job->leg->superblock.missing, outer->offset, outer->length);
  submit_io(job->leg, &job->request, outer->verb, outer->flags, outer->offset, outer->length, outer->data, job_done);
}

static void job_entered(struct leg_entry *entry, int error) {
  struct leg_job *job = REACTOR_OF(entry, struct leg_job, entry);
  if (error == 0) {
    job_start(job);
    return;
  }
  struct block_request *outer = job->outer;
  free_job(job);
  block_end(outer, error);
}

static void submit(struct block_target *target, struct block_request *request) {
  struct leg *leg = REACTOR_OF(target, struct leg, target);
  if (request->verb == BLOCK_READ || request->verb == BLOCK_FLUSH) {
    block_submit(leg->backing, request);
    return;
  }
  struct leg_job *job = leg->free_jobs;
  if (job != NULL) leg->free_jobs = job->next;
  else job = malloc(sizeof *job);
  int error = job == NULL ? -ENOMEM : leg->is_broken ? -EIO : leg_fits(leg, request->length) ? 0 : -EINVAL;
  if (error != 0) {
    free(job);
    block_end_later(target->reactor, request, error);
    return;
  }
  leg->jobs_under_way++;
  job->leg = leg;
  job->outer = request;
  job->entry = (struct leg_entry){.offset = request->offset, .length = request->length, .entered = job_entered};
  if (leg_enter(leg, &job->entry)) job_start(job);
}

static void free_leg(struct leg *leg) {
  leg_forget(leg);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) bitmap_free(&leg->bitmaps[number]);
  while (leg->free_jobs != NULL) {
    struct leg_job *job = leg->free_jobs;
    leg->free_jobs = job->next;
    free(job);
  }
  free(leg->memory);
  free(leg);
}

static void close_now(struct reactor_task *task) {
  struct leg *leg = REACTOR_OF(task, struct leg, close_task);
  if (leg->jobs_under_way > 0 || leg->is_logging || leg->works != NULL || leg->flushes != NULL || leg->wanting != NULL || leg->users > 0) return;
  void (*closed)(void *context) = leg->closed;
  void *context = leg->closed_context;
  reactor_forget(leg->target.reactor, &leg->log_task);
  reactor_forget(leg->target.reactor, &leg->crowd_task);
  free_leg(leg);
  closed(context);
}

static void close_if_idle(struct leg *leg) {
  if (leg->closed != NULL) reactor_later(leg->target.reactor, &leg->close_task);
}

static void close_leg(struct block_target *target, void (*closed)(void *context), void *context) {
  struct leg *leg = REACTOR_OF(target, struct leg, target);
  leg->closed = closed;
  leg->closed_context = context;
  close_if_idle(leg);
}

static const struct block_target_kind leg_kind = {.name = "leg", .submit = submit, .close = close_leg};

struct leg *leg_of(struct block_target *target) {
  return target != NULL && target->kind == &leg_kind ? REACTOR_OF(target, struct leg, target) : NULL;
}

void leg_use(struct leg *leg) {
  leg->users++;
}

void leg_leave_alone(struct leg *leg) {
  leg->users--;
  close_if_idle(leg);
}

/* NULL when there is no memory. */
static struct leg *make_leg(struct block_target *backing, const struct superblock *superblock) {
  struct leg *leg = calloc(1, sizeof *leg);
  void *memory = NULL;
  if (leg == NULL || posix_memalign(&memory, BLOCK, (2 + LEG_FLUSH_IOS) * BLOCK) != 0) {
    free(leg);
    return NULL;
  }
  leg->memory = memory;
  leg->log_block = leg->memory;
  leg->work_block = leg->memory + BLOCK;
  for (int index = 0; index < LEG_FLUSH_IOS; index++) leg->flush_ios[index].block = leg->memory + (size_t)(2 + index) * BLOCK;
  leg->target = *backing;
  leg->target.kind = &leg_kind;
  leg->target.size = superblock->size;
  leg->target.failed = NULL;
  leg->target.owner = NULL;
  leg->backing = backing;
  leg->superblock = *superblock;
  leg->crowded_last = &leg->crowded;
  leg->wanting_last = &leg->wanting;
  leg->flushes_last = &leg->flushes;
  leg->works_last = &leg->works;
  leg->log_task.run = start_logging;
  leg->crowd_task.run = enter_crowded_later;
  leg->work_task.run = start_work;
  leg->close_task.run = close_now;
  activity_init(&leg->activity, 0, ACTIVITY_HOT_MAX);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if (bitmap_init(&leg->bitmaps[number], superblock->size) == 0) continue;
    free_leg(leg);
    return NULL;
  }
  return leg;
}

/* ---- opening */

enum opening_step { OPENING_SUPERBLOCKS, OPENING_LOG, OPENING_BITMAPS, OPENING_FLUSHED };

static void end_opening(struct leg_opening *opening, int error) {
  free(opening->buffer);
  opening->buffer = NULL;
  if (error != 0 && opening->leg != NULL) {
    free_leg(opening->leg);
    opening->leg = NULL;
  }
  opening->done(opening, opening->leg, error);
}

static void opening_read(struct block_request *request, int error);

static void read_next(struct leg_opening *opening, uint8_t *into, uint64_t offset, uint32_t length) {
  memset(&opening->request, 0, sizeof opening->request);
  opening->request = (struct block_request){
      .verb = BLOCK_READ, .offset = offset, .length = length, .data = into, .done = opening_read, .context = opening};
  block_submit(opening->backing, &opening->request);
}

static int choose_superblock(struct leg_opening *opening) {
  struct superblock first, second;
  bool has_second = superblock_read(&second, opening->buffer, opening->end);
  bool has_first = superblock_read(&first, opening->buffer + BLOCK, opening->end);
  if (!has_first && !has_second) return -ENODATA;
  opening->found = !has_second || (has_first && first.sequence > second.sequence) ? first : second;
  opening->leg = make_leg(opening->backing, &opening->found);
  return opening->leg == NULL ? -ENOMEM : 0;
}

static void choose_log(struct leg_opening *opening) {
  uint32_t extents[ACTIVITY_HOT_MAX], count;
  uint64_t sequence;
  for (int block = 0; block < LEG_LOG_BLOCKS; block++) {
    if (!activity_read(opening->buffer + (size_t)block * BLOCK, &sequence, extents, &count) || sequence <= opening->log_sequence) continue;
    opening->log_sequence = sequence;
    opening->hot_count = count;
    memcpy(opening->hot, extents, count * sizeof *extents);
  }
}

/* Reads on in the bitmaps; false when all are read. `at` counts bytes over all bitmaps. */
static bool read_bitmap(struct leg_opening *opening) {
  struct leg *leg = opening->leg;
  uint64_t bytes = bitmap_bytes(leg->superblock.size);
  for (; opening->at / bytes < LEG_PEERS_MAX; opening->at = (opening->at / bytes + 1) * bytes) {
    unsigned number = (unsigned)(opening->at / bytes);
    if ((leg->superblock.bitmaps >> number & 1) == 0) continue;
    uint64_t within = opening->at % bytes, left = bytes - within;
    uint32_t length = left < BLOCK_REQUEST_MAX ? (uint32_t)left : BLOCK_REQUEST_MAX;
    opening->at += length;
    read_next(opening, (uint8_t *)leg->bitmaps[number].words + within, superblock_bitmap_place(&leg->superblock, number) + within, length);
    return true;
  }
  return false;
}

static void opening_flushed(struct block_request *request, int error) {
  end_opening(request->context, error);
}

static void opening_bitmaps_flushed(struct leg_flush *flush, int error) {
  struct leg_opening *opening = REACTOR_OF(flush, struct leg_opening, flush);
  if (error != 0) end_opening(opening, error);
  else {
    opening->request = (struct block_request){.verb = BLOCK_FLUSH, .done = opening_flushed, .context = opening};
    block_submit(opening->backing, &opening->request);
  }
}

static void apply_log(struct leg_opening *opening) {
  struct leg *leg = opening->leg;
  activity_init(&leg->activity, opening->log_sequence, opening->hot_max == 0 ? ACTIVITY_HOT_MAX : opening->hot_max);
  leg->hot_at_open = opening->hot_count;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if ((leg->superblock.bitmaps >> number & 1) == 0) continue;
    bitmap_recount(&leg->bitmaps[number]);
    for (uint32_t index = 0; index < opening->hot_count; index++) bitmap_unite(&leg->bitmaps[number], opening->hot[index], UINT64_MAX);
  }
  /* Who only looks leaves it as it is. */
  if (opening->backing->read_only) {
    end_opening(opening, 0);
    return;
  }
  opening->flush = (struct leg_flush){.done = opening_bitmaps_flushed, .all = true};
  leg_flush_bitmaps(leg, &opening->flush);
}

static void opening_read(struct block_request *request, int error) {
  struct leg_opening *opening = request->context;
  if (error == 0 && opening->step == OPENING_SUPERBLOCKS) error = choose_superblock(opening);
  if (error != 0) {
    end_opening(opening, error);
    return;
  }
  switch (opening->step) {
    case OPENING_SUPERBLOCKS:
      opening->step = OPENING_LOG;
      read_next(opening, opening->buffer, opening->end - (2 + LEG_LOG_BLOCKS) * BLOCK, LEG_LOG_BLOCKS * BLOCK);
      return;
    case OPENING_LOG:
      choose_log(opening);
      opening->step = OPENING_BITMAPS;
      __attribute__((fallthrough));
    default:
      if (!read_bitmap(opening)) apply_log(opening);
  }
}

static void fail_later(struct leg_opening *opening, int error) {
  opening->request = (struct block_request){.done = opening_flushed, .context = opening};
  block_end_later(opening->backing->reactor, &opening->request, error);
}

void leg_open(struct leg_opening *opening) {
  opening->leg = NULL;
  opening->step = OPENING_SUPERBLOCKS;
  opening->at = opening->log_sequence = opening->hot_count = 0;
  if (opening->end == 0) opening->end = opening->backing->size - opening->backing->size % BLOCK;
  void *buffer = NULL;
  bool has_memory = posix_memalign(&buffer, BLOCK, LEG_LOG_BLOCKS * BLOCK) == 0;
  opening->buffer = has_memory ? buffer : NULL;
  if (!has_memory) fail_later(opening, -ENOMEM);
  else if (opening->end < (2 + LEG_LOG_BLOCKS) * BLOCK) fail_later(opening, -ENODATA);
  else read_next(opening, opening->buffer, opening->end - 2 * BLOCK, 2 * BLOCK);
}

/* ---- formatting: superblocks away, log empty, bitmaps, then the superblock */

enum formatting_step { FORMATTING_LOG, FORMATTING_BITMAPS, FORMATTING_FLUSH, FORMATTING_SUPERBLOCK, FORMATTING_END };

static void formatted(struct block_request *request, int error);

static void format_write(struct leg_format *format, enum block_verb verb, uint8_t flags, uint64_t offset, uint32_t length) {
  format->request = (struct block_request){.verb = (uint8_t)verb, .flags = flags, .offset = offset, .length = length, .data = format->buffer,
                                           .done = formatted, .context = format};
  block_submit(format->backing, &format->request);
}

static void fill_bits(struct leg_format *format) {
  memset(format->buffer, 0xff, (2 + LEG_LOG_BLOCKS) * BLOCK);
}

static void formatted(struct block_request *request, int error) {
  struct leg_format *format = request->context;
  struct superblock *superblock = &format->superblock;
  uint64_t bitmaps_at = superblock_bitmap_place(superblock, 0), bitmaps_end = superblock->end - (2 + LEG_LOG_BLOCKS) * BLOCK;
  if (error == 0 && format->step == FORMATTING_LOG) {
    format->step = FORMATTING_BITMAPS;
    format->at = bitmaps_at;
    fill_bits(format);
  }
  if (error == 0 && format->step == FORMATTING_BITMAPS && format->at < bitmaps_end) {
    uint64_t left = bitmaps_end - format->at, most = (2 + LEG_LOG_BLOCKS) * BLOCK;
    uint32_t length = (uint32_t)(left < most ? left : most);
    format->at += length;
    format_write(format, BLOCK_WRITE, 0, format->at - length, length);
    return;
  }
  if (error == 0 && format->step == FORMATTING_BITMAPS) {
    format->step = FORMATTING_FLUSH;
    format_write(format, BLOCK_FLUSH, 0, 0, 0);
    return;
  }
  if (error == 0 && format->step == FORMATTING_FLUSH) {
    format->step = FORMATTING_SUPERBLOCK;
    superblock->sequence = 2;
    superblock_write(superblock, format->buffer);
    format_write(format, BLOCK_WRITE, BLOCK_FUA, superblock_place(superblock, superblock->sequence), BLOCK);
    return;
  }
  free(format->buffer);
  format->buffer = NULL;
  format->done(format, error);
}

void leg_format(struct leg_format *format) {
  struct superblock *superblock = &format->superblock;
  uint64_t backing = format->backing->size;
  superblock->end = backing - backing % BLOCK;
  uint64_t largest = superblock_size_for(superblock->end);
  if (superblock->size == 0) superblock->size = largest;
  void *buffer = NULL;
  int error = superblock->size == 0 || superblock->size > largest ? -ENOSPC : superblock->size % BLOCK != 0 ? -EINVAL : 0;
  if (error == 0 && posix_memalign(&buffer, BLOCK, (2 + LEG_LOG_BLOCKS) * BLOCK) != 0) error = -ENOMEM;
  format->buffer = buffer;
  format->step = FORMATTING_LOG;
  if (error != 0) {
    format->step = FORMATTING_END;
    format->request = (struct block_request){.done = formatted, .context = format};
    block_end_later(format->backing->reactor, &format->request, error);
    return;
  }
  memset(format->buffer, 0, (2 + LEG_LOG_BLOCKS) * BLOCK);
  format_write(format, BLOCK_WRITE, 0, superblock->end - (2 + LEG_LOG_BLOCKS) * BLOCK, (2 + LEG_LOG_BLOCKS) * BLOCK);
}
