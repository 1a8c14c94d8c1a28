/*
 * The orders about devices and their slots, with the engine's own part in them. Each is of ENGINE_CORE; the bytes are those of
 * the comment, numbers little-endian, texts with a final zero.
 */
#ifndef CARDINAL_DEVICE_ORDERS_H
#define CARDINAL_DEVICE_ORDERS_H

#include "engine.h"

enum device_order {
  DEVICE_MAKE = 1,
  /* Ends its sessions, mirror and targets: nothing is under way when it is answered. */
  DEVICE_REMOVE,
  /* u8 slot, u8 flags (1 read only, 2 allocated), u64 size, text path. Answer: struct device_opened. */
  DEVICE_OPEN,
  /* u8 slot. Refused while it is behind the gate. */
  DEVICE_CLOSE,
  /* u8 slot, u8 allocated, u64 size. A file grows, of a device its new size is taken over. Answer: u64 size. */
  DEVICE_GROW,
  /* u8 slot, or DEVICE_NOTHING: what is behind the gate. Waits for what has passed; refused while the gate is open. */
  DEVICE_SERVE,
  /* u8 enum gate_state. */
  DEVICE_GATE,
  /* Answered when nothing that has passed is under way. */
  DEVICE_DRAIN,
  /* u64 term. Answered when nothing of an older one is under way. */
  DEVICE_RAISE,
  /*
   * u8 slot or DEVICE_NOTHING for the gate, u8 verb, u8 flags, u32 length, u64 offset, u64 term, of WRITE the data. Answer: of
   * READ the data.
   */
  DEVICE_REQUEST,
  /* Answer: struct device_status. */
  DEVICE_STATUS,
  /* Answer: struct device_counted per verb. */
  DEVICE_COUNT,
  /* u8 slot, u8 kind (0 fault.h, 1 power.h), u64 seed: a target of that kind over what is in the slot. */
  DEVICE_FAULT_LAY,
  /* u8 slot, u8 action, u32 verbs, u64 offset, u64 length, u32 skip, u32 count, u32 chance, u32 error, u32 value. */
  DEVICE_FAULT_RULE,
  /* u8 slot. */
  DEVICE_FAULT_RESUME,
  /* u8 slot: the disk in it loses its power. */
  DEVICE_POWER_CUT,
  DEVICE_ORDERS,
};

enum device_report {
  /* Of the device: u8 slot, u8 verb, u16 0, u32 length, u64 offset; the value is the error. At most one per slot a second. */
  DEVICE_FAILED = 1,
};

#define DEVICE_NOTHING 255

enum device_flags { DEVICE_READ_ONLY = 1, DEVICE_CAN_DISCARD = 2, DEVICE_CAN_ZERO = 4, DEVICE_IS_BLOCK = 8 };

struct device_opened {
  uint64_t size;
  uint32_t block_bytes, preferred_bytes, discard_bytes, flags;
};

struct device_status {
  uint64_t term, size, kept_bytes, pool_bytes_max, pool_bytes_grown, pool_bytes_taken;
  uint32_t state, passed, kept_count, slots;
};

struct device_counted {
  uint64_t requests, bytes, errors, latency_us;
  uint32_t buckets[GATE_BUCKETS];
};

extern const struct engine_table device_orders_table;

/* For the engine: an order of the device has ended. */
void device_orders_ended(struct device *device);
/* The engine's: takes a device that has nothing any more out of its table and frees it. */
void engine_forget(struct device *device);
const struct engine_table *engine_table_of(unsigned module);

#endif
