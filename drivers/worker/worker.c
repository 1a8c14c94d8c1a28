#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Ample for the drivers, whose buffers are on the heap, and cheap when all memory is locked. */
#define STACK_BYTES (256u * 1024u)

/* A thread started under SCHED_RESET_ON_FORK begins normal, so it is raised by hand: one above its starter, which may wait for it. */
static void follow_scheduling(struct worker *worker) {
  struct sched_param parameter;
  int policy = sched_getscheduler(0);
  if (policy < 0 || (policy & SCHED_RESET_ON_FORK) == 0 || sched_getparam(0, &parameter) < 0) return;
  parameter.sched_priority++;
  pthread_setschedparam(worker->thread, policy, &parameter);
}

static int start_quietly(pthread_t *thread, void *(*run)(void *argument), void *argument) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return -error;
  sigset_t all, before;
  sigfillset(&all);
  error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
  if (error == 0) error = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (error == 0) {
    error = pthread_create(thread, &attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  pthread_attr_destroy(&attributes);
  return -error;
}

static void name_thread(pthread_t thread, const char *name) {
  char short_name[16];
  strncpy(short_name, name, sizeof short_name - 1);
  short_name[sizeof short_name - 1] = '\0';
  pthread_setname_np(thread, short_name);
}

int worker_start_normal(struct worker *worker, const char *name, void *(*run)(void *argument), void *argument) {
  worker->running = false;
  atomic_store(&worker->stopping, false);
  worker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (worker->event < 0) return -errno;
  int result = start_quietly(&worker->thread, run, argument);
  if (result < 0) {
    close(worker->event);
    worker->event = -1;
    return result;
  }
  worker->running = true;
  name_thread(worker->thread, name);
  return 0;
}

int worker_start_detached(const char *name, void *(*run)(void *argument), void *argument) {
  pthread_t thread;
  int result = start_quietly(&thread, run, argument);
  if (result < 0) return result;
  name_thread(thread, name);
  pthread_detach(thread);
  return 0;
}

int worker_start(struct worker *worker, const char *name, void *(*run)(void *argument), void *argument) {
  int result = worker_start_normal(worker, name, run, argument);
  if (result == 0) follow_scheduling(worker);
  return result;
}

void worker_poke(struct worker *worker) {
  uint64_t one = 1;
  /* It fails only when the event is pending to the brim, which is as good. */
  ssize_t written = write(worker->event, &one, sizeof one);
  (void)written;
}

bool worker_poked(struct worker *worker) {
  uint64_t count;
  ssize_t got = read(worker->event, &count, sizeof count);
  (void)got;
  return !atomic_load(&worker->stopping);
}

void worker_stop(struct worker *worker) {
  if (!worker->running) return;
  atomic_store(&worker->stopping, true);
  worker_poke(worker);
  pthread_join(worker->thread, NULL);
  close(worker->event);
  worker->event = -1;
  worker->running = false;
}
