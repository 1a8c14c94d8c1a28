/*
 * Both ends of a mirror's connection on a reactor that is played here: frames that are right, frames with a field that is not, and arbitrary bytes, in
 * pieces of any length; a device that answers in any order and sometimes fails; a kernel that sends in pieces or not at all. What must hold: no
 * byte beside a buffer, each call of the near end is done once, each request of the far end is answered to the device's pace, and nothing stays
 * taken when the connection is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../drivers/block/crc32c.h"
#include "../../drivers/block/peer.h"
#include "../../drivers/block/remote.h"

#define SIZE (4u * 1024u * 1024u)
#define OPS_MAX 4
#define CALLS_MAX 24
#define REQUESTS_MAX 8192
#define TERM 7

static void require(int holds) {
  if (!holds) abort();
}

/* ---- chance, from the input ---- */

static uint64_t state;

static uint32_t draw(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

/* ---- the reactor ---- */

struct queue {
  struct reactor_task *first, **last;
};

struct op {
  struct reactor_op *op;
  struct io_uring_sqe sqe;
  const struct msghdr *message; /* of a send */
};

static struct queue later, turn_end;
static struct op ops[OPS_MAX];
static int64_t clock_us;
static struct reactor_timer *timers[OPS_MAX];
static size_t pool_taken, pool_max;
static struct reactor_task *pool_waiting;

static void add(struct queue *queue, struct reactor_task *task) {
  if (task->queued) return;
  task->queued = true;
  task->next = NULL;
  *queue->last = task;
  queue->last = &task->next;
}

static bool run(struct queue *queue) {
  struct reactor_task *task = queue->first;
  bool any = task != NULL;
  queue->first = NULL;
  queue->last = &queue->first;
  while (task != NULL) {
    struct reactor_task *next = task->next;
    task->queued = false;
    task->run(task);
    task = next;
  }
  return any;
}

static bool turn(void) {
  bool any = false;
  while (run(&later) || run(&turn_end)) any = true;
  return any;
}

void reactor_later(struct reactor *reactor, struct reactor_task *task) {
  (void)reactor;
  add(&later, task);
}

void reactor_at_turn_end(struct reactor *reactor, struct reactor_task *task) {
  (void)reactor;
  add(&turn_end, task);
}

void reactor_forget(struct reactor *reactor, struct reactor_task *task) {
  (void)reactor;
  struct queue *queues[] = {&later, &turn_end};
  for (int index = 0; index < 2; index++) {
    for (struct reactor_task **at = &queues[index]->first; *at != NULL; at = &(*at)->next) {
      if (*at != task) continue;
      *at = task->next;
      if (*at == NULL) queues[index]->last = at;
      break;
    }
  }
  task->queued = false;
}

int64_t reactor_now_us(const struct reactor *reactor) {
  (void)reactor;
  return clock_us;
}

void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, int64_t at_us) {
  (void)reactor;
  timer->at_us = at_us;
  for (size_t index = 0; timer->place == 0; index++) {
    require(index < OPS_MAX);
    if (timers[index] != NULL) continue;
    timers[index] = timer;
    timer->place = index + 1;
  }
}

void reactor_timer_cancel(struct reactor *reactor, struct reactor_timer *timer) {
  (void)reactor;
  if (timer->place == 0) return;
  timers[timer->place - 1] = NULL;
  timer->place = 0;
}

struct reactor_file reactor_file_add(struct reactor *reactor, int fd) {
  (void)reactor;
  return (struct reactor_file){.fd = fd, .slot = -1};
}

static struct op *take_op(struct reactor_op *op) {
  for (int index = 0; index < OPS_MAX; index++) {
    if (ops[index].op != NULL) continue;
    ops[index] = (struct op){.op = op};
    return &ops[index];
  }
  abort();
}

void reactor_file_remove(struct reactor *reactor, struct reactor_file *file) {
  (void)reactor, (void)file;
  for (int index = 0; index < OPS_MAX; index++) require(ops[index].op == NULL);
}

struct io_uring_sqe *reactor_begin_file(struct reactor *reactor, struct reactor_op *op, uint8_t opcode, const struct reactor_file *file) {
  (void)reactor, (void)file;
  require(opcode == IORING_OP_RECVMSG);
  return &take_op(op)->sqe;
}

void reactor_send_message(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const struct msghdr *message, int flags) {
  (void)reactor, (void)socket, (void)flags;
  require(message->msg_iovlen > 0);
  take_op(op)->message = message;
}

struct pool *reactor_pool(struct reactor *reactor) {
  (void)reactor;
  return NULL;
}

uint8_t *pool_take(struct pool *pool, uint32_t length) {
  (void)pool;
  require(length > 0 && length <= POOL_BUFFER_MAX);
  if (pool_taken >= pool_max) return NULL;
  pool_taken++;
  /* Of the very length, so that going beyond it is seen. */
  return calloc(1, length);
}

void pool_give(struct pool *pool, uint8_t *buffer) {
  (void)pool;
  require(pool_taken-- > 0);
  free(buffer);
  if (pool_waiting == NULL) return;
  struct reactor_task *waiting = pool_waiting;
  pool_waiting = NULL;
  waiting->queued = false;
  add(&later, waiting);
}

void pool_wait(struct pool *pool, struct reactor_task *task) {
  (void)pool;
  if (task->queued) return;
  require(pool_waiting == NULL);
  task->queued = true;
  pool_waiting = task;
}

void pool_wait_no_more(struct pool *pool, struct reactor_task *task) {
  (void)pool;
  if (pool_waiting != task) return;
  task->queued = false;
  pool_waiting = NULL;
}

/* ---- the leg is none here ---- */

void leg_leave(struct leg *leg, uint64_t offset, uint32_t length) {
  (void)leg, (void)offset, (void)length;
}
void leg_keep(struct leg *leg, uint64_t offset, uint32_t length) {
  leg_leave(leg, offset, length);
}
void leg_use(struct leg *leg) {
  (void)leg;
}
void leg_leave_alone(struct leg *leg) {
  (void)leg;
}
uint64_t bitmap_bytes(uint64_t size) {
  return size;
}

/* ---- the device ---- */

static struct block_request *requests[REQUESTS_MAX];
static unsigned request_count;

static void submit(struct block_target *target, struct block_request *request) {
  (void)target;
  require(request_count < REQUESTS_MAX);
  if (request->verb == BLOCK_READ) memset(request->data, 0x5a, request->length);
  requests[request_count++] = request;
}

static void end_request(void) {
  if (request_count == 0) return;
  unsigned index = draw(request_count);
  struct block_request *request = requests[index];
  requests[index] = requests[--request_count];
  block_end(request, draw(16) == 0 ? -EIO : 0);
}

static const struct block_target_kind device_kind = {.name = "device", .submit = submit};

/* ---- the kernel ---- */

/* What is on its way to the end under test. */
static uint8_t stream_bytes[3 * 1024 * 1024];
static size_t stream_from, stream_to;

static void queue_bytes(const void *bytes, size_t length) {
  if (length > sizeof stream_bytes - stream_to) return;
  memcpy(stream_bytes + stream_to, bytes, length);
  stream_to += length;
}

static void complete(struct op *op, int result) {
  struct reactor_op *ended = op->op;
  op->op = NULL;
  ended->completed(ended, result, 0);
}

static int deliver(const struct msghdr *message) {
  size_t most = stream_to - stream_from, given = 0;
  if (most > 0 && draw(3) != 0) most = 1 + draw((uint32_t)most);
  for (size_t part = 0; part < message->msg_iovlen && given < most; part++) {
    size_t length = message->msg_iov[part].iov_len < most - given ? message->msg_iov[part].iov_len : most - given;
    memcpy(message->msg_iov[part].iov_base, stream_bytes + stream_from, length);
    stream_from += length;
    given += length;
  }
  if (stream_from == stream_to) stream_from = stream_to = 0;
  return (int)given;
}

static size_t length_of(const struct msghdr *message) {
  static uint8_t copy[FRAME_PAYLOAD_MAX];
  size_t length = 0;
  for (size_t part = 0; part < message->msg_iovlen; part++) {
    memcpy(copy, message->msg_iov[part].iov_base, message->msg_iov[part].iov_len);
    length += message->msg_iov[part].iov_len;
  }
  return length;
}

static void act(bool is_over) {
  struct op *op = &ops[draw(OPS_MAX)];
  if (op->op == NULL) return;
  if (op->message != NULL) {
    size_t length = length_of(op->message);
    complete(op, is_over ? -EPIPE : (int)(draw(2) == 0 ? length : 1 + draw((uint32_t)length)));
  } else if (is_over) {
    complete(op, 0);
  } else if (stream_to > stream_from) {
    complete(op, deliver((const struct msghdr *)(uintptr_t)op->sqe.addr));
  }
}

/* ---- frames ---- */

static const uint8_t request_kinds[] = {FRAME_READ, FRAME_WRITE, FRAME_FLUSH, FRAME_DISCARD, FRAME_ZERO, FRAME_HASH, FRAME_BITMAP, FRAME_PING};

static void queue_frame(struct frame frame, const uint8_t *input, size_t length) {
  static uint8_t payload[FRAME_PAYLOAD_MAX];
  uint8_t header[FRAME_HEADER_BYTES];
  /* One field of some is what the input says. */
  if (length >= 8 && draw(4) == 0) {
    uint64_t value;
    memcpy(&value, input, sizeof value);
    switch (draw(7)) {
      case 0: frame.kind = (uint8_t)value; break;
      case 1: frame.length = (uint32_t)value; break;
      case 2: frame.payload = (uint32_t)value; break;
      case 3: frame.offset = value; break;
      case 4: frame.sequence = value; break;
      case 5: frame.settled = value; break;
      default: frame.term = value; break;
    }
  }
  uint32_t sent = frame.payload <= sizeof payload ? frame.payload : 0;
  if (sent > 0 && length > 0) memset(payload, input[0], sent);
  frame.payload_crc = draw(64) == 0 ? 1 : crc32c(0, payload, sent);
  frame_write(&frame, header);
  if (draw(128) == 0) header[draw(FRAME_HEADER_BYTES)] ^= 0x10;
  queue_bytes(header, sizeof header);
  queue_bytes(payload, sent);
}

static uint32_t some_length(void) {
  return draw(8) == 0 ? 4096 * (1 + draw(256)) : 4096 * (1 + draw(4));
}

static uint64_t next_sequence;

static void queue_request(const uint8_t *input, size_t length) {
  struct frame frame = {.kind = request_kinds[draw(sizeof request_kinds)], .flags = (uint8_t)draw(16), .term = draw(32) == 0 ? TERM - 1 : TERM};
  frame.sequence = ++next_sequence;
  frame.settled = next_sequence > 4 ? next_sequence - 4 : 0;
  frame.offset = 4096 * (uint64_t)draw(SIZE / 4096);
  if (frame.kind != FRAME_FLUSH && frame.kind != FRAME_PING) frame.length = some_length();
  if (frame.kind == FRAME_WRITE) frame.payload = frame.length;
  queue_frame(frame, input, length);
}

/* ---- the far end ---- */

static bool is_ended;

static void peer_ended(struct peer *peer, int reason) {
  (void)reason;
  is_ended = true;
  peer_free(peer);
}

static void play_peer(const uint8_t *input, size_t length) {
  struct block_target device = {.kind = &device_kind, .size = SIZE, .block_bytes = 512, .can_discard = true, .can_zero = true};
  static struct block_gate gate;
  gate_init(&gate, NULL);
  gate_set_behind(&gate, &device);
  gate.term = TERM;
  gate_open(&gate);
  struct peer_options options = {.gate = &gate, .ended = peer_ended};
  struct peer *peer = peer_start(NULL, dup(2), &options);
  require(peer != NULL);
  for (size_t at = 0; at < length && !is_ended; at++) {
    switch (input[at] % 8) {
      case 0: case 1: case 2: queue_request(input + at, length - at); break;
      case 3: if (draw(16) == 0) queue_bytes(input + at, length - at); break;
      case 4: pool_max = draw(12); break;
      case 5: if (draw(8) == 0) gate_pause(&gate); else gate_open(&gate); break;
      default: end_request(); break;
    }
    for (unsigned count = draw(6); count > 0; count--) act(false);
    turn();
  }
  gate_open(&gate);
  pool_max = SIZE_MAX;
  if (!is_ended) peer_end(peer, -ECANCELED);
  for (unsigned count = 0; !is_ended && count < 1000000; count++) {
    act(true);
    end_request();
    turn();
  }
  require(is_ended && pool_taken == 0 && request_count == 0);
}

/* ---- the near end ---- */

struct made {
  struct remote_call call;
  uint8_t *into;
  bool is_under_way;
};

static void call_done(struct remote_call *call, int error) {
  (void)error;
  struct made *made = REACTOR_OF(call, struct made, call);
  require(made->is_under_way && !call->out.queued);
  made->is_under_way = false;
  free(made->into);
  made->into = NULL;
}

static void call_received(struct remote_call *call) {
  require(REACTOR_OF(call, struct made, call)->is_under_way);
}

static void remote_ended(struct remote *remote, int reason) {
  (void)reason;
  is_ended = true;
  free(remote);
}

static void make_call(struct remote *remote, struct made *made) {
  static uint8_t data[65536];
  if (made->is_under_way) return;
  uint8_t kind = request_kinds[draw(sizeof request_kinds)];
  uint32_t length = 4096 * (1 + draw(8));
  *made = (struct made){.is_under_way = true};
  made->call = (struct remote_call){.kind = kind, .length = length, .data = data, .data_crc = crc32c(0, data, length), .done = call_done};
  made->call.flags = draw(2) == 0 ? FRAME_RECEIPT : 0;
  made->call.received = call_received;
  bool carries = kind == FRAME_READ || kind == FRAME_HASH || kind == FRAME_BITMAP;
  made->call.into_bytes = carries ? length : 0;
  made->into = carries ? malloc(length) : NULL;
  made->call.into = made->into;
  remote_call(remote, &made->call);
}

static void queue_reply(const struct remote *remote, const uint8_t *input, size_t length) {
  struct frame frame = {.kind = FRAME_REPLY | FRAME_FLUSH, .term = TERM};
  frame.sequence = remote->oldest + draw(4);
  const struct remote_call *call = remote->calls[frame.sequence % REMOTE_CALLS_MAX];
  if (call != NULL) {
    frame.kind = draw(6) == 0 && (call->flags & FRAME_RECEIPT) != 0 ? FRAME_RECEIVED : call->kind | FRAME_REPLY;
    frame.length = call->length;
    if (frame.kind != FRAME_RECEIVED && draw(8) == 0) frame.error = EIO;
    else if (frame.kind != FRAME_RECEIVED) frame.payload = call->kind == FRAME_READ ? call->length : draw(call->into_bytes + 1);
  } else if (draw(16) != 0) {
    return;
  }
  queue_frame(frame, input, length);
}

static void play_remote(const uint8_t *input, size_t length) {
  static struct made calls[CALLS_MAX];
  struct remote_options options = {.term = TERM, .timeout_us = 1000000, .ended = remote_ended};
  struct remote *remote = remote_start(NULL, dup(2), &options);
  require(remote != NULL);
  for (size_t at = 0; at < length && !is_ended; at++) {
    switch (input[at] % 6) {
      case 0: case 1: make_call(remote, &calls[draw(CALLS_MAX)]); break;
      case 2: case 3: queue_reply(remote, input + at, length - at); break;
      case 4: if (draw(16) == 0) queue_bytes(input + at, length - at); break;
      default: clock_us += 1000 * (int64_t)draw(400); break;
    }
    for (int index = 0; index < OPS_MAX; index++) {
      struct reactor_timer *timer = timers[index];
      if (timer == NULL || timer->at_us > clock_us) continue;
      reactor_timer_cancel(NULL, timer);
      timer->expired(timer);
    }
    for (unsigned count = draw(6); count > 0; count--) act(false);
    turn();
  }
  if (!is_ended) remote_end(remote, -ECANCELED);
  for (unsigned count = 0; !is_ended && count < 1000000; count++) {
    act(true);
    turn();
  }
  require(is_ended);
  for (int index = 0; index < CALLS_MAX; index++) require(!calls[index].is_under_way);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length) {
  if (length < 9) return 0;
  memcpy(&state, input, sizeof state);
  later = (struct queue){.last = &later.first};
  turn_end = (struct queue){.last = &turn_end.first};
  memset(ops, 0, sizeof ops);
  memset(timers, 0, sizeof timers);
  clock_us = 0;
  pool_taken = 0;
  pool_max = 8;
  pool_waiting = NULL;
  stream_from = stream_to = 0;
  next_sequence = 0;
  is_ended = false;
  if (input[8] % 2 == 0) play_peer(input + 9, length - 9);
  else play_remote(input + 9, length - 9);
  return 0;
}
