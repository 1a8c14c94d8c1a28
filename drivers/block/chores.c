#define _GNU_SOURCE
#include "chores.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "../worker/worker.h"

#define THREADS_MAX 8

struct chores {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct reactor_task *first, **last;
  unsigned threads, idle;
  bool ending, abandoned;
};

static void free_chores(struct chores *chores) {
  pthread_cond_destroy(&chores->changed);
  pthread_mutex_destroy(&chores->lock);
  free(chores);
}

static void *run(void *argument) {
  struct chores *chores = argument;
  pthread_mutex_lock(&chores->lock);
  for (;;) {
    struct reactor_task *task = chores->first;
    if (task == NULL) {
      if (chores->ending) break;
      chores->idle++;
      pthread_cond_wait(&chores->changed, &chores->lock);
      chores->idle--;
      continue;
    }
    chores->first = task->next;
    if (chores->first == NULL) chores->last = &chores->first;
    pthread_mutex_unlock(&chores->lock);
    task->run(task);
    pthread_mutex_lock(&chores->lock);
  }
  bool is_last_of_abandoned = --chores->threads == 0 && chores->abandoned;
  pthread_cond_broadcast(&chores->changed);
  pthread_mutex_unlock(&chores->lock);
  if (is_last_of_abandoned) free_chores(chores);
  return NULL;
}

int chores_make(struct chores **out) {
  struct chores *chores = calloc(1, sizeof *chores);
  if (chores == NULL) return -ENOMEM;
  pthread_mutex_init(&chores->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&chores->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  chores->last = &chores->first;
  *out = chores;
  return 0;
}

void chores_add(struct chores *chores, struct reactor_task *task) {
  pthread_mutex_lock(&chores->lock);
  task->next = NULL;
  *chores->last = task;
  chores->last = &task->next;
  bool needs_thread = chores->idle == 0 && chores->threads < THREADS_MAX;
  if (needs_thread && worker_start_detached("cardinal-chore", run, chores) == 0) chores->threads++;
  bool alone = chores->threads == 0;
  if (alone) chores->first = NULL, chores->last = &chores->first;
  pthread_cond_signal(&chores->changed);
  pthread_mutex_unlock(&chores->lock);
  /* No thread at all can be had: better late than never. */
  if (alone) task->run(task);
}

bool chores_end(struct chores *chores, int64_t wait_ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += wait_ms / 1000;
  until.tv_nsec += wait_ms % 1000 * 1000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&chores->lock);
  chores->ending = true;
  pthread_cond_broadcast(&chores->changed);
  int error = 0;
  while (chores->threads > 0 && error == 0) error = pthread_cond_timedwait(&chores->changed, &chores->lock, &until);
  bool ended = chores->threads == 0;
  chores->abandoned = !ended;
  pthread_mutex_unlock(&chores->lock);
  if (ended) free_chores(chores);
  return ended;
}
