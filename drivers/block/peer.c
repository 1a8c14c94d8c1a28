#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "hash.h"

#define CHECK_US 1000000
/* A connection that has asked for more than this without an answer does not keep to what remote.h says. */
#define JOBS_MAX 4096
#define HASH_BYTES_MAX BLOCK_REQUEST_MAX

/* A frame that is carried out. */
struct peer_job {
  struct block_request request;
  struct stream_frame answer, receipt;
  struct peer *peer;
  struct frame frame;
  uint8_t *data;
  uint32_t answer_bytes;
  int error;
  bool is_done;
  struct peer_job *next;
};

/* A write that is kept hot, in the order of sequences as the primary sent them. */
struct kept {
  uint64_t sequence, offset;
  uint32_t length;
};

struct peer {
  struct stream stream;
  struct peer_options options;
  struct peer_job *free_jobs;
  uint32_t under_way;
  uint64_t settled;
  /* A ring by sequence: what is done and not settled. */
  struct kept kept[JOBS_MAX];
  bool is_over;
  int reason;
  struct reactor_task room, ended;
  struct gate_wait gate_room;
  bool waits_for_gate;
  struct reactor_timer timer;
};

static struct peer_job *take_job(struct peer *peer) {
  struct peer_job *job = peer->free_jobs;
  if (job != NULL) peer->free_jobs = job->next;
  else job = malloc(sizeof *job);
  if (job == NULL) return NULL;
  memset(job, 0, offsetof(struct peer_job, next));
  job->peer = peer;
  peer->under_way++;
  return job;
}

static void end_if_idle(struct peer *peer) {
  if (peer->is_over && peer->under_way == 0) reactor_later(peer->stream.reactor, &peer->ended);
}

static void free_job(struct peer_job *job) {
  struct peer *peer = job->peer;
  if (job->data != NULL) pool_give(reactor_pool(peer->stream.reactor), job->data);
  job->next = peer->free_jobs;
  peer->free_jobs = job;
  peer->under_way--;
  end_if_idle(peer);
}

/* ---- what is hot until it is settled */

static void settle(struct peer *peer, uint64_t settled) {
  if (peer->options.leg == NULL) return;
  for (uint64_t count = 0; peer->settled < settled && count < JOBS_MAX; count++) {
    struct kept *kept = &peer->kept[++peer->settled % JOBS_MAX];
    if (kept->sequence != peer->settled) continue;
    leg_leave(peer->options.leg, kept->offset, kept->length);
    kept->sequence = 0;
  }
  if (peer->settled < settled) peer->settled = settled;
}

static bool writes(const struct peer_job *job) {
  return job->frame.kind == FRAME_WRITE || job->frame.kind == FRAME_DISCARD || job->frame.kind == FRAME_ZERO;
}

static void keep(struct peer_job *job) {
  struct peer *peer = job->peer;
  if (peer->options.leg == NULL || !peer->options.leg->keeps_entries || !writes(job) || job->error != 0) return;
  if (peer->is_over) {
    leg_keep(peer->options.leg, job->frame.offset, job->frame.length);
  } else if (job->frame.sequence <= peer->settled) {
    leg_leave(peer->options.leg, job->frame.offset, job->frame.length);
  } else {
    peer->kept[job->frame.sequence % JOBS_MAX] =
        (struct kept){.sequence = job->frame.sequence, .offset = job->frame.offset, .length = job->frame.length};
  }
}

static void keep_all(struct peer *peer) {
  if (peer->options.leg == NULL) return;
  for (int place = 0; place < JOBS_MAX; place++) {
    struct kept *kept = &peer->kept[place];
    if (kept->sequence != 0) leg_keep(peer->options.leg, kept->offset, kept->length);
    kept->sequence = 0;
  }
}

/* ---- answers */

static void answered(struct stream_frame *out) {
  struct peer_job *job = REACTOR_OF(out, struct peer_job, answer);
  if (!job->receipt.queued) free_job(job);
}

static void receipt_sent(struct stream_frame *out) {
  struct peer_job *job = REACTOR_OF(out, struct peer_job, receipt);
  if (job->is_done && !job->answer.queued) free_job(job);
}

static void answer(struct peer_job *job, int error, const uint8_t *data, uint32_t length) {
  struct peer *peer = job->peer;
  job->error = error;
  job->is_done = true;
  keep(job);
  if (peer->stream.is_over) {
    if (!job->receipt.queued) free_job(job);
    return;
  }
  if (error != 0) length = 0;
  struct frame frame = {.kind = job->frame.kind | FRAME_REPLY,
                        .error = (uint16_t)-error,
                        .length = job->frame.length,
                        .payload = length,
                        .offset = job->frame.offset,
                        .sequence = job->frame.sequence,
                        .term = job->frame.term};
  if (length > 0) frame.payload_crc = crc32c(0, data, length);
  frame_write(&frame, job->answer.header);
  job->answer.data = data;
  job->answer.length = length;
  job->answer.sent = answered;
  stream_send(&peer->stream, &job->answer);
}

static void send_receipt(struct peer_job *job) {
  struct frame frame = {.kind = FRAME_RECEIVED, .sequence = job->frame.sequence, .term = job->frame.term};
  frame_write(&frame, job->receipt.header);
  job->receipt.sent = receipt_sent;
  stream_send(&job->peer->stream, &job->receipt);
}

/* ---- requests */

static void request_done(struct block_request *request, int error) {
  struct peer_job *job = REACTOR_OF(request, struct peer_job, request);
  answer(job, error, job->data, job->frame.kind == FRAME_READ ? job->frame.length : 0);
}

/* In place: a hash is shorter than what it is of. */
static void hash_done(struct block_request *request, int error) {
  struct peer_job *job = REACTOR_OF(request, struct peer_job, request);
  uint32_t count = 0;
  for (uint32_t at = 0; error == 0 && at < job->frame.length; at += BITMAP_GRAIN_BYTES) {
    uint8_t hash[HASH_BYTES];
    uint32_t left = job->frame.length - at;
    hash_of(job->data + at, left < BITMAP_GRAIN_BYTES ? left : BITMAP_GRAIN_BYTES, hash);
    memcpy(job->data + HASH_BYTES * (size_t)count++, hash, HASH_BYTES);
  }
  answer(job, error, job->data, count * HASH_BYTES);
}

static void submit(struct peer_job *job, enum block_verb verb, void (*done)(struct block_request *request, int error)) {
  const struct frame *frame = &job->frame;
  job->request.verb = (uint8_t)verb;
  job->request.flags = (uint8_t)((frame->flags & FRAME_FUA ? BLOCK_FUA : 0) | (frame->flags & FRAME_NO_HOLE ? BLOCK_NO_HOLE : 0));
  job->request.offset = frame->offset;
  job->request.length = frame->length;
  job->request.data = job->data;
  job->request.term = frame->term;
  job->request.done = done;
  block_submit(&job->peer->options.gate->target, &job->request);
}

/* Bits of a bitmap, whole blocks from its memory: they are copied, for they may change while they are sent. */
static void answer_bitmap(struct peer_job *job) {
  const struct leg *leg = job->peer->options.leg;
  const struct frame *frame = &job->frame;
  uint64_t first = frame->offset / 8, bytes = frame->length / 8;
  if (leg == NULL || frame->error >= LEG_PEERS_MAX || (frame->offset | frame->length) % 64 != 0 || bytes == 0 || bytes > POOL_BUFFER_MIN ||
      first + bytes > bitmap_bytes(leg->superblock.size)) {
    answer(job, -EINVAL, NULL, 0);
    return;
  }
  bool is_used = (leg->superblock.bitmaps >> frame->error & 1) != 0;
  if (is_used) memcpy(job->data, (const uint8_t *)leg->bitmaps[frame->error].words + first, bytes);
  else memset(job->data, 0, bytes);
  answer(job, 0, job->data, (uint32_t)bytes);
}

static uint32_t room_for(const struct frame *frame) {
  switch (frame->kind) {
    case FRAME_READ:
    case FRAME_WRITE:
    case FRAME_HASH:
      return frame->length;
    case FRAME_BITMAP:
      return POOL_BUFFER_MIN;
    default:
      return 0;
  }
}

static void gate_has_room(struct gate_wait *wait) {
  struct peer *peer = REACTOR_OF(wait, struct peer, gate_room);
  peer->waits_for_gate = false;
  stream_resume(&peer->stream);
}

static void pool_has_room(struct reactor_task *task) {
  stream_resume(&REACTOR_OF(task, struct peer, room)->stream);
}

/* A payload's place is that of a job's data, found again by heard(). */
static bool admit(struct stream *stream, const struct frame *frame, uint8_t **place) {
  struct peer *peer = REACTOR_OF(stream, struct peer, stream);
  uint32_t room = room_for(frame);
  if ((frame->kind & FRAME_REPLY) != 0 || frame->kind == FRAME_RECEIVED || room > BLOCK_REQUEST_MAX || peer->under_way >= JOBS_MAX) {
    stream_end(stream, -EBADMSG);
    return true;
  }
  if (gate_is_full(peer->options.gate)) {
    if (!peer->waits_for_gate) {
      peer->waits_for_gate = true;
      gate_wait_for_room(peer->options.gate, &peer->gate_room);
    }
    return false;
  }
  if (room == 0) return true;
  *place = pool_take(reactor_pool(stream->reactor), room);
  if (*place == NULL) pool_wait(reactor_pool(stream->reactor), &peer->room);
  return *place != NULL;
}

static void abandoned(struct stream *stream, const struct frame *frame, uint8_t *payload) {
  (void)frame;
  pool_give(reactor_pool(stream->reactor), payload);
}

static void carry_out(struct peer_job *job) {
  const struct peer *peer = job->peer;
  switch (job->frame.kind) {
    case FRAME_READ:
      submit(job, BLOCK_READ, request_done);
      return;
    case FRAME_WRITE:
      submit(job, BLOCK_WRITE, request_done);
      return;
    case FRAME_FLUSH:
      submit(job, BLOCK_FLUSH, request_done);
      return;
    case FRAME_DISCARD:
      submit(job, BLOCK_DISCARD, request_done);
      return;
    case FRAME_ZERO:
      submit(job, BLOCK_ZERO, request_done);
      return;
    case FRAME_HASH:
      submit(job, BLOCK_READ, hash_done);
      return;
    default:
      if (job->frame.term != peer->options.gate->term) answer(job, -ESTALE, NULL, 0);
      else if (job->frame.kind == FRAME_BITMAP) answer_bitmap(job);
      else answer(job, 0, NULL, 0);
  }
}

static void heard(struct stream *stream, const struct frame *frame, uint8_t *payload) {
  struct peer *peer = REACTOR_OF(stream, struct peer, stream);
  struct peer_job *job = take_job(peer);
  if (job == NULL) {
    if (payload != NULL) pool_give(reactor_pool(stream->reactor), payload);
    stream_end(stream, -ENOMEM);
    return;
  }
  settle(peer, frame->settled);
  job->frame = *frame;
  job->data = payload;
  if ((frame->flags & FRAME_RECEIPT) != 0 && frame->term == peer->options.gate->term) send_receipt(job);
  carry_out(job);
}

static void session_ended(struct reactor_task *task) {
  struct peer *peer = REACTOR_OF(task, struct peer, ended);
  reactor_forget(peer->stream.reactor, &peer->room);
  if (peer->options.leg != NULL) leg_leave_alone(peer->options.leg);
  peer->options.ended(peer, peer->reason);
}

static void stream_ended(struct stream *stream, int reason) {
  struct peer *peer = REACTOR_OF(stream, struct peer, stream);
  peer->is_over = true;
  peer->reason = reason;
  reactor_timer_cancel(stream->reactor, &peer->timer);
  pool_wait_no_more(reactor_pool(stream->reactor), &peer->room);
  if (peer->waits_for_gate) gate_wait_no_more(peer->options.gate, &peer->gate_room);
  keep_all(peer);
  end_if_idle(peer);
}

static const struct stream_kind kind = {.admit = admit, .heard = heard, .abandoned = abandoned, .ended = stream_ended};

static void check(struct reactor_timer *timer) {
  struct peer *peer = REACTOR_OF(timer, struct peer, timer);
  int64_t now = reactor_now_us(peer->stream.reactor);
  if (!peer->stream.is_paused && now - peer->stream.heard_us > PEER_SILENCE_US) {
    stream_end(&peer->stream, -ETIMEDOUT);
    return;
  }
  reactor_timer_set(peer->stream.reactor, timer, now + CHECK_US);
}

struct peer *peer_start(struct reactor *reactor, int fd, const struct peer_options *options) {
  struct peer *peer = calloc(1, sizeof *peer);
  if (peer == NULL || stream_start(&peer->stream, reactor, fd, &kind) < 0) {
    free(peer);
    return NULL;
  }
  peer->options = *options;
  peer->room.run = pool_has_room;
  peer->ended.run = session_ended;
  peer->gate_room.done = gate_has_room;
  peer->timer.expired = check;
  if (options->leg != NULL) {
    options->leg->keeps_entries = true;
    leg_use(options->leg);
  }
  reactor_timer_set(reactor, &peer->timer, reactor_now_us(reactor) + CHECK_US);
  return peer;
}

void peer_end(struct peer *peer, int reason) {
  stream_end(&peer->stream, reason);
}

void *peer_owner(const struct peer *peer) {
  return peer->options.owner;
}

void peer_free(struct peer *peer) {
  while (peer->free_jobs != NULL) {
    struct peer_job *job = peer->free_jobs;
    peer->free_jobs = job->next;
    free(job);
  }
  free(peer);
}
