#define _GNU_SOURCE
#include "mirror-orders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "forwarder.h"
#include "mirror.h"
#include "peer.h"
#include "resync.h"

#define REPORT(kind) ENGINE_KIND(ENGINE_MIRROR, (kind))
#define TIMEOUT_US 6000000
#define HOT_MIN 16

/* A connection that is served, or is to be once its leg's earlier one has ended. */
struct session {
  struct sessions *sessions;
  struct peer *peer;
  struct leg *leg;
  uint32_t descriptor;
  bool forgets;
  struct engine_order *order; /* while it waits */
  struct session *next;
};

/* What the module keeps with a device. */
struct sessions {
  struct device *device;
  struct session *first;
  void (*left)(void *context);
  void *context;
  unsigned closing;
};

static void succeed(struct engine_order *order) {
  engine_end(order, 0, NULL, 0);
}

static void end(struct engine_order *order, int error, const char *what) {
  if (error == 0) succeed(order);
  else engine_refuse(order, error, "mirror: %s: %s", what, strerrordesc_np(-error));
}

static struct block_target *slot_of(const struct engine_order *order, uint32_t slot) {
  return order->device != NULL && slot < ENGINE_SLOTS ? order->device->slots[slot] : NULL;
}

/* The leg in a slot; NULL after the order has been refused. */
static struct leg *take_leg(struct engine_order *order, uint32_t slot) {
  struct leg *leg = leg_of(slot_of(order, slot));
  if (leg == NULL) engine_refuse(order, -ENXIO, "mirror: device %u has no leg in slot %u", order->number, slot);
  return leg;
}

static struct mirror *find_mirror(const struct device *device) {
  for (unsigned slot = 0; slot < ENGINE_SLOTS; slot++) {
    struct mirror *mirror = mirror_of(device->slots[slot]);
    if (mirror != NULL) return mirror;
  }
  return NULL;
}

static struct mirror *take_mirror(struct engine_order *order) {
  struct mirror *mirror = order->device != NULL ? find_mirror(order->device) : NULL;
  if (mirror == NULL) engine_refuse(order, -ENXIO, "mirror: device %u has no mirror", order->number);
  return mirror;
}

static bool is_slot_free(struct engine_order *order, uint32_t slot) {
  bool is_free = slot < ENGINE_SLOTS && order->device->slots[slot] == NULL && (order->device->reserved >> slot & 1) == 0;
  if (!is_free) engine_refuse(order, -EEXIST, "mirror: slot %u of device %u is taken, or is none of %u", slot, order->number, ENGINE_SLOTS);
  return is_free;
}

static void leg_failed(struct block_target *target, const struct block_failure *failure) {
  const struct device *device = target->owner;
  uint8_t bytes[16] = {(uint8_t)failure->verb};
  put_u32(bytes + 4, failure->length);
  put_u64(bytes + 8, failure->offset);
  engine_report(device->engine, REPORT(MIRROR_LEG_FAILED), device->number, failure->error, bytes, sizeof bytes);
}

static void lay(struct device *device, uint32_t slot, struct block_target *target) {
  device->slots[slot] = target;
  target->failed = leg_failed;
  target->owner = device;
}

/* ---- legs */

struct format_order {
  struct leg_format format;
  struct engine_order *order;
};

static void on_formatted(struct leg_format *format, int error) {
  struct format_order *formatting = REACTOR_OF(format, struct format_order, format);
  uint64_t size = format->superblock.size;
  if (error == 0) engine_end(formatting->order, 0, &size, sizeof size);
  else end(formatting->order, error, "the leg cannot be formatted");
  free(formatting);
}

/* The rest of an order is the storage service's state. False after the order has been refused. */
static bool take_state(struct engine_order *order, uint8_t *state, uint32_t *state_bytes) {
  *state_bytes = order->length - order->at;
  if (*state_bytes > SUPERBLOCK_STATE_MAX) {
    engine_refuse(order, -E2BIG, "mirror: a state of %u bytes; there is room for %u", *state_bytes, SUPERBLOCK_STATE_MAX);
    return false;
  }
  const uint8_t *bytes = engine_bytes(order, *state_bytes);
  if (!engine_complete(order)) return false;
  memcpy(state, bytes, *state_bytes);
  return true;
}

static void take_id(struct engine_order *order, uint8_t id[LEG_ID_BYTES]) {
  const uint8_t *bytes = engine_bytes(order, LEG_ID_BYTES);
  if (bytes != NULL) memcpy(id, bytes, LEG_ID_BYTES);
}

static void format(struct engine_order *order) {
  struct format_order *formatting = calloc(1, sizeof *formatting);
  if (formatting == NULL) {
    end(order, -ENOMEM, "the leg cannot be formatted");
    return;
  }
  struct superblock *superblock = &formatting->format.superblock;
  uint32_t slot = engine_u32(order);
  take_id(order, superblock->device);
  take_id(order, superblock->leg);
  superblock->size = engine_u64(order);
  superblock->term = engine_u64(order);
  superblock->bitmaps = engine_u32(order) & ((1u << LEG_PEERS_MAX) - 1);
  formatting->order = order;
  if (!take_state(order, superblock->state, &superblock->state_bytes)) {
    free(formatting);
    return;
  }
  formatting->format.backing = slot_of(order, slot);
  formatting->format.done = on_formatted;
  if (formatting->format.backing == NULL) {
    free(formatting);
    engine_refuse(order, -ENXIO, "mirror: device %u has nothing in slot %u", order->number, slot);
    return;
  }
  leg_format(&formatting->format);
}

struct open_order {
  struct leg_opening opening;
  struct engine_order *order;
  uint32_t slot;
};

struct leg_told {
  uint8_t device[LEG_ID_BYTES], leg[LEG_ID_BYTES];
  uint64_t size, end, term;
  uint32_t bitmaps, missing, hot, reserved;
  uint64_t dirty[LEG_PEERS_MAX];
  uint8_t state[SUPERBLOCK_STATE_MAX];
};

static void tell_leg(struct engine_order *order, const struct leg *leg) {
  struct leg_told told = {.size = leg->superblock.size,
                          .end = leg->superblock.end,
                          .term = leg->superblock.term,
                          .bitmaps = leg->superblock.bitmaps,
                          .missing = leg->superblock.missing,
                          .hot = leg->hot_at_open};
  memcpy(told.device, leg->superblock.device, LEG_ID_BYTES);
  memcpy(told.leg, leg->superblock.leg, LEG_ID_BYTES);
  memcpy(told.state, leg->superblock.state, leg->superblock.state_bytes);
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) told.dirty[number] = leg->bitmaps[number].set_count;
  engine_end(order, 0, &told, offsetof(struct leg_told, state) + leg->superblock.state_bytes);
}

static void on_opened(struct leg_opening *opening, struct leg *leg, int error) {
  struct open_order *opened = REACTOR_OF(opening, struct open_order, opening);
  struct engine_order *order = opened->order;
  struct device *device = order->device;
  device->reserved &= ~(1u << opened->slot);
  if (error != 0) {
    end(order, error, error == -ENODATA ? "there is no superblock" : "the leg cannot be opened");
  } else {
    lay(device, opened->slot, &leg->target);
    tell_leg(order, leg);
  }
  free(opened);
}

static void open_leg(struct engine_order *order) {
  uint32_t backing = engine_u32(order), slot = engine_u32(order);
  uint64_t until = engine_u64(order);
  uint32_t hot_max = engine_u32(order);
  if (!engine_complete(order) || !is_slot_free(order, slot)) return;
  if (hot_max != 0 && (hot_max < HOT_MIN || hot_max > ACTIVITY_HOT_MAX)) {
    engine_refuse(order, -EINVAL, "mirror: a log of %u extents; %u to %u are possible", hot_max, HOT_MIN, ACTIVITY_HOT_MAX);
    return;
  }
  struct open_order *opening = calloc(1, sizeof *opening);
  struct block_target *target = slot_of(order, backing);
  if (opening == NULL || target == NULL) {
    free(opening);
    end(order, target == NULL ? -ENXIO : -ENOMEM, "the leg cannot be opened");
    return;
  }
  order->device->reserved |= 1u << slot;
  opening->opening = (struct leg_opening){.backing = target, .end = until, .hot_max = hot_max, .done = on_opened};
  opening->order = order;
  opening->slot = slot;
  leg_open(&opening->opening);
}

struct record_order {
  struct leg_record record;
  struct engine_order *order;
};

static void on_recorded(struct leg_work *work, int error) {
  struct record_order *recorded = REACTOR_OF(work, struct record_order, record.work);
  end(recorded->order, error, "the superblock cannot be written");
  free(recorded);
}

static void record(struct engine_order *order) {
  struct leg *leg = take_leg(order, engine_u32(order));
  if (leg == NULL) return;
  struct record_order *recording = calloc(1, sizeof *recording);
  if (recording == NULL) {
    end(order, -ENOMEM, "the superblock cannot be written");
    return;
  }
  recording->order = order;
  recording->record.term = engine_u64(order);
  recording->record.bitmaps = engine_u32(order) & ((1u << LEG_PEERS_MAX) - 1);
  recording->record.missing = engine_u32(order);
  recording->record.fill = engine_u32(order);
  recording->record.work.done = on_recorded;
  if (take_state(order, recording->record.state, &recording->record.state_bytes)) leg_record(leg, &recording->record);
  else free(recording);
}

struct change_order {
  struct leg_change change;
  struct engine_order *order;
};

static void on_changed(struct leg_work *work, int error) {
  struct change_order *changed = REACTOR_OF(work, struct change_order, change.work);
  if (error == 0) tell_leg(changed->order, work->leg);
  else end(changed->order, error, error == -EBUSY ? "there are writes under way" : "the metadata cannot be written");
  free(changed);
}

static void change(struct engine_order *order, uint32_t slot, enum leg_bitmap_action action, uint32_t bitmaps) {
  if (!engine_complete(order)) return;
  struct leg *leg = take_leg(order, slot);
  if (leg == NULL) return;
  struct change_order *changing = calloc(1, sizeof *changing);
  if (changing == NULL) {
    end(order, -ENOMEM, "the metadata cannot be written");
    return;
  }
  changing->order = order;
  changing->change.action = action;
  changing->change.bitmaps = bitmaps;
  changing->change.work.done = on_changed;
  leg_change(leg, &changing->change);
}

static void suspect(struct engine_order *order) {
  uint32_t slot = engine_u32(order), bitmaps = engine_u32(order);
  change(order, slot, LEG_BITMAP_SUSPECT, bitmaps);
}

static void change_bitmap(struct engine_order *order) {
  uint32_t slot = engine_u32(order), bitmaps = engine_u32(order), action = engine_u32(order);
  change(order, slot, action == 1 ? LEG_BITMAP_FILL : action == 2 ? LEG_BITMAP_CLEAR : LEG_BITMAP_NONE, bitmaps);
}

static void close_log(struct engine_order *order) {
  uint32_t slot = engine_u32(order);
  change(order, slot, LEG_BITMAP_CLOSE, 0);
}

static void tell_leg_status(struct engine_order *order) {
  uint32_t slot = engine_u32(order);
  if (!engine_complete(order)) return;
  const struct leg *leg = take_leg(order, slot);
  if (leg != NULL) tell_leg(order, leg);
}

/* ---- sessions */

static struct sessions *sessions_of(struct device *device) {
  struct sessions *sessions = device->modules[ENGINE_MIRROR];
  if (sessions != NULL) return sessions;
  sessions = calloc(1, sizeof *sessions);
  if (sessions != NULL) sessions->device = device;
  device->modules[ENGINE_MIRROR] = sessions;
  return sessions;
}

static void drop(struct session *session) {
  struct session **link = &session->sessions->first;
  while (*link != session) link = &(*link)->next;
  *link = session->next;
  free(session);
}

static bool is_leg_served(const struct sessions *sessions, const struct leg *leg) {
  for (const struct session *session = sessions->first; session != NULL; session = session->next) {
    if (leg != NULL && session->leg == leg && session->peer != NULL) return true;
  }
  return false;
}

static void go_on_leaving(void *context);

static void session_ended(struct peer *peer, int reason);

static void start_session(struct session *session) {
  struct device *device = session->sessions->device;
  struct engine_order *order = session->order;
  struct peer_options options = {.gate = &device->gate, .leg = session->leg, .ended = session_ended, .owner = session};
  if (session->forgets && session->leg != NULL) leg_forget(session->leg);
  session->order = NULL;
  session->peer = peer_start(device->reactor, (int)session->descriptor, &options);
  int error = session->peer == NULL ? -ENOMEM : 0;
  if (error != 0) drop(session);
  end(order, error, "the connection cannot be served");
}

/* A session begins when all that the one before has asked for has ended: nothing of it can land later. */
static void start_waiting(struct sessions *sessions) {
  for (struct session *session = sessions->first, *next; session != NULL; session = next) {
    next = session->next;
    if (session->peer == NULL && !is_leg_served(sessions, session->leg)) start_session(session);
  }
}

static void session_ended(struct peer *peer, int reason) {
  struct session *session = peer_owner(peer);
  struct sessions *sessions = session->sessions;
  const struct device *device = sessions->device;
  uint8_t bytes[4];
  put_u32(bytes, session->descriptor);
  peer_free(peer);
  drop(session);
  engine_report(device->engine, REPORT(MIRROR_SESSION_ENDED), device->number, reason, bytes, sizeof bytes);
  if (sessions->left != NULL) go_on_leaving(sessions);
  else start_waiting(sessions);
}

static void refuse_session(struct session *session, int error) {
  struct engine_order *order = session->order;
  close((int)session->descriptor);
  drop(session);
  end(order, error, "the connection is not served");
}

static void serve(struct engine_order *order) {
  uint32_t descriptor = engine_u32(order), slot = engine_u32(order), flags = engine_u32(order);
  if (!engine_complete(order)) return;
  struct leg *leg = slot == MIRROR_NO_LEG ? NULL : leg_of(slot_of(order, slot));
  struct sessions *sessions = sessions_of(order->device);
  struct session *session = calloc(1, sizeof *session);
  if (sessions == NULL || session == NULL || (leg == NULL && slot != MIRROR_NO_LEG)) {
    free(session);
    close((int)descriptor);
    end(order, sessions == NULL || session == NULL ? -ENOMEM : -ENXIO, "the connection is not served");
    return;
  }
  *session = (struct session){
      .sessions = sessions, .leg = leg, .descriptor = descriptor, .forgets = (flags & 1) != 0, .order = order, .next = sessions->first};
  sessions->first = session;
  for (struct session *other = session->next, *next; other != NULL && leg != NULL; other = next) {
    next = other->next;
    if (other->leg != leg) continue;
    if (other->peer != NULL) peer_end(other->peer, -ECANCELED);
    else refuse_session(other, -ECANCELED);
  }
  start_waiting(sessions);
}

/* ---- the mirror */

static void on_lost(struct mirror *mirror, unsigned peer, int reason, bool is_frozen) {
  const struct device *device = mirror->owner;
  uint8_t bytes[8];
  put_u32(bytes, peer);
  put_u32(bytes + 4, is_frozen);
  engine_report(device->engine, REPORT(MIRROR_LOST), device->number, reason, bytes, sizeof bytes);
}

static void on_progress(struct mirror *mirror, unsigned peer, const struct resync *resync) {
  const struct device *device = mirror->owner;
  uint8_t bytes[36];
  put_u32(bytes, (resync->flags & RESYNC_VERIFY) != 0);
  put_u64(bytes + 4, resync->done_bytes);
  put_u64(bytes + 12, resync_left_bytes(resync));
  put_u64(bytes + 20, resync->sent_bytes);
  put_u64(bytes + 28, resync->differing_bytes);
  engine_report(device->engine, REPORT(MIRROR_PROGRESS), device->number, (int32_t)peer, bytes, sizeof bytes);
}

static void on_resync_ended(struct mirror *mirror, unsigned peer, const struct resync *resync, int error) {
  const struct device *device = mirror->owner;
  uint8_t bytes[40];
  put_u32(bytes, peer);
  put_u32(bytes + 4, (resync->flags & RESYNC_VERIFY) != 0);
  put_u64(bytes + 8, resync->done_bytes);
  put_u64(bytes + 16, mirror->leg->bitmaps[peer].set_count);
  put_u64(bytes + 24, resync->sent_bytes);
  put_u64(bytes + 32, resync->differing_bytes);
  engine_report(device->engine, REPORT(MIRROR_RESYNC_ENDED), device->number, error, bytes, sizeof bytes);
}

static void on_differs(struct mirror *mirror, unsigned peer, uint64_t offset, uint64_t length) {
  const struct device *device = mirror->owner;
  uint8_t bytes[16];
  put_u64(bytes, offset);
  put_u64(bytes + 8, length);
  engine_report(device->engine, REPORT(MIRROR_DIFFERS), device->number, (int32_t)peer, bytes, sizeof bytes);
}

static const struct mirror_listener listener = {.lost = on_lost, .progress = on_progress, .resync_ended = on_resync_ended, .differs = on_differs};

static const struct mirror_options default_options = {.protocol = MIRROR_SYNCHRONOUS,
                                                      .behind_bytes_max = 4u << 20,
                                                      .timeout_us = TIMEOUT_US,
                                                      .resync_least = 16u << 20,
                                                      .resync_fill = 8u << 20};

static void make_mirror(struct engine_order *order) {
  uint32_t leg_slot = engine_u32(order), slot = engine_u32(order);
  uint64_t term = engine_u64(order);
  if (!engine_complete(order) || !is_slot_free(order, slot)) return;
  struct leg *leg = take_leg(order, leg_slot);
  if (leg == NULL) return;
  struct mirror *mirror = mirror_make(leg, term, &default_options, &listener);
  if (mirror == NULL) {
    end(order, -ENOMEM, "there is no memory for it");
    return;
  }
  mirror->owner = order->device;
  lay(order->device, slot, &mirror->target);
  succeed(order);
}

static void attach(struct engine_order *order) {
  uint32_t bitmap = engine_u32(order), descriptor = engine_u32(order), theirs = engine_u32(order), state = engine_u32(order);
  bool is_state = state == MIRROR_SYNCHRONIZING || state == MIRROR_IN_SYNC;
  struct mirror *mirror = order->device != NULL ? find_mirror(order->device) : NULL;
  if (order->malformed || mirror == NULL || !is_state) {
    close((int)descriptor);
    end(order, mirror == NULL ? -ENXIO : -EINVAL, "the peer cannot be attached");
  } else if (engine_complete(order)) {
    end(order, mirror_attach(mirror, bitmap, (int)descriptor, theirs, state), "the peer cannot be attached");
  }
}

static void set_options(struct engine_order *order) {
  struct mirror_options options = {.protocol = engine_u32(order)};
  options.behind_bytes_max = engine_u64(order);
  options.timeout_us = engine_u32(order) * 1000;
  options.resync_most = engine_u64(order);
  options.resync_least = engine_u64(order);
  options.resync_fill = engine_u32(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  if (options.protocol > MIRROR_ASYNCHRONOUS || options.timeout_us == 0 || options.resync_fill == 0) {
    end(order, -EINVAL, "protocol 0 to 2, a time-out and a fill target above 0 are wanted");
    return;
  }
  mirror_set_options(mirror, &options);
  succeed(order);
}

static void set_state(struct engine_order *order) {
  uint32_t bitmap = engine_u32(order), state = engine_u32(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  end(order, state > MIRROR_IN_SYNC ? -EINVAL : mirror_set_state(mirror, bitmap, state), "the peer's state cannot be set");
}

static void proceed(struct engine_order *order) {
  uint32_t bitmaps = engine_u32(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  mirror_proceed(mirror, bitmaps);
  succeed(order);
}

static void resync(struct engine_order *order) {
  uint32_t bitmap = engine_u32(order), flags = engine_u32(order);
  uint64_t from = engine_u64(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror != NULL) end(order, resync_start(mirror, bitmap, flags, from), "it cannot begin");
}

static void stop(struct engine_order *order) {
  uint32_t bitmap = engine_u32(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  struct resync *running = bitmap < LEG_PEERS_MAX ? mirror->peers[bitmap].resync : NULL;
  if (running != NULL) resync_stop(running, -ECANCELED);
  end(order, running == NULL ? -ENOENT : 0, "nothing runs");
}

struct counted {
  struct mirror_counters mirror;
  struct leg_counters leg;
  uint64_t range_waits, behind_bytes;
  uint32_t lost, reserved;
  struct {
    uint32_t state, is_connected;
    uint64_t dirty, under_way, bytes_under_way;
    struct stream_counters stream;
  } peers[LEG_PEERS_MAX];
};

static void tell_counts(struct engine_order *order) {
  if (!engine_complete(order)) return;
  const struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  struct counted counted = {.mirror = mirror->counters,
                            .leg = mirror->leg->counters,
                            .range_waits = mirror->ranges.waits,
                            .behind_bytes = mirror->behind_bytes,
                            .lost = mirror->lost};
  for (unsigned number = 0; number < LEG_PEERS_MAX; number++) {
    const struct mirror_peer *peer = &mirror->peers[number];
    counted.peers[number].state = peer->state;
    counted.peers[number].is_connected = peer->remote != NULL;
    counted.peers[number].dirty = mirror->leg->bitmaps[number].set_count;
    if (peer->remote == NULL) continue;
    counted.peers[number].under_way = peer->remote->under_way;
    counted.peers[number].bytes_under_way = peer->remote->bytes_under_way;
    counted.peers[number].stream = peer->remote->stream.counters;
  }
  engine_end(order, 0, &counted, sizeof counted);
}

static void set_term(struct engine_order *order) {
  uint64_t term = engine_u64(order);
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  mirror_set_term(mirror, term);
  succeed(order);
}

static void abandon(struct engine_order *order) {
  if (!engine_complete(order)) return;
  struct mirror *mirror = take_mirror(order);
  if (mirror == NULL) return;
  mirror_abandon(mirror);
  succeed(order);
}

/* ---- forwarding */

static void forwarder_lost(struct block_target *target, int reason) {
  const struct device *device = target->owner;
  uint8_t bytes[4] = {0};
  for (uint32_t slot = 0; slot < ENGINE_SLOTS; slot++) {
    if (device->slots[slot] == target) put_u32(bytes, slot);
  }
  engine_report(device->engine, REPORT(MIRROR_FORWARDER_LOST), device->number, reason, bytes, sizeof bytes);
}

static void forward(struct engine_order *order) {
  uint32_t slot = engine_u32(order), descriptor = engine_u32(order);
  struct forwarder_options options = {.timeout_us = TIMEOUT_US, .lost = forwarder_lost};
  options.size = engine_u64(order);
  options.term = engine_u64(order);
  if (!engine_complete(order)) return;
  if (!is_slot_free(order, slot)) {
    close((int)descriptor);
    return;
  }
  struct block_target *target = forwarder_make(order->device->reactor, (int)descriptor, &options);
  if (target != NULL) lay(order->device, slot, target);
  end(order, target == NULL ? -ENOMEM : 0, "there is no memory for it");
}

/* ---- the end of a device: sessions, the mirror, then the legs */

static bool close_slots(struct sessions *sessions, bool mirrors) {
  struct device *device = sessions->device;
  for (unsigned slot = 0; slot < ENGINE_SLOTS; slot++) {
    struct block_target *target = device->slots[slot];
    if (mirrors ? mirror_of(target) == NULL : leg_of(target) == NULL) continue;
    device->slots[slot] = NULL;
    target->kind->close(target, go_on_leaving, sessions);
    return true;
  }
  return false;
}

static void go_on_leaving(void *context) {
  struct sessions *sessions = context;
  if (sessions->first != NULL || close_slots(sessions, true) || close_slots(sessions, false)) return;
  void (*left)(void *context) = sessions->left;
  void *of_engine = sessions->context;
  sessions->device->modules[ENGINE_MIRROR] = NULL;
  free(sessions);
  left(of_engine);
}

static void leave(struct device *device, void (*left)(void *context), void *context) {
  struct sessions *sessions = sessions_of(device);
  if (sessions == NULL) {
    left(context);
    return;
  }
  sessions->left = left;
  sessions->context = context;
  for (struct session *session = sessions->first, *next; session != NULL; session = next) {
    next = session->next;
    if (session->peer != NULL) peer_end(session->peer, -ESHUTDOWN);
    else refuse_session(session, -ESHUTDOWN);
  }
  if (sessions->first == NULL) go_on_leaving(sessions);
}

static engine_handler *const handlers[MIRROR_ORDERS] = {
    [MIRROR_FORMAT] = format,
    [MIRROR_OPEN] = open_leg,
    [MIRROR_RECORD] = record,
    [MIRROR_SUSPECT] = suspect,
    [MIRROR_BITMAP] = change_bitmap,
    [MIRROR_CLOSE_LOG] = close_log,
    [MIRROR_LEG_STATUS] = tell_leg_status,
    [MIRROR_SERVE] = serve,
    [MIRROR_MAKE] = make_mirror,
    [MIRROR_ATTACH] = attach,
    [MIRROR_OPTIONS] = set_options,
    [MIRROR_STATE] = set_state,
    [MIRROR_PROCEED] = proceed,
    [MIRROR_RESYNC] = resync,
    [MIRROR_STOP] = stop,
    [MIRROR_COUNT] = tell_counts,
    [MIRROR_TERM] = set_term,
    [MIRROR_ABANDON] = abandon,
    [MIRROR_FORWARD] = forward,
};

const struct engine_table mirror_orders_table = {.handlers = handlers, .count = MIRROR_ORDERS, .leave = leave};
