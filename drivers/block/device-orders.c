#define _GNU_SOURCE
#include "device-orders.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backing.h"
#include "bytes.h"
#include "fault.h"
#include "power.h"

#define FAILURES_APART_US 1000000

static void succeed(struct engine_order *order) {
  engine_end(order, 0, NULL, 0);
}

static void refuse_memory(struct engine_order *order) {
  engine_refuse(order, -ENOMEM, "block: out of memory");
}

/* The target in a slot; NULL after the order has been refused. */
static struct block_target *target_in(struct engine_order *order, uint8_t slot) {
  struct block_target *target = slot < ENGINE_SLOTS ? order->device->slots[slot] : NULL;
  if (target == NULL) engine_refuse(order, -ENXIO, "block: device %u has nothing in slot %u", order->number, slot);
  return target;
}

static void on_failed(struct block_target *target, const struct block_failure *failure) {
  struct device *device = target->owner;
  uint8_t slot = 0;
  while (slot < ENGINE_SLOTS && device->slots[slot] != target) slot++;
  int64_t now = reactor_now_us(device->reactor);
  if (slot == ENGINE_SLOTS || (device->failed_at_us[slot] != 0 && now - device->failed_at_us[slot] < FAILURES_APART_US)) return;
  device->failed_at_us[slot] = now;
  uint8_t bytes[16] = {slot, (uint8_t)failure->verb};
  put_u32(bytes + 4, failure->length);
  put_u64(bytes + 8, failure->offset);
  engine_report(device->engine, DEVICE_FAILED, device->number, failure->error, bytes, sizeof bytes);
}

static void lay(struct device *device, uint8_t slot, struct block_target *target) {
  device->slots[slot] = target;
  device->failed_at_us[slot] = 0;
  target->failed = on_failed;
  target->owner = device;
}

static void make(struct engine_order *order) {
  if (engine_complete(order)) succeed(order);
}

/* Opening. */

struct opening {
  struct reactor_task task;
  struct engine_order *order;
  uint8_t slot;
  int result;
  struct backing_options options;
  struct backing_found found;
  char error[ERROR_BYTES];
};

static uint32_t flags_of(const struct block_target *target, bool is_block) {
  return (target->read_only ? DEVICE_READ_ONLY : 0) | (target->can_discard ? DEVICE_CAN_DISCARD : 0) |
         (target->can_zero ? DEVICE_CAN_ZERO : 0) | (is_block ? DEVICE_IS_BLOCK : 0);
}

static void answer_opened(struct engine_order *order, const struct block_target *target, bool is_block) {
  struct device_opened opened = {
      .size = target->size,
      .block_bytes = target->block_bytes,
      .preferred_bytes = target->preferred_bytes,
      .discard_bytes = target->discard_bytes,
      .flags = flags_of(target, is_block),
  };
  engine_end(order, 0, &opened, sizeof opened);
}

static void finish_opening(struct reactor_task *task) {
  struct opening *opening = REACTOR_OF(task, struct opening, task);
  struct engine_order *order = opening->order;
  struct device *device = order->device;
  device->reserved &= ~(1u << opening->slot);
  if (opening->result == 0 && device->leaving != NULL) {
    close(opening->found.fd);
    opening->result = describe(opening->error, -ESHUTDOWN, "block: device %u is being removed", device->number);
  }
  struct block_target *target = opening->result == 0 ? backing_make(device->reactor, &opening->found) : NULL;
  if (target != NULL) lay(device, opening->slot, target);
  if (opening->result < 0) engine_refuse(order, opening->result, "%s", opening->error);
  else if (target == NULL) refuse_memory(order);
  else answer_opened(order, target, opening->found.is_block);
  free(opening);
}

static void find_backing(struct reactor_task *task) {
  struct opening *opening = REACTOR_OF(task, struct opening, task);
  opening->result = backing_find(&opening->options, &opening->found, opening->error);
  opening->task.run = finish_opening;
  reactor_post(opening->order->reactor, &opening->task);
}

static void open_slot(struct engine_order *order) {
  uint8_t slot = engine_u8(order), flags = engine_u8(order);
  uint64_t size = engine_u64(order);
  const char *path = engine_text(order);
  if (!engine_complete(order)) return;
  struct device *device = order->device;
  if (slot >= ENGINE_SLOTS || device->slots[slot] != NULL || (device->reserved >> slot & 1) != 0) {
    engine_refuse(order, -EEXIST, "block: slot %u of device %u is taken, or is none of %u", slot, device->number, ENGINE_SLOTS);
    return;
  }
  struct opening *opening = calloc(1, sizeof *opening);
  if (opening == NULL || strlen(path) >= sizeof opening->options.path) {
    engine_refuse(order, opening == NULL ? -ENOMEM : -ENAMETOOLONG, "block: the path is too long");
    free(opening);
    return;
  }
  opening->order = order;
  opening->slot = slot;
  opening->options.read_only = (flags & 1) != 0;
  opening->options.allocated = (flags & 2) != 0;
  opening->options.size = size;
  snprintf(opening->options.path, sizeof opening->options.path, "%s", path);
  opening->task.run = find_backing;
  device->reserved |= 1u << slot;
  engine_chore(order->engine, &opening->task);
}

static void on_slot_closed(void *context) {
  succeed(context);
}

static void close_slot(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  if (!engine_complete(order)) return;
  struct block_target *target = target_in(order, slot);
  if (target == NULL) return;
  if (order->device->gate.behind == target) {
    engine_refuse(order, -EBUSY, "block: slot %u of device %u is behind its gate; serve something else first", slot, order->number);
    return;
  }
  order->device->slots[slot] = NULL;
  target->kind->close(target, on_slot_closed, order);
}

/* Growing. */

struct growing {
  struct reactor_task task;
  struct engine_order *order;
  uint8_t slot;
  bool allocated;
  int fd, result;
  uint64_t size;
};

static void finish_growing(struct reactor_task *task) {
  struct growing *growing = REACTOR_OF(task, struct growing, task);
  struct engine_order *order = growing->order;
  struct device *device = order->device;
  struct block_target *target = device->slots[growing->slot];
  if (growing->result < 0) {
    engine_refuse(order, growing->result, "block: slot %u of device %u cannot grow to %llu bytes: %s", growing->slot, device->number,
                  (unsigned long long)growing->size, strerrordesc_np(-growing->result));
  } else if (target == NULL || backing_descriptor(target) < 0) {
    engine_refuse(order, -ENXIO, "block: slot %u of device %u was closed meanwhile", growing->slot, device->number);
  } else {
    backing_set_size(target, growing->size);
    if (device->gate.behind == target) gate_refresh(&device->gate);
    uint64_t size = target->size;
    engine_end(order, 0, &size, sizeof size);
  }
  free(growing);
}

static int grow_now(struct growing *growing) {
  uint64_t size = 0;
  if (ioctl(growing->fd, BLKGETSIZE64, &size) < 0) return backing_extend(growing->fd, growing->size, growing->allocated);
  if (size < growing->size) return -ENOSPC;
  growing->size = size;
  return 0;
}

static void grow_backing(struct reactor_task *task) {
  struct growing *growing = REACTOR_OF(task, struct growing, task);
  growing->result = growing->fd < 0 ? -EMFILE : grow_now(growing);
  if (growing->fd >= 0) close(growing->fd);
  growing->task.run = finish_growing;
  reactor_post(growing->order->reactor, &growing->task);
}

static void grow_slot(struct engine_order *order) {
  uint8_t slot = engine_u8(order), allocated = engine_u8(order);
  uint64_t size = engine_u64(order);
  if (!engine_complete(order)) return;
  struct block_target *target = target_in(order, slot);
  if (target == NULL) return;
  int fd = backing_descriptor(target);
  if (fd < 0 || size < target->size) {
    engine_refuse(order, -EINVAL, "block: slot %u of device %u has %llu bytes; only a file or device can grow, and only so", slot,
                  order->number, (unsigned long long)target->size);
    return;
  }
  struct growing *growing = calloc(1, sizeof *growing);
  if (growing == NULL) {
    refuse_memory(order);
    return;
  }
  /* A descriptor of its own: the slot may be closed and its number be another file's by the time. */
  *growing = (struct growing){.order = order, .slot = slot, .allocated = allocated != 0, .size = size};
  growing->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  growing->task.run = grow_backing;
  engine_chore(order->engine, &growing->task);
}

/* The gate. */

struct gate_order {
  struct gate_wait wait;
  struct engine_order *order;
  uint8_t slot;
};

static struct gate_order *make_wait(struct engine_order *order, uint8_t slot, void (*done)(struct gate_wait *wait)) {
  struct gate_order *wait = calloc(1, sizeof *wait);
  if (wait == NULL) {
    refuse_memory(order);
    return NULL;
  }
  wait->wait.done = done;
  wait->order = order;
  wait->slot = slot;
  return wait;
}

static void on_served(struct gate_wait *wait) {
  struct gate_order *serving = REACTOR_OF(wait, struct gate_order, wait);
  struct engine_order *order = serving->order;
  struct device *device = order->device;
  uint8_t slot = serving->slot;
  free(serving);
  struct block_target *target = slot == DEVICE_NOTHING ? NULL : target_in(order, slot);
  if (target == NULL && slot != DEVICE_NOTHING) return;
  gate_set_behind(&device->gate, target);
  succeed(order);
}

static void serve(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  if (!engine_complete(order)) return;
  struct block_gate *gate = &order->device->gate;
  if (gate->state == GATE_OPEN) {
    engine_refuse(order, -EBUSY, "block: the gate of device %u is open; pause it first", order->number);
    return;
  }
  if (slot != DEVICE_NOTHING && target_in(order, slot) == NULL) return;
  struct gate_order *serving = make_wait(order, slot, on_served);
  if (serving != NULL) gate_drain(gate, &serving->wait);
}

static void set_gate(struct engine_order *order) {
  uint8_t state = engine_u8(order);
  if (!engine_complete(order)) return;
  switch (state) {
    case GATE_OPEN:
      gate_open(&order->device->gate);
      break;
    case GATE_PAUSED:
      gate_pause(&order->device->gate);
      break;
    case GATE_SHUT:
      gate_shut(&order->device->gate);
      break;
    default:
      engine_refuse(order, -EINVAL, "block: a gate has no state %u", state);
      return;
  }
  succeed(order);
}

static void on_drained(struct gate_wait *wait) {
  struct gate_order *draining = REACTOR_OF(wait, struct gate_order, wait);
  struct engine_order *order = draining->order;
  free(draining);
  succeed(order);
}

static void drain(struct engine_order *order) {
  if (!engine_complete(order)) return;
  struct gate_order *draining = make_wait(order, 0, on_drained);
  if (draining != NULL) gate_drain(&order->device->gate, &draining->wait);
}

static void raise_term(struct engine_order *order) {
  uint64_t term = engine_u64(order);
  if (!engine_complete(order)) return;
  struct gate_order *raising = make_wait(order, 0, on_drained);
  if (raising == NULL) return;
  uint64_t present = order->device->gate.term;
  int result = gate_raise(&order->device->gate, term, &raising->wait);
  if (result == 0) return;
  free(raising);
  engine_refuse(order, result, "block: device %u is in term %llu already, %llu is not higher", order->number, (unsigned long long)present,
                (unsigned long long)term);
}

/* The program's own requests. */

struct asked {
  struct block_request request;
  struct engine_order *order;
};

static void on_done(struct block_request *request, int error) {
  struct asked *asked = REACTOR_OF(request, struct asked, request);
  struct engine_order *order = asked->order;
  struct pool *pool = reactor_pool(order->reactor);
  uint8_t *data = request->data;
  bool gives_data = error == 0 && request->verb == BLOCK_READ;
  uint32_t length = request->length;
  free(asked);
  if (error < 0) engine_refuse(order, error, "block: %s", strerrordesc_np(-error));
  else engine_end(order, 0, gives_data ? data : NULL, gives_data ? length : 0);
  if (data != NULL) pool_give(pool, data);
}

/* Memory for the data of a request that has a length; -errno when the request cannot be, or there is none. */
static int provide_data(struct engine_order *order, struct block_request *request) {
  if (request->verb > BLOCK_WRITE || request->length == 0) return 0;
  if (request->length > BLOCK_REQUEST_MAX) return -EINVAL;
  request->data = pool_take(reactor_pool(order->reactor), request->length);
  return request->data == NULL ? -EAGAIN : 0;
}

static void request(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  struct block_request asked = {.done = on_done};
  asked.verb = engine_u8(order);
  asked.flags = engine_u8(order);
  asked.length = engine_u32(order);
  asked.offset = engine_u64(order);
  asked.term = engine_u64(order);
  const uint8_t *written = asked.verb == BLOCK_WRITE ? engine_bytes(order, asked.length) : NULL;
  if (!engine_complete(order)) return;
  struct block_target *target = slot == DEVICE_NOTHING ? &order->device->gate.target : target_in(order, slot);
  if (target == NULL) return;
  struct asked *made = malloc(sizeof *made);
  int error = made == NULL ? -ENOMEM : provide_data(order, &asked);
  if (error < 0) {
    free(made);
    engine_refuse(order, error, "block: a request of %u bytes cannot be made: %s", asked.length, strerrordesc_np(-error));
    return;
  }
  if (written != NULL && asked.data != NULL) memcpy(asked.data, written, asked.length);
  *made = (struct asked){.request = asked, .order = order};
  block_submit(target, &made->request);
}

static void tell_status(struct engine_order *order) {
  if (!engine_complete(order)) return;
  const struct device *device = order->device;
  const struct block_gate *gate = &device->gate;
  struct pool_use use = pool_use(reactor_pool(device->reactor));
  struct device_status status = {
      .term = gate->term,
      .size = gate->target.size,
      .kept_bytes = gate->kept_bytes,
      .pool_bytes_max = use.bytes_max,
      .pool_bytes_grown = use.bytes_grown,
      .pool_bytes_taken = use.bytes_taken,
      .state = gate->state,
      .passed = gate->passed,
      .kept_count = gate->kept_count,
  };
  for (unsigned slot = 0; slot < ENGINE_SLOTS; slot++) status.slots |= device->slots[slot] != NULL ? 1u << slot : 0;
  engine_end(order, 0, &status, sizeof status);
}

static void tell_counts(struct engine_order *order) {
  if (!engine_complete(order)) return;
  struct device_counted counted[BLOCK_VERBS];
  for (unsigned verb = 0; verb < BLOCK_VERBS; verb++) {
    const struct gate_counters *counters = &order->device->gate.counters[verb];
    counted[verb] = (struct device_counted){counters->requests, counters->bytes, counters->errors, counters->latency_us, {0}};
    memcpy(counted[verb].buckets, counters->buckets, sizeof counted[verb].buckets);
  }
  engine_end(order, 0, counted, sizeof counted);
}

/* Faults. */

static void lay_fault(struct engine_order *order) {
  uint8_t slot = engine_u8(order), is_power = engine_u8(order);
  uint64_t seed = engine_u64(order);
  if (!engine_complete(order)) return;
  struct block_target *below = target_in(order, slot);
  if (below == NULL) return;
  if (!engine_allows_faults(order->engine) || order->device->gate.behind == below) {
    engine_refuse(order, -EPERM, "block: faults are laid before a slot is served, and only in an engine that was opened for them");
    return;
  }
  struct block_target *fault = is_power != 0 ? power_make(below, seed) : fault_make(below, seed);
  if (fault == NULL) {
    refuse_memory(order);
    return;
  }
  lay(order->device, slot, fault);
  succeed(order);
}

/* The fault target in a slot; NULL after the order has been refused. */
static struct block_target *fault_in(struct engine_order *order, uint8_t slot) {
  struct block_target *target = target_in(order, slot);
  if (target == NULL || fault_is(target)) return target;
  engine_refuse(order, -EINVAL, "block: no fault is laid over slot %u of device %u", slot, order->number);
  return NULL;
}

static void add_fault(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  struct fault_rule rule = {.action = (enum fault_action)engine_u8(order)};
  rule.verbs = engine_u32(order);
  rule.offset = engine_u64(order);
  rule.length = engine_u64(order);
  rule.skip = engine_u32(order);
  rule.count = engine_u32(order);
  rule.chance = engine_u32(order);
  rule.error = -(int32_t)engine_u32(order);
  rule.value = engine_u32(order);
  if (!engine_complete(order)) return;
  struct block_target *fault = fault_in(order, slot);
  if (fault == NULL) return;
  int result = fault_add_rule(fault, &rule);
  if (result < 0) engine_refuse(order, result, "block: the rule is none, or there are %u already", FAULT_RULES_MAX);
  else succeed(order);
}

static void resume_faults(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  if (!engine_complete(order)) return;
  struct block_target *fault = fault_in(order, slot);
  if (fault == NULL) return;
  fault_resume(fault);
  succeed(order);
}

static void cut(struct engine_order *order) {
  uint8_t slot = engine_u8(order);
  if (!engine_complete(order)) return;
  struct block_target *target = target_in(order, slot);
  while (target != NULL && fault_is(target)) target = fault_below(target);
  if (target == NULL) return;
  if (!power_is(target)) {
    engine_refuse(order, -EINVAL, "block: slot %u of device %u has no disk that can lose its power", slot, order->number);
    return;
  }
  power_cut(target);
  succeed(order);
}

/*
 * Removal, step by step: the gate is shut, the fronts leave, what has passed ends, the mirror leaves, the slots are closed one by
 * one, and the orders that are under way end.
 */
struct engine_leaving {
  struct device *device;
  struct engine_order *order;
  struct gate_wait drained;
  bool is_empty;
};

static void close_next_slot(void *context) {
  struct engine_leaving *leaving = context;
  struct device *device = leaving->device;
  gate_set_behind(&device->gate, NULL);
  uint8_t slot = 0;
  while (slot < ENGINE_SLOTS && device->slots[slot] == NULL) slot++;
  if (slot == ENGINE_SLOTS) {
    leaving->is_empty = true;
    device_orders_ended(device);
    return;
  }
  struct block_target *target = device->slots[slot];
  device->slots[slot] = NULL;
  target->kind->close(target, close_next_slot, leaving);
}

static void leave(struct engine_leaving *leaving, enum engine_module module, void (*left)(void *context)) {
  const struct engine_table *table = engine_table_of(module);
  if (table == NULL || table->leave == NULL) left(leaving);
  else table->leave(leaving->device, left, leaving);
}

static void on_gate_drained(struct gate_wait *wait) {
  leave(REACTOR_OF(wait, struct engine_leaving, drained), ENGINE_MIRROR, close_next_slot);
}

static void on_fronts_left(void *context) {
  struct engine_leaving *leaving = context;
  struct device *device = leaving->device;
  /* What a test has made to hang would be waited for. */
  for (unsigned slot = 0; slot < ENGINE_SLOTS; slot++) {
    if (device->slots[slot] != NULL && fault_is(device->slots[slot])) fault_resume(device->slots[slot]);
  }
  leaving->drained.done = on_gate_drained;
  gate_drain(&device->gate, &leaving->drained);
}

static void remove_device(struct engine_order *order) {
  if (!engine_complete(order)) return;
  struct engine_leaving *leaving = calloc(1, sizeof *leaving);
  if (leaving == NULL) {
    refuse_memory(order);
    return;
  }
  leaving->device = order->device;
  leaving->order = order;
  order->device->leaving = leaving;
  gate_shut(&order->device->gate);
  leave(leaving, ENGINE_EXPORT, on_fronts_left);
}

void device_orders_ended(struct device *device) {
  struct engine_leaving *leaving = device->leaving;
  if (leaving == NULL || !leaving->is_empty || device->orders > 1) return;
  struct engine_order *order = leaving->order;
  free(leaving);
  engine_forget(device);
  order->device = NULL;
  succeed(order);
}

static engine_handler *const handlers[DEVICE_ORDERS] = {
    [DEVICE_MAKE] = make,
    [DEVICE_REMOVE] = remove_device,
    [DEVICE_OPEN] = open_slot,
    [DEVICE_CLOSE] = close_slot,
    [DEVICE_GROW] = grow_slot,
    [DEVICE_SERVE] = serve,
    [DEVICE_GATE] = set_gate,
    [DEVICE_DRAIN] = drain,
    [DEVICE_RAISE] = raise_term,
    [DEVICE_REQUEST] = request,
    [DEVICE_STATUS] = tell_status,
    [DEVICE_COUNT] = tell_counts,
    [DEVICE_FAULT_LAY] = lay_fault,
    [DEVICE_FAULT_RULE] = add_fault,
    [DEVICE_FAULT_RESUME] = resume_faults,
    [DEVICE_POWER_CUT] = cut,
};

const struct engine_table device_orders_table = {.handlers = handlers, .count = DEVICE_ORDERS};
