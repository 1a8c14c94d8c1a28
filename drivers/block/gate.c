#include "gate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

unsigned gate_bucket(uint64_t latency_us) {
  if (latency_us < 4) return (unsigned)latency_us;
  unsigned high = 63 - (unsigned)__builtin_clzll(latency_us);
  unsigned bucket = (high - 1) * 4 + (unsigned)(latency_us >> (high - 2) & 3);
  return bucket < GATE_BUCKETS ? bucket : GATE_BUCKETS - 1;
}

static bool moves_data(const struct block_request *request) {
  return request->verb == BLOCK_READ || request->verb == BLOCK_WRITE;
}

static void count(struct block_gate *gate, const struct block_request *request, int error) {
  struct gate_counters *counters = &gate->counters[request->verb];
  uint64_t latency_us = (uint64_t)(reactor_now_us(gate->target.reactor) - request->submitted_us);
  counters->requests++;
  counters->latency_us += latency_us;
  counters->buckets[gate_bucket(latency_us)]++;
  if (error == 0) counters->bytes += request->length;
  else counters->errors++;
}

static void tell(struct gate_wait **list) {
  struct gate_wait *wait = *list;
  *list = NULL;
  while (wait != NULL) {
    struct gate_wait *next = wait->next;
    wait->done(wait);
    wait = next;
  }
}

static void add(struct gate_wait **list, struct gate_wait *wait) {
  while (*list != NULL) list = &(*list)->next;
  wait->next = NULL;
  *list = wait;
}

/* Refused requests are not the device's: they are not counted. */
static void pass(struct block_gate *gate, struct block_request *request) {
  if (request->term != 0 && request->term != gate->term) {
    block_end_later(gate->target.reactor, request, -ESTALE);
    return;
  }
  request->gate = gate;
  gate->passed++;
  block_submit(gate->behind, request);
}

static void keep(struct block_gate *gate, struct block_request *request) {
  request->link.next = NULL;
  *gate->kept_last = &request->link;
  gate->kept_last = &request->link.next;
  gate->kept_count++;
  if (moves_data(request)) gate->kept_bytes += request->length;
}

static struct block_request *next_kept(struct block_gate *gate) {
  struct block_request *request = REACTOR_OF(gate->kept_first, struct block_request, link);
  gate->kept_first = request->link.next;
  if (gate->kept_first == NULL) gate->kept_last = &gate->kept_first;
  gate->kept_count--;
  if (moves_data(request)) gate->kept_bytes -= request->length;
  return request;
}

static bool passes(const struct block_gate *gate) {
  return gate->state == GATE_OPEN && !gate->raising && gate->behind != NULL;
}

static void submit(struct block_target *target, struct block_request *request) {
  struct block_gate *gate = REACTOR_OF(target, struct block_gate, target);
  assert(request->gate == NULL);
  request->submitted_us = reactor_now_us(target->reactor);
  if (gate->state == GATE_SHUT) block_end_later(target->reactor, request, -ESHUTDOWN);
  else if (passes(gate) && gate->kept_first == NULL) pass(gate, request);
  else keep(gate, request);
}

static const struct block_target_kind kind = {.name = "gate", .is_passage = true, .submit = submit};

/* What was kept passes, or ends, when the gate's state says so; in order, and before what comes later. */
static void on_refill(struct reactor_task *task) {
  struct block_gate *gate = REACTOR_OF(task, struct block_gate, refill);
  while (gate->kept_first != NULL && (passes(gate) || gate->state == GATE_SHUT)) {
    struct block_request *request = next_kept(gate);
    if (gate->state == GATE_SHUT) block_end(request, -ESHUTDOWN);
    else pass(gate, request);
  }
  if (!gate_is_full(gate)) tell(&gate->emptying);
}

static void on_drained(struct reactor_task *task) {
  struct block_gate *gate = REACTOR_OF(task, struct block_gate, drained);
  if (gate->passed > 0) return;
  gate->raising = false;
  reactor_later(gate->target.reactor, &gate->refill);
  /* Last: whoever is told may end the gate. */
  tell(&gate->draining);
}

void gate_ended(struct block_request *request, int error) {
  struct block_gate *gate = request->gate;
  request->gate = NULL;
  count(gate, request, error);
  if (--gate->passed == 0 && (gate->raising || gate->draining != NULL)) reactor_later(gate->target.reactor, &gate->drained);
}

void gate_init(struct block_gate *gate, struct reactor *reactor) {
  memset(gate, 0, sizeof *gate);
  gate->target = (struct block_target){.kind = &kind, .reactor = reactor, .block_bytes = 512};
  gate->kept_last = &gate->kept_first;
  gate->drained.run = on_drained;
  gate->refill.run = on_refill;
}

void gate_end(struct block_gate *gate) {
  assert(gate->passed == 0 && gate->kept_first == NULL);
  reactor_forget(gate->target.reactor, &gate->refill);
  reactor_forget(gate->target.reactor, &gate->drained);
}

void gate_set_behind(struct block_gate *gate, struct block_target *behind) {
  assert(gate->passed == 0);
  gate->behind = behind;
  gate_refresh(gate);
  reactor_later(gate->target.reactor, &gate->refill);
}

void gate_refresh(struct block_gate *gate) {
  const struct block_target *behind = gate->behind;
  if (behind == NULL) return;
  gate->target.size = behind->size;
  gate->target.block_bytes = behind->block_bytes;
  gate->target.preferred_bytes = behind->preferred_bytes;
  gate->target.discard_bytes = behind->discard_bytes;
  gate->target.read_only = behind->read_only;
  gate->target.can_discard = behind->can_discard;
  gate->target.can_zero = behind->can_zero;
}

static void set_state(struct block_gate *gate, enum gate_state state) {
  gate->state = state;
  reactor_later(gate->target.reactor, &gate->refill);
}

void gate_open(struct block_gate *gate) {
  set_state(gate, GATE_OPEN);
}

void gate_pause(struct block_gate *gate) {
  set_state(gate, GATE_PAUSED);
}

void gate_shut(struct block_gate *gate) {
  set_state(gate, GATE_SHUT);
}

void gate_drain(struct block_gate *gate, struct gate_wait *wait) {
  add(&gate->draining, wait);
  if (gate->passed == 0) reactor_later(gate->target.reactor, &gate->drained);
}

int gate_raise(struct block_gate *gate, uint64_t term, struct gate_wait *wait) {
  if (term <= gate->term) return -ESTALE;
  gate->term = term;
  gate->raising = true;
  gate_drain(gate, wait);
  return 0;
}

bool gate_is_full(const struct block_gate *gate) {
  return gate->kept_bytes >= GATE_KEPT_BYTES_MAX;
}

void gate_wait_for_room(struct block_gate *gate, struct gate_wait *wait) {
  add(&gate->emptying, wait);
  if (!gate_is_full(gate)) reactor_later(gate->target.reactor, &gate->refill);
}

static void remove_from(struct gate_wait **list, const struct gate_wait *wait) {
  while (*list != NULL && *list != wait) list = &(*list)->next;
  if (*list != NULL) *list = wait->next;
}

void gate_wait_no_more(struct block_gate *gate, struct gate_wait *wait) {
  remove_from(&gate->draining, wait);
  remove_from(&gate->emptying, wait);
}
