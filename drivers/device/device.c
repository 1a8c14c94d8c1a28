#define _GNU_SOURCE
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/error.h"
#include "../child/kin.h"
#include "../mailbox/mailbox.h"
#include "../worker/orders.h"
#include "../worker/worker.h"

#define QUEUE_BYTES 16384
#define ASKED_MAX 16
#define BLOCK_BYTES 4096
#define CLOSE_S 1

enum state { WORKING, FINISHED, ABANDONED };

struct device {
  char path[DEVICE_PATH_BYTES];
  bool exclusive;
  struct orders asked;
  pthread_mutex_t lock;
  /* With the lock; `finished` tells that it is FINISHED. */
  enum state state;
  pthread_cond_t finished;
  /* The thread's own from here on. */
  int fd;
  bool is_block;
  dev_t number;
  struct mailbox box;
  struct worker worker;
};

struct record {
  uint32_t kind;
  int32_t result;
  uint32_t microseconds;
};

static int describe_open(const struct device *device, int result, char error[ERROR_BYTES]) {
  switch (result) {
    case -ENOENT:
      return describe(error, result, "device: there is no %.300s", device->path);
    case -EBUSY:
      return describe(error, result, "device: %.300s is mounted, part of another device, or held by another program", device->path);
    case -ENXIO:
    case -ENODEV:
      return describe(error, result, "device: behind %.300s there is no device", device->path);
    case -EACCES:
    case -EPERM:
      return describe(error, result, "device: no permission to open %.300s", device->path);
    default:
      return describe(error, result, "device: %.300s cannot be opened: %s", device->path, strerrordesc_np(-result));
  }
}

/* The descriptor or -errno. */
static int open_block(const struct device *device) {
  int flags = O_CLOEXEC | (device->exclusive ? O_EXCL : 0);
  int fd = open(device->path, O_RDWR | O_DIRECT | flags);
  if (fd < 0 && errno == EINVAL) fd = open(device->path, O_RDWR | flags);
  if (fd < 0 && (errno == EROFS || errno == EACCES)) fd = open(device->path, O_RDONLY | O_DIRECT | flags);
  return fd < 0 ? -errno : fd;
}

static int open_character(const struct device *device) {
  int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  int fd = open(device->path, O_RDWR | flags);
  if (fd < 0 && (errno == EROFS || errno == EACCES)) fd = open(device->path, O_RDONLY | flags);
  return fd < 0 ? -errno : fd;
}

/* Of a terminal this keeps others out from now on; who has a device already is found in /proc. */
static int claim_character(const struct device *device, char error[ERROR_BYTES]) {
  char users[128];
  if (isatty(device->fd)) ioctl(device->fd, TIOCEXCL);
  int count = kin_of_file(device->path, users, sizeof users);
  if (count <= 0) return count < 0 ? describe(error, count, "device: /proc cannot be read: %s", strerrordesc_np(-count)) : 0;
  users[strcspn(users, "\n")] = '\0';
  return describe(error, -EBUSY, "device: %.300s is open already in the process %s", device->path, users);
}

static void release(struct device *device) {
  if (device->fd >= 0 && device->exclusive && !device->is_block && isatty(device->fd)) ioctl(device->fd, TIOCNXCL);
  if (device->fd >= 0) close(device->fd);
  device->fd = -1;
}

static int open_node(struct device *device, char error[ERROR_BYTES]) {
  struct stat status;
  if (stat(device->path, &status) < 0) return describe_open(device, -errno, error);
  device->is_block = S_ISBLK(status.st_mode);
  if (!device->is_block && !S_ISCHR(status.st_mode)) return describe(error, -ENOTBLK, "device: %.300s is no device", device->path);
  device->number = status.st_rdev;
  int fd = device->is_block ? open_block(device) : open_character(device);
  if (fd < 0) return describe_open(device, fd, error);
  device->fd = fd;
  int result = device->exclusive && !device->is_block ? claim_character(device, error) : 0;
  if (result < 0) release(device);
  return result;
}

static int read_block(const struct device *device) {
  void *block = NULL;
  if (posix_memalign(&block, BLOCK_BYTES, BLOCK_BYTES) != 0) return -ENOMEM;
  ssize_t got = pread(device->fd, block, BLOCK_BYTES, 0);
  int result = got < 0 ? -errno : got == 0 ? -ENXIO : 0;
  free(block);
  return result;
}

static int look_at_character(const struct device *device) {
  struct pollfd fd = {.fd = device->fd, .events = POLLIN};
  if (poll(&fd, 1, 0) < 0) return -errno;
  return (fd.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 ? -EIO : 0;
}

static int probe(const struct device *device, char error[ERROR_BYTES]) {
  if (device->fd < 0) return describe(error, -EBADF, "device: %.300s is not open", device->path);
  struct stat status;
  if (stat(device->path, &status) < 0) return describe(error, -ENODEV, "device: %.300s is gone", device->path);
  if (status.st_rdev != device->number) return describe(error, -ENODEV, "device: %.300s is another device now", device->path);
  int result = device->is_block ? read_block(device) : look_at_character(device);
  return result < 0 ? describe(error, result, "device: %.300s does not answer: %s", device->path, strerrordesc_np(-result)) : 0;
}

static int perform(struct device *device, enum device_kind kind, char error[ERROR_BYTES]) {
  if (kind == DEVICE_OPEN) return open_node(device, error);
  if (kind == DEVICE_PROBE) return probe(device, error);
  release(device);
  return 0;
}

/* Tells the answer unless nobody is left to hear it. */
static void answer(struct device *device, enum device_kind kind) {
  char error[ERROR_BYTES] = "";
  int64_t began = now_us();
  int result = perform(device, kind, error);
  struct record record = {.kind = kind, .result = result, .microseconds = (uint32_t)(now_us() - began)};
  pthread_mutex_lock(&device->lock);
  if (device->state == WORKING) {
    mailbox_push(&device->box, &record, sizeof record, error, strlen(error));
    mailbox_signal(&device->box);
  }
  pthread_mutex_unlock(&device->lock);
}

static void free_device(struct device *device) {
  if (device->worker.event >= 0) close(device->worker.event);
  mailbox_free(&device->box);
  orders_free(&device->asked);
  pthread_cond_destroy(&device->finished);
  pthread_mutex_destroy(&device->lock);
  free(device);
}

static void *run(void *argument) {
  struct device *device = argument;
  answer(device, DEVICE_OPEN);
  for (bool more = !atomic_load(&device->worker.stopping); more;) {
    enum device_kind kind;
    while (!atomic_load(&device->worker.stopping) && orders_next(&device->asked, &kind)) answer(device, kind);
    struct pollfd event = {.fd = device->worker.event, .events = POLLIN};
    if (poll(&event, 1, -1) > 0) more = worker_poked(&device->worker);
  }
  release(device);
  pthread_mutex_lock(&device->lock);
  bool alone = device->state == ABANDONED;
  device->state = FINISHED;
  pthread_cond_signal(&device->finished);
  pthread_mutex_unlock(&device->lock);
  if (alone) free_device(device);
  return NULL;
}

int device_open(struct device **out, const char *path, bool exclusive, void (*wake)(void *context), void *context) {
  struct device *device = calloc(1, sizeof *device);
  if (device == NULL) return -ENOMEM;
  device->fd = -1;
  device->worker.event = -1;
  device->exclusive = exclusive;
  snprintf(device->path, sizeof device->path, "%s", path);
  pthread_mutex_init(&device->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  /* The clock that is never set, as of now_us(). */
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&device->finished, &attributes);
  pthread_condattr_destroy(&attributes);
  int result = orders_init(&device->asked, ASKED_MAX, sizeof(enum device_kind));
  if (result == 0) result = mailbox_init(&device->box, QUEUE_BYTES, ASKED_MAX + 2, wake, context);
  if (result == 0) result = worker_start(&device->worker, "cardinal-device", run, device);
  if (result < 0) {
    free_device(device);
    return result;
  }
  *out = device;
  return 0;
}

int device_ask(struct device *device, enum device_kind kind) {
  if (!orders_give(&device->asked, &kind)) return -EAGAIN;
  worker_poke(&device->worker);
  return 0;
}

size_t device_take(struct device *device, uint8_t *into, size_t room) {
  return mailbox_take(&device->box, into, room, MAILBOX_WANT_ALWAYS);
}

/* Whether the thread has ended in time; if not, it frees what it has when it does. */
static bool is_finished(struct device *device) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += CLOSE_S;
  pthread_mutex_lock(&device->lock);
  int error = 0;
  while (device->state != FINISHED && error == 0) error = pthread_cond_timedwait(&device->finished, &device->lock, &until);
  bool finished = device->state == FINISHED;
  if (!finished) {
    device->state = ABANDONED;
    pthread_detach(device->worker.thread);
  }
  pthread_mutex_unlock(&device->lock);
  return finished;
}

void device_close(struct device *device) {
  atomic_store(&device->worker.stopping, true);
  worker_poke(&device->worker);
  if (!is_finished(device)) return;
  worker_stop(&device->worker);
  free_device(device);
}
