#define _GNU_SOURCE
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int describe_open(char error[ERROR_BYTES], const char *path, int number) {
  switch (number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return describe(error, -number, "watchdog: there is no device \"%s\"", path);
    case EACCES:
    case EPERM:
      return describe(error, -number, "watchdog: no permission to open \"%s\": write access is needed (usually root)", path);
    case EBUSY:
      return describe(error, -number, "watchdog: \"%s\" is in use by another program", path);
    default:
      return describe(error, -number, "watchdog: \"%s\" cannot be opened: %s", path, strerrordesc_np(number));
  }
}

/* Opening has armed the device, so a device that is then refused is disarmed again. */
static int refuse_device(struct watchdog *watchdog) {
  watchdog_close(watchdog, true);
  return -EINVAL;
}

static int set_timeout(struct watchdog *watchdog, const char *path, uint32_t *timeout_s, char error[ERROR_BYTES]) {
  int timeout = (int)*timeout_s;
  int number = ioctl(watchdog->fd, WDIOC_SETTIMEOUT, &timeout) == 0 ? 0 : errno;
  if (number == EINVAL) {
    return describe(error, refuse_device(watchdog), "watchdog: \"%s\" cannot do a time-out of %u s", path, *timeout_s);
  }
  /* Devices with a fixed time-out tell it, or tell nothing; then the one asked for is all there is to go by. */
  int present;
  if (ioctl(watchdog->fd, WDIOC_GETTIMEOUT, &present) == 0 && present > 0) {
    timeout = present;
  } else if (number != 0) {
    return describe(error, refuse_device(watchdog), "watchdog: the time-out of \"%s\" can neither be set nor read", path);
  }
  *timeout_s = (uint32_t)timeout;
  return 0;
}

int watchdog_open(struct watchdog *watchdog, const char *path, uint32_t *timeout_s, char error[ERROR_BYTES]) {
  if (*timeout_s == 0 || *timeout_s > INT_MAX) return describe(error, -EINVAL, "watchdog: a time-out of %u s is out of range", *timeout_s);
  struct stat status;
  if (stat(path, &status) < 0) return describe_open(error, path, errno);
  if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
    return describe(error, -EINVAL, "watchdog: \"%s\" is neither a watchdog device nor a file", path);
  }
  watchdog->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (watchdog->fd < 0) return describe_open(error, path, errno);
  if (fstat(watchdog->fd, &status) == 0 && S_ISREG(status.st_mode)) return 0;
  struct watchdog_info info;
  if (ioctl(watchdog->fd, WDIOC_GETSUPPORT, &info) < 0) {
    close(watchdog->fd);
    return describe(error, -ENOTTY, "watchdog: \"%s\" is no watchdog device", path);
  }
  return set_timeout(watchdog, path, timeout_s, error);
}

static int write_byte(struct watchdog *watchdog, char byte) {
  ssize_t wrote;
  do wrote = write(watchdog->fd, &byte, 1);
  while (wrote < 0 && errno == EINTR);
  return wrote == 1 ? 0 : wrote < 0 ? -errno : -EIO;
}

int watchdog_feed(struct watchdog *watchdog) {
  return write_byte(watchdog, '.');
}

int watchdog_close(struct watchdog *watchdog, bool disarm) {
  int result = disarm ? write_byte(watchdog, 'V') : 0;
  close(watchdog->fd);
  return result;
}
