#define _GNU_SOURCE
#include "mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "resync.h"

/* A call to one peer. */
struct mirror_part {
  struct remote_call call;
  struct mirror_job *job;
  uint64_t session;
  bool is_used;
};

/* A request that changes something, or a flush. */
struct mirror_job {
  struct mirror *mirror;
  struct block_request *outer, local;
  struct range range;
  struct leg_entry entry;
  uint8_t *own;                /* a copy of the data, where it is acknowledged before all legs have it */
  uint64_t offset;
  uint32_t length, needs;      /* peers without which it is not acknowledged */
  uint8_t verb, flags;
  int parts_left, error;
  bool is_local_done, is_acknowledged, is_behind, is_counted;
  struct mirror_job *next, **back, *next_congested;
  struct mirror_part parts[LEG_PEERS_MAX];
};

static void start(struct mirror_job *job);
static void try_to_end(struct mirror_job *job);
static void close_if_idle(struct mirror *mirror);

static bool changes(const struct mirror_job *job) {
  return job->verb != BLOCK_FLUSH;
}

/* ---- the bitmaps */

static void note_difference(const struct mirror_job *job, uint32_t peers) {
  if (changes(job)) leg_mark(job->mirror->leg, peers, job->offset, job->length);
}

/* ---- the end of a job */

static void free_job(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  *job->back = job->next;
  if (job->next != NULL) job->next->back = job->back;
  if (job->own != NULL) pool_give(reactor_pool(mirror->target.reactor), job->own);
  job->next = mirror->free_jobs;
  mirror->free_jobs = job;
  close_if_idle(mirror);
}

/* Whether its acknowledgment would leave more than the bound for the peers to catch up with. */
static bool is_congested(const struct mirror *mirror, const struct mirror_job *job) {
  return mirror->options.protocol == MIRROR_ASYNCHRONOUS && mirror->behind_bytes > 0 &&
         mirror->behind_bytes + job->length > mirror->options.behind_bytes_max;
}

static void relieve(struct mirror *mirror) {
  while (mirror->congested != NULL && !is_congested(mirror, mirror->congested)) {
    struct mirror_job *job = mirror->congested;
    mirror->congested = job->next_congested;
    if (mirror->congested == NULL) mirror->congested_last = &mirror->congested;
    job->is_behind = false;
    try_to_end(job);
  }
}

/* All legs have it: its range is free, its extents may go cold, and the peers may know. */
static void retire(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    struct mirror_part *part = &job->parts[number];
    struct mirror_peer *peer = &mirror->peers[number];
    if (part->is_used && part->call.settles_later && peer->remote != NULL && peer->session == part->session) {
      remote_settle(peer->remote, &part->call);
    }
  }
  if (changes(job)) {
    if (job->is_counted) mirror->behind_bytes -= job->length;
    leg_leave(mirror->leg, job->offset, job->length);
    range_give(&mirror->ranges, &job->range);
  }
  free_job(job);
  relieve(mirror);
}

static void acknowledge(struct mirror_job *job) {
  struct block_request *outer = job->outer;
  job->is_acknowledged = true;
  job->is_counted = job->parts_left > 0 && changes(job);
  if (job->is_counted) job->mirror->behind_bytes += job->length;
  job->outer = NULL;
  block_end(outer, job->error);
}

static void leave_congested(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  struct mirror_job **link = &mirror->congested;
  while (*link != job) link = &(*link)->next_congested;
  *link = job->next_congested;
  if (mirror->congested_last == &job->next_congested) mirror->congested_last = link;
  job->is_behind = false;
}

static void try_to_end(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  if (job->is_behind && job->parts_left == 0) leave_congested(job);
  if (!job->is_acknowledged && job->is_local_done && job->needs == 0 && !job->is_behind) {
    if (job->parts_left > 0 && is_congested(mirror, job)) {
      mirror->counters.congested++;
      job->is_behind = true;
      job->next_congested = NULL;
      *mirror->congested_last = job;
      mirror->congested_last = &job->next_congested;
    } else {
      acknowledge(job);
    }
  }
  if (job->is_acknowledged && job->parts_left == 0) retire(job);
}

/* ---- its parts */

static void part_done(struct remote_call *call, int error) {
  struct mirror_part *part = REACTOR_OF(call, struct mirror_part, call);
  struct mirror_job *job = part->job;
  struct mirror *mirror = job->mirror;
  unsigned number = (unsigned)(part - job->parts);
  struct mirror_peer *peer = &mirror->peers[number];
  job->parts_left--;
  if (error == 0) {
    job->needs &= ~(1u << number);
  } else {
    mirror->counters.peer_errors++;
    note_difference(job, 1u << number);
    /* What a peer does not do it does not have: it is lost as if its connection were. */
    if (peer->remote != NULL && peer->session == part->session) remote_end(peer->remote, error);
    if (peer->state != MIRROR_IN_SYNC) job->needs &= ~(1u << number);
  }
  try_to_end(job);
}

static void part_received(struct remote_call *call) {
  struct mirror_part *part = REACTOR_OF(call, struct mirror_part, call);
  struct mirror_job *job = part->job;
  job->needs &= ~(1u << (part - job->parts));
  try_to_end(job);
}

static void local_done(struct block_request *request, int error) {
  struct mirror_job *job = REACTOR_OF(request, struct mirror_job, local);
  job->is_local_done = true;
  job->parts_left--;
  if (error != 0) {
    job->mirror->counters.local_errors++;
    job->error = error;
    note_difference(job, UINT32_MAX);
  }
  try_to_end(job);
}

static uint8_t kind_of(uint8_t verb) {
  switch (verb) {
    case BLOCK_WRITE:
      return FRAME_WRITE;
    case BLOCK_FLUSH:
      return FRAME_FLUSH;
    default:
      return FRAME_ZERO;
  }
}

static void call_peer(struct mirror_job *job, unsigned number, const uint8_t *data, uint32_t data_crc) {
  const struct mirror *mirror = job->mirror;
  const struct mirror_peer *peer = &mirror->peers[number];
  struct mirror_part *part = &job->parts[number];
  bool by_receipt = mirror->options.protocol == MIRROR_MEMORY && job->own != NULL && (job->flags & BLOCK_FUA) == 0;
  bool is_awaited = mirror->options.protocol != MIRROR_ASYNCHRONOUS || (changes(job) && job->own == NULL && job->verb == BLOCK_WRITE);
  part->job = job;
  part->session = peer->session;
  part->is_used = true;
  part->call.kind = kind_of(job->verb);
  part->call.flags = (uint8_t)((job->flags & BLOCK_FUA ? FRAME_FUA : 0) | (job->flags & BLOCK_NO_HOLE ? FRAME_NO_HOLE : 0) |
                               (by_receipt ? FRAME_RECEIPT : 0));
  part->call.offset = job->offset;
  part->call.length = job->length;
  part->call.data = data;
  part->call.data_crc = data_crc;
  part->call.settles_later = true;
  part->call.done = part_done;
  part->call.received = by_receipt ? part_received : NULL;
  job->parts_left++;
  if (is_awaited) job->needs |= 1u << number;
  remote_call(peer->remote, &part->call);
}

/* The data is the host's only until the acknowledgment. Without a copy it is acknowledged when all legs have it. */
static const uint8_t *data_of(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  if (job->verb != BLOCK_WRITE || mirror->options.protocol == MIRROR_SYNCHRONOUS) return job->outer->data;
  job->own = pool_take(reactor_pool(mirror->target.reactor), job->length);
  if (job->own == NULL) {
    mirror->counters.bypassed_copies++;
    return job->outer->data;
  }
  memcpy(job->own, job->outer->data, job->length);
  return job->own;
}

static void start(struct mirror_job *job) {
  struct mirror *mirror = job->mirror;
  const uint8_t *data = data_of(job);
  uint32_t data_crc = 0, connected = 0;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    const struct mirror_peer *peer = &mirror->peers[number];
    bool is_called = peer->remote != NULL && (changes(job) || peer->state == MIRROR_IN_SYNC);
    if (is_called) connected |= 1u << number;
    else if (peer->is_lost) job->needs |= 1u << number;
  }
  note_difference(job, ~connected);
  if (connected != 0 && job->verb == BLOCK_WRITE) data_crc = crc32c(0, data, job->length);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if ((connected >> number & 1) != 0) call_peer(job, number, data, data_crc);
  }
  job->parts_left++;
  job->local = (struct block_request){.verb = job->verb,
                                      .flags = job->flags,
                                      .length = job->length,
                                      .offset = job->offset,
                                      .data = (uint8_t *)(uintptr_t)data,
                                      .done = local_done};
  block_submit(mirror->leg->backing, &job->local);
}

static void entered(struct leg_entry *entry, int error) {
  struct mirror_job *job = REACTOR_OF(entry, struct mirror_job, entry);
  struct mirror *mirror = job->mirror;
  if (error == 0) {
    start(job);
    return;
  }
  struct block_request *outer = job->outer;
  range_give(&mirror->ranges, &job->range);
  free_job(job);
  block_end(outer, error);
}

static void granted(struct range *range) {
  struct mirror_job *job = REACTOR_OF(range, struct mirror_job, range);
  job->entry.offset = job->offset;
  job->entry.length = job->length;
  job->entry.entered = entered;
  if (leg_enter(job->mirror->leg, &job->entry)) start(job);
}

static struct mirror_job *take_job(struct mirror *mirror, struct block_request *outer) {
  struct mirror_job *job = mirror->free_jobs;
  if (job != NULL) mirror->free_jobs = job->next;
  else job = calloc(1, sizeof *job);
  if (job == NULL) return NULL;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) job->parts[number].is_used = false;
  job->mirror = mirror;
  job->outer = outer;
  job->own = NULL;
  job->offset = outer->offset;
  job->length = outer->length;
  /* Discarded bytes could read differently on each leg; zeros do not, and give up the room as well. */
  job->verb = outer->verb == BLOCK_DISCARD ? BLOCK_ZERO : outer->verb;
  job->flags = outer->flags;
  job->needs = 0;
  job->parts_left = job->error = 0;
  job->is_local_done = job->is_acknowledged = job->is_behind = job->is_counted = false;
  job->next = mirror->jobs;
  job->back = &mirror->jobs;
  if (job->next != NULL) job->next->back = &job->next;
  mirror->jobs = job;
  return job;
}

static void submit(struct block_target *target, struct block_request *request) {
  struct mirror *mirror = REACTOR_OF(target, struct mirror, target);
  mirror->host_bytes += request->verb <= BLOCK_WRITE ? request->length : 0;
  if (request->verb == BLOCK_READ) {
    mirror->counters.reads++;
    block_submit(mirror->leg->backing, request);
    return;
  }
  struct mirror_job *job = take_job(mirror, request);
  int error = job == NULL ? -ENOMEM : mirror->leg->is_broken ? -EIO : leg_fits(mirror->leg, request->length) ? 0 : -EINVAL;
  if (error != 0) {
    if (job != NULL) free_job(job);
    block_end_later(target->reactor, request, error);
    return;
  }
  if (!changes(job)) {
    mirror->counters.flushes++;
    start(job);
    return;
  }
  mirror->counters.writes++;
  mirror->counters.write_bytes += job->length;
  job->range.offset = job->offset;
  job->range.end = job->offset + job->length;
  job->range.granted = granted;
  if (range_take(&mirror->ranges, &job->range)) granted(&job->range);
}

/* ---- peers */

static void remote_ended(struct remote *remote, int reason) {
  struct mirror_peer *peer = remote->options.owner;
  struct mirror *mirror = peer->mirror;
  unsigned number = (unsigned)(peer - mirror->peers);
  bool is_leaving = peer->is_leaving;
  free(remote);
  peer->remote = NULL;
  if (peer->resync != NULL) resync_stop(peer->resync, reason);
  if (peer->state == MIRROR_IN_SYNC) {
    peer->is_lost = true;
    mirror->lost |= 1u << number;
    mirror->counters.frozen++;
  } else {
    peer->state = MIRROR_ABSENT;
  }
  peer->is_leaving = false;
  if (mirror->is_abandoned) mirror_abandon(mirror);
  if (mirror->closed != NULL) close_if_idle(mirror);
  else if (!is_leaving) mirror->listener.lost(mirror, number, reason, peer->is_lost);
}

int mirror_attach(struct mirror *mirror, unsigned number, int fd, uint32_t their_bitmap, enum mirror_peer_state state) {
  struct mirror_peer *peer = number < LEG_PEERS_MAX ? &mirror->peers[number] : NULL;
  struct remote_options options = {.term = mirror->term, .timeout_us = mirror->options.timeout_us, .ended = remote_ended, .owner = peer};
  bool is_used = peer != NULL && (mirror->leg->superblock.bitmaps >> number & 1) != 0;
  int error = !is_used ? -EINVAL : peer->remote != NULL || peer->is_lost || peer->resync != NULL ? -EBUSY : 0;
  if (error != 0) {
    close(fd);
    return error;
  }
  peer->remote = remote_start(mirror->target.reactor, fd, &options);
  if (peer->remote == NULL) return -ENOMEM;
  peer->their_bitmap = their_bitmap;
  peer->state = state;
  peer->session++;
  return 0;
}

int mirror_set_state(struct mirror *mirror, unsigned number, enum mirror_peer_state state) {
  if (number >= LEG_PEERS_MAX) return -EINVAL;
  struct mirror_peer *peer = &mirror->peers[number];
  if (peer->remote == NULL) return state == MIRROR_ABSENT ? 0 : -ENOTCONN;
  if (state == MIRROR_ABSENT) {
    peer->is_leaving = true;
    remote_end(peer->remote, -ECANCELED);
  } else {
    peer->state = state;
  }
  return 0;
}

void mirror_proceed(struct mirror *mirror, uint32_t peers) {
  peers &= mirror->lost;
  mirror->lost &= ~peers;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if ((peers >> number & 1) == 0) continue;
    mirror->peers[number].is_lost = false;
    mirror->peers[number].state = MIRROR_ABSENT;
  }
  /* The end of one may be the end of others, so each time it begins anew. */
  for (struct mirror_job *job = mirror->jobs; job != NULL;) {
    if ((job->needs & peers) == 0) {
      job = job->next;
      continue;
    }
    job->needs &= ~peers;
    try_to_end(job);
    job = mirror->jobs;
  }
}

void mirror_set_options(struct mirror *mirror, const struct mirror_options *options) {
  mirror->options = *options;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if (mirror->peers[number].remote != NULL) mirror->peers[number].remote->options.timeout_us = options->timeout_us;
  }
  relieve(mirror);
}

void mirror_set_term(struct mirror *mirror, uint64_t term) {
  mirror->term = term;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if (mirror->peers[number].remote != NULL) mirror->peers[number].remote->options.term = term;
  }
}

/* ---- the end */

static void goodbye_done(struct remote_call *call, int error) {
  if (error == 0) remote_end(call->remote, -ESHUTDOWN);
}

/* The last thing that a peer hears is what is settled. */
static void leave_peers(struct mirror *mirror) {
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    struct mirror_peer *peer = &mirror->peers[number];
    if (peer->remote == NULL || peer->is_leaving) continue;
    peer->is_leaving = true;
    peer->goodbye = (struct remote_call){.kind = FRAME_PING, .done = goodbye_done};
    remote_call(peer->remote, &peer->goodbye);
  }
}

static bool has_peers(const struct mirror *mirror) {
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if (mirror->peers[number].remote != NULL || mirror->peers[number].resync != NULL) return true;
  }
  return false;
}

static void close_now(struct reactor_task *task) {
  struct mirror *mirror = REACTOR_OF(task, struct mirror, close_task);
  if (mirror->jobs != NULL) return;
  leave_peers(mirror);
  if (has_peers(mirror)) return;
  while (mirror->free_jobs != NULL) {
    struct mirror_job *job = mirror->free_jobs;
    mirror->free_jobs = job->next;
    free(job);
  }
  void (*closed)(void *context) = mirror->closed;
  void *context = mirror->closed_context;
  leg_leave_alone(mirror->leg);
  free(mirror);
  closed(context);
}

static void close_if_idle(struct mirror *mirror) {
  if (mirror->closed != NULL) reactor_later(mirror->target.reactor, &mirror->close_task);
}

void mirror_abandon(struct mirror *mirror) {
  mirror->is_abandoned = true;
  for (struct mirror_job *job = mirror->jobs; job != NULL; job = job->next) {
    if ((job->needs & mirror->lost) != 0 && job->error == 0) job->error = -ESHUTDOWN;
  }
  mirror_proceed(mirror, UINT32_MAX);
}

static void close_mirror(struct block_target *target, void (*closed)(void *context), void *context) {
  struct mirror *mirror = REACTOR_OF(target, struct mirror, target);
  mirror->closed = closed;
  mirror->closed_context = context;
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    if (mirror->peers[number].resync != NULL) resync_stop(mirror->peers[number].resync, -ESHUTDOWN);
  }
  mirror_abandon(mirror);
  close_if_idle(mirror);
}

static const struct block_target_kind kind = {.name = "mirror", .submit = submit, .close = close_mirror};

struct mirror *mirror_of(struct block_target *target) {
  return target != NULL && target->kind == &kind ? REACTOR_OF(target, struct mirror, target) : NULL;
}

struct mirror *mirror_make(struct leg *leg, uint64_t term, const struct mirror_options *options, const struct mirror_listener *listener) {
  struct mirror *mirror = calloc(1, sizeof *mirror);
  if (mirror == NULL) return NULL;
  mirror->target = leg->target;
  mirror->target.kind = &kind;
  mirror->target.failed = NULL;
  mirror->target.owner = NULL;
  /* Both become zeros on all legs alike. */
  mirror->target.can_discard = mirror->target.can_zero = true;
  mirror->leg = leg;
  mirror->term = term;
  mirror->options = *options;
  mirror->listener = *listener;
  mirror->congested_last = &mirror->congested;
  mirror->close_task.run = close_now;
  ranges_init(&mirror->ranges);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) mirror->peers[number].mirror = mirror;
  leg->keeps_entries = false;
  leg_forget(leg);
  leg_use(leg);
  return mirror;
}
