/*
 * A load directly upon the block engine, without any front, to hold against fio on the same file: what the engine itself costs.
 *
 *   block-load PATH read|write|flush DEPTH BYTES SECONDS
 *
 * Requests of BYTES at random places, DEPTH at a time; `flush` is a write with a flush after each. Prints "IOPS MEAN-US P50-US P99-US".
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../drivers/block/device-orders.h"
#include "../../drivers/block/random.h"

#define DEPTH_MAX 256
#define DEVICE 1

static sem_t told, ended;
static struct engine *engine;
static uint8_t inbox[2 * 1024 * 1024];

static void wake(void *context) {
  (void)context;
  sem_post(&told);
}

static void order(uint32_t kind, const void *bytes, uint32_t length) {
  static uint32_t id;
  int32_t result = engine_order(engine, ++id, kind, DEVICE, bytes, length);
  while (result == 0) {
    sem_wait(&told);
    size_t taken = engine_take(engine, inbox, sizeof inbox);
    if (taken <= 20) continue;
    memcpy(&result, inbox + 20 + 12, sizeof result);
    break;
  }
  if (result == 0) return;
  fprintf(stderr, "block-load: order %u: %s\n", kind, strerror(-result));
  exit(1);
}

static struct load {
  struct reactor_task start;
  struct device *device;
  struct block_request requests[DEPTH_MAX];
  uint32_t depth, bytes, under_way;
  uint8_t verb;
  bool flushes;
  int64_t until_us, began_us, ended_us;
  uint64_t random, count;
} load;

static void next(struct block_request *request) {
  uint64_t places = load.device->gate.target.size / load.bytes;
  request->verb = load.verb;
  request->length = load.bytes;
  request->offset = (uint64_t)random_below(&load.random, places) * load.bytes;
  block_submit(&load.device->gate.target, request);
}

static void on_done(struct block_request *request, int error) {
  if (error < 0) {
    fprintf(stderr, "block-load: %s\n", strerror(-error));
    exit(1);
  }
  if (load.flushes && request->verb == BLOCK_WRITE) {
    request->verb = BLOCK_FLUSH;
    block_submit(&load.device->gate.target, request);
    return;
  }
  load.count++;
  if (reactor_now_us(load.device->reactor) < load.until_us) {
    next(request);
  } else if (--load.under_way == 0) {
    load.ended_us = reactor_now_us(load.device->reactor);
    sem_post(&ended);
  }
}

static void start(struct reactor_task *task) {
  (void)task;
  struct reactor *reactor = engine_reactor(engine, 0);
  load.device = engine_device(engine, reactor, DEVICE);
  load.began_us = reactor_now_us(reactor);
  load.until_us += load.began_us;
  load.under_way = load.depth;
  for (uint32_t index = 0; index < load.depth; index++) {
    load.requests[index].done = on_done;
    load.requests[index].data = pool_take(reactor_pool(reactor), load.bytes);
    next(&load.requests[index]);
  }
}

static uint64_t percentile(const struct gate_counters *counters, double share) {
  uint64_t sum = 0, bucket = 0;
  while (bucket < GATE_BUCKETS && (double)(sum += counters->buckets[bucket]) < share * (double)counters->requests) bucket++;
  return bucket < 4 ? bucket : (4 + bucket % 4) << (bucket / 4 - 1);
}

int main(int count, char **arguments) {
  if (count != 6) return 2;
  sem_init(&told, 0, 0);
  sem_init(&ended, 0, 0);
  char error[ERROR_BYTES];
  struct engine_options options = {.reactors = 1, .pool_bytes_max = 256u << 20};
  if (engine_start(&engine, &options, wake, NULL, error) < 0) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  order(DEVICE_MAKE, NULL, 0);
  uint8_t open[1024] = {0};
  strcpy((char *)open + 10, arguments[1]);
  order(DEVICE_OPEN, open, (uint32_t)(10 + strlen(arguments[1]) + 1));
  order(DEVICE_SERVE, (uint8_t[]){0}, 1);
  order(DEVICE_GATE, (uint8_t[]){GATE_OPEN}, 1);
  load.verb = strcmp(arguments[2], "read") == 0 ? BLOCK_READ : BLOCK_WRITE;
  load.flushes = strcmp(arguments[2], "flush") == 0;
  load.depth = (uint32_t)atoi(arguments[3]);
  load.bytes = (uint32_t)atoi(arguments[4]);
  load.until_us = (int64_t)(atof(arguments[5]) * 1e6);
  load.random = random_seeded(1);
  load.start.run = start;
  if (load.depth < 1 || load.depth > DEPTH_MAX) return 2;
  reactor_post(engine_reactor(engine, 0), &load.start);
  sem_wait(&ended);
  const struct gate_counters *counters = &load.device->gate.counters[load.verb];
  double seconds = (double)(load.ended_us - load.began_us) / 1e6;
  printf("%.0f %.1f %llu %llu\n", (double)load.count / seconds, (double)counters->latency_us / (double)counters->requests,
         (unsigned long long)percentile(counters, 0.5), (unsigned long long)percentile(counters, 0.99));
  for (uint32_t index = 0; index < load.depth; index++) load.requests[index].data = NULL;
  engine_stop(engine);
  return 0;
}
