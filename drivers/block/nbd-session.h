/* One host's connection in NBD's transmission phase; nbd.h tells how it works. For the reactor of its device. */
#ifndef CARDINAL_NBD_SESSION_H
#define CARDINAL_NBD_SESSION_H

#include "nbd.h"

struct nbd_session;

/* What the module keeps with a device. */
struct nbd_front {
  struct device *device;
  struct nbd_session *sessions;
  uint32_t count;
  /* The device goes, and waits for the last session. */
  bool leaving;
  void (*left)(void *context);
  void *context;
};

/* What of a session others may look at. */
struct nbd_session {
  struct nbd_front *front;
  struct nbd_session *next;
  uint32_t number;
  uint32_t under_way;
  struct nbd_counts counts;
  /* To be answered when it has ended. */
  struct engine_order *dropping;
};

/* Adds it to its front. Takes the descriptor over when it returns 0. */
int nbd_session_start(struct nbd_front *front, uint32_t number, int fd, uint32_t options);
/* Takes nothing more from the host; ends when what is under way is answered, or after NBD_LEAVE_US without an answer. */
void nbd_session_leave(struct nbd_session *session);
/* nbd.c's: nothing of the session is under way any more, and it is to be taken out of its front. */
void nbd_session_ended(struct nbd_session *session, int error);

#endif
