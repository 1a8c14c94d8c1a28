#ifndef CARDINAL_LOCK_H
#define CARDINAL_LOCK_H

#include <pthread.h>

/*
 * A mutex between threads of different scheduling: whoever holds it runs with the priority of whoever waits for it, so that a thread of
 * the heartbeats waits for what is done under the lock and never for the rest of the machine. Returns 0 or -errno.
 */
int lock_init(pthread_mutex_t *lock);

#endif
