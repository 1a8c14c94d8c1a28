/*
 * A session of NBD's transmission phase on a reactor that is played here: arbitrary bytes in pieces of any length, a device that
 * answers in any order and sometimes fails, a host that takes replies in pieces. What must hold: no byte beside a buffer, every
 * reply is well-formed and answers a request that waits for one, each request of a session that ends well is answered once, and
 * nothing stays taken when the session is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../drivers/block/nbd-session.h"
#include "../../drivers/block/nbd-wire.h"

#define SIZE (4u * 1024u * 1024u)
#define BLOCK 512u
#define WAITING_MAX 256
#define STREAM_MAX (6u * 1024u * 1024u)

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

static struct queue later, turn_end;
static struct reactor_op *receiving, *sending;
static uint8_t *receive_into;
static size_t receive_length;
static const struct msghdr *sent_message;
static bool receive_cancelled;
static int64_t clock_us;
static struct reactor_timer *timers[8];
static size_t pool_taken, pool_max;
static struct reactor_task *pool_waiting;

static void add(struct queue *queue, struct reactor_task *task) {
  if (task->queued) return;
  task->queued = true;
  task->next = NULL;
  *queue->last = task;
  queue->last = &task->next;
}

static void clear(struct queue *queue) {
  queue->first = NULL;
  queue->last = &queue->first;
}

static bool run(struct queue *queue) {
  struct reactor_task *task = queue->first;
  bool any = task != NULL;
  clear(queue);
  while (task != NULL) {
    struct reactor_task *next = task->next;
    task->queued = false;
    task->run(task);
    task = next;
  }
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

static void take_out(struct queue *queue, struct reactor_task *task) {
  for (struct reactor_task **at = &queue->first; *at != NULL; at = &(*at)->next) {
    if (*at != task) continue;
    *at = task->next;
    if (*at == NULL) queue->last = at;
    task->queued = false;
    return;
  }
}

void reactor_forget(struct reactor *reactor, struct reactor_task *task) {
  (void)reactor;
  take_out(&later, task);
  take_out(&turn_end, task);
}

int64_t reactor_now_us(const struct reactor *reactor) {
  (void)reactor;
  return clock_us;
}

void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, int64_t at_us) {
  (void)reactor;
  timer->at_us = at_us;
  for (size_t index = 0; timer->place == 0; index++) {
    require(index < sizeof timers / sizeof timers[0]);
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

void reactor_file_remove(struct reactor *reactor, struct reactor_file *file) {
  (void)reactor;
  (void)file;
  require(receiving == NULL && sending == NULL);
}

void reactor_receive(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, void *into, size_t length, int flags) {
  (void)reactor;
  (void)socket;
  (void)flags;
  require(receiving == NULL && length > 0);
  /* All of it may be written at any time. */
  memset(into, 0xaa, length);
  receiving = op;
  receive_into = into;
  receive_length = length;
  receive_cancelled = false;
}

void reactor_send_message(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const struct msghdr *message,
                          int flags) {
  (void)reactor;
  (void)socket;
  (void)flags;
  require(sending == NULL && message->msg_iovlen > 0);
  sending = op;
  sent_message = message;
}

void reactor_cancel(struct reactor *reactor, struct reactor_op *op) {
  (void)reactor;
  require(op == receiving);
  receive_cancelled = true;
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
  uint8_t *data = malloc(length);
  memset(data, 0, length);
  return data;
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

/* ---- the engine ---- */

static bool ended;
static int ended_with;

void engine_report(struct engine *engine, uint32_t kind, uint32_t number, int32_t value, const void *bytes, size_t length) {
  (void)engine;
  (void)bytes;
  require(kind == ENGINE_KIND(ENGINE_EXPORT, NBD_ENDED) && number == 7 && length == sizeof(struct nbd_counts) && !ended);
  ended = true;
  ended_with = value;
}

void engine_end(struct engine_order *order, int error, const void *bytes, size_t length) {
  (void)order;
  (void)error;
  (void)bytes;
  (void)length;
  abort();
}

void engine_refuse(struct engine_order *order, int error, const char *format, ...) {
  (void)order;
  (void)error;
  (void)format;
  abort();
}

uint32_t engine_u32(struct engine_order *order) {
  (void)order;
  abort();
}

bool engine_complete(struct engine_order *order) {
  (void)order;
  abort();
}

/* ---- the device: answers in any order ---- */

static struct block_request *held[WAITING_MAX * 4];
static size_t held_count;
static uint32_t failing;
static bool judged;

static void submit(struct block_target *target, struct block_request *request) {
  (void)target;
  require(held_count < sizeof held / sizeof held[0]);
  if (request->verb <= BLOCK_WRITE) require(request->data != NULL && request->length > 0);
  held[held_count++] = request;
}

static void answer_one(void) {
  size_t index = draw((uint32_t)held_count);
  struct block_request *request = held[index];
  held[index] = held[--held_count];
  if (request->verb == BLOCK_READ) memset(request->data, (int)(request->offset >> 20), request->length);
  /* The payload is whole, and begins where it should. */
  if (request->verb == BLOCK_WRITE && judged) {
    require(request->data[0] == 0x5a && memcmp(request->data, request->data + 1, request->length - 1) == 0);
  }
  block_end(request, failing > 0 && draw(failing) == 0 ? -EIO : 0);
}

static const struct block_target_kind kind = {.name = "fuzz", .submit = submit};

/* ---- the host: what it says, and what it makes of the replies ---- */

static uint8_t *stream;
static size_t stream_length, stream_at;

struct waiting {
  uint64_t cookie;
  uint16_t type;
  uint32_t length, got;
  bool failed;
};

static struct waiting waiting[WAITING_MAX];
static size_t waiting_count;
static bool structured;
static uint8_t head[NBD_HEAD_MAX];
static size_t head_length;
static uint64_t data_left;

static uint32_t get32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(const uint8_t *at) {
  return (uint64_t)get32(at) << 32 | get32(at + 4);
}

static void put(uint64_t value, size_t bytes) {
  for (size_t index = bytes; index-- > 0;) stream[stream_length++] = (uint8_t)(value >> (8 * index));
}

static struct waiting *waiting_for(uint64_t cookie) {
  for (size_t index = 0; index < waiting_count; index++) {
    if (waiting[index].cookie == cookie) return &waiting[index];
  }
  abort();
}

static void settled(struct waiting *request) {
  *request = waiting[--waiting_count];
}

static size_t on_simple(void) {
  struct waiting *request = waiting_for(get64(head + 8));
  bool failed = get32(head + 4) != 0;
  require(!structured || request->type != NBD_READ);
  size_t data = request->type == NBD_READ && !failed ? request->length : 0;
  settled(request);
  return data;
}

static size_t on_chunk(void) {
  struct waiting *request = waiting_for(get64(head + 8));
  uint32_t type = (uint32_t)head[6] << 8 | head[7], length = get32(head + 16);
  bool last = (head[5] & 1) != 0;
  size_t data = 0;
  require(structured);
  if (type == 32769) {
    require(length >= 6 && last);
    request->failed = true;
  } else {
    require(request->type == NBD_READ && !request->failed && (type == 1 || type == 2));
    data = type == 1 ? length - 8 : 0;
    request->got += type == 1 ? (uint32_t)data : get32(head + 28);
    require(request->got <= request->length);
  }
  if (last) require(request->failed || request->got == request->length);
  if (last) settled(request);
  return data;
}

/* How many bytes of a head there must be before it can be told how long it is. */
static size_t head_wanted(void) {
  if (head_length < 4) return 4;
  if (get32(head) == 0x67446698) return NBD_SIMPLE_BYTES;
  require(get32(head) == 0x668e33ef);
  if (head_length < NBD_CHUNK_BYTES) return NBD_CHUNK_BYTES;
  uint32_t type = (uint32_t)head[6] << 8 | head[7], length = get32(head + 16);
  require(type == 1 || type == 2 || type == 32769);
  if (type == 2) require(length == 12);
  if (type == 32769) require(length <= 6 + NBD_TEXT_MAX);
  return NBD_CHUNK_BYTES + (type == 1 ? 8 : length);
}

static void hear(const uint8_t *bytes, size_t length) {
  if (!judged) {
    /* What is sent is memory of the session. */
    static volatile uint8_t sum;
    for (size_t index = 0; index < length; index++) sum = (uint8_t)(sum + bytes[index]);
    return;
  }
  while (length > 0) {
    if (data_left > 0) {
      size_t passed = data_left < length ? data_left : length;
      data_left -= passed;
      bytes += passed;
      length -= passed;
      continue;
    }
    head[head_length++] = *bytes++;
    length--;
    if (head_length < head_wanted()) continue;
    data_left = head_length == NBD_SIMPLE_BYTES && get32(head) == 0x67446698 ? on_simple() : on_chunk();
    head_length = 0;
  }
}

static void take_replies(void) {
  struct reactor_op *op = sending;
  size_t most = draw(3) == 0 ? 1 + draw(64) : SIZE, taken = 0;
  for (size_t index = 0; index < sent_message->msg_iovlen && taken < most; index++) {
    const struct iovec *part = &sent_message->msg_iov[index];
    size_t length = part->iov_len < most - taken ? part->iov_len : most - taken;
    hear(part->iov_base, length);
    taken += length;
  }
  sending = NULL;
  op->completed(op, (int)taken, 0);
}

static void say(void) {
  struct reactor_op *op = receiving;
  receiving = NULL;
  if (receive_cancelled) {
    op->completed(op, -ECANCELED, 0);
    return;
  }
  size_t left = stream_length - stream_at, length = left < receive_length ? left : receive_length;
  if (draw(3) == 0 && length > 1) length = 1 + draw((uint32_t)(length < 100 ? length : 100));
  memcpy(receive_into, stream + stream_at, length);
  stream_at += length;
  op->completed(op, (int)length, 0);
}

static void add_request(const uint8_t *bytes) {
  static const uint16_t types[] = {NBD_READ, NBD_WRITE, NBD_FLUSH, NBD_TRIM, NBD_WRITE_ZEROES, NBD_READ, NBD_WRITE, 5, 77};
  static const uint16_t flags[] = {0, NBD_FUA, NBD_NO_HOLE, NBD_DF, NBD_FAST_ZERO, NBD_FUA | NBD_NO_HOLE, 0, 8};
  static const uint32_t lengths[] = {0, 512, 4096, 65536, 1u << 20, (1u << 20) + 512, 3u << 20, 100, SIZE, 12800};
  uint16_t type = types[bytes[0] % 9];
  uint32_t length = lengths[bytes[1] % 10];
  if (type == NBD_WRITE && stream_length + length + 64 > STREAM_MAX) return;
  put(0x25609513, 4);
  put(flags[bytes[2] % 8], 2);
  put(type, 2);
  put(0x1000 + waiting_count, 8);
  put(bytes[3] % 9 == 0 ? UINT64_MAX - 511 : (uint64_t)bytes[3] * 16384 % SIZE, 8);
  put(length, 4);
  if (type == NBD_WRITE) {
    memset(stream + stream_length, 0x5a, length);
    stream_length += length;
  }
  waiting[waiting_count] = (struct waiting){.cookie = 0x1000 + waiting_count, .type = type, .length = length};
  waiting_count++;
}

static void prepare(const uint8_t *bytes, size_t length) {
  judged = (bytes[0] & 1) != 0;
  stream_length = stream_at = waiting_count = head_length = data_left = 0;
  if (!judged) {
    memcpy(stream, bytes + 8, length - 8);
    stream_length = length - 8;
    return;
  }
  for (size_t at = 8; at + 4 <= length && waiting_count < WAITING_MAX; at += 4) {
    if (stream_length + NBD_REQUEST_BYTES > STREAM_MAX) break;
    add_request(bytes + at);
  }
  if ((bytes[0] & 2) != 0) {
    put(0x25609513, 4);
    put(0, 2);
    put(NBD_DISC, 2);
    for (int word = 0; word < 5; word++) put(0, 4);
  }
}

/* One thing that may happen next. False when there is none. */
static bool step(void) {
  if (run(&later) || run(&turn_end)) return true;
  unsigned can = (receiving != NULL) | (sending != NULL) << 1 | (held_count > 0) << 2;
  if (can == 0) return false;
  for (;;) {
    switch (draw(3)) {
      case 0:
        if (receiving == NULL) break;
        say();
        return true;
      case 1:
        if (sending == NULL) break;
        take_replies();
        return true;
      default:
        if (held_count == 0) break;
        answer_one();
        return true;
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length < 8 || length > 4096) return 0;
  if (stream == NULL) stream = malloc(STREAM_MAX + 64);
  memcpy(&state, bytes, 8);
  structured = (bytes[0] & 4) != 0;
  failing = (bytes[0] & 8) != 0 ? 1 + bytes[1] % 16u : 0;
  pool_max = (bytes[0] & 16) != 0 ? 1 + bytes[1] % 4u : 1000;
  unsigned leave_at = (bytes[0] & 32) != 0 ? bytes[2] : UINT32_MAX;
  prepare(bytes, length);
  clear(&later);
  clear(&turn_end);
  ended = false;

  struct block_target disk = {.kind = &kind,
                              .size = SIZE,
                              .block_bytes = BLOCK,
                              .preferred_bytes = 4096,
                              .discard_bytes = 4096,
                              .read_only = (bytes[3] & 1) != 0,
                              .can_discard = (bytes[3] & 2) != 0,
                              .can_zero = (bytes[3] & 4) != 0};
  struct device device = {.number = 1};
  gate_init(&device.gate, NULL);
  gate_set_behind(&device.gate, &disk);
  if ((bytes[3] & 24) == 24) gate_pause(&device.gate);
  else gate_open(&device.gate);
  struct nbd_front front = {.device = &device};
  uint32_t options = (structured ? NBD_OPTION_STRUCTURED : 0u) | ((bytes[3] & 32) != 0 ? NBD_OPTION_READ_ONLY : 0u) |
                     ((bytes[3] & 64) != 0 ? NBD_OPTION_FAST_ZERO : 0u);
  require(nbd_session_start(&front, 7, -1, options) == 0);
  bool left = false;
  for (unsigned count = 0; step() || !ended; count++) {
    require(count < 10000000);
    if (device.gate.state == GATE_PAUSED && count > 200) gate_open(&device.gate);
    if (count == leave_at && !ended) {
      nbd_session_leave(front.sessions);
      left = true;
    }
  }
  require(front.count == 0 && front.sessions == NULL && held_count == 0 && pool_taken == 0 && pool_waiting == NULL);
  require(device.gate.passed == 0 && device.gate.kept_count == 0);
  for (size_t index = 0; index < sizeof timers / sizeof timers[0]; index++) require(timers[index] == NULL);
  if (judged && !left && ended_with == 0) require(waiting_count == 0 && head_length == 0 && data_left == 0);
  return 0;
}
