/* The orders about legs, mirrors and their connections, and what is reported of them: MIRROR.md lists both. */
#ifndef CARDINAL_BLOCK_MIRROR_ORDERS_H
#define CARDINAL_BLOCK_MIRROR_ORDERS_H

#include "engine.h"

enum mirror_order {
  MIRROR_FORMAT = 1,
  MIRROR_OPEN,
  MIRROR_RECORD,
  MIRROR_SUSPECT,
  MIRROR_BITMAP,
  MIRROR_CLOSE_LOG,
  MIRROR_LEG_STATUS,
  MIRROR_SERVE,
  MIRROR_MAKE,
  MIRROR_ATTACH,
  MIRROR_OPTIONS,
  MIRROR_STATE,
  MIRROR_PROCEED,
  MIRROR_RESYNC,
  MIRROR_STOP,
  MIRROR_COUNT,
  MIRROR_TERM,
  MIRROR_ABANDON,
  MIRROR_FORWARD,
  MIRROR_ORDERS,
};

enum mirror_report {
  MIRROR_SESSION_ENDED = 1,
  MIRROR_LOST,
  MIRROR_PROGRESS,
  MIRROR_RESYNC_ENDED,
  MIRROR_DIFFERS,
  MIRROR_LEG_FAILED,
  MIRROR_FORWARDER_LOST,
};

/* Of a served connection that is for forwarding. */
#define MIRROR_NO_LEG UINT32_MAX

extern const struct engine_table mirror_orders_table;

#endif
