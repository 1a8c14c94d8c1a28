/*
 * A device node that is held open. Each has a thread of its own, for any call on a device that has died may never return:
 * such a thread is left behind when the device is closed, and frees what it has when its call comes back.
 *
 *   device_open()     starts the thread, which opens the node first; that is its first answer
 *   device_ask()      DEVICE_PROBE or DEVICE_RELEASE
 *   device_take()     answers, in the order of what was asked (see mailbox.h)
 *   device_close()    closes the node too; waits for its thread for a second at most
 *
 * Opening: a block device for reading and writing (reading, where it is write-protected), with O_EXCL if `exclusive`, which
 * the kernel refuses while it is mounted, part of another device or held so by somebody else. A character device without
 * becoming its terminal; if `exclusive`, the kernel refuses a terminal to all others from then on (TIOCEXCL), and it
 * is refused here when a process has it open already. What is no device is refused.
 *
 * Probing: the node is there and is the same device; of a block device one block is read past all caches, of a character
 * device no error and no hang-up is pending.
 *
 * A record is three words of 32 bits - kind, result, microseconds - and text that says what is wrong; the result is 0 or -errno.
 */
#ifndef CARDINAL_DEVICE_H
#define CARDINAL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_PATH_BYTES 4096
enum device_kind { DEVICE_OPEN = 1, DEVICE_PROBE = 2, DEVICE_RELEASE = 3 };

struct device;

int device_open(struct device **device, const char *path, bool exclusive, void (*wake)(void *context), void *context);
/* 0, or -EAGAIN while too much is asked. */
int device_ask(struct device *device, enum device_kind kind);
size_t device_take(struct device *device, uint8_t *into, size_t room);
void device_close(struct device *device);

#endif
