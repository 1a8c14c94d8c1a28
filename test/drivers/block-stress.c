/*
 * Drives the block engine without Node-API, so that the thread sanitizer can watch its threads: devices on several reactors come and go
 * while requests are under way, gates open and close, terms rise, and what was written must be read.
 *
 *   block-stress DIRECTORY [ROUNDS]
 *
 * Exits with 0 when everything was right, with 1 and a line that says what was not otherwise.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../drivers/block/device-orders.h"
#include "../../drivers/block/mirror-orders.h"
#include "../../drivers/block/random.h"

#define DEVICES 4
#define BLOCKS 64
#define BLOCK 4096
#define UNDER_WAY_MAX 512
#define INBOX_BYTES (2 * 1024 * 1024)
#define WAIT_S 20

static void check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "block-stress: not so: %s\n", what);
  exit(1);
}

static struct engine *engine;
static sem_t told;
static uint8_t inbox[INBOX_BYTES];
static uint32_t last_id, under_way;
/* By the order's id: what a read must find, or 0; and the last answer. */
static uint8_t expected[1 << 20];
static int32_t last_error;
static uint32_t last_answered;
/* What each block of each device has, as of the last write that was waited for. */
static uint8_t content[DEVICES][BLOCKS];

static void wake(void *context) {
  (void)context;
  sem_post(&told);
}

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static void hear(const uint8_t *record, uint32_t length) {
  if (word(record) != 0) return;
  last_answered = word(record + 4);
  last_error = (int32_t)word(record + 8);
  under_way--;
  uint8_t wanted = expected[last_answered % sizeof expected];
  if (wanted == 0) return;
  check(last_error == 0 && length == 12 + BLOCK, "a read gives its block");
  for (uint32_t index = 12; index < length; index++) check(record[index] == wanted, "a read gives what was written");
}

static void take(void) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += WAIT_S;
  check(sem_timedwait(&told, &end) == 0, "an answer comes in time");
  size_t taken = engine_take(engine, inbox, sizeof inbox);
  for (size_t at = 20; at < taken;) {
    uint32_t length = word(inbox + at);
    hear(inbox + at + 4, length);
    at += 4 + ((length + 3u) & ~3u);
  }
}

static uint32_t give(uint32_t kind, uint32_t device, const void *bytes, uint32_t length, uint8_t wanted) {
  while (under_way >= UNDER_WAY_MAX) take();
  uint32_t id = ++last_id;
  expected[id % sizeof expected] = wanted;
  check(engine_order(engine, id, kind, device, bytes, length) == 0, "an order is taken");
  under_way++;
  return id;
}

static void wait_for_all(void) {
  while (under_way > 0) take();
}

static int32_t ask(uint32_t kind, uint32_t device, const void *bytes, uint32_t length) {
  wait_for_all();
  uint32_t id = give(kind, device, bytes, length, 0);
  wait_for_all();
  check(last_answered == id, "the answer is to the order");
  return last_error;
}

static void expect(uint32_t kind, uint32_t device, const void *bytes, uint32_t length, const char *what) {
  check(ask(kind, device, bytes, length) == 0, what);
}

static void open_device(const char *directory, uint32_t device) {
  uint8_t open[10 + 256] = {0, 0};
  uint64_t size = BLOCKS * BLOCK;
  memcpy(open + 2, &size, sizeof size);
  int length = snprintf((char *)open + 10, sizeof open - 10, "%s/%u", directory, device);
  expect(DEVICE_MAKE, device, NULL, 0, "a device is made");
  expect(DEVICE_OPEN, device, open, (uint32_t)(10 + length + 1), "a file is opened");
  expect(DEVICE_FAULT_LAY, device, (uint8_t[10]){0, device % 2 == 0}, 10, "a fault is laid");
  expect(DEVICE_SERVE, device, (uint8_t[]){0}, 1, "a slot is served");
  expect(DEVICE_GATE, device, (uint8_t[]){GATE_OPEN}, 1, "a gate is opened");
}

static uint32_t request(uint8_t into[23 + BLOCK], uint8_t verb, uint64_t block, uint8_t byte) {
  uint32_t length = verb == BLOCK_FLUSH ? 0 : BLOCK;
  uint64_t offset = verb == BLOCK_FLUSH ? 0 : block * BLOCK;
  memset(into, 0, 23);
  into[0] = DEVICE_NOTHING;
  into[1] = verb;
  into[2] = byte % 5 == 0 && verb == BLOCK_WRITE ? BLOCK_FUA : 0;
  memcpy(into + 3, &length, sizeof length);
  memcpy(into + 7, &offset, sizeof offset);
  if (verb != BLOCK_WRITE) return 23;
  memset(into + 23, byte, BLOCK);
  return 23 + BLOCK;
}

/* Each block is written by one write at a time, so that what it has is certain. */
static void write_all(uint64_t *random) {
  uint8_t bytes[23 + BLOCK];
  for (uint32_t count = 0; count < DEVICES * BLOCKS; count++) {
    uint32_t device = count % DEVICES, block = count / DEVICES;
    content[device][block] = (uint8_t)(1 + random_below(random, 255));
    give(DEVICE_REQUEST, device, bytes, request(bytes, BLOCK_WRITE, block, content[device][block]), 0);
    if (random_below(random, 16) == 0) give(DEVICE_REQUEST, device, bytes, request(bytes, BLOCK_FLUSH, 0, 0), 0);
  }
  wait_for_all();
}

static void disturb(uint32_t device, uint64_t *random, uint64_t *term) {
  uint64_t next;
  switch (random_below(random, 4)) {
    case 0:
      give(DEVICE_GATE, device, (uint8_t[]){GATE_PAUSED}, 1, 0);
      give(DEVICE_DRAIN, device, NULL, 0, 0);
      give(DEVICE_GATE, device, (uint8_t[]){GATE_OPEN}, 1, 0);
      break;
    case 1:
      next = ++*term;
      give(DEVICE_RAISE, device, &next, sizeof next, 0);
      break;
    case 2:
      give(DEVICE_COUNT, device, NULL, 0, 0);
      break;
    default:
      give(DEVICE_STATUS, device, NULL, 0, 0);
  }
}

static void read_all(uint64_t *random, uint64_t *term) {
  uint8_t bytes[23 + BLOCK];
  for (uint32_t count = 0; count < 4 * DEVICES * BLOCKS; count++) {
    uint32_t device = random_below(random, DEVICES), block = random_below(random, BLOCKS);
    give(DEVICE_REQUEST, device, bytes, request(bytes, BLOCK_READ, block, 0), content[device][block]);
    if (random_below(random, 32) == 0) disturb(device, random, term);
  }
  wait_for_all();
}

/* Requests are under way when the device goes; each is answered. */
static void replace(const char *directory, uint32_t device, uint64_t *random) {
  uint8_t bytes[23 + BLOCK];
  for (uint32_t count = 0; count < 32; count++) {
    uint32_t block = random_below(random, BLOCKS);
    give(DEVICE_REQUEST, device, bytes, request(bytes, BLOCK_WRITE, block, content[device][block]), 0);
  }
  give(DEVICE_REMOVE, device, NULL, 0, 0);
  wait_for_all();
  open_device(directory, device);
}

/* Of a mirror's primary and backup, which may be on two reactors: slot 0 has what is served, 1 the leg, 2 the backing. */
enum { PRIMARY = 10, BACKUP = 11 };

static uint32_t mirror_kind(enum mirror_order order) {
  return ENGINE_KIND(ENGINE_MIRROR, order);
}

static void open_leg(const char *directory, uint32_t device) {
  uint8_t open[10 + 256] = {2, 0}, format[4 + 16 + 16 + 8 + 8 + 4] = {2};
  uint64_t size = 2 * 1024 * 1024, term = 1;
  memcpy(open + 2, &size, sizeof size);
  int length = snprintf((char *)open + 10, sizeof open - 10, "%s/%u", directory, device);
  format[4 + 16 + 16 + 8] = 1;
  format[sizeof format - 4] = 1;
  expect(DEVICE_MAKE, device, NULL, 0, "a device is made");
  expect(DEVICE_OPEN, device, open, (uint32_t)(10 + length + 1), "a file is opened");
  expect(mirror_kind(MIRROR_FORMAT), device, format, sizeof format, "a leg is formatted");
  expect(mirror_kind(MIRROR_OPEN), device, (uint32_t[]){2, 1, 0, 0, 0}, 20, "a leg is opened");
  expect(DEVICE_RAISE, device, &term, sizeof term, "a term is raised");
}

static void serve_slot(uint32_t device, uint8_t slot) {
  expect(DEVICE_SERVE, device, &slot, 1, "a slot is served");
  expect(DEVICE_GATE, device, (uint8_t[]){GATE_OPEN}, 1, "a gate is opened");
}

/* Writes are under way when the backup goes, and when the primary does. */
static void mirror(const char *directory, uint64_t *random) {
  uint8_t bytes[23 + BLOCK];
  int ends[2];
  open_leg(directory, PRIMARY);
  open_leg(directory, BACKUP);
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "there is a connection");
  serve_slot(BACKUP, 1);
  expect(mirror_kind(MIRROR_SERVE), BACKUP, (uint32_t[]){(uint32_t)ends[1], 1, 0}, 12, "a connection is served");
  expect(mirror_kind(MIRROR_MAKE), PRIMARY, (uint32_t[]){1, 0, 1, 0}, 16, "a mirror is made");
  serve_slot(PRIMARY, 0);
  expect(mirror_kind(MIRROR_ATTACH), PRIMARY, (uint32_t[]){0, (uint32_t)ends[0], 0, 1}, 16, "a peer is attached");
  expect(mirror_kind(MIRROR_RESYNC), PRIMARY, (uint32_t[]){0, 1 | 4 | 8, 0, 0}, 16, "a resynchronization begins");
  for (uint32_t count = 0; count < 600; count++) {
    give(DEVICE_REQUEST, PRIMARY, bytes, request(bytes, BLOCK_WRITE, random_below(random, BLOCKS), (uint8_t)count), 0);
    if (random_below(random, 32) == 0) give(mirror_kind(MIRROR_COUNT), PRIMARY, NULL, 0, 0);
    if (count == 400) give(DEVICE_REMOVE, BACKUP, NULL, 0, 0);
  }
  give(mirror_kind(MIRROR_ABANDON), PRIMARY, NULL, 0, 0);
  give(DEVICE_REMOVE, PRIMARY, NULL, 0, 0);
  wait_for_all();
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  const char *directory = arguments[1];
  int rounds = count > 2 ? atoi(arguments[2]) : 3;
  sem_init(&told, 0, 0);
  for (int round = 0; round < rounds; round++) {
    char error[ERROR_BYTES] = "";
    struct engine_options options = {.reactors = 1 + (uint32_t)round % 3, .pool_bytes_max = 8u << 20, .faults = true};
    check(engine_start(&engine, &options, wake, NULL, error) == 0, error);
    uint64_t random = random_seeded((uint64_t)round + 1), term = 0;
    last_id = 0;
    for (uint32_t device = 0; device < DEVICES; device++) open_device(directory, device);
    mirror(directory, &random);
    for (int turn = 0; turn < 3; turn++) {
      write_all(&random);
      read_all(&random, &term);
      replace(directory, random_below(&random, DEVICES), &random);
    }
    /* What is under way ends with the engine. */
    uint8_t bytes[23 + BLOCK];
    for (uint32_t block = 0; block < BLOCKS; block++) give(DEVICE_REQUEST, block % DEVICES, bytes, request(bytes, BLOCK_WRITE, block, 7), 0);
    engine_stop(engine);
    under_way = 0;
    while (sem_trywait(&told) == 0) continue;
  }
  for (uint32_t device = 0; device < DEVICES; device++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%u", directory, device);
    unlink(path);
  }
  return 0;
}
