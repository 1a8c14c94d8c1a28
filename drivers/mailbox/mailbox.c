#include "mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4u

static size_t padded(size_t length) {
  return (length + 3u) & ~(size_t)3u;
}

int mailbox_init(struct mailbox *box, size_t capacity, uint32_t records_max, void (*wake)(void *context), void *context) {
  memset(box, 0, sizeof *box);
  box->capacity = padded(capacity);
  box->records_max = records_max;
  box->wanted = true;
  box->wake = wake;
  box->context = context;
  box->bytes = malloc(box->capacity);
  if (box->bytes == NULL) return -ENOMEM;
  int error = pthread_mutex_init(&box->lock, NULL);
  if (error != 0) {
    free(box->bytes);
    box->bytes = NULL;
  }
  return -error;
}

void mailbox_free(struct mailbox *box) {
  if (box->bytes == NULL) return;
  pthread_mutex_destroy(&box->lock);
  free(box->bytes);
  box->bytes = NULL;
}

static void copy_in(struct mailbox *box, uint64_t at, const void *from, size_t length) {
  if (length == 0) return;
  size_t place = (size_t)(at % box->capacity);
  size_t until_end = box->capacity - place;
  size_t first = length < until_end ? length : until_end;
  memcpy(box->bytes + place, from, first);
  memcpy(box->bytes, (const uint8_t *)from + first, length - first);
}

static void copy_out(const struct mailbox *box, uint64_t at, void *to, size_t length) {
  if (length == 0) return;
  size_t place = (size_t)(at % box->capacity);
  size_t until_end = box->capacity - place;
  size_t first = length < until_end ? length : until_end;
  memcpy(to, box->bytes + place, first);
  memcpy((uint8_t *)to + first, box->bytes, length - first);
}

static uint32_t length_at(const struct mailbox *box, uint64_t at) {
  uint32_t length;
  copy_out(box, at, &length, sizeof length);
  return length;
}

/* An empty queue starts over at the front, so that a queue which never gets long touches few pages. */
static void rewind_if_empty(struct mailbox *box) {
  if (box->records != 0) return;
  box->head = 0;
  box->tail = 0;
  box->last = 0;
}

static void drop_oldest(struct mailbox *box) {
  uint32_t length = length_at(box, box->head);
  box->head += LENGTH_BYTES + padded(length);
  box->records--;
  box->dropped_records++;
  box->dropped_bytes += length;
  rewind_if_empty(box);
}

static void push_locked(struct mailbox *box, const void *first, size_t first_bytes, const void *second, size_t second_bytes) {
  size_t length = first_bytes + second_bytes;
  size_t need = LENGTH_BYTES + padded(length);
  if (need > box->capacity || box->records_max == 0) {
    box->dropped_records++;
    box->dropped_bytes += length;
    return;
  }
  while (box->records >= box->records_max || box->capacity - (size_t)(box->tail - box->head) < need) drop_oldest(box);
  uint32_t length32 = (uint32_t)length;
  copy_in(box, box->tail, &length32, sizeof length32);
  copy_in(box, box->tail + LENGTH_BYTES, first, first_bytes);
  copy_in(box, box->tail + LENGTH_BYTES + first_bytes, second, second_bytes);
  box->last = box->tail;
  box->tail += need;
  box->records++;
}

void mailbox_push(struct mailbox *box, const void *first, size_t first_bytes, const void *second, size_t second_bytes) {
  pthread_mutex_lock(&box->lock);
  push_locked(box, first, first_bytes, second, second_bytes);
  pthread_mutex_unlock(&box->lock);
}

/* Joins `length` bytes to the newest record if they fit there without dropping anything. */
static bool extend_last(struct mailbox *box, const void *bytes, size_t length, size_t record_bytes_max) {
  if (box->records == 0) return false;
  uint32_t present = length_at(box, box->last);
  if (present + length > record_bytes_max) return false;
  uint64_t tail = box->last + LENGTH_BYTES + padded(present + length);
  if (tail - box->head > box->capacity) return false;
  copy_in(box, box->last + LENGTH_BYTES + present, bytes, length);
  uint32_t length32 = (uint32_t)(present + length);
  copy_in(box, box->last, &length32, sizeof length32);
  box->tail = tail;
  return true;
}

void mailbox_append(struct mailbox *box, const void *bytes, size_t length, size_t record_bytes_max) {
  if (length == 0) return;
  pthread_mutex_lock(&box->lock);
  if (!extend_last(box, bytes, length, record_bytes_max)) push_locked(box, bytes, length, NULL, 0);
  pthread_mutex_unlock(&box->lock);
}

bool mailbox_has_room(struct mailbox *box, size_t length) {
  pthread_mutex_lock(&box->lock);
  bool room = box->records < box->records_max && box->capacity - (size_t)(box->tail - box->head) >= LENGTH_BYTES + padded(length);
  pthread_mutex_unlock(&box->lock);
  return room;
}

void mailbox_set_fact(struct mailbox *box, unsigned index, uint32_t value) {
  pthread_mutex_lock(&box->lock);
  if (box->facts[index] != value) {
    box->facts[index] = value;
    box->facts_changed = true;
  }
  pthread_mutex_unlock(&box->lock);
}

void mailbox_add_fact(struct mailbox *box, unsigned index, uint32_t more) {
  if (more == 0) return;
  pthread_mutex_lock(&box->lock);
  box->facts[index] += more;
  box->facts_changed = true;
  pthread_mutex_unlock(&box->lock);
}

/* Says whether the consumer is to be woken now, and if so takes it as woken. */
static bool claim_signal(struct mailbox *box) {
  if (box->signalled || !(box->facts_changed || (box->wanted && box->records > 0))) return false;
  box->signalled = true;
  return true;
}

void mailbox_signal(struct mailbox *box) {
  pthread_mutex_lock(&box->lock);
  bool wake = claim_signal(box);
  pthread_mutex_unlock(&box->lock);
  if (wake) box->wake(box->context);
}

size_t mailbox_take(struct mailbox *box, uint8_t *into, size_t room, enum mailbox_want want) {
  size_t used = MAILBOX_PREAMBLE_BYTES;
  bool taken = false;
  if (room < used) return 0;
  pthread_mutex_lock(&box->lock);
  while (box->records > 0) {
    uint32_t length = length_at(box, box->head);
    size_t need = LENGTH_BYTES + padded(length);
    if (room - used < need) break;
    copy_out(box, box->head, into + used, LENGTH_BYTES + length);
    memset(into + used + LENGTH_BYTES + length, 0, padded(length) - length);
    used += need;
    box->head += need;
    box->records--;
    taken = true;
  }
  rewind_if_empty(box);
  memcpy(into, box->facts, sizeof box->facts);
  memcpy(into + sizeof box->facts, &box->records, sizeof box->records);
  box->facts_changed = false;
  box->signalled = false;
  box->wanted = want == MAILBOX_WANT_ALWAYS || (want == MAILBOX_WANT_IF_NONE_TAKEN && !taken);
  bool wake = claim_signal(box);
  pthread_mutex_unlock(&box->lock);
  if (wake) box->wake(box->context);
  return used;
}

void mailbox_discard(struct mailbox *box) {
  pthread_mutex_lock(&box->lock);
  box->records = 0;
  rewind_if_empty(box);
  pthread_mutex_unlock(&box->lock);
}

void mailbox_dropped(struct mailbox *box, uint64_t *records, uint64_t *bytes) {
  pthread_mutex_lock(&box->lock);
  *records = box->dropped_records;
  *bytes = box->dropped_bytes;
  pthread_mutex_unlock(&box->lock);
}
