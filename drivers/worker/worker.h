/*
 * A driver's thread with an event descriptor to poll beside its own: to be told that there is something to do, or
 * that it is to end. It runs with all signals blocked, so that they stay with the program's main thread.
 */
#ifndef CARDINAL_WORKER_H
#define CARDINAL_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct worker {
  pthread_t thread;
  /* Becomes readable at worker_poke(); the thread polls it and calls worker_poked(). */
  int event;
  bool running;
  atomic_bool stopping;
};

/* The name is cut to 15 characters. Returns 0 or -errno; after an error there is nothing to stop. */
int worker_start(struct worker *worker, const char *name, void *(*run)(void *argument), void *argument);
/* The same with normal scheduling also in a program that runs in real time: for work that no heartbeat waits for. */
int worker_start_normal(struct worker *worker, const char *name, void *(*run)(void *argument), void *argument);
/* A thread alone, with normal scheduling, that ends by itself and that nobody waits for. Returns 0 or -errno. */
int worker_start_detached(const char *name, void *(*run)(void *argument), void *argument);

/* From any thread, any number of times. */
void worker_poke(struct worker *worker);

/* In the thread: clears the event and says whether to go on. */
bool worker_poked(struct worker *worker);

/* Ends the thread and waits until it has. Fine when it was never started. */
void worker_stop(struct worker *worker);

#endif
