#define _GNU_SOURCE
#include "resync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "hash.h"

#define STEP_US 20000
#define TELL_US 500000
/* What may be saved up while nothing is begun. */
#define BURST_US 100000
#define CHUNK_GRAINS (BLOCK_REQUEST_MAX / BITMAP_GRAIN_BYTES)
#define UNITE_BITS (POOL_BUFFER_MIN * 8)
#define UNBOUND INT64_MAX

static void finish_chunk(struct resync_chunk *chunk);
static void send_differing(struct resync_chunk *chunk);

static struct bitmap *bitmap_of(const struct resync *resync) {
  return &resync->mirror->leg->bitmaps[resync->peer];
}

static struct remote *remote_of(const struct resync *resync) {
  return resync->is_over ? NULL : resync->mirror->peers[resync->peer].remote;
}

static bool verifies(const struct resync *resync) {
  return (resync->flags & RESYNC_VERIFY) != 0;
}

static void go_on(struct resync *resync) {
  reactor_later(resync->mirror->target.reactor, &resync->step);
}

uint64_t resync_left_bytes(const struct resync *resync) {
  if (!verifies(resync)) return bitmap_of(resync)->set_count << BITMAP_GRAIN_SHIFT;
  return resync->total_bytes > resync->done_bytes ? resync->total_bytes - resync->done_bytes : 0;
}

void resync_stop(struct resync *resync, int reason) {
  if (resync->is_over) return;
  resync->is_over = true;
  resync->error = reason;
  go_on(resync);
}

/* ---- a chunk */

static uint32_t length_of(const struct resync_chunk *chunk) {
  return (uint32_t)(chunk->range.end - chunk->range.offset);
}

static uint32_t grains_of(const struct resync_chunk *chunk) {
  return (uint32_t)((length_of(chunk) + BITMAP_GRAIN_BYTES - 1) >> BITMAP_GRAIN_SHIFT);
}

/* The bytes of the grains from `first` to before `end`; the device's last one may be short. */
static uint32_t bytes_of(const struct resync_chunk *chunk, uint32_t first, uint32_t end) {
  uint64_t until = (uint64_t)end << BITMAP_GRAIN_SHIFT;
  return (uint32_t)((until < length_of(chunk) ? until : length_of(chunk)) - ((uint64_t)first << BITMAP_GRAIN_SHIFT));
}

static bool differs(const struct resync_chunk *chunk, uint32_t grain) {
  return (chunk->differing >> grain & 1) != 0;
}

/* The next run of grains that differ, from `at` on; its length, or 0. */
static uint32_t next_run(struct resync_chunk *chunk) {
  uint32_t grains = grains_of(chunk), run = 0;
  while (chunk->at < grains && !differs(chunk, chunk->at)) chunk->at++;
  while (chunk->at + run < grains && differs(chunk, chunk->at + run)) run++;
  return run;
}

static void tell_differing(struct resync_chunk *chunk) {
  struct resync *resync = chunk->resync;
  struct mirror *mirror = resync->mirror;
  for (chunk->at = 0; (chunk->run = next_run(chunk)) > 0; chunk->at += chunk->run) {
    uint64_t offset = chunk->range.offset + ((uint64_t)chunk->at << BITMAP_GRAIN_SHIFT);
    uint32_t bytes = bytes_of(chunk, chunk->at, chunk->at + chunk->run);
    resync->differing_bytes += bytes;
    if ((resync->flags & RESYNC_MARK) != 0) bitmap_set(bitmap_of(resync), offset, bytes);
    mirror->listener.differs(mirror, resync->peer, offset, bytes);
  }
}

static void compare(struct resync_chunk *chunk) {
  for (uint32_t grain = 0; grain < grains_of(chunk); grain++) {
    uint8_t hash[HASH_BYTES];
    hash_of(chunk->data + ((size_t)grain << BITMAP_GRAIN_SHIFT), bytes_of(chunk, grain, grain + 1), hash);
    if (memcmp(hash, chunk->hashes + (size_t)grain * HASH_BYTES, HASH_BYTES) != 0) chunk->differing |= 1u << grain;
  }
}

static void chunk_known(struct resync_chunk *chunk) {
  struct resync *resync = chunk->resync;
  if (chunk->error != 0 || resync->is_over) {
    finish_chunk(chunk);
    return;
  }
  if ((resync->flags & (RESYNC_COMPARE | RESYNC_VERIFY)) != 0) compare(chunk);
  else chunk->differing = UINT32_MAX;
  if (verifies(resync)) {
    tell_differing(chunk);
    finish_chunk(chunk);
    return;
  }
  chunk->at = 0;
  send_differing(chunk);
}

static void part_done(struct resync_chunk *chunk, int error) {
  if (error != 0) chunk->error = error;
  if (--chunk->parts_left == 0) chunk_known(chunk);
}

static void read_done(struct block_request *request, int error) {
  part_done(REACTOR_OF(request, struct resync_chunk, request), error);
}

static void hashes_done(struct remote_call *call, int error) {
  struct resync_chunk *chunk = REACTOR_OF(call, struct resync_chunk, call);
  if (error == 0 && call->replied_bytes != grains_of(chunk) * HASH_BYTES) error = -EBADMSG;
  part_done(chunk, error);
}

static void write_done(struct remote_call *call, int error) {
  struct resync_chunk *chunk = REACTOR_OF(call, struct resync_chunk, call);
  struct resync *resync = chunk->resync;
  if (error != 0) {
    chunk->error = error;
    finish_chunk(chunk);
    return;
  }
  resync->sent_bytes += call->length;
  chunk->at += chunk->run;
  send_differing(chunk);
}

static void send_differing(struct resync_chunk *chunk) {
  struct remote *remote = remote_of(chunk->resync);
  chunk->run = remote != NULL ? next_run(chunk) : 0;
  if (chunk->run == 0) {
    if (remote == NULL) chunk->error = -ECANCELED;
    finish_chunk(chunk);
    return;
  }
  uint8_t *data = chunk->data + ((size_t)chunk->at << BITMAP_GRAIN_SHIFT);
  uint32_t length = bytes_of(chunk, chunk->at, chunk->at + chunk->run);
  if ((chunk->resync->flags & RESYNC_COMPARE) != 0) chunk->resync->differing_bytes += length;
  chunk->call = (struct remote_call){.kind = FRAME_WRITE,
                                     .flags = FRAME_RESYNC,
                                     .offset = chunk->range.offset + ((uint64_t)chunk->at << BITMAP_GRAIN_SHIFT),
                                     .length = length,
                                     .data = data,
                                     .data_crc = crc32c(0, data, length),
                                     .done = write_done};
  remote_call(remote, &chunk->call);
}

static void finish_chunk(struct resync_chunk *chunk) {
  struct resync *resync = chunk->resync;
  if (chunk->error == 0) {
    resync->done_bytes += length_of(chunk);
    if (!verifies(resync)) bitmap_clear(bitmap_of(resync), chunk->range.offset, length_of(chunk));
  } else {
    resync_stop(resync, chunk->error);
  }
  resync->under_way--;
  resync->bytes_under_way -= length_of(chunk);
  pool_give(reactor_pool(resync->mirror->target.reactor), chunk->data);
  chunk->is_busy = false;
  range_give(&resync->mirror->ranges, &chunk->range);
  go_on(resync);
}

static void chunk_granted(struct range *range) {
  struct resync_chunk *chunk = REACTOR_OF(range, struct resync_chunk, range);
  struct resync *resync = chunk->resync;
  struct remote *remote = remote_of(resync);
  if (remote == NULL) {
    chunk->error = -ECANCELED;
    finish_chunk(chunk);
    return;
  }
  bool asks_hashes = (resync->flags & (RESYNC_COMPARE | RESYNC_VERIFY)) != 0;
  chunk->parts_left = asks_hashes ? 2 : 1;
  chunk->request = (struct block_request){
      .verb = BLOCK_READ, .offset = range->offset, .length = length_of(chunk), .data = chunk->data, .done = read_done};
  block_submit(resync->mirror->leg->backing, &chunk->request);
  if (!asks_hashes) return;
  chunk->call = (struct remote_call){.kind = FRAME_HASH,
                                     .offset = range->offset,
                                     .length = length_of(chunk),
                                     .into = chunk->hashes,
                                     .into_bytes = sizeof chunk->hashes,
                                     .done = hashes_done};
  remote_call(remote, &chunk->call);
}

/* ---- the walk */

/* The next grains to be looked at: how many, 0 at the end. */
static uint64_t next_grains(struct resync *resync, uint64_t *first) {
  const struct bitmap *bitmap = bitmap_of(resync);
  if (verifies(resync)) {
    *first = resync->cursor;
    uint64_t left = resync->cursor < bitmap->grain_count ? bitmap->grain_count - resync->cursor : 0;
    return left < CHUNK_GRAINS ? left : CHUNK_GRAINS;
  }
  *first = bitmap_next(bitmap, resync->cursor);
  /* What was set behind the walk is found when nothing of the walk is under way any more. */
  if (*first == BITMAP_NONE && resync->under_way == 0) *first = bitmap_next(bitmap, 0);
  return *first == BITMAP_NONE ? 0 : bitmap_run(bitmap, *first, CHUNK_GRAINS);
}

static struct resync_chunk *idle_chunk(struct resync *resync) {
  for (int index = 0; index < RESYNC_CHUNKS_MAX; index++) {
    if (!resync->chunks[index].is_busy) return &resync->chunks[index];
  }
  return NULL;
}

static bool may_begin(const struct resync *resync) {
  uint32_t fill = resync->mirror->options.resync_fill;
  return resync->tokens > 0 && (resync->under_way == 0 || resync->bytes_under_way < fill);
}

/* False when there is nothing to begin, or not now. */
static bool begin_chunk(struct resync *resync) {
  struct resync_chunk *chunk = idle_chunk(resync);
  uint64_t first, grains;
  if (chunk == NULL || !may_begin(resync) || (grains = next_grains(resync, &first)) == 0) return false;
  uint64_t offset = first << BITMAP_GRAIN_SHIFT, end = (first + grains) << BITMAP_GRAIN_SHIFT, size = resync->mirror->target.size;
  if (end > size) end = size;
  struct pool *pool = reactor_pool(resync->mirror->target.reactor);
  uint8_t *data = pool_take(pool, (uint32_t)(end - offset));
  if (data == NULL) {
    pool_wait(pool, &resync->room);
    return false;
  }
  chunk->resync = resync;
  chunk->range = (struct range){.offset = offset, .end = end, .granted = chunk_granted};
  chunk->data = data;
  chunk->differing = 0;
  chunk->error = 0;
  chunk->is_busy = true;
  resync->cursor = first + grains;
  resync->under_way++;
  resync->bytes_under_way += end - offset;
  if (resync->tokens != UNBOUND) resync->tokens -= (int64_t)(end - offset);
  if (range_take(&resync->mirror->ranges, &chunk->range)) chunk_granted(&chunk->range);
  return true;
}

static void resync_end(struct resync *resync);

static void bitmaps_flushed(struct leg_flush *flush, int error) {
  struct resync *resync = REACTOR_OF(flush, struct resync, flush);
  if (error != 0 && resync->error == 0) resync->error = error;
  reactor_later(resync->mirror->target.reactor, &resync->end);
}

/* Bits that are clear by now need not stay on the disk. */
static void finish(struct resync *resync) {
  resync->is_over = true;
  resync->is_flushing = true;
  pool_wait_no_more(reactor_pool(resync->mirror->target.reactor), &resync->room);
  reactor_timer_cancel(resync->mirror->target.reactor, &resync->timer);
  resync->flush = (struct leg_flush){.done = bitmaps_flushed, .all = true};
  leg_flush_bitmaps(resync->mirror->leg, &resync->flush);
}

static void peer_flushed(struct remote_call *call, int error) {
  struct resync *resync = REACTOR_OF(call, struct resync, call);
  resync->is_flushing = false;
  resync->is_flushed = error == 0;
  if (error != 0) resync_stop(resync, error);
  go_on(resync);
}

/* All is sent. What the peer has it must keep, before it counts. */
static void complete(struct resync *resync) {
  struct mirror_peer *peer = &resync->mirror->peers[resync->peer];
  if (verifies(resync)) {
    finish(resync);
  } else if (!resync->is_flushed) {
    resync->is_flushing = true;
    resync->call = (struct remote_call){.kind = FRAME_FLUSH, .done = peer_flushed};
    remote_call(remote_of(resync), &resync->call);
  } else {
    if ((resync->flags & RESYNC_COUNTS) != 0) peer->state = MIRROR_IN_SYNC;
    finish(resync);
  }
}

static void step(struct reactor_task *task) {
  struct resync *resync = REACTOR_OF(task, struct resync, step);
  if (resync->is_flushing || resync->is_uniting) return;
  if (resync->is_over) {
    if (resync->under_way == 0) finish(resync);
    return;
  }
  while (!resync->is_over && begin_chunk(resync)) resync->is_flushed = false;
  uint64_t first;
  if (!resync->is_over && resync->under_way == 0 && next_grains(resync, &first) == 0) complete(resync);
}

static void room(struct reactor_task *task) {
  go_on(REACTOR_OF(task, struct resync, room));
}

/* Without hosts as fast as it may; beside them as fast as they are, so that half is left for them. */
static void fill_tokens(struct resync *resync, int64_t elapsed_us) {
  const struct mirror_options *options = &resync->mirror->options;
  uint64_t hosts = resync->mirror->host_bytes - resync->host_bytes;
  uint64_t rate = options->resync_most;
  resync->host_bytes = resync->mirror->host_bytes;
  if (hosts > 0) {
    uint64_t beside = hosts * 1000000 / (uint64_t)(elapsed_us > 0 ? elapsed_us : 1);
    if (beside < options->resync_least) beside = options->resync_least;
    if (rate == 0 || beside < rate) rate = beside;
  }
  if (rate == 0) {
    resync->tokens = UNBOUND;
    return;
  }
  int64_t most = (int64_t)(rate * BURST_US / 1000000);
  if (resync->tokens == UNBOUND) resync->tokens = 0;
  resync->tokens += (int64_t)(rate * (uint64_t)elapsed_us / 1000000);
  if (resync->tokens > most) resync->tokens = most;
}

static void expired(struct reactor_timer *timer) {
  struct resync *resync = REACTOR_OF(timer, struct resync, timer);
  struct reactor *reactor = resync->mirror->target.reactor;
  int64_t now = reactor_now_us(reactor);
  fill_tokens(resync, now - resync->stepped_us);
  resync->stepped_us = now;
  if (now - resync->told_us >= TELL_US) {
    resync->told_us = now;
    resync->mirror->listener.progress(resync->mirror, resync->peer, resync);
  }
  reactor_timer_set(reactor, timer, now + STEP_US);
  go_on(resync);
}

static void ended(struct reactor_task *task) {
  struct resync *resync = REACTOR_OF(task, struct resync, end);
  reactor_forget(resync->mirror->target.reactor, &resync->step);
  reactor_forget(resync->mirror->target.reactor, &resync->room);
  resync_end(resync);
}

static void resync_end(struct resync *resync) {
  struct mirror *mirror = resync->mirror;
  mirror->peers[resync->peer].resync = NULL;
  if (mirror->closed == NULL) mirror->listener.resync_ended(mirror, resync->peer, resync, resync->error);
  else reactor_later(mirror->target.reactor, &mirror->close_task);
  free(resync);
}

/* ---- the peer's own bitmap */

static void ask_bits(struct resync *resync);

static void bits_heard(struct remote_call *call, int error) {
  struct resync *resync = REACTOR_OF(call, struct resync, call);
  struct pool *pool = reactor_pool(resync->mirror->target.reactor);
  for (uint32_t at = 0; error == 0 && at + 8 <= call->replied_bytes; at += 8) {
    bitmap_unite(bitmap_of(resync), resync->unite_at / 64 + at / 8, get_u64(resync->bits + at));
  }
  resync->unite_at += call->length;
  if (error == 0 && resync->unite_at < bitmap_of(resync)->word_count * 64 && !resync->is_over) {
    ask_bits(resync);
    return;
  }
  pool_give(pool, resync->bits);
  resync->is_uniting = false;
  resync->total_bytes = resync_left_bytes(resync);
  if (error != 0) resync_stop(resync, error);
  go_on(resync);
}

static void ask_bits(struct resync *resync) {
  resync->call = (struct remote_call){.kind = FRAME_BITMAP,
                                      .number = (uint16_t)resync->mirror->peers[resync->peer].their_bitmap,
                                      .offset = resync->unite_at,
                                      .length = UNITE_BITS,
                                      .into = resync->bits,
                                      .into_bytes = POOL_BUFFER_MIN,
                                      .done = bits_heard};
  remote_call(remote_of(resync), &resync->call);
}

int resync_start(struct mirror *mirror, unsigned number, uint32_t flags, uint64_t from) {
  struct mirror_peer *peer = number < LEG_PEERS_MAX ? &mirror->peers[number] : NULL;
  if (peer == NULL || peer->remote == NULL || peer->is_leaving) return -ENOTCONN;
  if (peer->resync != NULL) return -EBUSY;
  struct reactor *reactor = mirror->target.reactor;
  struct resync *resync = calloc(1, sizeof *resync);
  uint8_t *bits = resync != NULL && (flags & RESYNC_UNITE) != 0 ? pool_take(reactor_pool(reactor), POOL_BUFFER_MIN) : NULL;
  if (resync == NULL || ((flags & RESYNC_UNITE) != 0 && bits == NULL)) {
    free(resync);
    return -ENOMEM;
  }
  resync->mirror = mirror;
  resync->peer = number;
  resync->flags = flags;
  resync->cursor = from >> BITMAP_GRAIN_SHIFT;
  resync->host_bytes = mirror->host_bytes;
  resync->stepped_us = resync->told_us = reactor_now_us(reactor);
  resync->step.run = step;
  resync->end.run = ended;
  resync->room.run = room;
  resync->timer.expired = expired;
  peer->resync = resync;
  if ((flags & RESYNC_ALL) != 0 && !verifies(resync)) bitmap_set_all(bitmap_of(resync));
  resync->total_bytes = verifies(resync) ? mirror->target.size - from : resync_left_bytes(resync);
  fill_tokens(resync, STEP_US);
  reactor_timer_set(reactor, &resync->timer, resync->stepped_us + STEP_US);
  if (bits != NULL) {
    resync->bits = bits;
    resync->is_uniting = true;
    ask_bits(resync);
  } else {
    go_on(resync);
  }
  return 0;
}
