/* The timers that are set, the first one on top: a heap of pointers, in which each timer knows its place. */
#ifndef CARDINAL_TIMERS_H
#define CARDINAL_TIMERS_H

#include "reactor.h"

struct timers {
  struct reactor_timer **heap; /* from 1 */
  size_t count, room;
};

/* Sets or moves one. The process ends when there is no memory for it. */
void timers_set(struct timers *timers, struct reactor_timer *timer, int64_t at_us);
void timers_cancel(struct timers *timers, struct reactor_timer *timer);
/* The first one, NULL when none is set. */
struct reactor_timer *timers_first(const struct timers *timers);
void timers_free(struct timers *timers);

#endif
