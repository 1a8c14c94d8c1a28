#define _GNU_SOURCE
#include "backing.h"

#include <assert.h>
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* As of Linux 6.12; older ones refuse it. */
#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif

#define ZEROES_BYTES (256u * 1024u)

struct backing {
  struct block_target target;
  struct reactor_file file;
  bool is_block;
  /* Whether the device frees ranges on command, cuts holes, zeroes ranges; found out by trying. */
  bool discards, punches, zeroes;
  uint32_t under_way;
  /*
   * How many changes are done that a flush must cover, how many the last successful sync covers, and how many the one under way
   * will: those that were done when it began.
   */
  uint64_t changed, synced, syncing;
  bool is_syncing, is_closing;
  /* A sync has failed: what it would have covered is nowhere for certain. */
  bool is_lost;
  /* Requests that wait for a sync, each with the count that it needs. */
  struct reactor_task *waiting, **waiting_last;
  struct reactor_op sync, close;
  void (*closed)(void *context);
  void *closed_context;
};

/* Read only, so that it takes no memory. */
static const _Alignas(4096) uint8_t zeroes[ZEROES_BYTES];

static struct backing *backing_of(const struct block_request *request) {
  return REACTOR_OF(request->target, struct backing, target);
}

static struct block_request *request_of(struct reactor_op *op) {
  return REACTOR_OF(op, struct block_request, op);
}

/* The errors that a front can tell apart; every other one is the device's. */
static int mapped(int error) {
  switch (error) {
    case -ENOSPC:
    case -EDQUOT:
      return -ENOSPC;
    case -EROFS:
    case -EPERM:
      return -EROFS;
    case -ENOMEM:
      return -ENOMEM;
    default:
      return -EIO;
  }
}

static void close_if_idle(struct backing *backing) {
  if (backing->closed == NULL || backing->is_closing || backing->under_way > 0 || backing->is_syncing) return;
  backing->is_closing = true;
  reactor_file_remove(backing->target.reactor, &backing->file);
  /* Closing a block device may write out what others have left in its cache, so it is not for this thread. */
  reactor_begin(backing->target.reactor, &backing->close, IORING_OP_CLOSE, backing->file.fd)->flags = IOSQE_ASYNC;
}

static void tell_failure(struct backing *backing, const struct block_request *request, int error) {
  if (backing->target.failed == NULL) return;
  struct block_failure failure = {
      .verb = (enum block_verb)request->verb, .error = error, .offset = request->offset, .length = request->length};
  backing->target.failed(&backing->target, &failure);
}

static void end(struct block_request *request, int error) {
  struct backing *backing = backing_of(request);
  backing->under_way--;
  if (error < 0) {
    error = mapped(error);
    tell_failure(backing, request, error);
  }
  block_end(request, error);
  close_if_idle(backing);
}

static void start_sync(struct backing *backing) {
  backing->is_syncing = true;
  backing->syncing = backing->changed;
  reactor_begin_file(backing->target.reactor, &backing->sync, IORING_OP_FSYNC, &backing->file)->fsync_flags = IORING_FSYNC_DATASYNC;
}

static void wait_for_sync(struct backing *backing, struct block_request *request, bool is_too_early) {
  request->moved = is_too_early;
  request->link.next = NULL;
  *backing->waiting_last = &request->link;
  backing->waiting_last = &request->link.next;
}

/*
 * Ends the request when all changes that are done now are durable. `moved` is of no other use any more: it says whether the sync
 * that is under way began too early for it.
 */
static void end_when_synced(struct block_request *request) {
  struct backing *backing = backing_of(request);
  if (backing->is_lost || backing->synced >= backing->changed) {
    end(request, backing->is_lost ? -EIO : 0);
    return;
  }
  wait_for_sync(backing, request, backing->is_syncing && backing->syncing < backing->changed);
  if (!backing->is_syncing) start_sync(backing);
}

static void on_synced(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct backing *backing = REACTOR_OF(op, struct backing, sync);
  backing->is_syncing = false;
  if (result < 0) backing->is_lost = true;
  else backing->synced = backing->syncing;
  struct reactor_task *task = backing->waiting;
  backing->waiting = NULL;
  backing->waiting_last = &backing->waiting;
  bool more = false;
  while (task != NULL) {
    struct block_request *request = REACTOR_OF(task, struct block_request, link);
    task = task->next;
    if (backing->is_lost || request->moved == 0) {
      end(request, backing->is_lost ? -EIO : 0);
      continue;
    }
    wait_for_sync(backing, request, false);
    more = true;
  }
  if (more && !backing->is_syncing) start_sync(backing);
  close_if_idle(backing);
}

/* What has changed the device is done: with FUA it is durable before it ends. */
static void end_change(struct block_request *request) {
  backing_of(request)->changed++;
  if ((request->flags & BLOCK_FUA) != 0) end_when_synced(request);
  else end(request, 0);
}

static void move(struct block_request *request) {
  struct backing *backing = backing_of(request);
  struct reactor *reactor = backing->target.reactor;
  uint8_t *data = request->data + request->moved;
  uint32_t length = request->length - request->moved;
  uint64_t offset = request->offset + request->moved;
  if (request->verb == BLOCK_READ) {
    reactor_read(reactor, &request->op, &backing->file, data, length, offset);
  } else {
    reactor_write(reactor, &request->op, &backing->file, data, length, offset, (request->flags & BLOCK_FUA) != 0 ? RWF_DSYNC : 0);
  }
}

static bool is_worth_repeating(int result) {
  return result == -EAGAIN || result == -EINTR;
}

/* What is short goes on where it stopped. Nothing at all means that the file or device has become smaller. */
static void on_moved(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct block_request *request = request_of(op);
  if (result > 0) request->moved += (uint32_t)result;
  if ((result > 0 && request->moved < request->length) || is_worth_repeating(result)) {
    move(request);
    return;
  }
  if (result <= 0) {
    end(request, result == 0 ? -EIO : result);
    return;
  }
  if (request->verb == BLOCK_WRITE && (request->flags & BLOCK_FUA) == 0) backing_of(request)->changed++;
  end(request, 0);
}

static void write_zeroes(struct block_request *request) {
  struct backing *backing = backing_of(request);
  uint32_t left = request->length - request->moved;
  uint32_t length = left < ZEROES_BYTES ? left : ZEROES_BYTES;
  reactor_write(backing->target.reactor, &request->op, &backing->file, zeroes, length, request->offset + request->moved, 0);
}

static void on_zeroes_written(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct block_request *request = request_of(op);
  if (result > 0) request->moved += (uint32_t)result;
  if (result > 0 && request->moved == request->length) end_change(request);
  else if (result > 0 || is_worth_repeating(result)) write_zeroes(request);
  else end(request, result == 0 ? -EIO : result);
}

static void carve(struct block_request *request);

static bool is_unknown(int result) {
  return result == -EOPNOTSUPP || result == -ENOSYS || result == -ENOTTY || result == -EINVAL;
}

/* The means of which a completion has just shown that the device does not have it. */
static bool *means_of(struct backing *backing, const struct block_request *request) {
  if (request->verb == BLOCK_DISCARD && backing->is_block && backing->discards) return &backing->discards;
  bool keeps_room = request->verb == BLOCK_ZERO && ((request->flags & BLOCK_NO_HOLE) != 0 || !backing->punches);
  return keeps_room ? &backing->zeroes : &backing->punches;
}

static void on_carved(struct reactor_op *op, int result, uint32_t flags) {
  (void)flags;
  struct block_request *request = request_of(op);
  struct backing *backing = backing_of(request);
  if (result >= 0) {
    end_change(request);
  } else if (is_unknown(result)) {
    *means_of(backing, request) = false;
    carve(request);
  } else if (is_worth_repeating(result)) {
    carve(request);
  } else {
    end(request, result);
  }
}

static void begin_discard(struct backing *backing, struct block_request *request) {
  struct io_uring_sqe *entry = reactor_begin_file(backing->target.reactor, &request->op, IORING_OP_URING_CMD, &backing->file);
  entry->cmd_op = BLOCK_URING_CMD_DISCARD;
  entry->addr = request->offset;
  entry->addr3 = request->length;
}

static void begin_allocate(struct backing *backing, struct block_request *request, uint32_t mode) {
  struct io_uring_sqe *entry = reactor_begin_file(backing->target.reactor, &request->op, IORING_OP_FALLOCATE, &backing->file);
  entry->off = request->offset;
  entry->addr = request->length;
  entry->len = mode | FALLOC_FL_KEEP_SIZE;
}

/* Begins a discard or zeroing with the best means that is left. */
static void carve(struct block_request *request) {
  struct backing *backing = backing_of(request);
  const bool *means = means_of(backing, request);
  request->op.completed = on_carved;
  if (*means) {
    if (means == &backing->discards) begin_discard(backing, request);
    else begin_allocate(backing, request, means == &backing->zeroes ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
  } else if (request->verb == BLOCK_ZERO) {
    request->op.completed = on_zeroes_written;
    write_zeroes(request);
  } else {
    end_change(request);
  }
}

static void submit(struct block_target *target, struct block_request *request) {
  struct backing *backing = REACTOR_OF(target, struct backing, target);
  bool is_durable = request->verb == BLOCK_FLUSH || (request->flags & BLOCK_FUA) != 0;
  bool is_idle_flush = request->verb == BLOCK_FLUSH && backing->synced >= backing->changed;
  if (backing->closed != NULL || (is_durable && backing->is_lost) || is_idle_flush) {
    block_end_later(target->reactor, request, backing->closed != NULL ? -ESHUTDOWN : backing->is_lost ? -EIO : 0);
    return;
  }
  backing->under_way++;
  request->moved = 0;
  switch ((enum block_verb)request->verb) {
    case BLOCK_READ:
    case BLOCK_WRITE:
      request->op.completed = on_moved;
      move(request);
      break;
    case BLOCK_FLUSH:
      end_when_synced(request);
      break;
    case BLOCK_DISCARD:
    case BLOCK_ZERO:
      carve(request);
      break;
  }
}

static void on_closed(struct reactor_op *op, int result, uint32_t flags) {
  (void)result;
  (void)flags;
  struct backing *backing = REACTOR_OF(op, struct backing, close);
  void (*closed)(void *context) = backing->closed;
  void *context = backing->closed_context;
  free(backing);
  closed(context);
}

static void close_backing(struct block_target *target, void (*closed)(void *context), void *context) {
  struct backing *backing = REACTOR_OF(target, struct backing, target);
  backing->closed = closed;
  backing->closed_context = context;
  close_if_idle(backing);
}

static const struct block_target_kind kind = {.name = "backing", .submit = submit, .close = close_backing};

struct block_target *backing_make(struct reactor *reactor, const struct backing_found *found) {
  struct backing *backing = calloc(1, sizeof *backing);
  if (backing == NULL) {
    close(found->fd);
    return NULL;
  }
  backing->target = (struct block_target){
      .kind = &kind,
      .reactor = reactor,
      .size = found->size,
      .block_bytes = found->block_bytes,
      .preferred_bytes = found->preferred_bytes,
      .discard_bytes = found->discard_bytes,
      .read_only = found->read_only,
      .can_discard = found->can_discard,
      .can_zero = true,
  };
  backing->file = reactor_file_add(reactor, found->fd);
  backing->is_block = found->is_block;
  backing->discards = backing->punches = backing->zeroes = true;
  /* What somebody wrote before may not be durable yet, so the first flush is one. */
  backing->changed = 1;
  backing->waiting_last = &backing->waiting;
  backing->sync.completed = on_synced;
  backing->close.completed = on_closed;
  return &backing->target;
}

int backing_descriptor(const struct block_target *target) {
  return target->kind == &kind ? REACTOR_OF(target, const struct backing, target)->file.fd : -1;
}

void backing_set_size(struct block_target *target, uint64_t size) {
  target->size = size - size % target->block_bytes;
}
