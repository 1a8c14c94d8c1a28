#include "remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_US 100000
/* What is quiet for so long is asked whether it is there, which also says what is settled. */
#define PING_US 500000
#define MASK (REMOTE_CALLS_MAX - 1)

static void end_call(struct remote_call *call) {
  struct remote *remote = call->remote;
  remote->under_way--;
  remote->bytes_under_way -= call->length;
  call->done(call, call->error);
}

/* Its frame may still be in the kernel's hands when the reply is here: a peer may answer what it has not read. */
static void call_sent(struct stream_frame *out) {
  struct remote_call *call = REACTOR_OF(out, struct remote_call, out);
  if (call->is_replied) end_call(call);
}

static void settle(struct remote *remote, uint64_t sequence) {
  remote->settled_ahead[sequence & MASK] = true;
  while (remote->settled_ahead[(remote->settled + 1) & MASK]) remote->settled_ahead[++remote->settled & MASK] = false;
}

static void reply(struct remote_call *call, int error) {
  struct remote *remote = call->remote;
  call->error = error;
  call->is_replied = true;
  remote->calls[call->sequence & MASK] = NULL;
  while (remote->oldest < remote->next && remote->calls[remote->oldest & MASK] == NULL) remote->oldest++;
  if (!call->settles_later) settle(remote, call->sequence);
  if (!call->out.queued) end_call(call);
}

static void send_call(struct remote *remote, struct remote_call *call) {
  call->sequence = remote->next++;
  call->since_us = reactor_now_us(remote->stream.reactor);
  call->is_replied = false;
  remote->calls[call->sequence & MASK] = call;
  struct frame frame = {.kind = call->kind,
                        .flags = call->flags,
                        .error = call->number,
                        .length = call->length,
                        .payload = call->kind == FRAME_WRITE ? call->length : 0,
                        .offset = call->offset,
                        .sequence = call->sequence,
                        .term = remote->options.term,
                        .settled = remote->settled,
                        .payload_crc = call->kind == FRAME_WRITE ? call->data_crc : 0};
  call->out.data = call->data;
  call->out.length = frame.payload;
  call->out.sent = call_sent;
  frame_write(&frame, call->out.header);
  stream_send(&remote->stream, &call->out);
}

static bool has_room(const struct remote *remote) {
  return remote->next - remote->settled < REMOTE_CALLS_MAX;
}

static void send_waiting(struct remote *remote) {
  while (remote->waiting != NULL && has_room(remote)) {
    struct remote_call *call = remote->waiting;
    remote->waiting = call->next;
    if (remote->waiting == NULL) remote->waiting_last = &remote->waiting;
    send_call(remote, call);
  }
}

void remote_call(struct remote *remote, struct remote_call *call) {
  call->remote = remote;
  call->replied_bytes = 0;
  remote->under_way++;
  remote->bytes_under_way += call->length;
  call->next = NULL;
  if (remote->waiting == NULL && has_room(remote)) {
    send_call(remote, call);
    return;
  }
  call->since_us = reactor_now_us(remote->stream.reactor);
  *remote->waiting_last = call;
  remote->waiting_last = &call->next;
}

void remote_settle(struct remote *remote, const struct remote_call *call) {
  settle(remote, call->sequence);
  send_waiting(remote);
}

static struct remote_call *call_of(const struct remote *remote, uint64_t sequence) {
  struct remote_call *call = remote->calls[sequence & MASK];
  return call != NULL && call->sequence == sequence ? call : NULL;
}

static bool admit(struct stream *stream, const struct frame *frame, uint8_t **place) {
  struct remote *remote = REACTOR_OF(stream, struct remote, stream);
  struct remote_call *call = call_of(remote, frame->sequence);
  bool fits = call != NULL && (frame->kind == FRAME_RECEIVED ? (call->flags & FRAME_RECEIPT) != 0 : frame->kind == (call->kind | FRAME_REPLY));
  if (!fits || frame->payload > call->into_bytes || (call->kind == FRAME_READ && frame->error == 0 && frame->payload != call->length)) {
    stream_end(stream, -EBADMSG);
    return true;
  }
  *place = call->into;
  return true;
}

static void heard(struct stream *stream, const struct frame *frame, uint8_t *payload) {
  (void)payload;
  struct remote *remote = REACTOR_OF(stream, struct remote, stream);
  struct remote_call *call = call_of(remote, frame->sequence);
  /* While its data came it could not end in any other way. */
  if (frame->kind == FRAME_RECEIVED) {
    if (call->received != NULL) call->received(call);
    return;
  }
  call->replied_bytes = frame->payload;
  reply(call, -(int)frame->error);
  send_waiting(remote);
}

static void abandoned(struct stream *stream, const struct frame *frame, uint8_t *payload) {
  (void)stream, (void)frame, (void)payload;
}

static void ended(struct stream *stream, int reason) {
  struct remote *remote = REACTOR_OF(stream, struct remote, stream);
  remote->is_over = true;
  reactor_timer_cancel(stream->reactor, &remote->timer);
  for (; remote->oldest < remote->next; remote->oldest++) {
    struct remote_call *call = remote->calls[remote->oldest & MASK];
    if (call == NULL) continue;
    remote->calls[remote->oldest & MASK] = NULL;
    call->error = reason;
    end_call(call);
  }
  while (remote->waiting != NULL) {
    struct remote_call *call = remote->waiting;
    remote->waiting = call->next;
    call->error = reason;
    end_call(call);
  }
  remote->options.ended(remote, reason);
}

static const struct stream_kind kind = {.admit = admit, .heard = heard, .abandoned = abandoned, .ended = ended};

static void ping_done(struct remote_call *call, int error) {
  struct remote *remote = call->remote;
  remote->is_pinging = false;
  if (error != 0) remote_end(remote, error);
}

static void check(struct reactor_timer *timer) {
  struct remote *remote = REACTOR_OF(timer, struct remote, timer);
  int64_t now = reactor_now_us(remote->stream.reactor);
  /* Those that wait do so for what others have not settled: no fault of this peer. */
  const struct remote_call *oldest = remote->oldest < remote->next ? remote->calls[remote->oldest & MASK] : NULL;
  if (oldest != NULL && now - oldest->since_us > remote->options.timeout_us) {
    remote_end(remote, -ETIMEDOUT);
    return;
  }
  if (!remote->is_pinging && now - remote->stream.heard_us > PING_US && has_room(remote) && remote->waiting == NULL) {
    remote->is_pinging = true;
    remote->ping.kind = FRAME_PING;
    remote->ping.done = ping_done;
    remote_call(remote, &remote->ping);
  }
  reactor_timer_set(remote->stream.reactor, timer, now + CHECK_US);
}

struct remote *remote_start(struct reactor *reactor, int fd, const struct remote_options *options) {
  struct remote *remote = calloc(1, sizeof *remote);
  if (remote == NULL || stream_start(&remote->stream, reactor, fd, &kind) < 0) {
    free(remote);
    return NULL;
  }
  remote->options = *options;
  remote->next = remote->oldest = 1;
  remote->waiting_last = &remote->waiting;
  remote->timer.expired = check;
  reactor_timer_set(reactor, &remote->timer, reactor_now_us(reactor) + CHECK_US);
  return remote;
}

void remote_end(struct remote *remote, int reason) {
  stream_end(&remote->stream, reason);
}
