/*
 * A reactor's buffers: aligned to 4096 bytes, in classes of 4 KiB, 8 KiB, ... 1 MiB, cut from slabs of 1 MiB. The pool grows by
 * some slabs when it must, up to its bound, and gives them back when they have been idle for a while. What it grows by is
 * registered with the ring while the limit of locked memory allows, so that the kernel need not map a buffer for each read and
 * write.
 *
 * For the reactor's own thread alone.
 */
#ifndef CARDINAL_POOL_H
#define CARDINAL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_ALIGNMENT 4096u
#define POOL_BUFFER_MIN 4096u
#define POOL_BUFFER_MAX (1024u * 1024u)

struct pool;
struct reactor;
struct reactor_task;

/* A buffer of at least `length` bytes (1 to POOL_BUFFER_MAX), not zeroed; NULL when the pool is exhausted. */
uint8_t *pool_take(struct pool *pool, uint32_t length);
/* `buffer` as it was taken. */
void pool_give(struct pool *pool, uint8_t *buffer);
/* Has `task` run, once, when it is worth while to try again. First come, first run. */
void pool_wait(struct pool *pool, struct reactor_task *task);
/* Takes back pool_wait(); fine when it does not wait. */
void pool_wait_no_more(struct pool *pool, struct reactor_task *task);

/* The index under which the ring knows the memory at `from`, or -1 when it does not or the memory is none of the pool's. */
int pool_registration(const struct pool *pool, const void *from);

struct pool_use {
  size_t bytes_max, bytes_grown, bytes_taken;
};
struct pool_use pool_use(const struct pool *pool);

/* For the reactor: `ring` is the descriptor to register buffers with. Returns 0 or -errno. */
int pool_make(struct pool **pool, struct reactor *reactor, size_t bytes_max, int ring);
void pool_free(struct pool *pool);

#endif
