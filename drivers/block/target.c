#include "target.h"

#include <errno.h>

#include "gate.h"

/* 0, or what is wrong with the request. */
static int check(const struct block_target *target, const struct block_request *request) {
  uint32_t mask = target->block_bytes - 1;
  bool changes = request->verb != BLOCK_READ;
  if (request->verb == BLOCK_FLUSH) return 0;
  if (request->verb >= BLOCK_VERBS) return -EINVAL;
  if (changes && target->read_only) return -EROFS;
  if (request->length > (request->verb <= BLOCK_WRITE ? BLOCK_REQUEST_MAX : BLOCK_RANGE_MAX)) return -EINVAL;
  if (((request->offset | request->length) & mask) != 0) return -EINVAL;
  if (request->offset > target->size || request->length > target->size - request->offset) return changes ? -ENOSPC : -EINVAL;
  if (request->verb == BLOCK_DISCARD && !target->can_discard) return -EOPNOTSUPP;
  return 0;
}

void block_submit(struct block_target *target, struct block_request *request) {
  bool is_passage = target->kind->is_passage;
  int error = is_passage ? 0 : check(target, request);
  if (error < 0 || (request->length == 0 && request->verb != BLOCK_FLUSH && !is_passage)) {
    block_end_later(target->reactor, request, error);
    return;
  }
  request->target = target;
  target->kind->submit(target, request);
}

void block_end(struct block_request *request, int error) {
  if (request->gate != NULL) gate_ended(request, error);
  request->done(request, error);
}

static void end_now(struct reactor_task *task) {
  struct block_request *request = REACTOR_OF(task, struct block_request, link);
  block_end(request, request->error);
}

void block_end_later(struct reactor *reactor, struct block_request *request, int error) {
  request->error = error;
  request->link.run = end_now;
  request->link.queued = false;
  reactor_later(reactor, &request->link);
}
