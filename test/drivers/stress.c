/*
 * Drives the cores of the drivers that have threads, without Node-API, so that the thread sanitizer can watch them:
 * what goes in must come out in order while ports are opened, used from the program's thread and closed.
 *
 *   stress LEFT RIGHT [ROUNDS]   the names of two joined interfaces
 *
 * Exits with 0 when everything was right, with 1 and a line that says what was not otherwise.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../drivers/child/child.h"
#include "../../drivers/device/device.h"
#include "../../drivers/ether/ether.h"
#include "../../drivers/net/segment.h"
#include "../../drivers/pty/pty.h"
#include "../../drivers/uart/uart.h"

#define INBOX_BYTES 32768
#define STREAM_BYTES 300000u
#define WAIT_S 10

static void check(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "stress: not so: %s\n", what);
  exit(1);
}

/* Takes the place of the program's event loop: it is told that there is something, and waits to be. */
struct loop {
  pthread_mutex_t lock;
  pthread_cond_t told;
  unsigned wakes;
};

static void loop_init(struct loop *loop) {
  pthread_mutex_init(&loop->lock, NULL);
  pthread_cond_init(&loop->told, NULL);
  loop->wakes = 0;
}

static void loop_free(struct loop *loop) {
  pthread_mutex_destroy(&loop->lock);
  pthread_cond_destroy(&loop->told);
}

static void loop_wake(void *context) {
  struct loop *loop = context;
  pthread_mutex_lock(&loop->lock);
  loop->wakes++;
  pthread_cond_signal(&loop->told);
  pthread_mutex_unlock(&loop->lock);
}

static void loop_wait(struct loop *loop) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += WAIT_S;
  pthread_mutex_lock(&loop->lock);
  int error = 0;
  while (loop->wakes == 0 && error == 0) error = pthread_cond_timedwait(&loop->told, &loop->lock, &end);
  loop->wakes = 0;
  pthread_mutex_unlock(&loop->lock);
  check(error == 0, "the loop is woken in time");
}

static uint8_t pattern(size_t index) {
  return (uint8_t)(index * 31 + (index >> 8));
}

static uint32_t word(const uint8_t *inbox, size_t index) {
  uint32_t value;
  memcpy(&value, inbox + 4 * index, sizeof value);
  return value;
}

/* Checks that the records of a take go on with the pattern, and returns how far it has come. */
static size_t follow_pattern(const uint8_t *inbox, size_t taken, size_t position) {
  for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken;) {
    uint32_t length = word(inbox, at / 4);
    for (uint32_t index = 0; index < length; index++) check(inbox[at + 4 + index] == pattern(position++), "bytes are in order");
    at += 4 + ((length + 3u) & ~3u);
  }
  return position;
}

static void pump_both_ways(struct pty *pty, struct uart *uart, struct loop *loop) {
  uint8_t inbox[INBOX_BYTES], chunk[5000];
  size_t from_uart = 0, to_uart = 0, uart_sent = 0, pty_received = 0;
  uint32_t writes = 0;
  while (from_uart < STREAM_BYTES || pty_received < STREAM_BYTES) {
    /* One write of the tty at a time; some are completed by the thread. */
    size_t taken = uart_take(uart, inbox, sizeof inbox, MAILBOX_WANT_ALWAYS);
    from_uart = follow_pattern(inbox, taken, from_uart);
    if (word(inbox, UART_FACT_WRITTEN) == writes && uart_sent < STREAM_BYTES) {
      for (size_t index = 0; index < sizeof chunk; index++) chunk[index] = pattern(uart_sent + index);
      int done = uart_write(uart, chunk, sizeof chunk);
      check(done >= 0, "the tty takes a write");
      uart_sent += sizeof chunk;
      if (done == 0) writes++;
      if (done == 1) loop_wake(loop);
    }
    if (to_uart < STREAM_BYTES) {
      size_t length = STREAM_BYTES - to_uart < 1000 ? STREAM_BYTES - to_uart : 1000;
      for (size_t index = 0; index < length; index++) chunk[index] = pattern(to_uart + index);
      ssize_t wrote = pty_write(pty, chunk, length);
      check(wrote >= 0, "the pseudo terminal takes a write");
      to_uart += (size_t)wrote;
    }
    struct uart_counters counters;
    uart_count(uart, &counters);
    check(counters.dropped_bytes == 0, "nothing is dropped while it is taken");
    pty_received = follow_pattern(inbox, pty_take(pty, inbox, sizeof inbox), pty_received);
    if (from_uart < STREAM_BYTES || pty_received < STREAM_BYTES) loop_wait(loop);
  }
  check(uart_drain(uart) >= 0, "the tty drains");
  check(uart_flush(uart) == 0, "the tty flushes");
}

static void stress_tty(int round) {
  struct loop loop;
  struct pty *pty;
  struct uart *uart;
  char path[PTY_PATH_BYTES], error[ERROR_BYTES];
  loop_init(&loop);
  check(pty_open(&pty, 65536, loop_wake, &loop, path) == 0, "a pseudo terminal opens");
  struct uart_options options = {
      .path = path, .baud = 115200, .data_bits = 8, .stop_bits = 1, .parity = 'n', .lock = true, .queue_bytes = 65536};
  check(uart_open(&uart, &options, loop_wake, &loop, error) == 0, "a tty opens");
  pump_both_ways(pty, uart, &loop);
  /* Each of the two is closed under the other's eyes, with bytes under way. */
  uint8_t bytes[3000] = {0};
  uart_write(uart, bytes, sizeof bytes);
  pty_write(pty, bytes, sizeof bytes);
  if (round % 2 == 0) {
    pty_close(pty);
    uart_close(uart);
  } else {
    uart_close(uart);
    pty_close(pty);
  }
  loop_free(&loop);
}

static struct ether *open_ether(const char *interface, struct loop *loop) {
  struct ether_options options = {.interface = interface, .types = {0x88b5, 0x88cc}, .type_count = 2, .queue_frames = 64};
  struct ether *ether;
  char error[ERROR_BYTES];
  if (ether_open(&ether, &options, loop_wake, loop, error) == 0) return ether;
  fprintf(stderr, "%s\n", error);
  exit(1);
}

static void stress_ether(const char *left_name, const char *right_name) {
  static const uint8_t everybody[ETHER_MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  struct loop loop;
  loop_init(&loop);
  struct ether *left = open_ether(left_name, &loop), *right = open_ether(right_name, &loop);
  uint8_t inbox[INBOX_BYTES], payload[200] = {0};
  uint64_t sent = 0, got = 0;
  struct ether_counters counters = {0};
  while (sent < 5000) {
    for (int burst = 0; burst < 100; burst++) {
      uint16_t type = burst % 2 == 0 ? 0x88b5 : 0x88cc;
      sent += ether_send(left, everybody, type, payload, sizeof payload) == 0;
    }
    size_t taken = ether_take(right, inbox, sizeof inbox);
    for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken; at += 4 + ((word(inbox, at / 4) + 3u) & ~3u)) got++;
    ether_take(left, inbox, sizeof inbox);
    ether_count(right, &counters);
  }
  while (got + counters.dropped_frames < sent) {
    loop_wait(&loop);
    size_t taken = ether_take(right, inbox, sizeof inbox);
    for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken; at += 4 + ((word(inbox, at / 4) + 3u) & ~3u)) got++;
    ether_take(left, inbox, sizeof inbox);
    ether_count(right, &counters);
  }
  check(got + counters.dropped_frames == sent, "each frame is received or counted as dropped");
  ether_close(left);
  ether_close(right);
  loop_free(&loop);
}

/* How many records a take has. */
static unsigned records_in(const uint8_t *inbox, size_t taken) {
  unsigned count = 0;
  for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken; at += 4 + ((word(inbox, at / 4) + 3u) & ~3u)) count++;
  return count;
}

static void stress_segment(const char *interface) {
  struct loop loop;
  struct segment *segment;
  uint8_t inbox[INBOX_BYTES];
  loop_init(&loop);
  check(segment_open(&segment, loop_wake, &loop) == 0, "the segment opens");
  struct segment_request request = {.announcements = 3};
  snprintf(request.interface, sizeof request.interface, "%s", interface);
  unsigned asked = 0, answered = 0;
  for (int number = 1; number <= 20; number++) {
    char host[32];
    snprintf(host, sizeof host, number % 2 == 0 ? "192.0.2.%d" : "2001:db8::%d", number);
    check(net_parse(&request.address, host, number % 2 == 0 ? 24 : 64) == 0, "the address is one");
    const enum segment_kind kinds[] = {SEGMENT_TAKE, SEGMENT_LINK, SEGMENT_ANNOUNCE, SEGMENT_LIST, SEGMENT_RELEASE};
    for (size_t index = 0; index < sizeof kinds / sizeof kinds[0]; index++) {
      request.kind = kinds[index];
      request.id = ++asked;
      check(segment_request(segment, &request) == 0, "the segment takes a request");
    }
  }
  while (answered < asked) {
    size_t taken = segment_take(segment, inbox, sizeof inbox);
    for (size_t at = MAILBOX_PREAMBLE_BYTES; at < taken; at += 4 + ((word(inbox, at / 4) + 3u) & ~3u)) {
      check(word(inbox, at / 4 + 2) <= 1, "a request goes well");
      /* A listing has a piece before its end. */
      answered += word(inbox, at / 4 + 1) != 0 && word(inbox, at / 4 + 2) == 0;
    }
    if (answered < asked) loop_wait(&loop);
  }
  request.kind = SEGMENT_LIST;
  segment_request(segment, &request);
  segment_close(segment);
  loop_free(&loop);
}

/* A shell's command line in allocations of its own. */
static struct child_order order_of(uint32_t id, const char *script, uint32_t deadline_ms, bool remains) {
  struct child_order order = {
      .id = id, .program = strdup("/bin/sh"), .deadline_ms = deadline_ms, .grace_ms = 50, .output_bytes = 256, .remains = remains};
  size_t bytes = strlen(script) + 1;
  order.arguments = malloc(4 * sizeof(char *) + bytes);
  order.environment = calloc(1, sizeof(char *));
  check(order.program != NULL && order.arguments != NULL && order.environment != NULL, "there is memory");
  char *text = (char *)(order.arguments + 4);
  memcpy(text, script, bytes);
  order.arguments[0] = order.program;
  order.arguments[1] = (char *)(uintptr_t) "-c";
  order.arguments[2] = text;
  order.arguments[3] = NULL;
  snprintf(order.group, sizeof order.group, "stress");
  snprintf(order.mark, sizeof order.mark, "stress.%u", id);
  return order;
}

static void stress_children(void) {
  static const char *const scripts[] = {"exit 0", "echo hello; exit 3", "sleep 100", "trap '' TERM; sleep 100 & wait", "sleep 0.2 & exit 0",
                                        "head -c 300000 /dev/zero"};
  enum { SCRIPTS = sizeof scripts / sizeof scripts[0], ORDERS = 4 * SCRIPTS };
  struct loop loop;
  struct children *children;
  uint8_t inbox[INBOX_BYTES];
  loop_init(&loop);
  check(child_open(&children, "", loop_wake, &loop) == 0, "children can be run");
  for (uint32_t id = 1; id <= ORDERS; id++) {
    struct child_order order = order_of(id, scripts[id % SCRIPTS], 150, id % SCRIPTS == 4);
    check(child_start(children, &order) == 0, "a child is taken");
    if (id % 5 == 0) child_kill(children, id);
  }
  unsigned ended = 0;
  while (ended < ORDERS) {
    ended += records_in(inbox, child_take(children, inbox, sizeof inbox));
    if (ended < ORDERS) loop_wait(&loop);
  }
  /* The last ones are ended by closing. */
  for (uint32_t id = 1; id <= 4; id++) {
    struct child_order order = order_of(id, "sleep 100", 10000, false);
    check(child_start(children, &order) == 0, "a child is taken");
  }
  child_close(children);
  loop_free(&loop);
}

static void stress_device(void) {
  struct loop loop;
  struct device *device;
  uint8_t inbox[INBOX_BYTES];
  loop_init(&loop);
  check(device_open(&device, "/dev/zero", false, loop_wake, &loop) == 0, "a device opens");
  unsigned answered = 0, asked = 1;
  for (; asked < 10; asked++) check(device_ask(device, DEVICE_PROBE) == 0, "a device is asked");
  while (answered < asked) {
    answered += records_in(inbox, device_take(device, inbox, sizeof inbox));
    if (answered < asked) loop_wait(&loop);
  }
  device_ask(device, DEVICE_RELEASE);
  device_close(device);
  loop_free(&loop);
}

int main(int count, char **arguments) {
  check(count >= 3, "two interfaces are named");
  int rounds = count > 3 ? atoi(arguments[3]) : 5;
  for (int round = 0; round < rounds; round++) {
    stress_tty(round);
    stress_ether(arguments[1], arguments[2]);
    stress_segment(arguments[1]);
    stress_children();
    stress_device();
  }
  printf("stress: %d rounds\n", rounds);
  return 0;
}
