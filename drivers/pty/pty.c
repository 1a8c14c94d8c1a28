#define _GNU_SOURCE
#include "pty.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../mailbox/mailbox.h"
#include "../worker/worker.h"

#define READ_BYTES 4096
#define RECORD_BYTES_MAX 16384

struct pty {
  int master;
  int slave;
  /* The thread waits for room in the mailbox. */
  atomic_bool stalled;
  struct mailbox box;
  struct worker worker;
};

static int set_raw(int fd) {
  struct termios2 settings;
  if (ioctl(fd, TCGETS2, &settings) < 0) return -errno;
  settings.c_iflag = 0;
  settings.c_oflag = 0;
  settings.c_lflag = 0;
  settings.c_cflag = (settings.c_cflag & ~(unsigned)(CSIZE | PARENB | CSTOPB)) | CS8 | CREAD | CLOCAL;
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  return ioctl(fd, TCSETS2, &settings) < 0 ? -errno : 0;
}

static void read_master(struct pty *pty) {
  uint8_t bytes[READ_BYTES];
  ssize_t got = read(pty->master, bytes, sizeof bytes);
  if (got > 0) mailbox_append(&pty->box, bytes, (size_t)got, RECORD_BYTES_MAX);
}

static void *run(void *argument) {
  struct pty *pty = argument;
  struct pollfd fds[2] = {{.fd = pty->worker.event, .events = POLLIN}, {.fd = pty->master}};
  for (;;) {
    bool room = mailbox_has_room(&pty->box, READ_BYTES);
    if (!room) {
      /* Room that is made between the look and the mark is seen by looking again after the mark. */
      atomic_store(&pty->stalled, true);
      room = mailbox_has_room(&pty->box, READ_BYTES);
    }
    fds[1].events = room ? POLLIN : 0;
    if (poll(fds, 2, -1) < 0) continue;
    if ((fds[0].revents & POLLIN) != 0 && !worker_poked(&pty->worker)) return NULL;
    if ((fds[1].revents & POLLIN) != 0) {
      read_master(pty);
      mailbox_signal(&pty->box);
    }
  }
}

static int open_pair(struct pty *pty, char path[PTY_PATH_BYTES]) {
  pty->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (pty->master < 0) return -errno;
  int unlocked = 0;
  unsigned number;
  if (ioctl(pty->master, TIOCSPTLCK, &unlocked) < 0 || ioctl(pty->master, TIOCGPTN, &number) < 0) return -errno;
  snprintf(path, PTY_PATH_BYTES, "/dev/pts/%u", number);
  pty->slave = ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (pty->slave < 0) return -errno;
  return set_raw(pty->slave);
}

static void free_pty(struct pty *pty) {
  if (pty->slave >= 0) close(pty->slave);
  if (pty->master >= 0) close(pty->master);
  mailbox_free(&pty->box);
  free(pty);
}

int pty_open(struct pty **out, size_t queue_bytes, void (*wake)(void *context), void *context, char path[PTY_PATH_BYTES]) {
  struct pty *pty = calloc(1, sizeof *pty);
  if (pty == NULL) return -ENOMEM;
  pty->master = -1;
  pty->slave = -1;
  int result = mailbox_init(&pty->box, queue_bytes, UINT32_MAX, wake, context);
  if (result == 0) result = open_pair(pty, path);
  if (result == 0) result = worker_start(&pty->worker, "cardinal-pty", run, pty);
  if (result < 0) {
    free_pty(pty);
    return result;
  }
  *out = pty;
  return 0;
}

size_t pty_take(struct pty *pty, uint8_t *into, size_t room) {
  size_t taken = mailbox_take(&pty->box, into, room, MAILBOX_WANT_ALWAYS);
  if (atomic_exchange(&pty->stalled, false)) worker_poke(&pty->worker);
  return taken;
}

ssize_t pty_write(struct pty *pty, const uint8_t *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t wrote = write(pty->master, bytes + done, length - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && errno == EAGAIN) break;
    if (wrote < 0) return -errno;
    if (wrote == 0) break;
    done += (size_t)wrote;
  }
  return (ssize_t)done;
}

void pty_close(struct pty *pty) {
  worker_stop(&pty->worker);
  free_pty(pty);
}
