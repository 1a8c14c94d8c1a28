/*
 * A bounded queue from the program to a driver's thread: orders of one size, first in, first out. Nothing is dropped; who
 * gives one is told when there is no room. Give it, then worker_poke(). Everything here may be called from any thread.
 */
#ifndef CARDINAL_ORDERS_H
#define CARDINAL_ORDERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct orders {
  pthread_mutex_t lock;
  uint8_t *bytes;
  size_t order_bytes;
  size_t capacity;
  size_t first;
  size_t count;
};

/* Room for `capacity` orders. Returns 0 or -errno. */
int orders_init(struct orders *orders, size_t capacity, size_t order_bytes);
/* Fine when it was never made, of zeros. */
void orders_free(struct orders *orders);
/* False when it is full. */
bool orders_give(struct orders *orders, const void *order);
/* False when there is none. */
bool orders_next(struct orders *orders, void *order);

#endif
