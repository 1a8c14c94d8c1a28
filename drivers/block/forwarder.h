/*
 * A target that asks another card: the path to a device whose host is elsewhere. It takes the descriptor over, in any case; when the
 * connection is lost its requests fail with the reason, and so do all that come after.
 */
#ifndef CARDINAL_BLOCK_FORWARDER_H
#define CARDINAL_BLOCK_FORWARDER_H

#include "target.h"

struct forwarder_options {
  uint64_t size, term;
  uint32_t timeout_us;
  /* Not from inside, and not when it is closed. */
  void (*lost)(struct block_target *target, int reason);
};

/* NULL when there is no memory. */
struct block_target *forwarder_make(struct reactor *reactor, int fd, const struct forwarder_options *options);

#endif
