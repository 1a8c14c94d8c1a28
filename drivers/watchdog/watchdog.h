/*
 * A hardware watchdog: a device that resets the machine unless it is fed in time.
 *
 *   watchdog_open()   arms the device and sets its time-out, which the device may round. A regular file is taken in
 *                     a device's place: it must exist, each write is appended, and the time-out is the one asked for
 *   watchdog_feed()   one byte
 *   watchdog_close()  disarmed: the magic 'V' first, so that the device stops (unless it was built never to). Not
 *                     disarmed: the device goes on and resets the machine
 *
 * A process that dies without closing leaves the device running.
 */
#ifndef CARDINAL_WATCHDOG_H
#define CARDINAL_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/error.h"

struct watchdog {
  int fd;
};

/* 0 or -errno; then `error` says what is wrong, with the path. `timeout_s` is asked for, and receives what holds. */
int watchdog_open(struct watchdog *watchdog, const char *path, uint32_t *timeout_s, char error[ERROR_BYTES]);
int watchdog_feed(struct watchdog *watchdog);
int watchdog_close(struct watchdog *watchdog, bool disarm);

#endif
