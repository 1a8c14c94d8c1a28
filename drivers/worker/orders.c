#include "orders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int orders_init(struct orders *orders, size_t capacity, size_t order_bytes) {
  *orders = (struct orders){.order_bytes = order_bytes, .capacity = capacity};
  orders->bytes = calloc(capacity, order_bytes);
  if (orders->bytes == NULL) return -ENOMEM;
  int error = pthread_mutex_init(&orders->lock, NULL);
  if (error != 0) {
    free(orders->bytes);
    orders->bytes = NULL;
  }
  return -error;
}

void orders_free(struct orders *orders) {
  if (orders->bytes == NULL) return;
  pthread_mutex_destroy(&orders->lock);
  free(orders->bytes);
  orders->bytes = NULL;
}

static uint8_t *place_of(const struct orders *orders, size_t index) {
  return orders->bytes + index % orders->capacity * orders->order_bytes;
}

bool orders_give(struct orders *orders, const void *order) {
  pthread_mutex_lock(&orders->lock);
  bool room = orders->count < orders->capacity;
  if (room) memcpy(place_of(orders, orders->first + orders->count++), order, orders->order_bytes);
  pthread_mutex_unlock(&orders->lock);
  return room;
}

bool orders_next(struct orders *orders, void *order) {
  pthread_mutex_lock(&orders->lock);
  bool any = orders->count > 0;
  if (any) {
    memcpy(order, place_of(orders, orders->first), orders->order_bytes);
    orders->first = (orders->first + 1) % orders->capacity;
    orders->count--;
  }
  pthread_mutex_unlock(&orders->lock);
  return any;
}
