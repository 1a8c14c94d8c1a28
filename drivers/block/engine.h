/*
 * Reactors, the devices on them, orders from the program and what it is told.
 *
 * A device has a number that the program chose, a reactor, a gate, and slots for its targets: 0 is what the fronts' requests go
 * to in the end, others are legs, peers, metadata, as the modules that lay them there say. The program gives orders: a kind, a
 * device and bytes. An order is answered once, by its number, with an error or with bytes; its handler runs on the reactor of its
 * device (without a device: on the first reactor) and may end it later, from any thread. Reports are told without being asked.
 *
 * A module has its orders in a table of its own, named in `engine_modules` of engine.c.
 */
#ifndef CARDINAL_ENGINE_H
#define CARDINAL_ENGINE_H

#include "gate.h"

#define ENGINE_REACTORS_MAX 8
#define ENGINE_DEVICES_MAX 256
#define ENGINE_SLOTS 16
#define ENGINE_ORDERS_MAX 4096
#define ENGINE_ORDER_BYTES_MAX (2u * 1024u * 1024u)
/* Of an answer or report; the program has room for one. */
#define ENGINE_REPORT_BYTES_MAX (1024u * 1024u)
/* The number of an order without a device. */
#define ENGINE_NO_DEVICE UINT32_MAX

struct engine;
struct engine_leaving;

/* Whose orders and reports begin at which number. */
enum engine_module { ENGINE_CORE = 0, ENGINE_EXPORT = 1, ENGINE_MIRROR = 2 };
#define ENGINE_MODULES 3
#define ENGINE_KINDS 64
#define ENGINE_KIND(module, index) ((module) * ENGINE_KINDS + (index))

struct engine_options {
  uint32_t reactors;
  size_t pool_bytes_max; /* of each reactor */
  /* Whether targets of the kind `fault` may be laid. */
  bool faults;
};

struct device {
  uint32_t number;
  struct engine *engine;
  struct reactor *reactor;
  struct block_gate gate;
  struct block_target *slots[ENGINE_SLOTS];
  /* What a module keeps with the device, by its number in enum engine_module. */
  void *modules[ENGINE_MODULES];
  /*
   * The engine's own: slots that an opening is on its way to, orders that have not ended, when a failure was told, whether it
   * goes.
   */
  uint32_t reserved, orders;
  int64_t failed_at_us[ENGINE_SLOTS];
  struct engine_leaving *leaving;
};
struct engine_order {
  struct reactor_task task;
  struct engine *engine;
  struct reactor *reactor;
  /* NULL for orders without a device. */
  struct device *device;
  uint32_t id, kind, number;
  /* Read so far: engine_u32() and so on. */
  uint32_t at;
  bool malformed;
  uint32_t length;
  uint8_t *bytes;
};

typedef void engine_handler(struct engine_order *order);

struct engine_table {
  engine_handler *const *handlers; /* by index; NULL: no such order */
  uint32_t count;
  /* Whether its handlers know what to do without a device; if not, they always have one. */
  bool takes_no_device;
  /*
   * Called on its reactor before a device goes, with its gate shut: the module ends what it has there, then calls `left`. First
   * the fronts, then, when nothing of theirs is under way any more, the mirror; the engine closes what is left in the slots.
   * NULL: nothing to do.
   */
  void (*leave)(struct device *device, void (*left)(void *context), void *context);
};

/*
 * The order's bytes, little-endian, one value after the other. Past the end, or without a final zero of a text: zero, and
 * `malformed` is set.
 */
uint8_t engine_u8(struct engine_order *order);
uint32_t engine_u32(struct engine_order *order);
uint64_t engine_u64(struct engine_order *order);
/* In the order's memory. */
const char *engine_text(struct engine_order *order);
const uint8_t *engine_bytes(struct engine_order *order, uint32_t length);
/* Whether everything was read and nothing is left; if not, ends the order with -EBADMSG. */
bool engine_complete(struct engine_order *order);

/*
 * Ends an order and frees it: on its reactor, or, of an order without a device, on any thread. The bytes of an error are its
 * text.
 */
void engine_end(struct engine_order *order, int error, const void *bytes, size_t length);
__attribute__((format(printf, 3, 4))) void engine_refuse(struct engine_order *order, int error, const char *format, ...);

/*
 * Tells the program something, from any thread. What is told is never lost: whoever reports must be bounded by itself (one report
 * per session that ends, progress not before the last one was answered).
 */
void engine_report(struct engine *engine, uint32_t kind, uint32_t number, int32_t value, const void *bytes, size_t length);

/* Runs `task` on the thread for what may block. It comes back by reactor_post(). */
void engine_chore(struct engine *engine, struct reactor_task *task);

/* A device by its number, on its reactor: NULL if there is none there, or if it is about to go. */
struct device *engine_device(struct engine *engine, struct reactor *reactor, uint32_t number);
/* The reactor of an index below that of `reactors` in the options; the one of a device is its own. */
struct reactor *engine_reactor(const struct engine *engine, unsigned index);
bool engine_allows_faults(const struct engine *engine);

/* For the binding, from one thread. `wake` is called from any. */
int engine_start(struct engine **engine, const struct engine_options *options, void (*wake)(void *context), void *context,
                 char error[ERROR_BYTES]);
/* -EAGAIN when too many orders are under way, -ENODEV, -ENOMEM. The bytes are copied. */
int engine_order(struct engine *engine, uint32_t id, uint32_t kind, uint32_t number, const uint8_t *bytes, uint32_t length);
/*
 * Writes answers and reports as mailbox_take() does: { kind, number, value } in 32 bits each, and bytes. An answer has kind 0,
 * the order's id and the error.
 */
size_t engine_take(struct engine *engine, uint8_t *into, size_t room);
/* Closes every device and ends the threads. */
void engine_stop(struct engine *engine);

#endif
