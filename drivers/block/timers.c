#include "timers.h"

#include <stdlib.h>

#define ROOM_MIN 64

static void put(struct timers *timers, size_t place, struct reactor_timer *timer) {
  timers->heap[place] = timer;
  timer->place = place;
}

static void rise(struct timers *timers, size_t place) {
  struct reactor_timer *timer = timers->heap[place];
  for (; place > 1 && timers->heap[place / 2]->at_us > timer->at_us; place /= 2) put(timers, place, timers->heap[place / 2]);
  put(timers, place, timer);
}

static void sink(struct timers *timers, size_t place) {
  struct reactor_timer *timer = timers->heap[place];
  for (size_t child = 2 * place; child <= timers->count; place = child, child *= 2) {
    if (child < timers->count && timers->heap[child + 1]->at_us < timers->heap[child]->at_us) child++;
    if (timers->heap[child]->at_us >= timer->at_us) break;
    put(timers, place, timers->heap[child]);
  }
  put(timers, place, timer);
}

static void grow(struct timers *timers) {
  size_t room = timers->room == 0 ? ROOM_MIN : 2 * timers->room;
  struct reactor_timer **heap = realloc(timers->heap, (room + 1) * sizeof(struct reactor_timer *));
  /* Whoever sets a timer relies on it: going on without would be a wait for ever. */
  if (heap == NULL) abort();
  timers->heap = heap;
  timers->room = room;
}

void timers_set(struct timers *timers, struct reactor_timer *timer, int64_t at_us) {
  timers_cancel(timers, timer);
  if (timers->count == timers->room) grow(timers);
  timer->at_us = at_us;
  put(timers, ++timers->count, timer);
  rise(timers, timers->count);
}

void timers_cancel(struct timers *timers, struct reactor_timer *timer) {
  size_t place = timer->place;
  if (place == 0) return;
  timer->place = 0;
  struct reactor_timer *last = timers->heap[timers->count--];
  if (last == timer) return;
  put(timers, place, last);
  rise(timers, place);
  sink(timers, last->place);
}

struct reactor_timer *timers_first(const struct timers *timers) {
  return timers->count == 0 ? NULL : timers->heap[1];
}

void timers_free(struct timers *timers) {
  free(timers->heap);
  *timers = (struct timers){0};
}
