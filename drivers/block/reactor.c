#define _GNU_SOURCE
#include "reactor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/lock.h"
#include "../worker/worker.h"
#include "pool.h"
#include "ring.h"
#include "timers.h"

#define ENTRIES 512
#define FILES_MAX 1024

/* Tasks in the order in which they came. */
struct queue {
  struct reactor_task *first, **last;
};

struct reactor {
  struct worker worker;
  size_t pool_bytes_max;
  /* Posted once the thread is ready, or could not be. */
  sem_t started;
  int start_result;
  /* Of other threads. */
  pthread_mutex_t lock;
  struct queue posted;
  /* The thread's own from here on. */
  struct ring ring;
  struct pool *pool;
  struct timers timers;
  struct queue later, turn_end;
  /* What is left of the queue that is being run. */
  struct queue running;
  int64_t now_us;
  struct reactor_op poked;
  uint64_t poke_count;
  bool has_files;
  int free_slots[FILES_MAX];
  int free_slot_count;
};

static void queue_init(struct queue *queue) {
  queue->first = NULL;
  queue->last = &queue->first;
}

static void queue_add(struct queue *queue, struct reactor_task *task) {
  task->next = NULL;
  *queue->last = task;
  queue->last = &task->next;
}

static struct reactor_task *queue_take(struct queue *queue) {
  struct reactor_task *task = queue->first;
  if (task == NULL) return NULL;
  queue->first = task->next;
  if (queue->first == NULL) queue->last = &queue->first;
  return task;
}

static bool queue_remove(struct queue *queue, const struct reactor_task *task) {
  struct reactor_task **at = &queue->first;
  while (*at != NULL && *at != task) at = &(*at)->next;
  if (*at == NULL) return false;
  *at = task->next;
  if (task->next == NULL) queue->last = at;
  return true;
}

/* Runs those that are there now; what they queue is for the next time. */
static void queue_run(struct reactor *reactor, struct queue *queue) {
  struct queue *running = &reactor->running;
  if (queue->first == NULL) return;
  running->first = queue->first;
  running->last = queue->last;
  queue_init(queue);
  struct reactor_task *task;
  while ((task = queue_take(running)) != NULL) {
    task->queued = false;
    task->run(task);
  }
}

static void listen_for_pokes(struct reactor *reactor) {
  struct io_uring_sqe *entry = reactor_begin(reactor, &reactor->poked, IORING_OP_READ, reactor->worker.event);
  entry->addr = (uint64_t)(uintptr_t)&reactor->poke_count;
  entry->len = sizeof reactor->poke_count;
}

static void on_poked(struct reactor_op *op, int result, uint32_t flags) {
  (void)result;
  (void)flags;
  struct reactor *reactor = REACTOR_OF(op, struct reactor, poked);
  pthread_mutex_lock(&reactor->lock);
  struct queue posted = reactor->posted;
  queue_init(&reactor->posted);
  pthread_mutex_unlock(&reactor->lock);
  queue_run(reactor, &posted);
  listen_for_pokes(reactor);
}

static void complete_all(struct reactor *reactor) {
  struct io_uring_cqe completion;
  while (ring_take(&reactor->ring, &completion)) {
    struct reactor_op *op = (struct reactor_op *)(uintptr_t)completion.user_data;
    if (op != NULL) op->completed(op, completion.res, completion.flags);
  }
}

static void expire(struct reactor *reactor) {
  struct reactor_timer *timer;
  while ((timer = timers_first(&reactor->timers)) != NULL && timer->at_us <= reactor->now_us) {
    timers_cancel(&reactor->timers, timer);
    timer->expired(timer);
  }
}

/* Until the first timer; for ever when there is none. */
static int64_t idle_us(const struct reactor *reactor) {
  const struct reactor_timer *timer = timers_first(&reactor->timers);
  if (timer == NULL) return -1;
  int64_t left = timer->at_us - now_us();
  return left > 0 ? left : 0;
}

static void enter(struct reactor *reactor, bool wait, int64_t timeout_us) {
  int result = ring_submit(&reactor->ring, wait, timeout_us);
  /* Interrupted, or the kernel lacks memory for a moment: what was filled is still there, and goes with the next turn. */
  if (result == 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM) return;
  /* Anything else is the ring's end: nobody would hear of a completion any more. */
  abort();
}

static void turn(struct reactor *reactor) {
  reactor->now_us = now_us();
  complete_all(reactor);
  expire(reactor);
  queue_run(reactor, &reactor->later);
  queue_run(reactor, &reactor->turn_end);
  bool idle = reactor->later.first == NULL && reactor->turn_end.first == NULL;
  enter(reactor, idle, idle ? idle_us(reactor) : 0);
}

static void make_files(struct reactor *reactor) {
  struct io_uring_rsrc_register registration = {.nr = FILES_MAX, .flags = IORING_RSRC_REGISTER_SPARSE};
  reactor->has_files = ring_register(reactor->ring.fd, IORING_REGISTER_FILES2, &registration, sizeof registration) == 0;
  if (!reactor->has_files) return;
  for (int slot = FILES_MAX - 1; slot >= 0; slot--) reactor->free_slots[reactor->free_slot_count++] = slot;
}

static int prepare(struct reactor *reactor) {
  int result = ring_open(&reactor->ring, ENTRIES);
  if (result < 0) return result;
  reactor->now_us = now_us();
  result = pool_make(&reactor->pool, reactor, reactor->pool_bytes_max, reactor->ring.fd);
  if (result < 0) {
    ring_close(&reactor->ring);
    return result;
  }
  make_files(reactor);
  listen_for_pokes(reactor);
  return 0;
}

static void *run(void *argument) {
  struct reactor *reactor = argument;
  reactor->start_result = prepare(reactor);
  bool is_ready = reactor->start_result == 0;
  sem_post(&reactor->started);
  if (!is_ready) return NULL;
  while (!atomic_load(&reactor->worker.stopping)) turn(reactor);
  ring_close(&reactor->ring);
  pool_free(reactor->pool);
  timers_free(&reactor->timers);
  return NULL;
}

static void wait_until_started(struct reactor *reactor) {
  while (sem_wait(&reactor->started) < 0 && errno == EINTR) continue;
}

static void free_reactor(struct reactor *reactor) {
  pthread_mutex_destroy(&reactor->lock);
  sem_destroy(&reactor->started);
  free(reactor);
}

static int describe_start(int result, char error[ERROR_BYTES]) {
  switch (result) {
    case -EPERM:
      return describe(error, result, "block: io_uring is forbidden here; /proc/sys/kernel/io_uring_disabled must be 0");
    case -ENOSYS:
    case -EINVAL:
      return describe(error, result, "block: the kernel has no io_uring as of Linux 6.1");
    default:
      return describe(error, result, "block: a thread with its io_uring cannot be started: %s", strerrordesc_np(-result));
  }
}

int reactor_start(struct reactor **out, const struct reactor_options *options, char error[ERROR_BYTES]) {
  struct reactor *reactor = calloc(1, sizeof *reactor);
  if (reactor == NULL) return describe_start(-ENOMEM, error);
  reactor->pool_bytes_max = options->pool_bytes_max;
  reactor->poked.completed = on_poked;
  queue_init(&reactor->posted);
  queue_init(&reactor->later);
  queue_init(&reactor->turn_end);
  queue_init(&reactor->running);
  lock_init(&reactor->lock);
  sem_init(&reactor->started, 0, 0);
  int result = worker_start_normal(&reactor->worker, options->name, run, reactor);
  if (result == 0) {
    wait_until_started(reactor);
    result = reactor->start_result;
    if (result < 0) worker_stop(&reactor->worker);
  }
  if (result < 0) {
    free_reactor(reactor);
    return describe_start(result, error);
  }
  *out = reactor;
  return 0;
}

void reactor_stop(struct reactor *reactor) {
  worker_stop(&reactor->worker);
  free_reactor(reactor);
}

void reactor_post(struct reactor *reactor, struct reactor_task *task) {
  pthread_mutex_lock(&reactor->lock);
  bool was_empty = reactor->posted.first == NULL;
  queue_add(&reactor->posted, task);
  /* With the lock: once the task may be seen, the reactor may end in consequence of it. */
  if (was_empty) worker_poke(&reactor->worker);
  pthread_mutex_unlock(&reactor->lock);
}

bool reactor_is_here(const struct reactor *reactor) {
  return pthread_equal(pthread_self(), reactor->worker.thread);
}

int64_t reactor_now_us(const struct reactor *reactor) {
  return reactor->now_us;
}

struct pool *reactor_pool(struct reactor *reactor) {
  return reactor->pool;
}

static void queue_once(struct queue *queue, struct reactor_task *task) {
  if (task->queued) return;
  task->queued = true;
  queue_add(queue, task);
}

void reactor_later(struct reactor *reactor, struct reactor_task *task) {
  queue_once(&reactor->later, task);
}

void reactor_at_turn_end(struct reactor *reactor, struct reactor_task *task) {
  queue_once(&reactor->turn_end, task);
}

void reactor_forget(struct reactor *reactor, struct reactor_task *task) {
  if (!task->queued) return;
  task->queued = false;
  if (queue_remove(&reactor->later, task) || queue_remove(&reactor->turn_end, task)) return;
  queue_remove(&reactor->running, task);
}

void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, int64_t at_us) {
  timers_set(&reactor->timers, timer, at_us);
}

void reactor_timer_cancel(struct reactor *reactor, struct reactor_timer *timer) {
  timers_cancel(&reactor->timers, timer);
}

struct io_uring_sqe *reactor_begin(struct reactor *reactor, struct reactor_op *op, uint8_t opcode, int fd) {
  struct io_uring_sqe *entry;
  while ((entry = ring_next(&reactor->ring)) == NULL) enter(reactor, false, 0);
  entry->opcode = opcode;
  entry->fd = fd;
  entry->user_data = (uint64_t)(uintptr_t)op;
  return entry;
}

void reactor_cancel(struct reactor *reactor, struct reactor_op *op) {
  struct io_uring_sqe *entry = reactor_begin(reactor, NULL, IORING_OP_ASYNC_CANCEL, -1);
  entry->addr = (uint64_t)(uintptr_t)op;
}

static int update_file(const struct reactor *reactor, int slot, int fd) {
  struct io_uring_rsrc_update update = {.offset = (uint32_t)slot, .data = (uint64_t)(uintptr_t)&fd};
  return ring_register(reactor->ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1);
}

struct reactor_file reactor_file_add(struct reactor *reactor, int fd) {
  struct reactor_file file = {.fd = fd, .slot = -1};
  if (reactor->free_slot_count == 0) return file;
  int slot = reactor->free_slots[reactor->free_slot_count - 1];
  if (update_file(reactor, slot, fd) != 1) return file;
  reactor->free_slot_count--;
  file.slot = slot;
  return file;
}

void reactor_file_remove(struct reactor *reactor, struct reactor_file *file) {
  if (file->slot < 0) return;
  update_file(reactor, file->slot, -1);
  reactor->free_slots[reactor->free_slot_count++] = file->slot;
  file->slot = -1;
}

struct io_uring_sqe *reactor_begin_file(struct reactor *reactor, struct reactor_op *op, uint8_t opcode, const struct reactor_file *file) {
  struct io_uring_sqe *entry = reactor_begin(reactor, op, opcode, file->slot < 0 ? file->fd : file->slot);
  if (file->slot >= 0) entry->flags = IOSQE_FIXED_FILE;
  return entry;
}

/* `plain` or, for memory that the ring knows, `fixed`. */
static struct io_uring_sqe *begin_move(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *file, uint8_t plain,
                                       uint8_t fixed, const void *memory, uint32_t length, uint64_t offset) {
  int registration = pool_registration(reactor->pool, memory);
  struct io_uring_sqe *entry = reactor_begin_file(reactor, op, registration < 0 ? plain : fixed, file);
  if (registration >= 0) entry->buf_index = (uint16_t)registration;
  entry->addr = (uint64_t)(uintptr_t)memory;
  entry->len = length;
  entry->off = offset;
  return entry;
}

void reactor_read(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *file, uint8_t *into, uint32_t length,
                  uint64_t offset) {
  begin_move(reactor, op, file, IORING_OP_READ, IORING_OP_READ_FIXED, into, length, offset);
}

void reactor_write(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *file, const uint8_t *from, uint32_t length,
                   uint64_t offset, uint32_t flags) {
  begin_move(reactor, op, file, IORING_OP_WRITE, IORING_OP_WRITE_FIXED, from, length, offset)->rw_flags = (__kernel_rwf_t)flags;
}

void reactor_receive(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, void *into, size_t length,
                     int flags) {
  struct io_uring_sqe *entry = reactor_begin_file(reactor, op, IORING_OP_RECV, socket);
  entry->addr = (uint64_t)(uintptr_t)into;
  entry->len = (uint32_t)length;
  entry->msg_flags = (uint32_t)flags;
}

void reactor_send(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const void *from, size_t length,
                  int flags) {
  struct io_uring_sqe *entry = reactor_begin_file(reactor, op, IORING_OP_SEND, socket);
  entry->addr = (uint64_t)(uintptr_t)from;
  entry->len = (uint32_t)length;
  entry->msg_flags = (uint32_t)flags | MSG_NOSIGNAL;
}

void reactor_send_message(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const struct msghdr *message,
                          int flags) {
  struct io_uring_sqe *entry = reactor_begin_file(reactor, op, IORING_OP_SENDMSG, socket);
  entry->addr = (uint64_t)(uintptr_t)message;
  entry->len = 1;
  entry->msg_flags = (uint32_t)flags | MSG_NOSIGNAL;
}

void reactor_accept(struct reactor *reactor, struct reactor_op *op, int socket) {
  struct io_uring_sqe *entry = reactor_begin(reactor, op, IORING_OP_ACCEPT, socket);
  entry->accept_flags = SOCK_CLOEXEC;
  entry->ioprio = IORING_ACCEPT_MULTISHOT;
}

void reactor_connect(struct reactor *reactor, struct reactor_op *op, int socket, const struct sockaddr *address, size_t length) {
  struct io_uring_sqe *entry = reactor_begin(reactor, op, IORING_OP_CONNECT, socket);
  entry->addr = (uint64_t)(uintptr_t)address;
  entry->off = length;
}

void reactor_poll(struct reactor *reactor, struct reactor_op *op, int fd, unsigned events) {
  struct io_uring_sqe *entry = reactor_begin(reactor, op, IORING_OP_POLL_ADD, fd);
  entry->poll32_events = events;
}
