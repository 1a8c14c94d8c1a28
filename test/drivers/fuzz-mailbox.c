/*
 * Plays random calls on a mailbox beside a plain model of it: what is taken is what was put in, in order, without the
 * oldest that had to go; nothing is written outside the room that was given.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/mailbox/mailbox.h"

#define CAPACITY 256
#define RECORDS_MAX 8
#define MODEL_BYTES (1 << 16)

static void require(int holds) {
  if (!holds) abort();
}

static void count_wake(void *context) {
  ++*(unsigned *)context;
}

struct model {
  uint8_t bytes[MODEL_BYTES];
  size_t put;
  size_t gone;
};

static void take(struct mailbox *box, struct model *model, size_t room) {
  uint8_t *inbox = malloc(room);
  require(inbox != NULL);
  uint64_t records, dropped;
  mailbox_dropped(box, &records, &dropped);
  size_t taken = mailbox_take(box, inbox, room, MAILBOX_WANT_ALWAYS);
  require(taken <= room && taken >= MAILBOX_PREAMBLE_BYTES);
  for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken;) {
    uint32_t length;
    memcpy(&length, inbox + at, sizeof length);
    require(at + 4 + length <= taken && model->gone + dropped + length <= model->put);
    require(memcmp(inbox + at + 4, model->bytes + model->gone + dropped, length) == 0);
    model->gone += length;
    at += 4 + ((length + 3u) & ~3u);
  }
  free(inbox);
}

int LLVMFuzzerTestOneInput(const uint8_t *calls, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *calls, size_t length) {
  struct mailbox box;
  unsigned wakes = 0;
  struct model *model = calloc(1, sizeof *model);
  require(model != NULL && mailbox_init(&box, CAPACITY, RECORDS_MAX, count_wake, &wakes) == 0);
  for (size_t at = 0; at + 1 < length && model->put + 256 < MODEL_BYTES; at += 2) {
    size_t size = calls[at + 1];
    /* Dropped bytes are always the oldest only while each record fits by itself. */
    size_t fitting = size % (CAPACITY - 4 - 3);
    for (size_t index = 0; index < fitting; index++) model->bytes[model->put + index] = (uint8_t)(at * 7 + index);
    switch (calls[at] % 4) {
      case 0:
        mailbox_push(&box, model->bytes + model->put, fitting / 2, model->bytes + model->put + fitting / 2, fitting - fitting / 2);
        model->put += fitting;
        break;
      case 1:
        mailbox_append(&box, model->bytes + model->put, fitting, 64);
        model->put += fitting;
        break;
      case 2:
        mailbox_signal(&box);
        break;
      case 3:
        take(&box, model, MAILBOX_PREAMBLE_BYTES + size * 2);
        break;
    }
  }
  take(&box, model, MAILBOX_PREAMBLE_BYTES + 2 * CAPACITY);
  uint64_t records, dropped;
  mailbox_dropped(&box, &records, &dropped);
  require(model->gone + dropped == model->put);
  mailbox_free(&box);
  free(model);
  return 0;
}
