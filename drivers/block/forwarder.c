#define _GNU_SOURCE
#include "forwarder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "remote.h"

#define BLOCK_BYTES 4096

struct job {
  struct remote_call call;
  struct block_request *outer;
  struct forwarder *forwarder;
  struct job *next;
};

struct forwarder {
  struct block_target target;
  struct forwarder_options options;
  struct remote *remote;
  struct job *free_jobs;
  int reason;
  void (*closed)(void *context);
  void *closed_context;
  struct reactor_task close_task;
};

static void close_now(struct reactor_task *task) {
  struct forwarder *forwarder = REACTOR_OF(task, struct forwarder, close_task);
  void (*closed)(void *context) = forwarder->closed;
  void *context = forwarder->closed_context;
  while (forwarder->free_jobs != NULL) {
    struct job *job = forwarder->free_jobs;
    forwarder->free_jobs = job->next;
    free(job);
  }
  free(forwarder);
  closed(context);
}

static void job_done(struct remote_call *call, int error) {
  struct job *job = REACTOR_OF(call, struct job, call);
  struct block_request *outer = job->outer;
  job->next = job->forwarder->free_jobs;
  job->forwarder->free_jobs = job;
  block_end(outer, error);
}

static const uint8_t kinds[BLOCK_VERBS] = {
    [BLOCK_READ] = FRAME_READ, [BLOCK_WRITE] = FRAME_WRITE, [BLOCK_FLUSH] = FRAME_FLUSH, [BLOCK_DISCARD] = FRAME_DISCARD, [BLOCK_ZERO] = FRAME_ZERO};

static void submit(struct block_target *target, struct block_request *request) {
  struct forwarder *forwarder = REACTOR_OF(target, struct forwarder, target);
  struct job *job = forwarder->free_jobs;
  if (job != NULL) forwarder->free_jobs = job->next;
  else job = malloc(sizeof *job);
  if (job == NULL || forwarder->remote == NULL) {
    free(job);
    block_end_later(target->reactor, request, forwarder->remote == NULL ? forwarder->reason : -ENOMEM);
    return;
  }
  job->outer = request;
  job->forwarder = forwarder;
  job->call = (struct remote_call){
      .kind = kinds[request->verb],
      .flags = (uint8_t)((request->flags & BLOCK_FUA ? FRAME_FUA : 0) | (request->flags & BLOCK_NO_HOLE ? FRAME_NO_HOLE : 0)),
      .offset = request->offset,
      .length = request->length,
      .done = job_done};
  if (request->verb == BLOCK_WRITE) {
    job->call.data = request->data;
    job->call.data_crc = crc32c(0, request->data, request->length);
  } else if (request->verb == BLOCK_READ) {
    job->call.into = request->data;
    job->call.into_bytes = request->length;
  }
  remote_call(forwarder->remote, &job->call);
}

static void ended(struct remote *remote, int reason) {
  struct forwarder *forwarder = remote->options.owner;
  free(remote);
  forwarder->remote = NULL;
  forwarder->reason = reason;
  if (forwarder->closed != NULL) reactor_later(forwarder->target.reactor, &forwarder->close_task);
  else forwarder->options.lost(&forwarder->target, reason);
}

/* What is under way ends with the connection, before `ended` is told. */
static void close_forwarder(struct block_target *target, void (*closed)(void *context), void *context) {
  struct forwarder *forwarder = REACTOR_OF(target, struct forwarder, target);
  forwarder->closed = closed;
  forwarder->closed_context = context;
  if (forwarder->remote != NULL) remote_end(forwarder->remote, -ESHUTDOWN);
  else reactor_later(target->reactor, &forwarder->close_task);
}

static const struct block_target_kind kind = {.name = "forwarder", .submit = submit, .close = close_forwarder};

struct block_target *forwarder_make(struct reactor *reactor, int fd, const struct forwarder_options *options) {
  struct forwarder *forwarder = calloc(1, sizeof *forwarder);
  if (forwarder == NULL) {
    close(fd);
    return NULL;
  }
  forwarder->target = (struct block_target){.kind = &kind,
                                            .reactor = reactor,
                                            .size = options->size,
                                            .block_bytes = 512,
                                            .preferred_bytes = BLOCK_BYTES,
                                            .discard_bytes = BLOCK_BYTES,
                                            .can_discard = true,
                                            .can_zero = true};
  forwarder->options = *options;
  forwarder->close_task.run = close_now;
  struct remote_options remote = {.term = options->term, .timeout_us = options->timeout_us, .ended = ended, .owner = forwarder};
  forwarder->remote = remote_start(reactor, fd, &remote);
  if (forwarder->remote != NULL) return &forwarder->target;
  free(forwarder);
  return NULL;
}
