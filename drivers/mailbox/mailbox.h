/*
 * A bounded queue between a driver's thread and its consumer, and the few facts that may never be lost.
 *
 * Two kinds of content:
 *   - records: runs of bytes, oldest first, bounded in number and in bytes. When there is no room the oldest
 *     are dropped and counted.
 *   - facts: a fixed set of numbers that say how things stand (carrier, an error, how many writes are done). A
 *     fact is overwritten, so it needs no room; the consumer compares it with what it saw last.
 *
 * The consumer is woken through one function, and not again before it has taken: whatever comes in the meantime
 * joins what is taken then. Everything here may be called from any thread.
 *
 * What mailbox_take() writes, all numbers 32 bits in the machine's byte order:
 *
 *   fact 0 .. fact MAILBOX_FACTS - 1 | records left behind | { length | bytes, padded to a multiple of 4 } ...
 */
#ifndef CARDINAL_MAILBOX_H
#define CARDINAL_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAILBOX_FACTS 4
/* What a take writes before the first record. */
#define MAILBOX_PREAMBLE_BYTES ((MAILBOX_FACTS + 1) * 4)

/* When the consumer wants to be woken for records, told at each take. For facts it is always woken. */
enum mailbox_want {
  MAILBOX_WANT_NEVER = 0,
  MAILBOX_WANT_IF_NONE_TAKEN = 1,
  MAILBOX_WANT_ALWAYS = 2,
};

struct mailbox {
  pthread_mutex_t lock;
  uint8_t *bytes;
  size_t capacity;
  uint32_t records_max;
  /* Positions only grow; a position's place in `bytes` is its remainder by `capacity`. */
  uint64_t head;
  uint64_t tail;
  uint64_t last;
  uint32_t records;
  uint32_t facts[MAILBOX_FACTS];
  bool facts_changed;
  bool wanted;
  bool signalled;
  uint64_t dropped_records;
  uint64_t dropped_bytes;
  void (*wake)(void *context);
  void *context;
};

/* `capacity` counts a length of 4 bytes and padding for each record. Returns 0 or -errno. */
int mailbox_init(struct mailbox *box, size_t capacity, uint32_t records_max, void (*wake)(void *context), void *context);
void mailbox_free(struct mailbox *box);

/*
 * Adds a record made of two parts (either may be empty). It wakes nobody: call mailbox_signal() after the last of
 * a batch. A record larger than the whole queue is dropped and counted itself.
 */
void mailbox_push(struct mailbox *box, const void *first, size_t first_bytes, const void *second, size_t second_bytes);

/* Adds bytes to a stream: joined to the newest record while that stays within `record_bytes_max`, else a new one. */
void mailbox_append(struct mailbox *box, const void *bytes, size_t length, size_t record_bytes_max);

/* Whether a record of `length` bytes would fit without dropping another. */
bool mailbox_has_room(struct mailbox *box, size_t length);

void mailbox_set_fact(struct mailbox *box, unsigned index, uint32_t value);
void mailbox_add_fact(struct mailbox *box, unsigned index, uint32_t more);

/* Wakes the consumer if there is something that it wants and it is not on its way already. */
void mailbox_signal(struct mailbox *box);

/*
 * Writes the facts and as many whole records as fit in `room` bytes. Returns the bytes written, 0 when not even the
 * facts fit. A consumer that wants records needs room for the largest there can be, or it is woken for ever.
 */
size_t mailbox_take(struct mailbox *box, uint8_t *into, size_t room, enum mailbox_want want);

/* Drops all records without counting them: the consumer asked for it. */
void mailbox_discard(struct mailbox *box);

void mailbox_dropped(struct mailbox *box, uint64_t *records, uint64_t *bytes);

#endif
