#include "fault.h"

#include <errno.h>
#include <stdlib.h>

#include "random.h"

#define CHANCE_ONE 65536u

struct fault {
  struct block_target target;
  struct block_target *below;
  struct fault_rule rules[FAULT_RULES_MAX];
  uint32_t rule_count;
  uint64_t random;
  uint32_t under_way;
  struct reactor_task *hung, **hung_last;
  void (*closed)(void *context);
  void *closed_context;
  bool is_closing;
  struct reactor_task close;
};

/* A request that is passed on, in the place of the one that it is for. */
struct carried {
  struct block_request request;
  struct block_request *original;
  struct fault *fault;
  struct reactor_timer timer;
  /* What it ends with when it was carried out. */
  int error;
};

static void free_closed(void *context) {
  struct fault *fault = context;
  void (*closed)(void *context) = fault->closed;
  void *closed_context = fault->closed_context;
  free(fault);
  closed(closed_context);
}

static void close_below(struct reactor_task *task) {
  struct fault *fault = REACTOR_OF(task, struct fault, close);
  fault->below->kind->close(fault->below, free_closed, fault);
}

static void close_if_idle(struct fault *fault) {
  if (fault->closed == NULL || fault->is_closing || fault->under_way > 0) return;
  fault->is_closing = true;
  reactor_later(fault->target.reactor, &fault->close);
}

static void tell_failure(struct fault *fault, const struct block_request *request, int error) {
  if (fault->target.failed == NULL) return;
  struct block_failure failure = {
      .verb = (enum block_verb)request->verb, .error = error, .offset = request->offset, .length = request->length};
  fault->target.failed(&fault->target, &failure);
}

static void on_carried(struct block_request *request, int error) {
  struct carried *carried = REACTOR_OF(request, struct carried, request);
  struct block_request *original = carried->original;
  struct fault *fault = carried->fault;
  if (error == 0 && carried->error < 0) {
    error = carried->error;
    tell_failure(fault, original, error);
  }
  free(carried);
  fault->under_way--;
  block_end(original, error);
  close_if_idle(fault);
}

static struct carried *carry(struct fault *fault, struct block_request *original) {
  struct carried *carried = calloc(1, sizeof *carried);
  if (carried == NULL) return NULL;
  carried->original = original;
  carried->fault = fault;
  carried->request = (struct block_request){
      .verb = original->verb,
      .flags = original->flags,
      .length = original->length,
      .offset = original->offset,
      .data = original->data,
      .done = on_carried,
  };
  fault->under_way++;
  return carried;
}

static void pass(struct fault *fault, struct block_request *original) {
  struct carried *carried = carry(fault, original);
  if (carried == NULL) block_end_later(fault->target.reactor, original, -ENOMEM);
  else block_submit(fault->below, &carried->request);
}

static void on_delayed(struct reactor_timer *timer) {
  struct carried *carried = REACTOR_OF(timer, struct carried, timer);
  block_submit(carried->fault->below, &carried->request);
}

static void delay(struct fault *fault, struct block_request *original, uint32_t delay_us) {
  struct carried *carried = carry(fault, original);
  if (carried == NULL) {
    block_end_later(fault->target.reactor, original, -ENOMEM);
    return;
  }
  carried->timer.expired = on_delayed;
  reactor_timer_set(fault->target.reactor, &carried->timer, reactor_now_us(fault->target.reactor) + delay_us);
}

/* Carries the first blocks out, none of a request that moves nothing, and fails. */
static void fail(struct fault *fault, struct block_request *original, uint32_t blocks, int error) {
  struct carried *carried = carry(fault, original);
  if (carried == NULL) {
    block_end_later(fault->target.reactor, original, -ENOMEM);
    return;
  }
  uint64_t part = original->verb == BLOCK_FLUSH ? 0 : (uint64_t)blocks * fault->target.block_bytes;
  if (part < carried->request.length) carried->request.length = (uint32_t)part;
  carried->error = error;
  if (part == 0) block_end_later(fault->target.reactor, &carried->request, 0);
  else block_submit(fault->below, &carried->request);
}

static void hang(struct fault *fault, struct block_request *original) {
  fault->under_way++;
  original->link.next = NULL;
  *fault->hung_last = &original->link;
  fault->hung_last = &original->link.next;
}

static bool touches(const struct fault_rule *rule, const struct block_request *request) {
  if ((rule->verbs >> request->verb & 1) == 0) return false;
  if (request->verb == BLOCK_FLUSH) return true;
  return request->offset < rule->offset + rule->length && rule->offset < request->offset + request->length;
}

/* The rule that hits the request; NULL when none does. */
static struct fault_rule *hit(struct fault *fault, const struct block_request *request) {
  for (uint32_t index = 0; index < fault->rule_count; index++) {
    struct fault_rule *rule = &fault->rules[index];
    if (!touches(rule, request) || (rule->chance > 0 && random_below(&fault->random, CHANCE_ONE) >= rule->chance)) continue;
    if (rule->skip > 0) {
      rule->skip--;
      continue;
    }
    return rule;
  }
  return NULL;
}

static void remove_rule(struct fault *fault, uint32_t index) {
  fault->rule_count--;
  for (; index < fault->rule_count; index++) fault->rules[index] = fault->rules[index + 1];
}

static void act(struct fault *fault, struct block_request *request, const struct fault_rule *rule) {
  switch (rule->action) {
    case FAULT_FAIL:
      fail(fault, request, 0, rule->error);
      break;
    case FAULT_DELAY:
      delay(fault, request, rule->value);
      break;
    case FAULT_TORN:
      fail(fault, request, rule->value, rule->error);
      break;
    case FAULT_LIE:
      block_end_later(fault->target.reactor, request, 0);
      break;
    case FAULT_HANG:
      hang(fault, request);
      break;
  }
}

static void submit(struct block_target *target, struct block_request *request) {
  struct fault *fault = REACTOR_OF(target, struct fault, target);
  struct fault_rule *found = fault->closed == NULL ? hit(fault, request) : NULL;
  if (fault->closed != NULL) {
    block_end_later(target->reactor, request, -ESHUTDOWN);
  } else if (found == NULL) {
    pass(fault, request);
  } else {
    struct fault_rule rule = *found;
    if (rule.count > 0 && --found->count == 0) remove_rule(fault, (uint32_t)(found - fault->rules));
    act(fault, request, &rule);
  }
}

static void on_below_failed(struct block_target *below, const struct block_failure *failure) {
  struct block_target *target = below->owner;
  if (target->failed != NULL) target->failed(target, failure);
}

static void close_fault(struct block_target *target, void (*closed)(void *context), void *context) {
  struct fault *fault = REACTOR_OF(target, struct fault, target);
  fault_resume(target);
  fault->closed = closed;
  fault->closed_context = context;
  close_if_idle(fault);
}

static const struct block_target_kind kind = {.name = "fault", .submit = submit, .close = close_fault};

struct block_target *fault_make(struct block_target *below, uint64_t seed) {
  struct fault *fault = calloc(1, sizeof *fault);
  if (fault == NULL) return NULL;
  fault->target = *below;
  fault->target.kind = &kind;
  fault->below = below;
  below->failed = on_below_failed;
  below->owner = &fault->target;
  fault->random = random_seeded(seed);
  fault->hung_last = &fault->hung;
  fault->close.run = close_below;
  return &fault->target;
}

bool fault_is(const struct block_target *target) {
  return target->kind == &kind;
}

struct block_target *fault_below(struct block_target *target) {
  return REACTOR_OF(target, struct fault, target)->below;
}

int fault_add_rule(struct block_target *target, const struct fault_rule *rule) {
  struct fault *fault = REACTOR_OF(target, struct fault, target);
  if (fault->rule_count == FAULT_RULES_MAX) return -ENOSPC;
  bool fails = rule->action == FAULT_FAIL || rule->action == FAULT_TORN;
  if (rule->action > FAULT_HANG || (fails && rule->error >= 0) || rule->length > UINT64_MAX - rule->offset) return -EINVAL;
  fault->rules[fault->rule_count++] = *rule;
  return 0;
}

void fault_resume(struct block_target *target) {
  struct fault *fault = REACTOR_OF(target, struct fault, target);
  fault->rule_count = 0;
  struct reactor_task *task = fault->hung;
  fault->hung = NULL;
  fault->hung_last = &fault->hung;
  while (task != NULL) {
    struct block_request *request = REACTOR_OF(task, struct block_request, link);
    task = task->next;
    fault->under_way--;
    pass(fault, request);
  }
}
