/*
 * A pseudo terminal's controlling side, for the virtual multiplexor and for tests.
 *
 *   pty_open()   a new pair; the slave is set raw and stays open in here, so that programs may open and close it
 *                without a hang-up ever reaching the master
 *   pty_take()   what programs wrote to the slave (see mailbox.h); call it when woken
 *   pty_write()  what fits into the slave's input at once
 *   pty_close()  ends the thread; programs that still have the slave open see a hang-up
 *
 * One thread reads the master. While the mailbox is full it does not read, so the writers of the slave wait, as
 * they would on a line with flow control: nothing is dropped here.
 */
#ifndef CARDINAL_PTY_H
#define CARDINAL_PTY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PTY_PATH_BYTES 64

struct pty;

/* `queue_bytes` bounds what waits for pty_take(). Returns 0 or -errno. `path` receives the slave's path. */
int pty_open(struct pty **pty, size_t queue_bytes, void (*wake)(void *context), void *context, char path[PTY_PATH_BYTES]);
size_t pty_take(struct pty *pty, uint8_t *into, size_t room);
/* Returns how many bytes were taken, from 0 to `length`, or -errno. */
ssize_t pty_write(struct pty *pty, const uint8_t *bytes, size_t length);
void pty_close(struct pty *pty);

#endif
