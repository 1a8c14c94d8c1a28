#define _GNU_SOURCE
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/lock.h"
#include "../mailbox/mailbox.h"
#include "bytes.h"
#include "chores.h"
#include "device-orders.h"
#include "mirror-orders.h"
#include "nbd.h"

#define RECORD_BYTES 12
/* What a device that does not answer may delay the end of the program by. */
#define STOP_MS 2000
#define CHORES_MS 500
#define NO_DEVICE "block: there is no device %u"

static const struct engine_table *const engine_modules[ENGINE_MODULES] = {
    [ENGINE_CORE] = &device_orders_table,
    [ENGINE_MIRROR] = &mirror_orders_table,
    [ENGINE_EXPORT] = &nbd_table,
};

/* What the program is told, until it takes it. */
struct report {
  struct report *next;
  uint32_t kind, number;
  int32_t value;
  size_t length;
  uint8_t bytes[];
};

struct engine {
  struct engine_options options;
  struct reactor *reactors[ENGINE_REACTORS_MAX];
  struct chores *chores;
  void (*wake)(void *context);
  void *context;
  pthread_mutex_t lock;
  /* Signalled when a device is gone. */
  pthread_cond_t gone;
  struct device *devices[ENGINE_DEVICES_MAX];
  unsigned loads[ENGINE_REACTORS_MAX];
  uint32_t orders;
  struct report *reports, **reports_last;
  bool is_told, is_stopped;
};

/* Reading orders. */

const uint8_t *engine_bytes(struct engine_order *order, uint32_t length) {
  if (order->malformed || length > order->length - order->at) {
    order->malformed = true;
    return NULL;
  }
  const uint8_t *bytes = order->bytes + order->at;
  order->at += length;
  return bytes;
}

uint8_t engine_u8(struct engine_order *order) {
  const uint8_t *bytes = engine_bytes(order, 1);
  return bytes == NULL ? 0 : bytes[0];
}

uint32_t engine_u32(struct engine_order *order) {
  const uint8_t *bytes = engine_bytes(order, 4);
  return bytes == NULL ? 0 : get_u32(bytes);
}

uint64_t engine_u64(struct engine_order *order) {
  const uint8_t *bytes = engine_bytes(order, 8);
  return bytes == NULL ? 0 : get_u64(bytes);
}

const char *engine_text(struct engine_order *order) {
  const uint8_t *rest = order->bytes + order->at;
  const uint8_t *end = order->malformed || order->at == order->length ? NULL : memchr(rest, '\0', order->length - order->at);
  if (end == NULL) order->malformed = true;
  return end == NULL ? "" : (const char *)engine_bytes(order, (uint32_t)(end - rest) + 1);
}

bool engine_complete(struct engine_order *order) {
  if (!order->malformed && order->at == order->length) return true;
  engine_refuse(order, -EBADMSG, "block: order %u is malformed", order->kind);
  return false;
}

/* Answers and reports. */

/* With the lock, so that nobody is woken who has stopped the engine. */
static void tell_program(struct engine *engine) {
  if (!engine->is_told && !engine->is_stopped) engine->wake(engine->context);
  engine->is_told = true;
}

void engine_report(struct engine *engine, uint32_t kind, uint32_t number, int32_t value, const void *bytes, size_t length) {
  assert(length <= ENGINE_REPORT_BYTES_MAX);
  struct report *report = malloc(sizeof *report + length);
  /* The program waits for each answer; going on without one would be a wait for ever. */
  if (report == NULL) abort();
  *report = (struct report){.kind = kind, .number = number, .value = value, .length = length};
  if (length > 0) memcpy(report->bytes, bytes, length);
  pthread_mutex_lock(&engine->lock);
  *engine->reports_last = report;
  engine->reports_last = &report->next;
  tell_program(engine);
  pthread_mutex_unlock(&engine->lock);
}

size_t engine_take(struct engine *engine, uint8_t *into, size_t room) {
  size_t used = MAILBOX_PREAMBLE_BYTES;
  if (room < used) return 0;
  memset(into, 0, used);
  pthread_mutex_lock(&engine->lock);
  while (engine->reports != NULL) {
    struct report *report = engine->reports;
    size_t padded = (report->length + 3u) & ~(size_t)3u;
    if (room - used < 4 + RECORD_BYTES + padded) break;
    uint8_t *at = into + used;
    put_u32(at, (uint32_t)(RECORD_BYTES + report->length));
    put_u32(at + 4, report->kind);
    put_u32(at + 8, report->number);
    put_u32(at + 12, (uint32_t)report->value);
    memcpy(at + 4 + RECORD_BYTES, report->bytes, report->length);
    memset(at + 4 + RECORD_BYTES + report->length, 0, padded - report->length);
    used += 4 + RECORD_BYTES + padded;
    engine->reports = report->next;
    if (engine->reports == NULL) engine->reports_last = &engine->reports;
    free(report);
  }
  engine->is_told = false;
  if (engine->reports != NULL) tell_program(engine);
  pthread_mutex_unlock(&engine->lock);
  return used;
}

static void free_order(struct engine_order *order) {
  free(order->bytes);
  free(order);
}

void engine_end(struct engine_order *order, int error, const void *bytes, size_t length) {
  struct engine *engine = order->engine;
  struct device *device = order->device;
  if (order->id != 0) engine_report(engine, 0, order->id, error, bytes, length);
  pthread_mutex_lock(&engine->lock);
  engine->orders--;
  pthread_mutex_unlock(&engine->lock);
  free_order(order);
  if (device == NULL) return;
  device->orders--;
  device_orders_ended(device);
}

void engine_refuse(struct engine_order *order, int error, const char *format, ...) {
  char text[ERROR_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  engine_end(order, error, text, strlen(text));
}

/* Orders on their way. */

static struct device *find(struct engine *engine, uint32_t number) {
  for (unsigned index = 0; index < ENGINE_DEVICES_MAX; index++) {
    if (engine->devices[index] != NULL && engine->devices[index]->number == number) return engine->devices[index];
  }
  return NULL;
}

struct device *engine_device(struct engine *engine, struct reactor *reactor, uint32_t number) {
  pthread_mutex_lock(&engine->lock);
  struct device *device = find(engine, number);
  pthread_mutex_unlock(&engine->lock);
  return device == NULL || device->reactor != reactor || device->leaving != NULL ? NULL : device;
}

static engine_handler *handler_of(uint32_t kind) {
  uint32_t module = kind / ENGINE_KINDS;
  const struct engine_table *table = module < ENGINE_MODULES ? engine_modules[module] : NULL;
  uint32_t index = kind % ENGINE_KINDS;
  return table == NULL || index >= table->count ? NULL : table->handlers[index];
}

static bool needs_device(const struct engine_order *order) {
  return order->number != ENGINE_NO_DEVICE || !engine_modules[order->kind / ENGINE_KINDS]->takes_no_device;
}

static void run_order(struct reactor_task *task) {
  struct engine_order *order = REACTOR_OF(task, struct engine_order, task);
  engine_handler *handler = handler_of(order->kind);
  if (order->number != ENGINE_NO_DEVICE) order->device = engine_device(order->engine, order->reactor, order->number);
  if (order->device != NULL) order->device->orders++;
  if (handler == NULL) engine_refuse(order, -ENOSYS, "block: there is no order %u", order->kind);
  else if (order->device == NULL && needs_device(order)) engine_refuse(order, -ENODEV, NO_DEVICE, order->number);
  else handler(order);
}

/* With the lock. The reactor with the fewest devices. */
static unsigned least_loaded(const struct engine *engine) {
  unsigned least = 0;
  for (unsigned index = 1; index < engine->options.reactors; index++) {
    if (engine->loads[index] < engine->loads[least]) least = index;
  }
  return least;
}

static struct device *make_device(struct engine *engine, uint32_t number, struct reactor *reactor) {
  struct device *device = calloc(1, sizeof *device);
  if (device == NULL) return NULL;
  device->number = number;
  device->engine = engine;
  device->reactor = reactor;
  gate_init(&device->gate, reactor);
  device->gate.target.owner = device;
  return device;
}

/* With the lock. A device is there from the moment of the order for it, so that those that follow find their way. */
static int add_device(struct engine *engine, uint32_t number) {
  unsigned place = 0;
  if (number == ENGINE_NO_DEVICE) return -EINVAL;
  if (find(engine, number) != NULL) return -EEXIST;
  while (place < ENGINE_DEVICES_MAX && engine->devices[place] != NULL) place++;
  if (place == ENGINE_DEVICES_MAX) return -ENFILE;
  unsigned reactor = least_loaded(engine);
  engine->devices[place] = make_device(engine, number, engine->reactors[reactor]);
  if (engine->devices[place] == NULL) return -ENOMEM;
  engine->loads[reactor]++;
  return 0;
}

void engine_forget(struct device *device) {
  struct engine *engine = device->engine;
  pthread_mutex_lock(&engine->lock);
  for (unsigned index = 0; index < ENGINE_DEVICES_MAX; index++) {
    if (engine->devices[index] == device) engine->devices[index] = NULL;
  }
  for (unsigned index = 0; index < engine->options.reactors; index++) {
    if (engine->reactors[index] == device->reactor) engine->loads[index]--;
  }
  pthread_cond_broadcast(&engine->gone);
  pthread_mutex_unlock(&engine->lock);
  gate_end(&device->gate);
  free(device);
}

/* With the lock. */
static int route(struct engine *engine, struct engine_order *order) {
  order->reactor = engine->reactors[0];
  if (order->id != 0 && engine->orders >= ENGINE_ORDERS_MAX) return -EAGAIN;
  int result = order->kind == DEVICE_MAKE ? add_device(engine, order->number) : 0;
  if (result < 0) return result;
  if (order->number != ENGINE_NO_DEVICE) {
    const struct device *device = find(engine, order->number);
    if (device == NULL) return -ENODEV;
    order->reactor = device->reactor;
  }
  engine->orders++;
  reactor_post(order->reactor, &order->task);
  return 0;
}

int engine_order(struct engine *engine, uint32_t id, uint32_t kind, uint32_t number, const uint8_t *bytes, uint32_t length) {
  if (length > ENGINE_ORDER_BYTES_MAX) return -E2BIG;
  struct engine_order *order = calloc(1, sizeof *order);
  if (order == NULL) return -ENOMEM;
  order->bytes = malloc(length + 1u);
  if (order->bytes == NULL) {
    free_order(order);
    return -ENOMEM;
  }
  if (length > 0) memcpy(order->bytes, bytes, length);
  order->task.run = run_order;
  order->engine = engine;
  order->id = id;
  order->kind = kind;
  order->number = number;
  order->length = length;
  pthread_mutex_lock(&engine->lock);
  int result = route(engine, order);
  pthread_mutex_unlock(&engine->lock);
  if (result < 0) free_order(order);
  return result;
}

void engine_chore(struct engine *engine, struct reactor_task *task) {
  chores_add(engine->chores, task);
}

struct reactor *engine_reactor(const struct engine *engine, unsigned index) {
  return engine->reactors[index];
}

bool engine_allows_faults(const struct engine *engine) {
  return engine->options.faults;
}

const struct engine_table *engine_table_of(unsigned module) {
  return engine_modules[module];
}

/* Its life. */

static void free_engine(struct engine *engine) {
  while (engine->reports != NULL) {
    struct report *report = engine->reports;
    engine->reports = report->next;
    free(report);
  }
  pthread_cond_destroy(&engine->gone);
  pthread_mutex_destroy(&engine->lock);
  free(engine);
}

static void stop_reactors(struct engine *engine) {
  for (unsigned index = 0; index < ENGINE_REACTORS_MAX; index++) {
    if (engine->reactors[index] != NULL) reactor_stop(engine->reactors[index]);
  }
}

static int start_reactors(struct engine *engine, char error[ERROR_BYTES]) {
  for (unsigned index = 0; index < engine->options.reactors; index++) {
    char name[32];
    snprintf(name, sizeof name, "cardinal-io%u", index);
    struct reactor_options options = {.name = name, .pool_bytes_max = engine->options.pool_bytes_max};
    int result = reactor_start(&engine->reactors[index], &options, error);
    if (result < 0) return result;
  }
  return 0;
}

int engine_start(struct engine **out, const struct engine_options *options, void (*wake)(void *context), void *context,
                 char error[ERROR_BYTES]) {
  if (options->reactors < 1 || options->reactors > ENGINE_REACTORS_MAX) {
    return describe(error, -EINVAL, "block: %u reactors; 1 to %u are possible", options->reactors, ENGINE_REACTORS_MAX);
  }
  if (options->pool_bytes_max < POOL_BUFFER_MAX) {
    return describe(error, -EINVAL, "block: buffers of %zu bytes in all; at least %u are needed", options->pool_bytes_max, POOL_BUFFER_MAX);
  }
  struct engine *engine = calloc(1, sizeof *engine);
  if (engine == NULL) return describe(error, -ENOMEM, "block: out of memory");
  engine->options = *options;
  engine->wake = wake;
  engine->context = context;
  engine->reports_last = &engine->reports;
  lock_init(&engine->lock);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&engine->gone, &attributes);
  pthread_condattr_destroy(&attributes);
  int result = chores_make(&engine->chores);
  if (result < 0) describe(error, result, "block: out of memory");
  else result = start_reactors(engine, error);
  if (result < 0) {
    stop_reactors(engine);
    if (engine->chores != NULL) chores_end(engine->chores, 0);
    free_engine(engine);
    return result;
  }
  *out = engine;
  return 0;
}

/* With the lock. */
static bool has_devices(const struct engine *engine) {
  for (unsigned index = 0; index < ENGINE_DEVICES_MAX; index++) {
    if (engine->devices[index] != NULL) return true;
  }
  return false;
}

static void remove_devices(struct engine *engine) {
  uint32_t numbers[ENGINE_DEVICES_MAX];
  unsigned count = 0;
  pthread_mutex_lock(&engine->lock);
  for (unsigned index = 0; index < ENGINE_DEVICES_MAX; index++) {
    if (engine->devices[index] != NULL) numbers[count++] = engine->devices[index]->number;
  }
  pthread_mutex_unlock(&engine->lock);
  for (unsigned index = 0; index < count; index++) engine_order(engine, 0, DEVICE_REMOVE, numbers[index], NULL, 0);
}

static bool wait_for_devices(struct engine *engine) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += STOP_MS / 1000;
  pthread_mutex_lock(&engine->lock);
  int error = 0;
  while (has_devices(engine) && error == 0) error = pthread_cond_timedwait(&engine->gone, &engine->lock, &until);
  bool all = !has_devices(engine);
  pthread_mutex_unlock(&engine->lock);
  return all;
}

void engine_stop(struct engine *engine) {
  remove_devices(engine);
  bool closed = wait_for_devices(engine);
  bool ended = chores_end(engine->chores, CHORES_MS);
  pthread_mutex_lock(&engine->lock);
  engine->is_stopped = true;
  pthread_mutex_unlock(&engine->lock);
  /*
   * What hangs would come back to a reactor that is no more: it is left alone with all that it needs, for the rest of the
   * process.
   */
  if (!ended) return;
  stop_reactors(engine);
  if (closed) free_engine(engine);
}
