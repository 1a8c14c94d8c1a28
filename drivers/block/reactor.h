/*
 * One thread with one io_uring: disks, sockets, timers, and what other threads hand over.
 *
 * The thread goes round in turns. A turn takes what the kernel has completed, then what was posted, then the timers that
 * have expired; then it runs what was put off with reactor_later(), then what asked for the end of the turn; then it submits all
 * operations that came about in one system call, which also waits for the next completion. So replies that several
 * completions of a turn led to are sent together when the one who sends them asks for the end of the turn.
 *
 * All functions are for the reactor's own thread, but those that say otherwise. Nothing here blocks: what may (opening, probing,
 * making room in a file) belongs into engine_chore().
 *
 * The ring is made with plain system calls. Of liburing only the few lines that fill and empty two rings would be used, and
 * linux/io_uring.h is the contract in either case.
 */
#ifndef CARDINAL_REACTOR_H
#define CARDINAL_REACTOR_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/error.h"

struct reactor;
struct pool;
struct msghdr;
struct sockaddr;

/* Something to be run once, kept in whatever it is about. Its memory must stay until it has run. */
struct reactor_task {
  void (*run)(struct reactor_task *task);
  struct reactor_task *next;
  bool queued;
};

/*
 * An operation under way, kept in whatever it is about; one at a time. `completed` is called on the reactor with the result
 * of the operation (-errno, or what its system call returns) and the flags of the completion, never from inside of the function
 * that began it. A multishot operation completes again and again while the flags have IORING_CQE_F_MORE.
 */
struct reactor_op {
  void (*completed)(struct reactor_op *op, int result, uint32_t flags);
};

struct reactor_timer {
  void (*expired)(struct reactor_timer *timer);
  int64_t at_us;
  /* Its place in the heap, from 1; 0 when it is not set. */
  size_t place;
};

/* The structure of which `member` is the member at `pointer`. */
#define REACTOR_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct reactor_options {
  const char *name;
  /* What its pool may grow to. */
  size_t pool_bytes_max;
};

/* From any thread. Returns 0 or -errno, with a text. */
int reactor_start(struct reactor **reactor, const struct reactor_options *options, char error[ERROR_BYTES]);
/* From any other thread. What is under way then is dropped: close what lives on the reactor first. */
void reactor_stop(struct reactor *reactor);

/* From any thread: has `task` run on the reactor. Tasks of one thread run in the order in which they were posted. */
void reactor_post(struct reactor *reactor, struct reactor_task *task);

/* Whether the caller is the reactor's thread; for assertions, from any thread. */
bool reactor_is_here(const struct reactor *reactor);

/* The clock that nobody sets, as read when the turn began: good for time-outs and for the time that requests take. */
int64_t reactor_now_us(const struct reactor *reactor);

struct pool *reactor_pool(struct reactor *reactor);

/*
 * Has it run in this turn, when what runs now has returned; fine when it is queued already. For what must not happen from inside.
 */
void reactor_later(struct reactor *reactor, struct reactor_task *task);
/*
 * Has it run when nothing else is left to do in this turn; fine when it is queued already. For what is better done once for many.
 */
void reactor_at_turn_end(struct reactor *reactor, struct reactor_task *task);
/* Takes back either; fine when it is not queued. For what is about to be freed. */
void reactor_forget(struct reactor *reactor, struct reactor_task *task);

/* Sets or moves a timer. */
void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, int64_t at_us);
/* Fine when it is not set. */
void reactor_timer_cancel(struct reactor *reactor, struct reactor_timer *timer);

/*
 * The next place in the submission ring, zeroed but for the opcode, the descriptor and the operation to complete; the caller
 * fills in the rest before anything else is begun. Never NULL: a full ring is submitted first. With an `op` of NULL nobody is
 * told how it ends.
 */
struct io_uring_sqe *reactor_begin(struct reactor *reactor, struct reactor_op *op, uint8_t opcode, int fd);
/* Asks for the end of an operation. It completes in any case: with -ECANCELED, or as it would have. */
void reactor_cancel(struct reactor *reactor, struct reactor_op *op);

/*
 * A descriptor that the ring knows by a slot of its own, which spares the kernel looking it up for each operation. When there is
 * no slot it works by its number.
 */
struct reactor_file {
  int fd;
  int slot; /* -1: none */
};

struct reactor_file reactor_file_add(struct reactor *reactor, int fd);
/* Gives the slot back; the descriptor stays open. Nothing may be under way with it. */
void reactor_file_remove(struct reactor *reactor, struct reactor_file *file);
struct io_uring_sqe *reactor_begin_file(struct reactor *reactor, struct reactor_op *op, uint8_t opcode, const struct reactor_file *file);

/* Whole or in part: the result says how much. From and into a buffer of the pool it spares the kernel mapping it each time. */
void reactor_read(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *file, uint8_t *into, uint32_t length,
                  uint64_t offset);
/* `flags` are those of pwritev2(2), as RWF_DSYNC. */
void reactor_write(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *file, const uint8_t *from, uint32_t length,
                   uint64_t offset, uint32_t flags);

/* Sockets. `flags` are those of recv(2) and send(2); what is sent must stay until the operation completes. */
void reactor_receive(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, void *into, size_t length,
                     int flags);
void reactor_send(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const void *from, size_t length,
                  int flags);
/* The message and its list of parts must stay until the operation completes. */
void reactor_send_message(struct reactor *reactor, struct reactor_op *op, const struct reactor_file *socket, const struct msghdr *message,
                          int flags);
/* One completion per connection, its result the descriptor, until it is cancelled or fails. */
void reactor_accept(struct reactor *reactor, struct reactor_op *op, int socket);
void reactor_connect(struct reactor *reactor, struct reactor_op *op, int socket, const struct sockaddr *address, size_t length);
/* Completes once, with the events as of poll(2). */
void reactor_poll(struct reactor *reactor, struct reactor_op *op, int fd, unsigned events);

#endif
