#define _GNU_SOURCE
#include "nbd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd-session.h"

static struct nbd_front *front_of(struct device *device) {
  struct nbd_front *front = device->modules[ENGINE_EXPORT];
  if (front != NULL) return front;
  front = calloc(1, sizeof *front);
  if (front == NULL) return NULL;
  front->device = device;
  device->modules[ENGINE_EXPORT] = front;
  return front;
}

static struct nbd_session *session_of(const struct device *device, uint32_t number) {
  const struct nbd_front *front = device->modules[ENGINE_EXPORT];
  struct nbd_session *session = front == NULL ? NULL : front->sessions;
  while (session != NULL && session->number != number) session = session->next;
  return session;
}

static void free_front(struct nbd_front *front) {
  front->device->modules[ENGINE_EXPORT] = NULL;
  free(front);
}

void nbd_session_ended(struct nbd_session *session, int error) {
  struct nbd_front *front = session->front;
  struct nbd_session **at = &front->sessions;
  while (*at != session) at = &(*at)->next;
  *at = session->next;
  front->count--;
  engine_report(front->device->engine, ENGINE_KIND(ENGINE_EXPORT, NBD_ENDED), session->number, error, &session->counts,
                sizeof session->counts);
  if (session->dropping != NULL) engine_end(session->dropping, 0, NULL, 0);
  if (!front->leaving || front->count > 0) return;
  void (*left)(void *context) = front->left;
  void *context = front->context;
  free_front(front);
  left(context);
}

static int start(struct device *device, uint32_t number, int fd, uint32_t options) {
  if (session_of(device, number) != NULL) return -EEXIST;
  struct nbd_front *front = front_of(device);
  if (front == NULL) return -ENOMEM;
  if (front->leaving) return -ESHUTDOWN;
  if (front->count >= NBD_SESSIONS_MAX) return -EMFILE;
  return nbd_session_start(front, number, fd, options);
}

static void serve(struct engine_order *order) {
  uint32_t number = engine_u32(order);
  int fd = (int)engine_u32(order);
  uint32_t options = engine_u32(order);
  bool malformed = order->malformed || order->device == NULL || (options & ~NBD_OPTIONS) != 0;
  int error = malformed ? -EBADMSG : start(order->device, number, fd, options);
  if (error < 0) engine_refuse(order, error, "the connection cannot be served: %s", strerrordesc_np(-error));
  else engine_end(order, 0, NULL, 0);
}

static void drop(struct engine_order *order) {
  uint32_t number = engine_u32(order);
  if (!engine_complete(order)) return;
  struct nbd_session *session = order->device == NULL ? NULL : session_of(order->device, number);
  if (session == NULL || session->dropping != NULL) {
    engine_refuse(order, -ENOENT, "there is no session %u", number);
    return;
  }
  session->dropping = order;
  nbd_session_leave(session);
}

static void count(struct engine_order *order) {
  if (!engine_complete(order)) return;
  const struct nbd_front *front = order->device == NULL ? NULL : order->device->modules[ENGINE_EXPORT];
  struct nbd_counted *counted = front == NULL ? NULL : calloc(front->count + 1, sizeof *counted);
  uint32_t found = 0;
  for (const struct nbd_session *session = counted == NULL ? NULL : front->sessions; session != NULL; session = session->next) {
    counted[found++] = (struct nbd_counted){session->number, session->under_way, session->counts};
  }
  engine_end(order, 0, counted, found * sizeof *counted);
  free(counted);
}

static void leave(struct device *device, void (*left)(void *context), void *context) {
  struct nbd_front *front = device->modules[ENGINE_EXPORT];
  if (front == NULL || front->count == 0) {
    if (front != NULL) free_front(front);
    left(context);
    return;
  }
  front->leaving = true;
  front->left = left;
  front->context = context;
  for (struct nbd_session *session = front->sessions; session != NULL; session = session->next) nbd_session_leave(session);
}

static engine_handler *const handlers[NBD_ORDERS] = {
    [NBD_SERVE] = serve,
    [NBD_DROP] = drop,
    [NBD_COUNT] = count,
};

const struct engine_table nbd_table = {.handlers = handlers, .count = NBD_ORDERS, .leave = leave};
