/* Opening a file or block device, and what it can do. Everything here may block. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/clock.h"
#include "backing.h"

#define SECTOR_BYTES 512u
#define BLOCK_BYTES_MAX 4096u
/*
 * A program that was killed holds its files until the last request that it had under way has ended, a tenth of a second or so: it is
 * waited for, and then nothing of it can land any more.
 */
#define BUSY_WAIT_US 1000000
#define BUSY_STEP_US 5000

static int describe_open(const char *path, int result, char error[ERROR_BYTES]) {
  switch (result) {
    case -ENOENT:
      return describe(error, result, "block: there is no %.300s", path);
    case -EBUSY:
      return describe(error, result, "block: %.300s is mounted, part of another device, or held by another program", path);
    case -ENXIO:
    case -ENODEV:
      return describe(error, -ENODEV, "block: behind %.300s there is no device", path);
    case -EACCES:
    case -EPERM:
      return describe(error, result, "block: no permission to open %.300s", path);
    case -ENOSPC:
      return describe(error, result, "block: there is no room for %.300s", path);
    default:
      return describe(error, result, "block: %.300s cannot be opened: %s", path, strerrordesc_np(-result));
  }
}

/* Some file systems in memory know no O_DIRECT: theirs goes through the page cache, which a flush writes out likewise. */
static int open_either(const char *path, int flags) {
  int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EINVAL) fd = open(path, flags | O_CLOEXEC, 0600);
  return fd < 0 ? -errno : fd;
}

static int sync_directory_of(const char *path) {
  char copy[BACKING_PATH_BYTES];
  snprintf(copy, sizeof copy, "%s", path);
  int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = fsync(fd) < 0 ? -errno : 0;
  close(fd);
  return result;
}

/* The whole file, against every other descriptor; the kernel drops it with ours. */
static int lock_file(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
  return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int backing_extend(int fd, uint64_t size, bool allocated) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -errno;
  if (!S_ISREG(status.st_mode)) return -EINVAL;
  if ((uint64_t)status.st_size < size && ftruncate(fd, (off_t)size) < 0) return -errno;
  if (allocated && fallocate(fd, 0, 0, (off_t)size) < 0) return -errno;
  return fsync(fd) < 0 ? -errno : 0;
}

static uint32_t larger(uint32_t one, uint32_t other) {
  return one > other ? one : other;
}

static int look_at_file(struct backing_found *found) {
  struct statx status;
  if (statx(found->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_DIOALIGN, &status) < 0) return -errno;
  found->block_bytes = SECTOR_BYTES;
  if ((status.stx_mask & STATX_DIOALIGN) != 0) found->block_bytes = larger(SECTOR_BYTES, status.stx_dio_offset_align);
  found->size = status.stx_size;
  found->preferred_bytes = status.stx_blksize;
  found->discard_bytes = status.stx_blksize;
  /* Beyond the end there is nothing to lose, so it can be tried there. */
  const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  found->can_discard = !found->read_only && fallocate(found->fd, punch, (off_t)status.stx_size, found->block_bytes) == 0;
  return 0;
}

/* A number of the device's queue, 0 when there is none. A partition has its disk's. */
static uint64_t queue_number(dev_t device, const char *name) {
  static const char *const queues[] = {"queue", "../queue"};
  for (unsigned index = 0; index < 2; index++) {
    char path[128];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/%s", major(device), minor(device), queues[index], name);
    FILE *file = fopen(path, "re");
    if (file == NULL) continue;
    unsigned long long number = 0;
    int count = fscanf(file, "%llu", &number);
    fclose(file);
    if (count == 1) return number;
  }
  return 0;
}

static int look_at_device(struct backing_found *found, dev_t device) {
  int logical = 0, is_read_only = 0;
  unsigned physical = 0;
  uint64_t size = 0;
  if (ioctl(found->fd, BLKSSZGET, &logical) < 0 || ioctl(found->fd, BLKPBSZGET, &physical) < 0 ||
      ioctl(found->fd, BLKGETSIZE64, &size) < 0 || ioctl(found->fd, BLKROGET, &is_read_only) < 0) {
    return -errno;
  }
  found->size = size;
  found->block_bytes = (uint32_t)logical;
  found->preferred_bytes = physical;
  found->read_only |= is_read_only != 0;
  found->discard_bytes = (uint32_t)queue_number(device, "discard_granularity");
  found->can_discard = !found->read_only && queue_number(device, "discard_max_bytes") > 0;
  return 0;
}

static int open_existing(const struct backing_options *options, const struct stat *status, struct backing_found *found) {
  found->is_block = S_ISBLK(status->st_mode);
  found->read_only = options->read_only;
  /* Who only looks may look at what another card or program has open. */
  int flags = options->read_only ? O_RDONLY : found->is_block ? O_RDWR | O_EXCL : O_RDWR;
  if (!found->is_block && !S_ISREG(status->st_mode)) return -ENOTBLK;
  int fd = open_either(options->path, flags);
  if (fd < 0) return fd;
  found->fd = fd;
  return found->is_block || options->read_only ? 0 : lock_file(fd);
}

static int open_or_make(const struct backing_options *options, struct backing_found *found) {
  struct stat status;
  bool exists = stat(options->path, &status) == 0;
  if (!exists && (errno != ENOENT || options->size == 0 || options->read_only)) return -errno;
  if (exists) return open_existing(options, &status, found);
  int fd = open_either(options->path, O_RDWR | O_CREAT | O_EXCL);
  if (fd < 0) return fd;
  found->fd = fd;
  int result = lock_file(fd);
  return result < 0 ? result : sync_directory_of(options->path);
}

static void let_go(struct backing_found *found) {
  if (found->fd >= 0) close(found->fd);
  found->fd = -1;
}

static int open_when_free(const struct backing_options *options, struct backing_found *found) {
  int64_t until_us = now_us() + BUSY_WAIT_US;
  int result = open_or_make(options, found);
  while (result == -EBUSY && now_us() < until_us) {
    let_go(found);
    usleep(BUSY_STEP_US);
    result = open_or_make(options, found);
  }
  return result;
}

static int look(const struct backing_options *options, struct backing_found *found) {
  struct stat status;
  if (fstat(found->fd, &status) < 0) return -errno;
  if (found->is_block) return look_at_device(found, status.st_rdev);
  bool grows = !options->read_only && ((uint64_t)status.st_size < options->size || (options->size > 0 && options->allocated));
  int result = grows ? backing_extend(found->fd, options->size, options->allocated) : 0;
  return result < 0 ? result : look_at_file(found);
}

/* What callers rely on, whatever the device says. */
static int settle(const char *path, struct backing_found *found, char error[ERROR_BYTES]) {
  if (found->block_bytes > BLOCK_BYTES_MAX || (found->block_bytes & (found->block_bytes - 1)) != 0) {
    return describe(error, -EINVAL, "block: %.300s has blocks of %u bytes; at most 4096 are supported", path, found->block_bytes);
  }
  found->size -= found->size % found->block_bytes;
  if (found->size == 0) return describe(error, -EINVAL, "block: %.300s is empty; give it a size", path);
  found->preferred_bytes = larger(found->preferred_bytes, BLOCK_BYTES_MAX);
  found->discard_bytes = larger(found->discard_bytes, found->block_bytes);
  return 0;
}

int backing_find(const struct backing_options *options, struct backing_found *found, char error[ERROR_BYTES]) {
  *found = (struct backing_found){.fd = -1};
  int result = open_when_free(options, found);
  if (result == 0) result = look(options, found);
  if (result == -ENOTBLK) result = describe(error, result, "block: %.300s is neither a file nor a block device", options->path);
  else if (result < 0) result = describe_open(options->path, result, error);
  else result = settle(options->path, found, error);
  if (result < 0) let_go(found);
  return result;
}
